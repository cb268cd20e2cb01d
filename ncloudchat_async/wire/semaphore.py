"""Decides who may send, and when: slots, pace, pause, two priorities and their deadlines.

Nothing here knows HTTP, sleeps while it holds something, or spawns a task: waiters are
plain futures in two queues, and one timer wakes whoever is due.
"""

import asyncio
import math
import time
from asyncio import Future
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
FADING = 0.98
"""What is left, after one that was quick, of how much longer an answer took before."""
DEFAULT_QUOTA = Quota()
"""Frozen, so that all who state no quota can share it."""
ROUNDING_S = 1e-9
"""How early a permit may be used, or rounding would cost one permit of a burst."""
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

    def __init__(
        self,
        quota: Quota = DEFAULT_QUOTA,
        *,
        now: Callable[[], float] = time.monotonic,
        store: Store | None = None,
    ) -> None:
        self._now = now
        store = LocalStore() if store is None else store
        self._reserve = store.reserve
        self._lease = store.lease
        self._quota = quota
        self._pace = Pace(quota.rate, adaptive=quota.adaptive)
        self._limit = quota.max_in_flight
        self._interval = self._pace.interval
        self._ahead = (quota.burst - 1) * self._interval + ROUNDING_S
        self._paused_until = 0.0
        self._in_use = 0
        self._closed = False
        self._interactive: deque[_Waiter] = deque()
        self._bulk: deque[_Waiter] = deque()
        self._passed = 0  # interactive grants since a bulk one, while bulk waits
        self._busy_since = 0.0  # when the queues were last empty
        self._soonest = math.inf  # no waiter has an earlier deadline
        self._answer_s = 0.0  # how long answers took of late
        self._leased: deque[float] = deque()  # moments of permits booked and not used
        self._asked: asyncio.Future[float] | None = None  # a booking under way
        self._opens_at = 0.0  # when the next permit is due, as last heard
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def __repr__(self) -> str:
        """Show slots, queue, pace and pause at this moment."""
        rate = "any rate" if self.rate is None else f"{self.rate:.4g}/s"
        pause_s = self._paused_until - self._now()
        paused = f", paused for {pause_s:.2g} s" if pause_s > 0 else ""
        return (
            f"<RateSemaphore {self._in_use}/{self._limit} in use, {self.waiting} waiting, "
            f"{rate}{paused}{', closed' if self._closed else ''}>"
        )

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
        queues = (self._interactive, self._bulk)
        return sum(not future.done() for queue in queues for future, _ in queue)

    @property
    def rate(self) -> float | None:
        """Present pace in requests per second, None when there is none."""
        rate = self._pace.rate
        return None if rate == math.inf else rate

    @property
    def paused_until(self) -> float:
        """No grant is made before this moment."""
        return self._paused_until

    @property
    def answer_s(self) -> float:
        """Seconds from grant to answer: the longest of late, fading; 0 before the first."""
        return self._answer_s

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
            deadline: Moment of the semaphore's clock by which an answer must be there. A
                grant that leaves less time than answers take is not made, or in an
                overload each would go to who waited longest, and none be answered in
                time; but half of the time is waited always. `Quota.max_wait_s` bounds
                the wait alone.

        Raises:
            ClientClosedError: The semaphore is closed, or was while the caller waited.
            DeadlineExceededError: The deadline or `Quota.max_wait_s` passed, or cannot be
                met: the pause, the permits of those ahead or the answer take longer.
        """
        if self._closed:
            raise ClientClosedError("the client is closed")
        now = self._now()
        latest = math.inf if deadline is None else deadline
        if self._quota.max_wait_s is not None:
            latest = min(latest, now + self._quota.max_wait_s)
        if now < latest and self.try_acquire(priority):
            return
        if deadline is not None:
            latest = min(latest, deadline - min(self.answer_s, (deadline - now) / 2))
        if latest < math.inf and self._earliest(now, priority) >= latest:
            raise DeadlineExceededError(
                f"the queue for the quota is longer than {self._bounds()} allows"
            )
        queue = self._bulk if priority == "bulk" else self._interactive
        waiter = self._enqueue(queue, now, latest)
        try:
            permit = await waiter[0]
        except (asyncio.CancelledError, GeneratorExit):
            self._withdraw(queue, waiter)
            raise
        if permit is None:
            if self._closed:
                raise ClientClosedError("the client was closed while the call waited for quota")
            raise DeadlineExceededError(
                f"the call waited for quota as long as {self._bounds()} allows, an answer's time "
                "taken off"
            )

    def release(self) -> None:
        """Give a slot back; the permit is spent.

        Raises:
            RuntimeError: No slot is taken.
        """
        if self._in_use <= 0:
            raise RuntimeError("a slot was given back that nobody had taken")
        self._in_use -= 1
        if self._interactive or self._bulk:
            self._dispatch()

    def succeeded(self, started: float) -> None:
        """Take note of an answer that was no throttle to an attempt granted at `started`."""
        now, pace = self._now(), self._pace
        took_s = now - started
        if took_s < self._answer_s:
            took_s += (self._answer_s - took_s) * FADING
        self._answer_s = took_s
        pace.succeeded(started, now)
        if pace.interval != self._interval:
            self._adopt_pace()

    def unanswered(self, started: float) -> None:
        """Take note that the deadline of an attempt granted at `started` cut it off.

        Its answer takes longer than that, and nobody knows how much: twice as long is
        assumed, so that after a few of these an attempt has the time it needs.
        """
        self._answer_s = max(self._answer_s, 2 * (self._now() - started))

    def throttled(self, started: float, retry_after_s: float | None = None) -> None:
        """Take note of a 429 to an attempt granted at `started`.

        Said before `release`, it stops the grant that `release` would make.

        Args:
            started: Moment of the grant.
            retry_after_s: Seconds the server asked to wait, if it did.
        """
        self._pace.throttled(started, self._now(), retry_after_s)
        self._adopt_pace()

    def reconfigure(self, quota: Quota) -> None:
        """Change the limits from now on.

        Those in flight stay, so a lowered `max_in_flight` drains before it grants. What was
        learned is kept unless `rate` or `adaptive` changes; the pause is kept always.
        Callers that wait keep their deadlines.
        """
        if (quota.rate, quota.adaptive) != (self._quota.rate, self._quota.adaptive):
            self._pace = Pace(quota.rate, adaptive=quota.adaptive)
        self._quota = quota
        self._limit = quota.max_in_flight
        self._adopt_pace()

    def close(self) -> None:
        """Wake all waiters with `ClientClosedError` and grant nothing from now on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for queue in (self._interactive, self._bulk):
            while queue:
                _turn_away(queue.popleft())

    def _bounds(self) -> str:
        """Name what bounds a wait."""
        return (
            "the deadline" if self._quota.max_wait_s is None else "Quota.max_wait_s or the deadline"
        )

    def _adopt_pace(self) -> None:
        """Go on at the pace that was learned."""
        pace = self._pace
        if pace.interval > self._interval:
            self._leased.clear()  # they were spaced for a faster pace
        self._interval = pace.interval
        self._ahead = (self._quota.burst - 1) * pace.interval + ROUNDING_S
        self._paused_until = max(self._paused_until, pace.paused_until)
        if self._interactive or self._bulk:
            self._dispatch()

    def _take(self, now: float, since: float) -> float:
        """Take a permit that is due and return its moment, or return when to ask again.

        A moment after `now` means that none was taken.
        """
        if not self._interval:
            return since
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
        n = self._lease
        start = self._reserve(n, now, since, self._interval, self._ahead)
        if isinstance(start, Future):
            self._asked = start
            start.add_done_callback(self._answered)
            return math.inf
        if n > 1 and start <= now:
            self._book(start + self._interval, n - 1)
        return start

    def _book(self, start: float, n: int) -> None:
        self._leased.extend(start + i * self._interval for i in range(n))

    def _answered(self, answer: "asyncio.Future[float]") -> None:
        """Take over the permits that an asynchronous store booked."""
        if answer is self._asked:
            self._asked = None
            if not answer.cancelled():
                self._opens_at = answer.result()
                self._book(self._opens_at, self._lease)
            self._dispatch()

    def _earliest(self, now: float, priority: Priority) -> float:
        """Moment before which a caller who comes now cannot be granted.

        Only a told rate counts: a learned one may have doubled by then.
        """
        moment = max(now, self._paused_until)
        if self._quota.rate is None:
            return moment
        ahead = len(self._interactive) + (len(self._bulk) if priority == "bulk" else 0)
        if self._asked is None:
            moment = max(moment, self._opens_at)
        return moment + ahead / self._quota.rate

    def _enqueue(self, queue: deque[_Waiter], now: float, deadline: float) -> _Waiter:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move(loop)
        if not (self._interactive or self._bulk):
            self._busy_since = now
        waiter = (loop.create_future(), deadline)
        queue.append(waiter)
        self._soonest = deadline if deadline < self._soonest else self._soonest
        if self._in_use < self._limit:
            self._dispatch()
        elif deadline < math.inf:
            self._arm(math.inf, now)
        return waiter

    def _move(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve another event loop from now on; a closed one has no waiters any more."""
        if self._loop is not None and not self._loop.is_closed() and self.waiting:
            raise RuntimeError("callers of another event loop wait at this semaphore")
        self._loop = loop
        self._interactive.clear()
        self._bulk.clear()
        self._asked = None
        self._timer = None
        self._soonest = math.inf

    def _withdraw(self, queue: deque[_Waiter], waiter: _Waiter) -> None:
        """Undo what was done for a caller that no longer waits."""
        future = waiter[0]
        if not future.done() or future.cancelled():
            if waiter in queue:
                queue.remove(waiter)
            return
        moment = future.result()
        if moment is not None:  # granted in this very turn: the next one takes both
            if self._interval:
                self._leased.appendleft(moment)
            self.release()

    def _dispatch(self) -> None:
        """Grant what is free to those whose turn it is, and arm the timer for the rest."""
        if self._loop is None or self._loop.is_closed():
            return  # what waited there is gone
        opens_at = math.inf
        now = self._now()
        while self._in_use < self._limit:
            queue = self._whose_turn(now)
            if queue is None:
                return
            paused_until = self._paused_until
            if now < paused_until:
                opens_at = paused_until
                break
            waited = self._busy_since if self._busy_since > paused_until else paused_until
            late = now - SLACK_S
            moment = self._take(now, waited if waited > late else late)
            if moment > now:
                opens_at = self._opens_at = moment
                break
            self._in_use += 1
            self._passed = self._passed + 1 if self._bulk and queue is not self._bulk else 0
            queue.popleft()[0].set_result(moment)
        if opens_at < math.inf or self._soonest < math.inf:
            self._arm(opens_at, now)

    def _whose_turn(self, now: float) -> deque[_Waiter] | None:
        """Choose the queue to grant from; those who gave up or are late leave its head."""
        interactive, bulk = self._interactive, self._bulk
        while interactive and (interactive[0][1] <= now or interactive[0][0].done()):
            _turn_away(interactive.popleft())
        while bulk and (bulk[0][1] <= now or bulk[0][0].done()):
            _turn_away(bulk.popleft())
        if bulk and (not interactive or self._passed >= BULK_SHARE - 1):
            return bulk
        return interactive or None

    def _wake(self) -> None:
        self._timer = None
        now = self._now()
        if now >= self._soonest:
            self._expire(now)
        self._dispatch()

    def _expire(self, now: float) -> None:
        """Turn all away who are past their deadline, wherever they stand."""
        self._soonest = math.inf
        for queue in (self._interactive, self._bulk):
            for waiter in [waiter for waiter in queue if waiter[1] <= now]:
                queue.remove(waiter)
                _turn_away(waiter)
            self._soonest = min([self._soonest, *(deadline for _, deadline in queue)])

    def _arm(self, opens_at: float, now: float) -> None:
        """Wake up when a permit is due, or soon after a waiter's deadline."""
        at = opens_at
        if self._soonest < at:
            at = min(at, max(self._soonest, now + EXPIRY_S))
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
            self._timer = None
        if at < math.inf and self._loop is not None:
            self._timer_at = at
            self._timer = self._loop.call_later(max(at - now, TIMER_S), self._wake)


def _turn_away(waiter: _Waiter) -> None:
    """Wake a caller without a grant."""
    if not waiter[0].done():
        waiter[0].set_result(None)
