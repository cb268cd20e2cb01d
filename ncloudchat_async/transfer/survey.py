"""Decides what is to be carried into another project; reads and writes the archive only.

What is there already is noted in temporary tables, so that neither side is held in memory.
Every function runs in a transaction of its caller.
"""

import sqlite3
from collections.abc import Iterable

import msgspec

from ncloudchat_async.models import Channel, Member
from ncloudchat_async.transfer.archive import now_ms
from ncloudchat_async.transfer.rows import read_row

__all__ = [
    "ChannelTask",
    "MemberTask",
    "MessageTask",
    "Target",
    "channel_tasks",
    "count_creating",
    "drop_queued",
    "exists",
    "mark",
    "marked",
    "member_tasks",
    "message_tasks",
    "note_channels",
    "note_members",
    "prepare",
    "queue_messages",
    "waiting_settings",
]

PAGE = 500
"""Rows read at a time."""

_THERE = (
    "CREATE TEMP TABLE there_members (id TEXT PRIMARY KEY, withdrawn INTEGER)",
    "CREATE TEMP TABLE there_channels (unique_id TEXT PRIMARY KEY, id TEXT)",
)

# A channel without a unique_id of its own gets its old id as one, so that it is found again
# after a lost answer or a kill. Of several with the same unique_id one can keep it.
_KEY = """CASE WHEN c.unique_id IS NOT NULL AND c.id = (SELECT min(id) FROM channels
    WHERE unique_id = c.unique_id AND gone_ms IS NULL) THEN c.unique_id ELSE c.id END"""


class Target(msgspec.Struct, frozen=True):
    """The project to import into."""

    project_id: str
    base_url: str

    def key(self, noun: str) -> tuple[str, str, str]:
        """Return what notes about a noun are kept under."""
        return (self.project_id, self.base_url, noun)


class MemberTask(msgspec.Struct, frozen=True):
    """A member of the archive, and whether the other project has it."""

    member: Member
    there: bool
    withdrawn: bool
    """Withdrawn in the other project."""


class ChannelTask(msgspec.Struct, frozen=True):
    """A channel of the archive, and what the other project has of it."""

    channel: Channel
    unique_id: str
    """The id it is found by."""
    target_id: str | None
    state: str | None
    """What is noted: `creating`, `created`, `done`, `matched`; None: nothing."""
    begun_ms: int


class MessageTask(msgspec.Struct, frozen=True):
    """A message of the archive."""

    number: int
    """Place in the queue."""
    raw: str
    channel_id: str
    channel_name: str
    target_id: str | None
    """The channel in the other project; None: there is none yet."""


def prepare(db: sqlite3.Connection) -> None:
    """Forget what was there."""
    for name in ("there_members", "there_channels", "queue"):
        db.execute(f"DROP TABLE IF EXISTS temp.{name}")
    for statement in _THERE:
        db.execute(statement)


def note_members(db: sqlite3.Connection, members: Iterable[Member]) -> None:
    """Note members that the other project has."""
    db.executemany(
        "INSERT OR REPLACE INTO there_members VALUES (?, ?)",
        [(member.id, bool(member.deleted)) for member in members],
    )


def note_channels(db: sqlite3.Connection, channels: Iterable[Channel]) -> None:
    """Note channels that the other project has; of equal unique ids the oldest counts."""
    db.executemany(
        "INSERT OR IGNORE INTO there_channels VALUES (?, ?)",
        [(channel.unique_id, channel.id) for channel in channels if channel.unique_id],
    )


def exists(db: sqlite3.Connection, user_ids: Iterable[str | None]) -> list[str]:
    """Name those of some members that the other project has."""
    query = "SELECT 1 FROM there_members WHERE id = ? AND NOT withdrawn"
    return [one for one in user_ids if one and db.execute(query, (one,)).fetchone()]


def member_tasks(db: sqlite3.Connection, after: str) -> list[MemberTask]:
    """Read some members, by id; those that were withdrawn stay behind."""
    rows = db.execute(
        "SELECT members.raw, there_members.id, withdrawn FROM members"
        " LEFT JOIN there_members USING (id) WHERE members.id > ? AND gone_ms IS NULL"
        " AND deleted IS NOT 1 ORDER BY members.id LIMIT ?",
        (after, PAGE),
    )
    return [
        MemberTask(read_row(Member, raw), there is not None, bool(withdrawn))
        for raw, there, withdrawn in rows
    ]


