"""The figures of learning, on small limits: the same simulator as the benchmark's."""

import statistics

from benchmarks.simulator import changing, hidden, simulate


def test_hidden_limit_is_found() -> None:
    """Every kind of server gives nine tenths of its limit, for at most 2 % of 429."""
    results = [simulate(scenario) for scenario in hidden((20, 50), seed=31)]
    assert min(result.goodput for result in results) >= 0.90
    assert max(result.throttled for result in results) <= 0.02
    assert statistics.fmean(result.goodput for result in results) >= 0.965


def test_changed_limit_is_followed() -> None:
    """A limit that halves and doubles is followed, for at most 2 % of 429."""
    results = [simulate(scenario) for scenario in changing((50,), 31, ("bucket", "fixed"))]
    assert min(result.goodput for result in results) >= 0.85
    assert max(result.throttled for result in results) <= 0.02


def test_limit_of_requests_in_flight_is_found() -> None:
    """A server that counts requests in flight is used to more than half, nearly without 429."""
    results = [simulate(scenario) for scenario in hidden((8,), 31, ("in-flight",))]
    assert min(result.goodput for result in results) >= 0.5
    assert max(result.throttled for result in results) <= 0.005
