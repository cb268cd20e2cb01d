"""One call through quota, attempts and decision, over a transport that follows a script."""

import asyncio
import contextlib
import gc
import logging
import math
import traceback
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ncloudchat_async import errors
from ncloudchat_async.settings import Quota, Timeouts
from ncloudchat_async.wire.auth import AuthLatch
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.observe import Event
from ncloudchat_async.wire.semaphore import RateSemaphore
from ncloudchat_async.wire.session import Session
from tests.support.starving import within
from tests.unit.wire.session_fakes import (
    CALLS,
    FINE,
    Clock,
    Scripted,
    Thing,
    options,
    refused,
    session_over,
)

LOST = errors.NoReplyError("lost")
NOT_SENT = errors.NotSentError("no route")
BUSY = Response(429, {}, b"{}")
BROKEN = Response(503, {}, b"{}")
GONE = Response(404, {}, b"{}")


async def turns(count: int = 5) -> None:
    """Let other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


class Gate:
    """A step that waits until it is opened, then answers."""

    def __init__(self, answer: Response = FINE) -> None:
        self.entered = 0
        self._answer = answer
        self._open = asyncio.Event()

    async def __call__(self) -> Response:
        """Wait, then answer."""
        self.entered += 1
        await self._open.wait()
        return self._answer

    def open(self) -> None:
        """Let everybody pass."""
        self._open.set()


async def failure_of(call: Awaitable[Any]) -> errors.NcloudChatError:
    """The error a call ends with."""
    with pytest.raises(errors.NcloudChatError) as caught:
        await call
    return caught.value


_started: set["asyncio.Task[Thing]"] = set()


def started(session: Session, method: str = "GET", **more: Any) -> "asyncio.Task[Thing]":
    """Send in a task of its own."""

    async def send() -> Thing:
        return await session.send(CALLS[method], options(**more))

    task = asyncio.create_task(send())
    _started.add(task)
    task.add_done_callback(_started.discard)
    return task


# Totals, retries and what an error says.


async def test_a_success_is_counted() -> None:
    """A call is one attempt and no retry, and leaves nothing in use."""
    transport = Scripted()
    semaphore = RateSemaphore(Quota(adaptive=False))
    session = await session_over(transport, semaphore=semaphore)
    assert await session.send(CALLS["POST"], options()) == Thing("1")
    stats = session.stats
    assert (stats.calls, stats.attempts, stats.retries, stats.throttles) == (1, 1, 0, 0)
    assert semaphore.in_use == 0


async def test_attempts_and_sleeps_are_counted() -> None:
    """Each attempt is counted, retries are those after the first, throttles the 429s."""
    clock = Clock()
    session = await session_over(Scripted([NOT_SENT, BUSY, BROKEN, FINE]), clock=clock)
    assert await session.send(CALLS["GET"], options()) == Thing("1")
    stats = session.stats
    assert (stats.calls, stats.attempts, stats.retries, stats.throttles) == (1, 4, 3, 1)
    assert len(clock.slept) == 3


async def test_an_error_names_its_call() -> None:
    """What a call ends with says which call it was, how often it was sent and how long it took."""
    clock = Clock()
    session = await session_over(Scripted([BROKEN]), clock=clock)
    error = await failure_of(session.send(CALLS["PUT"], options(max_attempts=3)))
    assert (error.operation, error.method) == ("PUT /things/{thing_id}", "PUT")
    assert (error.route, error.attempts, error.applied) == ("/things/{thing_id}", 3, "unknown")
    assert error.elapsed_s == pytest.approx(sum(clock.slept))


async def test_a_write_in_doubt_is_sent_once() -> None:
    """A lost answer to what must not be repeated ends the call, and says what happened."""
    transport = Scripted([LOST, FINE])
    error = await failure_of((await session_over(transport)).send(CALLS["POST"], options()))
    assert isinstance(error, errors.OutcomeUnknownError)
    assert isinstance(error.__cause__, errors.NoReplyError)
    assert (len(transport.sent), error.attempts, error.applied) == (1, 1, "unknown")


async def test_a_throttled_write_goes_on() -> None:
    """What was refused for its pace was not applied, and is sent again."""
    transport = Scripted([BUSY, NOT_SENT, FINE])
    session = await session_over(transport, clock=Clock())
    assert await session.send(CALLS["POST"], options()) == Thing("1")
    assert len(transport.sent) == 3


@pytest.mark.parametrize("steps", [[LOST, GONE], [BROKEN, BUSY, GONE]])
async def test_a_repeated_delete_that_finds_nothing(steps: list[Any]) -> None:
    """The attempt whose answer was lost deleted the object: the call succeeded."""
    session = await session_over(Scripted(steps), clock=Clock())
    assert await session.send(CALLS["DELETE"], options()) == Thing("gone")


@pytest.mark.parametrize("steps", [[GONE], [BUSY, GONE], [NOT_SENT, GONE]])
async def test_a_delete_that_never_was_in_doubt(steps: list[Any]) -> None:
    """Where no attempt can have been applied, nothing to delete is what it says."""
    session = await session_over(Scripted(steps), clock=Clock())
    error = await failure_of(session.send(CALLS["DELETE"], options()))
    assert isinstance(error, errors.NotFoundError)
    assert error.applied == "no"


async def test_an_error_holds_no_frames_of_the_way() -> None:
    """Neither answers nor calls stay alive in the traceback of an error, or in cycles."""
    session = await session_over(Scripted([Response(400, {}, b'{"message":"secret words"}')]))
    frames: list[str] = []
    held: list[weakref.ref[object]] = []
    gc.disable()
    try:
        try:
            await session.send(CALLS["GET"], options())
        except errors.BadRequestError as error:
            frames = [f.name for f in traceback.extract_tb(error.__traceback__)]
            held = [weakref.ref(error)]
        assert [ref() for ref in held] == [None]
    finally:
        gc.enable()
    assert frames[-1] == "send"


# Time.


async def test_an_attempt_is_bounded_by_what_is_left() -> None:
    """Connecting and reading bound an attempt, and so does the rest of the deadline."""
    clock = Clock()
    transport = Scripted([NOT_SENT])
    timeouts = Timeouts(connect_s=1, read_s=4)
    session = await session_over(transport, clock=clock, timeouts=timeouts)
    await failure_of(session.send(CALLS["GET"], options(6.0, base_s=2.0, max_attempts=9)))
    assert transport.timeouts[0] == 5
    started = 0.0
    for slept, timeout_s in zip(clock.slept, transport.timeouts[1:], strict=True):
        started += slept
        assert timeout_s == pytest.approx(min(5, 6 - started))
    assert started < 6


async def test_no_bound_is_no_bound() -> None:
    """Without deadline and timeouts a transport is given none."""
    transport = Scripted()
    session = await session_over(transport, timeouts=Timeouts(connect_s=None, read_s=2))
    await session.send(CALLS["GET"], options(None))
    assert transport.timeouts == [None]


async def test_no_sleep_past_the_deadline() -> None:
    """An error is raised now rather than after a sleep that leaves no time."""
    clock = Clock()
    busy = Response(429, {"Retry-After": "30"}, b"{}")
    session = await session_over(Scripted([busy]), clock=clock)
    error = await failure_of(session.send(CALLS["GET"], options(10)))
    assert isinstance(error, errors.RateLimitedError)
    assert (error.attempts, error.retry_after_s, clock.slept) == (1, 30.0, [])


async def test_a_transport_that_gives_up_at_the_deadline() -> None:
    """What timed out because of the deadline is told as such, with what it waited for."""
    clock = Clock()

    async def slow() -> Response:
        clock.now_s += 5
        raise errors.NoReplyError("no answer")

    semaphore = RateSemaphore(Quota(adaptive=False), now=clock.now)
    session = await session_over(Scripted([slow]), clock=clock, semaphore=semaphore)
    error = await failure_of(session.send(CALLS["PUT"], options(5)))
    assert isinstance(error, errors.DeadlineExceededError)
    assert isinstance(error.__cause__, errors.NoReplyError)
    assert error.applied == "unknown"
    assert semaphore.answer_s > 5, "others are not granted as late again"


@pytest.mark.parametrize(
    ("passed_s", "kind"), [(4.95, errors.DeadlineExceededError), (4.9, errors.NotSentError)]
)
async def test_a_connection_given_up_just_before_the_deadline(
    passed_s: float, kind: type[errors.NcloudChatError]
) -> None:
    """Connecting ends 50 ms before the deadline, and because of it; earlier it just failed."""
    clock = Clock()

    async def slow() -> Response:
        clock.now_s += passed_s
        raise errors.NotSentError("connecting took too long")

    session = await session_over(Scripted([slow]), clock=clock)
    error = await failure_of(session.send(CALLS["POST"], options(5, max_attempts=1)))
    assert (type(error), error.applied) == (kind, "no")


async def test_a_deadline_ends_the_wait_in_the_queue() -> None:
    """A call that no slot comes free for fails at its deadline, and not when one does."""
    gate = Gate()
    quota = Quota(adaptive=False, max_in_flight=1)
    session = await session_over(Scripted([gate]), quota=quota)
    first = started(session)
    await turns()
    async with asyncio.timeout(2):
        error = await failure_of(session.send(CALLS["GET"], options(0.05)))
    assert isinstance(error, errors.DeadlineExceededError)
    gate.open()
    assert await first == Thing("1")


async def test_a_deadline_that_passes_in_the_queue() -> None:
    """A slot that comes too late is given back unused, and the last failure is the cause."""
    clock = Clock()
    semaphore = RateSemaphore(Quota(adaptive=False, max_in_flight=1), now=clock.now)
    gate = Gate()
    session = await session_over(Scripted([gate]), clock=clock, semaphore=semaphore)
    first = started(session)
    await turns()
    second = started(session, deadline_s=0.5)
    await turns()
    clock.now_s += 0.5
    gate.open()
    error = await failure_of(second)
    assert isinstance(error, errors.DeadlineExceededError)
    assert (error.attempts, error.applied) == (0, "no")
    assert await first == Thing("1")
    assert semaphore.in_use == 0


async def test_a_deadline_tells_of_the_last_attempt() -> None:
    """Who waits for another attempt until the deadline is told why there had to be one."""

    class Full(RateSemaphore):
        def try_acquire(self, priority: Any = "interactive") -> bool:
            return not transport.sent and super().try_acquire(priority)

        async def acquire(self, *_: Any, **__: Any) -> None:
            raise errors.DeadlineExceededError("no permit")

    transport = Scripted([errors.NotSentError("nobody listens")])
    session = await session_over(transport, semaphore=Full(Quota(adaptive=False)))
    error = await failure_of(session.send(CALLS["POST"], options(9)))
    assert isinstance(error, errors.DeadlineExceededError)
    assert isinstance(error.__cause__, errors.NotSentError)
    assert "no permit; the last attempt: nobody listens (1 attempt" in str(error)
    assert error.applied == "no"


async def test_a_deadline_that_passes_with_the_slot_in_hand() -> None:
    """No request is begun when its time is over, and the slot is free again."""
    clock = Clock()

    class Late(RateSemaphore):
        def try_acquire(self, priority: Any = "interactive") -> bool:
            clock.now_s += 9
            return super().try_acquire(priority)

    semaphore = Late(Quota(adaptive=False), now=clock.now)
    transport = Scripted()
    told: list[Event] = []
    session = await session_over(transport, clock=clock, semaphore=semaphore, observer=told.append)
    error = await failure_of(session.send(CALLS["POST"], options(9)))
    assert isinstance(error, errors.DeadlineExceededError)
    assert (transport.sent, error.attempts, semaphore.in_use, told) == ([], 0, 0, [])


async def test_an_endless_retry_after_does_not_shut_the_client() -> None:
    """A wait that nobody would sit out is raised, and others go on after the cap."""
    clock = Clock()
    semaphore = RateSemaphore(Quota(), now=clock.now)
    busy = Response(429, {"Retry-After": "999999999"}, b"{}")
    session = await session_over(Scripted([busy]), clock=clock, semaphore=semaphore)
    error = await failure_of(session.send(CALLS["GET"], options(max_retry_after_s=7)))
    assert isinstance(error, errors.RateLimitedError)
    assert error.retry_after_s == 999999999
    assert semaphore.paused_until <= clock.now_s + 7


@pytest.mark.parametrize(("asked", "paused_s"), [("5", 5), ("999999999", 7)])
async def test_a_retry_after_is_kept_by_every_call(asked: str, paused_s: float) -> None:
    """What the server asks of one call holds the others back too, up to the cap."""
    clock = Clock()
    semaphore = RateSemaphore(Quota(adaptive=False), now=clock.now)
    busy = Response(429, {"Retry-After": asked}, b"{}")
    session = await session_over(Scripted([busy]), clock=clock, semaphore=semaphore)
    await failure_of(session.send(CALLS["GET"], options(max_attempts=1, max_retry_after_s=7)))
    assert semaphore.paused_until == clock.now_s + paused_s


async def test_a_refusal_is_an_answer_to_the_pace() -> None:
    """After a 429 an answer that refuses the object ends the canaries as a success does."""
    clock = Clock()
    semaphore = RateSemaphore(Quota(rate=100), now=clock.now)
    session = await session_over(Scripted([BUSY, GONE]), clock=clock, semaphore=semaphore)
    await failure_of(session.send(CALLS["GET"], options(max_attempts=1)))
    clock.now_s += 1
    await failure_of(session.send(CALLS["GET"], options()))
    granted = 0
    for _ in range(10):
        clock.now_s += 0.05
        granted += semaphore.try_acquire()
    assert granted == 10


async def test_a_throttle_holds_the_next_call_back() -> None:
    """The pace learns of a 429 before the slot goes to whoever waits for it."""
    semaphore = RateSemaphore(Quota(max_in_flight=1))
    gate = Gate(Response(429, {"Retry-After": "30"}, b"{}"))
    transport = Scripted([gate])
    session = await session_over(transport, semaphore=semaphore)
    first, second = started(session, max_attempts=1), started(session)
    await turns()
    gate.open()
    assert isinstance(await failure_of(first), errors.RateLimitedError)
    await turns()
    assert len(transport.sent) == 1
    await session.aclose(0)
    assert isinstance(await failure_of(second), errors.ClientClosedError)


async def test_retries_stop_when_the_budget_is_spent() -> None:
    """In an outage calls fail at their first attempt once the reserve is used."""
    transport = Scripted([BROKEN])
    session = await session_over(transport, clock=Clock(), budget=0.005)
    for _ in range(20):
        await failure_of(session.send(CALLS["GET"], options()))
    assert len(transport.sent) == 20 + 5


async def test_throttles_spend_no_budget() -> None:
    """A server that asks to slow down is no outage: the pace bounds what is repeated."""
    transport = Scripted([BUSY])
    session = await session_over(transport, clock=Clock(), budget=0.001)
    for _ in range(5):
        await failure_of(session.send(CALLS["GET"], options(None, max_attempts=3)))
    assert len(transport.sent) == 15


# The latch.


async def refusals(session: Session, count: int) -> None:
    """Be refused so often."""
    for _ in range(count):
        error = await failure_of(session.send(CALLS["GET"], options()))
        assert isinstance(error, errors.AuthenticationError)


async def test_three_refusals_stop_traffic() -> None:
    """Then calls get the same error without a request, until one may probe."""
    clock = Clock()
    transport = Scripted([refused(-2)])
    session = await session_over(transport, clock=clock)
    await refusals(session, 3)
    error = await failure_of(session.send(CALLS["POST"], options()))
    assert isinstance(error, errors.AuthenticationError)
    assert (error.code, error.http_status, error.attempts, error.applied) == (-2, 200, 0, "no")
    assert "refused 3 times in a row" in str(error)
    clock.now_s += AuthLatch.PAUSE_S - 1
    await refusals(session, 1)
    assert len(transport.sent) == 3
    clock.now_s += 1
    await refusals(session, 3)
    assert len(transport.sent) == 4


async def test_an_accepted_probe_opens_the_latch() -> None:
    """After the pause one call goes out while others are refused; its success lets all go."""
    clock = Clock()
    gate = Gate()
    transport = Scripted([refused(), refused(), refused(), gate, FINE])
    session = await session_over(transport, clock=clock)
    await refusals(session, 3)
    clock.now_s += AuthLatch.PAUSE_S
    probe = started(session)
    await turns()
    await refusals(session, 2)
    gate.open()
    assert await probe == Thing("1")
    assert await session.send(CALLS["GET"], options()) == Thing("1")
    assert len(transport.sent) == 5


@pytest.mark.parametrize("end", ["cancelled", "lost"])
async def test_a_probe_without_an_answer_passes_its_turn_on(end: str) -> None:
    """A cancelled or lost probe does not cost another pause."""
    clock = Clock()
    gate = Gate()
    step: Any = gate if end == "cancelled" else LOST
    transport = Scripted([refused(), refused(), refused(), step, FINE])
    session = await session_over(transport, clock=clock)
    await refusals(session, 3)
    clock.now_s += AuthLatch.PAUSE_S
    probe = started(session, "POST")
    await turns()
    probe.cancel()
    await asyncio.wait([probe])
    assert await session.send(CALLS["GET"], options()) == Thing("1")


@pytest.mark.parametrize("between", [BROKEN, BUSY, LOST, NOT_SENT])
async def test_trouble_proves_nothing_of_the_key(between: Any) -> None:
    """Refusals are in a row when only failures that do not judge the key lie between."""
    transport = Scripted([refused(), between, refused(), between, refused(), FINE])
    session = await session_over(transport, clock=Clock())
    for _ in range(5):
        await failure_of(session.send(CALLS["GET"], options(max_attempts=1)))
    await refusals(session, 1)
    assert len(transport.sent) == 5


@pytest.mark.parametrize("between", [FINE, GONE, Response(409, {}, b"{}")])
async def test_an_accepted_key_begins_the_count_anew(between: Any) -> None:
    """An answer that only an accepted key gets sets the refusals back."""
    transport = Scripted([refused(), refused(), between, refused(), refused(), FINE])
    session = await session_over(transport)
    for _ in range(5):
        await asyncio.gather(started(session), return_exceptions=True)
    assert await session.send(CALLS["GET"], options()) == Thing("1")


async def test_calls_in_the_queue_meet_the_latch() -> None:
    """A call that waited for its slot while the latch shut sends nothing."""
    semaphore = RateSemaphore(Quota(adaptive=False, max_in_flight=3))
    gate = Gate(refused())
    transport = Scripted([gate])
    session = await session_over(transport, semaphore=semaphore)
    calls = [started(session) for _ in range(20)]
    await turns()
    gate.open()
    for call in calls:
        assert isinstance(await failure_of(call), errors.AuthenticationError)
    # A slot is given back before its answer is read, so the next call may just have gone.
    assert len(transport.sent) <= 6
    assert semaphore.in_use == 0


# Keys that change.


class Source:
    """Gives one key after another, the last one for ever."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> str:
        """Give a key when the gate is open."""
        self.asked += 1
        await self.gate.wait()
        return self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]


