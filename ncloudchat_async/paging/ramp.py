"""Decides how many pages to have in flight from how fast they come; never reads a clock."""

__all__ = ["MOST", "Ramp"]

MOST = 16
"""Pages in flight at most when nobody says how many: 80,000 rows per second at 20 ms."""

_PAYS = 1.25


class Ramp:
    """Doubles the window while pages come at least a quarter faster for it, then stays.

    Begins with one page in flight, so that a short list costs no page in vain. The first
    window that does not pay is given up again: the server, the quota or the reader of the
    rows is then what sets the pace, and more pages in flight would only wait.
    """

    def __init__(self) -> None:
        self.window: int = 1
        self._best = 0.0
        self._pages = 0
        self._since: float | None = None
        self._settled = False

    def page(self, now: float) -> None:
        """Count a page that was put in order at `now`, in seconds of any monotonic clock."""
        if self._settled:
            return
        if self._since is None:
            self._since = now
            return
        self._pages += 1
        if self._pages < 2 * self.window:
            return
        rate = self._pages / max(now - self._since, 1e-9)
        if rate < self._best * _PAYS:
            self.window //= 2
            self._settled = True
            return
        self._settled = self.window == MOST
        self._best, self._pages, self._since = rate, 0, now
        self.window = min(MOST, 2 * self.window)
