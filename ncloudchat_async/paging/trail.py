"""Decides which page to ask for next and which of its rows are new; never waits for one.

A list that is paged by offset moves while it is read: a row deleted before the reader
shifts unread rows over the boundary, an inserted one brings old rows again. So each page
is asked for from one row before, and counts only when it *joins*: when its first row came
before. Rows keep their order, hence nothing unread lies before a row that came, whenever
the page was fetched. A page that does not join is asked for again 2, 4, 8 ... rows
further back.
"""

from collections import deque
from collections.abc import Generator, Sequence
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

from ncloudchat_async.errors import PagingError
from ncloudchat_async.paging.cursor import MARKS, Cursor
from ncloudchat_async.paging.repeats import Repeats
from ncloudchat_async.paging.seen import Row, Seen, mark

__all__ = ["REMEMBERED", "Ask", "Trail"]

REMEMBERED = 4_096
"""Rows whose ids are kept while reading: at most twice as many, about 1.5 MB."""

# A server that cuts a page to its first row cannot be told from the end of the list, but by
# looking beyond, which costs a request. After this many full pages of this many rows, and
# one that is not full at the end, it is taken to be honest.
_TRUSTED = 8
_WIDE = 50
# The platform's most rows in a page.
_MOST_ROWS = 100
# Rows that came, in one page, which show that it is the place looked for; and pages to look
# at further while there are fewer.
_SURE = 8
_FURTHER = 8

T = TypeVar("T", bound=Row)


class Ask(NamedTuple):
    """A page that is needed now."""

    offset: int
    per_page: int
    fresh: bool = False
    """Only a page asked for from now on will do, not one that is in flight already."""


class _Got(NamedTuple, Generic[T]):
    offset: int
    rows: Sequence[T]
    size: int
    """Rows that the server sent, of which `rows` may be the last ones."""


