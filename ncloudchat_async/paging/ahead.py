"""Decides when pages are asked for and owns those in flight; never looks into their rows.

Pages ahead of the reader are asked for at the offsets where they should begin. The trail
judges each as it is put in order; one that was fetched before the list moved costs the
page between, and no row.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from ncloudchat_async.paging.seen import Row
from ncloudchat_async.paging.trail import Ask, Trail

__all__ = ["Ahead", "Fetch"]

# Pages in flight or waiting for their turn, in windows. Under jitter one late page holds up
# the order; with 4 windows of room the others go on meanwhile.
_DEPTH = 4
# Pages in flight more for each page that joined; half of them for each that did not. At the
# begin of a list 2 would waste less, and be later with 16 in flight.
_TRUST = 4

T = TypeVar("T", bound=Row)

Fetch = Callable[[int, int], Awaitable[Sequence[T]]]
"""Asks for one page: `(offset, per_page)` gives the rows from there, in the list's order."""


class _Flight(NamedTuple, Generic[T]):
    """A page that was asked for."""

    offset: int
    rows: asyncio.Future[Sequence[T]]


class Ahead(Generic[T]):
    """Turns the pages of one list, with several in flight.

    Args:
        fetch: Asks for one page.
        trail: Judges the pages.
        window: Pages that may be in flight, 1 or more; asked again for each page.
        turned: Told the time, in seconds, each time a page was put in order.

    Attributes:
        calls: Pages asked for so far.
    """

    # Not an anyio task group: that cannot stay open between two rows, since an iterator
    # left by `break` is not told so. This object owns the workers instead: `drop` cancels
    # them when the iterator goes, `close` waits for their end as well.

    def __init__(
        self,
        fetch: Fetch[T],
        trail: Trail[T],
        window: Callable[[], int],
        turned: Callable[[float], None] | None = None,
    ) -> None:
        self.calls: int = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fetch = fetch
        self._trail = trail
        self._window = window
        self._turned = turned
        self._limit = 1
        self._trust = 0
        self._wanted: int | None = None
        self._workers: dict[asyncio.Task[None], _Flight[T]] = {}
        self._held: dict[int, asyncio.Future[Sequence[T]]] = {}
        self._next = 0
        self._brakes: set[int] = set()
        self._judged: set[int] = set()
        self._launching = False
        self._closed = False

    async def turn(self, wanted: int | None) -> Sequence[T]:
        """Wait for the next page with new rows and return them; empty at the end of the list.

        Left by an error or a cancellation, nothing stays in flight, and the next turn asks
        for the same page again.

        Args:
            wanted: Rows the caller still wants, None for all: no page beyond is asked for.
        """
        self._wanted = wanted
        news: Sequence[T] = ()
        try:
            while not news and self._trail.ask is not None and not self._closed:
                news = await self._judge_one(self._trail.ask)
        except BaseException:
            self.drop()
            raise
        if not news:
            self.drop()
        return news

    def drop(self) -> None:
        """Cancel the pages in flight and forget those that wait for their turn."""
        self._launching = False
        for worker in self._workers:
            worker.cancel()
        self._held.clear()
        self._brakes.clear()
        self._judged.clear()

    async def close(self) -> None:
        """Cancel the pages in flight and wait for their end; no page comes after that.

        The page that another task awaits right now is left to it, and then thrown away.
        """
        self._closed = True
        self.drop()
        if self._workers:
            await asyncio.wait(self._workers)

    def abandon(self) -> None:
        """Cancel the pages in flight from wherever the garbage collector runs."""
        if not self._workers or self._loop is None or self._loop.is_closed():
            return
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self.drop()
        else:
            self._loop.call_soon_threadsafe(self.drop)

    async def _judge_one(self, ask: Ask) -> Sequence[T]:
        if not ask.fresh:
            self._launch_ahead()
        held = None if ask.fresh else self._covering(ask)
        if held is None:
            rows = await self._ask_now(ask)
            if self._closed:
                return ()
            news = self._trail.take(ask.offset, rows)
        else:
            offset, page = held
            await self._arrival(page)
            if self._closed:
                return ()
            rows = page.result()
            if offset < ask.offset and offset + len(rows) <= self._trail.position:
                return ()  # it is shorter than it should be and brings nothing
            news = self._trail.take(offset, rows)
            if news is None and offset not in self._judged:
                # The page before it is missing, not this one: it may join after that.
                self._judged.add(offset)
                self._held[offset] = page
        if news is None:
            self._trust //= 2
        else:
            self._trust = min(self._trust + _TRUST, _DEPTH * self._limit + _TRUST)
        if self._turned:
            self._turned(time.monotonic())
        if news and self._wanted is not None:
            self._wanted -= len(news)
        if self._trail.ask is not None and not self._trail.ask.fresh:
            self._launch_ahead()
        return news or ()

    async def _arrival(self, page: "asyncio.Future[Sequence[T]]") -> None:
        if page.done():
            # Pages come in bursts: others have their turn between two of them.
            await asyncio.sleep(0)
        else:
            # Not `await page`: that would cancel the page with the reader, and take one that
            # was cancelled by `close` for a cancellation of the reader.
            await asyncio.wait((page,))

    async def _ask_now(self, ask: Ask) -> Sequence[T]:
        """Ask for one page before any further one."""
        self._launching = False
        while len(self._workers) >= self._limit:
            await asyncio.wait(self._workers, return_when=asyncio.FIRST_COMPLETED)
        if self._closed:
            return ()
        return await self._page(ask.offset, ask.per_page)

    def _covering(self, ask: Ask) -> _Flight[T] | None:
        """Take out the first page asked for already that reaches from the rows that came on."""
        offset = min(self._held, default=ask.offset + 1)
        if offset > ask.offset:
            return None
        self._brakes.discard(offset)
        return _Flight(offset, self._held.pop(offset))

    def _launch_ahead(self) -> None:
        """Ask for pages until the window is full, as far as the list is known to go on."""
        self._align()
        # At first only as far ahead as the list was found to reach, so that a short list
        # does not cost a window of pages beyond its end; and less far while it moves much.
        self._limit = min(self._window(), max(1, self._trust))
        self._launching = self._limit > 1 and self._trail.steady
        self._fill()

    def _align(self) -> None:
        """Forget held pages that hold nothing new, or that begin a page or more too late."""
        trail = self._trail
        for offset in sorted(self._held):
            if offset + trail.full > trail.position:
                break
            self._forget(offset)
        first = min(self._held, default=None)
        if first is None or first >= trail.position - 1 + trail.full:
            for offset in list(self._held):
                self._forget(offset)
            self._next = max(0, trail.position - 1)

    def _forget(self, offset: int) -> None:
        # A page in flight is left to land: cancelling it would cost its connection.
        del self._held[offset]
        self._brakes.discard(offset)
        self._judged.discard(offset)

    def _fill(self) -> None:
        while len(self._workers) < self._limit and (flight := self._reserve()):
            self._loop = asyncio.get_running_loop()
            worker = self._loop.create_task(self._work(flight))
            self._workers.setdefault(worker, flight)  # an eager task is further already
            worker.add_done_callback(self._leave)

    def _reserve(self) -> _Flight[T] | None:
        """Hold a place for the next page, if it is wanted already."""
        offset = self._next
        if (
            not self._launching
            or self._brakes
            or len(self._held) >= _DEPTH * self._limit
            or (self._wanted is not None and offset >= self._trail.position - 1 + self._wanted)
        ):
            return None
        self._next += self._trail.full - 1
        self._held[offset] = asyncio.get_running_loop().create_future()
        return _Flight(offset, self._held[offset])

    async def _work(self, flight: _Flight[T] | None) -> None:
        # Not a task for each page: that would ask for the next one a step of the loop later,
        # after all else that is ready, such as the other pages that came just now.
        worker = asyncio.current_task()
        assert worker is not None, "coroutines run in tasks"
        while flight:
            self._workers[worker] = flight
            offset, rows = flight
            try:
                rows.set_result(await self._page(offset, self._trail.per_page))
            except BaseException as error:
                rows.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            finally:
                # Asking for the exception marks it as seen: it matters only if the page is
                # needed.
                if rows.exception() is not None or len(rows.result()) < self._trail.full:
                    self._brake(flight)
            # A cancellation may have been swallowed, when the page came in the same moment.
            go_on = len(self._workers) <= self._limit and not worker.cancelling()
            flight = self._reserve() if go_on else None

    async def _page(self, offset: int, per_page: int) -> Sequence[T]:
        # Counted here, since a worker that is cancelled before it begins asks for nothing.
        self.calls += 1
        return await self._fetch(offset, per_page)

    def _brake(self, flight: _Flight[T]) -> None:
        """Ask for nothing further until this page was judged."""
        if self._held.get(flight.offset) is flight.rows:
            self._brakes.add(flight.offset)

    def _leave(self, worker: asyncio.Task[None]) -> None:
        self._workers.pop(worker).rows.cancel()  # it never began, or the page is there
        if not worker.cancelled():
            worker.exception()  # the reader gets it
        if not worker.cancelling():
            self._fill()
