"""What the semaphore costs, how fair it is and how exact its pace: rows 4, 6 and 7.

`python -m benchmarks.semaphore [--quick]` takes real time on the stock loop and on uvloop if
that is installed. Costs are ratios of runs that alternate, so that a busy machine harms both
sides alike.
"""

import argparse
import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from benchmarks.figures import Figure, Result
from benchmarks.limiters import Limiter, limiter
from benchmarks.loops import LOOPS, run
from ncloudchat_async.settings import Quota
from ncloudchat_async.wire.semaphore import RateSemaphore

__all__ = ["fairness", "free_cost", "queued_cost", "told_rate"]

UNPACED = Quota(adaptive=False)
LATENCY_S = 0.005
Timed = Callable[[int], Awaitable[float]]


async def free_cost(rounds: int = 9, repeat: int = 100_000) -> tuple[float, float]:
    """Time acquire and release of a free semaphore: CPU microseconds of ours and of asyncio's."""
    ours = RateSemaphore(Quota(rate=1e9))
    theirs = asyncio.Semaphore(64)

    async def run_ours(count: int) -> float:
        started = time.process_time()
        for _ in range(count):
            if not ours.try_acquire():
                await ours.acquire()
            ours.release()
        return time.process_time() - started

    async def run_theirs(count: int) -> float:
        started = time.process_time()
        for _ in range(count):
            await theirs.acquire()
            theirs.release()
        return time.process_time() - started

    return await _alternate(run_ours, run_theirs, rounds, repeat)


async def queued_cost(rounds: int = 9, repeat: int = 20_000) -> tuple[float, float]:
    """Time acquire and release when 64 callers queue for 8 slots, in CPU microseconds."""
    ours = RateSemaphore(Quota(max_in_flight=8, adaptive=False))
    theirs = asyncio.Semaphore(8)

    async def call_ours(count: int) -> None:
        for _ in range(count):
            if not ours.try_acquire():
                await ours.acquire()
            await asyncio.sleep(0)
            ours.release()

    async def call_theirs(count: int) -> None:
        for _ in range(count):
            await theirs.acquire()
            await asyncio.sleep(0)
            theirs.release()

    def crowd(call: Callable[[int], Coroutine[Any, Any, None]]) -> Timed:
        async def timed(count: int) -> float:
            started = time.process_time()
            async with asyncio.TaskGroup() as group:
                for _ in range(64):
                    group.create_task(call(count // 64))
            return time.process_time() - started

        return timed

    return await _alternate(crowd(call_ours), crowd(call_theirs), rounds, repeat)


async def _alternate(a: Timed, b: Timed, rounds: int, repeat: int) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        times[0].append(await a(repeat) / repeat * 1e6)
        times[1].append(await b(repeat) / repeat * 1e6)
    return statistics.median(times[0]), statistics.median(times[1])


async def fairness(seconds: float = 2.0, callers: int = 256) -> tuple[float, float]:
    """Let callers compete for 64 slots; Jain's index of their calls, p99 / p50 of waits."""
    semaphore = RateSemaphore(UNPACED)
    counts = [0] * callers
    waits: list[float] = []
    end = time.monotonic() + seconds

    async def caller(number: int) -> None:
        while (asked := time.monotonic()) < end:
            if not semaphore.try_acquire():
                await semaphore.acquire()
                waits.append(time.monotonic() - asked)
            await asyncio.sleep(0.002)
            semaphore.release()
            counts[number] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(number))
    jain = sum(counts) ** 2 / (callers * sum(count * count for count in counts))
    cuts = statistics.quantiles(waits, n=100)
    return jain, cuts[98] / cuts[49]


async def told_rate(rate: float, server: Limiter, seconds: float) -> tuple[float, float, float]:
    """Send as fast as a told rate allows.

    Returns:
        Accepted over allowed, share of 429, and sends in the first 0.1 s over what the rate
        says.
    """
    semaphore = RateSemaphore(Quota(rate=rate, max_in_flight=256))
    sends: list[float] = []
    refused = 0
    began = time.monotonic()

    async def caller() -> None:
        nonlocal refused
        while True:
            if not semaphore.try_acquire():
                await semaphore.acquire()
            started = time.monotonic()
            if started - began > seconds:
                semaphore.release()
                return
            sends.append(started - began)
            verdict = server.admit(started)
            await asyncio.sleep(LATENCY_S)
            if verdict is None:
                semaphore.succeeded(started)
            else:
                refused += 1
                semaphore.throttled(started)
            semaphore.release()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(200, int(rate / 4))):
            group.create_task(caller())
    first = sum(moment <= 0.1 for moment in sends) / max(rate * 0.1, 1)
    return (len(sends) - refused) / (rate * seconds), refused / len(sends), first


def _costs(loop: str) -> list[Figure]:
    figures = []
    for what, cost in (("free", free_cost), ("queued", queued_cost)):
        ours, theirs = run(cost(), uv=loop == "uvloop")
        print(
            f"row 6: {what:6} acquire + release {ours:.2f} us, asyncio.Semaphore "
            f"{theirs:.2f} us, ratio {ours / theirs:.2f}"
        )
        name = f"acquire + release, {what} / asyncio.Semaphore, {loop}"
        figures.append(Figure(row=6, name=name, value=ours / theirs, must=1.5, target=1.0))
    return figures


def _paces(loop: str, seconds: float) -> list[Figure]:
    """Keep told rates against three kinds of server, and judge the worst of each quantity."""
    worst = (math.inf, 0.0, 0.0)
    for rate in (100.0, 1000.0, 5000.0):
        for kind in ("bucket", "sliding", "fixed"):
            measured = told_rate(rate, limiter(kind, rate), seconds)
            done, refused, first = run(measured, uv=loop == "uvloop")
            print(
                f"row 7: {rate:5g}/s, {kind:7} achieved {done:.3f}, "
                f"429s {refused:.2%}, first 0.1 s {first:.2f}x"
            )
            worst = (min(worst[0], done), max(worst[1], refused * 100), max(worst[2], first))
    name = f"told rate of 100 to 5,000/s, {loop}: "
    return [
        Figure(
            row=7,
            name=name + "achieved",
            value=worst[0],
            unit="",
            must=0.97,
            target=0.985,
            least=True,
        ),
        Figure(row=7, name=name + "429s", value=worst[1], unit="%", must=0.5, target=0.0),
        Figure(row=7, name=name + "sends in the first 0.1 s", value=worst[2], must=1.5, target=1.1),
    ]


def main(argv: Sequence[str] | None = None) -> Result:
    """Measure on every event loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a second per pace")
    seconds = 0.5 if parser.parse_args(argv).quick else 3.0
    result = Result()
    for name in LOOPS:
        print(f"\n{name}")
        jain, spread = run(fairness(), uv=name == "uvloop")
        print(f"row 4: 256 callers on 64 slots: Jain {jain:.4f}, p99 / p50 {spread:.2f}")
        result.figures += _costs(name)
        result.figures += _paces(name, seconds)
    return result


if __name__ == "__main__":
    main()
