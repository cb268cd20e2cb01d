"""An export holds what the project holds, whatever happens on the way."""

import random
import sqlite3
import stat
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from ncloudchat_async import Client
from ncloudchat_async.emulator import Emulator, Fault, ListCall
from ncloudchat_async.errors import ArchiveError, ConfigError, NcloudChatError
from ncloudchat_async.transfer import (
    Progress,
    describe,
    export_project,
    forecast_import,
    import_project,
    live_files,
    live_stats,
    verify,
)
from ncloudchat_async.transfer.export import as_job
from ncloudchat_async.transfer.writer import ArchiveWriter
from tests.transfer.conftest import content, open_client, rows

HOUR = timedelta(hours=1)


async def test_every_row_is_in_the_archive_as_it_came(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """All nouns are read to their end, and the platform's JSON is kept."""
    emulator.seed(members=230, channels=3, messages_per_channel=250, subscriptions=120)
    told: list[Progress] = []
    report = await export_project(chat, path, on_progress=told.append)
    assert (report.members, report.channels, report.subscriptions) == (230, 3, 120)
    assert (report.messages, report.new_messages, report.gone, report.failures) == (750, 750, 0, ())
    assert told[-1] == Progress("messages", 3, 3, 230 + 3 + 120 + 750 + 3)
    channel = await chat.channels.list().first()
    assert channel is not None
    expected = [message.id async for message in chat.messages.list(channel.id)]
    query = "SELECT id, raw FROM messages WHERE channel_id = ? ORDER BY sort_id"
    found = rows(path, query, channel.id)
    assert [row[0] for row in found] == expected
    raw = msgspec.json.decode(found[0][1])
    assert raw["attachment_filenames"] == {"name": "", "size": 0, "type": "text", "url": ""}
    info = describe(path)
    assert (info.project_id, info.messages, info.interrupted) == ("old-project", 750, False)


async def test_fields_that_nobody_knows_survive(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """The archive keeps what the platform may send one day."""
    body = '[{"id":"m-1","name":"Kim","created_at":"not a time","zodiac":{"sign":[1,2.50]}}]'
    emulator.faults.add(Fault("listMembers", "status", status=200, body=body, nth=1))
    await export_project(chat, path)
    assert rows(path, "SELECT id, name, created_ms, raw FROM members") == [
        ("m-1", "Kim", None, body[1:-1])
    ]


async def test_a_later_export_fetches_only_what_is_new(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """Messages that are there are not fetched again, but for the look-back."""
    seeded = emulator.seed(channels=4, messages_per_channel=1_000)
    first = await export_project(chat, path)
    news = [await chat.messages.send(seeded.channel_ids[2], f"news {n}") for n in range(3)]
    report = await export_project(chat, path, look_back=timedelta(seconds=5))
    assert (report.new_messages, report.messages) == (3, 4_003)
    assert report.requests < 15 < first.requests
    assert {row[0] for row in rows(path, "SELECT id FROM messages WHERE seq > 4000")} == {
        message.id for message in news
    }


async def test_a_message_that_came_late_is_found_by_looking_back(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """Rows dated before the newest one are found within the look-back, and no further."""
    (channel,) = emulator.seed(channels=1, messages_per_channel=200).channel_ids
    await export_project(chat, path)
    newest = rows(path, "SELECT max(created_ms) FROM messages")[0][0] / 1000
    late = [{"channel_id": channel, "content": "late", "created_at": newest - 30}]
    late += [{"channel_id": channel, "content": "too late", "created_at": newest - 190}]
    emulator.add_rows("messages", late)
    await export_project(chat, path, look_back=timedelta(seconds=60))
    found = rows(path, "SELECT content FROM messages WHERE content LIKE '%late'")
    assert found == [("late",)]


async def test_since_leaves_old_messages_out_and_nothing_after(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """The first export begins at `since`; later ones join it without a gap."""
    (channel,) = emulator.seed(channels=1, messages_per_channel=500).channel_ids
    begin = datetime(2025, 7, 1, tzinfo=UTC) + timedelta(seconds=300)
    await export_project(chat, path, since=begin)
    assert times(path) == [begin + timedelta(seconds=n) for n in range(200)]
    await chat.messages.send(channel, "news")
    await export_project(chat, path, since=datetime.now(UTC) + HOUR)
    assert rows(path, "SELECT count(*) FROM messages WHERE content = 'news'") == [(1,)]
    await export_project(chat, path, complete=True)
    assert rows(path, "SELECT count(*) FROM messages") == [(501,)]


def times(path: Path) -> list[datetime]:
    """When the messages of an archive were sent, oldest first."""
    found = rows(path, "SELECT created_ms FROM messages ORDER BY created_ms")
    return [datetime.fromtimestamp(ms / 1000, UTC) for (ms,) in found]


@pytest.mark.parametrize("complete", [False, True])
async def test_no_export_goes_below_since_unasked(
    emulator: Emulator, chat: Client, path: Path, complete: bool
) -> None:
    """Neither a look back nor `complete` fetches what was left out; an earlier moment does."""
    emulator.seed(channels=2, messages_per_channel=450)
    begin = datetime(2025, 7, 1, tzinfo=UTC) + timedelta(seconds=300)
    report = await export_project(chat, path, since=begin, complete=complete)
    assert (report.messages, min(times(path))) == (300, begin)
    report = await export_project(chat, path, look_back=HOUR)
    assert (report.messages, report.new_messages, report.gone) == (300, 0, 0)
    await export_project(chat, path, since=begin + HOUR, complete=True)
    assert (len(times(path)), min(times(path))) == (300, begin)
    earlier = begin - timedelta(seconds=150)
    await export_project(chat, path, since=earlier)
    assert (len(times(path)), min(times(path))) == (600, earlier)
    assert (await verify(path, chat)).equal


async def test_a_since_that_nothing_follows_keeps_nothing(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """A page of older messages is read and not kept, and what comes then is fetched."""
    (channel,) = emulator.seed(channels=1, messages_per_channel=250).channel_ids
    begin = datetime.now(UTC)
    assert (await export_project(chat, path, since=begin)).messages == 0
    await chat.messages.send(channel, "news")  # in the very second of `begin`, as a rule
    assert (await export_project(chat, path, look_back=timedelta(0))).messages == 1


async def test_an_interrupted_export_since_a_moment_goes_on_as_it_began(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """What is kept does not depend on where an export was interrupted."""
    emulator.seed(channels=1, messages_per_channel=950)
    begin = datetime(2025, 7, 1, tzinfo=UTC) + timedelta(seconds=300)
    emulator.faults.add(Fault("listMessages", "status", status=200, body='{"status":-4}', nth=4))
    with pytest.raises(NcloudChatError):
        await export_project(chat, path, since=begin)
    emulator.faults.clear()
    report = await export_project(chat, path, since=begin)
    assert report.resumed
    assert times(path) == [begin + timedelta(seconds=n) for n in range(650)]


def answer(emulator: Emulator, *pages: list[tuple[int, str]]) -> None:
    """Have a channel list these pages of numbered moments, then no more."""
    emulator.add_rows("channels", [{"id": "c-1", "name": "c"}])
    for number, page in enumerate((*pages, []), start=1):
        body = msgspec.json.encode([{"id": f"m-{n}", "created_at": at} for n, at in page])
        nth = number if page else None
        fault = Fault("listMessages", "status", status=200, body=body.decode(), nth=nth)
        emulator.faults.add(fault)


async def test_since_misses_nothing_that_may_belong_to_it(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """A time that cannot be read is kept, as is all of the second that `since` is in."""
    stamps = ["2025-07-01T00:00:09Z", "soon", "2025-07-01T00:00:05Z", "2025-07-01T00:00:04Z"]
    answer(emulator, list(enumerate(stamps)))
    begin = datetime(2025, 7, 1, 0, 0, 5, 900_000, tzinfo=UTC)
    await export_project(chat, path, since=begin)
    assert rows(path, "SELECT id FROM messages ORDER BY id") == [("m-0",), ("m-1",), ("m-2",)]


async def test_messages_of_one_second_may_come_in_any_order(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """An older message is not taken for the border while others of its second may follow."""
    early, late = (99, "2025-07-01T00:00:04.900Z"), (100, "2025-07-01T00:00:05.100Z")
    answer(emulator, [*((n, "2025-07-01T00:00:09Z") for n in range(99)), early], [early, late])
    await export_project(chat, path, since=datetime(2025, 7, 1, 0, 0, 5, tzinfo=UTC))
    found = {row[0] for row in rows(path, "SELECT id FROM messages")}
    assert found == {f"m-{n}" for n in (*range(99), 100)}


async def test_deleted_rows_are_marked_and_kept(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """What is gone stays in the archive with the moment that was noticed."""
    seeded = emulator.seed(members=3, channels=2, messages_per_channel=300)
    await export_project(chat, path)
    kept, dropped = seeded.channel_ids
    old, young = rows(
        path,
        "SELECT min(id), max(id) FROM messages WHERE channel_id = ?",
        kept,
    )[0]
    await chat.messages.delete(kept, old)
    await chat.messages.delete(kept, young)
    await chat.channels.delete(dropped)
    report = await export_project(chat, path, look_back=timedelta(seconds=10))
    gone = "SELECT count(*) FROM messages WHERE gone_ms IS NOT NULL AND channel_id = ?"
    assert (rows(path, gone, kept), rows(path, gone, dropped)) == ([(1,)], [(300,)])
    assert (report.gone, report.channels, report.messages) == (302, 1, 299)
    report = await export_project(chat, path, complete=True)
    assert (rows(path, gone, kept), report.gone) == ([(2,)], 1)
    assert rows(path, "SELECT count(*) FROM messages") == [(600,)]


async def test_rows_that_stay_are_exported_once_while_others_come_and_go(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """A list that moves while it is read hides no row that exists throughout."""
    seeded = emulator.seed(members=300, channels=3, messages_per_channel=600)
    chance = random.Random(5)
    doomed = [
        row.id
        for channel in seeded.channel_ids
        for row in await chat.messages.list(channel).to_list()
        if chance.random() < 0.2
    ]
    stay = {
        row.id
        for channel in seeded.channel_ids
        for row in await chat.messages.list(channel).to_list()
    } - set(doomed)
    chance.shuffle(doomed)

    def move(_: ListCall) -> None:
        for _number in range(3):
            if doomed:
                emulator.remove_row("messages", doomed.pop())
        channel = chance.choice(seeded.channel_ids)
        at = 1_751_328_000 + chance.randrange(600)
        emulator.add_rows(
            "messages", [{"channel_id": channel, "content": "between", "created_at": at}]
        )

    emulator.on_list = move
    await export_project(chat, path)
    found = {row[0] for row in rows(path, "SELECT id FROM messages")}
    assert stay <= found


async def test_a_channel_that_cannot_be_read_is_named_and_the_rest_goes_on(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """One refused channel costs only its own messages, and the next export fetches them."""
    emulator.seed(channels=5, messages_per_channel=120)
    refusal = '{"error":{"errorCode":"210","message":"Permission denied"}}'
    emulator.faults.add(Fault("listMessages", "status", status=403, body=refusal, nth=2))
    report = await export_project(chat, path, max_in_flight=1)
    (failure,) = report.failures
    assert failure.noun == "messages"
    assert failure.reason.startswith("PermissionDeniedError: Messages.list: Permission denied")
    assert report.messages >= 480
    emulator.faults.clear()
    report = await export_project(chat, path, look_back=timedelta(0))
    assert (report.messages, report.failures) == (600, ())


async def test_a_channel_deleted_on_the_way_is_named(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """Half a channel is never taken for a whole one without a word."""
    seeded = emulator.seed(channels=2, messages_per_channel=500)
    doomed = seeded.channel_ids[1]

    def delete(call: ListCall) -> None:
        if doomed in call.ids and msgspec.json.decode(call.query["option"])["offset"] >= 200:
            emulator.on_list = None
            emulator.remove_row("channels", doomed)

    emulator.on_list = delete
    report = await export_project(chat, path, max_in_flight=1)
    (failure,) = report.failures
    assert (failure.noun, failure.id) == ("channels", doomed)
    assert (report.channels, report.messages) == (1, 500)


async def test_an_interrupted_export_goes_on_where_it_ended(
    emulator: Emulator, chat: Client, path: Path, tmp_path: Path
) -> None:
    """What was read before a refused key is not read again, and the end is the same."""
    emulator.seed(members=150, channels=3, messages_per_channel=700, subscriptions=50)
    whole = tmp_path / "whole"
    full = await export_project(chat, whole)
    refused = '{"status":-4,"message":"disabled"}'
    emulator.faults.add(Fault("listMessages", "status", status=200, body=refused, nth=12))
    with pytest.raises(NcloudChatError, match="disabled"):
        await export_project(chat, path, max_in_flight=1)
    assert describe(path).interrupted
    emulator.faults.clear()
    report = await export_project(chat, path)
    assert report.resumed
    assert report.new_messages == 2_100
    assert report.requests < full.requests - 5
    assert content(path) == content(whole)


async def test_a_long_channel_goes_on_from_its_last_page(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """Of a channel that was read in part, only the rest is asked for."""
    emulator.seed(channels=1, messages_per_channel=3_000)
    emulator.faults.add(Fault("listMessages", "status", status=200, body='{"status":-4}', nth=25))
    with pytest.raises(NcloudChatError):
        await export_project(chat, path, max_in_flight=1)
    emulator.faults.clear()
    report = await export_project(chat, path, max_in_flight=1)
    assert (report.messages, report.requests < 20) == (3_000, True)


async def test_options_of_an_interrupted_export_bind_only_that_one(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """Asked for something else, an export begins anew and still holds everything."""
    emulator.seed(channels=2, messages_per_channel=300)
    emulator.faults.add(Fault("listMessages", "status", status=200, body='{"status":-5}', nth=3))
    with pytest.raises(NcloudChatError):
        await export_project(chat, path)
    emulator.faults.clear()
    report = await export_project(chat, path, complete=True)
    assert (report.resumed, report.messages) == (False, 600)


async def test_rows_of_an_abandoned_export_are_not_taken_for_seen(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """What an export read that nobody finished counts for nothing in the next one."""
    seeded = emulator.seed(channels=2, messages_per_channel=20)
    await export_project(chat, path)
    emulator.faults.add(Fault("listMessages", "status", status=200, body='{"status":-4}', nth=2))
    with pytest.raises(NcloudChatError):
        await export_project(chat, path, complete=True, max_in_flight=1)
    for channel in seeded.channel_ids:
        (doomed,) = rows(path, "SELECT max(id) FROM messages WHERE channel_id = ?", channel)[0]
        emulator.remove_row("messages", doomed)
    assert (await export_project(chat, path, complete=True, look_back=2 * HOUR)).gone == 2


async def test_a_message_of_the_future_hides_none_that_comes(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """A later export joins the moment when the first one began, not a date that is none."""
    (channel,) = emulator.seed(channels=1).channel_ids
    begin, wrong = time.time() + 10**7, {"channel_id": channel, "content": "x"}
    emulator.add_rows("messages", [{**wrong, "created_at": begin + 2 * n} for n in range(101)])
    await export_project(chat, path)
    news = {"channel_id": channel, "content": "news", "created_at": time.time()}
    emulator.add_rows("messages", [news])
    assert (await export_project(chat, path, look_back=timedelta(0))).new_messages == 1


def test_long_work_is_patient_and_behind_single_calls() -> None:
    """An export has no deadline, lets others go first, and waits a quarter of an hour if asked."""
    options = as_job(Client("p", "k")).options
    assert (options.priority, options.deadline_s) == ("bulk", None)
    assert options.retry.max_retry_after_s == 900


async def test_an_archive_belongs_to_one_project(
    emulator: Emulator, chat: Client, other: Emulator, path: Path
) -> None:
    """Rows of another project are refused before any is asked for."""
    await export_project(chat, path)
    async with open_client(other) as stranger:
        with pytest.raises(ArchiveError, match="archive of project old-project"):
            await export_project(stranger, path)
    assert other.stats.requests == 0


async def test_two_exports_into_one_archive_exclude_each_other(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """The second one is told, and the first is not disturbed."""
    emulator.seed(channels=1, messages_per_channel=50)
    told: list[str] = []

    async def again() -> None:
        with pytest.raises(ArchiveError, match="in use"):
            await export_project(chat, path)
        told.append("refused")

    def once(progress: Progress) -> None:
        if not told:
            told.append(progress.stage)

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: export_project(chat, path, on_progress=once))
        while not told:
            await anyio.lowlevel.checkpoint()
        await again()
    assert told[-1] == "refused"
    assert describe(path).messages == 50


async def test_work_that_fails_is_undone_and_costs_no_other(path: Path) -> None:
    """A piece of work is in the file as a whole or not at all, and the next one is done."""

    def fail(db: sqlite3.Connection) -> None:
        db.execute("UPDATE archive SET project_id = 'half'")
        raise ValueError("fault")

    async with ArchiveWriter(path, "old-project", "http://host") as archive:
        with pytest.raises(ValueError, match="fault"):
            await archive.call(fail)
        owner = await archive.call(lambda db: db.execute("SELECT project_id FROM archive"))
        assert owner.fetchall() == [("old-project",)]


@pytest.mark.parametrize("kind", ["link", "directory", "text"])
async def test_only_an_archive_is_written_to(
    chat: Client, path: Path, tmp_path: Path, kind: str
) -> None:
    """Nothing is written through a link or into a file of something else."""
    target = put(kind, path, tmp_path)
    with pytest.raises(ArchiveError):
        await export_project(chat, path)
    assert not is_there(target)


def put(kind: str, path: Path, directory: Path) -> Path:
    """Let something stand where the archive should be; a link to what is returned."""
    target = directory / "target"
    if kind == "link":
        path.symlink_to(target)
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_text("SQLite format 3? No: a diary. " * 100)
    return target


def is_there(path: Path) -> bool:
    """Whether anything has this name."""
    return path.exists()


async def test_an_archive_is_for_its_owner_only(chat: Client, path: Path) -> None:
    """Nobody else can read what people wrote, and one file is left."""
    await export_project(chat, path)
    assert mode(path) == 0o600
    assert names(path.parent) == [path]


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def names(directory: Path) -> list[Path]:
    """What is in a directory."""
    return list(directory.iterdir())


async def test_a_since_without_a_time_zone_is_refused(chat: Client, path: Path) -> None:
    """A moment that is not known cannot be a border."""
    with pytest.raises(ConfigError, match="time zone"):
        await export_project(chat, path, since=datetime(2025, 7, 1))  # noqa: DTZ001 - the point
    assert not is_there(path)


NO_CLIENTS: list[Callable[[Any, Path], Awaitable[object]]] = [
    export_project,
    import_project,
    forecast_import,
    lambda chat, path: live_stats(chat),
    lambda chat, path: _opened(chat),
]


async def _opened(chat: Any) -> None:
    async with live_files(chat):
        pass


@pytest.mark.parametrize("call", NO_CLIENTS)
@pytest.mark.parametrize("chat", [None, Client, "project"])
async def test_what_is_no_client_is_told(
    call: Callable[[Any, Path], Awaitable[object]], chat: Any, path: Path
) -> None:
    """Where a client belongs, nothing else is worked with, and no file is made for it."""
    with pytest.raises(ConfigError, match=r"chat takes a Client\(\.\.\.\)"):
        await call(chat, path)
    assert not is_there(path)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"left": None}, "left takes a Client"),
        ({"right": 5}, "right takes a Client"),
        ({"on_progress": 5}, "on_progress takes a function"),
    ],
)
async def test_a_side_that_is_none_is_told(path: Path, wrong: dict[str, Any], words: str) -> None:
    """A side is a project or an archive, which need not be there to tell that."""
    with pytest.raises(ConfigError, match=words):
        await verify(**{"left": path, "right": path, **wrong})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"since": "2025"}, "since takes an aware datetime"),
        ({"since": 5}, "since takes an aware datetime"),
        ({"complete": "yes"}, "complete must be True or False"),
        ({"look_back": 5}, "look_back takes a timedelta"),
        ({"look_back": timedelta(seconds=-1)}, "look_back must not be negative"),
        ({"max_in_flight": 2.5}, "max_in_flight must be a whole number"),
        ({"max_in_flight": True}, "max_in_flight must be a whole number"),
        ({"max_in_flight": "4"}, "max_in_flight must be a whole number"),
        ({"max_in_flight": 0}, "max_in_flight must be a whole number"),
        ({"on_progress": 5}, "on_progress takes a function"),
    ],
)
async def test_an_option_that_makes_no_sense_is_refused_first(
    emulator: Emulator, chat: Client, path: Path, wrong: dict[str, Any], words: str
) -> None:
    """What cannot be used is named before a request is sent or a file is made."""
    with pytest.raises(ConfigError, match=words):
        await export_project(chat, path, **wrong)
    assert emulator.stats.requests == 0
    assert not is_there(path)


async def test_verify_finds_what_differs(emulator: Emulator, chat: Client, path: Path) -> None:
    """An archive and its project are equal until something changes."""
    seeded = emulator.seed(members=5, channels=3, messages_per_channel=150, subscriptions=6)
    await export_project(chat, path)
    assert (await verify(path, chat)).equal
    one, two, three = seeded.channel_ids
    newest = rows(path, "SELECT max(id) FROM messages WHERE channel_id = ?", one)[0][0]
    await chat.messages.delete(one, newest)
    sent = await chat.messages.send(two, "more")
    await chat.channels.delete(three)
    await chat.members.update("member-000001", name="Renamed")
    found = await verify(path, chat)
    assert not found.equal
    assert found.members.examples == ("different member-000001",)
    assert found.channels.examples == (f"missing {three}",)
    by_channel = {one.channel_id: one for one in found.differing}
    assert set(by_channel) == {one, two, three}
    assert by_channel[one].examples == (f"missing {newest}",)
    assert by_channel[two].examples == (f"extra {sent.id}",)
    assert (found.messages.missing, found.messages.extra) == (1 + 150, 1)


async def test_half_a_project_is_not_compared(emulator: Emulator, chat: Client, path: Path) -> None:
    """A channel that cannot be read is no channel without messages: nothing is said of it."""
    emulator.seed(channels=2, messages_per_channel=5)
    await export_project(chat, path)
    emulator.faults.add(Fault("listMessages", "status", status=403, body="{}", nth=1))
    with pytest.raises(NcloudChatError, match="cannot be read whole: messages"):
        await verify(path, chat)


async def test_an_archive_since_a_moment_is_compared_from_there_on(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """What was left out on purpose is not missed."""
    emulator.seed(channels=2, messages_per_channel=300)
    begin = datetime(2025, 7, 1, tzinfo=UTC) + timedelta(seconds=100)
    await export_project(chat, path, since=begin)
    found = await verify(path, chat)
    assert found.equal
    assert 0 < found.messages.left < 600


async def test_ids_that_no_path_can_carry_cost_only_their_channel(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """Whatever the server calls a channel, the others are exported."""
    ids = ["..", "a/b?c#d", "말", "x" * 300, "\u202eabc", "%2e%2e"]
    emulator.add_rows("channels", [{"id": one, "name": one} for one in ids])
    emulator.add_rows("messages", [{"channel_id": one, "content": one} for one in ids])
    report = await export_project(chat, path)
    assert {one.id for one in report.failures} == {"..", "x" * 300}
    found = rows(path, "SELECT content FROM messages ORDER BY content")
    assert {row[0] for row in found} == set(ids) - {"..", "x" * 300}


async def test_a_channel_that_comes_back_is_read_again(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """A channel that was missing from one list is not taken for deleted for ever."""
    emulator.seed(channels=1, messages_per_channel=250)
    await export_project(chat, path)
    emulator.faults.add(Fault("listChannels", "status", status=200, body="[]"))
    assert (await export_project(chat, path, look_back=timedelta(0))).messages == 0
    emulator.faults.clear()
    report = await export_project(chat, path, look_back=timedelta(0))
    assert (report.channels, report.messages, report.new_messages) == (1, 250, 0)
