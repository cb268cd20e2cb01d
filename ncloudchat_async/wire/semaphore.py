"""Decides who may send, and when: slots, pace, pause, two priorities and their deadlines.

Nothing here knows HTTP, sleeps while it holds something, or spawns a task: waiters are
plain futures in two queues, and one timer wakes whoever is due.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from ncloudchat_async.errors import ClientClosedError, DeadlineExceededError
from ncloudchat_async.settings import Priority, Quota
from ncloudchat_async.wire.pace import Pace
from ncloudchat_async.wire.store import LocalStore, Store

__all__ = ["RateSemaphore"]

SLACK_S = 0.004
"""How late a permit may be used. Timers fire up to 2 ms late, and later when the loop is
busy; without slack the pace would fall behind by that much every time."""
TIMER_S = 0.001
"""Shortest timer: below a millisecond uvloop spins."""
EXPIRY_S = 0.01
"""Shortest time between two searches for waiters past their deadline."""
DEFAULT_QUOTA = Quota()
BULK_SHARE = 10
"""Of so many grants in a row at least one is for `bulk` while it waits."""

_Waiter = tuple["asyncio.Future[float | None]", float]
"""A place in a queue: what wakes the caller (with the moment of its permit, or None when
it gets none) and its deadline."""


class RateSemaphore:
    """Bounds requests in flight (slots) and per second (pace), and keeps pauses.

    A caller takes a slot and a permit together. The slot is given back by `release`, the
    permit is spent. Waiters of one priority are served in the order they came;
    `interactive` overtakes `bulk`, which still gets every tenth grant while it waits.

    In any window of w seconds at most `burst + rate * (w + 0.004)` grants are made: after a
    late timer the waiters get what was due meanwhile, up to 4 ms of it.

    What was learned (pace, pause) outlives the event loop, so one semaphore may serve one
    loop after another; waiters belong to one loop, and only one loop may have any.

    Args:
        quota: Limits to start with.
        now: Monotonic clock in seconds; all moments given or returned are on it.
        store: Where permits come from; None: this process alone.
    """

    __slots__ = (
        "_ahead",
        "_asked",
        "_bulk",
        "_busy_since",
        "_closed",
        "_in_use",
        "_interactive",
        "_interval",
        "_leased",
        "_limit",
        "_loop",
        "_now",
        "_opens_at",
        "_pace",
        "_passed",
        "_paused_until",
        "_quota",
        "_soonest",
        "_store",
        "_timer",
        "_timer_at",
    )

    def __init__(
        self,
        quota: Quota = DEFAULT_QUOTA,
        *,
        now: Callable[[], float] = time.monotonic,
        store: Store | None = None,
    ) -> None:
        self._now = now
        self._store: Store = store or LocalStore()
        self._in_use = 0
        self._closed = False
        self._interactive: deque[_Waiter] = deque()
        self._bulk: deque[_Waiter] = deque()
        self._passed = 0  # interactive grants since a bulk one, while bulk waits
        self._leased: deque[float] = deque()  # moments of permits booked and not used
        self._asked: asyncio.Future[float] | None = None
        self._opens_at = 0.0  # when the next permit was due, the last time none was
        self._busy_since = 0.0
        self._soonest = math.inf  # no waiter's deadline is earlier
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._adopt(quota)

    def _adopt(self, quota: Quota) -> None:
        self._quota = quota
        self._pace = Pace(quota.rate, adaptive=quota.adaptive)
        self._paused_until = self._pace.paused_until
        self._limit = quota.max_in_flight
        self._interval = self._pace.interval
        self._ahead = (quota.burst - 1) * self._interval

    @property
    def in_use(self) -> int:
        """Slots taken."""
        return self._in_use

    @property
    def limit(self) -> int:
        """Slots that may be taken; fewer than `in_use` for a while after it was lowered."""
        return self._limit

    @property
    def waiting(self) -> int:
        """Callers that wait for their turn."""
        return sum(not w[0].done() for q in (self._interactive, self._bulk) for w in q)

    @property
    def rate(self) -> float | None:
        """Present pace in requests per second, None when there is none."""
        return self._pace.rate

    @property
    def paused_until(self) -> float:
        """No grant is made before this moment."""
        return self._paused_until

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def try_acquire(self, priority: Priority = "interactive") -> bool:
        """Take a slot and a permit if both are free now and nobody waits.

        Args:
            priority: Claim of the caller; nobody is overtaken here whatever it is, since
                `acquire` settles who is next.

        Returns:
            Whether the caller may send, and then owes a `release`.
        """
        if self._in_use >= self._limit or self._interactive or self._bulk or self._closed:
            return False
        now = self._now()
        if now < self._paused_until:
            return False
        moment = self._take(now, now)
        if moment > now:
            self._opens_at = moment
            return False
        self._in_use += 1
        return True

    async def acquire(
        self, priority: Priority = "interactive", *, deadline: float | None = None
    ) -> None:
        """Wait for a slot and a permit, and take them.

        A caller cancelled while it waits leaves no trace; cancelled in the turn it was
        granted, it hands slot and permit to the next.

        Args:
            priority: Queue to wait in.
            deadline: Moment of the semaphore's clock after which there is no use in a
                grant; `Quota.max_wait_s` may set an earlier one.

        Raises:
            ClientClosedError: The semaphore is closed, or was while the caller waited.
            DeadlineExceededError: The deadline passed, or cannot be met: the pause and the
                permits of those ahead already take longer.
        """
        if self._closed:
            raise ClientClosedError("the client is closed")
        now = self._now()
        limit = math.inf if deadline is None else deadline
        if self._quota.max_wait_s is not None:
            limit = min(limit, now + self._quota.max_wait_s)
        if now < limit and self.try_acquire(priority):
            return
        if self._forecast(now, priority) >= limit:
            raise DeadlineExceededError("the queue for the quota is longer than the deadline")
        waiter = self._enqueue(now, priority, limit)
        try:
            permit = await waiter[0]
        except (asyncio.CancelledError, GeneratorExit):
            self._withdraw(waiter)
            raise
        if permit is None:
            if self._closed:
                raise ClientClosedError("the client was closed while the call waited for quota")
            raise DeadlineExceededError("the deadline passed while the call waited for quota")

    def release(self) -> None:
        """Give a slot back; the permit is spent."""
        self._in_use -= 1
        if self._interactive or self._bulk:
            self._dispatch()

    def succeeded(self, started: float) -> None:
        """Take note of an answer that was no throttle to an attempt granted at `started`."""
        pace = self._pace
        pace.succeeded(started, self._now())
        interval = pace.interval
        if interval != self._interval:
            self._retime(interval)

    def throttled(self, started: float, retry_after_s: float | None = None) -> None:
        """Take note of a 429 to an attempt granted at `started`.

        Args:
            started: Moment of the grant.
            retry_after_s: What the server asked to wait, if it did.
        """
        pace = self._pace
        pace.throttled(started, self._now(), retry_after_s)
        self._paused_until = pace.paused_until
        self._retime(pace.interval)

    def reconfigure(self, quota: Quota) -> None:
        """Change the limits; those in flight stay, and a lowered limit drains first."""
        paused_until = self._paused_until
        self._adopt(quota)
        self._paused_until = paused_until
        self._retime(self._interval)

    def close(self) -> None:
        """Wake all waiters with `ClientClosedError` and grant nothing from now on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for queue in (self._interactive, self._bulk):
            while queue:
                future, _ = queue.popleft()
                if not future.done():
                    future.set_result(None)

    def _retime(self, interval: float) -> None:
        """Go on at another pace."""
        if interval > self._interval:
            self._leased.clear()  # they were spaced for a faster pace
        self._interval = interval
        self._ahead = (self._quota.burst - 1) * interval
        if self._interactive or self._bulk:
            self._dispatch()

    def _take(self, now: float, since: float) -> float:
        """Take a permit that is due and return its moment, or return when to ask again.

        A moment after `now` means that none was taken.
        """
        leased = self._leased
        while leased:
            moment = leased[0]
            if moment > now:
                return moment
            leased.popleft()
            if moment >= now - SLACK_S and moment >= self._paused_until:
                return moment
        if self._asked is not None:
            return math.inf
        store = self._store
        n = store.lease
        start = store.reserve(n, now, since, self._interval, self._ahead)
        if isinstance(start, asyncio.Future):
            self._asked = start
            start.add_done_callback(self._answered)
            return math.inf
        if n > 1 and start <= now:
            self._book(start + self._interval, n - 1)
        return start

    def _book(self, start: float, n: int) -> None:
        self._leased.extend(start + i * self._interval for i in range(n))

    def _answered(self, answer: "asyncio.Future[float]") -> None:
        if answer is self._asked:
            self._asked = None
            self._book(answer.result(), self._store.lease)
            self._dispatch()

    def _forecast(self, now: float, priority: Priority) -> float:
        """Earliest moment of a grant to a caller who joins the queue now."""
        ahead = len(self._interactive) + (len(self._bulk) if priority == "bulk" else 0)
        return (
            max(now, self._paused_until, self._opens_at if self._asked is None else now)
            + ahead * self._interval
        )

    def _enqueue(self, now: float, priority: Priority, deadline: float) -> _Waiter:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move(loop)
        waiter = (loop.create_future(), deadline)
        if not (self._interactive or self._bulk):
            self._busy_since = now
        (self._bulk if priority == "bulk" else self._interactive).append(waiter)
        self._soonest = min(self._soonest, deadline)
        self._dispatch()
        return waiter

    def _move(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve another event loop from now on."""
        if self._loop is not None and not self._loop.is_closed() and self.waiting:
            raise RuntimeError("callers of another event loop wait at this semaphore")
        self._loop = loop
        self._interactive.clear()
        self._bulk.clear()
        self._asked = None
        self._timer = None

    def _withdraw(self, waiter: _Waiter) -> None:
        future = waiter[0]
        if future.done() and not future.cancelled():
            moment = future.result()
            if moment is not None:  # granted in this very turn
                self._leased.appendleft(moment)
                self.release()
            return
        for queue in (self._interactive, self._bulk):
            if waiter in queue:
                queue.remove(waiter)

    def _dispatch(self) -> None:
        """Grant what is free to those who are due, and arm the timer for the rest."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        now = self._now()
        wake_at = max(self._soonest, now + EXPIRY_S)
        while self._in_use < self._limit and self._drop_gone(now):
            if now < self._paused_until:
                wake_at = min(wake_at, self._paused_until)
                break
            moment = self._take(now, max(now - SLACK_S, self._busy_since, self._paused_until))
            if moment > now:
                self._opens_at = moment
                wake_at = min(wake_at, moment)
                break
            self._in_use += 1
            self._next().popleft()[0].set_result(moment)
        if self._interactive or self._bulk:
            self._arm(wake_at, now)

    def _drop_gone(self, now: float) -> bool:
        """Take waiters off the heads that are cancelled or late; tell if any is left."""
        for queue in (self._interactive, self._bulk):
            while queue and (queue[0][0].done() or queue[0][1] <= now):
                future = queue.popleft()[0]
                if not future.done():
                    future.set_result(None)
        return bool(self._interactive or self._bulk)

    def _next(self) -> deque[_Waiter]:
        if not self._bulk:
            self._passed = 0
            return self._interactive
        if self._interactive and self._passed < BULK_SHARE - 1:
            self._passed += 1
            return self._interactive
        self._passed = 0
        return self._bulk

    def _arm(self, at: float, now: float) -> None:
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        if at == math.inf or self._loop is None:
            self._timer = None
            return
        self._timer_at = at
        self._timer = self._loop.call_later(max(at - now, TIMER_S), self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._now()
        if now >= self._soonest:
            self._expire(now)
        self._dispatch()

    def _expire(self, now: float) -> None:
        """Tell all who are past their deadline, wherever they stand."""
        soonest = math.inf
        for queue in (self._interactive, self._bulk):
            late = [w for w in queue if w[1] <= now]
            for waiter in late:
                queue.remove(waiter)
                if not waiter[0].done():
                    waiter[0].set_result(None)
            soonest = min([soonest, *(w[1] for w in queue)])
        self._soonest = soonest
