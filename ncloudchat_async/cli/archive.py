"""Commands that read an archive, or the project itself: search, files, convert, stats."""

import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter, validators

from ncloudchat_async.cli.common import COMMON, Common
from ncloudchat_async.cli.exits import DONE, FAILED, USAGE, Failure
from ncloudchat_async.cli.options import Amount, Flag, TableForm, TableNoun
from ncloudchat_async.cli.output import OUTPUT, Output
from ncloudchat_async.cli.progress import Progress
from ncloudchat_async.cli.running import Interrupts, run_async
from ncloudchat_async.cli.text import printable
from ncloudchat_async.cli.transfer import aware

if TYPE_CHECKING:
    from ncloudchat_async import Client
    from ncloudchat_async.transfer import LiveFiles

__all__ = ["convert", "files", "search", "stats"]

_MESSAGES: Final = ("channel_name", "sender_name", "sent_at", "content")
_Days = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=36_525))]
_FILES: Final = ("channel_name", "sender_name", "sent_at", "name", "size")


def search(
    archive: Path,
    text: str | None = None,
    *,
    sender: str | None = None,
    channel: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    files_only: Flag = False,
    deleted: bool | None = None,
    newest_first: Flag = False,
    limit: Amount | None = None,
    output: Output = OUTPUT,
) -> int:
    """Find messages in an archive; all conditions that are given must hold.

    Times are in UTC, whatever the project's time zone.

    Example: `ncloudchat search project.archive hello --sender Admin --output table`

    Args:
        archive: Archive that `export` wrote.
        text: Part of the text or of a file's name, whatever the case.
        sender: Id or whole name of the sender.
        channel: Id, unique id or whole name of the channel.
        since: Sent at this moment or later; without an offset it is in this machine's time
            zone.
        until: Sent before this moment.
        files_only: Only messages with an attachment.
        deleted: Only those an export no longer found, or only the others.
        newest_first: Newest first instead of oldest first.
        limit: Rows to stop after.
        output: How results are written.
    """
    from ncloudchat_async.transfer import FoundMessage
    from ncloudchat_async.transfer import search as find_messages

    found = find_messages(
        archive,
        text=text,
        sender=sender,
        channel=channel,
        since=aware(since),
        until=aware(until),
        files_only=files_only,
        deleted=deleted,
        newest_first=newest_first,
        limit=limit,
    )
    with output.open(FoundMessage, brief=_MESSAGES) as rows:
        for message in found:
            rows.write(message)
    return DONE


def files(
    archive: Path | None = None,
    *,
    sender: str | None = None,
    channel: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: Amount | None = None,
    common: Common = COMMON,
) -> int:
    """List the attachments of a project or an archive across channels.

    An archive's come newest first. Without an archive the project itself is asked: every
    channel is read, many at once, and attachments come as they are found, newest first within
    each channel. A channel that cannot be read is named on stderr, and the exit code is 1.
    Times are in UTC.

    Example: `ncloudchat files project.archive --fields name,size,url`

    Args:
        archive: Archive that `export` wrote; the files themselves stay with the platform.
        sender: Id or whole name of the sender.
        channel: Id, unique id or whole name of the channel.
        since: Sent at this moment or later; without an offset it is in this machine's time
            zone.
        until: Sent before this moment.
        limit: Rows to stop after.
        common: Where to, and how results are written.
    """
    from ncloudchat_async.transfer import FoundFile, live_files
    from ncloudchat_async.transfer import files as find_files

    if archive is None:

        def find(chat: "Client") -> "LiveFiles":
            return live_files(
                chat,
                sender=sender,
                channel=channel,
                since=aware(since),
                until=aware(until),
                limit=limit,
            )

        return run_async(partial(_find_live, find, common))
    found = find_files(
        archive,
        sender=sender,
        channel=channel,
        since=aware(since),
        until=aware(until),
        limit=limit,
    )
    with common.output.open(FoundFile, brief=_FILES) as rows:
        for file in found:
            rows.write(file)
    return DONE


