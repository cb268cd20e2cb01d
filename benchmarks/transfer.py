"""How fast a project is exported and converted: `python -m benchmarks.transfer`.

The export is measured against the loop that people write: list the channels, gather over
their messages page by page, keep everything, write it down in the end. Both use this
client and are processes of their own on one core; the emulator is another process on another
core. Rounds are interleaved, medians reported. The answers are checked before anything is
reported: the archive, and the loop's file, must hold the messages that were seeded.

`cpu` is the client's own CPU time, which holds on a busy machine too. `memory` is what the
process grew by at its peak. `--latency-ms` puts the time of a network before each answer;
with 0 both are bound by how fast the emulator makes pages.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ncloudchat_async import Client, Quota
from ncloudchat_async.models import Message
from ncloudchat_async.transfer import Format, convert, describe, export_project

_SERVER = """
import asyncio, sys
from ncloudchat_async.emulator import Emulator, Fault

async def main(channels, each, latency_s):
    async with Emulator() as emulator:
        emulator.seed(members=100, channels=channels, messages_per_channel=each)
        if latency_s:
            emulator.faults.add(Fault("*", "delay", delay_s=latency_s))
        print(emulator.base_url, emulator.project_id, emulator.api_key, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
"""
_FORMATS: tuple[Format, ...] = ("jsonl", "csv", "parquet")


class Figures(msgspec.Struct):
    """What one run cost."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    requests: int
    messages: int
    """Messages found in what it wrote."""


async def export_archive(chat: Client, path: Path) -> None:
    report = await export_project(chat, path)
    assert not report.failures, report.failures


async def plain_loop(chat: Client, path: Path) -> None:
    """Offset by offset until a page is short, all channels at once, all in memory."""

    async def read(channel_id: str) -> list[Message]:
        found: list[Message] = []
        while True:
            page = await chat.messages.list(
                channel_id, offset=len(found), per_page=100, limit=100
            ).to_list()
            found.extend(page)
            if len(page) < 100:
                return found

    channels = await chat.channels.list().to_list()
    everything = await asyncio.gather(*(read(channel.id) for channel in channels))
    with path.open("wb") as file:
        for messages in everything:
            file.writelines(msgspec.json.encode(message) + b"\n" for message in messages)


_WAYS = {"export": export_archive, "loop": plain_loop}


def _count(way: str, path: Path) -> int:
    """Count the messages that were written, each id once."""
    if way == "export":
        return describe(path).messages
    return len({json.loads(line)["id"] for line in path.open("rb")})


async def _run_one(way: str, path: Path, base_url: str, project_id: str, api_key: str) -> None:
    """Run one way in this process and print its figures."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    quota = Quota(rate=100_000, burst=1_000)
    async with Client(project_id, api_key, base_url=base_url, quota=quota) as chat:
        await _WAYS[way](chat, path)
        requests = chat.stats.attempts
    wall_s = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory_mb = (after.ru_maxrss - before.ru_maxrss) / 1024
    figures = Figures(wall_s, cpu_s, memory_mb, requests, _count(way, path))
    print(msgspec.json.encode(figures).decode())


@contextmanager
def _emulator(channels: int, each: int, latency_s: float, core: int) -> Iterator[list[str]]:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(channels), str(each), str(latency_s)],
        stdout=subprocess.PIPE,
        text=True,
    )
    os.sched_setaffinity(server.pid, {core})
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()
    finally:
        server.kill()
        server.wait()


def _measure(way: str, path: Path, place: list[str], core: int) -> Figures:
    path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.transfer", "--one", way, "--out", str(path)]
    done = subprocess.run(
        [*command, *place],
        check=True,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return msgspec.json.decode(done.stdout, type=Figures)


def _median(runs: list[Figures], field: str) -> float:
    return float(statistics.median(getattr(run, field) for run in runs))


def _exports(directory: Path, args: argparse.Namespace) -> Path:
    """Measure both ways in turns, and leave the archive."""
    each = args.messages // args.channels
    cores = sorted(os.sched_getaffinity(0))
    runs: dict[str, list[Figures]] = {way: [] for way in _WAYS}
    with _emulator(args.channels, each, args.latency_ms / 1000, cores[0]) as place:
        for _ in range(args.rounds):
            for way, figures in runs.items():
                figures.append(_measure(way, directory / way, place, cores[-1]))
                assert figures[-1].messages == args.channels * each, (way, figures[-1])
    print(
        f"{args.channels} channels, {args.channels * each:,} messages,"
        f" {args.latency_ms} ms before each answer, {args.rounds} rounds"
    )
    print(f"{'':>8} {'wall s':>8} {'cpu s':>8} {'memory MB':>10} {'requests':>9}")
    for way, figures in runs.items():
        wall_s, cpu_s, memory_mb, requests = (
            _median(figures, field) for field in ("wall_s", "cpu_s", "memory_mb", "requests")
        )
        print(f"{way:>8} {wall_s:8.2f} {cpu_s:8.2f} {memory_mb:10.1f} {requests:9.0f}")
    ratios = [
        _median(runs["export"], field) / max(_median(runs["loop"], field), 1e-9)
        for field in ("wall_s", "cpu_s", "memory_mb", "requests")
    ]
    print(f"{'ratio':>8} {ratios[0]:8.2f} {ratios[1]:8.2f} {ratios[2]:10.2f} {ratios[3]:9.2f}")
    return directory / "export"


def _conversions(archive: Path, rounds: int) -> None:
    messages = describe(archive).messages
    out = archive.with_name("table")
    for form in _FORMATS:
        for raw in (False, True):
            seconds: list[float] = []
            for _ in range(rounds):
                out.unlink(missing_ok=True)
                begun = time.process_time()
                report = convert(archive, out, format=form, raw=raw)
                seconds.append(time.process_time() - begun)
                assert report.rows == messages
                if form != "parquet":
                    # Texts of the emulator have no line breaks, so that lines are rows.
                    assert sum(1 for _ in out.open("rb")) == messages + (form == "csv")
            name = f"{form}{' raw' if raw else ''}"
            rate = messages / statistics.median(seconds)
            size = out.stat().st_size / 2**20
            print(f"{name:>12}: {rate:8,.0f} rows per CPU second, {size:6.1f} MB")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=list(_WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("place", nargs="*", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one is not None:
        asyncio.run(_run_one(args.one, args.out, *args.place))
        return
    with tempfile.TemporaryDirectory() as directory:
        archive = _exports(Path(directory), args)
        _conversions(archive, args.rounds)


if __name__ == "__main__":
    main()
