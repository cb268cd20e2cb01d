"""Decides when a job's changes are written: many in one transaction, never on the loop's thread.

Whoever is about to send waits until its intent is durable; while one transaction is
being written the next one gathers, so the disk is asked once for many. What came of a
send rides along with the next intents, or is written after a moment without any.
"""

from asyncio import CancelledError, Event, Future, Lock, TimerHandle, get_running_loop, wait
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Self, TypeVar

import anyio

from ncloudchat_async.errors import JournalError, NcloudChatError
from ncloudchat_async.journal.batch import Batch
from ncloudchat_async.journal.view import State
from ncloudchat_async.journal.writer import JournalWriter

__all__ = ["Journal"]

T = TypeVar("T")

_LINGER_S = 0.2
"""Longest that the outcome of a send stays in memory only; a job killed meanwhile looks
for the message in its channel, which costs a read and nothing else."""


class Journal:
    """A job's journal, written in groups by one thread of its own."""

    def __init__(self, writer: JournalWriter, thread: ThreadPoolExecutor) -> None:
        self._writer = writer
        self._thread = thread
        self._turn = Lock()
        self._batch = Batch()
        self._waiting: list[Future[None]] = []
        self._wanted = Event()
        self._timer: TimerHandle | None = None
        self._broken: JournalError | None = None

    @classmethod
    async def open(cls, opening: Callable[[], JournalWriter]) -> Self:
        """Open a journal in its thread.

        Raises:
            JournalError: As `JournalWriter.open` does.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="ncloudchat-journal")
        try:
            return cls(await _finished(thread, opening), thread)
        except BaseException:
            thread.shutdown(wait=False)
            raise

    async def work(self) -> None:
        """Write whenever something is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            with suppress(JournalError):  # told to those who wait, and by the next `flush`
                await self.flush()

    def plan(self, seq: int, channel_id: str, content: str, ref: str | None) -> None:
        """Note a delivery that was read from the input."""
        self._batch.plans[seq] = (seq, channel_id, content, ref, "planned", 0, None)
        self._linger()

    def record(
        self,
        seq: int,
        state: State,
        message_id: str | None = None,
        error: NcloudChatError | None = None,
    ) -> None:
        """Note what came of a send."""
        name, reason = (None, None) if error is None else (type(error).__name__, str(error))
        self._batch.records.append((state, message_id, name, reason, seq))
        self._linger()

    def withdraw(self, seq: int) -> None:
        """Take an intent back, of a message that surely did not leave."""
        self._batch.withdrawn.append((seq,))
        self._linger()

    def look_for(
        self, seq: int, channel_id: str, due_s: float, *, absent: int = 0, looks: int = 0
    ) -> None:
        """Note a delivery to be looked for at `due_s`."""
        self._batch.doubts.append((seq, channel_id, due_s, absent, looks))
        self._linger()

    def settle(
        self,
        seq: int,
        state: State,
        message_id: str | None = None,
        error: NcloudChatError | None = None,
    ) -> None:
        """Note what the channel told of a delivery, and look for it no more."""
        self._batch.settled.append((seq,))
        self.record(seq, state, message_id, error)

    def learn(
        self,
        *,
        complete: bool | None = None,
        sender_id: str | None = None,
        skew_ms: int | None = None,
    ) -> None:
        """Note what holds for the whole job."""
        self._batch.learnt.append((complete, sender_id, skew_ms))
        self._linger()

    async def intend(self, seq: int, begun_ms: int) -> None:
        """Wait until it is durable that a delivery is about to be sent.

        A caller that is cancelled meanwhile may leave the intent of a message that was
        never sent, which is a doubt like any other.

        Raises:
            JournalError: It cannot be written, so nothing may be sent.
        """
        if self._broken is not None:
            raise self._broken
        durable: Future[None] = get_running_loop().create_future()
        self._batch.intend(seq, begun_ms)
        self._waiting.append(durable)
        self._wanted.set()
        await durable

    async def call(self, question: Callable[[JournalWriter], T]) -> T:
        """Ask the journal something, when all that was noted is in it.

        Raises:
            JournalError: It cannot be written or read.
        """
        await self.flush()
        async with self._turn:
            return await _finished(self._thread, lambda: question(self._writer))

    async def flush(self) -> None:
        """Write all that was noted.

        Raises:
            JournalError: It cannot be written; it is kept for another try, except for the
                intents, whose callers are told.
        """
        async with self._turn:
            batch, self._batch = self._batch, Batch()
            waiting, self._waiting = self._waiting, []
            self._wanted.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            try:
                if batch:
                    await _finished(self._thread, lambda: self._writer.write(batch))
            except JournalError as error:
                self._broken = error
                batch.take_back(self._batch)
                self._batch = batch
                for durable in waiting:
                    if not durable.done():
                        durable.set_exception(error)
                raise
            except CancelledError:
                self._written(waiting)  # all the same, and others wait for it
                raise
            except BaseException:
                for durable in waiting:
                    durable.cancel()
                raise
            self._written(waiting)

    async def close(self) -> None:
        """Write what is left and let others have the file.

        Raises:
            JournalError: It cannot be written.
        """
        try:
            await self.flush()
        finally:
            async with self._turn:
                await _finished(self._thread, self._writer.close)
            self._thread.shutdown(wait=False)

    def _written(self, waiting: Iterable[Future[None]]) -> None:
        self._broken = None
        for durable in waiting:
            if not durable.done():  # else its waiter was cancelled
                durable.set_result(None)

    def _linger(self) -> None:
        if self._timer is None:
            self._timer = get_running_loop().call_later(_LINGER_S, self._wanted.set)


async def _finished(thread: ThreadPoolExecutor, function: Callable[[], T]) -> T:
    """Run a function in the thread and wait for its end, even when cancelled meanwhile.

    A thread cannot be stopped, and what it writes must not be written twice. So a caller
    that is cancelled gets `CancelledError` only if the function succeeded.
    """
    call = get_running_loop().run_in_executor(thread, function)
    cancelled: CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not call.done():
            try:
                await wait([call])
            except CancelledError as error:
                cancelled = error
    result = call.result()
    if cancelled is not None:
        raise cancelled
    return result
