"""Deliveries without a journal: statuses, repeats, order, limits."""

import asyncio
import contextlib
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest

from ncloudchat_async.bulk import Delivery, send_many
from ncloudchat_async.bulk.lanes import Lanes
from ncloudchat_async.bulk.source import END, End
from ncloudchat_async.errors import ConfigError, DecodeError, OutcomeUnknownError
from tests.unit.bulk_fakes import Platform, Row, always, drawn, turns


def deliveries(count: int, channels: int = 10) -> Iterator[Delivery]:
    """Make deliveries whose refs are their positions."""
    for number in range(count):
        yield Delivery(f"c{number % channels}", f"text {number}", ref=str(number))


async def test_a_confirmed_message_is_sent() -> None:
    """An answer makes a delivery `sent`, with the message's id and the caller's ref."""
    platform = Platform()
    async with send_many(platform.send, platform.newest, deliveries(50)) as job:
        outcomes = [outcome async for outcome in job]
    assert {outcome.ref for outcome in outcomes} == {str(number) for number in range(50)}
    assert {outcome.message_id for outcome in outcomes} == {row.id for row in platform.rows}
    assert (job.report.sent, job.report.attempts) == (50, 50)


async def test_a_refused_message_is_failed_and_stops_nothing() -> None:
    """A refusal is the outcome of its delivery only."""
    platform = Platform(fate=lambda _, text: "refused" if text == "text 3" else "ok")
    async with send_many(platform.send, platform.newest, deliveries(10)) as job:
        outcomes = {outcome.ref: outcome async for outcome in job}
    assert outcomes["3"].status == "failed"
    assert outcomes["3"].error is not None
    assert Counter(outcome.status for outcome in outcomes.values()) == {"sent": 9, "failed": 1}


async def test_at_most_once_never_repeats_a_doubt() -> None:
    """Without a journal a lost answer is named unknown and the message is sent once."""
    platform = Platform(fate=drawn(1, ok=7, lost=2, dropped=1))
    async with send_many(platform.send, platform.newest, deliveries(200)) as job:
        outcomes = [outcome async for outcome in job]
    assert len(platform.calls) == 200
    doubts = {outcome.ref for outcome in outcomes if outcome.status == "unknown"}
    answered = {row.content.removeprefix("text ") for row in platform.rows} - doubts
    assert answered == {outcome.ref for outcome in outcomes if outcome.status == "sent"}
    assert job.report.unknown == len(doubts) > 0


async def test_at_least_once_repeats_until_an_answer() -> None:
    """Every message arrives, some more than once, and the attempts say so."""
    platform = Platform(fate=drawn(2, ok=6, lost=2, dropped=2))
    async with (
        platform.time.running(),
        send_many(
            platform.send,
            platform.newest,
            deliveries(100),
            mode="at_least_once",
            sleep=platform.time.sleep,
        ) as job,
    ):
        outcomes = [outcome async for outcome in job]
    assert job.report.sent == 100
    assert set(platform.copies()) == {(f"c{n % 10}", f"text {n}") for n in range(100)}
    assert max(platform.copies().values()) > 1
    assert sum(outcome.attempts for outcome in outcomes) == len(platform.calls)


@pytest.mark.parametrize(("fate", "arrived"), [("dropped", 0), ("lost", 10)])
async def test_at_least_once_gives_up_and_says_unknown(fate: str, arrived: int) -> None:
    """A message that is never answered is sent ten times, may arrive as often, and is unknown."""
    platform = Platform(fate=always(fate))
    async with (
        platform.time.running(),
        send_many(
            platform.send,
            platform.newest,
            deliveries(1),
            mode="at_least_once",
            sleep=platform.time.sleep,
        ) as job,
    ):
        (outcome,) = [outcome async for outcome in job]
    assert (outcome.status, outcome.attempts, len(platform.calls)) == ("unknown", 10, 10)
    assert len(platform.rows) == arrived


async def test_at_least_once_refused_after_a_doubt_is_unknown() -> None:
    """A refusal speaks of the last send; an earlier one may have arrived all the same."""
    fates = iter(["lost", "refused"])
    platform = Platform(fate=lambda _channel, _content: next(fates))
    (outcome,) = await platform.run(deliveries(1), mode="at_least_once")
    assert (outcome.status, outcome.attempts, len(platform.rows)) == ("unknown", 2, 1)
    assert isinstance(outcome.error, OutcomeUnknownError)


