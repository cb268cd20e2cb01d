"""Decides when pages without news mean that the server repeats itself."""

from ncloudchat_async.errors import PagingError

__all__ = ["Repeats"]

# While rows are inserted before the reader a small page comes again by chance, the more
# often the fewer rows it has; one of this many rows or more does not.
_WIDE = 50
# Small pages that may be the same one, again and again; a lone row more often, since a
# server that cuts its pages may cut them to that.
_MOST_SAME = 8
# Rows passed in a row, beyond twice as many as ever came: where a list begins anew at its end.
_MOST_ROWS = 500


class Repeats:
    """Counts pages without news, from the last page that had some."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._same = 0
        self._again = 0
        self._rows = 0
        self._firsts: set[str] = set()

    def forget(self) -> None:
        """Begin to count anew."""
        self._last, self._same, self._again, self._rows = None, 0, 0, 0
        self._firsts.clear()

    def count(self, first: str, rows: int, came: int) -> None:
        """Count a page without news.

        Args:
            first: Id of its first row.
            rows: Its length.
            came: Rows that came from the beginning.

        Raises:
            PagingError: It came too often.
        """
        self._same = self._same + 1 if first == self._last else 0
        self._again += first in self._firsts
        self._last = first
        self._firsts.add(first)
        self._rows += rows
        small = _WIDE // rows
        if (
            self._same > 1 + (small if rows == 1 else min(small, _MOST_SAME))
            or self._again > 3 + small**2
            or self._rows > 2 * came + _MOST_ROWS
        ):
            raise PagingError("the server repeats pages instead of ending the list")
