"""Decides what a job's journal is, and reads it: one SQLite file of what was intended and came.

The file holds the texts of the messages, never the API key. Deliveries are numbered from
0 without gaps, in the order of the input. Reading never disturbs the job that writes.
"""

import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import quote

import msgspec

from ncloudchat_async import errors
from ncloudchat_async.errors import (
    JournalCorruptError,
    JournalError,
    NcloudChatError,
)

__all__ = ["Binding", "Entry", "JournalStatus", "JournalView", "State"]

APPLICATION_ID: Final = 0x4E434A31  # "NCJ1", shown by file(1)
VERSION: Final = 1

State = Literal["planned", "sending", "sent", "failed", "unknown"]

SCHEMA: Final = (
    """CREATE TABLE job (
        project_id TEXT NOT NULL,
        base_url TEXT NOT NULL,
        input_id TEXT,
        created_ms INTEGER NOT NULL,
        complete INTEGER NOT NULL DEFAULT 0,
        sender_id TEXT,
        skew_ms INTEGER
    ) STRICT""",
    """CREATE TABLE delivery (
        seq INTEGER PRIMARY KEY,
        channel_id TEXT NOT NULL,
        content TEXT NOT NULL,
        ref TEXT,
        state TEXT NOT NULL CHECK (state IN ('planned', 'sending', 'sent', 'failed', 'unknown')),
        attempts INTEGER NOT NULL DEFAULT 0,
        begun_ms INTEGER,
        message_id TEXT,
        error TEXT,
        reason TEXT
    ) STRICT""",
    # A million sent deliveries cost nothing to pass over.
    "CREATE INDEX delivery_open ON delivery (state, seq) WHERE state <> 'sent'",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)

ENTRY: Final = """SELECT delivery.seq, delivery.channel_id, content, ref, state, attempts,
    begun_ms, message_id, error, reason FROM delivery """
"""Begins a query whose rows `entry` understands."""

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PAGE = 500


class Binding(msgspec.Struct, frozen=True):
    """What a journal belongs to."""

    project_id: str
    base_url: str
    input_id: str | None = None
    """The caller's name for the input, such as a file's path or checksum; None: unnamed."""


class Entry(msgspec.Struct, frozen=True):
    """One delivery, as the journal has it."""

    seq: int
    channel_id: str
    content: str
    ref: str | None
    state: State
    attempts: int
    begun_ms: int | None
    """When its first intent was written, in milliseconds since 1970."""
    message_id: str | None
    error: NcloudChatError | None
    """Why it is not simply sent."""


class JournalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is."""

    binding: Binding
    created_at: datetime
    complete: bool
    """Whether the whole input is in the journal, so that the job can go on without it."""
    planned: int
    sending: int
    """On their way in a job that runs; in doubt in one that was killed."""
    sent: int
    failed: int
    unknown: int

    @property
    def total(self) -> int:
        """Deliveries in the journal."""
        return self.planned + self.sending + self.sent + self.failed + self.unknown


class JournalView:
    """A journal to look into, also while a job works with it; nothing is changed.

    ```python
    with JournalView("job.journal") as journal:
        print(journal.status().unknown)
        for entry in journal.entries("unknown"):
            print(entry.ref, entry.channel_id)
    ```

    Raises:
        JournalCorruptError: The file is no journal, damaged, or of a newer version.
        JournalError: It is not there or cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        file = Path(path)
        if not file.is_file():
            raise JournalError(f"there is no journal at {file}")
        with translated():
            # Whoever opens a WAL file for reading only leaves SQLite's own files beside it.
            # Opened like this, no file is made, and one that may not be written is only read.
            self._db = sqlite3.connect(
                f"file:{quote(os.fspath(file.absolute()))}?mode=rw", uri=True, isolation_level=None
            )
            try:
                self._db.execute("PRAGMA query_only = ON")
                check_format(self._db)
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        """Give the view."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._db.close()

    def status(self) -> JournalStatus:
        """Count the deliveries by state, at once even for millions."""
        return read_status(self._db)

    def entries(self, state: State) -> Iterator[Entry]:
        """Give the deliveries in one state, in the order of the input, in flat memory."""
        after = -1
        while page := read_state(self._db, state, after + 1, _PAGE):
            yield from page
            after = page[-1].seq


@contextmanager
def translated() -> Generator[None, None, None]:
    """Turn what SQLite and the system say into errors of this package."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details
        if code in _CORRUPT:
            raise JournalCorruptError(f"the journal is damaged or none: {error}") from error
        raise JournalError(f"the journal cannot be used: {error}") from error
    except OSError as error:
        raise JournalError(f"the journal cannot be used: {error}") from error
    except UnicodeEncodeError as error:
        raise JournalError(f"a delivery is not valid Unicode: {error.reason}") from error


def check_format(db: sqlite3.Connection) -> None:
    """Refuse a database that is not a journal of a known version.

    Raises:
        JournalCorruptError: It is not.
    """
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise JournalCorruptError("the file is not a journal")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise JournalCorruptError(
            f"the journal has version {version}, this program knows {VERSION}: use a newer one"
        )


def read_status(db: sqlite3.Connection) -> JournalStatus:
    """Count deliveries by state, without counting the sent ones one by one."""
    with translated():
        job = db.execute(
            "SELECT project_id, base_url, input_id, created_ms, complete FROM job"
        ).fetchone()
        counts: dict[str, int] = {"planned": 0, "sending": 0, "failed": 0, "unknown": 0}
        counts.update(
            db.execute("SELECT state, count(*) FROM delivery WHERE state <> 'sent' GROUP BY state")
        )
        total = db.execute("SELECT coalesce(max(seq) + 1, 0) FROM delivery").fetchone()[0]
    return JournalStatus(
        binding=Binding(*job[:3]),
        created_at=datetime.fromtimestamp(job[3] / 1000, UTC),
        complete=bool(job[4]),
        sent=total - sum(counts.values()),
        **counts,
    )


def read_state(db: sqlite3.Connection, state: State, first: int, limit: int) -> list[Entry]:
    """Read the deliveries of one state from number `first` on."""
    # Said twice so that SQLite sees that the partial index has all of them.
    known = "" if state == "sent" else "state <> 'sent' AND "
    where = f"WHERE {known}state = ? AND seq >= ? ORDER BY seq LIMIT ?"
    with translated():
        return [entry(row) for row in db.execute(ENTRY + where, (state, first, limit))]


def entry(row: tuple[Any, ...]) -> Entry:
    """Make an entry of a row that `ENTRY` selected."""
    seq, channel_id, content, ref, state, attempts, begun_ms, message_id, name, reason = row
    kind = getattr(errors, name or "", NcloudChatError)
    error = None if name is None else kind(reason)
    return Entry(seq, channel_id, content, ref, state, attempts, begun_ms, message_id, error)