async def test_an_answer_that_cannot_be_read_still_means_sent() -> None:
    """An error that says the call was applied makes the delivery sent, without an id."""

    async def send(_channel: str, _content: str) -> Row:
        raise DecodeError("no id", applied="yes")

    async with send_many(send, Platform().newest, deliveries(1)) as job:
        (outcome,) = [outcome async for outcome in job]
    assert (outcome.status, outcome.message_id) == ("sent", None)
    assert isinstance(outcome.error, DecodeError)


@pytest.mark.parametrize("channels", [1, 3, 50])
async def test_ordered_keeps_the_order_within_a_channel(channels: int) -> None:
    """With `ordered` a channel gets its messages one by one, in the order of the input."""
    platform = Platform()
    under_way: Counter[str] = Counter()
    peak = 0

    async def send(channel_id: str, content: str) -> Row:
        nonlocal peak
        under_way[channel_id] += 1
        assert under_way[channel_id] == 1
        peak = max(peak, under_way.total())
        row = await platform.send(channel_id, content)
        under_way[channel_id] -= 1
        return row

    job = send_many(send, platform.newest, deliveries(600, channels), ordered=True, max_in_flight=8)
    async with job:
        assert len([outcome async for outcome in job]) == 600
    order = defaultdict(list)
    for row in platform.rows:
        order[row.channel_id].append(int(row.content.removeprefix("text ")))
    assert all(numbers == sorted(numbers) for numbers in order.values())
    assert peak == min(8, channels)


async def test_ordered_reads_a_bounded_way_ahead() -> None:
    """A channel that holds everything up does not make the job read its whole input."""
    pulled = 0

    def endless() -> Iterator[Delivery]:
        nonlocal pulled
        while True:
            pulled += 1
            yield Delivery("busy", "text")

    platform = Platform()
    async with send_many(
        platform.send, platform.newest, endless(), ordered=True, max_in_flight=4
    ) as job:
        for _ in range(20):
            await anext(job)
        job.stop()
        rest = [outcome.status async for outcome in job]
    assert pulled <= 20 + 18 * 4
    assert set(rest) == {"sent", "skipped"}
    assert len(rest) + 20 == pulled
    assert job.report.skipped == rest.count("skipped")


async def test_channels_under_way_are_bounded() -> None:
    """An input of a channel each is read as far as there is room for channels, and no further."""
    numbers = itertools.count()

    async def take() -> str:
        return f"c{next(numbers)}"

    lanes: Lanes[str] = Lanes(take, str, room=3)
    assert [await lanes.take() for _ in range(3)] == ["c0", "c1", "c2"]
    fourth = asyncio.ensure_future(lanes.take())
    await turns()
    assert not fourth.done()
    lanes.leave("c1")
    assert await fourth == "c3"


async def test_draining_gives_what_no_worker_has_taken() -> None:
    """An item whose channel came free is given back too when the job is stopped before it went."""
    items = iter(["c-1", "c-2", "c-3"])

    async def take() -> str | End:
        return next(items, END)

    lanes: Lanes[str] = Lanes(take, lambda item: item[0], room=9)
    assert await lanes.take() == "c-1"
    waiting = asyncio.ensure_future(lanes.take())
    await turns()
    lanes.leave("c")
    assert list(lanes.drain()) == ["c-2", "c-3"]
    assert await waiting is END


@pytest.mark.parametrize("fate", ["refused", "lost"])
async def test_max_failures_stops_the_job(fate: str) -> None:
    """After so many outcomes that are not sent nothing more begins; what was begun ends."""
    platform = Platform(fate=always(fate))
    async with send_many(
        platform.send, platform.newest, deliveries(1000), max_failures=5, max_in_flight=3
    ) as job:
        outcomes = [outcome async for outcome in job]
    assert 5 <= len(outcomes) == len(platform.calls) <= 5 + 3


async def test_fail_fast_stops_at_the_first_failure() -> None:
    """`fail_fast` is a limit of one."""
    platform = Platform(fate=always("refused"))
    async with send_many(
        platform.send, platform.newest, deliveries(1000), fail_fast=True, max_in_flight=1
    ) as job:
        assert [outcome.status async for outcome in job] == ["failed"]


