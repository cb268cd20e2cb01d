"""Measures contenders in turn, so that a busy machine harms all of them alike.

CPU time per call is what is compared: it holds also where others use the machine, and where
the server is the slower end.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from benchmarks.server import Server

__all__ = ["Call", "Series", "closed_loop", "in_turn", "latencies", "percentile", "ratio"]

Call = Callable[[], Awaitable[object]]


class Series(msgspec.Struct):
    """What was measured of one contender, a value a round."""

    cpu_us: list[float] = []
    """CPU time of this process per call."""
    per_s: list[float] = []
    """Calls per second of the clock on the wall."""
    server: list[float] = []
    """Share of its core that the server used."""


async def closed_loop(call: Call, count: int, workers: int) -> None:
    """Make `count` calls, `workers` of them at any time."""
    turns = iter(range(count))

    async def work() -> None:
        for _ in turns:
            await call()

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())


async def in_turn(
    contenders: Mapping[str, Call],
    *,
    count: int,
    workers: int,
    rounds: int,
    server: Server | None = None,
) -> dict[str, Series]:
    """Let contenders make `count` calls each in every round; a first round is not counted."""
    series: Final = {name: Series() for name in contenders}
    for number in range(rounds + 1):
        for name, call in contenders.items():
            gc.collect()
            load = server.load() if server else None
            cpu_s, begun = time.process_time(), time.perf_counter()
            await closed_loop(call, count if number else min(count, 4 * workers), workers)
            cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - begun
            if not number:
                continue
            series[name].cpu_us.append(cpu_s / count * 1e6)
            series[name].per_s.append(count / wall_s)
            if server and load:
                series[name].server.append((server.load() - load).share)
    return series


def ratio(ours: Sequence[float], other: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Return the median of the ratios of the rounds, and their quartiles."""
    ratios = sorted(a / b for a, b in zip(ours, other, strict=True))
    return statistics.median(ratios), (percentile(ratios, 0.25), percentile(ratios, 0.75))


async def latencies(call: Call, count: int, workers: int) -> list[float]:
    """Make calls as `closed_loop` does, and return the seconds of each, sorted."""
    seconds: list[float] = []

    async def timed() -> None:
        begun = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - begun)

    await closed_loop(timed, count, workers)
    return sorted(seconds)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of sorted values lies."""
    return values[min(len(values) - 1, int(len(values) * share))]
