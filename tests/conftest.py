"""What every test runs on: asyncio, through anyio's plugin."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on the stock event loop."""
    return "asyncio"
