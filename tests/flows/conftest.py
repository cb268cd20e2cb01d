"""An emulator and an open client in the loop of the test."""

from collections.abc import AsyncIterator

import pytest

from ncloudchat_async import Client, Quota, Retry
from ncloudchat_async.emulator import Emulator

FAST = Quota(rate=100_000, burst=1_000)
QUICK = Retry(base_s=0.001)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator on a free port, without rows."""
    async with Emulator() as running:
        yield running


@pytest.fixture
async def chat(emulator: Emulator) -> AsyncIterator[Client]:
    """A client of the emulator that need not be spared, with quick retries."""
    async with Client(
        emulator.project_id,
        emulator.api_key,
        base_url=emulator.base_url,
        quota=FAST,
        retry=QUICK,
    ) as client:
        yield client
