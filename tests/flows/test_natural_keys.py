"""Writes with a natural key: registering a member, creating a channel with a `unique_id`."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
from msgspec import UNSET

from ncloudchat_async import Client, Retry, Timeouts, errors
from ncloudchat_async.emulator import Emulator, Fault
from ncloudchat_async.models import Channel, Member
from tests.support.starving import within


async def make_member(chat: Client) -> Member | Channel:
    """Register somebody."""
    return await chat.members.register("user-1", "Kim")


async def make_channel(chat: Client) -> Member | Channel:
    """Create a channel that has a natural key."""
    return await chat.channels.create("room", unique_id="room-1")


Make = Callable[[Client], Awaitable[Member | Channel]]
KEYED = pytest.mark.parametrize(
    ("make", "write", "look"),
    [
        (make_member, "registerMember", "getMember"),
        (make_channel, "createChannel", "listChannels"),
    ],
)


@KEYED
async def test_a_lost_answer_is_settled_by_a_natural_key(
    emulator: Emulator, chat: Client, make: Make, write: str, look: str
) -> None:
    """What was applied and lost its answer is found, and not written again."""
    emulator.faults.add(Fault(write, "drop_after", nth=1))
    assert (await make(chat)).id
    assert sum(entry.operation == write for entry in emulator.requests) == 1


@pytest.mark.parametrize("unique_id", [UNSET, None, ""])
async def test_a_channel_without_a_natural_key_is_not_looked_for(
    emulator: Emulator, chat: Client, unique_id: Any
) -> None:
    """A name belongs to any number of channels: none of them is taken for the new one."""
    await chat.channels.create("room")
    emulator.faults.add(Fault("createChannel", "drop_before", nth=1))
    with pytest.raises(errors.OutcomeUnknownError):
        await chat.channels.create("room", unique_id=unique_id)
    assert not any(entry.operation == "listChannels" for entry in emulator.requests)


@KEYED
@pytest.mark.parametrize(
    ("lost", "trouble"),
    [
        ("drop_before", None),
        ("drop_before", "drop_before"),
        ("drop_after", "status"),
        ("drop_after", "throttle"),
        ("drop_after", "drop_before"),
    ],
)
async def test_a_lookup_never_hides_the_doubt(  # noqa: PLR0917 - pytest passes them by name
    emulator: Emulator,
    chat: Client,
    make: Make,
    write: str,
    look: str,
    lost: Literal["drop_before", "drop_after"],
    trouble: Literal["status", "throttle", "drop_before"] | None,
) -> None:
    """Not found or not readable, the write stays in doubt, and is on the wire once."""
    emulator.faults.add(Fault(write, lost, nth=1))
    if trouble is not None:
        emulator.faults.add(Fault(look, trouble))
    view = chat.with_options(retry=Retry(max_attempts=1))
    with pytest.raises(errors.OutcomeUnknownError) as caught:
        await make(view)
    assert caught.value.applied == "unknown"
    assert caught.value.method == "POST"
    assert caught.value.attempts == 1
    assert sum(entry.operation == write for entry in emulator.requests) == 1


@KEYED
async def test_write_and_lookup_share_one_deadline(
    emulator: Emulator, make: Make, write: str, look: str
) -> None:
    """A call that looks for what it wrote ends by its own deadline all the same."""
    emulator.faults.add(Fault(write, "stall", delay_s=30.0))
    emulator.faults.add(Fault(look, "stall", delay_s=30.0))
    timeouts = Timeouts(connect_s=0.1, read_s=0.4, deadline_s=0.6)
    async with (
        Client(
            emulator.project_id, emulator.api_key, base_url=emulator.base_url, timeouts=timeouts
        ) as chat,
        within(0.6 + 0.25),
    ):
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            await make(chat)
    assert caught.value.elapsed_s > 0.5


async def test_a_lookup_of_many_pages_has_one_deadline(emulator: Emulator, chat: Client) -> None:
    """However many channels have the name, the call ends by its deadline."""
    emulator.add_rows("channels", ({"name": "room", "unique_id": f"other-{i}"} for i in range(150)))
    emulator.faults.add(Fault("createChannel", "drop_before", nth=1))
    emulator.faults.add(Fault("listChannels", "delay", delay_s=0.3))
    async with within(0.5 + 0.25):
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            await make_channel(chat.with_options(deadline_s=0.5))
    assert caught.value.elapsed_s > 0.4


async def test_counting_by_pages_has_one_deadline(emulator: Emulator, chat: Client) -> None:
    """Where the count is ignored, the rows are counted within the deadline of the call."""
    emulator.seed(channels=150)
    emulator.settings = emulator.settings.but(count_shape="ignored")
    emulator.faults.add(Fault("listChannels", "delay", delay_s=0.3))
    async with within(0.5 + 0.25):
        with pytest.raises(errors.DeadlineExceededError) as caught:
            await chat.with_options(deadline_s=0.5).channels.count()
    assert caught.value.operation == "Channels.count"


async def test_a_withdrawn_member_is_not_the_new_one(chat: Client, emulator: Emulator) -> None:
    """A lookup that finds somebody who left, of the same name, tells that the id is taken."""
    await make_member(chat)
    await chat.members.delete("user-1")
    emulator.faults.add(Fault("registerMember", "drop_before", nth=1))
    with pytest.raises(errors.ConflictError):
        await make_member(chat)


async def test_a_taken_id_is_told_as_the_registration(chat: Client, emulator: Emulator) -> None:
    """When somebody else has the id, the error is the registration's, not the lookup's."""
    await chat.members.register("user-1", "Lee")
    emulator.faults.add(Fault("registerMember", "drop_before", nth=1))
    with pytest.raises(errors.ConflictError) as caught:
        await make_member(chat)
    told = caught.value
    assert (told.operation, told.method, told.attempts) == ("Members.register", "POST", 1)
    assert told.applied == "unknown"
