"""When attempts are repeated, and how long is slept before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async import errors
from ncloudchat_async.settings import Retry
from ncloudchat_async.wire.retry import RetryBudget, in_doubt, is_transient, sleep_s

YES, NO = True, False


@pytest.mark.parametrize(
    ("error", "repeatable", "not_repeatable", "doubt"),
    [
        (errors.NotSentError(), YES, YES, NO),
        (errors.NoReplyError(), YES, NO, YES),
        (errors.RateLimitedError(http_status=429), YES, YES, NO),
        (errors.QuotaExceededError(http_status=429), NO, NO, NO),
        (errors.ServerError(http_status=500), YES, NO, YES),
        (errors.ServerError(http_status=501), NO, NO, YES),
        (errors.ServerError(http_status=502), YES, NO, YES),
        (errors.ServerError(http_status=503), YES, NO, YES),
        (errors.ServerError(http_status=504), YES, NO, YES),
        (errors.ServerError(http_status=505), NO, NO, YES),
        (errors.ServerError(http_status=200, code=500), YES, NO, YES),
        (errors.BadRequestError(http_status=400), NO, NO, NO),
        (errors.BadRequestError(http_status=408), YES, NO, YES),
        (errors.BadRequestError(http_status=425), YES, NO, YES),
        (errors.BadRequestError(http_status=200, code=-100), NO, NO, NO),
        (errors.AuthenticationError(http_status=401), NO, NO, NO),
        (errors.PermissionDeniedError(http_status=403), NO, NO, NO),
        (errors.ProjectNotFoundError(http_status=200, code=-6), NO, NO, NO),
        (errors.NotFoundError(http_status=404), NO, NO, NO),
        (errors.ConflictError(http_status=409), NO, NO, NO),
        (errors.PayloadTooLargeError(http_status=413), NO, NO, NO),
        (errors.DecodeError(applied="unknown"), NO, NO, YES),
        (errors.BodyTooLargeError(applied="unknown"), NO, NO, YES),
        (errors.UnexpectedRedirectError(applied="no"), NO, NO, NO),
        (errors.UnexpectedRedirectError(applied="unknown"), NO, NO, YES),
        (errors.DeadlineExceededError(), NO, NO, NO),
        (errors.ClientClosedError(), NO, NO, NO),
        (errors.ConfigError(), NO, NO, NO),
    ],
    ids=lambda value: (
        f"{type(value).__name__}-{getattr(value, 'http_status', '')}"
        if isinstance(value, Exception)
        else ""
    ),
)
def test_the_table(
    error: errors.NcloudChatError, repeatable: bool, not_repeatable: bool, doubt: bool
) -> None:
    """Each kind of failure: repeated or not, by what the endpoint bears, and in doubt or not."""
    assert is_transient(error, repeatable=True) is repeatable
    assert is_transient(error, repeatable=False) is not_repeatable
    assert in_doubt(error) is doubt
    # Where applying twice would do harm, a doubt is never repeated.
    assert not (is_transient(error, repeatable=False) and in_doubt(error))


@given(
    st.integers(1, 12),
    st.floats(0, 5),
    st.floats(0, 40),
    st.sampled_from([errors.NotSentError(), errors.RateLimitedError(http_status=429)]),
)
def test_jitter_stays_below_its_ceiling(
    attempt: int, base_s: float, max_sleep_s: float, error: errors.NcloudChatError
) -> None:
    """Full jitter: between 0 and the exponential ceiling, which has a cap of its own."""
    policy = Retry(max_attempts=100, base_s=base_s, max_sleep_s=max_sleep_s)
    wait = sleep_s(policy, error, attempt)
    base = max(base_s, 1.0) if isinstance(error, errors.RateLimitedError) else base_s
    assert wait is not None
    assert 0 <= wait <= min(max_sleep_s, base * 2 ** (attempt - 1))


def test_the_ceiling_doubles_and_is_used() -> None:
    """The draws of many sleeps fill the range up to the ceiling of their attempt."""
    policy = Retry(max_attempts=9, base_s=1, max_sleep_s=4)
    for attempt, ceiling in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 4.0)):
        waits = [sleep_s(policy, errors.NotSentError(), attempt) or 0.0 for _ in range(300)]
        assert max(waits) > 0.9 * ceiling
        assert min(waits) < 0.1 * ceiling


@given(st.floats(0, 60))
def test_retry_after_is_a_floor_with_a_tenth_on_top(asked: float) -> None:
    """The server's wish is kept, and not stretched by more than 10 %."""
    error = errors.RateLimitedError(http_status=429, retry_after_s=asked)
    wait = sleep_s(Retry(), error, 1)
    assert wait is not None
    assert asked <= wait <= asked * 1.1 + 1e-9


def test_too_long_a_retry_after_is_refused() -> None:
    """Above the cap, and not at it, the call fails now, with the server's wish in the error."""
    error = errors.RateLimitedError(http_status=429, retry_after_s=61)
    assert sleep_s(Retry(max_retry_after_s=60), error, 1) is None
    assert sleep_s(Retry(max_retry_after_s=61), error, 1) is not None


def test_attempts_are_bounded() -> None:
    """The last allowed attempt is followed by none."""
    assert sleep_s(Retry(max_attempts=3), errors.NotSentError(), 2) is not None
    assert sleep_s(Retry(max_attempts=3), errors.NotSentError(), 3) is None
    assert sleep_s(Retry(max_attempts=1), errors.NotSentError(), 1) is None


@given(st.lists(st.booleans(), max_size=400), st.floats(0, 0.2))
def test_retries_stay_within_their_share_of_successes(story: list[bool], budget: float) -> None:
    """However failures and successes alternate, retries never exceed reserve plus share."""
    bank = RetryBudget(budget)
    successes = retries = 0
    for success in story:
        if success:
            bank.deposit()
            successes += 1
        else:
            retries += bank.withdraw()
    assert retries <= budget * 1000 + budget * successes + 1e-6


def test_an_outage_spends_the_reserve_only() -> None:
    """Ten thousand failing calls are given the reserve of retries, and successes refill it."""
    bank = RetryBudget(0.1)
    assert sum(bank.withdraw() for _ in range(10_000)) == 100
    for _ in range(10):
        bank.deposit()
    assert [bank.withdraw(), bank.withdraw()] == [True, False] or not bank.withdraw()
