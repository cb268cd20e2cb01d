"""Decides how rows are kept: typed columns for what lists filter and sort by, JSON for the rest.

A row's `body` is the finished JSON object, so that reading never decodes. Every statement
commits by itself. What an object means is decided elsewhere.
"""

import sqlite3
import weakref
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from types import MappingProxyType
from typing import Any

import msgspec

from ncloudchat_async.emulator.query import Listing, field_of, matches

__all__ = [
    "CHANNELS",
    "FRIENDSHIPS",
    "MEMBERS",
    "MESSAGES",
    "SUBSCRIPTIONS",
    "Row",
    "Store",
    "Table",
]

_VERSION = 1
_SCHEMA = """
CREATE TABLE members (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL, created_s INTEGER NOT NULL,
  name TEXT, online INTEGER NOT NULL, deleted INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX members_created ON members (created_s);
CREATE TABLE friendships (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL, created_s INTEGER NOT NULL,
  user_id TEXT NOT NULL, friend_id TEXT NOT NULL, body BLOB NOT NULL,
  UNIQUE (user_id, friend_id));
CREATE TABLE channels (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL, created_s INTEGER NOT NULL,
  name TEXT, type TEXT, unique_id TEXT, disabled INTEGER NOT NULL, deleted INTEGER NOT NULL,
  body BLOB NOT NULL);
CREATE INDEX channels_created ON channels (created_s);
CREATE INDEX channels_unique_id ON channels (unique_id);
CREATE TABLE messages (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL, created_s INTEGER NOT NULL,
  channel_id TEXT NOT NULL, sort_id INTEGER NOT NULL, sender_name TEXT, content TEXT NOT NULL,
  body BLOB NOT NULL);
CREATE INDEX messages_inserted ON messages (channel_id);
CREATE INDEX messages_created ON messages (channel_id, created_s);
CREATE INDEX messages_sorted ON messages (channel_id, sort_id);
CREATE TABLE subscriptions (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL, created_s INTEGER NOT NULL,
  channel_id TEXT NOT NULL, user_id TEXT NOT NULL, online INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX subscriptions_created ON subscriptions (created_s);
CREATE INDEX subscriptions_channel ON subscriptions (channel_id);
CREATE INDEX subscriptions_user ON subscriptions (user_id);
"""


