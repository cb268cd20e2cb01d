"""Decides what a list looks like to its reader: items, pages, a cursor; never how it is read."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Generic, Literal, NamedTuple, Self, TypeVar

import msgspec

from ncloudchat_async.checks import check_text, check_whole
from ncloudchat_async.errors import ConfigError, NcloudChatError, PagingError
from ncloudchat_async.paging.ahead import Ahead, Fetch
from ncloudchat_async.paging.cursor import Cursor, decode_cursor, encode_cursor
from ncloudchat_async.paging.ramp import Ramp
from ncloudchat_async.paging.seen import Row
from ncloudchat_async.paging.trail import Trail

__all__ = ["Fetch", "ItemIterator", "Page", "PageIterator", "Pages"]

T = TypeVar("T", bound=Row)

_MOST_OFFSET = 2**62
"""Beyond that no JSON number is sure to arrive."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Rows that came together, without those that had come before."""

    items: Sequence[T]
    """1 to `per_page` rows, in the list's order."""
    offset: int
    """Where the first of them stood in the list when the page was read."""
    cursor: str
    """Resumes after the last of them."""


class _Source(NamedTuple):
    """Which list is read."""

    operation: str
    route: str
    fingerprint: str


class _Reader(Generic[T]):
    """One iteration: the rows read and not given out yet, and the place between them."""

    def __init__(
        self,
        ahead: Ahead[T],
        trail: Trail[T],
        limit: int | None,
        source: _Source,
    ) -> None:
        self._ahead = ahead
        self._trail = trail
        self._left = limit
        self._source = source
        self._news: Sequence[T] = ()
        self._at = 0
        self._end = 0
        self._begun_at: float | None = None
        self._turning = asyncio.Lock()

    @property
    def cursor(self) -> str:
        """Resumes after the last item that was given out.

        Made anew at each look, in about 50 us: look once for a checkpoint, not for each row.
        """
        rest = len(self._news) - self._at
        return encode_cursor(self._trail.cursor(rest), self._source.fingerprint)

    async def aclose(self) -> None:
        """End the iteration: cancel the pages in flight and wait for their end."""
        self._left, self._end = 0, self._at
        await self._ahead.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # An iterator left by `break` is told nothing else.
        self._ahead.abandon()

    async def _turn(self) -> None:
        """Read on until there is something to give out.

        Raises:
            StopAsyncIteration: The list, the limit or the iteration is at its end.
            NcloudChatError: What a page failed with; the next call asks for it again.
        """
        if self._left == 0:
            self._ahead.drop()
            raise StopAsyncIteration
        if self._begun_at is None:
            self._begun_at = time.monotonic()
        try:
            news = await self._ahead.turn(self._left)
        except NcloudChatError as error:
            error.cursor = self.cursor
            if isinstance(error, PagingError):
                error.located(
                    self._source.operation,
                    "GET",
                    self._source.route,
                    attempts=self._ahead.calls,
                    elapsed_s=time.monotonic() - self._begun_at,
                )
            raise
        self._news, self._at, self._end = news, 0, len(news)
        if self._left is not None:
            self._end = min(self._end, self._left)
            self._left -= self._end
        if not news:
            raise StopAsyncIteration


class ItemIterator(_Reader[T], AsyncIterator[T]):
    """The items of a list one by one; several tasks may share it, each item goes to one.

    An `anext` that fails or is cancelled takes no item: the next one goes on in its place.
    """

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._at == self._end:
            async with self._turning:
                if self._at == self._end:
                    await self._turn()
        item = self._news[self._at]
        self._at += 1
        return item


