"""Decides how fast to send from what the server answered; never waits and reads no clock."""

from collections import deque

__all__ = ["Pace"]

START_RATE = 20.0
DOUBLING_S = 0.35
FAST = 1.1
FAST_S = 0.35
REST_S = 0.3
STEP_S = 1.5
STEPS = (1.01, 1.02, 1.04, 1.08, 1.12)
HOLD_S = 2.0
MAX_HOLD_S = 15.0
HOLD_GROWTH = 2.5
BELOW = 0.985
MARGIN = 0.99
WINDOW_S = 1.0
MARK_S = 0.05
MIN_PROBE_S = 0.1
MAX_PROBE_S = 1.0
LEAST_RATE = 0.2
K = 0.02
W = 0.25
FLOOR = 0.5
SAME = 0.05
AIM = 0.5


class Pace:
    """The learned pace: answers in, rate and pause out."""

    def __init__(self, rate: float | None = None, *, adaptive: bool = True) -> None:
        self._adaptive = adaptive
        self._ceiling = None if rate is None else rate * MARGIN
        self.rate = self._ceiling
        if self.rate is None and adaptive:
            self.rate = START_RATE
        self._searching = rate is None
        self._probe_s = 0.0  # 0: not probing
        self.paused_until = 0.0
        self._cut_at = 0.0
        self._resumed = 0.0
        self._shut = self._shut_at = 0.0
        self._next_step = -1.0
        self._stepped = (0.0, 0)
        self._step = 0
        self._aim = 0.0
        self._hold = HOLD_S
        self._found = 1.0
        self._count = 0
        self._last = 0.0
        self._marks: deque[tuple[float, int]] = deque()
        self._next_mark = 0.0

    @property
    def interval(self) -> float:
        """Seconds between permits, 0 without a pace."""
        if self._probe_s:
            return self._probe_s
        return 0.0 if self.rate is None else 1.0 / self.rate

    def succeeded(self, started: float, now: float) -> None:
        """Take note of an answer that was no throttle to an attempt granted at `started`."""
        if not self._adaptive:
            return
        self._count += 1
        self._last = now
        if now >= self._next_mark:
            self._next_mark = now + MARK_S
            self._marks.append((now, self._count))
            while self._marks[0][0] < now - WINDOW_S:
                self._marks.popleft()
        if started < self._cut_at:
            return
        if self._probe_s:
            self._probe_s = 0.0
            self._resumed = now
            self._shut = now - self._shut_at
            self._searching = False
            self._next_step = now + REST_S
            self._stepped = (now, self._count)
        elif now >= self._next_step:
            self._climb(now)

    def _climb(self, now: float) -> None:
        since, count = self._stepped
        self._stepped = (now, self._count)
        if self._searching:
            wait = DOUBLING_S
        elif self.rate < self._aim:
            wait = FAST_S
        else:
            wait = STEP_S
        self._next_step = now + wait
        if since == 0.0:
            return
        used = count < 0 or self._count - count >= 0.5 * self.rate * (now - since)
        if not used:
            return
        if self._searching:
            self.rate *= 2
        elif self.rate < self._aim:
            self.rate = min(self.rate * FAST, self._aim)
            if self.rate == self._aim:
                self._next_step = now + self._hold
        else:
            self.rate *= STEPS[self._step]
            self._step = min(self._step + 1, len(STEPS) - 1)
        if self._ceiling is not None:
            self.rate = min(self.rate, self._ceiling)

    def _delivered(self, now: float) -> float:
        """Answers per second in the last second."""
        marks = self._marks
        while marks and marks[0][0] < now - WINDOW_S:
            marks.popleft()
        if not marks:
            return 0.0
        return (self._count - marks[0][1]) / max(self._last - marks[0][0], 0.1)

    def throttled(self, started: float, now: float, retry_after_s: float | None = None) -> None:
        """Take note of a 429 to an attempt granted at `started`."""
        if not self._adaptive or self.rate is None:
            if retry_after_s is not None:
                self.paused_until = max(self.paused_until, now + retry_after_s)
            return
        if started < self._cut_at:
            return
        if self._probe_s:  # canary refused
            self._probe_s = min(self._probe_s * 2, MAX_PROBE_S)
            self.paused_until = now + (retry_after_s or self._probe_s)
            self._cut_at = now
            return
        self._cut_at = self._shut_at = now
        delivered = self._delivered(now)
        held = started - self._resumed
        rate = min(
            self.rate * max(0.5, held / (held + K + self._shut * W)),
            max(delivered, self.rate * FLOOR),
        )
        self._step = 0
        self._hold = (
            min(self._hold * HOLD_GROWTH, MAX_HOLD_S)
            if abs(rate / self._found - 1) < SAME
            else HOLD_S
        )
        self._found = rate
        new = max(rate * BELOW, LEAST_RATE)
        self._aim = new + (self.rate - new) * AIM
        self.rate = new
        self._probe_s = max(now - started, MIN_PROBE_S)
        self.paused_until = now + self._probe_s
