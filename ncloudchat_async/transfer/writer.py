"""Decides how an archive is written without holding up the event loop: one thread, in groups.

What is handed over while a transaction runs goes into the next one together, so a commit
is shared by many pages. A piece of work is in the file as a whole or not at all.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import anyio

from ncloudchat_async.transfer.archive import open_for_writing, release, translated
from ncloudchat_async.transfer.private import PathLike

__all__ = ["ArchiveWriter"]

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_GROUP = 32
"""Pieces of work in one transaction: more would make the first of them wait too long."""


class _Job(NamedTuple):
    work: Work[Any]
    done: "asyncio.Future[Any]"


class ArchiveWriter:
    """An archive open for writing: `async with` opens, locks and closes it.

    Args:
        path: The file.
        project_id: The project it must belong to; None: it must be there, whosever it is.
        base_url: Where that project is.
    """

    def __init__(self, path: PathLike, project_id: str | None = None, base_url: str = "") -> None:
        self._path = path
        self._owner = (project_id, base_url)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="archive", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._db: sqlite3.Connection

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            ArchiveError: It is not an archive of this project, or is in use.
        """
        self._loop = asyncio.get_running_loop()
        self._db = await anyio.to_thread.run_sync(open_for_writing, self._path, *self._owner)
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was handed over, then close the file."""
        self._jobs.put(None)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)
            release(self._db)

    async def call(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return what it returns, once it is committed.

        A cancelled call is carried out all the same.

        Raises:
            ArchiveError: The file cannot be read or written.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, done))
        return await done

    def _work(self) -> None:
        while group := self._next_group():
            results: list[object] = []
            failure: Exception | None = None
            try:
                with translated(self._path):
                    self._commit(group, results)
            except Exception as error:  # noqa: BLE001 - handed to those who wait for it
                failure = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_tell, group, results, failure)

    def _next_group(self) -> list[_Job]:
        first = self._jobs.get()
        group: list[_Job] = []
        while first is not None:
            group.append(first)
            if len(group) == _GROUP or self._jobs.empty():
                return group
            first = self._jobs.get()
        self._jobs.put(None)
        return group

    def _commit(self, group: list[_Job], results: list[object]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            results.extend(job.work(self._db) for job in group)
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # it may be gone already, as after a full disk
                self._db.execute("ROLLBACK")
            raise


def _tell(group: list[_Job], results: list[object], failure: Exception | None) -> None:
    for at, job in enumerate(group):
        if job.done.done():
            continue
        if failure is not None:
            job.done.set_exception(failure)
        else:
            job.done.set_result(results[at])
