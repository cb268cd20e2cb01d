"""Recognising a message in its channel: what is found, what is absent, what stays in doubt."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async.bulk.reconcile import (
    ABSENT,
    DOUBT,
    MAX_READ,
    Finding,
    Sighting,
    Wanted,
    find_sent,
    fits,
    match,
    plain,
    read_back,
    wanted_since,
)
from ncloudchat_async.errors import ConfigError, PagingError
from tests.unit.bulk_fakes import Person, Platform, Row

ADMIN = Person("admin")


def row(
    number: int,
    content: str,
    when_ms: int | None,
    *,
    sender: str | None = "admin",
    admin: str | None = "admin",
) -> Row:
    """A message as a list shows it."""
    sort_id = "" if when_ms is None else str(when_ms)
    return Row(f"m{number}", "c", content, Person(sender), sort_id, Person(admin), 0.0)


@pytest.mark.parametrize(
    ("stored", "text"),
    [("cafe\u0301 ", "café"), ("  hi\n", "hi"), ("\u1112\u1161\u11ab", "한")],
)
def test_texts_are_compared_composed_and_trimmed(stored: str, text: str) -> None:
    """A platform that composes or trims texts does not hide a message."""
    assert match([Wanted(0, text, 5)], [row(1, stored, 6)], sender_id="admin") == {
        0: Finding("found", "m1")
    }


@pytest.mark.parametrize(
    ("stored", "text", "same"),
    [("you ***!", "you ass!", True), ("you ***!", "you asses!", False), ("a*", "ba", False)],
)
def test_a_masked_character_may_have_been_any(stored: str, text: str, same: bool) -> None:
    """`*` in a stored text stands for one character; all others must agree."""
    assert fits(stored, text) is same


@pytest.mark.parametrize(
    ("seen", "finding"),
    [
        ([], ABSENT),
        ([row(1, "hi", 10)], Finding("found", "m1")),
        ([row(1, "ho", 10)], ABSENT),
        ([row(1, "hi", 4)], ABSENT),
        ([row(1, "hi", 10, sender="kim", admin="")], ABSENT),
        ([row(1, "hi", 10), row(2, "hi", 11)], DOUBT),
        ([row(1, "hi", None)], DOUBT),
        ([row(1, "hi", 10, sender=None)], DOUBT),
        ([row(1, "hi", 10), row(2, "hi", 4)], Finding("found", "m1")),
    ],
    ids=["none", "one", "text", "older", "sender", "two", "timeless", "nameless", "one older"],
)
def test_one_message(seen: list[Row], finding: Finding) -> None:
    """One message with the text, the writer and a time not before the intent is it."""
    assert match([Wanted(0, "hi", 5)], seen, sender_id="admin") == {0: finding}


@pytest.mark.parametrize(
    ("sender", "admin", "finding"),
    [
        ("admin", "admin", Finding("found", "m1")),
        ("kim", "", ABSENT),
        ("kim", "admin", ABSENT),
        ("kim", None, DOUBT),
    ],
)
def test_before_the_sender_is_learnt_the_admin_tells(
    sender: str, admin: str | None, finding: Finding
) -> None:
    """REST names one person as sender and admin; without an admin nobody can tell."""
    seen = [row(1, "hi", 10, sender=sender, admin=admin)]
    assert match([Wanted(0, "hi", 5)], seen, sender_id=None) == {0: finding}


def test_taken_messages_are_passed_over() -> None:
    """A message that another delivery has is nobody else's."""
    seen = [row(1, "hi", 10), row(2, "hi", 11)]
    findings = match([Wanted(0, "hi", 5)], seen, sender_id="admin", taken={"m1"})
    assert findings == {0: Finding("found", "m2")}


def test_a_copy_older_than_one_belongs_to_the_other() -> None:
    """Of two equal messages the later intent cannot have left the older copy."""
    wanted = [Wanted(0, "hi", 100), Wanted(1, "hi", 5)]
    findings = match(wanted, [row(1, "hi", 10)], sender_id="admin")
    assert findings == {0: ABSENT, 1: Finding("found", "m1")}


def test_a_surplus_puts_all_equal_ones_in_doubt() -> None:
    """One copy too many, and none of them proves anything; other texts are not touched."""
    wanted = [Wanted(0, "hi", 5), Wanted(1, "hi", 5), Wanted(2, "ho", 5)]
    seen = [row(number, "hi", 10) for number in range(3)]
    findings = match(wanted, [*seen, row(9, "ho", 9)], sender_id="admin")
    assert findings == {0: DOUBT, 1: DOUBT, 2: Finding("found", "m9")}


