"""The journal's file: how it is made, what it refuses, what it tells while a job runs."""

import asyncio
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from ncloudchat_async.errors import (
    JournalCorruptError,
    JournalError,
    JournalLockedError,
    JournalMismatchError,
    NotSentError,
)
from ncloudchat_async.journal import Binding, JournalView
from ncloudchat_async.journal.batch import Batch
from ncloudchat_async.journal.commits import Journal
from ncloudchat_async.journal.writer import JournalWriter
from tests.unit.bulk_fakes import turns

_DURABLE = ("journal_mode", "synchronous")
BINDING = Binding("p", "https://host", "input")


def opened(path: Path | None, binding: Binding = BINDING) -> JournalWriter:
    """Open a journal as a job does."""
    return JournalWriter.open(path, binding, created_ms=1_750_000_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "job.journal"


@pytest.fixture
def writer(path: Path) -> Iterator[JournalWriter]:
    """A new journal with one delivery of each state."""
    writer = opened(path)
    batch = Batch()
    batch.plans = {
        seq: (seq, "c", f"text {seq}", f"r{seq}", "planned", 0, None) for seq in range(5)
    }
    batch.intents = [(1000 + seq, seq) for seq in range(1, 5)]
    writer.write(batch)
    batch = Batch()
    batch.records = [
        ("sent", "m2", None, None, 2),
        ("failed", None, "NotSentError", "no route", 3),
        ("unknown", None, "Unheard", "of", 4),
    ]
    writer.write(batch)
    yield writer
    writer.close()


def test_a_journal_is_private_durable_and_marked(path: Path, writer: JournalWriter) -> None:
    """The file is its owner's alone, in WAL mode, and names its application."""
    for file in (path, path.with_name("job.journal-wal"), path.with_name("job.journal-lock")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert path.read_bytes()[68:72] == b"NCJ1"


def test_every_commit_reaches_the_disk(path: Path) -> None:
    """A power cut takes no intent away: SQLite is told to wait for the disk."""
    opened_dbs: list[sqlite3.Connection] = []

    def connect(name: str) -> sqlite3.Connection:
        opened_dbs.append(sqlite3.connect(name, isolation_level=None))
        return opened_dbs[-1]

    writer = JournalWriter.open(path, BINDING, created_ms=0, connect=connect)
    modes = [opened_dbs[-1].execute(f"PRAGMA {of}").fetchone()[0] for of in _DURABLE]
    writer.close()
    assert modes == ["wal", 2]


def test_a_new_name_reaches_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut does not take a new journal out of its folder: that is waited for as well."""
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", fsync)
    opened(path).close()
    assert path.parent.stat().st_ino in synced


def test_states_are_counted_and_listed(path: Path, writer: JournalWriter) -> None:
    """A view tells how far a job is while the job holds the journal."""
    with JournalView(path) as view:
        status = view.status()
        counts = [status.planned, status.sending, status.sent, status.failed, status.unknown]
        assert counts == [1, 1, 1, 1, 1]
        assert (status.total, status.complete, status.binding) == (5, False, BINDING)
        (failed,) = view.entries("failed")
        assert (failed.ref, failed.content) == ("r3", "text 3")
        assert (failed.attempts, failed.begun_ms) == (1, 1003)
        assert isinstance(failed.error, NotSentError)
        (unknown,) = view.entries("unknown")
        assert str(unknown.error) == "of"
        assert [entry.message_id for entry in view.entries("sent")] == ["m2"]
    assert writer.status() == status


def test_the_moment_of_the_first_send_is_kept(path: Path, writer: JournalWriter) -> None:
    """What is sent again is looked for from its first send on, which may have arrived too."""
    batch = Batch()
    batch.intents = [(9000, 2)]
    writer.write(batch)
    with JournalView(path) as view:
        (entry,) = [entry for entry in view.entries("sending") if entry.seq == 2]
    assert (entry.attempts, entry.begun_ms) == (2, 1002)


def test_a_failed_write_takes_back_intents_only() -> None:
    """Whatever else was noted before and meanwhile is written at the next try."""
    early, late = Batch(), Batch()
    early.intents = [(5, 1)]
    late.plans = {2: (2, "c", "text", None, "planned", 0, None)}
    late.records = [("sent", "m3", None, None, 3)]
    late.doubts = [(4, "c", 9.0, 0, 0)]
    late.settled = [(5,)]
    late.intents = [(6, 6)]
    late.learnt = [(True, None, None)]
    early.take_back(late)
    assert vars(early) == vars(late)


def test_looking_leaves_a_finished_journal_one_file(path: Path, writer: JournalWriter) -> None:
    """A view leaves neither SQLite's own files nor a change behind."""
    writer.close()
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with JournalView(path) as view:
        assert view.status().sent == 1
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_second_job_is_refused(path: Path, writer: JournalWriter) -> None:
    """Two jobs never work with one journal, not even in one process, nor wait for it."""
    begun = time.monotonic()
    with pytest.raises(JournalLockedError):
        opened(path)
    assert time.monotonic() - begun < 3  # SQLite would wait 5 s
    writer.close()
    opened(path).close()


@pytest.mark.parametrize(
    "other",
    [
        Binding("q", "https://host", "input"),
        Binding("p", "https://other", "input"),
        Binding("p", "https://host", "other"),
        Binding("p", "https://host"),
    ],
)
def test_a_journal_of_something_else_is_refused(path: Path, other: Binding) -> None:
    """A journal is bound to its project, base URL and named input, and the error says so."""
    opened(path).close()
    before = path.read_bytes()
    with pytest.raises(JournalMismatchError, match="belongs to project p at https://host"):
        opened(path, other)
    assert path.read_bytes() == before
    opened(path).close()


@pytest.mark.parametrize("name", ["a\0b", "\ud83d"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    """A zero byte and half a character are told as any other journal that cannot be made."""
    for attempt in (opened, JournalView):
        with pytest.raises(JournalError):
            attempt(tmp_path / name)
    with pytest.raises(JournalError, match="no file can have this name"):
        opened(tmp_path / name)


def test_a_newer_journal_is_refused(path: Path) -> None:
    """A file of a later version is not touched."""
    opened(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    for attempt in (opened, JournalView):
        with pytest.raises(JournalCorruptError, match="version 2"):
            attempt(path)


@pytest.mark.parametrize("content", [b"not a database, for sure" * 100, b"SQLite format 3\0" * 300])
def test_what_is_no_database_is_refused(path: Path, content: bytes) -> None:
    """Any other file is left as it is."""
    path.write_bytes(content)
    for attempt in (opened, JournalView):
        with pytest.raises(JournalCorruptError):
            attempt(path)
    assert path.read_bytes() == content


def test_another_database_is_refused(path: Path) -> None:
    """A database of another program is left as it is."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    before = path.read_bytes()
    for attempt in (opened, JournalView):
        with pytest.raises(JournalCorruptError, match="not a journal"):
            attempt(path)
    assert path.read_bytes() == before


def test_a_damaged_page_is_told(path: Path, writer: JournalWriter) -> None:
    """Damage inside the file is an error of its own, wherever it is met."""
    writer.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(JournalCorruptError):
        opened(path)


def test_links_and_folders_are_refused(path: Path, tmp_path: Path) -> None:
    """A journal is not written through a link, nor into something that is no file."""
    target = tmp_path / "elsewhere"
    path.symlink_to(target)
    with pytest.raises(JournalError, match="plain file"):
        opened(path)
    assert not target.exists()
    with pytest.raises(JournalError, match="plain file"):
        opened(tmp_path)
    with pytest.raises(JournalError):
        opened(tmp_path / "missing" / "job")
    with pytest.raises(JournalError, match="no journal"):
        JournalView(tmp_path / "nothing")


def test_a_creation_that_was_cut_off_is_begun_again(path: Path) -> None:
    """An empty file, as a kill right after creation leaves it, becomes a journal."""
    path.touch(mode=0o600)
    opened(path).close()
    with JournalView(path) as view:
        assert view.status().total == 0


def test_the_key_is_nowhere(path: Path, writer: JournalWriter) -> None:
    """The file names the project and the host, and has no column for anything secret."""
    writer.close()
    with sqlite3.connect(path) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(job)")]
    db.close()
    assert columns == [
        "project_id",
        "base_url",
        "input_id",
        "created_ms",
        "complete",
        "sender_id",
        "skew_ms",
    ]


def test_a_nameless_journal_leaves_no_file(tmp_path: Path) -> None:
    """Without a path the journal is this process's own."""
    writer = opened(None)
    assert writer.status().total == 0
    writer.close()
    assert list(tmp_path.iterdir()) == []


async def test_intents_are_committed_in_groups(path: Path) -> None:
    """Whoever asks while one transaction is written shares the next one."""
    writes: list[int] = []

    class Counted(JournalWriter):
        def write(self, batch: Batch) -> None:
            writes.append(sum(plan[4] == "sending" for plan in batch.plans.values()))
            super().write(batch)

    journal = await Journal.open(lambda: Counted.open(path, BINDING, created_ms=0))
    for seq in range(100):
        journal.plan(seq, "c", "text", None)
    async with anyio.create_task_group() as group, anyio.create_task_group() as senders:
        group.start_soon(journal.work)
        for seq in range(100):
            senders.start_soon(journal.intend, seq, 5)
        await turns()
        group.cancel_scope.cancel()
    await journal.close()
    assert sum(writes) == 100
    assert len([write for write in writes if write]) <= 3


async def test_an_outcome_does_not_stay_in_memory(path: Path) -> None:
    """What came of a send is written soon, also when nothing else is to be."""
    written, loop = anyio.Event(), asyncio.get_running_loop()

    class Telling(JournalWriter):
        def write(self, batch: Batch) -> None:
            super().write(batch)
            loop.call_soon_threadsafe(written.set)

    journal = await Journal.open(lambda: Telling.open(path, BINDING, created_ms=0))
    async with anyio.create_task_group() as group:
        group.start_soon(journal.work)
        journal.plan(0, "c", "text", None)
        with anyio.fail_after(5):
            await written.wait()
        group.cancel_scope.cancel()
    with JournalView(path) as view:
        assert view.status().planned == 1
    await journal.close()


async def test_a_cancelled_commit_is_finished_and_written_once(path: Path) -> None:
    """Cancelling whoever waits for the disk neither loses nor repeats what was noted."""
    journal = await Journal.open(lambda: opened(path))
    journal.plan(0, "c", "text", None)
    flush = asyncio.ensure_future(journal.flush())
    await turns(2)
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    journal.plan(1, "c", "text", None)
    await journal.close()
    with JournalView(path) as view:
        assert view.status().planned == 2


async def test_a_cancelled_commit_is_told_to_those_who_wait_for_it(path: Path) -> None:
    """An intent that is durable lets its message go, whoever gave up meanwhile."""
    journal = await Journal.open(lambda: opened(path))
    journal.plan(0, "c", "text", None)
    intent = asyncio.ensure_future(journal.intend(0, 5))
    await turns(2)
    flush = asyncio.ensure_future(journal.flush())
    await turns(2)
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    with anyio.fail_after(5):
        await intent
    await journal.close()


async def test_a_cancelled_commit_that_fails_is_kept(path: Path) -> None:
    """Whoever waits hears of the failure, and what was noted is written by the next try."""
    full = iter([True])

    class Full(JournalWriter):
        def write(self, batch: Batch) -> None:
            if next(full, False):
                raise JournalError("the disk is full")
            super().write(batch)

    journal = await Journal.open(lambda: Full.open(path, BINDING, created_ms=0))
    journal.plan(0, "c", "text", None)
    flush = asyncio.ensure_future(journal.flush())
    await turns(2)
    flush.cancel()
    with pytest.raises(JournalError, match="full"):
        await flush
    await journal.close()
    with JournalView(path) as view:
        assert view.status().planned == 1
