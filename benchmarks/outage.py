"""How many requests an outage costs: 10,000 calls against a server that answers 503: row 14.

The calls are reads, which may be repeated; sleeps between attempts pass at once, since it is
requests that are counted.
"""

import argparse
import asyncio
from collections.abc import Sequence

from benchmarks.figures import Figure, Result
from benchmarks.instant import Instant
from ncloudchat_async.errors import ServerError
from ncloudchat_async.resources.messages import Messages
from ncloudchat_async.wire.answers import Response

__all__ = ["main"]


async def _call(calls: int, in_flight: int) -> int:
    """Make calls, all of which must fail, and return the requests they made."""
    chat = Instant(Response(503, {}, b'{"error":{"errorCode":"900","message":"Unexpected"}}'))
    messages = Messages(chat)
    numbers = iter(range(calls))
    failed = 0

    async def work() -> None:
        nonlocal failed
        for _ in numbers:
            try:
                await messages.get("channel-000001", "66a0f1c20000000000000001")
            except ServerError:
                failed += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())
    assert failed == calls
    assert chat.requests == chat.stats.attempts
    return chat.requests


def main(argv: Sequence[str] | None = None) -> Result:
    """Call, and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000)
    calls = parser.parse_args(argv).calls
    requests = asyncio.run(_call(calls, 64))
    print(f"{calls:,} calls against 503 made {requests:,} requests")
    name = f"requests on the wire / {calls:,} calls against 503"
    return Result(figures=[Figure(row=14, name=name, value=requests / calls, must=1.2, target=1.1)])