class PageIterator(_Reader[T], AsyncIterator[Page[T]]):
    """The items of a list as they come, page by page; several tasks may share it."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[T]:
        async with self._turning:
            await self._turn()
            offset = self._trail.position - len(self._news)
            self._at = self._end
            return Page(items=self._news[: self._end], offset=offset, cursor=self.cursor)


class Pages(Generic[T]):
    """A list on the server, read page by page while others insert and delete.

    ```python
    async for message in chat.messages.list(channel_id):
        ...
    ```

    **What comes.** Each row that is in the list from the first request to the last comes
    exactly once, in the list's order, whatever is inserted and deleted meanwhile, however
    few rows the server puts in a page, and with any `window`. A row that is inserted or
    deleted meanwhile may come, out of its order, or not. This needs two things of the
    server:

    - Rows keep their order. So it holds for a sort by anything that does not change, such
      as the creation time: oldest first, and newest first while new rows arrive. Among
      rows with the same key it holds because the platform keeps those in the order of
      insertion. A row whose key changes (`updated_at`, `name`) counts as deleted and
      inserted again.
    - A page that is not the last has two rows at least. A lone row is looked at again
      before it is taken for the end, but a list that moves at that moment may hide rows.

    The last 4,096 ids are remembered. As long as one of those rows still exists the place
    is found again. If all of them are deleted between two pages, and others before them
    are not, the list is begun again: rows may come twice then, none is missed. A server
    that repeats pages, or whose list never ends because it begins anew, raises
    `PagingError`; so does a list that is moved, for long, by more rows between two
    requests than a page holds.

    **What it costs.** One request for each page, of which one row repeats the last page's
    end: 1 % more requests than a plain loop, and one or two to make sure of the end. A
    deletion before the reader costs about one request, or three where the server repeats
    its last page beyond the end. With `window=1` a page is asked for when its rows are
    wanted; with more, up to `window` requests are in flight and up to four windows of pages
    wait in memory. Pages in flight beyond the end, fewer than a window, are in vain.

    **Leaving early.** `break`, an exception and a cancellation end the iteration, and the
    pages in flight are cancelled at once. To wait for their end as well, use the iterator
    as a context manager:

    ```python
    async with aiter(chat.messages.list(channel_id, window=8)) as messages:
        async for message in messages:
            ...
    ```

    **End.** Nobody says where a list ends: it has ended when nothing more comes. One that grows
    at its end as fast as it is read goes on for as long; `limit` bounds it.

    **Resuming.** `Page.cursor` and the `cursor` of the iterators name a place between two
    rows; so does the `cursor` of every `NcloudChatError` that ends an iteration. It is a
    string of some 550 characters, good in another process and after rows before it came
    and went, as long as one of the 64 rows before it still exists, and fewer than that
    were inserted behind the reader while it read (else as above). The list is read again
    from there on, with any `per_page` and `window`, for the same filter
    and sort. If rows came or went meanwhile the place is searched up and down from where
    it was, with a request for each hundred rows; a list that moves during that search by
    more than a sixth of a page between two requests may repeat a row, once in some
    thousand resumes. Where the server begins the list anew at its end, rows from before
    those 64, and of one with more than 4,000 rows all of them, come again until that is
    noticed.

    Can be iterated many times and by many tasks; each iteration reads anew.

    Args:
        fetch: Asks for one page: `(offset, per_page)` to the rows from there.
        operation: Name of the endpoint, for errors.
        per_page: Rows to ask for, 1 to 100; 100, the most, needs the fewest requests. 1 is
            taken as 2 after the first page, since each page repeats one row.
        offset: Rows to leave out at the beginning, counted at the first request.
        window: Pages in flight, 1 or more. `"auto"` begins with one and takes what
            `suggest` says, or else doubles up to 16 while pages come faster for it.
        limit: Items to give at most; None for all.
        cursor: Place to resume at; `offset` must then be left at 0.
        fingerprint: Name of the list, filter and sort; a cursor of another one is refused.
        suggest: Says how many pages to have in flight, for `window="auto"`.
        route: Path template of the endpoint, for errors and the repr.
        sort: What the rows are sorted by, for the repr.

    Raises:
        ConfigError: An option or the cursor cannot be used; nothing was sent.
    """

    def __init__(
        self,
        fetch: Fetch[T],
        *,
        operation: str,
        per_page: int = 100,
        offset: int = 0,
        window: int | Literal["auto"] = 1,
        limit: int | None = None,
        cursor: str | None = None,
        fingerprint: str = "",
        suggest: Callable[[], int] | None = None,
        route: str = "",
        sort: str = "",
    ) -> None:
        check_whole("per_page", per_page, 1, 100)
        check_whole("offset", offset, 0, _MOST_OFFSET)
        if window != "auto":
            check_whole("window", window, 1, otherwise=", or 'auto'")
        check_whole("limit", limit, 0, optional=True)
        check_text("cursor", cursor, optional=True)
        if cursor is not None and offset:
            raise ConfigError("offset and cursor exclude each other: the cursor knows its place")
        self._fetch = fetch
        self._source = _Source(operation, route, fingerprint)
        self._per_page = per_page
        self._window: int | Literal["auto"] = window
        self._limit = limit
        self._suggest = suggest
        self._sort = sort
        self._start = Cursor(offset, offset, ())
        if cursor is not None:
            self._start = decode_cursor(cursor, fingerprint)

    def __repr__(self) -> str:
        """Show which list is read and how, never ids, the filter's values or rows."""
        start = self._start
        shown = {
            "sort": self._sort or None,
            "per_page": self._per_page,
            "window": self._window,
            "limit": self._limit,
            "offset": start.position or None,
            "resumed": bool(start.marks) or None,
        }
        options = " ".join(f"{k}={v}" for k, v in shown.items() if v is not None)
        return f"<Pages {self._source.operation} {self._source.route or '?'} {options}>"

    def __aiter__(self) -> "ItemIterator[T]":
        return ItemIterator(*self._begin(self._limit))

    def pages(self) -> "PageIterator[T]":
        """Iterate page by page, for work that is done and checkpointed by the page."""
        return PageIterator(*self._begin(self._limit))

    async def first(self) -> T | None:
        """Ask for one row and return it, or None when there is none.

        With a cursor this is the first row after it. A cancelled call leaves nothing in
        flight.

        Raises:
            NcloudChatError: What a page failed with.
        """
        items = await self.to_list(1)
        return items[0] if items else None

    async def to_list(self, limit: int | None = None) -> list[T]:
        """Read the whole list into memory.

        A cancelled call, like one that fails, leaves nothing in flight and gives up the rows
        it read; the `cursor` of an error names the place behind those.

        Args:
            limit: Items at most, if that is fewer than the `limit` of these pages.

        Raises:
            ConfigError: The limit is no whole number, or negative.
            NcloudChatError: What a page failed with.
        """
        check_whole("limit", limit, 0, optional=True)
        if limit is not None:
            limit = limit if self._limit is None else min(limit, self._limit)
        most = self._limit if limit is None else limit
        async with ItemIterator(*self._begin(most)) as items:
            return [item async for item in items]

    def _begin(self, limit: int | None) -> tuple[Ahead[T], Trail[T], int | None, _Source]:
        trail = Trail[T](min(self._per_page, limit or self._per_page), self._start)
        window, suggest = self._window, self._suggest
        if window != "auto":
            ahead = Ahead(self._fetch, trail, lambda: window)
        elif suggest is not None:
            ahead = Ahead(self._fetch, trail, lambda: max(1, suggest()))
        else:
            ramp = Ramp()
            ahead = Ahead(self._fetch, trail, lambda: ramp.window, ramp.page)
        return ahead, trail, limit, self._source
