"""What a stop does to calls that have not left: over a session, whose quota they wait for."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import anyio.lowlevel
import pytest

from ncloudchat_async import errors
from ncloudchat_async.bulk import Delivery, Job, run_many, send_many
from ncloudchat_async.journal import JournalView
from ncloudchat_async.journal.view import State
from ncloudchat_async.settings import Quota
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.session import Session
from tests.unit.bulk_fakes import Platform, Row, texts, turns
from tests.unit.wire.session_fakes import CALLS, FINE, Scripted, options, session_over

LOST = errors.NoReplyError("lost")
BUSY = Response(429, {}, b"{}")


async def until(there: Callable[[], bool]) -> None:
    """Let the loop, and a journal's thread, run until something is so."""
    async with asyncio.timeout(30):
        while not there():
            await anyio.lowlevel.checkpoint()


class Line:
    """A platform behind a session with a single slot, which answers when it is told to."""

    def __init__(self, session: Session, transport: Scripted) -> None:
        self.platform = Platform()
        self.session = session
        self.transport = transport
        self.gate = asyncio.Event()
        self.answers: list[Response | errors.NcloudChatError] = []
        """What is answered before all is fine."""
        transport.steps[:] = [self.answer]

    @classmethod
    async def open(cls) -> "Line":
        """Open the session."""
        transport = Scripted()
        quota = Quota(adaptive=False, max_in_flight=1)
        return cls(await session_over(transport, quota=quota), transport)

    async def answer(self) -> Response:
        """Wait for the gate, then answer as it is written."""
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else FINE
        if isinstance(answer, errors.NcloudChatError):
            raise answer
        return answer

    async def send(self, channel_id: str, content: str) -> Row:
        """Send through the session; what was answered is kept."""
        await self.session.send(CALLS["POST"], options(max_attempts=3, base_s=1000))
        return self.platform.store(channel_id, content)

    async def newest(self, channel_id: str) -> AsyncIterator[Row]:
        """List through the session."""
        await self.session.send(CALLS["GET"], options())
        async for row in self.platform.newest(channel_id):
            yield row

    def job(self, deliveries: Any, **more: Any) -> Job:
        """Make a job."""
        fixed: dict[str, Any] = {"max_in_flight": 4, "now": self.platform.time.now}
        return send_many(self.send, self.newest, deliveries, **(fixed | more))

    async def waits(self, count: int) -> None:
        """Wait until one call is on the wire and so many wait for the slot."""
        semaphore = self.session._semaphore
        await until(lambda: semaphore.in_use == 1 and semaphore.waiting == count)


async def rest(job: Job) -> Counter[str]:
    """Count what still comes out, by status."""
    async with asyncio.timeout(30):
        return Counter([outcome.status async for outcome in job])


def entries(path: Path) -> list[tuple[str, int, bool]]:
    """Give state, attempts and whether it was begun, of each delivery of a journal."""
    with JournalView(path) as view:
        every = [entry for state in get_args(State) for entry in view.entries(state)]
    every.sort(key=lambda entry: entry.seq)
    return [(entry.state, entry.attempts, entry.begun_ms is not None) for entry in every]


@pytest.mark.parametrize("ordered", [False, True])
async def test_what_waits_for_quota_is_skipped(ordered: bool) -> None:
    """A stop lets the message on the wire finish; of those in the queue none is sent."""
    line = await Line.open()
    async with line.job(texts(20), ordered=ordered) as job:
        await line.waits(3)
        job.stop()
        line.gate.set()
        assert await rest(job) == {"sent": 1, "skipped": 3}
    assert len(line.transport.sent) == len(line.platform.rows) == job.report.attempts == 1
    assert line.session._semaphore.in_use == line.session._semaphore.waiting == 0


async def test_others_keep_their_place_in_the_queue() -> None:
    """A stop gives up the calls of its own job, and of no one else on the same session."""
    line = await Line.open()
    async with line.job(texts(20)) as job, line.job(texts(2)) as other:
        await line.waits(5)
        single = asyncio.ensure_future(line.send("c", "mine"))
        await line.waits(6)
        job.stop()
        line.gate.set()
        assert await rest(job) == {"sent": 1, "skipped": 3}
        assert await rest(other) == {"sent": 2}
        await single
    assert len(line.transport.sent) == 4


