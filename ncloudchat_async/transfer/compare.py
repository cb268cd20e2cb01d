"""Decides when two archives say the same: blocks, holds nothing in memory, changes nothing.

Rows of one project are the same when their ids are. Rows of two projects are the same when
one was imported as the other: members by id, channels by the archive's notes of the import
or by `unique_id`, messages by the text that the template makes of them, as often as it is
there and in the same order.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from ncloudchat_async.models import Message
from ncloudchat_async.transfer.archive import reading
from ncloudchat_async.transfer.private import PathLike
from ncloudchat_async.transfer.rows import read_row
from ncloudchat_async.transfer.template import DEFAULT_TEMPLATE, Template

__all__ = ["ChannelDifference", "Comparison", "Verification", "compare"]

EXAMPLES = 20
"""Ids named of each kind of difference."""

_PAIRS = """CREATE TEMP TABLE pairs AS
SELECT l.id AS left_id, r.id AS right_id,
    CASE WHEN :same THEN max(coalesce(ll.from_ms, -1), coalesce(rl.from_ms, -1)) ELSE -1 END
        AS from_ms
FROM main.channels AS l JOIN other.channels AS r ON r.id = CASE
    WHEN :same THEN l.id
    ELSE coalesce(
        (SELECT target_id FROM main.mapped WHERE noun = 'channels' AND source = l.id
            AND (project_id, base_url) = (SELECT project_id, base_url FROM other.archive)),
        (SELECT id FROM other.channels WHERE gone_ms IS NULL AND unique_id = l.unique_id
            ORDER BY created_ms, id LIMIT 1),
        (SELECT id FROM other.channels WHERE gone_ms IS NULL AND unique_id = l.id
            ORDER BY created_ms, id LIMIT 1)
    ) END
LEFT JOIN main.lists AS ll ON ll.noun = 'messages' AND ll.channel_id = l.id
LEFT JOIN other.lists AS rl ON rl.noun = 'messages' AND rl.channel_id = r.id
WHERE l.gone_ms IS NULL AND r.gone_ms IS NULL"""

# What the platform need not give back as it was sent (limit and URLs) is compared within
# one project only.
_CHANNEL_FIELDS = ("name", "type", "translation", "disabled", "mutes", "push", "members")
_OWN_CHANNEL_FIELDS = ("limit", "link_url", "image_url", "unique_id")
_MEMBER_FIELDS = ("name", "profile", "customField")
_SUBSCRIPTION_FIELDS = ("channel_id", "user_id", "push", "mute")


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two sets of rows."""

    left: int
    """Rows on the left side."""
    right: int
    missing: int
    """On the left side only."""
    extra: int
    """On the right side only."""
    different: int
    """On both sides, and not the same."""
    examples: tuple[str, ...]
    """Some of the ids, each with what is wrong: `missing x`, `extra y`, `different z`."""

    @property
    def equal(self) -> bool:
        """Whether nothing is missing, extra or different."""
        return not (self.missing or self.extra or self.different)


class ChannelDifference(Comparison, frozen=True, kw_only=True):
    """The messages of a channel that are not the same on both sides."""

    channel_id: str | None
    """On the left side; None: it is not there, and all its messages are extra."""
    other_channel_id: str | None
    """On the right side; None: it is not there, and all its messages are missing."""
    out_of_order: bool
    """All are there, in another order."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found."""

    equal: bool
    """Whether both sides say the same."""
    same_project: bool
    """Whether rows were compared by id; otherwise as imported ones."""
    members: Comparison
    channels: Comparison
    subscriptions: Comparison | None
    """None between two projects: REST cannot carry subscriptions over."""
    messages: Comparison
    """Those of a channel that is on one side only are missing or extra, all of them."""
    differing: tuple[ChannelDifference, ...]
    """Channels whose messages are not the same."""


def compare(left: PathLike, right: PathLike, template: str | None) -> Verification:
    """Compare two archives; what an export found gone is not there.

    Args:
        left: What was.
        right: What should be the same.
        template: What became of the texts between two projects; None: what the left
            archive was imported with, else the default one.

    Raises:
        ArchiveError: A file is no archive.
        ConfigError: The template cannot be used.
    """
    with reading(right) as other, reading(left) as db:
        owners = [
            side.execute("SELECT project_id, base_url FROM archive").fetchone()
            for side in (db, other)
        ]
        same = owners[0] == owners[1]
        made_with = Template(template or _template(db, owners[1]))
        db.execute("PRAGMA query_only = OFF")  # temporary tables count as writing
        db.execute("ATTACH ? AS other", (str(Path(right).absolute()),))
        db.execute(_PAIRS, {"same": same})
        members = _by_id(
            db, "members", _MEMBER_FIELDS, live="" if same else " AND deleted IS NOT 1"
        )
        channel_fields = (*_CHANNEL_FIELDS, *(_OWN_CHANNEL_FIELDS if same else ()))
        channels = _channels(db, channel_fields)
        subscriptions = _by_id(db, "subscriptions", _SUBSCRIPTION_FIELDS) if same else None
        totals, differing = _messages(db, None if same else made_with)
    parts = (members, channels, subscriptions, totals)
    return Verification(
        equal=not differing and all(part is None or part.equal for part in parts),
        same_project=same,
        members=members,
        channels=channels,
        subscriptions=subscriptions,
        messages=totals,
        differing=differing,
    )


