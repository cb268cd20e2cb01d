"""`Pages`: what its reader meets, page by page and row by row."""

import asyncio
import gc
import pickle
import weakref
from collections.abc import Callable, Sequence
from contextlib import aclosing

import pytest

from ncloudchat_async.errors import ConfigError, NcloudChatError, PagingError, ServerError
from ncloudchat_async.paging import ItemIterator, Page, Pages
from tests.unit.paging_fakes import Item, Schedule, Server, items

WINDOWS = pytest.mark.parametrize("window", [1, 2, 8])


def lists(rows: int) -> Server:
    """A server with a list that stands still."""
    server = Server(Schedule(seed=1, rows=0))
    server.view = items(rows)
    return server


def of(server: Server, **options: object) -> Pages[Item]:
    """The pages of a server's list."""
    return Pages(server.fetch, operation="Things.list", **options)  # type: ignore[arg-type] # free


def others() -> set[asyncio.Task[object]]:
    """Every task but those that run this test."""
    tests = {task for task in asyncio.all_tasks() if "TestRunner" in str(task.get_coro())}
    return asyncio.all_tasks() - tests - {asyncio.current_task()}


async def collect(pages: Pages[Item], got: list[Item]) -> None:
    """Read to the end or to an error, and keep what came before it."""
    async for row in pages:
        got.append(row)


class Outcome(BaseException):
    """As test frameworks raise them."""


class Held:
    """A server that answers only when told to, and counts what it was asked for."""

    def __init__(self, rows: Sequence[Item], free: int = 0) -> None:
        self.rows = rows
        self.free = free
        self.waiting: dict[int, asyncio.Future[None]] = {}
        self.asked = self.cancelled = 0
        self.fails: dict[int, BaseException] = {}
        self.answers: dict[int, Sequence[Item]] = {}

    async def fetch(self, offset: int, per_page: int) -> Sequence[Item]:
        """Answer at once up to the offset `free`, else when released."""
        self.asked += 1
        if offset > self.free:
            self.waiting[offset] = asyncio.get_running_loop().create_future()
            try:
                await self.waiting[offset]
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            finally:
                del self.waiting[offset]
        if offset in self.fails:
            raise self.fails[offset]
        return self.answers.pop(offset, self.rows[offset : offset + per_page])

    async def answer(self) -> None:
        """Release every page as soon as others had their turn."""
        while True:
            for page in self.waiting.values():
                page.set_result(None)
            await asyncio.sleep(0)


async def until(done: Callable[[], bool]) -> None:
    """Let other tasks run until something holds."""
    for _ in range(1000):
        if done():
            return
        await asyncio.sleep(0)
    raise AssertionError("never happened")


@WINDOWS
async def test_items_come_in_order_and_again_for_a_second_reader(window: int) -> None:
    """One `Pages` can be iterated many times; each iteration reads anew."""
    server = lists(250)
    pages = of(server, window=window)
    assert [row async for row in pages] == items(250)
    del server.view[:100]
    assert await pages.to_list() == items(250)[100:]


@WINDOWS
async def test_pages_tell_their_items_offset_and_cursor(window: int) -> None:
    """A page holds what did not come before, where that stood, and how to go on."""
    server = lists(250)
    found: list[Page[Item]] = [page async for page in of(server, window=window).pages()]
    assert [row for page in found for row in page.items] == items(250)
    assert all(page.items[0].id == f"row-{page.offset}" for page in found)
    assert all(1 <= len(page.items) <= 100 for page in found)
    for number, page in enumerate(found):
        rest = [row for later in found[number + 1 :] for row in later.items]
        assert await of(server, cursor=page.cursor).to_list() == rest


async def test_first_asks_for_one_row_only() -> None:
    """`first` is one request of one row, None for an empty list, and knows cursors."""
    asked: list[tuple[int, int]] = []
    server = lists(5)

    async def fetch(offset: int, per_page: int) -> Sequence[Item]:
        asked.append((offset, per_page))
        return await server.fetch(offset, per_page)

    pages = Pages(fetch, operation="Things.list")
    assert await pages.first() == Item("row-0")
    assert asked == [(0, 1)]
    assert await of(lists(0)).first() is None
    cursor = [page.cursor async for page in of(server, limit=3).pages()][-1]
    assert await of(server, cursor=cursor).first() == Item("row-3")