def channel_tasks(db: sqlite3.Connection, target: Target, after: str) -> list[ChannelTask]:
    """Read some channels, by id."""
    rows = db.execute(
        f"SELECT raw, {_KEY} AS unique_key, coalesce(mapped.target_id, there_channels.id),"  # noqa: S608 - our own SQL
        " mapped.state, coalesce(mapped.begun_ms, 0) FROM channels AS c"
        " LEFT JOIN mapped ON (mapped.project_id, mapped.base_url, noun, source) = (?, ?, ?, c.id)"
        " LEFT JOIN there_channels ON there_channels.unique_id = unique_key"
        " WHERE c.id > ? AND gone_ms IS NULL ORDER BY c.id LIMIT ?",
        (*target.key("channels"), after, PAGE),
    )
    return [ChannelTask(read_row(Channel, raw), *rest) for raw, *rest in rows]


def waiting_settings(
    db: sqlite3.Connection, target: Target, after: str
) -> list[tuple[str, Channel]]:
    """Read some created channels that have not got their settings: (id there, channel)."""
    rows = db.execute(
        "SELECT target_id, raw FROM mapped JOIN channels ON channels.id = source"
        " WHERE (project_id, base_url, noun) = (?, ?, ?) AND state = 'created' AND source > ?"
        " ORDER BY source LIMIT ?",
        (*target.key("channels"), after, PAGE),
    )
    return [(target_id, read_row(Channel, raw)) for target_id, raw in rows]


def count_creating(db: sqlite3.Connection, target: Target) -> int:
    """Count the channels of which nobody knows whether they were created."""
    (count,) = db.execute(
        "SELECT count(*) FROM mapped WHERE (project_id, base_url, noun) = (?, ?, ?)"
        " AND state = 'creating' AND target_id IS NULL",
        target.key("channels"),
    ).fetchone()
    return int(count)


def mark(
    db: sqlite3.Connection,
    target: Target,
    noun: str,
    source: str,
    *,
    state: str,
    target_id: str | None = None,
) -> None:
    """Note what became of a row."""
    db.execute(
        "INSERT INTO mapped VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (project_id, base_url, noun, source) DO UPDATE SET"
        " target_id = coalesce(excluded.target_id, target_id), state = excluded.state,"
        " begun_ms = excluded.begun_ms",
        (*target.key(noun), source, target_id, state, now_ms()),
    )


def marked(db: sqlite3.Connection, target: Target, noun: str, source: str) -> str | None:
    """Return what is noted of a row."""
    row = db.execute(
        "SELECT state FROM mapped WHERE (project_id, base_url, noun, source) = (?, ?, ?, ?)",
        (*target.key(noun), source),
    ).fetchone()
    return None if row is None else str(row[0])


def queue_messages(db: sqlite3.Connection, target: Target) -> int:
    """Line up the messages that were not carried over, and count them.

    Each channel gives its oldest one in turn, so that all channels are worked on at once and
    each keeps its order.
    """
    db.execute("DROP TABLE IF EXISTS temp.queue")
    db.execute("CREATE TEMP TABLE queue (number INTEGER PRIMARY KEY, seq INTEGER)")
    db.execute(
        "INSERT INTO queue (seq) SELECT seq FROM (SELECT seq, channel_id, row_number() OVER"
        " (PARTITION BY channel_id ORDER BY created_ms, sort_id, seq) AS place FROM messages"
        " WHERE gone_ms IS NULL AND NOT EXISTS (SELECT 1 FROM mapped"
        " WHERE (project_id, base_url, noun, source) = (?, ?, ?, channel_id || '/' || id)))"
        " ORDER BY place, channel_id",
        target.key("messages"),
    )
    return int(db.execute("SELECT count(*) FROM queue").fetchone()[0])


def drop_queued(db: sqlite3.Connection, sources: Iterable[str]) -> None:
    """Take messages out of the line, each named as `channel/message`."""
    db.execute("DROP TABLE IF EXISTS temp.dropped")
    db.execute("CREATE TEMP TABLE dropped (source TEXT PRIMARY KEY)")
    db.executemany("INSERT OR IGNORE INTO dropped VALUES (?)", ((one,) for one in sources))
    db.execute(
        "DELETE FROM queue WHERE seq IN (SELECT seq FROM messages"
        " WHERE channel_id || '/' || id IN (SELECT source FROM dropped))"
    )


def message_tasks(db: sqlite3.Connection, target: Target, after: int) -> list[MessageTask]:
    """Read some messages in the order in which they were lined up."""
    rows = db.execute(
        "SELECT number, messages.raw, messages.channel_id, coalesce(channels.name, ''),"
        " mapped.target_id FROM queue JOIN messages USING (seq)"
        " LEFT JOIN channels ON channels.id = messages.channel_id"
        " LEFT JOIN mapped ON (mapped.project_id, mapped.base_url, noun, source)"
        " = (?, ?, ?, messages.channel_id) WHERE number > ? ORDER BY number LIMIT ?",
        (*target.key("channels"), after, PAGE),
    )
    return [MessageTask(*row) for row in rows]
