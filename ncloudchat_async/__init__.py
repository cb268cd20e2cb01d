"""Asyncio client for NAVER Ncloud Chat's REST API.

`Client` is the way in; options are frozen structs with units in their names; errors are in
`errors`, the structs of answers in `models`, a twin of the platform to test against in
`emulator`.
"""

from ncloudchat_async import errors, models
from ncloudchat_async.about import __version__
from ncloudchat_async.bulk import Delivery, Job, Outcome, Report
from ncloudchat_async.client import Client
from ncloudchat_async.errors import NcloudChatError
from ncloudchat_async.paging import Page, Pages
from ncloudchat_async.settings import Pool, Quota, Retry, Timeouts
from ncloudchat_async.wire.endpoint import Endpoint
from ncloudchat_async.wire.observe import Event, LoggingObserver, Stats

__all__ = [
    "Client",
    "Delivery",
    "Endpoint",
    "Event",
    "Job",
    "LoggingObserver",
    "NcloudChatError",
    "Outcome",
    "Page",
    "Pages",
    "Pool",
    "Quota",
    "Report",
    "Retry",
    "Stats",
    "Timeouts",
    "__version__",
    "errors",
    "models",
]