def test_a_masked_text_that_fits_two_is_a_doubt() -> None:
    """A mask that hides the difference between two texts decides for neither."""
    wanted = [Wanted(0, "hi x", 5), Wanted(1, "hi y", 5)]
    assert match(wanted, [row(1, "hi *", 9)], sender_id="admin") == {0: DOUBT, 1: DOUBT}


@pytest.mark.parametrize(
    ("seen", "finding"),
    [
        ([row(7, "hi", 20)], Finding("found", "m7")),
        ([], ABSENT),
        ([row(7, "hi", 20), row(1, "hi", 10)], DOUBT),
        ([row(1, "hi", 10)], DOUBT),
    ],
    ids=["shown once", "not shown", "the first one too", "the first one only"],
)
def test_a_message_sent_again_must_show_exactly_once(seen: list[Row], finding: Finding) -> None:
    """A confirmed repetition is settled when the channel shows it and nothing beside it."""
    assert match([Wanted(0, "hi", 5, "m7")], seen, sender_id="admin") == {0: finding}


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.booleans()), max_size=12),
    st.randoms(use_true_random=False),
)
def test_what_arrived_is_counted_exactly(
    sends: list[tuple[str, int, bool]], draw: random.Random
) -> None:
    """Whoever sent how many equal texts when: as many are found as arrived, each once."""
    wanted = [Wanted(key, text, since) for key, (text, since, _) in enumerate(sends)]
    seen = [
        row(key, text, since + draw.randint(0, 5))
        for key, (text, since, arrived) in enumerate(sends)
        if arrived
    ]
    findings = match(wanted, seen, sender_id="admin")
    found = [finding for finding in findings.values() if finding.verdict == "found"]
    assert len({finding.message_id for finding in found}) == len(found)
    for text in "ab":
        verdicts = Counter(
            findings[key].verdict for key, (own, _, _) in enumerate(sends) if own == text
        )
        arrived = sum(came for own, _, came in sends if own == text)
        assert verdicts["found"] == arrived
        assert not verdicts["doubt"]


@given(st.text(max_size=30))
def test_every_text_fits_itself_and_its_mask(text: str) -> None:
    """Masking never hides a message from its sender."""
    own = plain(text)
    assert fits(own, own)
    assert fits("*" * len(own), own)


@pytest.mark.parametrize("sort_id", ["9" * 5_000, "9" * 19, "\u0661", "\u00b2", "-1", "1.5", " 1"])
async def test_a_time_that_is_none_leaves_a_doubt(sort_id: str) -> None:
    """A message whose `sort_id` is no time of day is no proof, and breaks no look."""
    odd = row(1, "hi", None)._replace(sort_id=sort_id)

    async def newest(_channel: str) -> AsyncIterator[Row]:
        yield odd

    wanted = [Wanted(0, "hi", 5)]
    assert await read_back(newest, "c", wanted) == [odd]
    assert match(wanted, [odd], sender_id="admin") == {0: DOUBT}


def test_the_earliest_time_follows_the_measured_clock() -> None:
    """A measured skew leaves two seconds in doubt, an unmeasured one five minutes."""
    wanted = wanted_since(1_000_000, 5_000, 0, "hi")
    assert (wanted.floor_ms, wanted.since_ms) == (1_002_990, 1_004_990)
    wanted = wanted_since(1_000_000, None, 0, "hi")
    assert (wanted.floor_ms, wanted.since_ms) == (699_990, 999_990)


@pytest.mark.parametrize(
    ("times", "finding"),
    [
        ([699_000], ABSENT),
        ([701_000], DOUBT),
        ([999_000], DOUBT),
        ([999_990], Finding("found", "m0")),
        ([701_000, 1_000_000], Finding("found", "m1")),
    ],
    ids=["too old", "a slow clock", "just before", "since", "beside an older one"],
)
def test_an_older_copy_is_not_taken_for_ours(times: list[int], finding: Finding) -> None:
    """Until a clock was measured, what is a little older may be ours, and proves nothing."""
    seen = [row(number, "hi", when) for number, when in enumerate(times)]
    wanted = wanted_since(1_000_000, None, 0, "hi")
    assert match([wanted], seen, sender_id="admin") == {0: finding}


