"""Decides how fast to send from what the server answered; never waits and reads no clock.

The law, in the order in which a client meets it:

1. A told rate is used at 99 %. Otherwise the pace starts at 20 a second and doubles every
   0.35 s until the first 429.
2. A 429 closes the gate for a round trip, 0.1 s at least, and then lets one request
   through, a canary. While canaries are refused the wait doubles to 1 s, or is what
   Retry-After asks for: that header binds the rejected request always, and all others only
   when the server goes on refusing. 429s of requests sent before the gate closed are the
   same congestion and change nothing.
3. When a canary is accepted, sending goes on a little below what the server took in the
   last second, and lower if the rate before had held only for a short time.
4. From there the pace climbs in quick steps some of the way back to where it was refused
   (half of it after a large cut, a fifth after a small one), stays for 2 s, or for up to
   12 s when the limit was found in the same place again, and then feels its way up by 1,
   2, 4, 8 and 16 %.

A server that counts requests in flight is found in the same way, as the pace at which it
seldom refuses: 55 to 75 % of what it could do, since latency that varies makes an even pace
come in clusters. `Quota.max_in_flight` set to its limit brings the rest.
"""

import math
from collections import deque

__all__ = ["Pace"]

MARGIN = 0.99
"""Share of a told rate that is used: clocks and networks are not exact."""
START_RATE = 20.0
"""Requests per second to begin with; everything in flight at the first 429 is rejected, so
the start matters more than any later cleverness."""
DOUBLING_S = 0.35
"""Time between doublings until the first 429: longer than most round trips."""
WINDOW_S = 1.0
"""Time over which answers are counted: the usual window of limiters."""
MARK_S = 0.05
"""Time between marks of the count."""
CANARY_S = 0.1
"""Shortest wait for a canary: a window that was 10 % too full has begun anew by then."""
MAX_CANARY_S = 1.0
"""Longest wait for the next canary without a Retry-After."""
BELOW = 0.985
"""Where to go on, as a share of what the server took."""
LEAST_CUT = 0.5
"""Lowest share of the pace to go on with after one congestion."""
SHORT_S = 0.02
"""A pace that held for this long is halved; one that held for 2 s loses 1 %."""
SHUT_WEIGHT = 0.25
"""Share of the last closed time that counts like `SHORT_S`: after a long pause a window of
the server can take more than its share for a while."""
NEAR = 0.9
"""Share from which a cut is a small correction, not a search."""
FAR_BACK = 0.5
"""Share of a large cut that is taken back in quick steps, before the pace is held."""
NEAR_BACK = 0.2
"""Share of a small cut that is taken back so: the server was hardly wrong."""
REST_S = 0.3
"""Time at the lowered pace before it climbs."""
QUICK_S = 0.35
"""Time between quick steps, on the way back."""
QUICK = 1.1
"""Quick step."""
HOLD_S = 2.0
"""First stay on the way back."""
HOLD_GROWTH = 2.5
"""Factor of the stay when the limit was found in the same place again."""
MAX_HOLD_S = 12.0
"""Longest stay: what a doubled limit costs before it is noticed."""
SAME = 0.05
"""Relative distance at which two findings are the same place."""
STEP_S = 1.2
"""Time between steps into the unknown: longer than the window."""
FIRST_STEP = 0.01
"""First step into the unknown; each is twice the one before."""
MAX_STEP = 0.16
"""Largest step into the unknown."""
USED = 0.5
"""Share of the pace that must be used for a step: an idle client learns nothing."""
LEAST_RATE = 0.2
"""Lowest pace."""