def only(*accepted: str) -> tuple[Scripted, Callable[[], Awaitable[Response]]]:
    """A transport that refuses all keys but these."""
    transport = Scripted()

    async def judge() -> Response:
        key = transport.key
        await turns(2)
        return FINE if key in accepted else refused()

    transport.steps = [judge]
    return transport, judge


async def test_a_rotated_key_is_asked_for_once() -> None:
    """Calls refused together ask once, go on with the new key, and the latch stays open."""
    source = Source("old", "new")
    transport, _ = only("new")
    session = await session_over(transport, key=source)
    calls = [started(session, "POST") for _ in range(30)]
    await turns()
    assert await asyncio.gather(*calls) == [Thing("1")] * 30
    assert source.asked == 2
    assert transport.sent == ["old"] * 30 + ["new"] * 30
    assert await session.send(CALLS["GET"], options()) == Thing("1")


async def test_calls_that_meet_the_latch_join_a_renewal() -> None:
    """While another key is being fetched, new calls wait for it instead of failing."""
    source = Source("old", "new")
    transport, _ = only("new")
    session = await session_over(transport, key=source)
    source.gate.clear()
    first = [started(session) for _ in range(4)]
    await turns()
    later = [started(session) for _ in range(4)]
    await turns()
    source.gate.set()
    assert await asyncio.gather(*first, *later) == [Thing("1")] * 8
    assert source.asked == 2
    assert transport.sent.count("old") == 4


