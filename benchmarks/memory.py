"""What memory a client gains while it sends: row 12."""

import argparse
import gc
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure, Result
from benchmarks.loops import run
from benchmarks.measuring import closed_loop
from benchmarks.server import Server, serving
from ncloudchat_async import Client, Quota

__all__ = ["main"]


def _resident_mb() -> float:
    """Return the memory of this process that is in use, in MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _measure(server: Server, warm: int, count: int) -> float:
    quota = Quota(adaptive=False, max_in_flight=64)
    async with Client("project", "key", base_url=server.base_url, quota=quota) as chat:

        async def send() -> None:
            await chat.messages.send("channel-000001", "hello")

        await closed_loop(send, warm, 64)
        before = _resident_mb()
        await closed_loop(send, count, 64)
        after = _resident_mb()
        assert chat.stats.calls == warm + count
    print(f"{before:.1f} MB after {warm:,} sends, {after:.1f} MB after {count:,} more")
    return after - before


def main(argv: Sequence[str] | None = None) -> Result:
    """Send, and look at the memory of this process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=250_000)
    count = parser.parse_args(argv).count
    with serving() as server:
        gained = run(_measure(server, count // 5, count), uv=False)
    name = f"memory gained over {count:,} sends after the first {count // 5:,}"
    return Result(
        figures=[Figure(row=12, name=name, value=gained, unit="MB", must=5.0, target=1.0)]
    )
