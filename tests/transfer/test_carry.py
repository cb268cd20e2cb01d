"""What an import cannot carry over is named, and the rest comes over."""

from pathlib import Path

import pytest

from ncloudchat_async import Client
from ncloudchat_async.emulator import Emulator, Fault
from ncloudchat_async.transfer import export_project, forecast_import, import_project
from ncloudchat_async.transfer.reports import Failure

GHOSTS = [
    Failure("channels", "c-1", "its member ghost-1 does not exist"),
    Failure("channels", "c-1", "its member ghost-2 does not exist"),
]


@pytest.fixture
def closed(emulator: Emulator) -> None:
    """A PRIVATE channel of a member, and of two that do not exist."""
    emulator.add_rows("members", [{"id": "kim-1", "name": "Kim"}])
    members = ["kim-1", "ghost-2", "ghost-1"]
    fields = {"id": "c-1", "name": "Closed", "type": "PRIVATE", "members": members}
    emulator.add_rows("channels", [fields])
    emulator.add_rows("messages", [{"channel_id": "c-1", "content": "x"}])


@pytest.mark.usefixtures("closed")
async def test_absent_members_of_a_channel_are_named(
    chat: Client, new_chat: Client, path: Path
) -> None:
    """The import leaves out, and names, the very members that its forecast named."""
    await export_project(chat, path)
    forecast = await forecast_import(new_chat, path)
    report = await import_project(new_chat, path)
    assert forecast.problems == report.failures == GHOSTS
    assert (report.failure_count, report.channels_created, report.messages_sent) == (2, 1, 1)
    made = await new_chat.channels.list().first()
    assert made is not None
    assert made.members == ("kim-1",)
    again = await import_project(new_chat, path)
    assert (again.failures, again.channels_matched, again.messages_sent) == (GHOSTS, 1, 0)


@pytest.mark.usefixtures("closed")
async def test_absent_members_of_a_refused_channel_are_not_named(
    chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """A channel that could not be created has one failure: its own."""
    await export_project(chat, path)
    other.faults.add(Fault("createChannel", "status", status=403))
    report = await import_project(new_chat, path)
    assert [one.id for one in report.failures if one.noun == "channels"] == ["c-1"]
