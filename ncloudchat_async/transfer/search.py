"""Decides which messages of an archive are found, and in which order they come."""

import sys
from collections.abc import Iterator
from datetime import datetime

import msgspec

from ncloudchat_async.checks import check_flag, check_unicode, check_whole
from ncloudchat_async.errors import ConfigError
from ncloudchat_async.models import Message
from ncloudchat_async.transfer.archive import check_border, moment, reading
from ncloudchat_async.transfer.private import PathLike
from ncloudchat_async.transfer.rows import read_row
from ncloudchat_async.transfer.schema import HOLDS_NUL, INDEXED

__all__ = ["FoundFile", "FoundMessage", "files", "search"]

_TERM = 3
"""Letters that the index knows terms of; shorter texts are looked for row by row."""


class FoundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of an archive."""

    channel_id: str
    channel_name: str | None
    id: str
    sent_at: datetime | None
    """In UTC."""
    sender_id: str | None
    sender_name: str | None
    content: str | None
    file_name: str | None
    """Of the attachment; None without one."""
    deleted: bool
    """An export no longer found it, or its channel."""


class FoundFile(msgspec.Struct, frozen=True, kw_only=True):
    """An attachment; the file itself is with the platform, the archive has its address."""

    channel_id: str
    channel_name: str | None
    message_id: str
    sent_at: datetime | None
    """In UTC."""
    sender_id: str | None
    sender_name: str | None
    name: str | None
    type: str | None
    size: int | float | None
    """Bytes, if the platform said."""
    url: str | None
    """May be relative to the platform's host."""


def search(
    path: PathLike,
    *,
    text: str | None = None,
    sender: str | None = None,
    channel: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    files_only: bool = False,
    deleted: bool | None = None,
    newest_first: bool = False,
    limit: int | None = None,
) -> Iterator[FoundMessage]:
    """Find messages; all conditions that are given must hold. Rows come as they are found.

    Args:
        path: The archive.
        text: Part of the content or of a file's name, in any script, without regard to
            case.
        sender: Id or whole name of the sender.
        channel: Id, `unique_id` or whole name of the channel.
        since: Sent at this moment or later.
        until: Sent before this moment.
        files_only: Only messages with an attachment.
        deleted: True: only those an export no longer found; False: only the others.
        newest_first: Order by time, newest first instead of oldest first.
        limit: Rows at most.

    Raises:
        ConfigError: A condition makes no sense; raised at the call.
        ArchiveError: There is no archive, or it cannot be read; raised when the first row is
            asked for, and later if reading fails.
    """
    query = _query(
        _conditions(sender, channel, since, until),
        files_only=files_only,
        deleted=deleted,
        newest_first=newest_first,
        limit=limit,
    )
    check_unicode("text", text, optional=True)
    if text == "":
        raise ConfigError("text must not be empty: leave it out to find every message")
    return _found(path, query, text)


