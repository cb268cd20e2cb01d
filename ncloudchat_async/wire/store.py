"""Decides from which moment permits may be used; never waits and never counts slots."""

import asyncio
from typing import Protocol

__all__ = ["LocalStore", "Store"]


class Store(Protocol):
    """Books permits for one semaphore, or for all that share it.

    The permits of a booking are spaced evenly: the first may be used from the moment that
    is returned, the next one `interval` later, and so on. What a semaphore booked and has
    not used lapses a few milliseconds after its moment, so that idle time never becomes a
    burst.

    A store that must ask another process or Redis returns a future, and by its `lease`
    lets many permits be booked at a time, so that it is not asked per request. Its server
    needs one number per quota (the moment up to which permits are booked) and one atomic
    step, of which `LocalStore.reserve` is the pattern. The future belongs to the running
    loop and does not fail: a store that cannot reach its server answers from its own
    estimate.
    """

    lease: int
    """Permits that a semaphore books at a time; 1 when asking costs nothing."""

    def reserve(
        self, n: int, now: float, since: float, interval: float, ahead: float
    ) -> "float | asyncio.Future[float]":
        """Book `n` permits and tell from which moment on they may be used.

        Args:
            n: Permits, 1 or more.
            now: The present moment, on the clock of the semaphore.
            since: Earliest moment of use: `now`, or up to a few milliseconds before when
                the caller waits and was woken late.
            interval: Seconds between permits at the caller's present pace.
            ahead: Seconds that permits may be drawn before they are due, which makes a
                burst of `1 + ahead / interval` after idle time.

        Returns:
            The moment of the first permit, `since` or later. A moment after `now` that is
            returned at once books nothing: ask again then. One that comes by a future is
            booked, whenever it is.
        """
        ...


class LocalStore:
    """Permits of one process: two numbers, no lock and nothing to wait for.

    It keeps the moment and the size of the last booking, and not the moment until which
    permits are booked: so a change of pace holds from the last grant on.
    """

    __slots__ = ("_booked", "_last", "lease")

    def __init__(self) -> None:
        self.lease: int = 1
        self._last: float = 0.0
        self._booked: int = 0

    def reserve(self, n: int, now: float, since: float, interval: float, ahead: float) -> float:
        """Book `n` permits; see `Store.reserve`. Never a future."""
        booked_until = self._last + self._booked * interval
        due = booked_until if booked_until > since else since
        start = due - ahead
        if start > now:
            return start
        self._last = due
        self._booked = n
        return start if start > since else since
