"""The rules of the semaphore as a state machine that any implementation can be put through.

The machine drives a semaphore on a loop whose clock moves only when a rule moves it, keeps
its own book of who holds, waits and was granted when, and checks the rules after each step.
"""

import asyncio
import math
import random
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from benchmarks.virtual_time import VirtualLoop
from ncloudchat_async.errors import ClientClosedError, DeadlineExceededError
from ncloudchat_async.settings import Priority, Quota
from ncloudchat_async.wire.semaphore import BULK_SHARE, SLACK_S, RateSemaphore

__all__ = ["Caller", "SemaphoreMachine"]

PRIORITIES = st.sampled_from(["interactive", "bulk"])
EPSILON = 1e-9
NOTICE_S = 0.03
"""A timer of 1 ms, a search for late waiters every 10 ms, and their like."""


class Caller:
    """One call of `acquire`, and what became of it."""

    def __init__(self, number: int, priority: Priority, deadline: float | None) -> None:
        self.number = number
        self.priority: Priority = priority
        self.deadline = deadline
        self.granted_at: float | None = None
        self.error: Exception | None = None
        self.cancelled = False
        self.overtaken = 0
        self.task: asyncio.Task[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether it is neither granted nor sent away nor told to stop."""
        return self.granted_at is None and self.error is None and not self.cancelled


class SemaphoreMachine(RuleBasedStateMachine):
    """Callers come, are granted, give back, give up; limits change; time passes."""

    kind: ClassVar[type[RateSemaphore]] = RateSemaphore
    cancellations: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.loop.now = 100.0
        self.paused_until = 0.0
        self.callers: list[Caller] = []
        self.holders: list[Caller] = []
        self.grants: list[float] = []
        self.closed = False
        self.broken: list[AssertionError] = []

    @initialize(
        rate=st.sampled_from([None, 2.0, 50.0, 300.0]),
        burst=st.integers(1, 4),
        slots=st.integers(1, 6),
        max_wait_s=st.sampled_from([None, None, 0.5]),
    )
    def begin(self, rate: float | None, burst: int, slots: int, max_wait_s: float | None) -> None:
        """Make a semaphore with a fixed pace, so that the bound of a window is exact."""
        self.quota = Quota(
            rate=rate, burst=burst, max_in_flight=slots, max_wait_s=max_wait_s, adaptive=False
        )
        self.semaphore = self.kind(self.quota, now=self.loop.time)
        self.epoch = 0.0
        self.lowered_from = 0

    @rule(priority=PRIORITIES, patience_s=st.sampled_from([None, None, 0.02, 0.2, 2.0]))
    def call(self, priority: Priority, patience_s: float | None) -> None:
        """A caller comes."""
        self._come(priority, patience_s)
        self.loop.settle()

    @rule(count=st.integers(2, 40), priority=PRIORITIES)
    def crowd(self, count: int, priority: Priority) -> None:
        """Many callers come in one turn."""
        for _ in range(count):
            self._come(priority, None)
        self.loop.settle()

    @rule(priority=PRIORITIES)
    def glance(self, priority: Priority) -> None:
        """A caller takes what is free, or goes away."""
        caller = Caller(len(self.callers), priority, None)
        if self.semaphore.try_acquire(priority):
            assert not any(c.waits for c in self.callers), "overtook those who wait"
            self.callers.append(caller)
            self._granted(caller)

    @precondition(lambda self: self.holders)
    @rule(which=st.integers(0, 99))
    def give_back(self, which: int) -> None:
        """A holder gives its slot back."""
        self.holders.pop(which % len(self.holders))
        self.semaphore.release()
        self.loop.settle()

    @precondition(lambda self: self.holders)
    @rule(count=st.integers(2, 20))
    def work_off(self, count: int) -> None:
        """Holders give back one after another, long enough for others to move up."""
        for _ in range(count):
            if self.holders:
                self.holders.pop(0)
                self.semaphore.release()
            self.loop.run(self.loop.now + 0.02)

    @precondition(lambda self: any(c.waits for c in self.callers))
    @rule(
        seed=st.integers(0, 999),
        share=st.sampled_from([0.1, 0.6, 1.0, 1.0]),
        give_back=st.booleans(),
    )
    def give_up(self, seed: int, share: float, give_back: bool) -> None:
        """Callers are cancelled, perhaps in the very turn in which a slot comes free."""
        waiting = [c for c in self.callers if c.waits]
        if give_back and self.holders:
            self.holders.pop()
            self.semaphore.release()
        rng = random.Random(seed)
        self._cancel(rng.sample(waiting, max(1, int(share * len(waiting)))))

    @precondition(lambda self: self.holders and any(c.waits for c in self.callers))
    @rule()
    def heads_change_their_mind(self) -> None:
        """A slot comes free, and those who were to have it are cancelled in that turn."""
        self.holders.pop()
        self.semaphore.release()
        waiting = [c for c in self.callers if c.waits]
        heads = {c.priority: c for c in reversed(waiting)}
        self._cancel(list(heads.values()))

    def _cancel(self, callers: list[Caller]) -> None:
        for caller in callers:
            caller.cancelled = True
            assert caller.task is not None
            caller.task.cancel()
            type(self).cancellations += 1
        self.loop.settle()

    @rule(seconds=st.sampled_from([0.001, 0.004, 0.02, 0.1, 0.6, 3.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing happens but timers."""
        self.loop.run(self.loop.now + seconds)
        for caller in self.callers:
            if caller.waits and caller.deadline is not None:
                assert self.loop.now < caller.deadline + NOTICE_S, "waits past its deadline"

    @rule(seconds=st.sampled_from([0.002, 0.05, 0.7]))
    def loop_stalls(self, seconds: float) -> None:
        """Time passes while no timer can run, as when the program computes."""
        self.loop.now += seconds
        if self.holders:
            self.holders.pop()
            self.semaphore.release()
        self.loop.run(self.loop.now)

    @rule(seconds=st.sampled_from([0.0, 0.03, 0.5, 2.0]))
    def server_asks_to_wait(self, seconds: float) -> None:
        """A 429 with Retry-After comes."""
        self.semaphore.throttled(self.loop.now, seconds)
        self.paused_until = max(self.paused_until, self.loop.now + seconds)
        self.loop.settle()

    @rule(slots=st.integers(1, 6), burst=st.integers(1, 4))
    def limits_change(self, slots: int, burst: int) -> None:
        """The quota is changed in use."""
        if slots < len(self.holders):
            self.lowered_from = len(self.holders)
        self.quota = Quota(
            rate=self.quota.rate,
            burst=burst,
            max_in_flight=slots,
            max_wait_s=self.quota.max_wait_s,
            adaptive=False,
        )
        self.epoch = self.loop.now
        self.grants.clear()
        self.semaphore.reconfigure(self.quota)
        self.loop.settle()

    @precondition(lambda self: len(self.callers) > 25 and not self.closed)
    @rule()
    def close(self) -> None:
        """The client is closed."""
        waiting = [c for c in self.callers if c.waits]
        self.closed = True
        self.semaphore.close()
        self.loop.settle()
        for caller in waiting:
            assert isinstance(caller.error, ClientClosedError), "not woken by close"

    @invariant()
    def no_grant_broke_a_rule(self) -> None:
        """Pass on what was wrong with a grant."""
        for broken in self.broken:
            raise broken

    @invariant()
    def slots_are_counted(self) -> None:
        """What is in use is what callers hold, and not above the limit but to drain."""
        semaphore = self.semaphore
        assert semaphore.in_use == len(self.holders), "a slot is lost or made up"
        assert 0 <= semaphore.in_use <= max(semaphore.limit, self.lowered_from)
        self.lowered_from = min(self.lowered_from, semaphore.in_use)
        assert semaphore.waiting == sum(c.waits for c in self.callers), "a trace is left"

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """A free slot and a free pace never meet a caller who waits."""
        free = self.semaphore.in_use < self.semaphore.limit and not self.closed
        if self.quota.rate is None and free and self.loop.now > self.paused_until + 0.002:
            assert not any(c.waits for c in self.callers), "a wake-up was eaten"

    def teardown(self) -> None:
        """Everybody who waits is served in the end, and all slots are free again."""
        if not hasattr(self, "semaphore"):
            return
        # At 2 a second, and with a single slot, each round serves one at least.
        for _ in range(sum(c.waits for c in self.callers) + 20):
            if not self.holders and not any(c.waits for c in self.callers):
                break
            while self.holders:
                self.holders.pop()
                self.semaphore.release()
            self.loop.run(self.loop.now + 0.6)
        assert not any(c.waits for c in self.callers), "somebody is never served"
        assert self.semaphore.in_use == 0
        assert self.semaphore.waiting == 0
        assert not self.loop.errors, self.loop.errors

    def _come(self, priority: Priority, patience_s: float | None) -> None:
        deadline = None if patience_s is None else self.loop.now + patience_s
        caller = Caller(len(self.callers), priority, deadline)
        if self.quota.max_wait_s is not None:
            latest = self.loop.now + self.quota.max_wait_s
            caller.deadline = latest if deadline is None else min(latest, deadline)
        self.callers.append(caller)
        caller.task = self.loop.create_task(self._call(caller, deadline))

    async def _call(self, caller: Caller, deadline: float | None) -> None:
        try:
            await self.semaphore.acquire(caller.priority, deadline=deadline)
        except (ClientClosedError, DeadlineExceededError) as error:
            caller.error = error
            return
        try:
            self._granted(caller)
        except AssertionError as broken:  # would end the task unseen
            self.broken.append(broken)

    def _granted(self, caller: Caller) -> None:
        now = self.loop.now
        caller.granted_at = now
        assert not caller.cancelled, "a cancelled caller was granted"
        self.holders.append(caller)
        assert not self.closed, "granted after close"
        assert caller.deadline is None or now < caller.deadline, "granted past its deadline"
        assert now >= self.paused_until, "granted before the pause ended"
        assert len(self.holders) <= self.semaphore.limit, "granted above the limit"
        self._check_order(caller)
        self._check_window(now)

    def _check_order(self, caller: Caller) -> None:
        """First come, first served; bulk has every tenth grant at least."""
        for other in self.callers[: caller.number]:
            if other.waits and other.priority == caller.priority:
                assert (other.deadline or math.inf) <= self.loop.now, "jumped the queue"
        heads = [c for c in self.callers if c.waits and c.priority == "bulk"][:1]
        if caller.priority == "interactive":
            for head in heads:
                head.overtaken += 1
                assert head.overtaken < BULK_SHARE, "bulk starves"
        elif any(c.waits and c.priority == "interactive" for c in self.callers):
            before = [c for c in self.callers if c.priority == "interactive" and c.granted_at]
            assert caller.overtaken or before, "bulk came first"

    def _check_window(self, now: float) -> None:
        """In any window that ends now, no more than the quota allows."""
        rate = self.quota.rate
        if rate is None:
            return
        self.grants.append(now)
        extra = max(1.0, rate * SLACK_S)
        for index, since in enumerate(self.grants):
            count = len(self.grants) - index
            assert count <= self.quota.burst + rate * (now - since) + extra + EPSILON, "too fast"
