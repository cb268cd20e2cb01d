"""What a fan-out costs: `python -m benchmarks.fanout`.

`overhead` compares it with a closed loop of workers that call the same send and keep
nothing, in turns within one process; `memory` and `resume` count to a million (`--full`);
`platform` sends through real sockets to an emulator on another core, beside bare aiohttp
with a semaphore; `quota` sends 3,000 messages to a server that allows 500 a second.
"""

import argparse
import asyncio
import gc
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import aiohttp
import msgspec

from benchmarks.figures import Figure, Result
from ncloudchat_async import Client, Delivery, Quota
from ncloudchat_async.bulk import Job, run_many, send_many
from ncloudchat_async.emulator import EmulatorSettings
from ncloudchat_async.journal import Binding
from ncloudchat_async.journal.writer import JournalWriter
from ncloudchat_async.models import Message

IN_FLIGHT = 64
SENT = Message(id="m", sort_id="1750000000000")

_SERVER = """
import asyncio, sys
import msgspec
from ncloudchat_async.emulator import Emulator, EmulatorSettings

async def main():
    settings = msgspec.json.decode(sys.argv[1], type=EmulatorSettings)
    async with Emulator(settings=settings) as emulator:
        emulator.add_rows("channels", ({"id": f"c{n}", "name": "n"} for n in range(100)))
        print(emulator.base_url, emulator.project_id, emulator.api_key, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(emulator.stats.throttled, emulator.audit(()).held, flush=True)

asyncio.run(main())
"""


def deliveries(count: int) -> Iterator[Delivery]:
    for number in range(count):
        yield Delivery(f"c{number % 100}", f"text {number}")


async def fake_send(_channel_id: str, _content: str) -> Message:
    await asyncio.sleep(0)
    return SENT


async def nothing(_channel_id: str) -> AsyncIterator[Message]:
    unread: tuple[Message, ...] = ()
    for message in unread:
        yield message


async def closed_loop(count: int) -> None:
    """What everybody writes by hand: workers that share the input."""
    items = deliveries(count)

    async def work() -> None:
        for item in items:
            await fake_send(item.channel_id, item.content)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())


async def any_call(count: int) -> None:
    async def call(item: Delivery) -> Message:
        return await fake_send(item.channel_id, item.content)

    done = 0
    async with run_many(call, deliveries(count), max_in_flight=IN_FLIGHT) as run:
        async for _ in run:
            done += 1
    assert done == count


async def read(job: Job, count: int) -> None:
    done = 0
    async with job:
        async for _ in job:
            done += 1
    assert done == count == job.report.sent + job.report.skipped


async def plain(count: int) -> None:
    await read(send_many(fake_send, nothing, deliveries(count), max_in_flight=IN_FLIGHT), count)


