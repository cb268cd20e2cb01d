"""The bounded fan-out: how far it reads, what it yields, what it leaves behind."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, TypeVar

import anyio
import pytest

from ncloudchat_async.bulk.fanout import Hosted, Result, Run, run_many
from ncloudchat_async.bulk.source import Source
from ncloudchat_async.errors import ConfigError, NcloudChatError, NotSentError
from tests.unit.bulk_fakes import turns

OutT = TypeVar("OutT")


async def double(item: int) -> int:
    """Give the loop a turn, as any call does."""
    await anyio.lowlevel.checkpoint()
    return 2 * item


async def refuse(item: int) -> int:
    """Fail for every third item."""
    await anyio.lowlevel.checkpoint()
    if item % 3 == 0:
        raise NotSentError(f"no {item}")
    return item


async def stream(count: int) -> AsyncIterator[int]:
    """An async input that makes its readers wait."""
    for item in range(count):
        await anyio.lowlevel.checkpoint()
        yield item


async def drain(run: Run[Any, OutT], into: list[OutT] | None = None) -> None:
    """Read a job to its end."""
    async with run:
        async for result in run:
            if into is not None:
                into.append(result)


async def test_every_item_gives_one_result() -> None:
    """Each item comes out once, with its own value."""
    async with run_many(double, range(1000), max_in_flight=7) as run:
        results = [result async for result in run]
    assert sorted(result.item for result in results) == list(range(1000))
    assert all(result.value == 2 * result.item for result in results)


async def test_async_input_is_shared_by_the_workers() -> None:
    """An async iterable is asked by one worker at a time and read to its end."""
    async with run_many(double, stream(200), max_in_flight=16) as run:
        assert sorted([result.item async for result in run]) == list(range(200))


async def test_failures_are_results_and_stop_nothing() -> None:
    """An error of the package is the result of its item; the others go on."""
    async with run_many(refuse, range(30)) as run:
        results = [result async for result in run]
    assert sorted(result.item for result in results if result.error) == list(range(0, 30, 3))
    assert sum(result.error is None for result in results) == 20


async def test_a_foreign_error_ends_the_job_as_it_is() -> None:
    """An error that is not to be caught cancels the job and is not wrapped in a group."""

    async def divide(item: int) -> float:
        await anyio.lowlevel.checkpoint()
        return 1 / item

    with pytest.raises(ZeroDivisionError):
        await drain(run_many(divide, [3, 2, 1, 0]))


async def test_errors_at_the_same_moment_come_as_one() -> None:
    """The first foreign error is raised as it is, and tells how many came with it."""
    go = asyncio.Event()

    async def fail(item: int) -> None:
        await go.wait()
        raise ValueError(item)

    async def read() -> None:
        async with run_many(fail, [1, 2, 3]) as run:
            await turns()
            go.set()
            await anext(run)

    with pytest.raises(ValueError, match="1") as caught:
        await read()
    assert caught.value.args == (1,)
    assert caught.value.__notes__ == ["2 more calls failed at the same time"]


async def test_foreign_errors_can_be_caught() -> None:
    """`catch` names further errors that are results."""

    async def divide(item: int) -> float:
        return 1 / item

    async with run_many(divide, [1, 0], catch=ArithmeticError) as run:
        errors = [type(result.error) async for result in run]
    assert errors == [type(None), ZeroDivisionError]


async def test_no_more_calls_than_allowed_run_at_once() -> None:
    """`max_in_flight` bounds the calls, and is reached."""
    running = peak = 0

    async def call(item: int) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await anyio.lowlevel.checkpoint()
        running -= 1

    async with run_many(call, range(100), max_in_flight=5) as run:
        assert len([result async for result in run]) == 100
    assert peak == 5


async def test_unread_results_stop_the_reading() -> None:
    """A reader that stops reading stops the input after the calls and results allowed."""
    pulled = 0

    def numbers() -> Iterator[int]:
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled

    async with run_many(double, numbers(), max_in_flight=4) as run:
        for wanted in range(1, 50):
            await anext(run)
            await turns()
            assert pulled <= wanted + 2 * 4


async def test_leaving_early_cancels_and_leaves_nothing() -> None:
    """Breaking out of the loop cancels what is in flight and waits for it."""
    cancelled = 0

    async def hang(item: int) -> int:
        nonlocal cancelled
        if item == 0:
            return item
        try:
            await anyio.sleep_forever()
        finally:
            cancelled += 1
        raise AssertionError

    before = asyncio.all_tasks()
    async with run_many(hang, range(10), max_in_flight=4) as run:
        await anext(run)
        await turns()
    assert cancelled == 4
    assert asyncio.all_tasks() == before


async def test_a_run_is_read_without_entering_it() -> None:
    """`async for` alone runs it, to its end, and leaves nothing behind."""
    before = asyncio.all_tasks()
    results = [result async for result in run_many(double, range(100), max_in_flight=7)]
    assert sorted(result.value or 0 for result in results) == list(range(0, 200, 2))
    await turns()
    assert asyncio.all_tasks() == before


async def test_a_run_that_was_not_entered_raises_what_ends_it() -> None:
    """An error of the input comes after the results, and the end is the end ever after."""

    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("row 2")

    results = aiter(run_many(double, broken()))
    assert (await anext(results)).item == 1
    with pytest.raises(ValueError, match="row 2"):
        await anext(results)
    with pytest.raises(StopAsyncIteration):
        await anext(results)


@pytest.mark.parametrize("how", ["break", "cancel", "aclose"])
async def test_leaving_a_run_that_was_not_entered_leaves_nothing(how: str) -> None:
    """However its iterator is left, the calls in flight are cancelled."""
    running = 0

    async def hang(item: int) -> int:
        nonlocal running
        if item == 0:
            return item
        running += 1
        try:
            await anyio.sleep_forever()
        finally:
            running -= 1
        raise AssertionError

    before = asyncio.all_tasks()
    if how == "break":
        async for _ in run_many(hang, range(10), max_in_flight=4):
            break
    elif how == "cancel":
        with anyio.move_on_after(0.01):
            async for _ in run_many(hang, range(10), max_in_flight=4):
                pass
    else:
        results = aiter(run_many(hang, range(10), max_in_flight=4))
        assert isinstance(results, Hosted)
        await anext(results)
        await turns()
        assert running == 4
        await results.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    gc.collect()
    await turns()
    assert running == 0
    assert asyncio.all_tasks() == before


async def test_closing_its_results_waits_for_the_calls() -> None:
    """What a cancelled call still has to do is done when `aclose` returns."""
    ended: list[int] = []

    async def tidy(item: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await turns(100)
            ended.append(item)

    results = aiter(run_many(tidy, [1]))
    assert isinstance(results, Hosted)
    await turns()
    await results.aclose()
    assert ended == [1]


async def test_closing_its_results_ends_who_waits_for_them() -> None:
    """A task that waits for the next result hears that there is none."""
    results = aiter(run_many(asyncio.sleep, [60]))
    assert isinstance(results, Hosted)
    waiting = asyncio.ensure_future(anext(results, None))
    await turns()
    await results.aclose()
    with anyio.fail_after(5):
        assert await waiting is None


async def test_an_error_of_the_block_passes_unchanged() -> None:
    """What the block raises comes out as it is, after the calls were cancelled."""
    with pytest.raises(KeyError, match="mine"):
        async with run_many(double, range(10)):
            raise KeyError("mine")


async def test_cancelling_the_reader_passes_through() -> None:
    """A cancelled reader takes its job with it."""
    with anyio.move_on_after(0) as scope:
        async with run_many(lambda _: anyio.sleep_forever(), range(10)) as run:
            async for _ in run:
                raise AssertionError
    assert scope.cancelled_caught


async def test_an_error_of_the_input_comes_after_the_results() -> None:
    """A broken input ends the job in order: what was begun finishes and comes out."""

    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("row 3")

    seen: list[Result[int, int]] = []
    with pytest.raises(ValueError, match="row 3"):
        await drain(run_many(double, broken()), seen)
    assert [result.item for result in seen] == [1, 2]


async def test_stop_reads_no_further() -> None:
    """After `stop` the calls in flight finish and nothing else begins."""
    async with run_many(double, iter(int, 1), max_in_flight=3) as run:
        await anext(run)
        run.stop()
        rest = [result async for result in run]
    assert len(rest) <= 2 * 3


async def test_stop_ends_the_wait_for_the_input() -> None:
    """An input that is idle when the job is stopped is cancelled, not waited for."""
    ended = asyncio.Event()

    async def idle() -> AsyncIterator[int]:
        try:
            yield 0
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with run_many(double, idle()) as run:
        assert (await anext(run)).item == 0
        run.stop()
        with anyio.fail_after(5):
            assert [result.item async for result in run] == []
    assert ended.is_set()


async def test_no_call_begins_after_stop() -> None:
    """Workers that wait for an async input, or are given an item by it, begin nothing."""
    begun: list[int] = []

    async def stubborn() -> AsyncIterator[int]:
        yield 0
        with contextlib.suppress(asyncio.CancelledError):
            await anyio.sleep_forever()
        yield 1
        yield 2

    async def note(item: int) -> int:
        begun.append(item)
        return await double(item)

    async with run_many(note, stubborn()) as run:
        await anext(run)
        await turns()
        run.stop()
        assert [result.item async for result in run] == []
    assert begun == [0]


async def test_results_of_parts_and_workers_all_come_out() -> None:
    """Whoever waits for room gets it, also when fewer results are left than wait for room."""

    class Parted(Run[int, int]):
        async def _begin(self) -> None:
            for number in range(12):
                self._start(partial(self._part, -number))
            await super()._begin()

        async def _part(self, number: int) -> None:
            self._hand_out(number)
            await self._room()

    async with Parted(Source(range(4)), double, max_in_flight=2) as run:
        outs = []
        with anyio.fail_after(5):
            async for out in run:
                outs.append(out)
                await turns()
    assert sorted(outs) == [*range(-11, 1), 0, 2, 4, 6]


async def test_misuse_is_named() -> None:
    """A job is read inside its block, entered once, and has a limit."""
    run = run_many(double, [1])
    with pytest.raises(RuntimeError, match="inside"):
        await anext(run)
    async with run:
        assert [result.value async for result in run] == [2]
    with pytest.raises(RuntimeError, match="once"):
        await run.__aenter__()
    with pytest.raises(ConfigError):
        run_many(double, [], max_in_flight=0)


async def test_results_keep_their_error() -> None:
    """The error of a result is the one that was raised."""
    async with run_many(refuse, [0]) as run:
        (result,) = [result async for result in run]
    assert isinstance(result.error, NcloudChatError)
    assert result.value is None