async def test_a_source_without_a_new_key() -> None:
    """The same key again is no reason to go on, and is asked for once for all calls."""
    source = Source("old")
    transport, _ = only("new")
    session = await session_over(transport, key=source)
    calls = [started(session) for _ in range(30)]
    for call in calls:
        assert isinstance(await failure_of(call), errors.AuthenticationError)
    assert source.asked == 2
    assert len(transport.sent) == 30
    await refusals(session, 2)
    assert (source.asked, len(transport.sent)) == (2, 30)


async def test_a_refused_probe_that_waits_for_a_key_probes_no_more() -> None:
    """A probe hands its turn on when it is refused: its end lets nobody beside the next one."""
    clock = Clock()
    gate = Gate()
    source = Source("old")
    transport = Scripted([*[refused()] * 4, gate, FINE])
    session = await session_over(transport, clock=clock, key=source)
    await refusals(session, 3)
    source.gate.clear()
    clock.now_s += AuthLatch.PAUSE_S
    first = started(session, deadline_s=None)  # refused, and then waits for another key
    await turns()
    clock.now_s += AuthLatch.PAUSE_S
    second = started(session, deadline_s=None)  # the probe now, on its way
    await turns()
    source.gate.set()
    assert isinstance(await failure_of(first), errors.AuthenticationError)
    await refusals(session, 2)
    assert len(transport.sent) == 5
    gate.open()
    assert await second == Thing("1")


