"""How evenly 256 callers get through 64 slots to a server that takes its time: row 4.

Every caller sends again as soon as it was answered. Jain's index of the calls of each caller
is 1 when all got as many, 1/256 when one got all.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence

import aiohttp

from benchmarks.contenders import HEADERS, PATH
from benchmarks.figures import Figure, Result
from benchmarks.loops import LOOPS, run
from benchmarks.measuring import Call, percentile
from benchmarks.server import Server, serving
from ncloudchat_async import Client, Quota

__all__ = ["jain", "main"]


def jain(shares: Sequence[float]) -> float:
    """Return the fairness index of Jain, Chiu and Hawe."""
    squares = sum(s * s for s in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


async def _compete(call: Call, callers: int, for_s: float) -> tuple[float, float]:
    """Let callers compete, and return Jain's index and p99 / p50 of their latencies."""
    done = [0] * callers
    seconds: list[float] = []
    end = time.monotonic() + for_s

    async def compete(number: int) -> None:
        while (begun := time.monotonic()) < end:
            await call()
            seconds.append(time.monotonic() - begun)
            done[number] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(compete(number))
    seconds.sort()
    return jain(done), percentile(seconds, 0.99) / percentile(seconds, 0.5)


async def _measure(server: Server, loop: str, callers: int, slots: int, for_s: float) -> Result:
    quota = Quota(adaptive=False, max_in_flight=slots)
    async with Client("project", "key", base_url=server.base_url, quota=quota) as chat:
        assert (await chat.messages.send("channel-000001", "hello")).content
        index, tail = await _compete(
            lambda: chat.messages.send("channel-000001", "hello"), callers, for_s
        )
    async with aiohttp.ClientSession(
        server.base_url, headers=HEADERS, connector=aiohttp.TCPConnector(limit=slots)
    ) as session:

        async def post() -> None:
            async with session.post(PATH, data=b'{"content":"hello"}') as answer:
                await answer.read()

        their_index, their_tail = await _compete(post, callers, for_s)
    print(f"{loop}: ours Jain {index:.4f}, p99/p50 {tail:.2f}", end="; ")
    print(f"aiohttp's connection limit {their_index:.4f}, {their_tail:.2f}")
    note = f"aiohttp's limit: {their_index:.2f}"
    return Result(
        figures=[
            Figure(
                row=4,
                name=f"Jain's index of {callers} callers on {slots} slots, {loop}",
                value=index,
                unit="",
                must=0.95,
                target=0.995,
                least=True,
                note=note,
            ),
            Figure(
                row=4,
                name=f"p99 / p50 of {callers} callers on {slots} slots, {loop}",
                value=tail,
                must=float("inf"),
                target=2.0,
                note=f"aiohttp's limit: {their_tail:.2f}",
            ),
        ]
    )


def main(argv: Sequence[str] | None = None) -> Result:
    """Measure on every event loop."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--callers", type=int, default=256)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args(argv)
    result = Result()
    with serving(latency_s=0.02, jitter=0.2) as server:
        for loop in LOOPS:
            measured = _measure(server, loop, options.callers, options.slots, options.seconds)
            result.add(run(measured, uv=loop == "uvloop"))
    return result
