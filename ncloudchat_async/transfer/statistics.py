"""Decides what a project looks like in numbers, from an archive or live."""

import sqlite3
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from ncloudchat_async.checks import check_whole
from ncloudchat_async.client import Client
from ncloudchat_async.transfer.archive import reading
from ncloudchat_async.transfer.export import as_job
from ncloudchat_async.transfer.private import PathLike
from ncloudchat_async.transfer.rows import sent_at

__all__ = ["Day", "ProjectStats", "archive_stats", "live_stats"]

_MOST_DAYS: Final = 36_525
"""A century: more than any project has, and no more than the calendar holds."""


class Day(msgspec.Struct, frozen=True):
    """The messages of one day, in the project's time zone."""

    day: date
    messages: int


class ProjectStats(msgspec.Struct, frozen=True, kw_only=True):
    """A project in numbers; what an export found deleted is not counted."""

    members: int
    """Without withdrawn ones."""
    withdrawn: int
    online: int
    """For an archive: at its last export."""
    channels: int
    subscriptions: int
    messages: int | None
    """None when asked live: the platform cannot count messages."""
    days: tuple[Day, ...]
    """Days with messages, oldest first."""


def archive_stats(path: PathLike, *, days: int | None = None) -> ProjectStats:
    """Count what an archive holds.

    Args:
        path: The archive.
        days: Only the last so many days that have messages, 1 to 36,525; None: all.

    Raises:
        ConfigError: The days are no such number.
        ArchiveError: There is no archive, or it cannot be read.
    """
    check_whole("days", days, 1, _MOST_DAYS, optional=True)
    with reading(path) as db:
        members, withdrawn, online = db.execute(
            "SELECT count(*) FILTER (WHERE deleted IS NOT 1),"
            " count(*) FILTER (WHERE deleted = 1),"
            " count(*) FILTER (WHERE online = 1 AND deleted IS NOT 1)"
            " FROM members WHERE gone_ms IS NULL"
        ).fetchone()
        counts = {
            noun: db.execute(
                f"SELECT count(*) FROM {noun} WHERE gone_ms IS NULL"  # noqa: S608 - our own names
            ).fetchone()[0]
            for noun in ("channels", "subscriptions", "messages")
        }
        found = _days(db, days)
    return ProjectStats(members=members, withdrawn=withdrawn, online=online, days=found, **counts)


def _days(db: sqlite3.Connection, days: int | None) -> tuple[Day, ...]:
    # The date as it is written, which is that of the project's time zone; as in `sent_at`.
    rows = db.execute(
        "SELECT substr(coalesce(json_extract(raw, '$.created_at'),"
        " json_extract(raw, '$.sended_at')), 1, 10) AS day, count(*) FROM messages"
        " WHERE gone_ms IS NULL GROUP BY day"
        " HAVING day GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]'"
        " ORDER BY day DESC LIMIT ?",
        (-1 if days is None else days,),
    )
    found: list[Day] = []
    for text, count in rows:
        try:
            found.append(Day(date.fromisoformat(text), count))
        except ValueError:
            continue
    return tuple(reversed(found))


async def live_stats(chat: Client, *, days: int = 7) -> ProjectStats:
    """Count what a project holds now.

    Messages are read channel by channel, newest first, as far as the days asked for: on a
    busy project that takes a while, and an archive answers at once. It only reads: a
    cancelled call leaves nothing behind.

    Args:
        chat: An open client of the project.
        days: Days that messages are counted for, each 24 hours long, the last one ending
            now, 36,525 at most; 0 reads no message. A week by default, which shows every
            weekday once and is read soon.

    Raises:
        ConfigError: The days are no such number; nothing was sent.
        NcloudChatError: The project cannot be read.
    """
    check_whole("days", days, 0, _MOST_DAYS)
    job = as_job(chat)
    since = datetime.now(UTC) - timedelta(days=days)
    counts: dict[date, int] = {}

    async def count(channel_id: str) -> None:
        async for message in job.messages.list(channel_id, sort="-created_at"):
            at = sent_at(message)
            if at is not None and at < since:
                return
            if at is not None:
                counts[at.date()] = counts.get(at.date(), 0) + 1

    if days > 0:
        ids = (channel.id async for channel in job.channels.list())
        async with job.run_many(count, ids) as results:
            async for result in results:
                if result.error is not None:
                    raise result.error
    withdrawn = await job.members.count(filter={"deleted": True})
    return ProjectStats(
        members=await job.members.count() - withdrawn,
        withdrawn=withdrawn,
        online=await job.members.count(filter={"online": True}),
        channels=await job.channels.count(),
        subscriptions=await job.subscriptions.count(),
        messages=None,
        days=tuple(Day(day, counts[day]) for day in sorted(counts)),
    )