async def test_a_source_that_fails() -> None:
    """The refusal stands, with what the source raised as its cause."""
    source = Source("old")
    transport, _ = only("new")
    session = await session_over(transport, key=source)
    source.keys = [" new "]
    error = await failure_of(session.send(CALLS["GET"], options()))
    assert isinstance(error, errors.AuthenticationError)
    assert isinstance(error.__cause__, errors.ConfigError)
    source.keys = []
    error = await failure_of(session.send(CALLS["GET"], options()))
    assert isinstance(error, errors.AuthenticationError)
    assert isinstance(error.__cause__, IndexError)


async def test_a_source_that_fails_is_asked_once() -> None:
    """Calls refused together do not each ask a source that has no key to give."""
    source = Source("old")
    transport, _ = only("new")
    session = await session_over(transport, key=source)
    source.keys = []
    calls = [started(session) for _ in range(30)]
    for call in calls:
        assert isinstance(await failure_of(call), errors.AuthenticationError)
    assert source.asked == 2


async def test_a_source_that_hangs() -> None:
    """Asking for a key takes no call past its deadline."""
    source = Source("old", "new")
    transport, _ = only("new")
    session = await session_over(transport, key=source)
    source.gate.clear()
    async with within(0.05 + 0.25):
        error = await failure_of(session.send(CALLS["GET"], options(0.05)))
    assert isinstance(error, errors.AuthenticationError)
    assert error.elapsed_s >= 0.04
    source.gate.set()
    assert await session.send(CALLS["GET"], options()) == Thing("1")


