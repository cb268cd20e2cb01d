"""How well a limit is kept, found and followed over sockets, in real time: rows 8 and 9.

First, printed only, what is left of 500 requests a second by the way of pacing: ours is told
the limit (a bucket of 10 ms), and in a second run has to find it; aiolimiter is told it, over
a tuned aiohttp; a semaphore with full jitter by `backoff` is what most programs do.

Then whole clients that are told nothing, each before a server of its own with another kind of
limit, all at the same time: for 120 s, and for 240 s in which the limit halves and doubles.
"""

import argparse
import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import replace
from importlib.util import find_spec
from typing import Final

import aiohttp
import backoff

from benchmarks import simulator
from benchmarks.contenders import HEADERS, PATH
from benchmarks.figures import Result
from benchmarks.loops import run
from benchmarks.measuring import Call
from benchmarks.server import MESSAGE, Server, apart, serving, started
from benchmarks.simulator import Scenario
from ncloudchat_async import Client, Quota, Timeouts
from ncloudchat_async.errors import NcloudChatError

__all__ = ["main"]

LIMIT: Final = 500.0
_IN_FLIGHT: Final = 64
_HIDDEN: Final = (130, 700)
_CHANGING: Final = (80, 350)
"""Limits of rows 8 and 9, of those that steered no constant of `wire.pace`."""

Pacer = Callable[[Server], AbstractAsyncContextManager[Call]]


class _RefusedError(Exception):
    """The server answered 429."""


@contextlib.asynccontextmanager
async def _client(server: Server, quota: Quota) -> AsyncIterator[Call]:
    timeouts = Timeouts(deadline_s=5.0)
    async with Client(
        "project", "key", base_url=server.base_url, quota=quota, timeouts=timeouts
    ) as chat:

        async def call() -> None:
            with contextlib.suppress(NcloudChatError):
                await chat.messages.send("channel-000001", "hello")

        yield call


@contextlib.asynccontextmanager
async def _posting(server: Server) -> AsyncIterator[Call]:
    """Post once, and raise when that is refused."""
    async with aiohttp.ClientSession(server.base_url, headers=HEADERS) as session:

        async def post() -> None:
            async with session.post(PATH, data=b'{"content":"hello"}') as answer:
                body = await answer.read()
            if answer.status == 429:
                raise _RefusedError
            assert body == MESSAGE

        yield post


@contextlib.asynccontextmanager
async def _semaphore(server: Server) -> AsyncIterator[Call]:
    async with _posting(server) as post:
        semaphore = asyncio.Semaphore(_IN_FLIGHT)

        @backoff.on_exception(backoff.expo, _RefusedError, max_tries=8, logger=None)
        async def call() -> None:
            async with semaphore:
                await post()

        yield _unrefused(call)


@contextlib.asynccontextmanager
async def _aiolimiter(server: Server) -> AsyncIterator[Call]:
    from aiolimiter import AsyncLimiter  # noqa: PLC0415 - optional

    async with _posting(server) as post:
        # Its own docs: to avoid a burst, let one pass in the time that one takes.
        limiter = AsyncLimiter(1, 1 / LIMIT)

        async def call() -> None:
            async with limiter:
                await post()

        yield _unrefused(call)


def _unrefused(call: Call) -> Call:
    async def unrefused() -> None:
        with contextlib.suppress(_RefusedError):
            await call()

    return unrefused


PACERS: Final[dict[str, Pacer]] = {
    "ours, told": lambda server: _client(server, Quota(rate=LIMIT)),
    "ours, not told": lambda server: _client(server, Quota()),
    "semaphore + backoff": _semaphore,
    "aiolimiter, told": _aiolimiter,
}


@contextlib.asynccontextmanager
async def _pressing(server: Server, pacer: Pacer, callers: int) -> AsyncIterator[None]:
    """Send all the time, without a pause between two calls of a caller."""

    async def press(call: Call) -> None:
        while True:
            await call()

    async with pacer(server) as call:
        tasks = [asyncio.create_task(press(call)) for _ in range(callers)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _press(server: Server, pacer: Pacer, for_s: float) -> tuple[float, float]:
    """Return accepted over allowed, and the share of 429."""
    async with _pressing(server, pacer, 2 * _IN_FLIGHT):
        before = server.load()
        await asyncio.sleep(for_s)
        done = server.load() - before
    accepted = done.served - done.refused
    return accepted / (LIMIT * done.wall_s), done.refused / max(done.served, 1)


async def _follow(server: Server, scenario: Scenario) -> simulator.Result:
    """Send for as long as the scenario lasts; count what the server accepts in each second."""
    result = simulator.Result(scenario)
    changes = dict(scenario.changes)
    async with _pressing(server, lambda server: _client(server, scenario.quota), simulator.CALLERS):
        before, begun = server.load(), time.monotonic()
        for second in range(1, int(scenario.duration_s) + 1):
            await asyncio.sleep(begun + second - time.monotonic())
            if second in changes:
                server.change(changes[second])
            now = server.load()
            done, before = now - before, now
            result.sent += done.served
            result.per_second.append(done.served - done.refused)
            result.refused_per_second.append(done.refused)
    return result


async def _follow_all(scenarios: Sequence[Scenario]) -> list[simulator.Result]:
    with apart() as core, ExitStack() as stack:
        servers = [
            stack.enter_context(
                started(
                    core,
                    latency_s=scenario.latency_s,
                    jitter=scenario.spread / 2,
                    limit=scenario.limit,
                    kind=scenario.kind,
                )
            )
            for scenario in scenarios
        ]
        return await asyncio.gather(*map(_follow, servers, scenarios))


def _shortened(scenario: Scenario, by: int) -> Scenario:
    changes = tuple((moment / by, factor) for moment, factor in scenario.changes)
    return replace(scenario, duration_s=scenario.duration_s / by, changes=changes)


def _rows(shorter: int) -> Result:
    """Run the scenarios of rows 8 and 9 in real time, each shorter by a factor."""
    result = Result()
    for row, what, scenarios in (
        (8, "hidden limit, real time", simulator.hidden(_HIDDEN, 7001)),
        (9, "hidden limit halved and doubled, real time", simulator.changing(_CHANGING, 7001)),
    ):
        # This server names no time after which to try again.
        untold = [_shortened(s, shorter) for s in scenarios if not s.retry_after]
        found = run(_follow_all(untold), uv=False)
        for r in found:
            print(
                f"  {what}, {r.scenario.limit:g}/s {r.scenario.kind:8}"
                f" {r.goodput:6.1%} used, {r.throttled:6.2%} answered 429"
            )
        result.figures += simulator.judged(row, what, found)
    return result


def main(argv: Sequence[str] | None = None) -> Result:
    """Press on the limit with each, then run rows 8 and 9."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--shorter", type=int, default=1, help="divides the time of rows 8 and 9")
    options = parser.parse_args(argv)
    for name, pacer in PACERS.items():
        if name.startswith("aiolimiter") and not find_spec("aiolimiter"):
            continue
        with serving(latency_s=0.01, jitter=0.2, limit=LIMIT) as server:
            goodput, refused = run(_press(server, pacer, options.seconds), uv=False)
        print(f"  {name:20s} {goodput:6.1%} of the limit used, {refused:6.2%} answered 429")
    return _rows(options.shorter)