def files(
    path: PathLike,
    *,
    sender: str | None = None,
    channel: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Iterator[FoundFile]:
    """List attachments across channels, newest first; what was deleted is left out.

    The arguments are those of `search`.

    Raises:
        ConfigError: A condition makes no sense; raised at the call.
        ArchiveError: There is no archive, or it cannot be read; raised when the first row is
            asked for, and later if reading fails.
    """
    query = _query(
        _conditions(sender, channel, since, until),
        files_only=True,
        deleted=False,
        newest_first=True,
        limit=limit,
    )
    return _found_files(path, query)


def _found(path: PathLike, query: "_Query", text: str | None) -> Iterator[FoundMessage]:
    with reading(path) as db:
        if text is not None:
            indexed = bool(db.execute(INDEXED).fetchone()[0])
            db.create_function("says", 2, _says, deterministic=True)
            query = _narrowed(query, *_text(text, indexed=indexed))
        for row in db.execute(query.sql, query.values):
            yield FoundMessage(
                channel_id=row[0],
                channel_name=row[1],
                id=row[2],
                sent_at=moment(row[3]),
                sender_id=row[4],
                sender_name=row[5],
                content=row[6],
                file_name=row[7],
                deleted=bool(row[8]),
            )


def _found_files(path: PathLike, query: "_Query") -> Iterator[FoundFile]:
    with reading(path) as db:
        for row in db.execute(query.sql, query.values):
            file = read_row(Message, row[9]).attachment
            yield FoundFile(
                channel_id=row[0],
                channel_name=row[1],
                message_id=row[2],
                sent_at=moment(row[3]),
                sender_id=row[4],
                sender_name=row[5],
                name=row[7],
                type=file.type if file is not None else None,
                size=file.size if file is not None else None,
                url=file.url if file is not None else None,
            )


class _Query(msgspec.Struct, frozen=True):
    """A statement in parts, and its values."""

    conditions: list[str]
    bound: list[object]
    """Values of the conditions."""
    turn: str
    limit: int

    @property
    def sql(self) -> str:
        """The statement."""
        return (
            "SELECT m.channel_id, channels.name, m.id, m.created_ms, m.sender_id, m.sender_name,"  # noqa: S608 - values are bound
            " m.content, m.file_name, m.gone_ms IS NOT NULL, m.raw FROM messages AS m"
            " LEFT JOIN channels ON channels.id = m.channel_id"
            f" WHERE {' AND '.join(self.conditions) or '1'}"
            f" ORDER BY m.created_ms{self.turn}, m.sort_id{self.turn}, m.seq{self.turn} LIMIT ?"
        )

    @property
    def values(self) -> list[object]:
        """What is bound to it."""
        return [*self.bound, self.limit]


_Conditions = list[tuple[str, tuple[object, ...]]]


def _conditions(
    sender: str | None, channel: str | None, since: datetime | None, until: datetime | None
) -> _Conditions:
    check_unicode("sender", sender, optional=True)
    check_unicode("channel", channel, optional=True)
    found: _Conditions = []
    if sender is not None:
        found.append(("(m.sender_id = ? OR m.sender_name = ?)", (sender, sender)))
    if channel is not None:
        found.append(
            (
                "m.channel_id IN (SELECT id FROM channels WHERE ? IN (id, name, unique_id))",
                (channel,),
            )
        )
    for name, border, sign in (("since", since, ">="), ("until", until, "<")):
        check_border(name, border)
        if border is not None:
            found.append((f"m.created_ms {sign} ?", (round(border.timestamp() * 1000),)))
    return found


def _query(
    conditions: _Conditions,
    *,
    files_only: bool,
    deleted: bool | None,
    newest_first: bool,
    limit: int | None,
) -> _Query:
    check_flag("files_only", files_only)
    check_flag("newest_first", newest_first)
    check_whole("limit", limit, 0, optional=True)
    texts = [text for text, _ in conditions]
    if files_only:
        texts.append("m.has_file = 1")
    if deleted is not None:
        check_flag("deleted", deleted)
        texts.append(f"m.gone_ms IS {'NOT ' if deleted else ''}NULL")
    bound = [value for _, values in conditions for value in values]
    most = -1 if limit is None else min(limit, sys.maxsize)  # SQLite counts in 64 bits
    return _Query(texts, bound, " DESC" if newest_first else "", most)


def _narrowed(query: _Query, condition: str, values: tuple[object, ...]) -> _Query:
    return msgspec.structs.replace(
        query, conditions=[*query.conditions, condition], bound=[*query.bound, *values]
    )


def _text(text: str, *, indexed: bool) -> tuple[str, tuple[object, ...]]:
    """Write the condition that a text is part of a message.

    Args:
        text: What is looked for.
        indexed: Whether the first export came to its end and left an index.
    """
    # For the index and for LIKE a text ends at its first NUL; hardly any holds one.
    rest = (
        f"SELECT seq FROM messages WHERE {HOLDS_NUL}"  # noqa: S608 - our own SQL
        " AND (says(content, ?) OR says(file_name, ?))"
    )
    if "\0" in text:
        return (f"m.seq IN ({rest})", (text, text))
    if len(text) < _TERM or not indexed:
        part = "%" + "".join("\\" + c if c in "%_\\" else c for c in text) + "%"
        likes = "m.content LIKE ? ESCAPE '\\' OR m.file_name LIKE ? ESCAPE '\\'"
        return (f"({likes} OR m.seq IN ({rest}))", (part, part, text, text))
    # The whole as one phrase: quoted, no character of it is an operator.
    phrase = '"' + text.replace('"', '""') + '"'
    found = "SELECT rowid FROM messages_text WHERE messages_text MATCH ?"
    return (f"m.seq IN ({found} UNION ALL {rest})", (phrase, text, text))


def _says(text: str | None, part: str) -> bool:
    """Say whether a text has a part, whatever the case."""
    return text is not None and part.casefold() in text.casefold()
