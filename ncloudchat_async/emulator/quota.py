"""Decides which requests come too often, and counts how often they came."""

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
        self.peak = 0

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

    A request is accepted while fewer than the rate were accepted in the second before it;
    below one per second, while none was in the last 1 / rate seconds.
    """

    def __init__(self) -> None:
        self.accepted = Window()
        """Requests that passed."""
        self.total = Window()
        """Requests that came."""
        self.throttled = 0
        """Requests answered 429, those of fault rules included."""
        self.in_flight = 0
        """Requests being worked on."""
        self.peak_in_flight = 0
        """The most that were ever worked on at once."""
        self._last_accepted = float("-inf")
        self._last = float("-inf")
        self._burst_left = 0

    def enter(self, now: float, settings: EmulatorSettings) -> Answer | None:
        """Count a request and let it in, or return its 429. One let in must `leave`."""
        self.total.add(now)
        refusal: Answer | None = None
        if not self._has_rate(now, settings):
            refusal = self.refuse(now, settings)
        elif settings.max_concurrency and self.in_flight >= settings.max_concurrency:
            refusal = self.refuse(now, settings, code=420)
        self._last = now
        if refusal is not None:
            return refusal
        self.accepted.add(now)
        self._last_accepted = now
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        return None

    def leave(self) -> None:
        """Note that a request that was let in is answered."""
        self.in_flight -= 1

    def _has_rate(self, now: float, settings: EmulatorSettings) -> bool:
        rate = settings.quota_rate
        if rate is None:
            return True
        if now - self._last >= _WINDOW_S:
            self._burst_left = settings.quota_burst
        if rate < 1:
            within = now - self._last_accepted >= 1 / rate
        else:
            within = self.accepted.held(now) < int(rate)
        if not within and self._burst_left > 0:
            self._burst_left -= 1
            return True
        return within

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
        if wait_s is not None:
            headers["Retry-After"] = (
                formatdate(now + wait_s, usegmt=True)
                if settings.retry_after_form == "date"
                else f"{wait_s:g}"
            )
        if settings.throttle_form == "plain":
            return Answer(429, b"Too Many Requests", headers, "text/plain")
        answer = gateway(429, code, _TEXTS.get(code, "Too Many Requests"))
        answer.headers = headers
        return answer
