"""The rules of the semaphore, under thousands of random schedules; and the rules' own test."""

import gc

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ncloudchat_async.wire.semaphore import RateSemaphore
from tests.unit.wire.planted_bugs import BUGS
from tests.unit.wire.semaphore_machine import SemaphoreMachine

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def run(machine: type[SemaphoreMachine], examples: int, *, derandomize: bool = True) -> None:
    """Put a machine through random schedules."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            database=None,
            derandomize=derandomize,
            phases=[Phase.generate],
            suppress_health_check=QUIET,
        ),
    )


def run_often(machine: type[SemaphoreMachine]) -> None:
    """Put a machine through other schedules each time: rare bugs take some."""
    for _ in range(10):
        run(machine, 300, derandomize=False)


def test_every_rule_holds() -> None:
    """No random schedule of callers, cancellations, limits and time breaks a rule."""

    class Machine(SemaphoreMachine):
        cancellations = 0

    run(Machine, 200)
    assert Machine.cancellations > 500


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("bug", BUGS)
def test_planted_bug_is_found(bug: type[RateSemaphore]) -> None:
    """The rules are strict enough to find each of a dozen likely mistakes."""

    class Machine(SemaphoreMachine):
        kind = bug

    with pytest.raises((AssertionError, RuntimeError, ExceptionGroup)):
        run_often(Machine)
    # Callers that a broken semaphore left waiting may complain as they go: here, not later
    # in a test that does not expect it.
    gc.collect()


@pytest.mark.soak
def test_every_rule_holds_for_a_hundred_thousand_cancellations() -> None:
    """The rules hold for a long time, on other schedules each time."""

    class Machine(SemaphoreMachine):
        cancellations = 0

    while Machine.cancellations < 100_000:
        run(Machine, 500, derandomize=False)