async def test_reading_back_stops_at_the_oldest_intent() -> None:
    """No more of a long channel is read than can matter."""
    read = 0

    async def newest(_channel: str) -> AsyncIterator[Row]:
        nonlocal read
        for number in range(100, 0, -1):
            read += 1
            yield row(number, "hi", number * 1000)

    kept = await read_back(newest, "c", [Wanted(0, "hi", 90_000)])
    assert [one.id for one in kept] == [f"m{number}" for number in range(100, 88, -1)]
    assert read == 13


async def test_reading_back_has_an_end() -> None:
    """A channel in which too much was said meanwhile is given up with an error."""

    async def newest(_channel: str) -> AsyncIterator[Row]:
        while True:
            yield row(1, "other", 10)

    with pytest.raises(PagingError, match=str(MAX_READ)):
        await read_back(newest, "c", [Wanted(0, "hi", 5)])


def since(platform: Platform) -> datetime:
    """The present of a platform's time."""
    return datetime.fromtimestamp(platform.time.now(), UTC)


async def settled(platform: Platform, since: datetime) -> Sighting[Row]:
    """Settle what became of "hi" in that platform's time."""
    async with platform.time.running():
        return await find_sent(
            platform.newest,
            "c",
            "hi",
            since=since,
            now=platform.time.now,
            sleep=platform.time.sleep,
        )


@pytest.mark.parametrize("late_s", [0.0, 30.0, 80.0])
async def test_find_sent_finds_at_once_or_when_it_shows(late_s: float) -> None:
    """A single lost message is found as soon as a look shows it."""
    platform = Platform()
    begun = since(platform)
    platform.store("c", "hi", late_s=late_s)
    platform.rows[0] = platform.rows[0]._replace(seen_from=platform.time.now() + late_s)
    sighting = await settled(platform, begun)
    assert sighting.status == "sent"
    assert sighting.message == platform.rows[0]
    assert platform.time.now() - begun.timestamp() == (90.0 if late_s else 0.0)


@pytest.mark.parametrize("ago_s", [0.0, 1000.0])
async def test_find_sent_believes_absence_after_two_looks(ago_s: float) -> None:
    """`not_sent` needs the settle time and two looks, apart from each other."""
    platform = Platform()
    begun = platform.time.now()
    sighting = await settled(platform, since(platform) - timedelta(seconds=ago_s))
    assert (sighting.status, sighting.message) == ("not_sent", None)
    assert platform.time.now() - begun == pytest.approx(30.0 if ago_s else 120.0)
    assert platform.lists["c"] == (2 if ago_s else 3)


async def test_find_sent_names_a_doubt() -> None:
    """Two such messages prove nothing."""
    platform = Platform()
    begun = since(platform)
    platform.store("c", "hi")
    platform.store("c", "hi")
    sighting = await settled(platform, begun)
    assert sighting.status == "unknown"


async def test_find_sent_does_not_take_an_older_message() -> None:
    """An equal text from before leaves a doubt, unless the message itself shows as well."""
    platform = Platform()
    platform.store("c", "hi")
    platform.time.seconds += 5.0
    begun = since(platform)
    assert (await settled(platform, begun)).status == "unknown"
    platform.time.seconds = begun.timestamp()
    ours = platform.store("c", "hi")
    platform.rows[1] = ours._replace(seen_from=platform.time.now() + 30.0)
    sighting = await settled(platform, begun)
    assert (sighting.status, sighting.message) == ("sent", platform.rows[1])


async def test_find_sent_needs_a_time_that_has_come() -> None:
    """A moment far ahead is a wrong time zone: waiting for it would take as long."""
    platform = Platform()
    present = since(platform)
    with pytest.raises(ConfigError, match="since is 32400 s ahead"):
        await settled(platform, present + timedelta(hours=9))
    assert not platform.lists
    platform.store("c", "hi", late_s=6.0)
    assert (await settled(platform, present + timedelta(seconds=5))).status == "sent"


async def test_find_sent_needs_an_aware_time() -> None:
    """A naive time is refused before anything is read."""
    platform = Platform()
    with pytest.raises(ValueError, match="aware"):
        await find_sent(platform.newest, "c", "hi", since=datetime(2025, 1, 1))  # noqa: DTZ001 - the point
    assert not platform.lists
