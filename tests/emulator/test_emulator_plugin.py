"""The pytest fixtures, as a user's tests find them."""

import asyncio
import subprocess
import sys
from pathlib import Path

from ncloudchat_async import Client
from ncloudchat_async.emulator import EmulatorThread

USERS_TESTS = """
import asyncio
import pytest
from ncloudchat_async.emulator import Fault

@pytest.mark.parametrize("_", range(2))
def test_isolated(_, ncloudchat_emulator, ncloudchat_client):
    assert ncloudchat_emulator.stats.rows["channels"] == 0
    assert not len(ncloudchat_emulator.faults)
    ncloudchat_emulator.faults.add(Fault("*", "delay"))

    async def main():
        async with ncloudchat_client as chat:
            return await chat.channels.create("notice", type="PUBLIC")

    assert asyncio.run(main()).name == "notice"
"""


def test_fixtures_need_no_async_plugin(tmp_path: Path) -> None:
    """A project without any async test plugin can use both, and its tests share nothing."""
    (tmp_path / "test_users.py").write_text(USERS_TESTS)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:anyio"]
    ran = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


async def test_fixtures_serve_async_tests(
    ncloudchat_client: Client, ncloudchat_emulator: EmulatorThread
) -> None:
    """In an async test the client is opened in the test's loop; the emulator has its own thread."""
    seeded = ncloudchat_emulator.seed(channels=1, messages_per_channel=3)
    async with ncloudchat_client as chat:
        listed = await chat.messages.list(seeded.channel_ids[0]).to_list()
        sent = await asyncio.gather(
            *(chat.messages.send(seeded.channel_ids[0], f"m{n}") for n in range(5))
        )
    assert (len(listed), len(sent)) == (3, 5)
    assert ncloudchat_emulator.stats.rows["messages"] == 8