async def _find_live(
    find: "Callable[[Client], LiveFiles]", common: Common, interrupts: Interrupts
) -> int:
    """Write attachments as they are found, then name the channels that could not be read."""
    from ncloudchat_async.transfer import FoundFile

    interrupts.expire_after(common.connection.deadline)
    async with common.connection.client() as chat:
        found = find(chat)
        with common.output.open(FoundFile, brief=_FILES) as rows:
            async with found:
                async for file in found:
                    rows.write(file)
    for failure in found.failures:
        sys.stderr.write(printable(f"channel {failure.id}: {failure.reason}") + "\n")
    return FAILED if found.failures else DONE


def convert(
    archive: Path,
    table: Path | None = None,
    *,
    noun: TableNoun = "messages",
    format: TableForm | None = None,  # noqa: A002 - the word of the option
    raw: Flag = False,
    bom: Flag = False,
    deleted: bool = True,
    output: Output = OUTPUT,
) -> int:
    """Write the rows of an archive as JSON lines, CSV or Parquet.

    Times are in UTC (2025-07-01T00:00:00Z), nested fields are named by their path
    (`sender.name`); but with --raw the platform's objects have
    them as they came.

    Example: `ncloudchat convert project.archive members.csv --noun members --bom`

    Args:
        archive: Archive that `export` wrote.
        table: File to make, with mode 0600; without it the table goes to stdout.
        noun: Which rows.
        format: Form of the table; without it the file's suffix tells, else JSON lines.
            Parquet needs the extra `parquet`.
        raw: Lose nothing: the platform's objects as they came, and no cell is guarded, so do
            not open such a CSV in a spreadsheet.
        bom: Begin a CSV with a byte order mark, by which Excel knows UTF-8.
        deleted: With rows that an export no longer found.
        output: How the count of rows is written, when the table goes to a file.
    """
    from ncloudchat_async.transfer import ConvertReport
    from ncloudchat_async.transfer import convert as write_table

    if table is None and (output.fields is not None or output.output != "jsonl"):
        raise Failure(
            "--output and --fields are for the count, which comes when the table goes to a file: "
            "--format gives the form of the table, and name a file for it",
            USAGE,
        )
    if table is None and sys.stdout.isatty():
        raise Failure("name a file for the table, or a pipe: a terminal would obey it", USAGE)
    opened = output.open(ConvertReport)
    with Progress(quiet=table is None) as progress:
        progress.stage("rows")
        report = write_table(
            archive,
            sys.stdout.buffer if table is None else table,
            noun=noun,
            format=format,
            raw=raw,
            bom=bom,
            deleted=deleted,
            on_progress=lambda reached: progress.reach("rows", reached.rows, None, ""),
        )
    if table is not None:
        with opened as rows:
            rows.write(report)
    return DONE


def stats(
    archive: Path | None = None, *, days: _Days | None = None, common: Common = COMMON
) -> int:
    """Count members, channels, subscriptions and the messages of each day.

    A day is one of the project's own time zone.
    Without an archive the project itself is asked; its messages are then read channel by
    channel, newest first, which takes a while on a busy project.

    Example: `ncloudchat stats project.archive --days 30`

    Args:
        archive: Archive that `export` wrote.
        days: Last days that messages are counted for, 1 to 36525; without it all of an
            archive, or 7.
        common: Where to, and how results are written.
    """
    from ncloudchat_async.transfer import ProjectStats, archive_stats, live_stats

    opened = common.output.open(ProjectStats)
    if archive is not None:
        with opened as rows:
            rows.write(archive_stats(archive, days=days))
        return DONE

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        async with common.connection.client() as chat:
            found = await live_stats(chat, days=7 if days is None else days)
        with opened as rows:
            rows.write(found)
        return DONE

    return run_async(run)
