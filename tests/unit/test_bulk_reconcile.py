"""Jobs that lose answers: what they settle, what they send again, what they name unknown."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from ncloudchat_async.bulk import Delivery
from ncloudchat_async.bulk.settle import Gate, Knowledge
from ncloudchat_async.errors import NoReplyError, OutcomeUnknownError
from tests.unit.bulk_fakes import (
    Fate,
    Person,
    Platform,
    Row,
    always,
    drawn,
    judge,
    texts,
    turns,
)


def one_by_one(*fates: str) -> Fate:
    """Make the sends end so, one after another, and all further ones like the last."""
    left = list(fates)
    return lambda _channel, _content: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("different", [1, 7, 200])
async def test_lost_answers_late_writes_and_list_lag_are_settled(
    tmp_path: Path, seed: int, different: int
) -> None:
    """Within the settle time nothing is lost, nothing is sent twice, little stays unknown."""
    platform = Platform(
        fate=drawn(seed, ok=6, lost=2, dropped=1, late=1, refused=0.3), lag_s=15, late_s=60
    )
    deliveries = list(texts(200, different=different))
    outcomes = await platform.run(deliveries, journal=tmp_path / "job")
    judge(platform, deliveries, outcomes)
    assert Counter(outcome.status for outcome in outcomes)["unknown"] <= 4
    assert len(platform.calls) < 260


async def test_without_settle_time_list_lag_makes_duplicates() -> None:
    """Control: looking at once takes rows that do not show yet for lost."""
    platform = Platform(fate=drawn(1, ok=6, lost=4), lag_s=15)
    deliveries = list(texts(100))
    await platform.run(deliveries, mode="reconcile", settle_s=0)
    assert max(platform.copies().values()) > 1


async def test_list_lag_beyond_the_settle_time_is_named() -> None:
    """Rows that show too late are sent again, and every such message is called unknown."""
    platform = Platform(fate=drawn(2, ok=6, lost=4), lag_s=500)
    deliveries = list(texts(100))
    outcomes = await platform.run(deliveries, mode="reconcile")
    judge(platform, deliveries, outcomes)
    doubted = {(o.channel_id, f"text {o.ref}") for o in outcomes if o.status == "unknown"}
    twice = {key for key, copies in platform.copies().items() if copies > 1}
    assert twice
    assert twice <= doubted


async def test_a_second_wrone_by_one_the_same_text_is_named() -> None:
    """A copy too many proves nothing, so the messages in doubt stay unknown."""
    platform = Platform(fate=drawn(3, ok=6, lost=4))
    deliveries = list(texts(100))
    async with platform.time.running(), platform.job(deliveries, mode="reconcile") as job:
        outcomes = [await anext(job) for _ in range(40)]
        for item in deliveries:
            platform.store(item.channel_id, item.content)
        outcomes += [outcome async for outcome in job]
    assert Counter(outcome.status for outcome in outcomes)["unknown"] == 100 - sum(
        outcome.status == "sent" for outcome in outcomes
    )
    answered = {outcome.message_id for outcome in outcomes if outcome.status == "sent"}
    assert len(answered) == len(outcomes) - job.report.unknown
    assert job.report.unknown > 20


async def test_rows_deleted_meanwhile_never_make_two(tmp_path: Path) -> None:
    """A message that was deleted is sent again and kept once."""
    platform = Platform(fate=drawn(4, ok=5, lost=5))
    deliveries = list(texts(60))
    job = platform.job(deliveries, journal=tmp_path / "job")
    async with platform.time.running(), job:
        outcomes = [await anext(job) for _ in range(10)]
        lost = [row for row in platform.rows if row.id not in {o.message_id for o in outcomes}]
        for row in lost[:5]:
            platform.rows.remove(row)
        outcomes += [outcome async for outcome in job]
    assert set(platform.copies().values()) == {1}
    sent = {(o.channel_id, o.ref) for o in outcomes if o.status == "sent"}
    assert len(sent) + job.report.unknown == 60


async def test_masked_texts_are_found() -> None:
    """The platform's profanity filter does not make a message look lost."""
    platform = Platform(fate=always("lost"), mask=lambda text: text.replace("ex", "**"))
    outcomes = await platform.run(texts(20), mode="reconcile")
    assert [outcome.status for outcome in outcomes] == ["sent"] * 20
    assert len(platform.calls) == 20


async def test_a_message_stored_twice_by_the_platform_is_named() -> None:
    """Two copies of one lost message are a doubt, not a success."""
    platform = Platform(fate=always("twice"))
    (outcome,) = await platform.run(texts(1), mode="reconcile")
    assert outcome.status == "unknown"
    assert isinstance(outcome.error, OutcomeUnknownError)


async def test_one_look_serves_a_whole_channel() -> None:
    """All doubts of a channel that are due are settled by one read."""
    platform = Platform(fate=always("lost"))
    outcomes = await platform.run(texts(100, channels=2), mode="reconcile")
    assert {outcome.status for outcome in outcomes} == {"sent"}
    assert platform.lists == {"c0": 1, "c1": 1}


