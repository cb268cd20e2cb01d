"""Commands that carry whole projects: export, import, verify."""

import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypedDict

from cyclopts import Parameter, validators

from ncloudchat_async.cli.again import command_line, say_again
from ncloudchat_async.cli.common import CHANGE, COMMON, Change, Common
from ncloudchat_async.cli.exits import DONE, FAILED, UNKNOWN, Failure, code_of
from ncloudchat_async.cli.friend_lines import FriendLines
from ncloudchat_async.cli.options import Count, Flag, Mode, Source
from ncloudchat_async.cli.progress import Progress
from ncloudchat_async.cli.running import Interrupts, run_async
from ncloudchat_async.cli.wording import worded
from ncloudchat_async.errors import NcloudChatError

if TYPE_CHECKING:
    from ncloudchat_async import Client
    from ncloudchat_async.transfer import OnProgress
    from ncloudchat_async.transfer import Progress as Reached

__all__ = ["aware", "export", "import_", "verify"]

_PROFILE: Final = "profile:"
_READ: Final = MappingProxyType({"messages": "channels read"})
"""What an export counts while it reads messages."""
_Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0))]


def export(
    archive: Path,
    *,
    since: datetime | None = None,
    complete: Flag = False,
    look_back: _Seconds = 3600.0,
    max_in_flight: Count = 32,
    common: Common = COMMON,
) -> int:
    """Write a whole project into an archive, or bring an archive up to date.

    Interrupted, even by a kill, it goes on when the same command is run again; after Ctrl-C
    or SIGTERM (exit codes 130 and 143) that command is on stderr. A channel that cannot be
    read is named in the row on stdout, the exit code is 1, and the rest is there. Rows that
    are gone are marked and kept.

    Example: `ncloudchat export project.archive`

    Args:
        archive: SQLite file, made with mode 0600 when it is not there.
        since: Keep messages from this moment on only, at the first export, and those whose
            time cannot be read; without an offset it is in this machine's time zone. A later
            export always joins what is there.
        complete: Read every message again, to find all that were deleted since. Without it
            nothing new is missed, and deletions are found as far as --look-back.
        look_back: Seconds that a later export reads again before the newest message.
        max_in_flight: Pages asked for at once, each of about 0.5 MB of memory.
        common: Where to, and how results are written.
    """
    again = command_line("export", export, locals())
    from ncloudchat_async.transfer import ExportReport, export_project

    opened = common.output.open(ExportReport)  # a field that is none is told at once

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        async with common.connection.client() as chat:
            with Progress() as progress:
                report = await export_project(
                    chat,
                    archive,
                    since=aware(since),
                    complete=complete,
                    look_back=timedelta(seconds=look_back),
                    max_in_flight=max_in_flight,
                    on_progress=_shown(progress, _READ),
                )
        with opened as rows:
            rows.write(report)
        return FAILED if report.failures else DONE

    return say_again(run_async(run), again)


class _Wishes(TypedDict):
    """What an import and its forecast are asked alike."""

    template: str | None
    existing: Literal["skip", "update"]
    friends: Iterable[tuple[str, str]]
    check_ids: bool
    max_length: int | None
    partial_archive: bool