@pytest.mark.parametrize("ordered", [False, True])
async def test_what_comes_after_stop_is_skipped(ordered: bool) -> None:
    """An input that gives a delivery when it is told to end has it named, and not sent."""
    platform = Platform()
    begun, go = asyncio.Event(), asyncio.Event()

    async def stubborn() -> AsyncIterator[Delivery]:
        yield Delivery("c", "first")
        with contextlib.suppress(asyncio.CancelledError):
            await anyio.sleep_forever()
        yield Delivery("c", "second")

    async def send(channel_id: str, content: str) -> Row:
        begun.set()
        await go.wait()
        return await platform.send(channel_id, content)

    async with send_many(send, platform.newest, stubborn(), ordered=ordered) as job:
        await begun.wait()
        await turns()
        job.stop()
        go.set()
        with anyio.fail_after(5):
            statuses = [outcome.status async for outcome in job]
    assert sorted(statuses) == ["sent", "skipped"]
    assert job.report.skipped == 1


async def test_report_has_totals_and_rate() -> None:
    """The report counts every outcome once and measures to the end of the job."""
    platform = Platform(fate=drawn(3, ok=8, lost=1, refused=1))
    platform.latency_s = 0.5
    async with (
        platform.time.running(),
        send_many(
            platform.send,
            platform.newest,
            deliveries(100),
            max_in_flight=10,
            clock=platform.time.now,
        ) as job,
    ):
        statuses = Counter([outcome.status async for outcome in job])
    report = job.report
    assert (report.sent, report.failed, report.unknown, report.skipped) == tuple(
        statuses[status] for status in ("sent", "failed", "unknown", "skipped")
    )
    assert report.attempts == 100
    assert report.seconds == pytest.approx(5.0)
    assert report.rate == pytest.approx(report.sent / 5.0)


async def test_a_job_left_early_names_its_doubts() -> None:
    """What was on its way when the block was left counts as unknown, not as nothing."""
    platform = Platform()

    async def send(channel_id: str, content: str) -> Row:
        if content != "text 0":
            platform.calls.append((channel_id, content))
            await anyio.sleep_forever()
        return await platform.send(channel_id, content)

    async with send_many(send, platform.newest, deliveries(100), max_in_flight=8) as job:
        await anext(job)
        await turns()
    report = job.report
    assert (report.sent, report.failed, report.unknown) == (1, 0, 8)
    assert report.attempts == len(platform.calls) == 9


async def test_a_job_left_between_two_sends_names_its_doubts() -> None:
    """A delivery that waits to be sent again is in doubt when the block is left."""
    platform = Platform(fate=always("lost"))
    job = send_many(platform.send, platform.newest, deliveries(5), mode="at_least_once")
    async with job:
        while len(platform.calls) < 5:
            await turns()
        await turns()
    assert (job.report.unknown, job.report.attempts) == (5, 5)


async def test_what_was_refused_before_it_left_was_not_sent() -> None:
    """Attempts count messages that left, so one that could not be sent has none."""

    async def send(channel_id: str, content: str) -> Row:
        raise ConfigError("an id like this reaches no channel")

    platform = Platform()
    async with send_many(send, platform.newest, deliveries(3)) as job:
        outcomes = [outcome async for outcome in job]
    assert {(outcome.status, outcome.attempts) for outcome in outcomes} == {("failed", 0)}
    assert (job.report.failed, job.report.attempts) == (3, 0)


def test_limits_that_make_no_sense_are_refused() -> None:
    """A limit below one is refused at the call."""
    platform = Platform()
    with pytest.raises(ConfigError):
        send_many(platform.send, platform.newest, [], max_in_flight=0)
    with pytest.raises(ConfigError):
        send_many(platform.send, platform.newest, [], max_failures=0)


async def test_unknown_carries_the_reason() -> None:
    """The error that left the doubt is in the outcome."""
    platform = Platform(fate=always("lost"))
    async with send_many(platform.send, platform.newest, deliveries(1)) as job:
        (outcome,) = [outcome async for outcome in job]
    assert isinstance(outcome.error, OutcomeUnknownError)
