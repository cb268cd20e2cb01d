"""Lists of the emulator that move, are capped, cut and repeated, read through the client."""

import pytest

from ncloudchat_async import Client, errors
from ncloudchat_async.emulator import Emulator, Fault


@pytest.mark.parametrize("window", [1, 8, "auto"])
@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault("listMessages", "cap", rows=7)],
        [Fault("listMessages", "short", probability=0.5, seed=3)],
        [Fault("listMessages", "repeat", times=1)],
        [Fault("listMessages", "insert", where="first", every=2)],
        [Fault("listMessages", "insert", where="random", every=2, rows=3, seed=5)],
        [Fault("listMessages", "drop_after", every=5), Fault("listMessages", "cap", rows=20)],
    ],
    ids=lambda faults: "+".join(f.action for f in faults) or "calm",
)
async def test_rows_that_stay_come_exactly_once(
    chat: Client, emulator: Emulator, faults: list[Fault], window: int
) -> None:
    """Whatever the server does between two pages, no row that stays is missed or repeated."""
    emulator.seed(channels=1, messages_per_channel=250)
    channel = await chat.channels.list().first()
    assert channel is not None
    before = [m.id for m in await chat.messages.list(channel.id).to_list()]
    assert len(set(before)) == 250
    for fault in faults:
        emulator.faults.add(fault)
    rows = chat.messages.list(channel.id, per_page=25, window=window)
    read = [message.id async for message in rows]
    assert len(read) == len(set(read))
    assert [i for i in read if i in set(before)] == before


async def test_rows_may_go_while_they_are_read(chat: Client, emulator: Emulator) -> None:
    """Rows deleted before the reader hide none of those behind them."""
    emulator.seed(channels=1, messages_per_channel=200)
    channel = await chat.channels.list().first()
    assert channel is not None
    before = [m.id for m in await chat.messages.list(channel.id).to_list()]
    emulator.faults.add(Fault("listMessages", "delete", where="first", times=6, rows=2))
    read = [m.id async for m in chat.messages.list(channel.id, per_page=20)]
    emulator.faults.clear()
    after = {m.id for m in await chat.messages.list(channel.id).to_list()}
    assert len(after) == 188
    assert [i for i in read if i in after] == [i for i in before if i in after]


async def test_an_endless_list_is_an_error_with_a_cursor(chat: Client, emulator: Emulator) -> None:
    """A list that begins anew raises instead of looping."""
    emulator.seed(channels=1, messages_per_channel=60)
    channel = await chat.channels.list().first()
    assert channel is not None
    emulator.faults.add(Fault("listMessages", "endless"))
    with pytest.raises(errors.PagingError) as caught:
        await chat.messages.list(channel.id, per_page=20).to_list()
    assert caught.value.cursor is not None
    assert caught.value.operation == "Messages.list"
    assert caught.value.route == "/v1/api/messages/{channel_id}"


async def test_an_iteration_goes_on_in_another_client(emulator: Emulator, chat: Client) -> None:
    """A cursor is good elsewhere, after rows before it came and went; not for another list."""
    emulator.seed(channels=2, messages_per_channel=90)
    first, second = await chat.channels.list().to_list()
    messages = chat.messages.list(first.id)
    before = [m.id for m in await messages.to_list()]
    async with messages.pages() as pages:
        cursor = (await anext(pages)).cursor
    async with aiter(chat.messages.list(first.id, per_page=30)) as rows:
        read = [(await anext(rows)).id for _ in range(40)]
        cursor = rows.cursor
    await chat.messages.delete(first.id, before[3])
    key, url = emulator.api_key, emulator.base_url
    async with Client(emulator.project_id, key, base_url=url) as other:
        rest = [m.id async for m in other.messages.list(first.id, cursor=cursor, window=3)]
        with pytest.raises(errors.ConfigError, match="another list"):
            other.messages.list(second.id, cursor=cursor)
    assert read + rest == before