def import_(
    archive: Path,
    *,
    template: str | None = None,
    existing: Literal["skip", "update"] = "skip",
    friends: Source | None = None,
    any_id: Flag = False,
    max_length: Count | None = None,
    partial_archive: Flag = False,
    mode: Mode = "reconcile",
    settle: _Seconds = 90.0,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Carry an archive into another project: members, channels, friends, messages.

    REST can set neither the sender nor the time of a message: each is sent by the owner of
    the key, now, and the template keeps both in the text. Subscriptions cannot be carried
    over. Run again, it goes on where it ended and adds what is new. Ctrl-C and SIGTERM let
    what is on its way finish and name the command to go on with (exit codes 130 and 143); a
    second one does not wait. With --dry-run it only reads, and tells counts, problems and the
    time at --rate.

    Example: `ncloudchat import project.archive --profile new --rate 100 --dry-run`

    Args:
        archive: Archive that `export` wrote; it notes what became of each row.
        template: What a message says, with `{content}`, `{sender}`, `{sender_id}`,
            `{sender_name}`, `{sent_at}`, `{message_id}`, `{channel_name}`, `{attachment}`;
            `"{content}"` sends the text alone. Without it:
            `"[{sent_at} {sender}] {content}{attachment}"`. An interrupted import keeps its
            template: going on with another one is refused.
        existing: What becomes of members that are there already.
        friends: CSV or JSON lines with user_id and friend_id, whom to ask for friendship:
            an archive has no friendships, since the platform cannot list them.
        any_id: Send ids that break the documented rule, such as e-mail addresses.
        max_length: Most characters of a message in the new project; longer ones are left
            out and named.
        partial_archive: Import also what an interrupted export left, such as of a project
            that can be read no more. What a later export adds is sent behind the rest.
        mode: What to do when nobody knows whether a message arrived, as in `send`.
        settle: Seconds after which a message that was stored at all is in its channel's list.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    again = command_line("import", import_, locals())
    lines = FriendLines(friends)
    wishes: _Wishes = {
        "template": template,
        "existing": existing,
        "friends": lines.pairs,
        "check_ids": not any_id,
        "max_length": max_length,
        "partial_archive": partial_archive,
    }
    if change.dry_run:
        return _foretell(archive, wishes, lines, common)
    from ncloudchat_async.transfer import ImportReport, Stop, import_project

    opened = common.output.open(ImportReport)

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        async with common.connection.client() as chat:
            stop = Stop()
            interrupts.on_first(stop.ask)
            with Progress() as progress:
                report = await import_project(
                    chat,
                    archive,
                    **wishes,
                    mode=mode,
                    settle_s=settle,
                    stop=stop,
                    on_progress=_shown(progress),
                    on_doubt=_say_doubt,
                )
        lines.name_in(report.failures, report.add_failure)
        with opened as rows:
            rows.write(report)
        if interrupts.code is not None:
            return interrupts.code
        if report.messages_unknown:
            return UNKNOWN
        return FAILED if report.failure_count or report.messages_failed else DONE

    return say_again(run_async(run), again)


def _foretell(archive: Path, wishes: _Wishes, lines: FriendLines, common: Common) -> int:
    """Tell what an import would do."""
    from ncloudchat_async.transfer import Forecast, forecast_import

    opened = common.output.open(Forecast)

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        async with common.connection.client() as chat:
            forecast = await forecast_import(chat, archive, **wishes)
        lines.name_in(forecast.problems, forecast.add_problem)
        with opened as rows:
            rows.write(forecast)
        return FAILED if forecast.problem_count else DONE

    return run_async(run)


def verify(
    left: str,
    right: str | None = None,
    *,
    template: str | None = None,
    common: Common = COMMON,
) -> int:
    """Compare two projects, or an archive with a project; a difference is exit code 1.

    A side is an archive's path, or `profile:NAME` for a project; without a right side it is
    the project of --profile or the environment. Both are looked for before either is read:
    a file that is no archive is exit code 2, a refused key 3.

    Example: `ncloudchat verify project.archive`

    Args:
        left: What was: the old project or its archive.
        right: What should say the same.
        template: What became of the texts between two projects; without it, what the
            archive was imported with.
        common: Where to, and how results are written.
    """
    from ncloudchat_async.transfer import Verification
    from ncloudchat_async.transfer import verify as compare

    opened = common.output.open(Verification)

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        async with _side(left, common) as first, _side(right, common) as second:
            with Progress() as progress:
                try:
                    found = await compare(
                        first, second, template=template, on_progress=_shown(progress, _READ)
                    )
                except NcloudChatError as error:
                    # Which of the two sides it is, where the library can tell.
                    said = ": ".join((*getattr(error, "__notes__", ()), worded(error)))
                    raise Failure(said, code_of(error)) from error
        with opened as rows:
            rows.write(found)
        return DONE if found.equal else FAILED

    return run_async(run)


@asynccontextmanager
async def _side(name: str | None, common: Common) -> "AsyncIterator[Client | Path]":
    """Give an archive's path, or an open client of a project."""
    if name is not None and not name.startswith(_PROFILE):
        yield Path(name)
        return
    connection = common.connection
    if name is not None:
        connection = replace(connection, profile=name.removeprefix(_PROFILE))
    async with connection.client() as chat:
        yield chat


def _shown(progress: Progress, labels: Mapping[str, str] = MappingProxyType({})) -> "OnProgress":
    """Show what the library tells of its progress, its stages under the labels given."""
    rows = 0

    def show(reached: "Reached") -> None:
        nonlocal rows
        if reached.rows < rows:
            progress.end()  # that was the other project
        rows = reached.rows
        label = labels.get(reached.stage, reached.stage)
        progress.reach(label, reached.done, reached.total, f"{reached.rows:,} rows")

    return show


def _say_doubt(noun: str, count: int, seconds: float) -> None:
    """Tell people why nothing moves for a while."""
    sys.stderr.write(f"looking for {count:,} {noun} in doubt, up to {seconds:,.0f} s\n")
    sys.stderr.flush()


def aware(moment: datetime | None) -> datetime | None:
    """Take a moment without an offset for one of this machine's time zone."""
    return moment if moment is None or moment.tzinfo is not None else moment.astimezone()
