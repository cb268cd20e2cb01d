"""What the session adds to its transport: `python -m benchmarks.session`.

A transport that answers at once is called directly, with the answer decoded, and through
`Session.send` (quota, latch, deadline, totals, decision), in turns within one process. The
figure of the promise is the difference of the last and the first, decoding included; CPU
time, medians.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks.figures import Figure, Result
from ncloudchat_async.models import Message
from ncloudchat_async.settings import CallOptions, Quota, Timeouts
from ncloudchat_async.wire.answers import decode
from ncloudchat_async.wire.auth import KeyRing, Secret
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.endpoint import Endpoint, Request
from ncloudchat_async.wire.observe import Stats
from ncloudchat_async.wire.semaphore import RateSemaphore
from ncloudchat_async.wire.session import Session

ENDPOINT = Endpoint("POST", "/v1/api/messages/{channel_id}", Message, envelope=("message",))
REQUEST = ENDPOINT(channel_id="channel-1", body={"content": "hello"})
ANSWER = Response(200, {}, b'{"message":{"id":"1","content":"hello","sort_id":"1"},"status":1}')
OPTIONS = CallOptions()


class Instant:
    """A transport that has its answer ready."""

    connections = 0

    def use_key(self, key: Secret) -> None:
        """Do nothing."""

    async def perform(self, request: Request[Any], timeout_s: float | None) -> Response:
        """Answer."""
        return ANSWER

    async def aclose(self) -> None:
        """Do nothing."""


Way = Callable[[int], Awaitable[None]]


def ways() -> dict[str, Way]:
    """Three ways to the same message."""
    transport = Instant()
    session = Session(
        transport,
        RateSemaphore(Quota(rate=10_000_000, burst=1_000_000)),
        KeyRing(Secret("key")),
        timeouts=Timeouts(),
        budget=0.1,
        stats=Stats(),
    )

    async def alone(count: int) -> None:
        for _ in range(count):
            await transport.perform(REQUEST, 18.0)

    async def decoded(count: int) -> None:
        for _ in range(count):
            decode(ENDPOINT, await transport.perform(REQUEST, 18.0), roomy_stack=True)

    async def sent(count: int) -> None:
        for _ in range(count):
            await session.send(REQUEST, OPTIONS)

    return {"transport": alone, "and decode": decoded, "session": sent}


async def check() -> None:
    session = Session(
        Instant(),
        RateSemaphore(),
        KeyRing(Secret("key")),
        timeouts=Timeouts(),
        budget=0.1,
        stats=Stats(),
    )
    message = await session.send(REQUEST, OPTIONS)
    assert (message.id, message.content) == ("1", "hello")
    assert message == decode(ENDPOINT, ANSWER)


async def timed(rounds: int, count: int) -> dict[str, float]:
    """Measure each way in turns; return median microseconds of CPU per call."""
    taken: dict[str, list[float]] = {name: [] for name in ways()}
    for _ in range(rounds):
        for name, way in ways().items():
            await way(count // 10)
            begun = time.process_time()
            await way(count)
            taken[name].append((time.process_time() - begun) / count * 1e6)
    return {name: statistics.median(values) for name, values in taken.items()}


def main(argv: Sequence[str] | None = None) -> Result:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=5_000)
    arguments = parser.parse_args(argv)
    asyncio.run(check())
    return report(asyncio.run(timed(arguments.rounds, arguments.calls)))


def report(medians: dict[str, float]) -> Result:
    for name, value in medians.items():
        print(f"{name:11} {value:6.2f} us per call")
    added = medians["session"] - medians["transport"]
    bare = medians["session"] - medians["and decode"]
    print(f"session over its transport {added:.2f} us  (must <= 8, target <= 4)")
    print(f"of which not decoding      {bare:.2f} us")
    return Result(
        figures=[
            Figure(
                row=3,
                name="CPU that the session, decoding included, adds to its transport",
                value=added,
                unit="us",
                must=8.0,
                target=4.0,
                note=f"{bare:.1f} us without decoding",
            )
        ]
    )


if __name__ == "__main__":
    main()
