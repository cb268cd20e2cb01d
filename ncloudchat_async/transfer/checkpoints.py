"""Decides what is written while a list is read, each function in a transaction of its caller.

Rows and the cursor behind them are written together, so a killed export goes on exactly
where its file ends. What a list covers is only changed once it was read to its end.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ncloudchat_async.transfer.archive import now_ms
from ncloudchat_async.transfer.reports import Failure
from ncloudchat_async.transfer.rows import CHANNELS, MESSAGES, Noun, RawRow
from ncloudchat_async.transfer.schema import INDEXED, INDEXES, insert_statement

__all__ = [
    "RunStart",
    "Scope",
    "Start",
    "Terms",
    "begin_list",
    "begin_run",
    "count_waiting",
    "end_list",
    "end_run",
    "fail_list",
    "failures",
    "reopen_channels",
    "save_page",
    "waiting_channels",
]


class Terms(msgspec.Struct, frozen=True):
    """What an export was asked for; another one goes on with it only if it asks the same."""

    complete: bool
    since_ms: int | None
    look_back_ms: int


class RunStart(msgspec.Struct, frozen=True):
    """A run that was begun, or is gone on with."""

    id: int
    resumed: bool
    first_seq: int
    """Largest number of a message when it was begun."""


class Scope(msgspec.Struct, frozen=True):
    """One list in one run."""

    noun: Noun
    channel_id: str
    """For messages; "" for the others."""
    run: int


class Start(msgspec.Struct, frozen=True):
    """Where reading a list begins."""

    cursor: str | None
    floor_ms: int | None
    """Read from the newest row down to this moment; None: all, from the oldest row on."""
    from_ms: int | None
    """Keep nothing older; None: all. Below the floor where an earlier export went further."""
    done: bool = False

    def keeps(self, row: RawRow) -> bool:
        """Say whether a row is stored; one whose time cannot be read is."""
        return self.from_ms is None or row.created_ms is None or row.created_ms >= self.from_ms


def begin_run(db: sqlite3.Connection, terms: Terms) -> RunStart:
    """Go on with the run that was interrupted, if it was asked the same, or begin another."""
    last = db.execute(
        "SELECT id, first_seq, complete, since_ms, look_back_ms FROM runs"
        " WHERE ended_ms IS NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if last is not None and (bool(last[2]), *last[3:]) == msgspec.structs.astuple(terms):
        return RunStart(last[0], True, last[1])
    # What an abandoned run read stays; nothing of it counts as covered.
    db.execute("DELETE FROM runs WHERE ended_ms IS NULL")
    (first_seq,) = db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    (seen,) = db.execute("SELECT coalesce(max(run), 0) FROM lists").fetchone()
    (ended,) = db.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()
    run = max(seen, ended) + 1  # never one that marks rows already
    db.execute(
        "INSERT INTO runs (id, begun_ms, complete, since_ms, look_back_ms, first_seq)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (run, now_ms(), *msgspec.structs.astuple(terms), first_seq),
    )
    return RunStart(run, False, first_seq)


def end_run(db: sqlite3.Connection, run: int) -> None:
    """Note that a run came to its end, and after the first one index what it wrote."""
    if not db.execute(INDEXED).fetchone()[0]:
        for statement in INDEXES:
            db.execute(statement)
    db.execute("UPDATE runs SET ended_ms = ? WHERE id = ?", (now_ms(), run))


def begin_list(db: sqlite3.Connection, scope: Scope, terms: Terms) -> Start:
    """Say where to begin with a list, or to go on."""
    key = (scope.noun.name, scope.channel_id)
    last = db.execute(
        "SELECT run, state, cursor, floor_ms, covered, from_ms, to_ms FROM lists"
        " WHERE noun = ? AND channel_id = ?",
        key,
    ).fetchone()
    covered = None if last is None or not last[4] else _Covered(*last[5:])
    if last is not None and last[0] == scope.run and last[1] != "failed":
        floor_ms, done = last[3], last[1] == "done"
        return Start(last[2], floor_ms, _kept_from(floor_ms, covered), done=done)
    floor_ms = _floor(terms, covered) if scope.noun is MESSAGES else None
    db.execute(
        "INSERT INTO lists (noun, channel_id, run, state, floor_ms) VALUES (?, ?, ?, 'open', ?)"
        " ON CONFLICT (noun, channel_id) DO UPDATE SET run = excluded.run, state = 'open',"
        " floor_ms = excluded.floor_ms, cursor = NULL, error = NULL",
        (*key, scope.run, floor_ms),
    )
    return Start(None, floor_ms, _kept_from(floor_ms, covered))


class _Covered(NamedTuple):
    """What earlier exports read to the end: from one moment (None: the first) to another."""

    from_ms: int | None
    to_ms: int | None
    """None: there was nothing."""


def _floor(terms: Terms, covered: _Covered | None) -> int | None:
    """Say down to which moment messages are read; None: all of them."""
    since_ms = terms.since_ms
    if covered is None or (terms.complete and since_ms is None):
        return since_ms
    # Down to what is covered already, and never above it: nobody would look into a gap
    # between two exports again. And not below it, unless that is asked for.
    again_ms = covered.from_ms
    if covered.to_ms is not None and not terms.complete:
        looked_ms = covered.to_ms - terms.look_back_ms
        again_ms = looked_ms if again_ms is None else max(looked_ms, again_ms)
    return again_ms if again_ms is None or since_ms is None else min(again_ms, since_ms)


def _kept_from(floor_ms: int | None, covered: _Covered | None) -> int | None:
    """Say from which moment on a list is covered once it is read down to a floor."""
    if floor_ms is None or covered is None:
        return floor_ms
    return None if covered.from_ms is None else min(covered.from_ms, floor_ms)


def save_page(db: sqlite3.Connection, scope: Scope, rows: Sequence[RawRow], cursor: str) -> None:
    """Write the rows of a page, and where to go on behind them."""
    noun, channel_id, run = scope.noun, scope.channel_id, scope.run
    parent = (channel_id,) if noun is MESSAGES else ()
    values = [
        value
        for row in rows
        for value in (*parent, row.id, row.created_ms, *row.values, row.raw, run)
    ]
    if rows:
        db.execute(insert_statement(noun, len(rows)), values)
    db.execute(
        "UPDATE lists SET cursor = ? WHERE noun = ? AND channel_id = ?",
        (cursor, noun.name, channel_id),
    )


def end_list(db: sqlite3.Connection, scope: Scope, start: Start) -> None:
    """Note that a list was read to its end, and mark what was not in it."""
    noun, channel_id, run = scope.noun, scope.channel_id, scope.run
    now, floor_ms = now_ms(), start.floor_ms
    if noun is MESSAGES:
        db.execute(
            "UPDATE messages SET gone_ms = ? WHERE channel_id = ? AND gone_ms IS NULL"
            " AND seen <> ? AND (? IS NULL OR created_ms >= ?)",
            (now, channel_id, run, floor_ms, floor_ms),
        )
    else:
        if noun is CHANNELS:
            gone = "(SELECT id FROM channels WHERE gone_ms IS NULL AND seen <> ?)"
            db.execute(
                f"UPDATE messages SET gone_ms = ? WHERE gone_ms IS NULL AND channel_id IN {gone}",  # noqa: S608 - our own SQL
                (now, run),
            )
            # Should it be there again one day, it is read from its beginning.
            db.execute(
                f"UPDATE lists SET covered = 0 WHERE noun = 'messages' AND channel_id IN {gone}",  # noqa: S608 - our own SQL
                (run,),
            )
        db.execute(
            f"UPDATE {noun.name} SET gone_ms = ? WHERE gone_ms IS NULL AND seen <> ?",  # noqa: S608 - our own names
            (now, run),
        )
    db.execute(
        "UPDATE lists SET state = 'done', cursor = NULL, covered = 1, from_ms = :from_ms,"
        # A row dated in the future must not hide those that come before it.
        " to_ms = (SELECT min(max(messages.created_ms), runs.begun_ms) FROM messages, runs"
        "  WHERE messages.channel_id = :channel_id AND messages.seen = :run AND runs.id = :run)"
        " WHERE noun = :noun AND channel_id = :channel_id",
        {"from_ms": start.from_ms, "noun": noun.name, "channel_id": channel_id, "run": run},
    )


def fail_list(db: sqlite3.Connection, scope: Scope, error: str) -> None:
    """Note that a list cannot be read in this run; what it covered before still counts."""
    db.execute(
        "UPDATE lists SET state = 'failed', error = ? WHERE noun = ? AND channel_id = ?",
        (error, scope.noun.name, scope.channel_id),
    )


def reopen_channels(db: sqlite3.Connection, run: int) -> None:
    """Have the channels listed once more, to see what became of them meanwhile."""
    db.execute("UPDATE channels SET seen = 0 WHERE seen = ?", (run,))
    db.execute("UPDATE lists SET state = 'open' WHERE noun = 'channels'")


_WAITING = (
    " FROM channels WHERE gone_ms IS NULL AND id > ? AND NOT EXISTS"
    " (SELECT 1 FROM lists WHERE noun = 'messages' AND channel_id = channels.id"
    " AND run = ? AND state IN ('done', 'failed'))"
)


def count_waiting(db: sqlite3.Connection, run: int) -> int:
    """Count the channels whose messages this run has not read to the end."""
    (count,) = db.execute(f"SELECT count(*) {_WAITING}", ("", run)).fetchone()
    return int(count)


def waiting_channels(db: sqlite3.Connection, run: int, after: str, limit: int) -> list[str]:
    """Name channels, in order, whose messages this run has not read to the end."""
    rows = db.execute(f"SELECT id {_WAITING} ORDER BY id LIMIT ?", (after, run, limit))
    return [row[0] for row in rows]


def failures(db: sqlite3.Connection, run: int) -> tuple[Failure, ...]:
    """Name what this run could not read, and the channels deleted while it read them."""
    failed = db.execute(
        "SELECT noun, channel_id, error FROM lists WHERE run = ? AND state = 'failed'"
        " ORDER BY noun, channel_id",
        (run,),
    ).fetchall()
    deleted = db.execute(
        "SELECT id FROM channels JOIN lists ON lists.channel_id = channels.id"
        " WHERE lists.noun = 'messages' AND lists.run = ? AND lists.state = 'done'"
        " AND gone_ms IS NOT NULL ORDER BY id",
        (run,),
    )
    reason = "deleted while it was exported: later messages may be missing"
    return (
        *(Failure(*row) for row in failed),
        *(Failure("channels", i, reason) for (i,) in deleted),
    )
