"""What a test must leave as it found it: tasks and sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["no_leaks", "open_sockets", "settled", "tasks_of_tests"]

_FILES = Path("/proc/self/fd")


def open_sockets() -> list[str]:
    """Every open socket of this process, both ends where both are here."""
    found = []
    for link in _FILES.iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that looks
            found.append(str(link.readlink()))
    return [name for name in found if name.startswith("socket:")]


def tasks_of_tests() -> set["asyncio.Task[object]"]:
    """Every task of the running loop but those of the test plugin, one per fixture."""
    return {t for t in asyncio.all_tasks() if "TestRunner" not in repr(t.get_coro())}


async def settled(
    tasks: set["asyncio.Task[object]"], sockets: int, *, looks: int = 1000
) -> tuple[set["asyncio.Task[object]"], int]:
    """Wait until no more tasks and sockets are there than before, and return those that are.

    Closing a connection takes a turn or two of the loop, and the server's side its own time.
    Looks are counted, not seconds: where the whole machine stands still for a while, seconds
    pass in which nobody could close anything. What is returned is what the last look saw: a
    server in another thread may take in, a moment later, a connection that was closed before.
    """
    while True:
        looks -= 1
        more, opened = tasks_of_tests() - tasks, len(open_sockets()) - sockets
        if looks <= 0 or (not more and opened <= 0):
            return more, opened
        await asyncio.sleep(0.005)


@asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """Fail when what runs inside leaves a task or an open socket behind."""
    tasks = tasks_of_tests()
    sockets = len(open_sockets())
    yield
    more, opened = await settled(tasks, sockets)
    assert not more, f"tasks left behind: {more}"
    assert opened <= 0, f"sockets left open: {opened}"
