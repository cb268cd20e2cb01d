"""Decides how a job's journal is created, locked and written; blocks, so it needs a thread.

A second file beside the journal, `...-lock`, is empty and stays: removing it would let two
jobs lock two files of that name.
"""

import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from ncloudchat_async.errors import (
    JournalError,
    JournalLockedError,
    JournalMismatchError,
    OutcomeUnknownError,
)
from ncloudchat_async.journal.batch import Batch
from ncloudchat_async.journal.view import (
    ENTRY,
    SCHEMA,
    Binding,
    Entry,
    JournalStatus,
    State,
    check_format,
    entry,
    read_state,
    read_status,
    translated,
)

__all__ = ["Connect", "Doubt", "JournalWriter"]

Connect = Callable[[str], sqlite3.Connection]
"""Opens a database file, or a nameless one for an empty name."""

# What is to be looked for concerns this process only: a new one looks for everything anew.
_DOUBTS: Final = (
    """CREATE TEMP TABLE doubt (
        seq INTEGER PRIMARY KEY,
        channel_id TEXT NOT NULL,
        due_s REAL NOT NULL,
        absent INTEGER NOT NULL,
        looks INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX temp.doubt_channel ON doubt (channel_id, due_s)",
    "CREATE INDEX temp.doubt_due ON doubt (due_s)",
)

PASSING: Final = (
    "AuthenticationError",
    "ClientClosedError",
    "DeadlineExceededError",
    "NotSentError",
    "PermissionDeniedError",
    "ProjectNotFoundError",
    "QuotaExceededError",
    "RateLimitedError",
    "ServerError",
)
"""Failures that say nothing of the message: a resumed job sends again what they stopped."""


Recorded = tuple[str, str, str | None, State, str | None, int]
"""(channel_id, content, ref, state, message_id, attempts)"""


class Doubt(msgspec.Struct, frozen=True):
    """One delivery that is to be looked for in its channel."""

    entry: Entry
    due_s: float
    absent: int
    """Looks in a row that did not find it."""
    looks: int
    """Looks, failed ones included."""


class JournalWriter:
    """An open journal, locked for this process until it is closed or the process dies."""

    def __init__(self, db: sqlite3.Connection, lock: sqlite3.Connection | None) -> None:
        self._db = db
        self._lock = lock

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None,
        binding: Binding,
        *,
        created_ms: int,
        create: bool = True,
        connect: Connect | None = None,
    ) -> Self:
        """Create a journal, or open the one that is there.

        Args:
            path: The file; None keeps the journal in a nameless one that is not durable and
                ends with this process.
            binding: What it must belong to.
            created_ms: Milliseconds since 1970, for a new one.
            create: Whether to make one where there is none.
            connect: Opens a database.

        Raises:
            JournalLockedError: Another job works with it.
            JournalMismatchError: It belongs to something else.
            JournalCorruptError: It is no journal, damaged, or of a newer version.
            JournalError: It cannot be created, read or written.
        """
        connect = connect or _connect
        with translated():
            if path is None:
                journal = cls(connect(""), None)
            else:
                file = Path(path)
                if not create and not file.exists():
                    raise JournalError(f"there is no journal at {file}: hand in the deliveries")
                _create(file)
                lock = _locked(file, connect)
                try:
                    journal = cls(connect(os.fspath(file)), lock)
                except BaseException:
                    lock.close()
                    raise
            try:
                journal._check(binding, created_ms, durable=path is not None)
            except BaseException:
                journal.close()
                raise
        return journal

    def _check(self, binding: Binding, created_ms: int, *, durable: bool) -> None:
        """Refuse a file that is not ours before anything is written to it."""
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables:
            self._db.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA:
                self._db.execute(statement)
            self._db.execute(
                "INSERT INTO job (project_id, base_url, input_id, created_ms) VALUES (?, ?, ?, ?)",
                (binding.project_id, binding.base_url, binding.input_id, created_ms),
            )
            self._db.execute("COMMIT")
        check_format(self._db)
        found = self.status().binding
        if found != binding:
            raise JournalMismatchError(
                f"the journal belongs to {_named(found)}, not to {_named(binding)}"
            )
        self._db.execute(f"PRAGMA journal_mode = {'WAL' if durable else 'MEMORY'}")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        for statement in _DOUBTS:
            self._db.execute(statement)

    def close(self) -> None:
        """Close the file, then let others have it."""
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    def status(self) -> JournalStatus:
        """Count the deliveries by state."""
        return read_status(self._db)

    def learnt(self) -> tuple[str | None, int | None]:
        """Give the sender's id and the clocks' skew in milliseconds, where known."""
        with translated():
            row = self._db.execute("SELECT sender_id, skew_ms FROM job").fetchone()
            return row[0], row[1]

    def write(self, batch: Batch) -> None:
        """Write a batch durably, or nothing of it."""
        with translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for statement, rows in batch.statements():
                    if rows:
                        self._db.executemany(statement, rows)
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # it may be gone already, as after a full disk
                    self._db.execute("ROLLBACK")
                raise

    def recorded(self, first: int, limit: int) -> list[Recorded]:
        """Read the deliveries from number `first` on, as they are compared with the input."""
        with translated():
            return self._db.execute(
                "SELECT channel_id, content, ref, state, message_id, attempts FROM delivery"
                " WHERE seq >= ? ORDER BY seq LIMIT ?",
                (first, limit),
            ).fetchall()

    def in_state(self, state: State, first: int = 0, limit: int = 10_000) -> list[Entry]:
        """Read the deliveries of one state from number `first` on."""
        return read_state(self._db, state, first, limit)

    def recover(self, *, repeat: bool) -> None:
        """Make ready for another run: what was on its way is in doubt, what passed is to go.

        Args:
            repeat: Whether what is in doubt is to go as well; it keeps its error, so that a
                refusal does not make a failure of it.
        """
        doubt = OutcomeUnknownError.__name__
        with translated():
            self._db.execute(
                "UPDATE delivery SET state = 'unknown', error = ?,"
                " reason = 'the job ended while it was on its way' WHERE state = 'sending'",
                (doubt,),
            )
            if repeat:
                again = "UPDATE delivery SET state = 'planned', error = ? WHERE state = 'unknown'"
            else:  # a run that would have repeated them did not come to it
                again = (
                    "UPDATE delivery SET state = 'unknown' WHERE state = 'planned' AND error = ?"
                )
            self._db.execute(again, (doubt,))
            self._db.execute(
                "UPDATE delivery SET state = 'planned'"
                " WHERE state = 'failed' AND error IN (SELECT value FROM json_each(?))",
                (json.dumps(PASSING),),
            )

    def doubt_all(self, due_s: float) -> int:
        """Have every unknown delivery looked for at `due_s`, and count them."""
        with translated():
            self._db.execute(
                "INSERT OR REPLACE INTO doubt SELECT seq, channel_id, ?, 0, 0 FROM delivery"
                " WHERE state = 'unknown'",
                (due_s,),
            )
            return int(self._db.execute("SELECT count(*) FROM doubt").fetchone()[0])

    def next_due(self) -> float | None:
        """Say when the next look is due, None if none is."""
        with translated():
            due: float | None = self._db.execute("SELECT min(due_s) FROM doubt").fetchone()[0]
            return due

    def all_doubts(self, limit: int) -> list[Entry]:
        """Read some of what is to be looked for."""
        with translated():
            where = "WHERE seq IN (SELECT seq FROM doubt ORDER BY seq LIMIT ?) ORDER BY seq"
            return [entry(row) for row in self._db.execute(ENTRY + where, (limit,))]

    def due_channels(self, due_s: float, after: str, limit: int) -> list[str]:
        """Name channels, in order, that hold something to be looked for by `due_s`."""
        with translated():
            rows = self._db.execute(
                "SELECT DISTINCT channel_id FROM doubt WHERE channel_id > ? AND due_s <= ?"
                " ORDER BY channel_id LIMIT ?",
                (after, due_s, limit),
            )
            return [row[0] for row in rows]

    def doubts(self, channel_id: str) -> list[Doubt]:
        """Read everything that is to be looked for in a channel."""
        with translated():
            looks = self._db.execute(
                "SELECT seq, due_s, absent, looks FROM doubt WHERE channel_id = ? ORDER BY seq",
                (channel_id,),
            ).fetchall()
            query = ENTRY + "WHERE seq = ?"
            return [
                Doubt(entry(self._db.execute(query, row[:1]).fetchone()), *row[1:]) for row in looks
            ]

    def taken(self, ids: Iterable[str]) -> set[str]:
        """Name those of these messages that a delivery has already."""
        with translated():
            # Made when the first doubt is settled: jobs without one do not pay for it.
            self._db.execute(
                "CREATE INDEX IF NOT EXISTS delivery_message ON delivery (message_id)"
                " WHERE message_id IS NOT NULL"
            )
            query = "SELECT message_id FROM delivery WHERE message_id = ?"
            return {row[0] for one in ids for row in self._db.execute(query, (one,))}


def _connect(name: str) -> sqlite3.Connection:
    # Used by one thread at a time, not always the same one.
    return sqlite3.connect(name, isolation_level=None, check_same_thread=False)


def _create(file: Path) -> None:
    """Make an empty file for its owner only; refuse what is there but is no plain file."""
    # A file that is there is not opened: closing it would drop SQLite's locks on it.
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(file, flags, 0o600))
    except FileExistsError:
        if not stat.S_ISREG(file.lstat().st_mode):
            raise JournalError(f"{file} is not a plain file") from None
        return
    except ValueError as error:  # half a character, or a zero byte
        name = os.fspath(file)
        raise JournalError(f"{name!r} cannot be used: no file can have this name") from error
    if hasattr(os, "O_DIRECTORY"):  # the new name itself must survive a power cut
        folder = os.open(file.absolute().parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _locked(file: Path, connect: Connect) -> sqlite3.Connection:
    """Lock a journal until the connection is closed or the process dies.

    SQLite locks a file beside it: that works on every system, and the journal itself stays
    open to readers.
    """
    beside = file.with_name(file.name + "-lock")
    _create(beside)
    lock = connect(os.fspath(beside))
    try:
        lock.execute("PRAGMA busy_timeout = 0")
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise JournalLockedError(f"another job works with {file}") from error
    return lock


def _named(binding: Binding) -> str:
    named = f", input {binding.input_id}" if binding.input_id else ""
    return f"project {binding.project_id} at {binding.base_url}{named}"