async def test_a_cancelled_asker_leaves_the_question_to_the_next() -> None:
    """When the call that asks is cancelled, another one that waits asks instead."""
    source = Source("old", "new")
    transport, _ = only("new")
    session = await session_over(transport, key=source)
    source.gate.clear()
    calls = [started(session) for _ in range(3)]
    await turns(10)
    calls[0].cancel()
    await asyncio.wait(calls[:1])
    source.gate.set()
    assert await asyncio.gather(*calls[1:]) == [Thing("1")] * 2
    assert transport.sent == ["old"] * 3 + ["new"] * 2


async def test_a_late_refusal_of_an_old_key() -> None:
    """What is said of a key that was replaced meanwhile does not shut the latch."""
    source = Source("old", "new")
    gate = Gate(refused())
    transport = Scripted([gate] * 5 + [refused(), FINE])
    session = await session_over(transport, key=source)
    late = [started(session) for _ in range(5)]
    await turns()
    assert await session.send(CALLS["GET"], options()) == Thing("1")
    gate.open()
    assert await asyncio.gather(*late) == [Thing("1")] * 5
    assert source.asked == 2


async def test_a_late_success_of_an_old_key() -> None:
    """That the replaced key was good does not begin the count of the new one anew."""
    gate = Gate()
    transport = Scripted([gate, refused()])
    session = await session_over(transport, key=Source("old", "new"))
    late = started(session)
    await turns()
    await refusals(session, 2)
    gate.open()
    assert await late == Thing("1")
    await refusals(session, 2)
    assert transport.sent == ["old", "old", "new", "new", "new"]


