"""Decides which requests come too often, and counts how often they came."""

import math
from collections import deque
from email.utils import formatdate

from ncloudchat_async.emulator.answers import Answer, gateway
from ncloudchat_async.emulator.settings import EmulatorSettings

__all__ = ["Quota", "Window"]

_WINDOW_S = 1.0
_TEXTS = {400: "Quota Exceeded", 410: "Throttle Limited", 420: "Rate Limited"}


class Window:
    """Moments within the last second, and the most there ever were.

    A window is half open: a moment exactly one second ago is outside.
    """

    def __init__(self) -> None:
        self._moments: deque[float] = deque()
        self.peak: int = 0

    def held(self, now: float) -> int:
        """Return how many moments the second before now holds."""
        moments = self._moments
        while moments and moments[0] <= now - _WINDOW_S:
            moments.popleft()
        return len(moments)

    def add(self, now: float) -> None:
        """Count a moment."""
        self._moments.append(now)
        self.peak = max(self.peak, self.held(now))


class Quota:
    """The limit in front of the platform: requests per second, and at the same time.

    At a rate of n per second a request is accepted while fewer than n were accepted in the
    second before it. A rate between whole numbers is n per a little more than a second.
    """

    def __init__(self) -> None:
        self.accepted: Window = Window()
        """Requests that passed."""
        self.total: Window = Window()
        """Requests that came."""
        self.throttled: int = 0
        """Requests answered 429, those of fault rules included."""
        self.in_flight: int = 0
        """Requests being worked on."""
        self.peak_in_flight: int = 0
        """The most that were ever worked on at once."""
        self._last = -math.inf
        self._granted: deque[float] = deque()
        self._burst_left = 0

    def enter(self, now: float, settings: EmulatorSettings) -> Answer | None:
        """Count a request and let it in, or return its 429. One let in must `leave`."""
        self.total.add(now)
        idle_s = now - self._last
        self._last = now
        if settings.max_concurrency and self.in_flight >= settings.max_concurrency:
            return self.refuse(now, settings, code=420)
        if settings.quota_rate and not self._has_rate(
            now, idle_s, settings.quota_rate, settings.quota_burst
        ):
            return self.refuse(now, settings)
        self.accepted.add(now)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        return None

    def leave(self) -> None:
        """Note that a request that was let in is answered."""
        self.in_flight -= 1

    def _has_rate(self, now: float, idle_s: float, rate: float, burst: int) -> bool:
        limit = math.ceil(rate)
        if idle_s >= _WINDOW_S:
            self._burst_left = burst
        while len(self._granted) > limit:
            self._granted.popleft()
        if len(self._granted) == limit and now - self._granted[0] < limit / rate:
            if not self._burst_left:
                return False
            self._burst_left -= 1
        self._granted.append(now)
        return True

    def refuse(
        self,
        now: float,
        settings: EmulatorSettings,
        *,
        code: int | None = None,
        retry_after_s: float | None = None,
    ) -> Answer:
        """Write a 429 in the form the settings ask for, and count it."""
        self.throttled += 1
        code = code or settings.throttle_code
        wait_s = settings.retry_after_s if retry_after_s is None else retry_after_s
        headers: dict[str, str] = {}
        if wait_s is not None and settings.retry_after_form == "date":
            # A date is measured against the answer's own, which follows the same clock.
            headers["Date"] = formatdate(now, usegmt=True)
            headers["Retry-After"] = formatdate(now + wait_s, usegmt=True)
        elif wait_s is not None:
            headers["Retry-After"] = f"{wait_s:.15g}"
        if settings.throttle_form == "plain":
            return Answer(429, b"Too Many Requests", headers, "text/plain")
        answer = gateway(429, code, _TEXTS.get(code, "Too Many Requests"))
        answer.headers = headers
        return answer
