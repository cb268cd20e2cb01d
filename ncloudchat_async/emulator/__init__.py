"""An independent twin of NAVER Ncloud Chat's REST interface, to test programs against.

It is written from the platform's documentation and shares no code with the client.
"""

from ncloudchat_async.emulator.audit import Audit, AuditLine
from ncloudchat_async.emulator.controls import Stats
from ncloudchat_async.emulator.faults import Fault, FaultRule, Faults
from ncloudchat_async.emulator.requests import LoggedRequest, RequestLog
from ncloudchat_async.emulator.routes import ROUTES, Route
from ncloudchat_async.emulator.rows import Seeded
from ncloudchat_async.emulator.running import Emulator, EmulatorThread, serve
from ncloudchat_async.emulator.server import ListCall
from ncloudchat_async.emulator.settings import EmulatorSettings

__all__ = [
    "ROUTES",
    "Audit",
    "AuditLine",
    "Emulator",
    "EmulatorSettings",
    "EmulatorThread",
    "Fault",
    "FaultRule",
    "Faults",
    "ListCall",
    "LoggedRequest",
    "RequestLog",
    "Route",
    "Seeded",
    "Stats",
    "serve",
]
