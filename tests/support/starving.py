"""How long the machine kept a test from running, so that bounds of time may be tight."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

__all__ = ["starving", "within"]

_TICK_S = 0.005


@asynccontextmanager
async def starving() -> AsyncIterator[Callable[[], float]]:
    """Measure by how much the loop is late although this process does not compute.

    What the process itself computes is no excuse: code that holds up the loop shows.
    """
    late_s = 0.0
    begun_cpu = time.process_time()

    async def tick() -> None:
        nonlocal late_s
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK_S)
            late_s += time.monotonic() - before - _TICK_S

    task = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield lambda: max(0.0, late_s - (time.process_time() - begun_cpu))
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def within(limit_s: float) -> AsyncIterator[None]:
    """Fail when what runs inside takes longer than this, the machine's own pauses taken off."""
    begun = time.monotonic()
    async with starving() as starved_s:
        yield
        took_s = time.monotonic() - begun - starved_s()
    assert took_s < limit_s, f"it took {took_s:.3f} s"
