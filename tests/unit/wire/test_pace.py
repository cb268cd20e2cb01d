"""The law that learns the pace, fed with answers by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async.wire.pace import CANARY_S, LEAST_RATE, START_RATE, Pace


def answers(pace: Pace, since: float, until: float) -> float:
    """Use the pace to the full, every answer taking 10 ms, until a moment."""
    now = since
    while now < until:
        pace.succeeded(now - 0.01, now)
        now += 1 / pace.rate
    return now


def test_unknown_rate_doubles_from_a_slow_start() -> None:
    """Without a told rate the pace starts at 20 a second and doubles about three times a second."""
    pace = Pace()
    assert pace.rate == START_RATE
    answers(pace, 5.0, 6.5)
    assert 150 < pace.rate < 650


def test_told_rate_is_a_ceiling() -> None:
    """A told rate is used from the start, at 99 %, and never exceeded."""
    pace = Pace(100)
    answers(pace, 5.0, 65.0)
    assert pace.rate == pytest.approx(99)


def test_idle_client_learns_nothing() -> None:
    """A pace that is not used does not rise."""
    pace = Pace()
    for second in range(5, 60):
        pace.succeeded(second - 0.01, float(second))
    assert pace.rate == START_RATE


def test_one_congestion_is_one_cut() -> None:
    """Of all the requests in flight at a congestion only the first 429 slows down."""
    pace = Pace(100)
    now = answers(pace, 5.0, 15.0)
    pace.throttled(now - 0.02, now)
    cut = pace.rate
    for step in range(1, 20):
        pace.throttled(now - 0.02 + step / 1000, now + step / 1000)
    assert 90 < cut < 99
    assert pace.rate == cut
    assert pace.paused_until == now + CANARY_S


@pytest.mark.parametrize("late_s", [0.01, 0.08, 0.1, 0.15, 0.5])
def test_a_second_canary_is_of_the_same_congestion(late_s: float) -> None:
    """Refused after the first one opened the gate, a canary cuts the pace no further."""
    pace = Pace(1000)
    now = answers(pace, 5.0, 15.0)
    pace.throttled(now - 0.3, now)
    cut = pace.rate
    first = now + 0.3
    second = first + 0.3
    pace.succeeded(first, second + late_s)
    pace.throttled(second, second + late_s + 0.1)
    assert pace.rate == cut
    assert pace.interval == 1 / cut
    pace.throttled(second + late_s, second + late_s + 0.2)
    assert pace.rate < cut


def test_canary_opens_the_gate() -> None:
    """After a 429 single requests are sent, and the first accepted one ends that."""
    pace = Pace(100)
    now = answers(pace, 5.0, 15.0)
    pace.throttled(now - 0.02, now)
    assert pace.interval == CANARY_S
    pace.succeeded(now - 0.01, now + 0.01)  # sent before the 429 came
    assert pace.interval == CANARY_S
    pace.succeeded(now + 0.1, now + 0.12)
    assert pace.interval == 1 / pace.rate


@pytest.mark.parametrize(
    ("retry_after_s", "waits"), [(None, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]), (3.0, [0.1, 3.0, 3.0])]
)
def test_refused_canary_waits_longer(retry_after_s: float | None, waits: list[float]) -> None:
    """Each refused canary doubles the wait to 1 s, or waits as long as it is told."""
    pace = Pace(100)
    now = 15.0
    for wait_s in waits:
        pace.throttled(now - 0.001, now, retry_after_s)
        assert pace.paused_until - now == pytest.approx(wait_s)
        now = pace.paused_until + 0.01


def test_pace_climbs_back_to_its_ceiling() -> None:
    """After a lone 429 a told rate is reached again within a minute."""
    pace = Pace(100)
    now = answers(pace, 5.0, 15.0)
    pace.throttled(now - 0.02, now)
    pace.succeeded(now + 0.1, now + 0.12)
    answers(pace, now + 0.2, now + 60)
    assert pace.rate == pytest.approx(99)


@pytest.mark.parametrize("rate", [None, 100.0])
def test_fixed_pace_only_pauses(rate: float | None) -> None:
    """Without adaptation a 429 changes no pace, and its Retry-After still pauses."""
    pace = Pace(rate, adaptive=False)
    before = pace.interval
    pace.throttled(5.0, 5.1)
    assert pace.paused_until == 0.0
    pace.throttled(5.0, 5.1, 2.0)
    assert (pace.interval, pace.paused_until) == (before, 7.1)
    pace.throttled(5.0, 5.2, 1.0)  # another call's, which ends earlier
    assert pace.paused_until == 7.1


def test_the_least_rate_is_no_more_than_was_told() -> None:
    """A told rate below the least that is tried stays a ceiling after a 429."""
    pace = Pace(LEAST_RATE / 2)
    pace.throttled(10.0, 10.1)
    assert pace.rate <= LEAST_RATE / 2


@given(
    st.one_of(st.none(), st.floats(0.05, 5000)),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1), st.booleans()), max_size=200),
)
def test_pace_stays_in_bounds(rate: float | None, events: list[tuple[float, float, bool]]) -> None:
    """Whatever is answered, the pace stays positive and below what was told."""
    pace = Pace(rate)
    now = 10.0
    for wait_s, latency_s, refused in events:
        now += wait_s
        (pace.throttled if refused else pace.succeeded)(now - latency_s, now)
        assert pace.rate >= min(LEAST_RATE, rate or 1) * 0.98
        assert rate is None or pace.rate <= rate
        assert 0 < pace.interval <= max(1 / pace.rate, 1.0)
