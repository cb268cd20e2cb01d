"""What is left of a limit of 500 requests a second, and what is refused, by the way of pacing.

A server of its own refuses beyond the limit (a bucket of 10 ms). Ours is told the limit, and
in a second run has to find it; aiolimiter is told it, over a tuned aiohttp; a semaphore with
full jitter by `backoff` is what most programs do. Printed only: rows 7 to 9 have the bounds.
"""

import argparse
import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from typing import Final

import aiohttp
import backoff

from benchmarks.contenders import HEADERS, PATH
from benchmarks.figures import Result
from benchmarks.loops import run
from benchmarks.measuring import Call
from benchmarks.server import MESSAGE, Server, serving
from ncloudchat_async import Client, Quota, Timeouts
from ncloudchat_async.errors import NcloudChatError

__all__ = ["main"]

LIMIT: Final = 500.0
_IN_FLIGHT: Final = 64

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


async def _press(server: Server, pacer: Pacer, for_s: float) -> tuple[float, float]:
    """Send all the time; return accepted over allowed, and the share of 429."""
    async with pacer(server) as call:
        before, end = server.load(), time.monotonic() + for_s

        async def press() -> None:
            while time.monotonic() < end:
                await call()

        tasks = [asyncio.create_task(press()) for _ in range(2 * _IN_FLIGHT)]
        await asyncio.sleep(for_s)
        done = server.load() - before
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    accepted = done.served - done.refused
    return accepted / (LIMIT * done.wall_s), done.refused / max(done.served, 1)


def main(argv: Sequence[str] | None = None) -> Result:
    """Press on the limit with each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    for_s = parser.parse_args(argv).seconds
    for name, pacer in PACERS.items():
        if name.startswith("aiolimiter") and not find_spec("aiolimiter"):
            continue
        with serving(latency_s=0.01, jitter=0.2, limit=LIMIT) as server:
            goodput, refused = run(_press(server, pacer, for_s), uv=False)
        print(f"  {name:20s} {goodput:6.1%} of the limit used, {refused:6.2%} answered 429")
    return Result()