async def journaled(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        job = send_many(
            fake_send,
            nothing,
            deliveries(count),
            journal=Path(folder) / "job",
            max_in_flight=IN_FLIGHT,
        )
        await read(job, count)


def cpu_us(run: Callable[[int], Awaitable[None]], count: int) -> float:
    gc.collect()
    begun = time.process_time()
    asyncio.run(_as_coroutine(run, count))
    return (time.process_time() - begun) / count * 1e6


async def _as_coroutine(run: Callable[[int], Awaitable[None]], count: int) -> None:
    await run(count)


def overhead(count: int, rounds: int = 7) -> list[Figure]:
    runs = {"run_many": any_call, "send_many": plain, "send_many, journal": journaled}
    figures: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        floor = cpu_us(closed_loop, count)
        for name, run in runs.items():
            part = count // 5 if run is journaled else count
            figures[name].append(cpu_us(run, part) - floor)
    print(f"overhead over a closed loop of own sends, CPU per item, median of {rounds}:")
    for name, values in figures.items():
        print(f"  {name:20} {statistics.median(values):6.2f} us")
    return [
        Figure(
            row=11,
            name="send_many over a closed loop of own send(), per item",
            value=statistics.median(figures["send_many"]),
            unit="us",
            must=4.0,
            target=1.0,
            note=f"with a journal: {statistics.median(figures['send_many, journal']):.0f} us",
        )
    ]


def traced_mib(run: Callable[[int], Awaitable[None]], count: int) -> float:
    tracemalloc.start()
    asyncio.run(_as_coroutine(run, count))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def memory(count: int) -> list[Figure]:
    print("peak of memory allocated for 100,000 items:")
    peaks = {
        name: traced_mib(run, 100_000)
        for name, run in (("run_many", any_call), ("send_many", plain))
    }
    for name, peak in peaks.items():
        print(f"  {name:20} {peak:6.2f} MiB")
    print(f"  {'with a journal':20} {traced_mib(journaled, 20_000):6.2f} MiB (20,000 items)")
    # In a process of its own: the high-water mark never falls.
    for name in ("plain", "journaled"):
        growth = subprocess.run(
            [sys.executable, "-m", "benchmarks.fanout", "grow", name, str(count)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        print(f"  growth of the process, {name}: {growth.strip()}")
    return [
        Figure(
            row=11,
            name="memory of send_many for 100,000 items",
            value=peaks["send_many"] * 2**20 / 1e6,
            unit="MB",
            must=20.0,
            target=2.0,
        )
    ]


def grow(name: str, count: int) -> None:
    """Print how much a job grows the process after its first fifth."""
    marks: list[int] = []

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "job" if name == "journaled" else None
            job = send_many(
                fake_send, nothing, deliveries(count), journal=path, max_in_flight=IN_FLIGHT
            )
            done = 0
            async with job:
                async for _ in job:
                    done += 1
                    if done in (count // 5, count):
                        marks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    asyncio.run(run())
    print(f"{(marks[1] - marks[0]) / 1024:.1f} MiB over {count - count // 5:,} deliveries")


def resume(count: int) -> None:
    """Time how long a job of which one delivery is left takes to send it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job"
        JournalWriter.open(path, Binding("", ""), created_ms=0).close()
        with sqlite3.connect(path) as db:
            db.executemany(
                "INSERT INTO delivery (seq, channel_id, content, state, attempts, message_id)"
                " VALUES (?, ?, ?, ?, 1, ?)",
                (
                    (seq, item.channel_id, item.content, "sent" if seq else "planned", f"{seq:024}")
                    for seq, item in enumerate(deliveries(count))
                ),
            )
            db.execute("UPDATE job SET complete = 1")
        db.close()
        print(f"resume of a journal of {count:,} deliveries, one of them left:")
        for name, items in (("from the journal", None), ("comparing the input", count)):
            begun = time.perf_counter()
            job = send_many(
                fake_send, nothing, None if items is None else deliveries(items), journal=path
            )
            asyncio.run(read(job, 1 if items is None else count))
            print(f"  {name:20} {time.perf_counter() - begun:6.2f} s")


async def bare(words: list[str], count: int) -> None:
    """Aiohttp as its pages show it, with a semaphore, and no outcome kept."""
    base_url, project_id, api_key = words
    semaphore = asyncio.Semaphore(IN_FLIGHT)
    headers = {"x-project-id": project_id, "x-api-key": api_key}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def send(item: Delivery) -> None:
            url = f"{base_url}/v1/api/messages/{item.channel_id}"
            async with semaphore, session.post(url, json={"content": item.content}) as answer:
                assert (await answer.json())["status"] == 1

        async with asyncio.TaskGroup() as group:
            for item in deliveries(count):
                group.create_task(send(item))


async def through_client(
    words: list[str], count: int, journal: Path | None, quota: Quota | None = None
) -> None:
    base_url, project_id, api_key = words
    quota = quota or Quota(rate=100_000, burst=1000, max_in_flight=IN_FLIGHT)
    async with Client(project_id, api_key, base_url=base_url, quota=quota) as chat:
        await read(chat.messages.send_many(deliveries(count), journal=journal), count)


class Served:
    """An emulator in a process of its own."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, msgspec.json.encode(settings).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(self.process.pid, {cores[0]})
        self.words = self._line()

    def _line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def end(self) -> tuple[int, int]:
        """Stop it; return the requests it throttled and the messages it holds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        throttled, held = map(int, self._line())
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        return throttled, held


def platform(count: int, rounds: int = 3) -> None:
    served = Served(EmulatorSettings())
    with tempfile.TemporaryDirectory() as folder:

        async def with_journal(number: int) -> None:
            path = Path(folder) / str(time.monotonic_ns())
            await through_client(served.words, number, path)

        runs: dict[str, Callable[[int], Awaitable[None]]] = {
            "aiohttp + semaphore": lambda number: bare(served.words, number),
            "send_many": lambda number: through_client(served.words, number, None),
            "send_many, journal": with_journal,
        }
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                begun = time.perf_counter()
                cpu = cpu_us(run, count)
                figures[name].append((count / (time.perf_counter() - begun), cpu))
    _, held = served.end()
    assert held == count * rounds * len(runs)
    print(f"fan-out of {count:,} messages to an emulator on another core, median of {rounds}:")
    for name, values in figures.items():
        rate, cpu = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"  {name:20} {rate:7.0f} messages/s {cpu:7.1f} us of CPU each")


def quota() -> None:
    served = Served(EmulatorSettings(quota_rate=500))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        asyncio.run(through_client(served.words, 3000, Path(folder) / "job", Quota(rate=500)))
        seconds = time.perf_counter() - begun
    throttled, held = served.end()
    print("3,000 messages at a quota of 500/s, with a journal:")
    print(f"  {seconds:.2f} s, {throttled} answers 429, {3000 - held} lost")


def main(argv: Sequence[str] | None = None) -> Result:
    """Measure all subjects, or one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("subject", nargs="?", default="all")
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--full", action="store_true", help="count to a million")
    arguments = parser.parse_args(argv)
    if arguments.subject == "grow":
        grow(arguments.rest[0], int(arguments.rest[1]))
        return Result()
    subjects: dict[str, Callable[[], list[Figure] | None]] = {
        "overhead": lambda: overhead(100_000),
        "memory": lambda: memory(1_000_000 if arguments.full else 100_000),
        "resume": lambda: resume(1_000_000),
        "platform": lambda: platform(20_000 if arguments.full else 5_000),
        "quota": quota,
    }
    result = Result()
    for name, measure in subjects.items():
        if arguments.subject in ("all", name):
            result.figures += measure() or []
    return result


if __name__ == "__main__":
    main()
