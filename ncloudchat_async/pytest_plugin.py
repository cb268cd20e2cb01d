"""Decides the pytest fixtures `ncloudchat_emulator` and `ncloudchat_client`.

Both are synchronous, so that they serve any async test plugin and none. Nothing of the
package is imported before a test asks for a fixture: pytest loads this module in every
project that has the package installed, and before coverage is measured.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ncloudchat_async import Client
    from ncloudchat_async.emulator import EmulatorThread

__all__ = ["ncloudchat_client", "ncloudchat_emulator"]


@pytest.fixture(scope="session")
def _ncloudchat_emulator_thread() -> "Iterator[EmulatorThread]":
    from ncloudchat_async.emulator import EmulatorThread  # noqa: PLC0415 - see above

    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def ncloudchat_emulator(
    _ncloudchat_emulator_thread: "EmulatorThread",
) -> "Iterator[EmulatorThread]":
    """Give an emulator of the platform without rows, with default settings.

    Its thread lives as long as the test session; each test finds it reset.
    """
    _ncloudchat_emulator_thread.reset()
    yield _ncloudchat_emulator_thread
    _ncloudchat_emulator_thread.reset()


@pytest.fixture
def ncloudchat_client(ncloudchat_emulator: "EmulatorThread") -> "Client":
    """Give a client of the emulator, to be opened with `async with`."""
    from ncloudchat_async import Client  # noqa: PLC0415 - see above

    return Client(
        project_id=ncloudchat_emulator.project_id,
        api_key=ncloudchat_emulator.api_key,
        base_url=ncloudchat_emulator.base_url,
    )
