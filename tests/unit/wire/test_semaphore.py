"""The semaphore case by case, on a loop whose clock moves only when told to."""

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

import pytest

from benchmarks.virtual_time import VirtualLoop
from ncloudchat_async.errors import ClientClosedError, DeadlineExceededError
from ncloudchat_async.settings import Priority, Quota
from ncloudchat_async.wire.semaphore import RateSemaphore
from ncloudchat_async.wire.store import LocalStore

UNPACED = Quota(adaptive=False, max_in_flight=1)


class World:
    """A loop, a semaphore on it, and a note of who was granted when."""

    def __init__(self, quota: Quota) -> None:
        self.loop = VirtualLoop()
        self.loop.now = 10.0
        self.semaphore = RateSemaphore(quota, now=self.loop.time)
        self.log: list[tuple[str, float]] = []

    def start(self, call: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a call until it waits."""
        task = self.loop.create_task(call)
        self.loop.settle()
        return task

    def caller(
        self, name: str, priority: Priority = "interactive", wait_s: float | None = None
    ) -> "asyncio.Task[None]":
        """Let somebody come who notes when he is granted."""
        deadline = None if wait_s is None else self.loop.now + wait_s

        async def call() -> None:
            await self.semaphore.acquire(priority, deadline=deadline)
            self.log.append((name, round(self.loop.now - 10, 3)))

        return self.start(call())

    def names(self) -> list[str]:
        """Who was granted, in order."""
        return [name for name, _ in self.log]


def failure(task: "asyncio.Task[None]") -> type[BaseException] | None:
    """What a call ended with; None while it waits and after a grant."""
    error = task.exception() if task.done() else None
    return None if error is None else type(error)


def test_cancelled_grants_are_not_kept_where_nothing_is_paced() -> None:
    """Without a pace a permit is worth nothing: given back, it leaves no trace."""
    world = World(UNPACED)
    assert world.semaphore.try_acquire()
    for _ in range(100):
        waiting = world.caller("a")
        world.semaphore.release()  # grants the slot, in this very turn
        waiting.cancel()
        world.loop.settle()
        assert world.semaphore.try_acquire()
    assert not world.log
    assert not world.semaphore._leased


def test_waiters_are_served_in_order() -> None:
    """Within a priority the first to come is the first to go."""
    world = World(UNPACED)
    for name in "abc":
        world.caller(name)
    for _ in range(2):
        world.semaphore.release()
        world.loop.settle()
    assert world.names() == ["a", "b", "c"]


def test_interactive_overtakes_and_bulk_gets_a_tenth() -> None:
    """While both wait, nine of ten grants are interactive and the tenth is bulk."""
    world = World(UNPACED)
    assert world.semaphore.try_acquire()
    for _ in range(3):
        world.caller("bulk", "bulk")
    for _ in range(40):
        world.caller("interactive")
    for _ in range(30):
        world.semaphore.release()
        world.loop.settle()
    assert [i for i, name in enumerate(world.names()) if name == "bulk"] == [9, 19, 29]


def test_nobody_passes_those_who_wait() -> None:
    """A free slot is not taken over the head of a waiter."""
    world = World(Quota(rate=10))
    assert world.semaphore.try_acquire()
    world.caller("waits", "bulk")
    world.loop.now += 5  # due, and its timer has not run yet
    assert not world.semaphore.try_acquire("interactive")


@pytest.mark.parametrize(("burst", "at_once"), [(1, 1), (5, 5)])
def test_idle_time_earns_the_burst_and_no_more(burst: int, at_once: int) -> None:
    """After any pause, `burst` calls start together and the rest at the pace."""
    world = World(Quota(rate=10 / 0.99, burst=burst))
    world.loop.run(1000.0)
    granted = sum(world.semaphore.try_acquire() for _ in range(20))
    assert granted == at_once
    world.loop.now += 0.1001
    assert [world.semaphore.try_acquire() for _ in range(2)] == [True, False]


def test_pace_makes_up_for_late_timers() -> None:
    """Waiters keep the pace on average although every timer is late by 1 to 3 ms."""
    world = World(Quota(rate=1000))
    late = iter([0.0005, 0.002] * 10_000)
    world.loop = VirtualLoop(late=lambda: next(late))
    world.semaphore = RateSemaphore(Quota(rate=1000, max_in_flight=5000), now=world.loop.time)
    for _ in range(2000):
        world.loop.create_task(world.semaphore.acquire())
    world.loop.run(1.0)
    assert 980 <= world.semaphore.in_use <= 991


def test_pause_is_a_moment() -> None:
    """A fixed pace still keeps a Retry-After, also when the one who met it is cancelled."""
    world = World(Quota(rate=100, adaptive=False))
    first = world.caller("first")
    world.semaphore.throttled(world.loop.now, 2.0)
    first.cancel()
    world.caller("second")
    assert world.semaphore.paused_until == 12.0
    world.loop.run(20.0)
    assert [round(at, 2) for _, at in world.log] == [0.0, 2.0]


def test_lowered_limit_drains_first() -> None:
    """After a lowered limit nobody is granted until fewer are in flight."""
    world = World(Quota(adaptive=False, max_in_flight=3))
    for name in "abcd":
        world.caller(name)
    world.semaphore.reconfigure(Quota(adaptive=False, max_in_flight=1))
    granted: list[int] = []
    for _ in range(3):
        world.semaphore.release()
        world.loop.settle()
        granted.append(len(world.log))
    assert granted == [3, 3, 4]
    assert world.semaphore.in_use == world.semaphore.limit == 1


def test_raised_limits_are_used_at_once() -> None:
    """More slots and a faster pace serve those who already wait."""
    world = World(Quota(rate=0.1, adaptive=False, max_in_flight=1))
    for name in "abc":
        world.caller(name)
    world.semaphore.reconfigure(Quota(rate=100, adaptive=False, max_in_flight=9))
    world.loop.run(10.1)
    assert world.names() == ["a", "b", "c"]


def test_learned_pace_outlives_other_changes() -> None:
    """Changing the slots forgets nothing that was learned of the server."""
    world = World(Quota())
    world.semaphore.throttled(world.loop.now)
    learned = world.semaphore.rate
    world.semaphore.reconfigure(Quota(max_in_flight=3))
    assert world.semaphore.rate == learned
    assert world.semaphore.limit == 3


def test_a_pause_outlives_every_change() -> None:
    """Changing the rate does not take back what the server asked for."""
    world = World(Quota(rate=10, adaptive=False))
    world.semaphore.throttled(world.loop.now, 30.0)
    world.semaphore.reconfigure(Quota(rate=20, adaptive=False))
    assert world.semaphore.paused_until == world.loop.now + 30


@pytest.mark.parametrize(("max_wait_s", "wait_s"), [(30.0, 0.5), (0.5, 30.0)])
def test_the_earlier_of_two_bounds_ends_a_wait(max_wait_s: float, wait_s: float) -> None:
    """Neither the deadline of a call nor the longest wait of the quota lifts the other."""
    world = World(Quota(adaptive=False, max_in_flight=1, max_wait_s=max_wait_s))
    assert world.semaphore.try_acquire()
    late = world.caller("late", wait_s=wait_s)
    world.loop.run(10.75)
    assert failure(late) is DeadlineExceededError


@pytest.mark.parametrize("wait_s", [0.0, -1.0, 0.005, 0.5])
def test_late_waiter_is_told_and_not_granted(wait_s: float) -> None:
    """A deadline ends the wait within 0.25 s, and the slot goes to the next."""
    world = World(UNPACED)
    assert world.semaphore.try_acquire()
    late = world.caller("late", wait_s=wait_s)
    world.caller("next")
    world.loop.run(10 + max(wait_s, 0) + 0.25)
    assert failure(late) is DeadlineExceededError
    world.semaphore.release()
    world.loop.settle()
    assert world.names() == ["next"]


def test_hopeless_wait_fails_at_once() -> None:
    """A caller is not kept waiting when pace, queue or pause already exceed its deadline."""
    world = World(Quota(rate=10, max_wait_s=0.45))
    tasks = [world.caller(str(number)) for number in range(8)]
    assert [failure(task) for task in tasks].count(DeadlineExceededError) == 3
    world.semaphore.reconfigure(Quota(rate=10, adaptive=False))
    world.semaphore.throttled(world.loop.now, 5.0)
    assert failure(world.caller("paused", wait_s=4.0)) is DeadlineExceededError


@pytest.mark.parametrize(
    ("max_wait_s", "wait_s", "bound"),
    [
        (0.1, 60.0, "Quota.max_wait_s or the deadline allows"),
        (None, 0.1, "than the deadline allows"),
    ],
)
def test_a_call_turned_away_hears_what_bounds_it(
    max_wait_s: float | None, wait_s: float, bound: str
) -> None:
    """A short `max_wait_s` is not taken for a long deadline; one that nobody set is not named."""
    world = World(Quota(rate=1, max_wait_s=max_wait_s))
    world.caller("first")
    second = world.caller("second", wait_s=wait_s)
    with pytest.raises(DeadlineExceededError, match=bound):
        second.result()


def test_unknown_rate_forecasts_nothing() -> None:
    """While the rate is sought a long queue is no reason to give up: it may double."""
    world = World(Quota(max_in_flight=500))
    tasks = [world.caller(str(number), wait_s=10.0) for number in range(400)]
    assert not any(task.done() and task.exception() for task in tasks)


def test_a_grant_leaves_time_for_the_answer() -> None:
    """Who would be granted too late for an answer is turned away and sends nothing."""
    world = World(UNPACED)
    for _ in range(100):
        world.semaphore.succeeded(world.loop.now - 0.2)
    assert world.semaphore.answer_s == pytest.approx(0.2, rel=0.01)
    assert world.semaphore.try_acquire()
    late = world.caller("late", wait_s=1.0)
    world.caller("next", wait_s=9.0)
    world.loop.run(10.7)
    assert not late.done()
    world.loop.run(10.85)
    assert failure(late) is DeadlineExceededError
    world.semaphore.release()
    world.loop.settle()
    assert world.names() == ["next"]


def test_a_slow_answer_is_remembered_and_fades() -> None:
    """Answers scatter: the slowest of late counts, for some fifty quick ones."""
    semaphore, now = World(UNPACED).semaphore, 10.0
    semaphore.succeeded(now - 1.0)
    semaphore.unanswered(now - 0.1)
    assert semaphore.answer_s == 1.0
    for _ in range(20):
        semaphore.succeeded(now - 0.1)
    assert 0.6 < semaphore.answer_s < 0.8
    for _ in range(300):
        semaphore.succeeded(now - 0.1)
    assert semaphore.answer_s == pytest.approx(0.1, rel=0.05)


def test_half_of_the_time_is_waited_however_slow_answers_are() -> None:
    """A server that was slow may be faster now: nobody is turned away on hearsay."""
    world = World(UNPACED)
    for _ in range(100):
        world.semaphore.succeeded(world.loop.now - 5.0)
    assert world.semaphore.try_acquire()
    late = world.caller("late", wait_s=1.0)
    world.loop.run(10.45)
    assert not late.done()
    world.semaphore.release()
    world.loop.settle()
    assert world.names() == ["late"]


@pytest.mark.parametrize("quota", [Quota(rate=20), UNPACED])
def test_an_overload_does_not_waste_what_is_granted(quota: Quota) -> None:
    """Grants that go to those who waited longest are answered in time all the same.

    Also after answers have become slower than what is left of a deadline.
    """
    world = World(quota)
    loop, semaphore = world.loop, world.semaphore
    answered: list[float] = []
    cut_off: list[float] = []
    latency_s = 0.03

    async def pause(seconds: float) -> None:
        over = loop.create_future()
        loop.call_at(loop.now + seconds, over.set_result, None)
        await over

    async def caller() -> None:
        while True:
            deadline = loop.now + 1
            try:
                await semaphore.acquire(deadline=deadline)
            except DeadlineExceededError:
                await pause(0.05)
                continue
            granted, left_s = loop.now, deadline - loop.now
            await pause(min(latency_s, left_s))
            if latency_s < left_s:
                answered.append(loop.now)
                semaphore.succeeded(granted)
            else:
                cut_off.append(loop.now)
                semaphore.unanswered(granted)
            semaphore.release()

    callers = [loop.create_task(caller()) for _ in range(100)]
    loop.run(40)
    latency_s = 0.2
    loop.run(70)
    rates = [20, 20] if quota.rate else [1 / 0.03, 1 / 0.2]
    assert sum(at < 40 for at in answered) >= 0.95 * 30 * rates[0]
    assert sum(at > 40 for at in answered) >= 0.9 * 30 * rates[1]
    assert len(cut_off) <= 0.03 * len(answered)
    for task in callers:
        task.cancel()
    loop.settle()


def test_close_wakes_everybody() -> None:
    """Closing ends every wait, refuses newcomers and still takes slots back."""
    world = World(UNPACED)
    assert world.semaphore.try_acquire()
    waits = [world.caller("a", "bulk"), world.caller("b"), world.caller("c", wait_s=9.0)]
    world.semaphore.close()
    world.loop.settle()
    waits.append(world.caller("d"))
    assert [failure(wait) for wait in waits] == [ClientClosedError] * 4
    assert world.semaphore.closed
    assert not world.semaphore.try_acquire()
    world.semaphore.release()
    assert world.semaphore.in_use == 0


def test_slot_cannot_be_given_back_twice() -> None:
    """A release without a grant is a mistake and says so."""
    with pytest.raises(RuntimeError, match="nobody had taken"):
        RateSemaphore().release()


def test_one_loop_after_another() -> None:
    """A second loop is served when the first is gone, with the pause kept."""
    loops = [VirtualLoop(), VirtualLoop()]
    semaphore = RateSemaphore(
        Quota(rate=100, adaptive=False), now=lambda: max(loop.now for loop in loops)
    )
    semaphore.throttled(0.0, 1.0)
    abandoned = semaphore.acquire()
    loops[0].create_task(abandoned)
    loops[0].settle()
    loops[0].close()
    task = loops[1].create_task(semaphore.acquire())
    loops[1].run(0.99)
    assert not task.done()
    loops[1].run(1.01)
    assert task.done()
    assert semaphore.waiting == 0
    abandoned.close()
    assert semaphore.in_use == 1


def test_two_loops_at_a_time_are_refused() -> None:
    """While one loop has waiters another one cannot wait at the same semaphore."""
    world = World(UNPACED)
    assert world.semaphore.try_acquire()
    world.caller("first")
    other = VirtualLoop()
    task = other.create_task(world.semaphore.acquire())
    other.settle()
    assert failure(task) is RuntimeError


class Leases:
    """A store elsewhere: it answers in 5 ms, with ten permits at a time."""

    def __init__(self, loop: VirtualLoop, server: LocalStore) -> None:
        self.lease = 10
        self.asked = 0
        self._loop = loop
        self._server = server

    def reserve(
        self, n: int, now: float, since: float, interval: float, ahead: float
    ) -> "asyncio.Future[float]":
        """Ask the server."""
        self.asked += 1
        answer: asyncio.Future[float] = self._loop.create_future()
        self._loop.call_later(0.005, self._answer, answer, n, interval)
        return answer

    def _answer(self, answer: "asyncio.Future[float]", n: int, interval: float) -> None:
        start = self._server.reserve(n, math.inf, self._loop.now, interval, 0.0)
        answer.set_result(start)


def throughput(loop: VirtualLoop, semaphores: list[RateSemaphore]) -> list[int]:
    """Grants of each semaphore in 2 s, with callers that never have enough."""
    counts = [0] * len(semaphores)

    async def caller(index: int) -> None:
        while True:
            await semaphores[index].acquire()
            counts[index] += 1
            semaphores[index].release()

    for index in range(len(semaphores)):
        for _ in range(20):
            loop.create_task(caller(index))
    loop.run(loop.now + 2.0)
    return counts


def test_two_semaphores_share_a_store() -> None:
    """Two semaphores with one store keep to one quota together."""
    loop = VirtualLoop()
    store = LocalStore()
    quota = Quota(rate=100, adaptive=False)
    pair = [RateSemaphore(quota, now=loop.time, store=store) for _ in range(2)]
    assert 190 <= sum(throughput(loop, pair)) <= 200


def test_store_elsewhere_grants_leases() -> None:
    """A store that answers later keeps the shared quota and is asked once per lease."""
    loop = VirtualLoop()
    server = LocalStore()
    stores = [Leases(loop, server) for _ in range(2)]
    quota = Quota(rate=100, adaptive=False)
    pair = [RateSemaphore(quota, now=loop.time, store=store) for store in stores]
    granted = throughput(loop, pair)
    assert 150 <= sum(granted) <= 201
    assert min(granted) > 50
    assert sum(store.asked for store in stores) <= sum(granted) / 10 + 4


async def test_its_repr_shows_its_state() -> None:
    """Slots, queue, pace, pause and whether it is closed can be read where it is printed."""
    clock = 5.0
    semaphore = RateSemaphore(Quota(rate=100, max_in_flight=2), now=lambda: clock)
    assert repr(semaphore) == "<RateSemaphore 0/2 in use, 0 waiting, 99/s>"
    assert semaphore.try_acquire()
    semaphore.throttled(clock, 2.0)
    waiting = asyncio.ensure_future(semaphore.acquire())
    await asyncio.sleep(0)
    assert "1/2 in use, 1 waiting" in repr(semaphore)
    assert "paused for 0.1 s" in repr(semaphore)
    semaphore.close()
    assert repr(semaphore).endswith("closed>")
    with pytest.raises(ClientClosedError):
        await waiting
