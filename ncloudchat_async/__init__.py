"""Asyncio client for NAVER Ncloud Chat's REST API.

`Client` is the way in; options are frozen structs with units in their names; errors are in
`errors`, the structs of answers in `models`, a twin of the platform to test against in
`emulator`. Names are loaded when they are first used, so that importing this package, as
its command line does for every `--help`, costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from ncloudchat_async.about import __version__

if TYPE_CHECKING:
    from ncloudchat_async import errors, models
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

_HOMES: Final = {
    "Client": "client",
    "Delivery": "bulk",
    "Endpoint": "wire.endpoint",
    "Event": "wire.observe",
    "Job": "bulk",
    "LoggingObserver": "wire.observe",
    "NcloudChatError": "errors",
    "Outcome": "bulk",
    "Page": "paging",
    "Pages": "paging",
    "Pool": "settings",
    "Quota": "settings",
    "Report": "bulk",
    "Retry": "settings",
    "Stats": "wire.observe",
    "Timeouts": "settings",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used (PEP 562)."""
    if name in {"errors", "models"}:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what is public, loaded or not."""
    return __all__
