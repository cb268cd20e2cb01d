"""Decides how many calls of a job run at once and how far ahead its input is read.

A fixed set of workers shares one input. Nothing is kept per item and nobody here knows
what a call does. A worker that finds no room for its result reads no further, so a job
is never more than `max_in_flight` calls and as many unread results ahead of its reader.
"""

from asyncio import CancelledError, Future, Queue, get_running_loop, wait
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio
import msgspec
from anyio.abc import TaskGroup

from ncloudchat_async.bulk.source import END, End, Source, Take
from ncloudchat_async.checks import check_callable, check_whole
from ncloudchat_async.errors import ConfigError, NcloudChatError
from ncloudchat_async.wire.errand import Errand, WithdrawnError

__all__ = ["Result", "Run", "run_many", "wake"]

ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")
OutT = TypeVar("OutT")


class Run(Generic[ItemT, OutT]):
    """A bounded fan-out: an async context manager, and an async iterator of what comes out.

    Enter it once and read it in the same task; `async for` alone does both. Leaving the
    block early cancels the calls in flight and waits for them, so nothing is left behind.
    An error of the input ends the job in order: no further item is read, the calls in flight
    finish and their results come out, then the error is raised. Any other error cancels the
    job and is raised as it is, not in an `ExceptionGroup`; a note on it counts further ones.
    """

    def __init__(
        self,
        source: Source[ItemT],
        step: Callable[[ItemT], Awaitable[OutT | None]],
        *,
        max_in_flight: int,
        take: Take[ItemT] | None = None,
    ) -> None:
        check_whole("max_in_flight", max_in_flight, 1)
        self._source = source
        self._take = take or source.take
        self._step = step
        self._limit = max_in_flight
        self._ready: deque[OutT] = deque()
        self._blocked: deque[Future[None]] = deque()
        self._reader: Future[None] | None = None
        self._group: TaskGroup | None = None
        self._left = False
        self._parts = 0
        self._workers = 0
        self._errands: set[Errand] = set()
        self._stopped = False
        self._error: Exception | None = None

    async def __aenter__(self) -> Self:
        """Start the calls.

        Raises:
            RuntimeError: The job was entered before.
        """
        if self._group is not None:
            raise RuntimeError("a job can be entered once; make another one")
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._start(self._begin)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Cancel what is still in flight and wait until it is gone."""
        assert self._group is not None
        self._left = True
        self._group.cancel_scope.cancel()
        try:
            if isinstance(error, CancelledError):
                # Perhaps its own, which only the group can tell and end.
                return await self._group.__aexit__(kind, error, trace)
            # Any other error of the block would come back wrapped in an ExceptionGroup.
            await self._group.__aexit__(None, None, None)
        except BaseExceptionGroup as group:
            first, *others = group.exceptions
            if others:
                first.add_note(f"{len(others)} more calls failed at the same time")
            raise first from first.__cause__
        return None

    def __aiter__(self) -> AsyncIterator[OutT]:
        """Iterate over the results in the order in which they come.

        A run that was not entered is run by a task of its own, which ends with the iterator.
        """
        return self if self._group is not None else Hosted(self)

    async def __anext__(self) -> OutT:
        """Wait for the next result.

        Raises:
            RuntimeError: The job is not entered, or another task reads it.
        """
        while not self._ready:
            if self._group is None or self._left or self._reader is not None:
                raise RuntimeError("read a job in one task, inside `async with`")
            if not self._parts:
                if self._error is None:
                    raise StopAsyncIteration
                raise self._error
            self._reader = get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if self._blocked:
            wake(self._blocked.popleft())
        return self._ready.popleft()

    def stop(self) -> None:
        """Begin nothing more; what is on its way finishes and comes out.

        What was read, but still waits for the quota with nothing of it on the wire, is given
        up. An async input that is waited for is cancelled.
        """
        self._close()
        for errand in self._errands:
            errand.stop()

    def _close(self) -> None:
        """Read no further item."""
        self._stopped = True
        self._source.stop()

    def _fail(self, error: Exception) -> None:
        """Read no further, and raise `error` once the results of what was read are out."""
        self._error = self._error or error
        self._close()

    def _start(self, part: Callable[[], Awaitable[None]]) -> None:
        """Run `part` within this job, which ends when the last of its parts does."""
        assert self._group is not None
        self._parts += 1
        self._group.start_soon(self._end_after, part)

    async def _end_after(self, part: Callable[[], Awaitable[None]]) -> None:
        await part()
        self._parts -= 1
        if not self._parts:
            self._finish()

    def _finish(self) -> None:
        """Tell the reader that nothing more will come."""
        if self._reader is not None:
            wake(self._reader)

    async def _begin(self) -> None:
        """Do what comes before the first item, then start."""
        self._hire()

    def _hire(self) -> None:
        """Start one more worker, if one is allowed and wanted."""
        if self._workers < self._limit and not self._stopped:
            self._workers += 1
            self._start(self._work)

    async def _work(self) -> None:
        first, take, step = True, self._take, self._step
        ready, limit = self._ready, self._limit
        with Errand() as errand:
            self._errands.add(errand)
            while not self._stopped:
                try:
                    item = await take()
                except Exception as error:  # noqa: BLE001 - of the caller's input, raised at the end
                    self._fail(error)
                    break
                if item is END:
                    break
                if self._source.stopped:
                    self._pass_by(item)
                    break
                if first:
                    # Workers start one by one, so that three items do not cost 64 tasks.
                    self._hire()
                    first = False
                errand.begun = False
                try:
                    out = await step(item)
                except WithdrawnError:
                    self._pass_by(item)
                    break
                errand.begun = True
                if out is not None:
                    ready.append(out)  # `_hand_out`, without the price of a call
                    if self._reader is not None:
                        wake(self._reader)
                    if len(ready) > limit:
                        await self._room()
            self._errands.discard(errand)
        self._workers -= 1

    def _hand_out(self, out: OutT) -> None:
        """Offer a result to the reader."""
        self._ready.append(out)
        if self._reader is not None:
            wake(self._reader)

    def _pass_by(self, item: ItemT) -> None:
        """Do nothing for an item of which nothing was begun when the job was stopped."""

    async def _room(self) -> None:
        """Wait until the reader has taken enough results."""
        while len(self._ready) > self._limit:
            room: Future[None] = get_running_loop().create_future()
            self._blocked.append(room)
            await room
        # There may be fewer results left to wake the others than there are others.
        if self._blocked:
            wake(self._blocked.popleft())


class Hosted(AsyncIterator[OutT]):
    """The results of a run that nobody entered: `async for` alone, without `async with`.

    A task enters, reads and leaves the run, one result ahead of the reader. An iterator
    left by `break` is told nothing, so the task is cancelled when the iterator goes;
    `aclose` waits for its end as well.
    """

    # Not an async generator: what a task group began in one task cannot be left in
    # another, and asyncio ends a forgotten generator in a task of its own.

    def __init__(self, run: Run[Any, OutT]) -> None:
        self._results: Queue[OutT | Exception | End] = Queue(maxsize=1)
        self._loop = get_running_loop()
        self._host = self._loop.create_task(_host(run, self._results))

    def __aiter__(self) -> Self:
        """Iterate over the results in the order in which they come."""
        return self

    async def __anext__(self) -> OutT:
        """Wait for the next result."""
        out = await self._results.get()
        if isinstance(out, Exception):
            self._results.put_nowait(END)
            raise out
        if out is END:
            self._results.put_nowait(END)
            raise StopAsyncIteration
        return out

    async def aclose(self) -> None:
        """Cancel the calls in flight and wait for their end."""
        self._host.cancel()
        await wait((self._host,))
        while not self._results.empty():
            self._results.get_nowait()
        self._results.put_nowait(END)  # into the same queue: another task may wait there

    def __del__(self) -> None:
        if not self._host.done() and not self._loop.is_closed():
            # The garbage collector may run in any thread.
            self._loop.call_soon_threadsafe(self._host.cancel)


async def _host(run: Run[Any, OutT], results: "Queue[OutT | Exception | End]") -> None:
    end: Exception | End = END
    try:
        async with run:
            async for out in run:
                await results.put(out)
    except Exception as error:  # noqa: BLE001 - of the input or a call, raised to the reader
        end = error
    await results.put(end)


def wake(future: Future[None]) -> None:
    """Let whoever waits for `future` go on; a waiter that was cancelled is passed over."""
    if not future.done():
        future.set_result(None)


class Result(msgspec.Struct, Generic[ItemT, ValueT], frozen=True):
    """What became of one item of `run_many`."""

    item: ItemT
    value: ValueT | None
    """What the call returned; None when it failed."""
    error: Exception | None = None
    """Why it failed; None when it did not."""


def run_many(
    function: Callable[[ItemT], Awaitable[ValueT]],
    items: Iterable[ItemT] | AsyncIterable[ItemT],
    *,
    max_in_flight: int = 64,
    catch: type[Exception] | tuple[type[Exception], ...] = NcloudChatError,
) -> Run[ItemT, Result[ItemT, ValueT]]:
    """Await `function(item)` for every item, some at a time, and give the results as they come.

    ```python
    async with run_many(register, users, max_in_flight=32) as results:
        async for result in results:
            if result.error is not None:
                print(result.item, result.error)
    ```

    Args:
        function: Called once per item.
        items: Any iterable or async iterable; it may be endless. It is read no more than
            twice `max_in_flight` items ahead of the results that were taken, and never by
            two tasks at once.
        max_in_flight: Calls at the same time; 64 is what a client's quota allows by default.
        catch: Errors that are the result of their item. Any other one that `function` raises
            ends the run: the calls in flight are cancelled, and it is raised as it is.

    Returns:
        An async context manager and async iterator of `Result`. Leaving its block cancels
        the calls in flight; `stop()` lets them finish. An item that then waits for the quota,
        and has changed nothing yet, is not begun and gives no result: in its function the
        call ends with an `NcloudChatError` whose `applied` is `"no"`.

    Raises:
        ConfigError: `function` cannot be called, `items` cannot be iterated over, or
            `max_in_flight` is less than 1. Reading the run raises it when `function` turns
            out not to be async.
    """
    check_callable("function", function, "an async function of one item")

    async def call(item: ItemT) -> Result[ItemT, ValueT]:
        try:
            coming = function(item)
            if hasattr(coming, "__await__"):
                return Result(item, await coming)
        except WithdrawnError:
            raise
        except catch as error:
            return Result(item, None, error)
        raise ConfigError(
            f"function must be async, it returned {type(coming).__name__}: "
            "make it `async def`, or return what it calls without `await`"
        )

    return Run(Source(items), call, max_in_flight=max_in_flight)
