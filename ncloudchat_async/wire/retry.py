"""Decides whether, and after how long, a failed attempt is repeated; never sleeps itself.

`backoff` gives the waits and the jitter; its decorators are not used: they sleep less than
Retry-After asks, read the wall clock and log exception texts.
"""

import random
from typing import Final

import backoff

from ncloudchat_async.errors import (
    ApiError,
    NcloudChatError,
    NoReplyError,
    NotSentError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from ncloudchat_async.settings import Retry

__all__ = ["RetryBudget", "in_doubt", "is_transient", "sleep_s"]

_THROTTLED_BASE_S: Final = 1.0
_RETRY_AFTER_SPREAD: Final = 0.1
_NEVER_SUPPORTED: Final = frozenset({501, 505})
_TRY_LATER: Final = frozenset({408, 425})


def is_transient(error: NcloudChatError, *, repeatable: bool) -> bool:
    """Tell whether another attempt is safe, and may end differently.

    What must not be repeated is only repeated where nothing can have been applied: the
    request never left, or was throttled (gateway 410 and 420, plain 429).
    """
    if isinstance(error, NotSentError | RateLimitedError):
        return True
    if not repeatable:
        return False
    if isinstance(error, ServerError):
        return error.http_status not in _NEVER_SUPPORTED
    if isinstance(error, ApiError):
        return error.http_status in _TRY_LATER
    return isinstance(error, NoReplyError)


def in_doubt(error: NcloudChatError) -> bool:
    """Tell whether the attempt that ended so may have been applied all the same."""
    if isinstance(error, ResponseError):
        return error.applied != "no"
    if isinstance(error, ApiError):
        return isinstance(error, ServerError) or error.http_status in _TRY_LATER
    return isinstance(error, NoReplyError)


def sleep_s(policy: Retry, error: NcloudChatError, attempt: int) -> float | None:
    """Choose the sleep before the next attempt, or None when there is to be none.

    Args:
        policy: Bounds of attempts and sleeps.
        error: What ended the attempt.
        attempt: How many attempts were made, 1 or more.

    Returns:
        Seconds: full jitter below an exponential ceiling, at least Retry-After and then at
        most a tenth above it. None when attempts are used up, or the server asks for
        more patience than `max_retry_after_s`.
    """
    if attempt >= policy.max_attempts:
        return None
    throttled = isinstance(error, RateLimitedError)
    factor = max(policy.base_s, _THROTTLED_BASE_S) if throttled else policy.base_s
    ceilings = backoff.expo(factor=factor, max_value=policy.max_sleep_s)
    next(ceilings)  # the first value of a backoff generator is a handshake, not a wait
    for _ in range(attempt - 1):
        next(ceilings)
    wait = backoff.full_jitter(next(ceilings))
    asked = error.retry_after_s if isinstance(error, ApiError) else None
    if asked is None:
        return wait
    if asked > policy.max_retry_after_s:
        return None
    floor = asked * random.uniform(1.0, 1.0 + _RETRY_AFTER_SPREAD)
    return max(floor, min(wait, asked * (1.0 + _RETRY_AFTER_SPREAD)))


class RetryBudget:
    """Keeps retries a share of the calls that succeed, so that an outage is not amplified.

    A reserve covers a server that restarts under full load; once it is spent, failing calls
    fail at their first attempt until others succeed again.
    """

    RESERVE_SHARE: Final = 1000

    def __init__(self, budget: float) -> None:
        self._gain: Final = budget
        self._most: Final = budget * self.RESERVE_SHARE
        self._left = self._most

    def deposit(self) -> None:
        """Credit a call that succeeded."""
        if self._left < self._most:
            self._left = min(self._most, self._left + self._gain)

    def withdraw(self) -> bool:
        """Pay for one retry; False when the budget is spent."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
