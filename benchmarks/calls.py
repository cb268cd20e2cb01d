"""What one `messages.send()` costs beside what people use instead: rows 1 and 2.

Answers are checked, then the contenders send in turn; the server runs on another core.
"""

import argparse
import contextlib
import importlib.util
import json
import resource
import statistics
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final

from benchmarks.contenders import SENDERS
from benchmarks.figures import Figure, Result
from benchmarks.loops import LOOPS, run
from benchmarks.measuring import Call, Series, in_turn, latencies, percentile, ratio
from benchmarks.server import MESSAGE, Server, serving

__all__ = ["main"]

_CONTENT: Final = json.loads(MESSAGE)["message"]["content"]
_BOUNDS: Final = {
    "plain aiohttp": (1.25, 3.0),
    "stream-chat": (1.5, 4.0),
    "slack_sdk": (2.0, 5.5),
    "httpx + pydantic": (12.0, 35.0),
}
"""How many times their throughput ours must be, and is meant to be."""
_NEEDS: Final = {
    "stream-chat": ("stream_chat",),
    "slack_sdk": ("slack_sdk",),
    "httpx + pydantic": ("httpx", "pydantic"),
}
_CONCURRENCIES: Final = (1, 4, 16, 64)


def installed(names: Iterable[str]) -> list[str]:
    """Return the contenders whose libraries are there."""
    return [n for n in names if all(map(importlib.util.find_spec, _NEEDS.get(n, ())))]


@contextlib.asynccontextmanager
async def opened(
    names: Iterable[str], server: Server, in_flight: int
) -> AsyncIterator[dict[str, Call]]:
    """Open contenders and check that each reads the answer."""
    async with contextlib.AsyncExitStack() as stack:
        calls = {}
        for name in names:
            call, text = await stack.enter_async_context(SENDERS[name](server.base_url, in_flight))
            answer = text(await call())
            assert answer == _CONTENT, f"{name} read {answer!r}"
            calls[name] = call
        yield calls


async def _measure(server: Server, loop: str, count: int, rounds: int) -> Result:
    result = Result()
    light = installed(("ours", "tuned aiohttp", "plain aiohttp", "stream-chat", "slack_sdk"))
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    async with opened(light, server, 64) as calls:
        series = await in_turn(calls, count=count, workers=64, rounds=rounds, server=server)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    _show(f"{loop}, 64 in flight", series)
    per_call = faults / (count * rounds * len(light))
    # A page fault a call and more: malloc maps memory anew for every read of the loop.
    mode = f"{per_call:.2f} page faults a call"
    print(f"  {mode}")
    value, spread = ratio(series["ours"].cpu_us, series["tuned aiohttp"].cpu_us)
    result.figures.append(
        Figure(
            row=1,
            name=f"CPU of send() / hand-tuned ClientSession, {loop}",
            value=value,
            must=1.10,
            target=0.45 if loop == "uvloop" else 0.50,
            spread=spread,
            note=mode,
        )
    )
    result.curves[f"CPU per call, {loop}"] = {
        n: [(0.0, statistics.median(s.cpu_us))] for n, s in series.items()
    }
    result.figures += _throughputs(loop, series)
    heavy = installed(("ours", "httpx + pydantic"))
    if "httpx + pydantic" in heavy:
        async with opened(heavy, server, 16) as calls:
            series = await in_turn(
                calls, count=count // 5, workers=16, rounds=rounds, server=server
            )
        _show(f"{loop}, 16 in flight", series)
        result.figures += _throughputs(loop, series)
        result.curves[f"CPU per call, {loop}"]["httpx + pydantic"] = [
            (0.0, statistics.median(series["httpx + pydantic"].cpu_us))
        ]
    result.curves[f"p99 by concurrency, {loop}"] = await _tails(server, light, count)
    return result


def _throughputs(loop: str, series: Mapping[str, Series]) -> list[Figure]:
    """Compare calls per second of CPU: what a client gets out of a core of its own."""
    figures = []
    for name in series.keys() & _BOUNDS.keys():
        value, spread = ratio(series[name].cpu_us, series["ours"].cpu_us)
        wall, _ = ratio(series["ours"].per_s, series[name].per_s)
        must, target = _BOUNDS[name]
        figures.append(
            Figure(
                row=2,
                name=f"send() per second / {name}, {loop}",
                value=value,
                must=must,
                target=target,
                least=True,
                spread=spread,
                note=f"{wall:.2f} by the wall clock",
            )
        )
    return sorted(figures, key=lambda f: list(_BOUNDS).index(f.name.split(" / ")[1].split(",")[0]))


async def _tails(
    server: Server, names: Sequence[str], count: int
) -> dict[str, list[tuple[float, float]]]:
    """Measure the 99th percentile of latency in ms for growing concurrency."""
    lines: dict[str, list[tuple[float, float]]] = {n: [] for n in names}
    for workers in _CONCURRENCIES:
        async with opened(names, server, workers) as calls:
            for name, call in calls.items():
                await latencies(call, 2 * workers, workers)
                seconds = await latencies(call, max(200, count // 2), workers)
                p50, p99 = (percentile(seconds, share) * 1e3 for share in (0.5, 0.99))
                lines[name].append((workers, p99))
                print(f"  {workers:3d} in flight {name:18s} p50 {p50:7.2f} ms  p99 {p99:7.2f} ms")
    return lines


def _show(title: str, series: Mapping[str, Series]) -> None:
    print(f"{title}:")
    for name, s in series.items():
        cpu, per_s, load = map(statistics.median, (s.cpu_us, s.per_s, s.server))
        print(
            f"  {name:18s} {cpu:7.1f} us CPU a call  {per_s:8.0f} calls/s"
            f"  server's core {load:4.0%} busy"
        )


def main(argv: Sequence[str] | None = None) -> Result:
    """Measure on every event loop."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=3000, help="calls a round")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args(argv)
    result = Result()
    with serving() as server:
        for loop in LOOPS:
            result.add(
                run(_measure(server, loop, options.count, options.rounds), uv=loop == "uvloop")
            )
    return result
