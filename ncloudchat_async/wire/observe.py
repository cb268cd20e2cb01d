"""Decides what an observer is told, and how it is logged; never holds a secret or a text."""

import logging
from collections.abc import Callable
from typing import Final, Literal

import msgspec

__all__ = ["Event", "LoggingObserver", "Observer", "Stats"]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing that happened to a call."""

    kind: Literal["attempt", "retry", "throttle", "wait"]
    """`wait`: it queued for quota; `attempt`: a request ended; `throttle`: with a 429;
    `retry`: another attempt follows after `seconds`."""
    operation: str
    """Name of the endpoint, such as `Channels.get`."""
    attempt: int
    """Number of the attempt, from 1."""
    seconds: float
    """Duration of what the event tells of."""
    http_status: int | None = None
    """None when no answer came."""
    error: str | None = None
    """Name of the error's class, None for a success."""


Observer = Callable[[Event], None]
"""Is told afterwards, on the event loop, so it must be quick. What it raises costs no call its
result: the first failure is logged by the logger `ncloudchat_async`, and it goes on being
told."""


class LoggingObserver:
    """Writes events to a logger: throttles and retries at INFO, the rest at DEBUG.

    Args:
        logger: Where to; None: the logger `ncloudchat_async`.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger: Final = logger or logging.getLogger("ncloudchat_async")

    def __call__(self, event: Event) -> None:
        """Write one event."""
        level = logging.INFO if event.kind in ("throttle", "retry") else logging.DEBUG
        self._logger.log(
            level,
            "%s %s attempt=%d seconds=%.3f status=%s error=%s",
            event.kind,
            event.operation,
            event.attempt,
            event.seconds,
            event.http_status,
            event.error,
        )


class Stats(msgspec.Struct):
    """Totals of a client since it was made; read them at any time."""

    calls: int = 0
    """Calls begun."""
    attempts: int = 0
    """Requests begun: those the server saw, and those that ended with `NotSentError`."""
    retries: int = 0
    """Attempts after the first of their call."""
    throttles: int = 0
    """Answers with HTTP 429."""
    waited_s: float = 0.0
    """Seconds that calls queued for quota, added up."""
    connections: int = 0
    """Sockets opened; those of a borrowed session are not counted."""
