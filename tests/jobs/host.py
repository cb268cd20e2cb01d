"""Forks processes that each run a job, so that hundreds can be killed at the price of one start.

Reads tasks as JSON lines, answers with `<pid> started` and `<pid> <exit status>` lines.
"""

import asyncio
import os
import select
import sys
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from ncloudchat_async import Client, Delivery, Quota, Timeouts


class Task(msgspec.Struct):
    """One run of a job."""

    base_url: str
    project_id: str
    api_key: str
    journal: str
    name: str
    """Begins the ids of the channels, so that jobs do not meet."""
    count: int
    channels: int
    different: int
    """How many texts there are; the fewer, the more equal ones in a channel."""
    settle_s: float
    ordered: bool
    max_in_flight: int = 8


def deliveries(task: Task) -> Iterator[Delivery]:
    """Make the same input for every run."""
    for number in range(task.count):
        channel_id = f"{task.name}-{number % task.channels}"
        yield Delivery(channel_id, f"{task.name} says {number % task.different}", str(number))


async def work(task: Task) -> None:
    """Run a job to its end, however often it was begun before."""
    async with (
        Client(
            task.project_id,
            task.api_key,
            base_url=task.base_url,
            quota=Quota(rate=100_000, burst=1000),
            timeouts=Timeouts(read_s=5),
        ) as chat,
        chat.messages.send_many(
            deliveries(task),
            journal=task.journal,
            settle_s=task.settle_s,
            ordered=task.ordered,
            max_in_flight=task.max_in_flight,
        ) as job,
    ):
        async for _ in job:
            pass


def fork(line: bytes) -> None:
    """Run one task in a process of its own."""
    task = msgspec.json.decode(line, type=Task)
    pid = os.fork()
    if pid:
        print(pid, "started", flush=True)  # noqa: T201 - the protocol
        return
    try:
        asyncio.run(work(task))
    except BaseException:  # noqa: BLE001 - a forked process must not return from here
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def main() -> None:
    """Serve until the input ends."""
    rest = b""
    while True:
        if select.select([0], [], [], 0.02)[0]:
            chunk = os.read(0, 65536)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                fork(line)
        with suppress(ChildProcessError):
            while ended := os.waitpid(-1, os.WNOHANG)[0:2]:
                if not ended[0]:
                    break
                print(*ended, flush=True)  # noqa: T201 - the protocol


if __name__ == "__main__":
    main()
