"""What the session adds to its own transport: row 3.

Quota, deadline, retry loop, key and totals of one call, over a transport that answers at
once; decoding is measured by itself and taken off. Microseconds of this machine's CPU.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.figures import Figure, Result
from benchmarks.instant import Instant
from benchmarks.measuring import percentile
from ncloudchat_async.models import Message
from ncloudchat_async.resources.messages import Messages
from ncloudchat_async.wire.answers import decode
from ncloudchat_async.wire.endpoint import Endpoint

__all__ = ["main"]

_SEND = Endpoint("POST", "/v1/api/messages/{channel_id}", Message, envelope=("message",))


async def _cpu_us(call: Callable[[], Awaitable[object]], count: int) -> float:
    begun = time.process_time()
    for _ in range(count):
        await call()
    return (time.process_time() - begun) / count * 1e6


async def _measure(count: int, rounds: int) -> dict[str, list[float]]:
    chat = Instant()
    messages = Messages(chat)
    request = _SEND(channel_id="channel-000001", body={"content": "hello"})

    async def decoded() -> Message:
        response = await chat.perform(request, 1.0)
        return decode(_SEND, response, roomy_stack=True)

    calls: dict[str, Callable[[], Awaitable[Message]]] = {
        "transport and decoding": decoded,
        "session": lambda: chat.send(request),
        "messages.send": lambda: messages.send("channel-000001", "hello"),
    }
    micros: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        assert (await call()).channel_id == "channel-000001", name
    for _ in range(rounds):
        for name, call in calls.items():
            micros[name].append(await _cpu_us(call, count))
    return micros


def main(argv: Sequence[str] | None = None) -> Result:
    """Measure in turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(argv)
    micros = asyncio.run(_measure(options.count, options.rounds))
    for name, values in micros.items():
        print(f"  {percentile(sorted(values), 0.5):6.2f} us  {name}")
    floor = micros["transport and decoding"]
    added = sorted(a - b for a, b in zip(micros["session"], floor, strict=True))
    return Result(
        figures=[
            Figure(
                row=3,
                name="CPU that the session adds to its transport",
                value=percentile(added, 0.5),
                unit="us",
                must=8.0,
                target=4.0,
                spread=(percentile(added, 0.25), percentile(added, 0.75)),
            )
        ]
    )
