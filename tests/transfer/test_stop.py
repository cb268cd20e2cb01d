"""An import that is asked to stop ends in order, and the next one goes on with its template."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from ncloudchat_async import Client, Quota
from ncloudchat_async.emulator import Emulator, Fault
from ncloudchat_async.errors import ArchiveError, ConfigError
from ncloudchat_async.transfer import (
    ImportReport,
    Progress,
    Stop,
    export_project,
    forecast_import,
    import_project,
    verify,
)
from tests.transfer.conftest import rows
from tests.transfer.test_export import names
from tests.transfer.test_import import fill

SETTLE_S = 0.05


@pytest.fixture
async def archive(emulator: Emulator, chat: Client, path: Path) -> Path:
    """The old project, exported."""
    fill(emulator)
    await export_project(chat, path)
    return path


async def stopped(
    chat: Client, path: Path, stage: str, done: int = 1, *, template: str | None = None
) -> ImportReport:
    """Import, and ask to stop after some progress in a stage."""
    stop = Stop()

    def tell(reached: Progress) -> None:
        if (reached.stage, reached.done) == (stage, done):
            stop.ask()

    # A settle time that no test would survive: who is asked to stop waits for nothing.
    return await import_project(
        chat, path, template=template, settle_s=1_000, stop=stop, on_progress=tell
    )


@pytest.mark.parametrize("stage", ["members", "channels", "friends", "messages", "settings"])
async def test_a_stopped_import_is_finished_by_the_next(
    other: Emulator, new_chat: Client, archive: Path, stage: str
) -> None:
    """Whatever it was at, nothing is in flight, lost or done twice, and one file is left."""
    pairs = [("kim-1", "lee-1")]
    stop = Stop()
    report = await import_project(
        new_chat,
        archive,
        friends=pairs,
        stop=stop,
        on_progress=lambda reached: stop.ask() if reached.stage == stage else None,
    )
    assert (report.interrupted, report.failures) == (True, [])
    assert not rows(archive, "SELECT * FROM mapped WHERE state IN ('creating', 'sending')")
    last = await import_project(new_chat, archive, friends=pairs)
    assert (last.interrupted, last.failures) == (False, [])
    assert other.stats.rows["messages"] == 40
    assert other.stats.by_operation["requestFriend"] == 1
    assert (await verify(archive, new_chat)).equal
    assert names(archive.parent) == [archive]


async def test_what_waits_for_quota_is_noted_as_not_sent(
    emulator: Emulator, other: Emulator, chat: Client, new_chat: Client, path: Path
) -> None:
    """Requests that a stop keeps from leaving are no doubts: the next import sends each once."""
    emulator.add_rows("members", [{"id": f"user-{n}", "name": "n"} for n in range(31)])
    await export_project(chat, path)
    await import_project(new_chat, path)
    pairs = [("user-0", f"user-{n}") for n in range(1, 31)]
    stop = Stop()
    quota = Quota(rate=20)
    async with Client(
        other.project_id, other.api_key, base_url=other.base_url, quota=quota
    ) as slow:
        report = await import_project(
            slow,
            path,
            friends=pairs,
            stop=stop,
            on_progress=lambda reached: stop.ask() if reached.stage == "friends" else None,
        )
    assert report.interrupted
    assert report.failures == []
    assert report.friends_requested == other.stats.by_operation["requestFriend"] < 30
    assert not rows(path, "SELECT * FROM mapped WHERE state = 'sending'")
    last = await import_project(new_chat, path, friends=pairs)
    assert (last.interrupted, last.failures) == (False, [])
    assert other.stats.by_operation["requestFriend"] == 30


async def test_a_stopped_import_says_what_is_left(
    other: Emulator, new_chat: Client, archive: Path
) -> None:
    """Sent and left make the whole, in one journal; the next report has all of it."""
    report = await stopped(new_chat, archive, "messages", 10)
    assert report.messages_sent == other.stats.rows["messages"] < 40
    assert report.messages_sent + report.messages_left == 40
    journals = [one for one in names(archive.parent) if one != archive]
    assert {one.name.rpartition("-")[2] for one in journals} == {"1", "lock"}
    last = await import_project(new_chat, archive)
    assert (last.resumed, last.messages_sent, last.messages_left) == (True, 40, 0)


@pytest.mark.parametrize("stage", ["channels", "friends", "messages", "settings"])
async def test_a_forecast_counts_what_a_stopped_import_left(
    chat: Client, other: Emulator, new_chat: Client, archive: Path, stage: str
) -> None:
    """What was done is not forecast again: what the next import sends is, and nothing else."""
    pairs = [("kim-1", "lee-1"), ("lee-1", "kim-1")]
    stop = Stop()

    def tell(reached: Progress) -> None:
        if (reached.stage, reached.done) == (stage, 10 if stage == "messages" else 1):
            stop.ask()

    await import_project(new_chat, archive, friends=pairs, stop=stop, on_progress=tell)
    await chat.messages.send("c-1", "news")
    await export_project(chat, archive)
    before = Counter(other.stats.by_operation)
    forecast = await forecast_import(new_chat, archive, friends=pairs)
    assert forecast.problems == []
    assert forecast.messages == 41 - before["sendMessage"]
    assert forecast.friends == 2 - before["requestFriend"]
    await import_project(new_chat, archive, friends=pairs)
    changed = {
        name: count - before[name]
        for name, count in other.stats.by_operation.items()
        if not name.startswith(("list", "get"))
    }
    assert changed["sendMessage"] == forecast.messages
    assert sum(changed.values()) == forecast.requests
    last = await forecast_import(new_chat, archive, friends=pairs)
    assert (last.messages, last.longest_channel, last.requests) == (0, 0, 0)


async def test_no_phone_rings_while_messages_come_over(new_chat: Client, archive: Path) -> None:
    """Until its settings come last, a channel pushes nothing, whatever it did before."""
    await stopped(new_chat, archive, "messages")
    assert [one.push async for one in new_chat.channels.list()] == [False, False]


def test_a_wish_from_before_reaches_the_work() -> None:
    """What is begun after somebody asked to stop is stopped as it begins."""
    stop, heard = Stop(), list[str]()
    stop.ask()
    with stop.reaches(lambda: heard.append("stop")):
        assert heard == ["stop"]


async def test_an_import_asked_before_it_began_does_nothing(
    other: Emulator, new_chat: Client, archive: Path
) -> None:
    """A wish from before is heard."""
    stop = Stop()
    stop.ask()
    report = await import_project(new_chat, archive, stop=stop)
    assert (report.interrupted, other.stats.requests) == (True, 0)


async def test_a_message_left_in_doubt_is_looked_for_by_the_next_import(
    other: Emulator, new_chat: Client, archive: Path
) -> None:
    """Stopping waits for no doubt; the next import says that it looks, and sends none twice."""
    other.faults.add(Fault("sendMessage", "drop_after", nth=5))
    # The channel of the doubt is held up, so the other one is at its end by then.
    report = await stopped(new_chat, archive, "messages", 20)
    assert (report.messages_unknown, report.failures) == (0, [])
    told: list[tuple[str, int, float]] = []
    await import_project(
        new_chat, archive, settle_s=SETTLE_S, on_doubt=lambda *doubt: told.append(doubt)
    )
    assert told == [("messages", 1, SETTLE_S * 7 / 3)]
    assert other.stats.rows["messages"] == 40
    assert (await verify(archive, new_chat)).equal


async def test_a_channel_in_doubt_is_told_and_holds_no_stop_up(
    other: Emulator, new_chat: Client, archive: Path
) -> None:
    """An import that waits for a channel says so, and ends at once when it is asked to."""
    other.faults.add(Fault("createChannel", "drop_before", nth=1))
    await import_project(new_chat, archive)
    stop = Stop()
    told: list[tuple[str, int, float]] = []
    # The other channel is there, which is told while the one in doubt is waited for.
    report = await import_project(
        new_chat,
        archive,
        settle_s=1_000,
        stop=stop,
        on_progress=lambda reached: stop.ask() if reached.stage == "channels" else None,
        on_doubt=lambda *doubt: told.append(doubt),
    )
    assert told == [("channels", 1, 1_000)]
    assert (report.interrupted, report.channels_created) == (True, 0)
    last = await import_project(new_chat, archive, settle_s=SETTLE_S)
    assert (last.channels_created, last.messages_sent) == (1, 20)
    assert (await verify(archive, new_chat)).equal


async def test_another_template_than_that_of_an_interrupted_import_is_refused(
    chat: Client, other: Emulator, new_chat: Client, archive: Path
) -> None:
    """Its texts are made already, so another wording is refused before any request."""
    await stopped(new_chat, archive, "messages", 10, template="{content}")
    before = other.stats.requests
    for call in (import_project, forecast_import):
        with pytest.raises(ConfigError, match=r"template '\{content\}'"):
            await call(new_chat, archive, template="{sender}: {content}")
    assert other.stats.requests == before
    await chat.messages.send("c-1", "news")
    await export_project(chat, archive)
    report = await import_project(new_chat, archive)
    assert (report.resumed, report.messages_sent) == (True, 41)
    assert (await verify(archive, new_chat, template="{content}")).equal
    await chat.messages.send("c-1", "later")
    await export_project(chat, archive)
    last = await import_project(new_chat, archive, template="{sender}: {content}")
    assert last.messages_sent == 1


async def test_a_round_that_sent_nothing_leaves_its_template_behind(
    other: Emulator, new_chat: Client, archive: Path
) -> None:
    """A round whose texts are not all recorded is begun anew, with any template."""
    await stopped(new_chat, archive, "channels", 2, template="{sender}: {content}")
    report = await import_project(new_chat, archive, template="{content}")
    assert (report.resumed, report.messages_sent) == (False, 40)
    assert (await verify(archive, new_chat)).equal


async def test_an_import_whose_journal_is_gone_sends_nothing_twice(
    other: Emulator, new_chat: Client, archive: Path
) -> None:
    """It is missed before any request, also when the archive was renamed, and taken when back."""
    await stopped(new_chat, archive, "messages", 10)
    (journal,) = [one for one in names(archive.parent) if one.name.endswith("-1")]
    before = other.stats.requests
    for gone in (
        lambda: journal.rename(journal.with_name("elsewhere")),
        lambda: journal.write_bytes(b"x" * 4096),
    ):
        gone()
        with pytest.raises(ArchiveError, match=journal.name):
            await import_project(new_chat, archive)
    assert other.stats.requests == before
    journal.with_name("elsewhere").rename(journal)
    report = await import_project(new_chat, archive)
    assert (report.resumed, report.messages_sent, other.stats.rows["messages"]) == (True, 40, 40)


async def test_a_journal_that_was_never_whole_is_not_missed(
    other: Emulator, new_chat: Client, archive: Path
) -> None:
    """A round that was ended while it was lined up sent nothing: it is begun anew."""
    with closing(sqlite3.connect(archive)) as db:
        db.execute(
            "INSERT INTO imports (project_id, base_url, template, begun_ms) VALUES (?, ?, ?, 1)",
            (new_chat.project_id, new_chat.base_url, "{sender}"),
        )
        db.commit()
    report = await import_project(new_chat, archive, template="{content}")
    assert (report.resumed, report.messages_sent) == (False, 40)
