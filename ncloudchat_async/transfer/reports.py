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

__all__ = [
    "MAX_NAMED",
    "ExportReport",
    "Failure",
    "Forecast",
    "ImportReport",
    "OnDoubt",
    "OnProgress",
    "Progress",
    "concerns_all",
    "concerns_one",
    "describe_error",
]

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
    """What was carried over in this stage; for the messages of an export: channels read."""
    total: int | None
    """How many there will be; None: not known."""
    rows: int
    """Rows that went through so far, in all stages together."""


OnProgress = Callable[[Progress], None]
"""Is told on the event loop how far the work is: it must be quick and must not raise."""


OnDoubt = Callable[[str, int, float], None]
"""Is told on the event loop, before an import waits, that it looks for something that an
earlier one sent without hearing of it: (`messages` or `channels`, how many, seconds at most).
It must be quick and must not raise."""


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
    reread_all: bool
    """Whether every message was asked for again, so that all deletions were found, as
    `complete=True` says. An export without it is whole too: `failures` has what is missing."""
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


def concerns_all(error: NcloudChatError) -> bool:
    """Say whether every further call would meet the same error."""
    return isinstance(error, _CONCERN_ALL)


def concerns_one(error: NcloudChatError) -> bool:
    """Tell an error that concerns one list or object from one that concerns all of them.

    After a lost connection, a refused key or a spent quota the others would fail too. A
    `ConfigError` comes of an id that no path can carry.
    """
    if concerns_all(error):
        return False
    return isinstance(error, ApiError | ResponseError | PagingError | ConfigError)


def describe_error(error: NcloudChatError) -> str:
    """Name an error in one line."""
    return f"{type(error).__name__}: {error}"


MAX_NAMED = 1_000
"""Failures and problems that a report names; more are only counted."""


class Forecast(msgspec.Struct, kw_only=True):
    """What an import would do, and what is against it."""

    members_new: int = 0
    members_existing: int = 0
    channels_new: int = 0
    channels_existing: int = 0
    friends: int = 0
    """Friend requests that would be made."""
    messages: int = 0
    """Messages that would be sent, all of them by the owner of the key and dated anew."""
    problems: list[Failure] = []
    """What would be left out and why; 1,000 at most. For friends `id` is the number of the
    pair, from 1."""
    problem_count: int = 0
    requests: int = 0
    """Calls that would change something."""
    longest_channel: int = 0
    """Messages of the largest channel, which go one after the other."""
    seconds: float | None = None
    """Time for the requests at the client's `Quota.rate`; None if that is not told. The
    largest channel may take longer: `longest_channel` times the time of one answer."""

    def add_problem(self, noun: str, row_id: str, reason: str) -> None:
        """Count a problem, and name it unless there are too many."""
        self.problem_count += 1
        if len(self.problems) < MAX_NAMED:
            self.problems.append(Failure(noun, row_id, reason))


class ImportReport(msgspec.Struct, kw_only=True):
    """What an import did.

    The messages of an interrupted import that it went on with are counted in it, whoever sent
    them, and what is left out is named by every run; members and channels are counted by the
    run that made them.
    """

    resumed: bool = False
    """Whether messages of an interrupted import were sent first."""
    interrupted: bool = False
    """Whether it was asked to stop: call again to go on."""
    messages_left: int = 0
    """After an interruption: messages lined up that are not there yet, or in doubt."""
    members_registered: int = 0
    members_updated: int = 0
    members_existing: int = 0
    """Members that were there and were left as they are."""
    channels_created: int = 0
    channels_matched: int = 0
    """Channels that were there, or were created by an earlier import."""
    friends_requested: int = 0
    messages_sent: int = 0
    messages_failed: int = 0
    """Surely not there: they are tried again by the next import."""
    messages_unknown: int = 0
    """Nobody can tell whether they are there: they are never sent again."""
    failures: list[Failure] = []
    """What was left out and why; 1,000 at most."""
    failure_count: int = 0
    requests: int = 0
    """Calls made."""
    seconds: float = 0.0

    def add_failure(self, noun: str, row_id: str, reason: str) -> None:
        """Count a failure, and name it unless there are too many."""
        self.failure_count += 1
        if len(self.failures) < MAX_NAMED:
            self.failures.append(Failure(noun, row_id, reason))