class Trail(Generic[T]):
    """Reads one list once: `ask` names the page to fetch, `take` is told its rows.

    Args:
        per_page: Rows to ask for, 1 to 100; 1 becomes 2 after the first page, since each
            later page repeats one row.
        start: Place to begin at. With marks it is looked for around its position.
        keep: Rows whose ids are remembered.

    Attributes:
        ask: The page needed next; None when the list was read to its end.
        per_page: Rows to ask for.
        position: Offset of the next new row, as far as is known.
        full: Rows of a page that is not the last: `per_page`, or what the server sends.
        steady: Whether the last page with news was a full one, so that more is likely.
    """

    ask: Ask | None

    def __init__(self, per_page: int, start: Cursor, *, keep: int = REMEMBERED) -> None:
        self.position: int = start.position
        self.full: int = per_page
        self.steady: bool = True
        self._base = start.base
        self.per_page: int = per_page
        self._seen = Seen(keep, marks=start.marks, complete=not (start.marks or start.base))
        self._older = start.marks
        self._recent: deque[str] = deque(maxlen=MARKS)
        self._news: Sequence[T] = ()
        self._strays = 0
        self._joined = False
        self._size = per_page
        self._widest = 0
        self._full_pages = 0
        self._step = 2
        self._rewound = False
        self._lost = False
        self._head: dict[str, str] = {}
        self._anew_at = 0
        self._repeats = Repeats()
        self._doubted = False
        self._beyond_empty = False
        self._last_old = ("", 0, 0)
        self._pair: tuple[str, str] | None = None
        self._walk = self._read(self._search() if start.marks else self._begin())
        self.ask = next(self._walk)

    def take(self, offset: int, rows: Sequence[T]) -> Sequence[T] | None:
        """Judge a page: the one asked for, or unless `fresh` one in flight that covers it.

        Returns:
            The rows that did not come before, in order; None when the page does not join.

        Raises:
            PagingError: The server repeats pages. `ask` stays, so that it can be tried again.
        """
        first = max(self._strays, len(self._news) - MARKS)
        self._recent.extend([row.id for row in self._news[first:]])
        self._news, self._strays, self._joined = (), 0, False
        try:
            self.ask = self._walk.send(_Got(offset, rows, len(rows)))
        except StopIteration:
            self.ask = None
        except PagingError:
            self._repeats.forget()
            self._walk = self._read(self._follow())
            self.ask = next(self._walk)
            raise
        return self._news if self._joined else None

    def cursor(self, rest: int = 0) -> Cursor:
        """Name the place before the last `rest` rows of those that `take` returned last."""
        # A stray is no landmark: rows that came, and are not marked, may follow it.
        given = self._news[self._strays : len(self._news) - rest]
        recent = [*self._recent, *(row.id for row in given)][-MARKS:]
        marks = [*self._older, *map(mark, recent)][-MARKS:]
        return Cursor(self._base, max(0, self.position - rest), tuple(marks))

    def _read(self, first: Generator[Ask, _Got[T], _Got[T]]) -> Generator[Ask, _Got[T], None]:
        got = yield from first
        while not (yield from self._ends_with(got)):
            got = yield from self._follow()

    def _begin(self) -> Generator[Ask, _Got[T], _Got[T]]:
        got = yield Ask(self._base, self.per_page, fresh=True)
        self.per_page = max(2, self.per_page)
        return got

    def _follow(self) -> Generator[Ask, _Got[T], _Got[T]]:
        """Find the next page that joins."""
        got = yield Ask(max(0, self.position - 1), self.per_page)
        step, back = self._step, 2
        while not (joins := self._joins(got)) or self._ends_alike(got):
            if joins:
                # The list shrank, and its last page is repeated: go back to where it ends.
                step = self.position - got.offset + back * (got.size - 1)
                back *= 2
            elif got.offset == 0:
                return (yield from self._search())
            else:
                self._weigh(got)
                self._repeats.forget()
                self._step = step
            got = yield Ask(max(0, self.position - step), self.per_page, fresh=True)
            self._rewound = True
            step *= 2
        # A list that shrinks by much between pages shrinks again: begin near that step.
        self._step = max(2, self._step // 2)
        return got

    def _weigh(self, got: _Got[T]) -> None:
        """Give up what was believed of the list's end where a page that does not join denies it."""
        ids = [row.id for row in got.rows]
        if ids:
            # Its first row did not come yet: a short page like it was not the last.
            self._beyond_empty = False
            self._doubted = self._doubted or got.size < self.full
        if self._pair is not None and self._pair[1] in ids[1:] and self._pair not in pairwise(ids):
            self._pair = None

    def _joins(self, got: _Got[T]) -> bool:
        if got.offset == 0 and self._seen.complete:
            return True
        return bool(got.rows) and self._seen.rank(got.rows[0].id) is not None

    def _search(self) -> Generator[Ask, _Got[T], _Got[T]]:
        """Look for the rows that came, up and down from where the last of them should be.

        The rows before it came as well, or were inserted since. A page without it, and with
        few others that came, may hold only some that were inserted far behind: then look a
        little further. When no row is left that is remembered, begin again: old rows may
        then come again, but none is missed.
        """
        self.per_page, self.full = max(2, self.per_page), max(2, self.full)
        best: _Got[T] | None = None
        most, further = 0, _FURTHER
        # Lost again without news: the place found was behind the end of the list.
        around = self._around(0 if self._lost else max(0, self.position - 1))
        self._lost, self._step = True, 2
        ask = next(around, None)
        while ask is not None and further:
            got = yield ask
            known = [at for at, row in enumerate(got.rows) if self._seen.rank(row.id) is not None]
            if len(known) > most:
                at = max(known, key=lambda at: self._rank(got.rows[at]))
                best, most = self._cut(got, at), len(known)
                if most >= _SURE or self._rank(got.rows[at]) == self._seen.count - 1:
                    break
            further -= best is not None
            try:
                ask = around.send(got)
            except StopIteration:
                ask = None
        return best if best is not None else (yield from self._begin())

    def _around(self, place: int) -> Generator[Ask, _Got[T], None]:
        """Ask for what is up and down from a place, in turn, until the list is exhausted."""
        up = low = high = down = place
        more, per_page = True, self.per_page
        lasts: dict[str, int] = {}
        while more or low > 0 or down < high:
            if more:
                got = yield Ask(up, per_page, fresh=True)
                # A server may repeat its last page beyond the end, or begin anew there.
                places = enumerate(got.rows, up)
                again = any(at - lasts.get(row.id, at) >= _MOST_ROWS for at, row in places)
                more = bool(got.rows) and not again
                if more:
                    lasts.setdefault(got.rows[-1].id, up + got.size - 1)
                up += got.size
            per_page = _MOST_ROWS  # the search must be faster than the list moves
            if down >= high:
                high, low = low, max(0, low - per_page)
                down = low
            if down < high:
                got = yield Ask(down, per_page, fresh=True)
                down = down + got.size if got.rows else high

    def _cut(self, got: _Got[T], at: int) -> _Got[T]:
        """Cut off the rows before one, and what is more than a page after it."""
        rows = got.rows[at : at + self.per_page]
        return _Got(got.offset + at, rows, min(got.size, self.per_page))

    def _ends_with(self, got: _Got[T]) -> Generator[Ask, _Got[T], bool]:
        """Take what is new in a page that joins, and tell whether the list ends there."""
        if self._join(got):
            if self._seen.count > 1 or self.steady:
                return False
            # A lone row: the page from one row before it would show nothing else.
            beyond = yield Ask(self.position, self.per_page, fresh=True)
            return not beyond.rows
        if not got.rows:
            return True
        if got.size > 1 and not self._ends_again(got):
            self._pass_old(got)
            return False
        trusted = self._full_pages >= _TRUSTED and not self._doubted and not self.steady
        if trusted or self._beyond_empty:
            return True
        return (yield from self._look_beyond(got))

    def _join(self, got: _Got[T]) -> bool:
        self._tell_rounds(got.rows)
        news, strays = self._seen.news(got.rows)
        if got.offset == 0:
            self._seen.begin(got.rows)
        self.position = got.offset + len(got.rows)
        self._widest = max(self._widest, got.size)
        if news:
            if not self.steady:
                # A short page was not the last: so this server caps or cuts its pages.
                self._doubted = True
                self.full = self._size
            self.steady = got.size >= self.full
            self.full = max(2, self.full, got.size)
            self._size = got.size
            self._full_pages += got.size >= self.per_page >= _WIDE
            self._rewound = self._beyond_empty = self._lost = False
            self._last_old, self._pair = ("", 0, 0), None
            self._repeats.forget()
        self._news, self._strays, self._joined = news, strays, True
        return bool(news)

    def _tell_rounds(self, rows: Sequence[T]) -> None:
        """Give up a list that begins anew, so long that its begin is forgotten by then.

        One row may have moved there, two side by side hardly, and not again and again.
        """
        if len(self._head) < _MOST_ROWS:
            self._head.update(pairwise(row.id for row in rows))
        elif len(rows) > 1 and self._head.get(rows[0].id) == rows[1].id:
            count = self._seen.count
            if self._seen.rank(rows[1].id) is None and count > self._anew_at + 3 * _MOST_ROWS:
                if self._anew_at:
                    raise PagingError("the list begins anew instead of ending")
                self._anew_at = count

    def _pass_old(self, got: _Got[T]) -> None:
        """Go on after a page without news that is not the last, unless pages repeat."""
        self._repeats.count(got.rows[0].id, len(got.rows), self._seen.count)
        if not self._rewound:
            # Rows were inserted before: leap over as many as came since this page's first.
            # Some of those may be deleted, so after a leap too far go page by page.
            leap = got.offset + self._seen.count - self._rank(got.rows[0])
            self.position = max(self.position, leap)
        self._last_old = got.rows[-1].id, got.size, got.offset + got.size

    def _rank(self, row: T) -> int:
        rank = self._seen.rank(row.id)
        assert rank is not None, "only rows that came are ranked"
        return rank

    def _look_beyond(self, got: _Got[T]) -> Generator[Ask, _Got[T], bool]:
        """Ask for what follows the last row: whether nothing does, and the list ends."""
        beyond = yield Ask(self.position, self.per_page, fresh=True)
        ids, last = [row.id for row in beyond.rows], self._rank(got.rows[-1])
        if got.rows[-1].id in ids:
            # What stands before the last row came, although it may be forgotten by now.
            beyond = self._cut(beyond, ids.index(got.rows[-1].id))
        ranks = (self._seen.rank(row.id) for row in beyond.rows)
        if all(rank is not None and rank <= last for rank in ranks):
            # Empty, or the server repeats its last page. Where pages were cut before, the
            # list may have shrunk between the two looks: look at its end once more.
            self._beyond_empty = True
            return not self._doubted
        self._doubted = True
        # What was cut away stands beyond. Seen twice, each time after the same last row, it
        # is taken to follow that: some servers give a lone row where there are two.
        pair = (got.rows[-1].id, beyond.rows[0].id)
        if pair == self._pair and self._join(beyond):
            return False
        self._pair = pair
        self._pass_old(got)
        return False

    def _ends_alike(self, got: _Got[T]) -> bool:
        """Tell whether a page ends with the same row as the one before, and yet further on.

        So it may by chance when as many rows are inserted between two pages as one holds.
        """
        last, size, end = self._last_old
        further = got.size >= size or got.offset + got.size > end
        alike = further and got.offset > 0 and got.size > 1 and got.rows[-1].id == last
        return alike and not self._short(got)

    def _ends_again(self, got: _Got[T]) -> bool:
        """Tell whether a much too short page ends with the last row, as the one before did.

        When rows are inserted before each page no page begins with the last row.
        """
        last = got.rows[-1]
        again = self._short(got) and last.id == self._last_old[0]
        return again and self._rank(last) == max(map(self._rank, got.rows))

    def _short(self, got: _Got[T]) -> bool:
        return 2 * got.size <= min(self.full, self._widest)