def _template(db: sqlite3.Connection, target: tuple[str, str]) -> str:
    row = db.execute(
        "SELECT template FROM imports WHERE project_id = ? AND base_url = ?"
        " ORDER BY id DESC LIMIT 1",
        target,
    ).fetchone()
    return DEFAULT_TEMPLATE if row is None else str(row[0])


def _same_fields(fields: tuple[str, ...]) -> str:
    """Write the condition that some fields of two rows are the same; null and "" are."""
    sides = [
        [f"coalesce(json_extract({side}.raw, '$.{field}'), '')" for field in fields]
        for side in ("l", "r")
    ]
    return f"({', '.join(sides[0])}) = ({', '.join(sides[1])})"


def _by_id(
    db: sqlite3.Connection, table: str, fields: tuple[str, ...], live: str = ""
) -> Comparison:
    """Compare rows that have the same id on both sides."""
    left, right = (
        f"SELECT id, raw FROM {schema}.{table} WHERE gone_ms IS NULL{live}"  # noqa: S608 - our names
        for schema in ("main", "other")
    )
    return _compared(db, left, right, _same_fields(fields))


def _channels(db: sqlite3.Connection, fields: tuple[str, ...]) -> Comparison:
    """Compare channels that are pairs; those of the right side go by their left id."""
    left = "SELECT id, raw FROM main.channels WHERE gone_ms IS NULL"
    right = (
        "SELECT coalesce(left_id, 'right:' || id) AS id, raw FROM other.channels"
        " LEFT JOIN pairs ON right_id = id WHERE gone_ms IS NULL"
    )
    return _compared(db, left, right, _same_fields(fields))


def _compared(db: sqlite3.Connection, left: str, right: str, same: str) -> Comparison:
    db.execute(f"CREATE TEMP TABLE l AS {left}")
    db.execute(f"CREATE TEMP TABLE r AS {right}")
    db.execute("CREATE INDEX temp.l_id ON l (id)")
    db.execute("CREATE INDEX temp.r_id ON r (id)")
    parts = {
        "missing": "FROM l WHERE id NOT IN (SELECT id FROM r)",
        "extra": "FROM r WHERE id NOT IN (SELECT id FROM l)",
        "different": f"FROM l JOIN r USING (id) WHERE NOT {same}",
    }
    counts: dict[str, int] = {
        name: db.execute(f"SELECT count(*) {part}").fetchone()[0] for name, part in parts.items()
    }
    counts["left"], counts["right"] = (
        db.execute(f"SELECT count(*) FROM {side}").fetchone()[0]  # noqa: S608 - our names
        for side in "lr"
    )
    examples = tuple(
        f"{name} {row[0]}"
        for name, part in parts.items()
        for row in db.execute(f"SELECT id {part} ORDER BY id LIMIT {EXAMPLES}")
    )
    db.execute("DROP TABLE l")
    db.execute("DROP TABLE r")
    return Comparison(**counts, examples=examples)


def _messages(
    db: sqlite3.Connection, template: Template | None
) -> tuple[Comparison, tuple[ChannelDifference, ...]]:
    """Compare messages pair by pair; `template` is None within one project."""
    db.execute("CREATE TEMP TABLE heard (side, pair INTEGER, key, digest, id)")
    db.execute("CREATE TEMP TABLE orders (side, pair INTEGER, chain)")
    for side in ("main", "other"):
        _read_side(db, side, template)
    # Equal texts are told apart by their number.
    db.execute(
        "CREATE TEMP TABLE said AS SELECT side, pair, key, digest, id, row_number() OVER"
        " (PARTITION BY side, pair, key ORDER BY rowid) AS number FROM heard"
    )
    db.execute("CREATE UNIQUE INDEX temp.said_key ON said (side, pair, key, number)")
    alone = (*_alone(db, "main"), *_alone(db, "other"))
    differing = (*_differing(db), *alone)
    left, right = (
        db.execute("SELECT count(*) FROM said WHERE side = ?", (side,)).fetchone()[0]
        for side in ("main", "other")
    )
    total = Comparison(
        left=left + sum(one.left for one in alone),
        right=right + sum(one.right for one in alone),
        missing=sum(one.missing for one in differing),
        extra=sum(one.extra for one in differing),
        different=sum(one.different for one in differing),
        examples=tuple(f"in channel {_name(one)}" for one in differing[:EXAMPLES]),
    )
    return total, differing


def _name(channel: ChannelDifference) -> str:
    """Name a channel as the comparison of channels does."""
    return channel.channel_id or f"right:{channel.other_channel_id}"


