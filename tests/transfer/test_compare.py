"""A comparison loses no message, whichever side its channel is on."""

from pathlib import Path

import pytest

from ncloudchat_async import Client
from ncloudchat_async.emulator import Emulator
from ncloudchat_async.transfer import export_project, import_project, verify


@pytest.fixture
def filled(emulator: Emulator) -> None:
    """Two channels, with 2 and 30 messages, and one with none."""
    emulator.add_rows("channels", [{"id": f"c-{n}", "name": f"N{n}"} for n in range(3)])
    for number, count in ((0, 2), (1, 30)):
        fields = [{"channel_id": f"c-{number}", "content": f"x{n}"} for n in range(count)]
        emulator.add_rows("messages", fields)


@pytest.mark.usefixtures("filled")
async def test_messages_of_a_missing_channel_are_missing(
    chat: Client, emulator: Emulator, path: Path
) -> None:
    """What was in a channel that is gone is counted and named, on whichever side it is."""
    await export_project(chat, path)
    await chat.channels.delete("c-1")
    await chat.channels.delete("c-2")
    found = await verify(path, chat)
    assert (found.messages.left, found.messages.right) == (32, 2)
    assert (found.messages.missing, found.messages.extra, found.messages.different) == (30, 0, 0)
    assert found.messages.examples == ("in channel c-1",)
    (one,) = found.differing
    assert (one.channel_id, one.other_channel_id, one.left, one.missing) == ("c-1", None, 30, 30)
    assert len(one.examples) == 20
    assert not one.out_of_order
    (one,) = (await verify(chat, path)).differing
    assert (one.channel_id, one.other_channel_id, one.right, one.extra) == (None, "c-1", 30, 30)
    assert one.examples[0].startswith("extra ")


@pytest.mark.usefixtures("filled")
async def test_messages_of_a_channel_that_was_not_imported_are_missing(
    chat: Client, new_chat: Client, other: Emulator, path: Path
) -> None:
    """Between two projects too, and what is in a channel that nobody imported is extra."""
    await export_project(chat, path)
    await import_project(new_chat, path)
    (made,) = [one async for one in new_chat.channels.list(filter={"name": "N1"})]
    await new_chat.channels.delete(made.id)
    other.add_rows("channels", [{"id": "own", "name": "Own"}])
    other.add_rows("messages", [{"channel_id": "own", "content": "x"}])
    found = await verify(path, new_chat)
    assert (found.messages.left, found.messages.right) == (32, 3)
    assert (found.messages.missing, found.messages.extra) == (30, 1)
    assert found.messages.examples == ("in channel c-1", "in channel right:own")