async def test_in_the_journal_they_were_never_begun(tmp_path: Path) -> None:
    """The intents are taken back, so that a resumed job sends each of them once, and at once."""
    line, path = await Line.open(), tmp_path / "job.journal"
    async with line.job(texts(20), journal=path) as job:
        await line.waits(3)
        assert entries(path) == [("sending", 1, True)] * 4
        job.stop()
        line.gate.set()
        assert await rest(job) == {"sent": 1, "skipped": 3}
        assert entries(path) == [("sent", 1, True)] + [("planned", 0, False)] * 3
    async with line.job(texts(20), journal=path) as job:
        assert await rest(job) == {"sent": 19, "skipped": 1}
    assert set(line.platform.copies().values()) == {1}
    assert entries(path) == [("sent", 1, True)] * 20


@pytest.mark.parametrize("durable", [False, True])
async def test_an_intent_before_its_send_is_taken_back(tmp_path: Path, durable: bool) -> None:
    """A delivery that comes to its send after the stop is not sent, though a slot is free."""
    line, path = await Line.open(), tmp_path / "job.journal"
    line.gate.set()
    asked = itertools.count()

    def now() -> float:
        if next(asked) == (2 if durable else 1):  # after the journal was made
            job.stop()
        return 0.0

    job = line.job(texts(1), journal=path, now=now)
    async with job:
        assert await rest(job) == {"skipped": 1}
    assert line.transport.sent == []
    assert entries(path) == [("planned", 0, False)]


@pytest.mark.parametrize("asleep", [False, True])
async def test_a_throttled_message_is_not_waited_for(tmp_path: Path, asleep: bool) -> None:
    """A 429 says that it was not sent: after a stop nobody sleeps to try again."""
    line, path = await Line.open(), tmp_path / "job.journal"
    line.answers = [BUSY]
    async with line.job(texts(1), journal=path) as job:
        await line.waits(0)
        if asleep:
            line.gate.set()
            await until(lambda: any(call.resting for call in line.session._running))
        job.stop()
        line.gate.set()
        assert await rest(job) == {"skipped": 1}
    assert len(line.transport.sent) == 1
    assert entries(path) == [("planned", 0, False)]


@pytest.mark.parametrize("journaled", [False, True])
@pytest.mark.parametrize("place", ["nap", "queue"])
async def test_a_doubt_stays_one(tmp_path: Path, place: str, journaled: bool) -> None:
    """What was to be sent once more, and waits for that, is unknown: it may have arrived."""
    line, path = await Line.open(), tmp_path / "job.journal"
    line.answers = [LOST]
    line.gate.set()
    nap = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        if place == "nap":
            nap.set()
            await asyncio.Event().wait()
        line.gate.clear()
        ahead.append(asyncio.ensure_future(line.session.send(CALLS["GET"], options())))
        await until(lambda: line.session._semaphore.in_use == 1)

    ahead: list[asyncio.Future[Any]] = []
    journal = path if journaled else None
    async with line.job(texts(1), journal=journal, mode="at_least_once", sleep=sleep) as job:
        await (nap.wait() if place == "nap" else line.waits(1))
        job.stop()
        (outcome,) = [outcome async for outcome in job]
    assert (outcome.status, outcome.attempts) == ("unknown", 1)
    assert isinstance(outcome.error, errors.OutcomeUnknownError)
    assert len(line.transport.sent) == 1 + len(ahead)
    assert not journaled or entries(path) == [("unknown", 1, True)]
    line.gate.set()
    await asyncio.gather(*ahead)


@pytest.mark.parametrize("place", ["look", "send"])
async def test_what_is_being_settled_stays_in_doubt(tmp_path: Path, place: str) -> None:
    """A look, and a send that two looks allowed, begin no more: a later run goes on with them."""
    line, path = await Line.open(), tmp_path / "job.journal"
    line.answers = [LOST]
    line.gate.set()
    async with line.job(texts(1), journal=path, settle_s=0) as job:
        await until(lambda: len(line.transport.sent) == (1 if place == "look" else 3))
        line.gate.clear()
        ahead = asyncio.ensure_future(line.session.send(CALLS["GET"], options()))
        await line.waits(1)
        job.stop()
        assert await rest(job) == {"unknown": 1}
    line.gate.set()
    await ahead
    assert entries(path) == [("unknown", 1, True)]
    async with line.job(texts(1), journal=path, settle_s=0) as job:
        assert await rest(job) == {"sent": 1}
    assert len(line.platform.rows) == 1


