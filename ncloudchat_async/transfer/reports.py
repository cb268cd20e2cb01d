"""What exports, imports and comparisons tell while they run and in the end."""

from collections.abc import Callable

import msgspec

from ncloudchat_async.errors import (
    ApiError,
    AuthenticationError,
    ConfigError,
    NcloudChatError,
    PagingError,
    ProjectNotFoundError,
    QuotaExceededError,
    RateLimitedError,
    ResponseError,
)

__all__ = ["ExportReport", "Failure", "OnProgress", "Progress", "concerns_one", "describe_error"]

_CONCERN_ALL = (
    AuthenticationError,
    ProjectNotFoundError,
    QuotaExceededError,
    RateLimitedError,
)


class Progress(msgspec.Struct, frozen=True):
    """How far a piece of work is."""

    stage: str
    """`members`, `channels`, `subscriptions`, `messages`, `friends`, …"""
    done: int
    """Lists read, channels compared or things sent in this stage."""
    total: int | None
    """How many there will be; None: not known."""
    rows: int
    """Rows that went through so far, in all stages together."""


OnProgress = Callable[[Progress], None]
"""Is told on the event loop how far the work is: it must be quick and must not raise."""


class Failure(msgspec.Struct, frozen=True):
    """Something that could not be carried over, while the rest was."""

    noun: str
    """`members`, `channels`, `subscriptions`, `messages` or `friends`."""
    id: str
    """What it concerns: a channel's id for its messages, "" for a whole list."""
    reason: str
    """Name of the error and its text, or why it was left out."""


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an export did."""

    resumed: bool
    """Whether it went on with one that was interrupted."""
    complete: bool
    """Whether every message was listed, rather than only the newest ones."""
    members: int
    """Members in the archive that still exist, withdrawn ones included."""
    channels: int
    subscriptions: int
    messages: int
    new_messages: int
    """Messages that were not in the archive before this export."""
    gone: int
    """Rows of all kinds that this export found deleted; they stay, marked."""
    failures: tuple[Failure, ...]
    """What could not be read, by channel; empty when all went well."""
    requests: int
    """Calls made."""
    seconds: float


def concerns_one(error: NcloudChatError) -> bool:
    """Tell an error that concerns one list or object from one that concerns all of them.

    After a lost connection, a refused key or a spent quota the others would fail too. A
    `ConfigError` comes of an id that no path can carry.
    """
    if isinstance(error, _CONCERN_ALL):
        return False
    return isinstance(error, ApiError | ResponseError | PagingError | ConfigError)


def describe_error(error: NcloudChatError) -> str:
    """Name an error in one line."""
    return f"{type(error).__name__}: {error}"
