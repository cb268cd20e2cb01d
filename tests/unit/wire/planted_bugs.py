"""Semaphores with one mistake each, which the state machine must find."""

import asyncio
from collections import deque

from ncloudchat_async.settings import Priority, Quota
from ncloudchat_async.wire.pace import Pace
from ncloudchat_async.wire.semaphore import RateSemaphore

__all__ = ["BUGS"]

Waiter = tuple["asyncio.Future[float | None]", float]


class SwallowedWakeUp(RateSemaphore):
    """A caller granted and cancelled in one turn takes its wake-up along."""

    def _withdraw(self, queue: deque[Waiter], waiter: Waiter) -> None:
        if waiter[0].done() and not waiter[0].cancelled() and waiter[0].result() is not None:
            self._in_use -= 1
        else:
            super()._withdraw(queue, waiter)


class SlotLeak(RateSemaphore):
    """A caller granted and cancelled in one turn keeps its slot."""

    def _withdraw(self, queue: deque[Waiter], waiter: Waiter) -> None:
        if not waiter[0].done() or waiter[0].cancelled():
            super()._withdraw(queue, waiter)


class CancelledCounts(RateSemaphore):
    """A caller cancelled while it waits gives back a slot it never had."""

    def _withdraw(self, queue: deque[Waiter], waiter: Waiter) -> None:
        if waiter[0].cancelled() and self._in_use:
            self.release()
        super()._withdraw(queue, waiter)


class DeafToPause(RateSemaphore):
    """Who comes during a pause is granted at once."""

    def try_acquire(self, priority: Priority = "interactive") -> bool:
        if self._interactive or self._bulk or self._closed or self._in_use >= self._limit:
            return False
        now = self._now()
        if self._take(now, now) > now:
            return False
        self._in_use += 1
        return True


class LastComeFirstServed(RateSemaphore):
    """A newcomer stands at the head."""

    def _whose_turn(self, now: float) -> deque[Waiter] | None:
        queue = super()._whose_turn(now)
        if queue is not None:
            queue.rotate(1)
        return queue


class StarvedBulk(RateSemaphore):
    """Bulk is served only when nobody else waits."""

    def _whose_turn(self, now: float) -> deque[Waiter] | None:
        self._passed = 0
        return super()._whose_turn(now)


class DeafToLoweredLimit(RateSemaphore):
    """A lowered limit of slots is not obeyed while anybody is in flight."""

    def reconfigure(self, quota: Quota) -> None:
        before = self._limit if self._in_use else 0
        super().reconfigure(quota)
        self._limit = max(before, self._limit)

    @property
    def limit(self) -> int:
        return self._quota.max_in_flight


class LargeBurst(RateSemaphore):
    """Idle time earns twice the burst and more."""

    def _adopt_pace(self) -> None:
        super()._adopt_pace()
        self._ahead = (2 * self._quota.burst + 2) * self._interval


class DeadlineIgnored(RateSemaphore):
    """Whoever is at the head is granted, late or not."""

    def _whose_turn(self, now: float) -> deque[Waiter] | None:
        return super()._whose_turn(-1.0)


class BulkForgottenByClose(RateSemaphore):
    """Closing wakes interactive callers only."""

    def close(self) -> None:
        bulk, self._bulk = self._bulk, deque()
        super().close()
        self._bulk = bulk


class Credit(RateSemaphore):
    """A permit that is not due yet is granted, so that the store owes one."""

    def try_acquire(self, priority: Priority = "interactive") -> bool:
        granted = super().try_acquire(priority)
        if not granted and self._in_use < self._limit and self._opens_at > self._now():
            free = not (self._interactive or self._bulk or self._closed)
            granted = free and self._now() >= self._paused_until
            self._in_use += granted
        return granted


class ForgottenPause(RateSemaphore):
    """Changed limits end the pause."""

    def reconfigure(self, quota: Quota) -> None:
        self._paused_until = 0.0
        self._pace = Pace(quota.rate, adaptive=quota.adaptive)
        super().reconfigure(quota)


BUGS: list[type[RateSemaphore]] = [
    SwallowedWakeUp,
    SlotLeak,
    CancelledCounts,
    DeafToPause,
    LastComeFirstServed,
    StarvedBulk,
    DeafToLoweredLimit,
    LargeBurst,
    DeadlineIgnored,
    BulkForgottenByClose,
    Credit,
    ForgottenPause,
]