async def test_a_message_is_sent_three_times_at_most() -> None:
    """What never shows is sent again twice, then stays unknown."""
    platform = Platform(fate=always("dropped"))
    (outcome,) = await platform.run(texts(1), mode="reconcile")
    assert (outcome.status, outcome.attempts, len(platform.calls)) == ("unknown", 3, 3)


async def test_a_repetition_that_is_refused_stays_unknown() -> None:
    """After a doubt a refusal is no proof that nothing arrived."""
    fates = iter(["dropped", "refused", "refused"])
    platform = Platform(fate=lambda _channel, _text: next(fates))
    (outcome,) = await platform.run(texts(1), mode="reconcile")
    assert outcome.status == "unknown"


async def test_a_channel_that_cannot_be_read_is_tried_again() -> None:
    """A failed look decides nothing; the next one does."""
    platform = Platform(fate=always("lost"))
    platform.unreadable = 3
    (outcome,) = await platform.run(texts(1), mode="reconcile")
    assert (outcome.status, len(platform.calls)) == ("sent", 1)


async def test_a_channel_that_can_never_be_read_leaves_a_doubt() -> None:
    """The error of the last look is the reason given."""
    platform = Platform(fate=always("lost"))
    platform.unreadable = 1000
    (outcome,) = await platform.run(texts(1), mode="reconcile")
    assert (outcome.status, len(platform.calls)) == ("unknown", 1)
    assert isinstance(outcome.error, NoReplyError)
    assert platform.lists["c0"] == 12


async def test_the_last_look_ends_in_a_doubt_whatever_it_shows() -> None:
    """A channel that can be read at the last look only is no ground to send again."""
    platform = Platform(fate=always("dropped"))
    platform.unreadable = 11
    (outcome,) = await platform.run(texts(1), mode="reconcile")
    assert (outcome.status, len(platform.calls), platform.lists["c0"]) == ("unknown", 1, 12)


async def test_two_looks_need_not_follow_one_another() -> None:
    """A look that failed between two that found nothing takes nothing back of the first."""

    class Failing(Platform):
        async def newest(self, channel_id: str) -> AsyncIterator[Row]:
            self.unreadable = int(self.lists[channel_id] == 1)
            async for row in super().newest(channel_id):
                yield row

    platform = Failing(fate=one_by_one("dropped", "ok"))
    (outcome,) = await platform.run(texts(1), mode="reconcile")
    assert (outcome.status, platform.lists["c0"]) == ("sent", 4)


async def test_the_server_clock_is_measured() -> None:
    """A server far behind or ahead shows its skew in its answers, and is understood."""
    for skew_s in (-4000.0, 4000.0):
        platform = Platform(fate=drawn(5, ok=5, lost=5), skew_s=skew_s)
        platform.store("c0", "text 0")
        platform.time.seconds += 60
        outcomes = await platform.run(texts(50, different=2), mode="reconcile")
        assert {outcome.status for outcome in outcomes} == {"sent"}
        assert len(platform.calls) == 50


async def test_an_older_equal_text_is_not_taken_for_a_lost_one() -> None:
    """A campaign repeated during an outage is in doubt, not said to be sent."""
    platform = Platform()
    await platform.run(texts(20), mode="reconcile")
    platform.time.seconds += 1.0
    platform.fate = always("dropped")
    outcomes = await platform.run(texts(20), mode="reconcile")
    assert {outcome.status for outcome in outcomes} == {"unknown"}
    assert len(platform.calls) == 40


@pytest.mark.parametrize("step_s", [-60.0, 5.0])
async def test_a_clock_that_is_set_makes_no_duplicates(step_s: float) -> None:
    """The slower of two clocks counts, whichever of them stored a message."""
    platform = Platform(skew_s=max(0.0, -step_s))

    def fate(_channel: str, content: str) -> str:
        number = int(content.removeprefix("text "))
        if number == 100:
            platform.skew_s += step_s
        return "lost" if number % 4 == 3 else "ok"

    platform.fate = fate
    outcomes = await platform.run(texts(200), mode="reconcile", max_in_flight=1)
    assert {outcome.status for outcome in outcomes} == {"sent"}
    assert set(platform.copies().values()) == {1}


def test_the_skew_is_the_least_that_a_quick_answer_showed() -> None:
    """A slow answer tells little, and is forgotten when a quick one has come."""

    def learnt(*answers: tuple[int, int]) -> int | None:
        knowledge = Knowledge(None, None)
        for stored, took in answers:
            row = Row("m", "c", "", Person("admin"), str(stored), Person("admin"), 0.0)
            knowledge.learn(row, 0, took)
        return knowledge.skew_ms

    assert learnt((50_000, 30_000)) == 20_000
    assert learnt((50_000, 30_000), (50_000, 40_000)) == 20_000
    assert learnt((50_000, 30_000), (50_000, 900), (50_000, 40_000)) == 49_100
    assert learnt((50_000, 900), (44_000, 500), (60_000, 100)) == 43_500


