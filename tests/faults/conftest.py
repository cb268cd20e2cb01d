"""One server for all fault tests, each way to it, and nothing left behind."""

import ssl
from collections.abc import AsyncIterator, Iterator

import pytest
import trustme

from tests.faults.calls import OPENERS, Opener
from tests.faults.server import FaultServer
from tests.support.leaks import no_leaks


@pytest.fixture(scope="session")
def faulty() -> Iterator[FaultServer]:
    """The fault server; its certificate is signed by somebody nobody knows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with FaultServer(context) as server:
        yield server


@pytest.fixture
async def leaks_nothing(faulty: FaultServer) -> AsyncIterator[None]:
    """Every call over the wire ends without a task or connection of its own."""
    async with no_leaks():
        yield


@pytest.fixture(params=OPENERS)
async def opener(
    request: pytest.FixtureRequest, faulty: FaultServer, leaks_nothing: None
) -> Opener:
    """Each way to the server, in a test that counts anew and must leave nothing behind."""
    faulty.requests.clear()
    faulty.accepted.clear()
    return OPENERS[request.param]
