"""Rate limiters as servers have them: what a client's pace must be right for.

None shares code with the client. All take the moment as an argument, so that the same ones
serve virtual and real time.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

__all__ = ["Bucket", "Concurrency", "FixedWindow", "Limiter", "SlidingWindow", "limiter"]


class Limiter(ABC):
    """Admits requests up to a limit.

    Args:
        limit: Requests per second, or in flight.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit

    @abstractmethod
    def admit(self, now: float) -> float | None:
        """Decide on a request; None admits it, a number is its Retry-After in seconds."""

    def leave(self) -> None:  # noqa: B027 - most take no note
        """Take note that an admitted request was answered."""


class Bucket(Limiter):
    """A token bucket, full at first.

    Args:
        limit: Tokens per second.
        depth_s: Its size beyond one token, in seconds of the limit.
    """

    def __init__(self, limit: float, depth_s: float) -> None:
        super().__init__(limit)
        self._depth_s = depth_s
        self._tokens = 1 + limit * depth_s
        self._at = 0.0

    def admit(self, now: float) -> float | None:
        full = 1 + self.limit * self._depth_s
        self._tokens = min(full, self._tokens + (now - self._at) * self.limit)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        return math.ceil((1 - self._tokens) / self.limit)


class SlidingWindow(Limiter):
    """At most `limit` admitted in any second."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self._log: deque[float] = deque()

    def admit(self, now: float) -> float | None:
        log = self._log
        while log and log[0] <= now - 1:
            log.popleft()
        if len(log) < self.limit:
            log.append(now)
            return None
        return 1.0


class FixedWindow(Limiter):
    """At most `limit` admitted between one tick of the second and the next.

    Args:
        limit: Requests per second.
        phase_s: How long before moment 0 the window of that time began.
    """

    def __init__(self, limit: float, phase_s: float) -> None:
        super().__init__(limit)
        self._phase_s = phase_s
        self._window = 0
        self._admitted = 0

    def admit(self, now: float) -> float | None:
        window = math.floor(now + self._phase_s)
        if window != self._window:
            self._window = window
            self._admitted = 0
        if self._admitted < self.limit:
            self._admitted += 1
            return None
        return 1.0


class Concurrency(Limiter):
    """At most `limit` in flight, however fast."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self._in_flight = 0

    def admit(self, now: float) -> float | None:
        if self._in_flight < self.limit:
            self._in_flight += 1
            return None
        return 1.0

    def leave(self) -> None:
        self._in_flight -= 1


def limiter(kind: str, limit: float, phase_s: float = 0.0) -> Limiter:
    """Make a limiter by its name in the tables."""
    kinds: dict[str, Callable[[], Limiter]] = {
        "bucket": lambda: Bucket(limit, 0.01),
        "burst": lambda: Bucket(limit, 0.5),
        "sliding": lambda: SlidingWindow(limit),
        "jitter": lambda: SlidingWindow(limit),
        "fixed": lambda: FixedWindow(limit, phase_s),
        "in-flight": lambda: Concurrency(limit),
    }
    return kinds[kind]()
