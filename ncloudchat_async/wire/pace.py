"""Decides how fast to send from what the server answered; never waits and reads no clock."""

__all__ = ["Pace"]

START_RATE = 20.0
"""Requests per second to begin with when no rate is told; a finite start matters more than
any later cleverness, since everything in flight at the first 429 is rejected."""
DOUBLING_S = 0.35
"""Time between doublings until the first 429."""
STEP_S = 0.6
"""Time between steps up afterwards."""
MARGIN = 0.99
"""Share of a told rate that is used: clocks and networks are not exact."""
LEAST_RATE = 0.2
"""Lowest pace, so that recovery is noticed within seconds."""


class Pace:
    """The learned pace: answers in, rate and pause out."""

    __slots__ = (
        "_adaptive",
        "_ceiling",
        "_cut_at",
        "_next_step",
        "_searching",
        "paused_until",
        "rate",
    )

    def __init__(self, rate: float | None = None, *, adaptive: bool = True) -> None:
        self._adaptive = adaptive
        self._ceiling = None if rate is None else rate * MARGIN
        self.rate = self._ceiling
        if self.rate is None and adaptive:
            self.rate = START_RATE
        self._searching = rate is None
        self.paused_until = 0.0
        self._cut_at = 0.0
        self._next_step = 0.0

    @property
    def interval(self) -> float:
        """Seconds between permits, 0 without a pace."""
        return 0.0 if self.rate is None else 1.0 / self.rate

    def succeeded(self, started: float, now: float) -> None:
        """Take note of an answer that was no throttle to an attempt granted at `started`."""
        if now < self._next_step or started < self._cut_at or not self._adaptive:
            return
        if self.rate is None or self.rate == self._ceiling:
            return
        first = self._next_step == 0.0
        self._next_step = now + (DOUBLING_S if self._searching else STEP_S)
        if not first:
            self.rate *= 2.0 if self._searching else 1.02
        if self._ceiling is not None:
            self.rate = min(self.rate, self._ceiling)

    def throttled(self, started: float, now: float, retry_after_s: float | None = None) -> None:
        """Take note of a 429 to an attempt granted at `started`."""
        if retry_after_s is not None:
            self.paused_until = max(self.paused_until, now + retry_after_s)
        if started < self._cut_at or not self._adaptive or self.rate is None:
            return  # sent before the last cut: the same congestion
        self._searching = False
        self._cut_at = now
        self._next_step = max(now, self.paused_until) + 3.0
        self.paused_until = max(self.paused_until, now + 0.1)
        self.rate = max(self.rate / 2, LEAST_RATE)
