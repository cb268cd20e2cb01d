"""An import carries everything over once, keeps the order, and names what it cannot do."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ncloudchat_async import Client
from ncloudchat_async.emulator import Emulator, Fault
from ncloudchat_async.errors import ArchiveError, ConfigError, NcloudChatError, QuotaExceededError
from ncloudchat_async.transfer import (
    Progress,
    export_project,
    forecast_import,
    import_project,
    verify,
)
from tests.transfer.conftest import rows
from tests.transfer.test_export import names

SETTLE_S = 0.05


def fill(emulator: Emulator) -> None:
    """An old project with something of everything."""
    emulator.add_rows(
        "members",
        [
            {"id": "kim-1", "name": "김철수", "customField": "{age: 20}", "profile": "http://x/y"},
            {"id": "lee-1", "name": "Lee", "notifications": {"token": "t", "night": True}},
            {"id": "gone-1", "name": "Gone", "deleted": True},
        ],
    )
    emulator.add_rows(
        "channels",
        [
            {"id": "c-1", "name": "공지", "unique_id": "notice", "created_at": 1},
            {
                "id": "c-2",
                "name": "Closed",
                "created_at": 2,
                "mutes": True,
                "disabled": True,
                "push": False,
                "type": "PRIVATE",
                "members": ["kim-1"],
            },
        ],
    )
    sender = {"id": "kim-1", "name": "김철수", "profile": ""}
    emulator.add_rows(
        "messages",
        [
            {
                "channel_id": f"c-{number % 2 + 1}",
                "content": f"말 {number // 4}",
                "sender": sender,
                "created_at": 1_751_328_000 + number,
            }
            for number in range(40)
        ],
    )


async def test_a_project_comes_over_whole(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """Exported and imported, the new project says what the old one said."""
    fill(emulator)
    other.settings = other.settings.but(closed_channels="refuse")
    other.faults.add(Fault("sendMessage", "delay", jitter_s=0.01))
    await export_project(chat, path)
    told: list[Progress] = []
    report = await import_project(new_chat, path, on_progress=told.append)
    assert (report.members_registered, report.channels_created) == (2, 2)
    assert (report.messages_sent, report.failures) == (40, [])
    assert {one.stage for one in told} == {"members", "channels", "messages", "settings"}
    for left in (path, chat):
        found = await verify(left, new_chat)
        assert found.equal, found
        assert (found.same_project, found.messages.left) == (False, 40)
    closed = await new_chat.channels.list(filter={"name": "Closed"}).first()
    assert closed is not None
    assert (closed.mutes, closed.disabled, closed.push) == (True, True, False)
    assert (closed.unique_id, closed.members) == ("c-2", ("kim-1",))
    first = await new_chat.messages.list(closed.id).first()
    assert first is not None
    assert first.content == "[2025-07-01 09:00:01+09:00 김철수] 말 0"
    assert names(path.parent) == [path]


async def test_what_is_there_is_not_done_again(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """A second import sends nothing, a later export adds only what is new."""
    fill(emulator)
    await export_project(chat, path)
    await import_project(new_chat, path)
    before = dict(other.stats.by_operation)
    report = await import_project(new_chat, path)
    after = other.stats.by_operation
    assert (report.members_existing, report.channels_matched, report.messages_sent) == (2, 2, 0)
    changing = ("registerMember", "createChannel", "sendMessage", "updateChannel")
    assert [after[name] for name in changing] == [before[name] for name in changing]
    await chat.messages.send("c-1", "news")
    await export_project(chat, path)
    report = await import_project(new_chat, path)
    assert (report.messages_sent, report.failures) == (1, [])
    assert (await verify(path, new_chat)).equal


async def test_existing_members_are_updated_when_asked(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """A member that is there keeps its name unless told otherwise."""
    fill(emulator)
    other.add_rows("members", [{"id": "kim-1", "name": "Old"}])
    await export_project(chat, path)
    await import_project(new_chat, path)
    assert (await new_chat.members.get("kim-1")).name == "Old"
    assert not (await verify(path, new_chat)).equal
    report = await import_project(new_chat, path, existing="update")
    assert report.members_updated == 2
    assert (await new_chat.members.get("kim-1")).name == "김철수"


async def test_a_template_of_the_text_alone(
    emulator: Emulator, chat: Client, new_chat: Client, path: Path
) -> None:
    """`{content}` sends what was said and no more, and verify knows it from the archive."""
    fill(emulator)
    await export_project(chat, path)
    await import_project(new_chat, path, template="{content}")
    assert (await verify(path, new_chat)).equal
    assert (await verify(chat, new_chat, template="{content}")).equal
    assert not (await verify(chat, new_chat)).equal


async def test_a_text_out_of_order_is_seen(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """The same messages in another order are not the same channel."""
    fill(emulator)
    await export_project(chat, path)
    await import_project(new_chat, path, template="{content}")
    channel = await new_chat.channels.list(filter={"name": "공지"}).first()
    assert channel is not None
    first = await new_chat.messages.list(channel.id).first()
    assert first is not None
    await new_chat.messages.delete(channel.id, first.id)
    found = (await verify(path, new_chat)).differing
    assert [(one.missing, one.out_of_order) for one in found] == [(1, False)]
    await new_chat.messages.send(channel.id, first.content or "")
    found = (await verify(path, new_chat)).differing
    assert [(one.missing, one.out_of_order) for one in found] == [(0, True)]


async def test_lost_answers_neither_double_nor_lose_anything(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """Whatever answer is lost, the new project ends up with each row once."""
    fill(emulator)
    await export_project(chat, path)
    for operation in ("registerMember", "createChannel", "updateChannel"):
        other.faults.add(Fault(operation, "drop_after", nth=1))
    other.faults.add(Fault("sendMessage", "drop_after", every=7, times=4))
    report = await import_project(new_chat, path, settle_s=SETTLE_S)
    assert (report.messages_sent, report.failures) == (40, [])
    assert (await verify(path, new_chat)).equal
    assert other.stats.rows["channels"] == 2


async def test_a_channel_whose_creation_comes_late_is_not_created_twice(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """A creation in doubt is named, and the next import finds the channel."""
    fill(emulator)
    other.settings = other.settings.but(repeat_unique_id="allow")
    await export_project(chat, path)
    other.faults.add(Fault("createChannel", "late", nth=1, delay_s=0.3))
    report = await import_project(new_chat, path, settle_s=0.6)
    assert [one.noun for one in report.failures] == ["channels", "messages"]
    assert report.messages_sent == 20
    other.faults.clear()
    report = await import_project(new_chat, path, settle_s=0.6)
    assert (report.channels_created, report.messages_sent) == (0, 20)
    assert other.stats.rows["channels"] == 2
    assert (await verify(path, new_chat)).equal


async def test_a_refused_channel_is_created_without_a_wait(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """A creation that surely failed is no doubt: the next import waits for nothing."""
    fill(emulator)
    await export_project(chat, path)
    other.faults.add(Fault("createChannel", "status", status=400, body="{}", times=2))
    assert (await import_project(new_chat, path)).channels_created == 0
    told: list[tuple[str, int, float]] = []
    report = await import_project(
        new_chat, path, settle_s=SETTLE_S, on_doubt=lambda *doubt: told.append(doubt)
    )
    assert (told, report.channels_created) == ([], 2)


async def test_a_channel_that_says_nothing_of_pushes_has_them(
    emulator: Emulator, chat: Client, new_chat: Client, path: Path
) -> None:
    """What was closed to pushes for the import is opened, unless it was closed before."""
    emulator.add_rows("channels", [{"id": "c-1", "name": "c"}])
    await export_project(chat, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE channels SET raw = json_remove(raw, '$.push')")
    await import_project(new_chat, path)
    assert [one.push async for one in new_chat.channels.list()] == [True]


async def test_the_oldest_of_equal_unique_ids_is_compared(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """Where several channels have one `unique_id`, the first of them is the one that was made."""
    room = {"name": "c", "unique_id": "notice"}
    emulator.add_rows("channels", [{**room, "id": "c-1"}])
    for number, name in enumerate(("z-oldest", "newest"), start=1):
        other.add_rows("channels", [{**room, "id": name, "created_at": number}])
    await export_project(chat, path)
    assert (await verify(path, new_chat)).channels.examples == ("extra right:newest",)


async def test_friend_requests_are_made_once(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """A pair is asked once over all imports, and pairs that cannot be are named by number."""
    fill(emulator)
    await export_project(chat, path)
    pairs = [("kim-1", "lee-1"), ("kim-1", "nobody"), ("kim-1", "kim-1")]
    forecast = await forecast_import(new_chat, path, friends=pairs)
    assert forecast.friends == 1
    report = await import_project(new_chat, path, friends=pairs)
    assert report.friends_requested == 1
    assert [(one.noun, one.id) for one in report.failures] == [("friends", "2"), ("friends", "3")]
    report = await import_project(new_chat, path, friends=pairs)
    assert report.friends_requested == 0
    assert other.stats.by_operation["requestFriend"] == 1


async def test_a_refused_friend_request_is_made_again(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """What was surely not done is not taken for a doubt by the next import."""
    fill(emulator)
    await export_project(chat, path)
    other.faults.add(Fault("requestFriend", "status", status=400, body="{}", nth=1))
    for requested in (0, 1):
        report = await import_project(new_chat, path, friends=[("kim-1", "lee-1")])
        assert (report.friends_requested, report.failure_count) == (requested, 1 - requested)


async def test_no_friendship_is_asked_of_the_withdrawn(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """A member that left the new project is named as one that is not there."""
    fill(emulator)
    other.add_rows("members", [{"id": "lee-1", "name": "Lee", "deleted": True}])
    await export_project(chat, path)
    report = await import_project(new_chat, path, friends=[("kim-1", "lee-1")])
    assert "requestFriend" not in other.stats.by_operation
    assert "no such member: lee-1" in [one.reason for one in report.failures]


async def test_a_forecast_names_every_problem_and_changes_nothing(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """What would be refused is known before anything is sent."""
    fill(emulator)
    emulator.add_rows("members", [{"id": "a@b.c", "name": "Mail"}])
    emulator.add_rows(
        "channels",
        [
            {"id": "c-3", "name": "가" * 31, "created_at": 3},
            {
                "id": "c-4",
                "name": "ok",
                "type": "PRIVATE",
                "members": ["kim-1", "nobody"],
                "created_at": 4,
            },
        ],
    )
    emulator.add_rows("messages", [{"channel_id": "c-4", "content": "x" * 200, "id": "long"}])
    await export_project(chat, path)
    forecast = await forecast_import(new_chat, path, max_length=100)
    assert other.stats.by_operation.keys() == {"listMembers", "listChannels"}
    assert [(one.noun, one.id) for one in forecast.problems] == [
        ("members", "a@b.c"),
        ("channels", "c-3"),
        ("channels", "c-4"),
        ("messages", "c-4/long"),
    ]
    assert (forecast.members_new, forecast.channels_new, forecast.messages) == (2, 3, 40)
    assert (forecast.longest_channel, forecast.requests) == (20, 2 + 2 * 3 + 40)
    assert forecast.seconds == forecast.requests / 100_000
    report = await import_project(new_chat, path, max_length=100)
    assert (report.members_registered, report.channels_created) == (2, 3)
    assert (report.messages_sent, report.failures) == (40, forecast.problems)


async def test_a_refused_key_stops_an_import_that_then_goes_on(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """An import that ended in the middle of the messages is finished by the next call."""
    fill(emulator)
    await export_project(chat, path)
    other.faults.add(Fault("createChannel", "status", status=200, body='{"status":-4}', nth=2))
    with pytest.raises(NcloudChatError):
        await import_project(new_chat, path)
    report = await import_project(new_chat, path)
    assert (report.channels_created, report.messages_sent) == (1, 40)
    assert (await verify(path, new_chat)).equal


async def test_a_spent_quota_stops_the_messages_and_keeps_their_order(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """What no message can pass is not tried with each; the next call keeps every order."""
    fill(emulator)
    await export_project(chat, path)
    spent = Fault("sendMessage", "status", status=429, body='{"error":{"errorCode":"400"}}')

    def spend(reached: Progress) -> None:
        if (reached.stage, reached.done) == ("messages", 10):
            other.faults.add(spent)

    with pytest.raises(QuotaExceededError):
        await import_project(new_chat, path, on_progress=spend)
    assert other.stats.by_operation["sendMessage"] < 20
    assert names(path.parent) == [path]
    other.faults.clear()
    report = await import_project(new_chat, path)
    assert (report.failures, other.stats.rows["messages"]) == ([], 40)
    assert (await verify(path, new_chat)).equal


async def test_an_archive_is_not_imported_into_its_own_project(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """That would double every message."""
    await export_project(chat, path)
    with pytest.raises(ArchiveError, match="this very project"):
        await import_project(chat, path)


@pytest.mark.parametrize(
    "template", ["", "text", "{nothing}", "{content.x}", "{content!r}", "{content:>9}", "{"]
)
async def test_a_template_that_cannot_be_used_is_refused(
    new_chat: Client, path: Path, template: str
) -> None:
    """A template names known fields and nothing else."""
    with pytest.raises(ConfigError):
        await import_project(new_chat, path, template=template)


HALF = "\ud83d"

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"template": 5}, "template must be a string"),
    ({"template": HALF + "{content}"}, "template holds a lone surrogate"),
    ({"existing": "Update"}, "existing must be one of"),
    ({"existing": ["skip"]}, "existing must be one of"),
    ({"friends": [("x",)]}, r"each of the friends is \(user_id, friend_id\), not 1 id"),
    ({"friends": [("a", "b", "c")]}, r"each of the friends is \(user_id, friend_id\), not 3 ids"),
    ({"friends": "ab"}, r"each of the friends takes \(user_id, friend_id\), not str"),
    ({"friends": None}, "friends takes an iterable"),
    ({"friends": [("kim-1", HALF)]}, "friend_id must be valid Unicode"),
    ({"friends": [("kim-1", 5)]}, "friend_id must be a string"),
    ({"check_ids": "no"}, "check_ids must be True or False"),
    ({"max_length": 2.5}, "max_length must be a whole number"),
    ({"max_length": True}, "max_length must be a whole number"),
    ({"partial_archive": 1}, "partial_archive must be True or False"),
]
WRONG_IMPORT: list[tuple[dict[str, Any], str]] = [
    ({"mode": "bogus"}, "mode must be one of"),
    ({"settle_s": -1}, "settle_s must be a finite number"),
    ({"settle_s": "90"}, "settle_s must be a finite number"),
    ({"stop": True}, "stop takes a Stop"),
    ({"on_progress": 5}, "on_progress takes"),
    ({"on_doubt": "say"}, "on_doubt takes"),
]


@pytest.mark.parametrize(
    ("call", "wrong", "words"),
    [(call, *case) for call in (import_project, forecast_import) for case in WRONG]
    + [(import_project, *case) for case in WRONG_IMPORT],
)
async def test_an_option_that_makes_no_sense_is_refused_first(
    emulator: Emulator,
    chat: Client,
    other: Emulator,
    new_chat: Client,
    path: Path,
    *,
    call: Any,
    wrong: dict[str, Any],
    words: str,
) -> None:
    """What cannot be used is named before a request is sent or the archive is written to."""
    fill(emulator)
    await export_project(chat, path)
    with pytest.raises(ConfigError, match=words):
        await call(new_chat, path, **wrong)
    assert other.stats.requests == 0
    assert rows(path, "SELECT count(*) FROM mapped") == [(0,)]


@pytest.mark.parametrize(("name", "error"), [("\0", ArchiveError), (HALF, ArchiveError)])
async def test_a_path_that_no_file_can_have_is_told(
    new_chat: Client, name: str, error: type[Exception]
) -> None:
    """A name that the system does not take is an archive that is not there."""
    with pytest.raises(error, match="cannot be used"):
        await import_project(new_chat, name)


async def test_what_became_what_is_in_the_archive(
    emulator: Emulator, chat: Client, new_chat: Client, path: Path
) -> None:
    """The archive maps channels and messages to their new ids."""
    fill(emulator)
    await export_project(chat, path)
    await import_project(new_chat, path)
    query = "SELECT target_id FROM mapped WHERE noun = ? AND source = ?"
    ((channel_id,),) = rows(path, query, "channels", "c-1")
    assert (await new_chat.channels.get(channel_id)).name == "공지"
    (old,) = rows(path, "SELECT min(id) FROM messages WHERE channel_id = 'c-1'")[0]
    ((new,),) = rows(path, query, "messages", f"c-1/{old}")
    assert (await new_chat.messages.get(channel_id, new)).content is not None


async def test_half_an_archive_is_imported_only_when_asked(
    emulator: Emulator, chat: Client, new_chat: Client, path: Path
) -> None:
    """An interrupted export is told before anything is sent."""
    fill(emulator)
    emulator.faults.add(Fault("listMessages", "status", status=200, body='{"status":-4}', nth=2))
    with pytest.raises(NcloudChatError):
        await export_project(chat, path, max_in_flight=1)
    with pytest.raises(ArchiveError, match="was interrupted"):
        await import_project(new_chat, path)
    report = await import_project(new_chat, path, partial_archive=True)
    assert (report.channels_created, report.messages_sent) == (2, 20)


async def test_a_later_export_that_was_interrupted_is_half_an_archive_too(
    emulator: Emulator, chat: Client, new_chat: Client, path: Path
) -> None:
    """That an earlier export was whole does not make this one so."""
    fill(emulator)
    await export_project(chat, path)
    emulator.faults.add(Fault("listMessages", "status", status=200, body='{"status":-4}', nth=1))
    with pytest.raises(NcloudChatError):
        await export_project(chat, path)
    with pytest.raises(ArchiveError, match="was interrupted"):
        await import_project(new_chat, path)
