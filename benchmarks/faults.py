"""What comes of every wire fault with every method over both transports: row 15.

The fault server of the tests plays each of its scenarios against a GET, PUT, DELETE and POST.
Counted are exceptions that are not this package's, calls that outlast their deadline by more
than a quarter of a second, and POSTs that reached the server twice though the first may have
been applied.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from benchmarks.figures import Figure, Result
from ncloudchat_async.errors import NcloudChatError
from tests.faults.calls import CALLS, OPENERS, QUICK, Opener, opened, options_of
from tests.faults.server import SCENARIOS, FaultServer

__all__ = ["main"]

_BELOW_HTTP: Final = ("refused", "black_hole", "reset_at_accept", "closed_at_accept", "tls_hang")
_LATE_S: Final = 0.25


class _Count(msgspec.Struct):
    """What came of all calls."""

    calls: int = 0
    foreign: Counter[str] = msgspec.field(default_factory=Counter)
    late: int = 0
    twice: int = 0


async def _call(
    server: FaultServer, opener: Opener, name: str, method: str, *, case: str, count: _Count
) -> None:
    begun = time.monotonic()
    async with opened(opener, server.url(name, case)) as session:
        try:
            await session.send(CALLS[method], options_of())
        except NcloudChatError:
            pass
        except Exception as error:  # noqa: BLE001 - what is counted
            count.foreign[f"{type(error).__name__} in {name}"] += 1
        elapsed_s = time.monotonic() - begun
    count.calls += 1
    count.late += elapsed_s > (QUICK.deadline_s or 0.0) + _LATE_S
    # A throttled request was surely not applied: those, and no others, may come twice.
    if method == "POST" and name in SCENARIOS and not name.startswith("throttle"):
        count.twice += server.seen(name, case) > 1


async def _all(server: FaultServer, scenarios: Sequence[str]) -> _Count:
    count = _Count()
    for name in scenarios:
        async with asyncio.TaskGroup() as group:
            for way, opener in OPENERS.items():
                for method in CALLS:
                    call = _call(server, opener, name, method, case=way + method, count=count)
                    group.create_task(call)
    return count


def main(argv: Sequence[str] | None = None) -> Result:
    """Play all scenarios, or the first so many."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scenarios", type=int, help="only so many")
    scenarios = [*SCENARIOS, *_BELOW_HTTP][: parser.parse_args(argv).scenarios]
    with FaultServer() as server:
        count = asyncio.run(_all(server, scenarios))
    print(f"{count.calls} calls: {len(scenarios)} faults, 4 methods, {len(OPENERS)} transports")
    for name, number in count.foreign.items():
        print(f"  {number} x {name}")
    figures = [
        Figure(
            row=15, name=f"{count.calls} faulty calls: {what}", value=n, unit="", must=0, target=0
        )
        for what, n in (
            ("foreign exceptions", count.foreign.total()),
            ("calls past the deadline", count.late),
            ("ambiguous writes on the wire twice", count.twice),
        )
    ]
    return Result(figures=figures)
