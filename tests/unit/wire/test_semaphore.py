"""The semaphore on the stock loop, with a clock that only moves when told to."""

import asyncio
import time

import pytest

from ncloudchat_async.errors import ClientClosedError, DeadlineExceededError
from ncloudchat_async.settings import Quota
from ncloudchat_async.wire.semaphore import RateSemaphore


async def test_slots_are_handed_over_in_order() -> None:
    """Waiters of one priority are served first come, first served."""
    semaphore = RateSemaphore(Quota(rate=None, adaptive=False, max_in_flight=1))
    assert semaphore.try_acquire()
    order: list[int] = []

    async def caller(number: int) -> None:
        await semaphore.acquire()
        order.append(number)
        semaphore.release()

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(caller(number))
        await asyncio.sleep(0)
        semaphore.release()
    assert order == [0, 1, 2, 3, 4]
    assert semaphore.in_use == 0


async def test_close_wakes_waiters() -> None:
    """Closing ends every wait with `ClientClosedError`."""
    semaphore = RateSemaphore(Quota(max_in_flight=1))
    assert semaphore.try_acquire()
    waits = [asyncio.ensure_future(semaphore.acquire(p)) for p in ("bulk", "interactive")]
    await asyncio.sleep(0)
    semaphore.close()
    for wait in waits:
        with pytest.raises(ClientClosedError):
            await wait


async def test_forecast_fails_fast() -> None:
    """A wait that the queue already makes too long fails at once."""
    semaphore = RateSemaphore(Quota(rate=1, max_wait_s=0.1))
    assert semaphore.try_acquire()
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        await semaphore.acquire()
    assert time.monotonic() - started < 0.09