@WINDOWS
@pytest.mark.parametrize("limit", [0, 1, 99, 100, 101, 175, 900])
async def test_limit_bounds_items_and_requests(window: int, limit: int) -> None:
    """No more items come than asked for, and no page is asked for in vain."""
    server = lists(300)
    assert await of(server, window=window, limit=limit).to_list() == items(300)[:limit]
    if limit <= 175:
        assert server.calls == -(-limit // 100)
    assert await of(server, window=window).to_list(limit) == items(300)[:limit]
    assert await of(server, limit=5).to_list(limit) == items(300)[: min(5, limit)]


async def test_offset_leaves_rows_out() -> None:
    """An iteration may begin in the middle."""
    assert await of(lists(30), offset=10, per_page=4).to_list() == items(30)[10:]
    assert await of(lists(3), offset=10).to_list() == []


@pytest.mark.parametrize(
    "options",
    [
        {"per_page": 0},
        {"per_page": 101},
        {"offset": -1},
        {"window": 0},
        {"limit": -1},
        {"cursor": ""},
        {"cursor": "nonsense"},
        {"cursor": "?" * 9},
        {"cursor": "ü"},
        {"offset": 10**20},
        {"cursor": "A" * 100_000},
    ],
)
async def test_unusable_options_are_refused_before_anything_is_sent(
    options: dict[str, object],
) -> None:
    """Misuse raises where it is written."""
    server = lists(3)
    with pytest.raises(ConfigError):
        of(server, **options)
    with pytest.raises(ConfigError):
        await of(server).to_list(-1)
    assert server.calls == 0


async def test_a_cursor_belongs_to_one_list() -> None:
    """A cursor of another list, filter or sort is refused, as is one beside an offset."""
    server = lists(30)
    pages = [page async for page in of(server, fingerprint="a").pages()]
    with pytest.raises(ConfigError, match="another list"):
        of(server, fingerprint="b", cursor=pages[0].cursor)
    with pytest.raises(ConfigError, match="exclude"):
        of(server, fingerprint="a", cursor=pages[0].cursor, offset=3)


@WINDOWS
async def test_resumes_at_every_row_while_rows_before_come_and_go(window: int) -> None:
    """Cut anywhere, read and resumed rows together are the list."""
    whole = items(120)
    server = lists(120)
    rows = aiter(of(server, window=window, per_page=50))
    cursors = [rows.cursor]
    async for _ in rows:
        cursors.append(rows.cursor)
    for cut, cursor in enumerate(cursors):
        came = [Item(f"come-{n}") for n in range(130)]
        moved = (
            whole,
            came + whole,
            whole[: max(0, cut - 40)] + whole[max(0, cut - 1) :],
            came + whole[: cut // 2] + whole[max(0, cut - 1) :],
            whole[cut:],
        )
        for server.view in moved if cut else moved[:1]:
            rest = await of(server, window=window, cursor=cursor, per_page=30).to_list()
            assert whole[:cut] + rest == whole


async def test_a_cursor_is_short_and_says_nothing() -> None:
    """It fits a checkpoint line and holds neither ids nor the filter."""
    server = lists(500)
    rows = aiter(of(server, fingerprint="secret filter"))
    async for _ in rows:
        pass
    assert len(rows.cursor) < 600
    assert rows.cursor.isascii()
    assert "row-" not in rows.cursor


@WINDOWS
async def test_an_error_carries_the_cursor_of_the_last_good_row(window: int) -> None:
    """What ends an iteration says where to go on, also from another process."""
    held = Held(items(500), free=1000)
    held.fails[297] = ServerError("down", http_status=503)
    pages = Pages(held.fetch, operation="Things.list", window=window)
    got: list[Item] = []
    with pytest.raises(ServerError) as caught:
        await collect(pages, got)
    assert got == items(500)[:298]
    cursor = pickle.loads(pickle.dumps(caught.value)).cursor
    held.fails.clear()
    rest = await Pages(held.fetch, operation="Things.list", cursor=cursor).to_list()
    assert got + rest == items(500)
    await until(lambda: not others())


@WINDOWS
async def test_after_an_error_the_same_iterator_goes_on(window: int) -> None:
    """A failed `anext` takes no row: the next one asks again."""
    held = Held(items(300), free=1000)
    held.fails[99] = ServerError("down")
    rows = aiter(Pages(held.fetch, operation="Things.list", window=window))
    got = [await anext(rows) for _ in range(100)]
    for _ in range(2):
        with pytest.raises(ServerError):
            await anext(rows)
    held.fails.clear()
    assert got + [row async for row in rows] == items(300)


async def test_a_page_ahead_that_fails_matters_only_when_it_is_needed() -> None:
    """The rows before it still come; and if nobody asks for it nobody is told."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    held = Held(items(1000), free=5000)
    held.fails[198] = held.fails[297] = ServerError("down")
    async with aiter(Pages(held.fetch, operation="Things.list", window=4)) as rows:
        assert [await anext(rows) for _ in range(199)] == items(1000)[:199]
    rows = aiter(Pages(held.fetch, operation="Things.list", window=4, limit=150))
    assert [row async for row in rows] == items(150)
    del rows
    gc.collect()
    assert told == []


@pytest.mark.parametrize("how", ["break", "raise", "cancel", "aclose", "drop"])
async def test_leaving_early_cancels_the_pages_in_flight(how: str) -> None:
    """However an iteration is left, no request and no task outlives it."""
    held = Held(items(3000))
    pages = Pages(held.fetch, operation="Things.list", window=4)

    async def reader() -> None:
        async for row in pages:
            if row.id == "row-50" and how == "break":
                break
            if row.id == "row-50" and how == "raise":
                raise ValueError("enough")

    if how in {"break", "raise", "cancel"}:
        task = asyncio.create_task(reader())
        if how == "cancel":
            await until(lambda: len(held.waiting) == 4)
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() is (how == "cancel")
        assert isinstance(None if task.cancelled() else task.exception(), ValueError) is (
            how == "raise"
        )
        del task
    else:
        rows = aiter(pages)
        await anext(rows)
        await until(lambda: len(held.waiting) == 4)
        if how == "aclose":
            await rows.aclose()
            assert not held.waiting
            with pytest.raises(StopAsyncIteration):
                await anext(rows)
        del rows
    gc.collect()
    await until(lambda: not held.waiting)
    await until(lambda: not others())


async def test_an_iterator_is_its_own_context() -> None:
    """`async with` and `aclosing` wait for the end of what was in flight."""
    held = Held(items(3000))
    for rows in (
        aiter(Pages(held.fetch, operation="Things.list", window=3)),
        Pages(held.fetch, operation="Things.list", window=3).pages(),
    ):
        async with rows:
            await anext(rows)
            await until(lambda: len(held.waiting) == 3)
        assert not held.waiting
        assert not others()
    async with aclosing(Pages(held.fetch, operation="Things.list", window=3).pages()) as pages:
        await anext(pages)
    assert not others()


async def test_a_cancelled_anext_takes_no_row() -> None:
    """A reader may wait for a row with a time-out and try again."""
    held = Held(items(150))
    rows = aiter(Pages(held.fetch, operation="Things.list", window=2))
    got = [await anext(rows) for _ in range(100)]
    waiting = asyncio.ensure_future(anext(rows))
    await until(lambda: bool(held.waiting))
    waiting.cancel()
    await asyncio.wait([waiting])
    held.free = 1000
    assert got + [row async for row in rows] == items(150)


async def test_closing_ends_a_reader_that_waits() -> None:
    """`aclose` from another task ends the iteration as if the list were read."""
    held = Held(items(500))
    rows = aiter(Pages(held.fetch, operation="Things.list", window=4))
    for _ in range(100):
        await anext(rows)
    waiting = asyncio.ensure_future(anext(rows))
    await until(lambda: len(held.waiting) == 4)
    await rows.aclose()
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert not others()


@pytest.mark.parametrize("kind", ["items", "pages"])
async def test_closing_while_the_first_page_is_awaited_gives_nothing_out(kind: str) -> None:
    """What comes after `aclose` is neither a row nor an empty page, and nothing is asked for."""
    held = Held(items(500), free=-1)
    pages = Pages(held.fetch, operation="Things.list")
    rows = aiter(pages) if kind == "items" else pages.pages()
    waiting = asyncio.ensure_future(anext(rows))
    await until(lambda: bool(held.waiting))
    await rows.aclose()
    held.waiting[0].set_result(None)
    with pytest.raises(StopAsyncIteration):
        await waiting
    with pytest.raises(StopAsyncIteration):
        await anext(rows)
    assert not held.waiting
    assert not others()


async def test_closing_ends_a_reader_that_waits_for_a_later_page() -> None:
    """So it does when those in flight have answered before."""
    held = Held(items(3000))
    pages = Pages(held.fetch, operation="Things.list", window=2).pages()
    await anext(pages)
    for _ in range(4):
        await until(lambda: len(held.waiting) == 2)
        held.waiting[min(held.waiting)].set_result(None)
        await anext(pages)
    reader = asyncio.ensure_future(anext(pages, None))
    await until(lambda: len(held.waiting) == 2)
    await asyncio.gather(pages.aclose(), until(reader.done))
    assert reader.result() is None
    assert not others()


async def test_closing_before_a_page_ahead_was_asked_for_ends_the_reader_too() -> None:
    """A worker that never began asks for nothing, and leaves nobody waiting for it."""
    held, window = Held(items(1000)), 1
    pages = Pages(held.fetch, operation="Things.list", window="auto", suggest=lambda: window)
    rows = aiter(pages)
    for _ in range(100):
        await anext(rows)
    window = 2
    reader = asyncio.ensure_future(anext(rows, None))
    await asyncio.gather(rows.aclose(), until(reader.done))
    assert reader.result() is None
    assert held.asked == 1


async def test_closing_ends_the_wait_for_room_without_a_request() -> None:
    """A page that waits until fewer are in flight is not asked for once the iterator is closed."""
    held = Held(items(1000), free=0)
    rows = aiter(Pages(held.fetch, operation="Things.list", window=2))
    for _ in range(100):
        await anext(rows)
    waiting = asyncio.ensure_future(anext(rows))
    await until(lambda: len(held.waiting) == 2)
    held.rows = items(1000)[50:]
    held.waiting[99].set_result(None)
    await until(lambda: 99 not in held.waiting and len(held.waiting) == 2)
    for _ in range(5):
        await asyncio.sleep(0)
    asked, held.free = held.asked, 5000
    await rows.aclose()
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert held.asked == asked
    assert not others()


async def test_many_tasks_share_one_iterator() -> None:
    """Each item goes to one of them."""
    rows = aiter(of(lists(500), window=4))
    got: list[Item] = []

    async def work(rows: ItemIterator[Item]) -> None:
        async for row in rows:
            got.append(row)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as workers:
        for _ in range(5):
            workers.create_task(work(rows))
    assert sorted(got, key=lambda row: int(row.id[4:])) == items(500)


async def test_memory_in_flight_is_bounded_by_the_window() -> None:
    """While nobody takes rows, no more than four windows of pages are fetched."""
    server = lists(30_000)
    rows = aiter(of(server, window=8))
    for _ in range(3_000):
        await anext(rows)
    for _ in range(2_000):
        await asyncio.sleep(0)
    assert server.calls <= 30 + 1 + 4 * 8
    assert server.most_in_flight <= 8
    await rows.aclose()


async def test_a_late_page_does_not_hold_up_those_behind_it() -> None:
    """Pages behind a late one are fetched meanwhile, and come in order."""
    server = lists(2_000)
    late = asyncio.get_running_loop().create_future()

    async def fetch(offset: int, per_page: int) -> Sequence[Item]:
        if offset == 99:
            await late
        return await server.fetch(offset, per_page)

    reading = asyncio.ensure_future(Pages(fetch, operation="x", window=4).to_list())
    await until(lambda: server.calls >= 10)
    late.set_result(None)
    assert await reading == items(2_000)


async def test_nothing_is_asked_for_ahead_of_a_page_that_failed() -> None:
    """What is in flight lands, but a server that is down gets no window of requests more."""
    held = Held(items(3000))
    held.fails[198] = ServerError("down")
    async with aiter(Pages(held.fetch, operation="Things.list", window=4)) as rows:
        await anext(rows)
        await until(lambda: len(held.waiting) == 4)
        held.waiting[198].set_result(None)
        await until(lambda: 198 not in held.waiting)
        held.waiting[297].set_result(None)
        await until(lambda: 297 not in held.waiting)
        for _ in range(9):
            await asyncio.sleep(0)
        assert held.asked == 5


@pytest.mark.parametrize("kind", [asyncio.CancelledError, Outcome])
async def test_what_is_no_ordinary_error_reaches_the_reader_as_it_is(
    kind: type[BaseException],
) -> None:
    """So it does with a window of 1; nothing is asked for beyond it, and nothing is logged."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    held = Held(items(9000), free=5000)
    held.fails[198] = kind()
    got: list[Item] = []
    with pytest.raises(kind):
        await collect(Pages(held.fetch, operation="Things.list", window=4), got)
    assert got == items(199)
    assert held.asked <= 2 + 4 * 4
    await until(lambda: not others())
    held.fails.clear()
    gc.collect()
    assert told == []


def test_an_exit_in_a_page_ahead_ends_the_loop_at_once() -> None:
    """`SystemExit` and `KeyboardInterrupt` do not wait until somebody needs the page."""
    held = Held(items(9000), free=5000)
    held.fails[198] = SystemExit(7)

    async def read() -> None:
        async with aiter(Pages(held.fetch, operation="Things.list", window=4)) as rows:
            await anext(rows)
            await until(lambda: False)

    with pytest.raises(SystemExit):
        asyncio.run(read())


async def test_a_page_that_came_short_does_not_end_reading_ahead() -> None:
    """Where a server cuts a page, the full ones behind it are asked for ahead again."""
    held = Held(items(9000))
    held.answers[99] = held.rows[99:150]
    async with Pages(held.fetch, operation="Things.list", window=4).pages() as pages:
        await anext(pages)
        await until(lambda: len(held.waiting) == 4)
        answering = asyncio.ensure_future(held.answer())
        for _ in range(12):
            await anext(pages)
        answering.cancel()
        for _ in range(8):  # pages that wait in memory leave room for others
            await anext(pages)
        await until(lambda: len(held.waiting) == 4)


async def test_a_cancelled_worker_asks_for_nothing_more_if_the_page_came_anyway() -> None:
    """A fetch may swallow its cancellation; `asyncio.run` would wait for more pages then."""
    held = Held(items(9000))

    async def fetch(offset: int, per_page: int) -> Sequence[Item]:
        try:
            return await held.fetch(offset, per_page)
        except asyncio.CancelledError:
            return held.rows[offset : offset + per_page]

    async with aiter(Pages(fetch, operation="Things.list", window=4)) as rows:
        await anext(rows)
        await until(lambda: len(held.waiting) == 4)
        for worker in others():
            worker.cancel()
        await until(lambda: not others())
        await asyncio.sleep(0)
        assert not others()
        assert held.asked == 5


async def test_pages_that_were_read_are_let_go() -> None:
    """Whoever asked for a page does not keep it in memory while it asks for others."""
    held = Held(items(3000))
    async with Pages(held.fetch, operation="Things.list", window=4).pages() as pages:
        await anext(pages)
        await until(lambda: len(held.waiting) == 4)
        answers: list[weakref.ref[object]] = []

        class Rows(list[Item]):
            """A page that can be watched."""

        for offset in list(held.waiting):
            page = Rows(items(3000)[offset : offset + 100])
            answers.append(weakref.ref(page))
            held.answers[offset] = page
            del page
            held.waiting[offset].set_result(None)
        for _ in range(4):
            await anext(pages)
        gc.collect()
        assert sum(answer() is not None for answer in answers) <= 1


async def test_first_with_a_cursor_asks_for_no_page_twice() -> None:
    """Also where the row before the place is the last of the page that was searched."""
    cursor = [page.cursor async for page in of(lists(300), limit=150).pages()][-1]
    asked: list[int] = []
    rows = items(300)[1:]

    async def fetch(offset: int, per_page: int) -> Sequence[Item]:
        asked.append(offset)
        await asyncio.sleep(0)
        return rows[offset : offset + per_page]

    pages = Pages(fetch, operation="Things.list", window=8, cursor=cursor)
    assert await pages.first() == Item("row-150")
    assert asked == [149, 49, 148]


async def test_the_next_page_is_asked_for_in_the_step_in_which_one_came() -> None:
    """A request does not wait for all else that is ready, such as what others decode."""
    held = Held(items(3000))
    async with aiter(Pages(held.fetch, operation="Things.list", window=4)) as rows:
        await anext(rows)
        await until(lambda: len(held.waiting) == 4)
        asked_before_others: list[int] = []
        for page in list(held.waiting.values()):
            page.set_result(None)
            asyncio.get_running_loop().call_soon(lambda: asked_before_others.append(held.asked))
        await until(lambda: len(asked_before_others) == 4)
        assert asked_before_others == [6, 7, 8, 9]


async def test_pages_that_are_there_leave_others_their_turn() -> None:
    """A reader that only takes what waits in memory does not keep the loop to itself."""
    held, steps = Held(items(3000)), 0

    async def other() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    async with Pages(held.fetch, operation="Things.list", window=4).pages() as pages:
        await anext(pages)
        await until(lambda: len(held.waiting) == 4)
        for page in list(held.waiting.values()):
            page.set_result(None)
        await until(lambda: held.asked == 9)
        task = asyncio.ensure_future(other())
        for read in range(4):
            assert steps >= read
            await anext(pages)
        task.cancel()


async def test_a_window_that_shrinks_has_fewer_pages_in_flight() -> None:
    """Those in flight beyond it land, and are followed by as many as it allows."""
    held, window = Held(items(6000)), 8
    pages = Pages(held.fetch, operation="Things.list", window="auto", suggest=lambda: window)
    async with pages.pages() as reader:
        await anext(reader)
        for _ in range(2):  # the window opens with the trust in the list
            await until(lambda: len(held.waiting) >= 4)
            held.waiting[min(held.waiting)].set_result(None)
            await anext(reader)
        await until(lambda: len(held.waiting) == 8)
        window = 6
        held.waiting[min(held.waiting)].set_result(None)
        await anext(reader)
        assert len(held.waiting) == 7
        for page in list(held.waiting.values()):
            page.set_result(None)
        await until(lambda: len(held.waiting) == 6)
        window = 2
        await anext(reader)
        for page in list(held.waiting.values()):
            page.set_result(None)
        for _ in range(6):
            await anext(reader)
        await until(lambda: len(held.waiting) == 2)
        for _ in range(9):
            await asyncio.sleep(0)
            assert len(held.waiting) == 2


async def test_costs_few_calls_more_than_a_plain_loop() -> None:
    """At most 1.05 times, when nothing changes, also with pages in flight."""
    for window in (1, 16):
        server = lists(20_000)
        assert len(await of(server, window=window).to_list()) == 20_000
        assert server.calls <= 1.05 * 201 + (window > 1) * 8


@pytest.mark.parametrize("rows", [0, 1, 30, 99])
async def test_a_short_list_is_not_read_ahead(rows: int) -> None:
    """A first page that is not full is followed by what makes sure of the end, no more."""
    server = lists(rows)
    assert await of(server, window=16).to_list() == items(rows)
    assert server.calls <= 3


@WINDOWS
async def test_a_server_that_repeats_pages_ends_in_an_error(window: int) -> None:
    """The error names the operation and how many requests were made in vain."""

    async def fetch(offset: int, per_page: int) -> Sequence[Item]:
        await asyncio.sleep(0)
        return items(per_page)

    got: list[Item] = []
    with pytest.raises(PagingError, match=r"Things\.list: .*repeats") as caught:
        await collect(Pages(fetch, operation="Things.list", window=window), got)
    assert got == items(100)
    assert 3 <= caught.value.attempts <= 6 + 4 * window, "more than what may wait in memory"
    assert caught.value.cursor is not None
    await until(lambda: not others())


@pytest.mark.parametrize("window", [1, 2, 3, 4, 16])
async def test_an_error_counts_the_requests_that_were_made(window: int) -> None:
    """A page ahead that was cancelled before it was asked for is none of them."""
    asked: list[int] = []

    async def fetch(offset: int, per_page: int) -> Sequence[Item]:
        asked.append(offset)
        return items(101)[min(offset, 1) :][:per_page]

    with pytest.raises(PagingError) as caught:
        await Pages(fetch, operation="Things.list", window=window).to_list()
    assert caught.value.attempts == len(asked)


async def test_auto_takes_the_window_it_is_told() -> None:
    """With `suggest` its word holds, at least 1, and may change while reading."""
    server = lists(5_000)
    told = [3]
    rows = aiter(of(server, window="auto", suggest=lambda: told[0]))
    for _ in range(2_000):
        await anext(rows)
    assert server.most_in_flight == 3
    told[0] = 0
    assert len([row async for row in rows]) == 3_000
    assert server.most_in_flight == 3


async def test_auto_without_a_word_reads_everything() -> None:
    """The window is then found by trying, and stays within 16."""
    server = lists(20_000)
    assert await of(server, window="auto").to_list() == items(20_000)
    assert 1 <= server.most_in_flight <= 16


async def test_other_errors_pass_unchanged() -> None:
    """A mistake in the fetch callable is not ours to wrap."""

    async def fetch(offset: int, per_page: int) -> Sequence[Item]:
        raise LookupError("a bug")

    with pytest.raises(LookupError):
        await Pages(fetch, operation="x").first()
    assert NcloudChatError("x").cursor is None


def test_an_iterator_dropped_after_its_loop_is_gone_does_no_harm() -> None:
    """The garbage collector may come late."""
    held = Held(items(3000))

    async def begin() -> ItemIterator[Item]:
        rows = aiter(Pages(held.fetch, operation="x", window=4))
        await anext(rows)
        await until(lambda: len(held.waiting) == 4)
        return rows

    rows = asyncio.run(begin())
    del rows
    gc.collect()
    assert held.cancelled == 4
