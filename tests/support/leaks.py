"""What a test must leave as it found it: tasks, file descriptors, sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["no_leaks", "open_files", "settled", "tasks_of_tests"]

_FILES = Path("/proc/self/fd")


def open_files() -> dict[str, str]:
    """Every open descriptor and what it is, without the one that looks."""
    found = {}
    for link in _FILES.iterdir():
        try:
            found[link.name] = str(link.readlink())
        except FileNotFoundError:
            continue
    return found


def tasks_of_tests() -> set["asyncio.Task[object]"]:
    """Every task of the running loop but those of the test plugin, one per fixture."""
    return {t for t in asyncio.all_tasks() if "TestRunner" not in repr(t.get_coro())}


async def settled(
    tasks: set["asyncio.Task[object]"], files: int, *, timeout_s: float = 2.0
) -> tuple[set["asyncio.Task[object]"], int]:
    """Wait until no more tasks and files are there than before, and return those that are.

    Closing a connection takes a turn or two of the loop, and the server's side its own time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                more = tasks_of_tests() - tasks
                if not more and len(open_files()) <= files:
                    break
                await asyncio.sleep(0.005)
    except TimeoutError:
        pass
    return tasks_of_tests() - tasks, len(open_files()) - files


@asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """Fail when what runs inside leaves a task or an open file behind."""
    tasks = tasks_of_tests()
    files = len(open_files())
    yield
    more, opened = await settled(tasks, files)
    assert not more, f"tasks left behind: {more}"
    assert opened <= 0, f"files left open: {open_files()}"