async def test_a_new_key_is_kept_where_nothing_is_repeated() -> None:
    """Without retries a refused call fails, and the next one has the new key."""
    transport, _ = only("new")
    session = await session_over(transport, key=Source("old", "new"))
    error = await failure_of(session.send(CALLS["GET"], options(max_attempts=1)))
    assert isinstance(error, errors.AuthenticationError)
    assert await session.send(CALLS["GET"], options(max_attempts=1)) == Thing("1")


# Ends: cancelled, and closed.


def place_of(name: str) -> tuple[Scripted, dict[str, Any], Callable[[], bool]]:
    """A transport and options that make a call wait in one place, and whether it is there."""
    gate = Gate()
    if name == "perform":
        return Scripted([gate]), {}, lambda: gate.entered > 0
    if name == "sleep":
        transport = Scripted([NOT_SENT])
        return transport, {}, lambda: len(transport.sent) > 0
    if name == "queue":
        transport = Scripted([gate])
        return transport, {"quota": Quota(adaptive=False, max_in_flight=1)}, lambda: True
    source = Source("old", "new")
    transport, _ = only("new")
    return transport, {"key": source}, lambda: source.asked > 1


PLACES = ("perform", "sleep", "queue", "renewal")


async def waiting_call(place: str, method: str = "POST") -> tuple[Session, "asyncio.Task[Thing]"]:
    """Start a call and let it come to where it waits; in the queue, behind another one."""
    transport, more, _ = place_of(place)
    session = await session_over(transport, **more)
    source = more.get("key")
    if source is not None:
        source.gate.clear()
    if place == "queue":
        started(session)
        await turns()
    task = started(session, method, base_s=1000, max_sleep_s=50)
    await turns(10)
    assert not task.done()
    return session, task


