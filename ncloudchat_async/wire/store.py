"""Decides from which moment permits may be used; never waits and never counts slots."""

import asyncio
from typing import Protocol

__all__ = ["LocalStore", "Store"]


class Store(Protocol):
    """Books permits for one semaphore, or for all that share it.

    The permits of a booking are spaced evenly: the first may be used from the moment that
    is returned, the next one `interval` later, and so on. A booking is never undone. A
    semaphore keeps what it booked and has not used only until its moment is a few
    milliseconds past, so that idle time never becomes a burst.

    A store that must ask another process or Redis returns a future and books as many
    permits at a time as it thinks fit by its `lease`, so that it is not asked per request.
    Its server needs one number per quota (the moment up to which permits are booked) and
    one atomic step (`LocalStore.reserve` is that step). The future must belong to the
    running loop and must not fail: a store that cannot reach its server answers from its
    own estimate.
    """

    lease: int
    """Permits that a semaphore books at a time; 1 when asking costs nothing."""

    def reserve(
        self, n: int, since: float, interval: float, ahead: float
    ) -> "float | asyncio.Future[float]":
        """Book `n` permits and tell from which moment on they may be used.

        Args:
            n: Permits, 1 or more.
            since: Earliest moment of use, on the clock of the semaphore; never more than a
                few milliseconds in the past.
            interval: Seconds between permits at the caller's present pace.
            ahead: Seconds that permits may be drawn before they are due, which makes a
                burst of `1 + ahead / interval` after idle time.

        Returns:
            The moment of the first permit, `since` or later.
        """
        ...


class LocalStore:
    """Permits of one process: a single number, no lock and nothing to wait for."""

    __slots__ = ("_due", "_interval", "lease")

    def __init__(self) -> None:
        self.lease = 1
        self._due: float = 0.0
        self._interval: float = 0.0

    def reserve(self, n: int, since: float, interval: float, ahead: float) -> float:
        """Book `n` permits; see `Store.reserve`. Never a future."""
        due: float = self._due
        if due <= since:
            due = since
        elif interval != self._interval:
            # What is booked is a number of permits, so it takes another time at another
            # pace; otherwise one permit booked at a slow pace would delay a fast one.
            due = since + (due - since) * interval / (self._interval or interval)
        self._interval = interval
        self._due = due + n * interval
        start = due - ahead
        return start if start > since else since
