"""What is searched for is found, in any script, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ncloudchat_async import Client
from ncloudchat_async.emulator import Emulator, Fault
from ncloudchat_async.errors import ArchiveError, AuthenticationError, ConfigError
from ncloudchat_async.transfer import (
    FoundFile,
    Template,
    archive_stats,
    export_project,
    files,
    live_files,
    live_stats,
    search,
)

KIM = {"id": "kim-1", "name": "김철수", "profile": ""}
LEE = {"id": "lee-1", "name": "Lee", "profile": ""}
TEXTS = [
    ("c-1", KIM, "안녕하세요 여러분"),
    ("c-1", LEE, "Good Morning everyone"),
    ("c-2", KIM, '100% "quoted" AND (NEAR'),
    ("c-2", LEE, "여러\u202e분 \x1b[31m"),
    ("c-2", LEE, "=HYPERLINK(1)"),
]
START = 1_751_328_000


@pytest.fixture
async def archive(emulator: Emulator, chat: Client, path: Path) -> Path:
    """An archive with a few telling messages."""
    emulator.add_rows(
        "channels",
        [
            {"id": "c-1", "name": "공지", "unique_id": "notice", "created_at": START},
            {"id": "c-2", "name": "room", "created_at": START},
        ],
    )
    messages: list[dict[str, Any]] = [
        {"channel_id": c, "sender": s, "content": t, "created_at": START + 86_400 * n}
        for n, (c, s, t) in enumerate(TEXTS)
    ]
    messages[3]["attachment_filenames"] = {
        "name": "휴가 사진.png",
        "size": 1234,
        "type": "image/png",
        "url": "/download/1",
    }
    emulator.add_rows("messages", messages)
    await export_project(chat, path)
    return path


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"text": "하세요"}, [0]),
        ({"text": "여러"}, [0, 3]),
        ({"text": "말"}, []),
        ({"text": "good m"}, [1]),
        ({"text": "OO"}, [1]),
        ({"text": '"quoted" AND ('}, [2]),
        ({"text": "0%"}, [2]),
        ({"text": "%"}, [2]),
        ({"text": "_"}, []),
        ({"text": "\x00ab"}, []),
        ({"text": "\x1b[31"}, [3]),
        ({"text": "사진"}, [3]),
        ({"text": "휴가 사진"}, [3]),
        ({"sender": "kim-1"}, [0, 2]),
        ({"sender": "김철수"}, [0, 2]),
        ({"sender": "김"}, []),
        ({"channel": "c-2", "sender": "Lee"}, [3, 4]),
        ({"channel": "공지"}, [0, 1]),
        ({"channel": "notice"}, [0, 1]),
        ({"since": datetime.fromtimestamp(START + 86_400 * 3, UTC)}, [3, 4]),
        ({"since": datetime.fromtimestamp(START + 86_400 * 3 + 0.5, UTC)}, [4]),
        ({"until": datetime.fromtimestamp(START + 86_400, UTC)}, [0]),
        ({"files_only": True}, [3]),
        ({"newest_first": True, "limit": 2}, [4, 3]),
        ({"deleted": True}, []),
        ({"deleted": False, "limit": 1}, [0]),
    ],
)
async def test_conditions_find_what_they_say(
    archive: Path, conditions: dict[str, Any], expected: list[int]
) -> None:
    """Every condition narrows, texts of any length and script are taken as they are."""
    found = [message.content for message in search(archive, **conditions)]
    assert found == [TEXTS[number][2] for number in expected]


async def test_what_was_deleted_is_found_as_such(
    emulator: Emulator, chat: Client, archive: Path
) -> None:
    """A deleted message is still found, and said to be deleted."""
    (found,) = search(archive, text="everyone")
    await chat.messages.delete(found.channel_id, found.id)
    await export_project(chat, archive, complete=True)
    (found,) = search(archive, text="everyone")
    assert found.deleted
    assert [one.content for one in search(archive, deleted=True)] == [TEXTS[1][2]]


async def test_an_index_follows_a_text_that_changed(
    emulator: Emulator, chat: Client, archive: Path
) -> None:
    """A text that the platform masked since is found by what it says now."""
    (found,) = search(archive, text="everyone")
    row = {
        "id": found.id,
        "channel_id": found.channel_id,
        "sender": LEE,
        "content": "Good Morning ********",
        "created_at": START + 86_400,
    }
    emulator.remove_row("messages", found.id)
    emulator.add_rows("messages", [row])
    await export_project(chat, archive, complete=True)
    assert not list(search(archive, text="everyone"))
    assert [one.id for one in search(archive, text="good morning *")] == [found.id]


async def test_attachments_are_listed_across_channels(archive: Path) -> None:
    """A file comes with its channel, sender and address."""
    (file,) = files(archive)
    assert (file.channel_name, file.sender_name, file.name) == ("room", "Lee", "휴가 사진.png")
    assert (file.size, file.type, file.url) == (1234, "image/png", "/download/1")
    assert not list(files(archive, sender="kim-1"))


async def found_live(chat: Client, **conditions: Any) -> list[FoundFile]:
    """The attachments of a project, in one order."""
    async with live_files(chat, **conditions) as found:
        files = [file async for file in found]
        assert found.failures == []
    return sorted(files, key=lambda file: (file.sent_at, file.message_id), reverse=True)


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"sender": "lee-1"},
        {"sender": "김철수"},
        {"channel": "room"},
        {"channel": "notice"},
        {"since": datetime.fromtimestamp(START + 86_400 * 3, UTC)},
        {"until": datetime.fromtimestamp(START + 86_400 * 3, UTC)},
        {"since": datetime.fromtimestamp(START + 86_400 * 3 + 1, UTC)},
        {"limit": 0},
    ],
)
async def test_a_project_has_the_attachments_of_its_archive(
    emulator: Emulator, chat: Client, archive: Path, conditions: dict[str, Any]
) -> None:
    """Asked live, the same files are found, told alike, and in UTC."""
    file = {"name": "a.txt", "size": 1, "type": "text/plain", "url": "/a"}
    more = {"channel_id": "c-1", "sender": KIM, "content": "", "attachment_filenames": file}
    emulator.add_rows("messages", [{**more, "created_at": START + n} for n in range(250)])
    await export_project(chat, archive, complete=True)
    found = await found_live(chat, **conditions)
    expected = sorted(
        files(archive, **conditions), key=lambda one: (one.sent_at, one.message_id), reverse=True
    )
    assert found == expected
    assert all(one.sent_at is not None and one.sent_at.tzinfo is UTC for one in found)


async def test_files_of_one_second_may_come_in_any_order(emulator: Emulator, chat: Client) -> None:
    """A message before the border does not end the reading while others of its second follow."""
    emulator.seed(channels=1)
    file = {"name": "a.txt", "url": "/a"}
    late = {"id": "late", "created_at": "2025-07-01T00:00:05.8Z", "attachment_filenames": file}
    body = [{"id": "early", "created_at": "2025-07-01T00:00:05.2Z"}, late]
    text = msgspec.json.encode(body).decode()
    emulator.faults.add(Fault("listMessages", "status", status=200, body=text, nth=1))
    found = await found_live(chat, since=datetime(2025, 7, 1, 0, 0, 5, 500_000, tzinfo=UTC))
    assert [one.message_id for one in found] == ["late"]


async def test_a_limit_ends_the_reading(emulator: Emulator, chat: Client, archive: Path) -> None:
    """No more is found than asked for, and no page is read in vain."""
    file = {"name": "a.txt", "url": "/a"}
    more = {"channel_id": "c-1", "content": "", "attachment_filenames": file}
    emulator.add_rows("messages", [{**more, "created_at": START + n} for n in range(1_000)])
    before = emulator.stats.by_operation["listMessages"]
    assert len(await found_live(chat, channel="c-1", limit=3)) == 3
    assert emulator.stats.by_operation["listMessages"] - before <= 2
    assert await found_live(chat, since=datetime.now(UTC)) == []
    assert emulator.stats.by_operation["listMessages"] - before <= 4


async def test_a_live_search_reads_few_channels_at_once(
    emulator: Emulator, chat: Client, archive: Path
) -> None:
    """However many channels there are, the calls in flight are bounded."""
    emulator.seed(channels=40, messages_per_channel=1)
    emulator.faults.add(Fault("listMessages", "delay", delay_s=0.01))
    before = emulator.stats.peak_in_flight
    await found_live(chat, max_in_flight=3)
    assert emulator.stats.peak_in_flight <= max(before, 3)


async def test_a_live_search_reads_no_further_than_it_is_read(
    emulator: Emulator, chat: Client, archive: Path
) -> None:
    """While nobody takes what was found, no more pages are fetched."""
    file = {"name": "a.txt", "url": "/a"}
    more = {"channel_id": "c-1", "content": "", "attachment_filenames": file}
    emulator.add_rows("messages", [{**more, "created_at": START + n} for n in range(2_000)])
    async with live_files(chat, channel="c-1", max_in_flight=8) as found:
        await anext(found)
        before = emulator.stats.by_operation["listMessages"]
        await chat.messages.list("c-1").to_list()  # time enough for the search to go on
        after = emulator.stats.by_operation["listMessages"]
    assert 20 <= after - before <= 22


async def test_a_channel_that_cannot_be_read_costs_only_its_files(
    emulator: Emulator, chat: Client, archive: Path
) -> None:
    """It is named, and the files of the others are found; a refused key ends all."""
    emulator.faults.add(Fault("listMessages", "status", status=403, body="{}", nth=1))
    async with live_files(chat, max_in_flight=1) as found:
        assert [file.name async for file in found] == ["휴가 사진.png"]
    assert [failure.id for failure in found.failures] == ["c-1"]
    emulator.faults.clear()
    emulator.faults.add(Fault("listMessages", "status", status=200, body='{"status":-4}'))
    with pytest.raises(AuthenticationError):
        await found_live(chat)


async def test_messages_are_counted_by_the_projects_day(
    emulator: Emulator, chat: Client, archive: Path
) -> None:
    """An archive and a live project give the same numbers."""
    emulator.add_rows(
        "members",
        [
            {"id": "kim-1", "online": True},
            {"id": "lee-1"},
            {"id": "away-1", "deleted": True},
        ],
    )
    emulator.add_subscription("c-1", "kim-1")
    await export_project(chat, archive)
    stats = archive_stats(archive, days=2)
    assert (stats.members, stats.withdrawn, stats.online) == (2, 1, 1)
    assert (stats.channels, stats.subscriptions, stats.messages) == (2, 1, 5)
    assert [(str(day.day), day.messages) for day in stats.days] == [
        ("2025-07-04", 1),
        ("2025-07-05", 1),
    ]
    age = datetime.now(UTC) - datetime.fromtimestamp(START + 86_400 * 3, UTC)
    live = await live_stats(chat, days=age.days + 1)
    assert (live.members, live.online, live.subscriptions) == (2, 1, 1)
    assert live.days == stats.days


async def test_who_withdrew_is_not_online(emulator: Emulator, chat: Client, path: Path) -> None:
    """A member that left while it was connected counts as withdrawn, and as nothing else."""
    emulator.add_rows("members", [{"id": "away-1", "deleted": True, "online": True}])
    await export_project(chat, path)
    stats = archive_stats(path)
    assert (stats.members, stats.withdrawn, stats.online) == (0, 1, 0)


async def test_when_a_message_was_sent_is_told_alike(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """By the time that lists are sorted by, in an archive, live, in counts and in texts."""
    now = datetime.now(UTC).replace(microsecond=0)
    created, sent = now - timedelta(days=1), now - timedelta(days=30)
    emulator.add_rows("channels", [{"id": "c-1", "name": "c"}])
    file = {"name": "a.txt", "url": "/a"}
    times = {"created_at": created.isoformat(), "sended_at": sent.isoformat()}
    message = {"channel_id": "c-1", "content": "", "attachment_filenames": file, **times}
    emulator.add_rows("messages", [message])
    await export_project(chat, path)
    assert [one.sent_at for one in files(path)] == [created]
    assert [one.sent_at for one in await found_live(chat)] == [created]
    live = await live_stats(chat)
    assert live.days == archive_stats(path).days
    (stored,) = await chat.messages.list("c-1").to_list()
    text = Template("{sent_at}").render(stored, "")
    assert datetime.fromisoformat(text) == created
    assert live.days[0].day == datetime.fromisoformat(text).date()


BORDERS: list[tuple[dict[str, Any], str]] = [
    ({"since": datetime(2025, 7, 1)}, "since needs a time zone"),  # noqa: DTZ001 - the point
    ({"since": "2025"}, "since takes an aware datetime"),
    ({"until": 5}, "until takes an aware datetime"),
    ({"limit": -1}, "limit must be a whole number, 0 or more, or None"),
    ({"limit": 2.5}, "limit must be a whole number"),
    ({"limit": True}, "limit must be a whole number"),
    ({"sender": 5}, "sender must be a string"),
    ({"channel": "\ud83d"}, "channel holds a lone surrogate"),
]
TEXT: list[tuple[dict[str, Any], str]] = [
    ({"text": ""}, "text must not be empty"),
    ({"text": 5}, "text must be a string"),
    ({"text": "\ud83d"}, "text holds a lone surrogate"),
    ({"files_only": 1}, "files_only must be True or False"),
    ({"deleted": "no"}, "deleted must be True or False"),
    ({"newest_first": None}, "newest_first must be True or False"),
]


@pytest.mark.parametrize(
    ("call", "wrong", "words"),
    [(call, *case) for call in (search, files, live_files) for case in BORDERS]
    + [(search, *case) for case in TEXT]
    + [(live_files, {"max_in_flight": "4"}, "max_in_flight must be a whole number")],
)
def test_a_condition_without_sense_is_refused_at_the_call(
    path: Path, call: Callable[..., object], wrong: dict[str, Any], words: str
) -> None:
    """Misuse is told before anything is read."""
    of = Client("project", "key", base_url="https://host") if call is live_files else path
    with pytest.raises(ConfigError, match=words):
        call(of, **wrong)


@pytest.mark.parametrize("days", [0, -1, 2.5, "7", True, 10**20])
async def test_a_count_of_days_that_makes_no_sense_is_refused(path: Path, days: Any) -> None:
    """No number of days is taken for all of them, or ends in an error of the calendar."""
    with pytest.raises(ConfigError, match="days must be a whole number, from 1 to 36525, or None"):
        archive_stats(path, days=days)
    if days != 0:  # reads no message
        with pytest.raises(ConfigError, match="days must be a whole number, from 0 to 36525"):
            await live_stats(Client("project", "key", base_url="https://host"), days=days)


async def test_borders_may_lie_anywhere(chat: Client, archive: Path) -> None:
    """The first moment there is and the largest limit are borders like any other."""
    first, most = datetime.min.replace(tzinfo=UTC), 10**20
    assert len(list(search(archive, since=first, limit=most))) == len(TEXTS)
    assert len(await found_live(chat, since=first, limit=most)) == 1


@pytest.mark.parametrize(
    ("at", "digits"),
    [
        ("0001-01-01T00:00:00+09:00", 18),
        ("9999-12-31T23:59:59-09:00", 18),
        ("soon", 18),
        ("soon", 19),
    ],
)
async def test_a_time_that_is_none_leaves_a_message_without_one(
    emulator: Emulator, chat: Client, path: Path, at: str, digits: int
) -> None:
    """A message is found whatever it says of its time, also by a number that no column holds."""
    emulator.seed(channels=1)
    body = f'[{{"id":"m","content":"hello","sort_id":"{"9" * digits}","created_at":"{at}"}}]'
    emulator.faults.add(Fault("listMessages", "status", status=200, body=body))
    await export_project(chat, path)
    (found,) = search(path, text="hello")
    assert found.sent_at is None


def test_nothing_is_made_by_searching(path: Path) -> None:
    """A name without an archive is told, and stays without one."""
    with pytest.raises(ArchiveError, match="no archive"):
        list(search(path))
    assert not path.exists()