@pytest.mark.parametrize("channels", [1, 5])
async def test_order_is_kept_through_doubts(channels: int) -> None:
    """With `ordered` a channel waits until its doubt is settled; then it goes on."""
    platform = Platform(fate=drawn(6, ok=8, lost=1, dropped=1))
    deliveries = list(texts(120, channels=channels))
    outcomes = await platform.run(deliveries, mode="reconcile", ordered=True, max_in_flight=8)
    judge(platform, deliveries, outcomes)
    order = defaultdict(list)
    for row in platform.rows:
        order[row.channel_id].append(int(row.content.removeprefix("text ")))
    assert all(numbers == sorted(numbers) for numbers in order.values())
    assert len(order) == channels


async def test_a_stopped_job_looks_no_more() -> None:
    """A look that waits for a message on its way is not made when the job is stopped by then."""
    napping = anyio.Event()

    class Stopping(Platform):
        async def send(self, channel_id: str, content: str) -> Row:
            if content == "text 1":
                await napping.wait()
                await self.time.sleep(60)  # the look is due meanwhile
                job.stop()
            return await super().send(channel_id, content)

    platform = Stopping(fate=one_by_one("lost", "ok"))

    async def sleep(seconds: float) -> None:
        napping.set()
        await platform.time.sleep(seconds)

    two = texts(2, channels=1)
    job = platform.job(two, mode="reconcile", settle_s=5, sleep=sleep)
    async with platform.time.running(), job:
        assert {outcome.status async for outcome in job} == {"sent", "unknown"}
    assert not platform.lists


async def test_a_job_stopped_during_a_look_sends_nothing_again() -> None:
    """What the look did not find is named, though it was the second one."""

    class Stopping(Platform):
        async def newest(self, channel_id: str) -> AsyncIterator[Row]:
            if self.lists[channel_id]:
                job.stop()
            async for row in super().newest(channel_id):
                yield row

    platform = Stopping(fate=always("dropped"))
    job = platform.job(texts(1), mode="reconcile")
    async with platform.time.running(), job:
        assert [outcome.status async for outcome in job] == ["unknown"]
    assert len(platform.calls) == 1


async def test_stop_names_what_is_in_doubt() -> None:
    """A job that is stopped does not wait for the settle time; it says what it left, and why."""
    platform = Platform(fate=drawn(7, ok=5, lost=5))
    async with platform.time.running(), platform.job(texts(1000), mode="reconcile") as job:
        outcomes = [await anext(job) for _ in range(50)]
        job.stop()
        outcomes += [outcome async for outcome in job]
    assert len(outcomes) == len(platform.calls)
    assert job.report.unknown > 20
    unknown = [outcome for outcome in outcomes if outcome.status == "unknown"]
    assert {str(outcome.error) for outcome in unknown} == {"lost"}


async def test_many_unknown_in_a_row_stop_the_job() -> None:
    """`max_failures` counts doubts when they are final."""
    platform = Platform(fate=always("dropped"))
    outcomes = await platform.run(texts(50), mode="reconcile", max_failures=3)
    assert {outcome.status for outcome in outcomes} == {"unknown"}
    assert len(outcomes) == 50


async def test_equal_sends_on_their_way_are_not_mistaken() -> None:
    """While a channel is looked into nothing is sent there, so no answer is claimed twice."""
    platform = Platform(fate=drawn(8, ok=8, lost=1, dropped=1))
    platform.latency_s = 7.0
    deliveries = [Delivery("c0", "same", str(number)) for number in range(300)]
    outcomes = await platform.run(deliveries, mode="reconcile", max_in_flight=4, settle_s=20)
    judge(platform, deliveries, outcomes)
    ids = [outcome.message_id for outcome in outcomes if outcome.status == "sent"]
    assert len(set(ids)) == len(ids)


async def test_one_look_is_not_enough_to_send_again() -> None:
    """A message that shows between the two looks is found by the second."""
    platform = Platform(fate=always("lost"), lag_s=100)
    (outcome,) = await platform.run(texts(1), mode="reconcile", settle_s=90)
    assert (outcome.status, len(platform.calls), platform.lists["c0"]) == ("sent", 1, 2)


async def test_looks_and_sends_exclude_each_other() -> None:
    """A look waits for sends under way, and sends wait for the look; other channels do not."""
    gate, done = Gate(), list[str]()

    async def look() -> None:
        await gate.hold("c")
        done.append("look")

    async def send(channel_id: str) -> None:
        await gate.enter(channel_id)
        done.append(f"send {channel_id}")
        gate.leave(channel_id)

    await gate.enter("c")
    async with anyio.create_task_group() as group:
        group.start_soon(look)
        await turns()
        group.start_soon(send, "c")
        group.start_soon(send, "d")
        await turns()
        assert done == ["send d"]
        gate.leave("c")
        await turns()
        assert done == ["send d", "look"]
        gate.release("c")
    assert done == ["send d", "look", "send c"]
