"""What `ncloudchat emulator` says to a stranger's mistakes."""

from pathlib import Path
from typing import Any

import pytest

from ncloudchat_async.cli.emulator import emulator
from ncloudchat_async.cli.exits import USAGE, Failure
from tests.emulator.raw import Api


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"set_": ("list_lag=2",)}, "the nearest is 'list_lag_s'"),
        ({"set_": ("list_lag_s",)}, "name=value"),
        ({"set_": ("list_lag_s=soon",)}, "list_lag_s"),
        ({"messages": 5}, "at least one channel"),
        ({"port": 70_000}, "no port"),
        ({"host": "0.0.0.0"}, "say --allow-remote"),
        ({"data": Path("/nowhere/at/all.sqlite")}, "Cannot keep rows"),
        ({"host": "192.0.2.1", "allow_remote": True}, "cannot listen at 192.0.2.1"),
    ],
)
def test_mistakes_are_told(options: dict[str, Any], reason: str) -> None:
    """What cannot be started is a usage error that names what is wrong."""
    with pytest.raises(Failure, match=reason) as raised:
        emulator(**options)
    assert raised.value.code == USAGE


def test_a_taken_port_is_told(api: Api) -> None:
    """The address that is taken stands in the error."""
    port = int(api.emulator.base_url.rsplit(":", 1)[1])
    with pytest.raises(Failure, match=rf"port {port}: Address already in use"):
        emulator(port=port)
