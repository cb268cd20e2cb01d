"""What an outage costs the server: `python -m benchmarks.outage`.

Ten thousand calls meet a server that answers 503 to everything, from a client as it comes:
how many requests reach it, whether any call outlives its deadline, and whether anything but
this package's errors is raised. The server breaks HTTP for the fault tests too and counts
what it reads.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import msgspec

from benchmarks.figures import Figure, Result
from ncloudchat_async import Client, Endpoint, NcloudChatError, Quota
from ncloudchat_async.wire.endpoint import Request
from tests.faults import scenarios
from tests.faults.server import FaultServer

DEADLINE_S = 60.0
GRACE_S = 0.25
CALLERS = 256


class Thing(msgspec.Struct):
    """What a healthy server answers."""

    id: str


CALLS: tuple[Request[Thing], ...] = (
    Endpoint("GET", "/things/{thing_id}", Thing)(thing_id="1"),
    Endpoint("PUT", "/things/{thing_id}", Thing, envelope=("thing",))(thing_id="1", body={}),
    Endpoint("DELETE", "/things/{thing_id}", Thing, envelope=("thing",))(thing_id="1"),
    Endpoint("POST", "/things", Thing, envelope=("thing",))(body={}),
)


def client_of(server: FaultServer, scenario: str) -> Client:
    return Client(
        "project",
        scenarios.KEY,
        base_url=server.url(scenario, "outage"),
        quota=Quota(rate=100_000, burst=1_000),
    )


async def check(server: FaultServer) -> None:
    """Make sure that the calls succeed where nothing is wrong."""
    async with client_of(server, "fine") as chat:
        for request in CALLS:
            assert await chat.send(request) == Thing("1")


async def measure(server: FaultServer, count: int) -> tuple[Counter[str], int, int, float]:
    """Make the calls; return how they ended, those late, attempts counted, and seconds."""
    ends: Counter[str] = Counter()
    late = 0
    left = iter(range(count))

    async def caller(chat: Client) -> None:
        nonlocal late
        for number in left:
            begun = time.monotonic()
            try:
                await chat.send(CALLS[number % len(CALLS)])
            except NcloudChatError as error:
                ends[type(error).__name__] += 1
            except Exception as error:  # noqa: BLE001 - strangers are what is looked for
                ends[f"foreign: {type(error).__name__}"] += 1
            late += time.monotonic() - begun > DEADLINE_S + GRACE_S

    begun = time.monotonic()
    async with client_of(server, "http_503") as chat, asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller(chat))
    return ends, late, chat.stats.attempts, time.monotonic() - begun


def main(argv: Sequence[str] | None = None) -> Result:
    """Make the calls, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    count = parser.parse_args(argv).calls
    with FaultServer() as server:
        asyncio.run(check(server))
        ends, late, attempts, seconds = asyncio.run(measure(server, count))
        requests = server.seen("http_503", "outage")
    assert attempts == requests, (attempts, requests)
    foreign = sum(n for name, n in ends.items() if name.startswith("foreign"))
    print(f"calls {count}, requests on the wire {requests}, in {seconds:.1f} s: {dict(ends)}")
    print(f"requests / calls      {requests / count:.3f}  (must <= 1.2, target <= 1.1)")
    print(f"calls past deadline   {late}  (must be 0)")
    print(f"foreign exceptions    {foreign}  (must be 0)")
    name = f"{count:,} calls against 503: "
    return Result(
        figures=[
            Figure(
                row=14,
                name=name + "requests on the wire / calls",
                value=requests / count,
                must=1.2,
                target=1.1,
            ),
            Figure(
                row=14,
                name=name + "late, or with a foreign exception",
                value=late + foreign,
                unit="",
                must=0,
                target=0,
            ),
        ]
    )


if __name__ == "__main__":
    main()
