"""Fixtures of the emulator's tests."""

from collections.abc import Iterator

import pytest

from ncloudchat_async.emulator import EmulatorThread
from tests.emulator.raw import Api, Clock, clocked


@pytest.fixture
def api(ncloudchat_emulator: EmulatorThread) -> Api:
    """Raw HTTP towards an empty emulator."""
    return Api(ncloudchat_emulator)


@pytest.fixture
def clock() -> Clock:
    """Time that passes when told to."""
    return Clock()


@pytest.fixture
def timed(clock: Clock) -> Iterator[Api]:
    """Raw HTTP towards an empty emulator on `clock`."""
    with clocked(clock) as api:
        yield api
