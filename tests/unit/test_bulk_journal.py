"""Jobs with a journal: intents first, resuming, binding to the input."""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ncloudchat_async.bulk import Delivery, Outcome, journaled, send_many
from ncloudchat_async.errors import (
    AuthenticationError,
    BadRequestError,
    ClientClosedError,
    ConfigError,
    DeadlineExceededError,
    JournalError,
    JournalLockedError,
    JournalMismatchError,
    NcloudChatError,
    NotSentError,
    PermissionDeniedError,
    ProjectNotFoundError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from ncloudchat_async.journal import JournalView
from ncloudchat_async.journal.view import Binding
from ncloudchat_async.journal.writer import JournalWriter
from tests.unit.bulk_fakes import Platform, Row, always, drawn, judge, texts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "job.journal"


def states(path: Path) -> dict[str, int]:
    """Count a journal's deliveries by state, without the empty ones."""
    with JournalView(path) as view:
        status = view.status()
    counts = {state: getattr(status, state) for state in status.__struct_fields__[3:]}
    return {state: count for state, count in counts.items() if count}


def statuses(outcomes: list[Outcome]) -> dict[str, int]:
    """Count outcomes by status."""
    return dict(Counter(outcome.status for outcome in outcomes))


async def interrupted(platform: Platform, deliveries: Any, path: Path, after: int) -> None:
    """Run a job and leave it, as a program that ends without finishing does."""
    async with platform.time.running(), platform.job(deliveries, journal=path) as job:
        for _ in range(after):
            await anext(job)


async def test_a_job_left_early_names_its_doubts(path: Path) -> None:
    """What was on its way, and what was still to be looked for, counts as unknown."""
    platform = Platform(fate=lambda _, text: "lost" if text == "text 1" else "ok")

    async def send(channel_id: str, content: str) -> Row:
        if content == "text 3":
            await anyio.sleep_forever()
        return await platform.send(channel_id, content)

    async with (
        platform.time.running(),
        send_many(
            send,
            platform.newest,
            texts(4),
            journal=path,
            max_in_flight=4,
            now=platform.time.now,
            clock=platform.time.now,
            sleep=platform.time.sleep,
        ) as job,
    ):
        assert {(await anext(job)).status, (await anext(job)).status} == {"sent"}
        with anyio.move_on_after(1):
            while len(platform.calls) < 3:
                await anyio.lowlevel.checkpoint()
    assert (job.report.sent, job.report.unknown) == (2, 2)
    assert states(path) == {"sent": 2, "unknown": 1, "sending": 1}


async def test_what_was_refused_before_it_left_was_not_sent(path: Path) -> None:
    """With a journal too, attempts count messages that left."""

    async def send(channel_id: str, content: str) -> Row:
        raise ConfigError("an id like this reaches no channel")

    platform = Platform()
    async with send_many(send, platform.newest, texts(3), journal=path) as job:
        outcomes = [outcome async for outcome in job]
    assert {(outcome.status, outcome.attempts) for outcome in outcomes} == {("failed", 0)}
    assert (job.report.failed, job.report.attempts) == (3, 0)


async def test_the_intent_is_durable_before_the_message_leaves(path: Path) -> None:
    """Whatever is sent, another process sees its intent in the file already."""
    platform = Platform()

    async def send(channel_id: str, content: str) -> Row:
        with JournalView(path) as view:
            assert content in {entry.content for entry in view.entries("sending")}
        return await platform.send(channel_id, content)

    async with send_many(send, platform.newest, texts(20), journal=path) as job:
        assert [outcome.status async for outcome in job] == ["sent"] * 20
    assert states(path) == {"sent": 20}


async def test_a_finished_job_sends_nothing_again(path: Path) -> None:
    """Run again, everything is skipped, with the ids of the first run."""
    platform = Platform()
    first = await platform.run(texts(50), journal=path)
    again = await platform.run(texts(50), journal=path)
    assert statuses(again) == {"skipped": 50}
    assert {(o.ref, o.message_id) for o in again} == {(o.ref, o.message_id) for o in first}
    assert len(platform.calls) == 50


async def test_the_last_outcome_is_in_the_journal(path: Path) -> None:
    """Whoever has read all outcomes finds them all in the file, inside the block too."""
    platform = Platform()
    async with platform.time.running(), platform.job(texts(5), journal=path) as job:
        assert len([outcome async for outcome in job]) == 5
        assert states(path) == {"sent": 5}


@pytest.mark.parametrize("after", [1, 40, 150])
@pytest.mark.parametrize("ordered", [False, True])
async def test_a_job_goes_on_where_it_was(path: Path, after: int, ordered: bool) -> None:
    """Resumed as often as it was left, a job sends exactly the rest."""
    platform = Platform(fate=drawn(after, ok=7, lost=1, dropped=1, late=1))
    platform.latency_s = 1.0
    deliveries = list(texts(200))
    for _ in range(2):
        await interrupted(platform, deliveries, path, after)
    outcomes = await platform.run(deliveries, journal=path, ordered=ordered)
    judge(platform, deliveries, outcomes)
    assert sum(count for state, count in states(path).items() if state != "unknown") >= 195


async def test_what_was_on_its_way_is_in_doubt(path: Path) -> None:
    """Messages cut off between intent and answer are looked for before they are sent again."""
    platform = Platform()
    platform.latency_s = 5.0
    deliveries = list(texts(300))
    await interrupted(platform, deliveries, path, 100)
    with JournalView(path) as view:
        cut_off = list(view.entries("sending"))
    for entry in cut_off[::2]:  # these had reached the platform
        platform.store(entry.channel_id, entry.content)
    kept, calls = len(platform.rows), len(platform.calls)
    outcomes = await platform.run(deliveries, journal=path)
    assert set(platform.copies().values()) == {1}
    assert len(platform.calls) - calls == 300 - kept
    assert len(cut_off) > 30
    assert statuses(outcomes)["sent"] + statuses(outcomes)["skipped"] == 300


async def test_order_is_kept_when_settling_is_cut_off_too(path: Path) -> None:
    """A channel waits for its doubt in every run until one of them has settled it."""
    platform = Platform()
    platform.latency_s = 5.0
    deliveries = list(texts(60, channels=3))
    for _ in range(3):  # left while a message is on its way, then while it is looked for
        job = platform.job(deliveries, journal=path, ordered=True, plan_first=True)
        async with platform.time.running(), job:
            await platform.time.sleep(8.0)
    platform.latency_s = 0.0
    outcomes = await platform.run(deliveries, journal=path, ordered=True)
    judge(platform, deliveries, outcomes)
    for channel in range(3):
        said = [row.content for row in platform.rows if row.channel_id == f"c{channel}"]
        assert said == [item.content for item in deliveries if item.channel_id == f"c{channel}"]


async def test_at_most_once_names_what_was_on_its_way(path: Path) -> None:
    """Without reconciling a message cut off stays unknown and is never repeated."""
    platform = Platform()
    platform.latency_s = 5.0
    deliveries = list(texts(100))
    job = platform.job(deliveries, journal=path, mode="at_most_once", max_in_flight=10)
    async with platform.time.running(), job:
        await anext(job)
    outcomes = await platform.run(deliveries, journal=path, mode="at_most_once")
    assert set(Counter(platform.calls).values()) == {1}
    assert statuses(outcomes)["unknown"] == states(path)["unknown"] > 0


async def test_at_least_once_repeats_what_was_on_its_way(path: Path) -> None:
    """There a message cut off is sent again, at the price of duplicates."""
    platform = Platform()
    platform.latency_s = 5.0
    deliveries = list(texts(100))
    job = platform.job(deliveries, journal=path, mode="at_least_once", max_in_flight=10)
    async with platform.time.running(), job:
        await anext(job)
    await platform.run(deliveries, journal=path, mode="at_least_once")
    assert states(path) == {"sent": 100}
    assert len(platform.calls) > 100


@pytest.mark.parametrize("end", ["unknown", "sending"])
async def test_a_repetition_that_is_refused_is_unknown(path: Path, end: str) -> None:
    """What an earlier run left in doubt is not failed because this run was refused."""
    platform = Platform(fate=always("lost"))
    await platform.run(texts(3), journal=path, mode="at_most_once")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE delivery SET state = ?", (end,))
    db.close()
    platform.fate = always("refused")
    outcomes = await platform.run(texts(3), journal=path, mode="at_least_once")
    assert statuses(outcomes) == states(path) == {"unknown": 3}
    platform.fate = always("ok")
    outcomes = await platform.run(texts(3), journal=path)
    assert (statuses(outcomes), len(platform.rows)) == ({"sent": 3}, 3)


async def test_a_repetition_that_was_not_begun_is_looked_for(path: Path) -> None:
    """A job that was to repeat its doubts, and did not, may still go on by looking."""
    platform = Platform(fate=always("lost"))
    await platform.run(texts(3), journal=path, mode="at_most_once")
    writer = JournalWriter.open(path, Binding("", ""), created_ms=0)
    writer.recover(repeat=True)
    writer.close()
    assert states(path) == {"planned": 3}
    outcomes = await platform.run(texts(3), journal=path)
    assert (statuses(outcomes), len(platform.rows)) == ({"sent": 3}, 3)


async def test_order_is_kept_however_many_are_in_doubt(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every channel with a doubt waits for it, also beyond the first page of them."""
    monkeypatch.setattr(journaled, "_PAGE", 2)
    platform = Platform(fate=always("dropped"))
    deliveries = list(texts(10, channels=5))
    first = {"mode": "at_most_once", "max_failures": 5, "max_in_flight": 1}
    await platform.run(deliveries, journal=path, **first)
    platform.fate = always("ok")
    await platform.run(deliveries, journal=path, ordered=True)
    said = [int(row.content.removeprefix("text ")) for row in platform.rows]
    assert sorted(said) == list(range(10))
    assert all(said.index(first) < said.index(first + 5) for first in range(5))


async def test_another_input_is_refused_before_anything_is_sent(path: Path) -> None:
    """A changed, shortened or prolonged input does not go on with the journal, and is told so."""
    platform = Platform()
    deliveries = list(texts(50))
    await platform.run(deliveries, journal=path)
    changed = [*deliveries[:49], Delivery("c9", "other", "49")]
    for other, told in (
        (changed, "delivery 49 of the input, counted from 0, has another text than"),
        (deliveries[:49], "the input ends after 49 deliveries, the journal has 50"),
        ([*deliveries, Delivery("c0", "more")], "the input goes on after the 50"),
    ):
        with pytest.raises(JournalMismatchError, match=told):
            await platform.run(other, journal=path)
    assert len(platform.calls) == 50


async def test_the_part_that_was_read_binds_an_unfinished_job(path: Path) -> None:
    """Of an input that was not read to its end, the recorded part must be the same."""
    platform = Platform()
    await interrupted(platform, list(texts(500)), path, 10)
    calls = len(platform.calls)
    with pytest.raises(
        JournalMismatchError, match="delivery 3 of the input, counted from 0, has another text"
    ):
        await platform.run(
            [*list(texts(500))[:3], Delivery("c3", "other", "3"), *list(texts(500))[4:]],
            journal=path,
        )
    assert len(platform.calls) == calls
    await platform.run(texts(500), journal=path)
    assert states(path) == {"sent": 500}


async def test_a_journal_of_another_project_is_refused(path: Path) -> None:
    """The identity is compared before the job begins."""
    platform = Platform()
    await platform.run(texts(5), journal=path, identity=("p", "https://a"), input_id="x")
    for options in (
        {"identity": ("q", "https://a"), "input_id": "x"},
        {"identity": ("p", "https://b"), "input_id": "x"},
        {"identity": ("p", "https://a"), "input_id": "y"},
    ):
        with pytest.raises(JournalMismatchError):
            await platform.run(texts(5), journal=path, **options)
    assert len(platform.calls) == 5


async def test_two_jobs_never_share_a_journal(path: Path) -> None:
    """The second is refused while the first runs."""
    platform = Platform()
    async with platform.job(texts(5), journal=path) as job:
        await anext(job)
        with pytest.raises(JournalLockedError):
            await platform.run(texts(5), journal=path)
    await platform.run(texts(5), journal=path)


async def test_a_planned_input_is_not_needed_again(path: Path) -> None:
    """With `plan_first` the journal has everything before anything is sent."""
    platform = Platform()
    platform.latency_s = 1.0
    job = platform.job(texts(2500), journal=path, plan_first=True)
    async with platform.time.running(), job:
        await anext(job)
        with JournalView(path) as view:
            assert (view.status().total, view.status().complete) == (2500, True)
    outcomes = await platform.run(None, journal=path)
    assert states(path) == {"sent": 2500}
    assert set(statuses(outcomes)) == {"sent"}


async def test_an_unfinished_plan_needs_its_input(path: Path) -> None:
    """Without the deliveries only a complete journal can go on."""
    platform = Platform()
    await interrupted(platform, list(texts(500)), path, 10)
    calls = len(platform.calls)
    with pytest.raises(JournalMismatchError, match="hand it in again"):
        await platform.run(None, journal=path)
    assert len(platform.calls) == calls


async def test_a_journal_that_is_not_there_is_not_made_to_go_on_with(path: Path) -> None:
    """A mistyped path leaves no empty journal behind, and is named."""
    platform = Platform()
    with pytest.raises(JournalError, match=r"there is no journal at .*job.journal"):
        async with platform.job(None, journal=path):
            pytest.fail("begun")
    assert list(path.parent.iterdir()) == []


async def test_an_error_in_a_planned_input_sends_nothing(path: Path) -> None:
    """A broken row at the end of a file is met before the first message leaves."""

    def broken() -> Iterator[Delivery]:
        yield from texts(100)
        raise ValueError("row 101")

    platform = Platform()
    with pytest.raises(ValueError, match="row 101"):
        await platform.run(broken(), journal=path, plan_first=True)
    assert not platform.calls
    await platform.run(texts(100), journal=path, plan_first=True)
    assert states(path) == {"sent": 100}


async def test_async_input_is_read_one_by_one(path: Path) -> None:
    """A slow stream is sent as it comes, and never waits for a group to fill."""
    platform = Platform()

    async def stream() -> AsyncIterator[Delivery]:
        for number, delivery in enumerate(texts(10)):
            yield delivery
            while len(platform.calls) <= number:
                await anyio.lowlevel.checkpoint()

    with anyio.fail_after(5):
        outcomes = await platform.run(stream(), journal=path)
    assert statuses(outcomes) == {"sent": 10}


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_job_stopped_while_its_input_is_idle_goes_on_later(
    path: Path, ordered: bool
) -> None:
    """Stopping does not wait for the input, nor take what it gave so far for all of it."""
    platform = Platform()
    given = list(texts(20))

    async def idle(after: int) -> AsyncIterator[Delivery]:
        for delivery in given[:after]:
            yield delivery
        await anyio.sleep_forever()

    async with platform.job(idle(10), journal=path, ordered=ordered) as job:
        for _ in range(10):
            await anext(job)
        job.stop()
        with anyio.fail_after(5):
            assert [outcome async for outcome in job] == []
    async with platform.job(idle(5), journal=path, ordered=ordered) as job:
        for _ in range(5):
            assert (await anext(job)).status == "skipped"
        job.stop()  # while the input is compared with the journal
        with anyio.fail_after(5):
            assert [outcome async for outcome in job] == []
    async with platform.job(given, journal=path, ordered=ordered) as job:
        assert statuses([outcome async for outcome in job]) == {"skipped": 10, "sent": 10}
    assert set(platform.copies().values()) == {1}


async def test_refusals_stay_and_outages_are_tried_again(path: Path) -> None:
    """A resumed job sends again what failed for no fault of the message, and tells the rest."""
    platform = Platform()
    outages = iter([True])

    async def send(channel_id: str, content: str) -> Row:
        if content == "text 1":
            raise BadRequestError("too long", http_status=400)
        if content == "text 2" and next(outages, False):
            raise NotSentError("no route")
        return await platform.send(channel_id, content)

    async with send_many(send, platform.newest, texts(3), journal=path, max_in_flight=1) as job:
        assert [o.status async for o in job] == ["sent", "failed", "failed"]
    async with send_many(send, platform.newest, texts(3), journal=path) as job:
        outcomes = {o.ref: o async for o in job}
    assert {ref: o.status for ref, o in outcomes.items()} == {
        "0": "skipped",
        "1": "failed",
        "2": "sent",
    }
    assert isinstance(outcomes["1"].error, BadRequestError)
    assert outcomes["2"].attempts == 2


@pytest.mark.parametrize(
    "outage",
    [
        AuthenticationError,
        ClientClosedError,
        DeadlineExceededError,
        NotSentError,
        PermissionDeniedError,
        ProjectNotFoundError,
        QuotaExceededError,
        RateLimitedError,
        ServerError,
    ],
)
async def test_what_an_outage_stopped_is_sent_by_the_next_run(
    path: Path, outage: type[NcloudChatError]
) -> None:
    """No failure that says nothing of the message is for good."""
    platform = Platform()

    async def refuse(channel_id: str, content: str) -> Row:
        raise outage("down")

    async with send_many(refuse, platform.newest, texts(3), journal=path) as job:
        assert [outcome.status async for outcome in job] == ["failed"] * 3
    assert statuses(await platform.run(texts(3), journal=path)) == {"sent": 3}


async def test_earlier_failures_do_not_stop_a_resumed_job(path: Path) -> None:
    """`max_failures` counts what fails in this run."""
    platform = Platform(fate=lambda _, text: "refused" if int(text[5:]) < 20 else "ok")
    options: dict[str, Any] = {"journal": path, "max_failures": 5, "max_in_flight": 1}
    for _ in range(5):
        await platform.run(texts(40), **options)
    assert states(path) == {"failed": 20, "sent": 20}


async def test_unknown_ones_are_looked_for_again(path: Path) -> None:
    """What one run could not settle the next one may."""
    platform = Platform(fate=always("lost"))
    platform.unreadable = 1000
    await platform.run(texts(3), journal=path)
    assert states(path) == {"unknown": 3}
    platform.unreadable = 0
    outcomes = await platform.run(texts(3), journal=path)
    assert statuses(outcomes) == {"sent": 3}
    assert len(platform.calls) == 3


async def test_what_is_learnt_outlives_the_run(path: Path) -> None:
    """The sender and the clocks' skew are in the journal for the next run."""
    platform = Platform(skew_s=1234.0)
    await platform.run(texts(3), journal=path)
    with sqlite3.connect(path) as db:
        sender_id, skew_ms = db.execute("SELECT sender_id, skew_ms FROM job").fetchone()
    db.close()
    assert sender_id == "admin"
    assert 1_234_000 - 1000 <= skew_ms <= 1_234_000


async def test_journal_options_need_a_journal() -> None:
    """Resuming and planning without a file are refused at the call."""
    platform = Platform()
    with pytest.raises(ConfigError):
        platform.job(None)
    with pytest.raises(ConfigError):
        platform.job(texts(1), plan_first=True)