@pytest.mark.parametrize("place", PLACES)
async def test_cancelled_while_it_waits(place: str) -> None:
    """Wherever a call waits, it can be cancelled, and nothing stays in use."""
    session, task = await waiting_call(place)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    semaphore = session._semaphore
    assert semaphore.in_use == (1 if place == "queue" else 0)
    assert semaphore.waiting == 0
    assert len(session._running) == (1 if place == "queue" else 0)
    await session.aclose(0)
    assert semaphore.in_use == 0
    assert not session._running


@pytest.mark.parametrize("place", PLACES)
async def test_cancelled_in_every_turn(place: str) -> None:
    """A cancellation in any turn of a call's life passes through or comes too late."""
    for turn in range(12):
        transport, more, _ = place_of(place)
        session = await session_over(transport, **more)
        task = started(session, base_s=0)
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None or turn > 1
        assert session._semaphore.in_use == session._semaphore.waiting == 0
        assert not session._running
        await session.aclose(0)


CLOSED_AT_ONCE = {
    "sleep": errors.NotSentError,
    "queue": errors.ClientClosedError,
    "renewal": errors.AuthenticationError,
}


@pytest.mark.parametrize("place", CLOSED_AT_ONCE)
async def test_closing_ends_what_is_not_on_the_wire_at_once(place: str) -> None:
    """Between attempts and in the queue there is nothing to wait for."""
    session, task = await waiting_call(place)
    closing = asyncio.ensure_future(session.aclose(0.2))
    await turns(10)
    assert task.done()
    assert type(task.exception()) is CLOSED_AT_ONCE[place]
    assert task.cancelling() == 0
    await closing


@pytest.mark.parametrize(
    ("method", "kind", "applied"),
    [
        ("GET", errors.ClientClosedError, "no"),
        ("PUT", errors.ClientClosedError, "unknown"),
        ("POST", errors.OutcomeUnknownError, "unknown"),
    ],
)
async def test_closing_ends_calls_after_the_grace(
    method: str, kind: type[errors.NcloudChatError], applied: str
) -> None:
    """What is on the wire gets its grace, then an error that says what is known."""
    session, task = await waiting_call("perform", method)
    await session.aclose(0.01)
    assert task.done()
    error = await failure_of(task)
    assert type(error) is kind
    assert (error.applied, error.attempts) == (applied, 1)
    assert task.cancelling() == 0
    assert session._semaphore.in_use == 0


