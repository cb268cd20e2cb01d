"""Every way to break an answer, for every method: `python -m benchmarks.faults`.

Runs what `tests/faults` checks cell by cell and prints the totals: exceptions that are not of
this package, calls that outlive their deadline, and writes that must not be repeated but
reached the server again after one that may have been applied.
"""

import argparse
import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import trustme

from benchmarks.figures import Figure, Result
from ncloudchat_async.errors import NcloudChatError, OutcomeUnknownError, RateLimitedError
from tests.faults.calls import CALLS, OPENERS, QUICK, Thing, chain_of, opened, options_of
from tests.faults.scenarios import KEY
from tests.faults.server import OWN_LISTENERS, SCENARIOS, FaultServer

GRACE_S = 0.25
AT_ONCE = 4
DEADLINE_S = QUICK.deadline_s or 0.0


class Cell(NamedTuple):
    """How one call ended."""

    error: BaseException | None
    elapsed_s: float
    requests: int


async def cell_of(server: FaultServer, opener: str, name: str, method: str) -> Cell:
    case = f"{opener}-{method}"
    error: BaseException | None = None
    async with opened(OPENERS[opener], server.url(name, case), timeouts=QUICK) as session:
        begun = time.monotonic()
        try:
            assert await session.send(CALLS[method], options_of(QUICK)) == Thing("1")
        except Exception as caught:  # noqa: BLE001 - strangers are what is looked for
            error = caught
        elapsed_s = time.monotonic() - begun
    requests = 0 if name in OWN_LISTENERS else server.seen(name, case)
    return Cell(error, elapsed_s, requests)


async def measure(server: FaultServer, opener: str) -> dict[tuple[str, str], Cell]:
    """Fill the matrix, a few scenarios at a time."""
    cells: dict[tuple[str, str], Cell] = {}
    names = iter([*OWN_LISTENERS, *(n for n in SCENARIOS if n not in (*OWN_LISTENERS, "mixed"))])

    async def worker() -> None:
        for name in names:
            for method in CALLS:
                cells[name, method] = await cell_of(server, opener, name, method)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    return cells


def is_foreign(cell: Cell) -> bool:
    return not all(isinstance(e, NcloudChatError) for e in chain_of(cell.error))


def is_twice(method: str, cell: Cell) -> bool:
    """Tell whether a write in doubt was sent again; what was throttled was not applied."""
    throttled = isinstance(cell.error, RateLimitedError)
    return method == "POST" and cell.requests > 1 and not throttled


def report(opener: str, cells: dict[tuple[str, str], Cell]) -> list[Figure]:
    ends = Counter("success" if c.error is None else type(c.error).__name__ for c in cells.values())
    foreign = [key for key, cell in cells.items() if is_foreign(cell)]
    late = [key for key, cell in cells.items() if cell.elapsed_s > DEADLINE_S + GRACE_S]
    twice = [key for key, cell in cells.items() if is_twice(key[1], cell)]
    shown = [key for key, cell in cells.items() if KEY in f"{cell.error!r} {cell.error}"]
    doubts = sum(isinstance(cell.error, OutcomeUnknownError) for cell in cells.values())
    print(
        f"{opener}: {len(cells)} cells ({len(cells) // len(CALLS)} faults x {len(CALLS)} methods)"
    )
    print(f"  ends: {dict(ends.most_common())}")
    print(f"  foreign exceptions                  {len(foreign)}  (must be 0) {foreign or ''}")
    print(f"  calls past their deadline + 0.25 s  {len(late)}  (must be 0) {late or ''}")
    print(
        f"  ambiguous writes sent twice         {len(twice)} of {doubts}  (must be 0) {twice or ''}"
    )
    print(f"  errors that show the key            {len(shown)}  (must be 0) {shown or ''}")
    print(f"  slowest call                        {max(c.elapsed_s for c in cells.values()):.2f} s")
    totals = {
        "foreign exceptions": foreign,
        "calls past their deadline": late,
        "ambiguous writes on the wire twice": twice,
        "errors that show the key": shown,
    }
    return [
        Figure(
            row=15,
            name=f"faulty calls over {opener}: {what}",
            value=len(found),
            unit="",
            must=0,
            target=0,
            note=f"of {len(cells)}",
        )
        for what, found in totals.items()
    ]


def main(argv: Sequence[str] | None = None) -> Result:
    """Fill the matrix over each transport."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args(argv)
    result = Result()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    for opener in OPENERS:
        with FaultServer(context) as server:
            cells = asyncio.run(measure(server, opener))
        for method in CALLS:
            assert cells["fine", method] == cells["fine", method]._replace(error=None, requests=1)
        result.figures += report(opener, cells)
    return result


if __name__ == "__main__":
    main()