class Pace:
    """The learned pace: answers in, rate and pause out.

    Args:
        rate: Ceiling in requests per second; None when it is unknown.
        adaptive: Whether to learn; otherwise the rate stays and only Retry-After pauses.
    """

    __slots__ = (
        "_adaptive",
        "_aim",
        "_answers",
        "_canary_s",
        "_ceiling",
        "_cut_at",
        "_found",
        "_hold_s",
        "_last_answer",
        "_marks",
        "_next_mark",
        "_next_step",
        "_resumed_at",
        "_searching",
        "_shut_at",
        "_shut_s",
        "_step",
        "_stepped",
        "interval",
        "paused_until",
        "rate",
    )

    def __init__(self, rate: float | None = None, *, adaptive: bool = True) -> None:
        self._ceiling = math.inf if rate is None else rate * MARGIN
        self._adaptive = adaptive
        self._searching = adaptive and rate is None
        self.rate: float = START_RATE if self._searching else self._ceiling
        """Requests per second; infinite when nobody told one and nothing is learned."""
        self.interval: float = 1 / self.rate
        """Seconds between permits: `1 / rate`, or longer while canaries are sent."""
        self.paused_until: float = 0.0
        """Nothing is sent before this moment."""
        self._canary_s = 0.0  # wait for the next canary; 0: the gate is open
        self._cut_at = 0.0  # answers to what was sent before are old news
        self._shut_at = self._shut_s = self._resumed_at = 0.0
        self._aim = 0.0
        self._found = 0.0
        self._hold_s = HOLD_S
        self._step = FIRST_STEP
        self._next_step = 0.0
        self._stepped = (0.0, 0)
        self._answers = 0
        self._last_answer = self._next_mark = 0.0
        self._marks: deque[tuple[float, int]] = deque()

    def succeeded(self, started: float, now: float) -> None:
        """Take note of an answer that was no throttle to an attempt granted at `started`."""
        if not self._adaptive:
            return
        self._answers += 1
        self._last_answer = now
        if now >= self._next_mark:
            self._mark(now)
        if self._canary_s:
            if started >= self._cut_at:
                self._resume(now)
        elif now >= self._next_step:
            self._climb(now)

    def throttled(self, started: float, now: float, retry_after_s: float | None = None) -> None:
        """Take note of a 429 to an attempt granted at `started`."""
        if not self._adaptive:
            if retry_after_s is not None:
                self.paused_until = max(self.paused_until, now + retry_after_s)
            return
        if started < self._cut_at:
            return
        if self._canary_s:
            self._canary_s = min(self._canary_s * 2, MAX_CANARY_S)
            self.paused_until = now + (retry_after_s or self._canary_s)
        else:
            self._cut(started, now)
            self._canary_s = max(now - started, CANARY_S)
            self.paused_until = now + self._canary_s
        self._cut_at = now
        self.interval = self._canary_s

    def _mark(self, now: float) -> None:
        """Write the count of answers down, and drop what is older than the window."""
        self._next_mark = now + MARK_S
        self._marks.append((now, self._answers))
        while self._marks[0][0] < now - WINDOW_S:
            self._marks.popleft()

    def _delivered(self, now: float) -> float:
        """Answers per second in the last second, up to the last of them."""
        for since, answers in self._marks:
            if since >= now - WINDOW_S:
                return (self._answers - answers) / max(self._last_answer - since, CANARY_S)
        return 0.0

    def _resume(self, now: float) -> None:
        """Open the gate again: a canary was accepted.

        Other canaries may be on their way: what is said to them is of the same congestion.
        """
        self._canary_s = 0.0
        self._cut_at = now
        self._searching = False
        self._resumed_at = now
        self._shut_s = now - self._shut_at
        self._next_step = now + REST_S
        self._stepped = (now, self._answers)
        self.interval = 1 / self.rate

    def _cut(self, started: float, now: float) -> None:
        """Choose the rate to go on with once a canary is accepted."""
        refused = self.rate
        held_s = max(started - self._resumed_at, 0.0)
        share = held_s / (held_s + SHORT_S + SHUT_WEIGHT * self._shut_s)
        share = max(LEAST_CUT, min(share, self._delivered(now) / refused))
        found = refused * share
        same = abs(found - self._found) <= SAME * found
        self._hold_s = min(self._hold_s * HOLD_GROWTH, MAX_HOLD_S) if same else HOLD_S
        self._found = found
        self._shut_at = now
        self._step = FIRST_STEP
        self.rate = min(max(found * BELOW, LEAST_RATE), self._ceiling)
        way_back = FAR_BACK if share < NEAR else NEAR_BACK
        self._aim = self.rate + (refused - self.rate) * way_back

    def _climb(self, now: float) -> None:
        """Take the step that is due, if the rate so far was used."""
        since, answers = self._stepped
        self._stepped = (now, self._answers)
        self._next_step = now + DOUBLING_S
        if not since or self._answers - answers < USED * self.rate * (now - since):
            return
        rate = self.rate
        if self._searching:
            rate *= 2
        elif rate < self._aim:
            rate = min(rate * QUICK, self._aim)
            self._next_step = now + (QUICK_S if rate < self._aim else self._hold_s)
        else:
            rate *= 1 + self._step
            self._step = min(self._step * 2, MAX_STEP)
            self._next_step = now + STEP_S
        self.rate = min(rate, self._ceiling)
        self.interval = 1 / self.rate