class Row(msgspec.Struct):
    """One stored object."""

    id: str
    at_ms: int
    """When it was stored, in ms since 1970; list lag counts from here."""
    created_s: int
    typed: tuple[str | int | None, ...]
    """Values of the table's own columns."""
    body: bytes


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table and the documented names of its columns."""

    name: str
    columns: tuple[str, ...]
    """Its own columns, beside those that every table has."""
    insert: str
    """The statement that adds a row."""
    texts: Mapping[str, str]
    """Filter key to text column, compared whole."""
    contains: Mapping[str, str]
    """Filter key to text column, searched for a part."""
    flags: Mapping[str, str]
    """Filter key to boolean column."""
    sorts: Mapping[str, str]
    """Sort key to column, beside those of `texts` and `flags`."""


def _table(
    name: str,
    columns: tuple[str, ...],
    *,
    texts: Mapping[str, str] = MappingProxyType({}),
    flags: tuple[str, ...] = (),
    sorts: tuple[str, ...] = (),
    contains: tuple[str, ...] = (),
) -> Table:
    every = ("id", "at_ms", "created_s", *columns, "body")
    insert = " ".join(
        ("INSERT INTO", name, "(", ", ".join(every), ") VALUES (", ", ".join("?" * len(every)), ")")
    )
    return Table(
        name=name,
        columns=columns,
        insert=insert,
        texts={"id": "id", **texts},
        contains={key: key for key in contains},
        flags={key: key for key in flags},
        sorts={"created_at": "created_s", **{key: key for key in sorts}},
    )


MEMBERS = _table(
    "members",
    ("name", "online", "deleted"),
    texts={"member_id": "id", "name": "name"},
    flags=("online", "deleted"),
)
FRIENDSHIPS = _table("friendships", ("user_id", "friend_id"))
CHANNELS = _table(
    "channels",
    ("name", "type", "unique_id", "disabled", "deleted"),
    texts={"name": "name", "type": "type", "unique_id": "unique_id"},
    flags=("disabled",),
)
MESSAGES = _table(
    "messages",
    ("channel_id", "sort_id", "sender_name", "content"),
    texts={"message_id": "id", "channel_id": "channel_id", "sender.name": "sender_name"},
    sorts=("sort_id",),
    contains=("content",),
)
SUBSCRIPTIONS = _table(
    "subscriptions",
    ("channel_id", "user_id", "online"),
    texts={"channel_id": "channel_id", "user_id": "user_id"},
    flags=("online",),
)
TABLES = (MEMBERS, FRIENDSHIPS, CHANNELS, MESSAGES, SUBSCRIPTIONS)


class Store:
    """The rows of one project, in memory or in a SQLite file.

    A file keeps its rows from run to run and belongs to one emulator at a time.

    Raises:
        ValueError: The file cannot be opened, is in use, is not an emulator's, or was
            written by another version.
    """

    def __init__(self, path: str | PathLike[str] | None = None) -> None:
        try:
            self._db = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=512,
            )
            # An emulator that was made and never entered is closed without a warning.
            weakref.finalize(self, self._db.close)
            self._prepare()
        except sqlite3.OperationalError as error:
            taken = "is another emulator's at the moment" if "locked" in str(error) else error
            raise ValueError(f"Cannot keep rows in {path}: {taken}") from error
        except sqlite3.DatabaseError as error:
            raise ValueError(f"Not a store of the emulator: {path}: {error}") from error

    def _prepare(self) -> None:
        # Held until the end, or the death, of this process.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("COMMIT")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not version and not tables:
            # A crash of the machine may lose what a crash of the emulator does not.
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        elif version != _VERSION:
            raise ValueError(f"Not a store of this emulator: version {version}, not {_VERSION}")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.create_function("matches", 3, matches, deterministic=True)
        self._db.create_function("field_of", 2, field_of, deterministic=True)

    def close(self) -> None:
        """Release the file; nothing is left to write."""
        self._db.close()

    def clear(self) -> None:
        """Delete every row."""
        self._db.execute("BEGIN")
        for table in TABLES:
            self._db.execute(" ".join(("DELETE FROM", table.name)))
        self._db.execute("COMMIT")

    def add(self, table: Table, row: Row) -> None:
        """Insert a row.

        Raises:
            sqlite3.IntegrityError: The id exists.
        """
        self._db.execute(table.insert, (row.id, row.at_ms, row.created_s, *row.typed, row.body))

    def add_many(self, table: Table, rows: Iterable[Row]) -> None:
        """Insert rows in one transaction."""
        self._db.execute("BEGIN")
        try:
            self._db.executemany(
                table.insert,
                ((row.id, row.at_ms, row.created_s, *row.typed, row.body) for row in rows),
            )
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def change(self, table: Table, row: Row) -> None:
        """Replace what a row holds, keeping its place and its time."""
        places = ", ".join(f"{column} = ?" for column in (*table.columns, "body"))
        statement = " ".join(("UPDATE", table.name, "SET", places, "WHERE id = ?"))
        self._db.execute(statement, (*row.typed, row.body, row.id))

    def remove(self, table: Table, row_id: str) -> None:
        """Delete a row."""
        self._db.execute(" ".join(("DELETE FROM", table.name, "WHERE id = ?")), (row_id,))

    def body(self, table: Table, row_id: str) -> bytes | None:
        """Return the JSON object with this id."""
        return self.first(table, "id = ?", (row_id,))

    def first(self, table: Table, where: str, values: Sequence[str | int]) -> bytes | None:
        """Return the first JSON object that a condition selects."""
        statement = " ".join(("SELECT body FROM", table.name, "WHERE", where, "LIMIT 1"))
        row: tuple[bytes] | None = self._db.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def page(self, table: Table, listing: Listing, limit: int, offset: int) -> list[bytes]:
        """Return JSON objects of a list in its order."""
        return self._column("body", table, listing, limit, offset)

    def ids(self, table: Table, listing: Listing, limit: int, offset: int) -> list[str]:
        """Return ids of a list in its order."""
        return self._column("id", table, listing, limit, offset)

    def count(self, table: Table, listing: Listing | None = None) -> int:
        """Return how many rows a list has, or the table."""
        where, values = ("1", []) if listing is None else (listing.where, listing.values)
        statement = " ".join(("SELECT count(*) FROM", table.name, "WHERE", where))
        (count,) = self._db.execute(statement, values).fetchone()
        return int(count)

    def last_sort_id(self, channel_id: str) -> int:
        """Return the largest `sort_id` of a channel, 0 when it has no message."""
        statement = "SELECT max(sort_id) FROM messages WHERE channel_id = ?"
        (last,) = self._db.execute(statement, (channel_id,)).fetchone()
        return int(last or 0)

    def has_sort_id(self, channel_id: str, sort_id: int) -> bool:
        """Say whether a message of the channel has this `sort_id`."""
        where = "channel_id = ? AND sort_id = ?"
        return self.first(MESSAGES, where, (channel_id, sort_id)) is not None

    def created_s(self, table: Table, row_id: str) -> int:
        """Return when an existing row was created, in seconds of Unix time."""
        statement = " ".join(("SELECT created_s FROM", table.name, "WHERE id = ?"))
        (created_s,) = self._db.execute(statement, (row_id,)).fetchone()
        return int(created_s)

    def contents(self) -> list[tuple[str, str]]:
        """Return channel id and content of every message."""
        return self._db.execute("SELECT channel_id, content FROM messages ORDER BY seq").fetchall()

    def _column(
        self, column: str, table: Table, listing: Listing, limit: int, offset: int
    ) -> list[Any]:
        # The rows are chosen by key first: sorting whole bodies makes a deep page ten times slower.
        inner = ("SELECT seq FROM", table.name, "WHERE", listing.where, "ORDER BY", listing.order)
        outer = ("SELECT", column, "FROM", table.name, "WHERE seq IN (", *inner)
        statement = " ".join((*outer, "LIMIT ? OFFSET ? ) ORDER BY", listing.order))
        order = listing.order_values
        values = (*listing.values, *order, limit, offset, *order)
        return [value for (value,) in self._db.execute(statement, values)]