async def test_closing_waits_for_calls_that_end() -> None:
    """A call that is answered within the grace is not disturbed."""
    gate = Gate()
    transport = Scripted([gate])
    session = await session_over(transport)
    task = started(session, "POST")
    await turns()
    closing = asyncio.ensure_future(session.aclose(5))
    await turns()
    before = (closing.done(), transport.closed)
    gate.open()
    assert await task == Thing("1")
    await closing
    assert (before, transport.closed) == ((False, False), True)
    assert isinstance(
        await failure_of(session.send(CALLS["GET"], options())), errors.ClientClosedError
    )


async def test_a_cancellation_beside_the_closing_one() -> None:
    """A task that its owner cancels while the client closes is cancelled."""
    session, task = await waiting_call("perform")
    closing = asyncio.ensure_future(session.aclose(0))
    task.cancel()
    await closing
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_cancellation_after_the_closing_one() -> None:
    """A task that was ended by closing, and is cancelled before it noticed, is cancelled."""
    session, task = await waiting_call("perform")
    closing = asyncio.ensure_future(session.aclose(0))
    while not task.cancelling():
        await turns(1)
    task.cancel()
    await closing
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_call_that_ends_by_itself_as_it_is_closed() -> None:
    """An answer that comes all the same leaves no cancellation for what the caller does next."""

    async def stubborn() -> Response:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return FINE

    session = await session_over(Scripted([stubborn]))

    async def caller() -> int:
        assert await session.send(CALLS["GET"], options()) == Thing("1")
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    call = asyncio.ensure_future(caller())
    await turns()
    await session.aclose(0)
    assert await call == 0


async def test_a_deadline_of_the_caller_beside_the_closing_one() -> None:
    """A timeout around a call ends as a timeout also when the client was closing."""
    transport = Scripted([Gate()])
    session = await session_over(transport)

    async def bounded() -> None:
        with pytest.raises(errors.OutcomeUnknownError):
            async with asyncio.timeout(30):
                await session.send(CALLS["POST"], options())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    task = asyncio.ensure_future(bounded())
    await turns()
    await session.aclose(0)
    await task


async def test_a_closing_that_is_cancelled_still_closes() -> None:
    """Whoever gives up on closing leaves no call and no pool behind."""
    session, task = await waiting_call("perform")
    closing = asyncio.ensure_future(session.aclose(30))
    await turns()
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert task.done()
    assert isinstance(task.exception(), errors.OutcomeUnknownError)
    transport = session._transport
    assert isinstance(transport, Scripted)
    assert transport.closed


# Observers.


async def test_events_of_a_call() -> None:
    """Each attempt, throttle and retry is told, with its number and how it ended."""
    events: list[Event] = []
    session = await session_over(
        Scripted([BUSY, BROKEN, LOST, FINE]), clock=Clock(), observer=events.append
    )
    await session.send(CALLS["GET"], options())
    assert [(e.kind, e.attempt, e.http_status, e.error) for e in events] == [
        ("throttle", 1, 429, "RateLimitedError"),
        ("retry", 1, 429, "RateLimitedError"),
        ("attempt", 2, 503, "ServerError"),
        ("retry", 2, 503, "ServerError"),
        ("attempt", 3, None, "NoReplyError"),
        ("retry", 3, None, "NoReplyError"),
        ("attempt", 4, 200, None),
    ]
    assert {e.operation for e in events} == {"GET /things/{thing_id}"}
    assert all(e.seconds >= 0 and math.isfinite(e.seconds) for e in events)


async def test_an_observer_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Its failure costs no message, and is logged once."""
    told: list[Event] = []

    def fail(event: Event) -> None:
        told.append(event)
        raise ValueError("mine")

    session = await session_over(Scripted([BUSY, FINE]), clock=Clock(), observer=fail)
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            assert await session.send(CALLS["POST"], options()) == Thing("1")
    assert len(told) == 5
    assert [r.getMessage() for r in caplog.records if r.name == "ncloudchat_async"] == [
        "the observer raised; only its first failure is logged"
    ]