def _alone(db: sqlite3.Connection, side: str) -> Iterator[ChannelDifference]:
    """Give the channels with messages that are on one side only."""
    left = side == "main"
    column, word = ("left_id", "missing") if left else ("right_id", "extra")
    source = f"FROM {side}.messages WHERE gone_ms IS NULL AND channel_id = ?"
    channels = db.execute(
        f"SELECT id FROM {side}.channels WHERE gone_ms IS NULL"  # noqa: S608 - our names
        f" AND id NOT IN (SELECT {column} FROM pairs) ORDER BY id"
    ).fetchall()
    for (channel_id,) in channels:
        count = db.execute(f"SELECT count(*) {source}", (channel_id,)).fetchone()[0]
        if not count:
            continue
        found = db.execute(f"SELECT id {source} ORDER BY id LIMIT {EXAMPLES}", (channel_id,))
        yield ChannelDifference(
            left=count if left else 0,
            right=0 if left else count,
            missing=count if left else 0,
            extra=0 if left else count,
            different=0,
            examples=tuple(f"{word} {row[0]}" for row in found),
            channel_id=channel_id if left else None,
            other_channel_id=None if left else channel_id,
            out_of_order=False,
        )


def _read_side(db: sqlite3.Connection, side: str, template: Template | None) -> None:
    """Write down what each message of a side says, and the order of each channel."""
    column = "left_id" if side == "main" else "right_id"
    rows = db.execute(
        f"SELECT pairs.rowid, messages.id, messages.raw, channels.name FROM pairs"  # noqa: S608 - our names
        f" JOIN {side}.channels ON channels.id = {column}"
        f" JOIN {side}.messages ON messages.channel_id = {column}"
        " AND messages.gone_ms IS NULL AND coalesce(messages.created_ms, 0) >= from_ms"
        " ORDER BY pairs.rowid, messages.created_ms, messages.sort_id, messages.seq"
    )
    rendering = template if side == "main" else None
    for pair, group in groupby(rows, key=lambda row: row[0]):
        chain = hashlib.blake2b(digest_size=16)
        said = _said(side, pair, group, rendering, by_id=template is None, chain=chain)
        db.executemany("INSERT INTO heard VALUES (?, ?, ?, ?, ?)", said)
        db.execute("INSERT INTO orders VALUES (?, ?, ?)", (side, pair, chain.digest()))


def _said(
    side: str,
    pair: int,
    rows: Iterator[tuple[int, str, str, str | None]],
    rendering: Template | None,
    *,
    by_id: bool,
    chain: "hashlib.blake2b",
) -> Iterator[tuple[str, int, object, bytes, str]]:
    """Give one line for each message, known by its id or by its text."""
    for _, message_id, raw, name in rows:
        message = read_row(Message, raw)
        text = message.content or ""
        if rendering is not None:
            text = rendering.render(message, name or "")
        who = message.sender.id if by_id and message.sender is not None else ""
        digest = hashlib.blake2b(f"{who}\n{text}".encode(), digest_size=16).digest()
        chain.update(digest)
        yield side, pair, message_id if by_id else digest, digest, message_id


def _differing(db: sqlite3.Connection) -> Iterator[ChannelDifference]:
    ids = db.execute("SELECT rowid, left_id, right_id FROM pairs ORDER BY rowid").fetchall()
    for pair, left_id, right_id in ids:
        chains = db.execute("SELECT DISTINCT chain FROM orders WHERE pair = ?", (pair,)).fetchall()
        if len(chains) < 2 and _count(db, pair, "main") == _count(db, pair, "other"):
            continue
        difference = _difference(db, pair, left_id, right_id)
        if difference.out_of_order or not difference.equal:
            yield difference


def _count(db: sqlite3.Connection, pair: int, side: str) -> int:
    row = db.execute("SELECT count(*) FROM said WHERE side = ? AND pair = ?", (side, pair))
    return int(row.fetchone()[0])


def _difference(
    db: sqlite3.Connection, pair: int, left_id: str, right_id: str
) -> ChannelDifference:
    lonely = (
        "FROM said AS one WHERE side = :here AND pair = :pair AND NOT EXISTS"
        " (SELECT 1 FROM said WHERE side = :there AND pair = :pair AND key = one.key"
        " AND number = one.number)"
    )
    changed = (
        "FROM said AS one JOIN said AS two USING (pair, key, number) WHERE one.side = :here"
        " AND pair = :pair AND two.side = :there AND one.digest <> two.digest"
    )
    parts = {
        "missing": (lonely, {"pair": pair, "here": "main", "there": "other"}),
        "extra": (lonely, {"pair": pair, "here": "other", "there": "main"}),
        "different": (changed, {"pair": pair, "here": "main", "there": "other"}),
    }
    counts: dict[str, int] = {}
    examples: list[str] = []
    for name, (part, values) in parts.items():
        counts[name] = db.execute(f"SELECT count(*) {part}", values).fetchone()[0]
        found = db.execute(f"SELECT one.id {part} ORDER BY one.id LIMIT {EXAMPLES}", values)
        examples.extend(f"{name} {row[0]}" for row in found)
    return ChannelDifference(
        left=_count(db, pair, "main"),
        right=_count(db, pair, "other"),
        examples=tuple(examples),
        channel_id=left_id,
        other_channel_id=right_id,
        out_of_order=not any(counts.values()),
        **counts,
    )