async def test_max_failures_begins_nothing_more() -> None:
    """What waits for quota when a job has failed often enough is not sent."""
    line = await Line.open()
    line.answers = [Response(400, {}, b"{}")]
    async with line.job(texts(20), fail_fast=True) as job:
        await line.waits(3)
        line.gate.set()
        assert await rest(job) == {"failed": 1, "skipped": 3}
    assert len(line.transport.sent) == 1


async def test_an_error_of_the_input_gives_nothing_up() -> None:
    """What came before it is sent, however long it has to wait for the quota."""

    def broken() -> Iterator[Delivery]:
        yield from texts(3)
        raise ValueError("row 4")

    line = await Line.open()
    async with line.job(broken()) as job:
        await line.waits(2)
        line.gate.set()
        statuses = [(await anext(job)).status for _ in range(3)]
        with pytest.raises(ValueError, match="row 4"):
            await anext(job)
    assert statuses == ["sent"] * 3


async def test_an_item_that_has_begun_is_finished() -> None:
    """A function of several calls is given up at its first write, and never between two."""
    line = await Line.open()
    told: list[str] = []

    async def answer() -> Response:
        if len(line.transport.sent) == 5:  # four reads, and the first write
            run.stop()
        return await line.answer()

    line.transport.steps[:] = [answer]

    async def twice(item: int) -> int:
        try:
            await line.session.send(CALLS["GET"], options())
            await line.session.send(CALLS["POST"], options())
        except errors.NcloudChatError as error:
            told.append(error.applied)
            raise
        await line.session.send(CALLS["PUT"], options())
        return item

    async with run_many(twice, range(20), max_in_flight=4) as run:
        await line.waits(3)
        line.gate.set()
        results = [result async for result in run]
    assert [(result.item, result.value) for result in results] == [(0, 0)]
    assert told == ["no"] * 3


async def test_a_write_in_doubt_is_tried_to_its_end() -> None:
    """A repeatable write that may have been applied is repeated after the stop as before it."""
    line = await Line.open()
    line.answers = [LOST]

    async def put(_item: int) -> object:
        return await line.session.send(CALLS["PUT"], options(base_s=0))

    async with run_many(put, range(20), max_in_flight=4) as run:
        await line.waits(3)
        run.stop()
        line.gate.set()
        results = [result async for result in run]
    assert [(result.item, result.error) for result in results] == [(0, None)]
    assert len(line.transport.sent) == 2


async def test_calls_of_other_tasks_are_not_given_up() -> None:
    """What a function starts beside itself belongs to nobody's item: it ends by itself."""
    line = await Line.open()
    beside: list[asyncio.Task[Any]] = []

    async def start(_item: int) -> None:
        beside.append(asyncio.ensure_future(line.send("c", "beside")))
        await turns()
        await line.send("c", "own")

    async with run_many(start, [1], max_in_flight=4) as run:
        await line.waits(1)
        run.stop()
        assert [result async for result in run] == []
        line.gate.set()
        await asyncio.gather(*beside)
    assert [row.content for row in line.platform.rows] == ["beside"]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("seed", range(4))
async def test_stopped_at_any_moment_nothing_is_lost_or_repeated(
    tmp_path: Path, seed: int, ordered: bool
) -> None:
    """However often a job is stopped and resumed, in the end each message is there once."""
    draw = random.Random(seed)
    line, path = await Line.open(), tmp_path / "job.journal"
    line.answers = draw.choices([FINE, LOST], [4, 1], k=60)
    line.gate.set()
    for _ in range(12):
        async with line.job(texts(60), journal=path, ordered=ordered, settle_s=0) as job:
            for _ in range(draw.randrange(1, 8)):
                await anext(job, None)
            job.stop()
            await rest(job)
        states = Counter(state for state, _, _ in entries(path))
        assert states.keys() <= {"planned", "sent", "unknown"}
    line.answers.clear()
    async with line.job(texts(60), journal=path, ordered=ordered, settle_s=0) as job:
        assert (await rest(job)).keys() <= {"sent", "skipped"}
    assert Counter(line.platform.copies().values()) == {1: 60}
