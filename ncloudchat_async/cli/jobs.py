"""Commands on journals: how far a job is, what is in doubt, and sending the rest."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from cyclopts import App

from ncloudchat_async.cli.common import CHANGE, COMMON, Change, Common
from ncloudchat_async.cli.exits import DONE, USAGE, Failure, code_of
from ncloudchat_async.cli.options import Amount
from ncloudchat_async.cli.output import OUTPUT, Output
from ncloudchat_async.cli.send import HANDLING, Handling, deliver, forecast
from ncloudchat_async.errors import JournalError

if TYPE_CHECKING:
    from ncloudchat_async.bulk import Delivery
    from ncloudchat_async.journal import JournalView, State

__all__ = ["app"]

app: Final = App(name="jobs", help="Look into the journals of `send`, and go on with them.")

_BRIEF: Final = ("seq", "ref", "channel_id", "content", "error")


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is, as it is shown."""

    project_id: str
    base_url: str
    created_at: datetime
    complete: bool
    total: int
    planned: int
    sending: int
    sent: int
    failed: int
    unknown: int


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A message that did not simply arrive, as it is shown."""

    seq: int
    ref: str | None
    channel_id: str
    content: str
    attempts: int
    begun_at: datetime | None
    error: str | None


@app.command
def status(journal: Path, *, output: Output = OUTPUT) -> int:
    """Tell how far a job is, also while it runs.

    Example: `ncloudchat jobs status guests.journal`

    Args:
        journal: The job's journal.
        output: How results are written.
    """
    with _opened(journal) as view, output.open(_Status) as rows:
        found = view.status()
        rows.write(
            _Status(
                project_id=found.binding.project_id,
                base_url=found.binding.base_url,
                created_at=found.created_at,
                complete=found.complete,
                total=found.total,
                planned=found.planned,
                sending=found.sending,
                sent=found.sent,
                failed=found.failed,
                unknown=found.unknown,
            )
        )
    return DONE


@app.command
def resume(
    journal: Path,
    *,
    handling: Handling = HANDLING,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Send what a job has not sent yet, and look for what is in doubt.

    Example: `ncloudchat jobs resume guests.journal --rate 100`

    Args:
        journal: The job's journal.
        handling: How messages are delivered.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    with _opened(journal) as view:
        found = view.status()
        if not found.complete:
            raise Failure(
                f"{journal} lacks a part of its input: run the `ncloudchat send` that made it "
                f"again, with the same file and `--journal {shlex.quote(str(journal))}`",
                USAGE,
            )
        if change.dry_run:
            return forecast(_left(view), common)
    left = found.planned + found.sending + found.failed + found.unknown
    return deliver(None, handling, common, journal=journal, total=left)


@app.command
def unknown(journal: Path, *, limit: Amount | None = None, output: Output = OUTPUT) -> int:
    """List the messages of which nobody knows whether they arrived.

    Example: `ncloudchat jobs unknown guests.journal --output table`

    Args:
        journal: The job's journal.
        limit: Rows to stop after.
        output: How results are written.
    """
    return _entries(journal, "unknown", limit, output)


@app.command
def failed(journal: Path, *, limit: Amount | None = None, output: Output = OUTPUT) -> int:
    """List the messages that surely did not arrive; `send` takes them as its input.

    Example: `ncloudchat jobs failed guests.journal --fields ref,channel_id,content`

    Args:
        journal: The job's journal.
        limit: Rows to stop after.
        output: How results are written.
    """
    return _entries(journal, "failed", limit, output)


def _entries(
    journal: Path, state: Literal["unknown", "failed"], limit: int | None, output: Output
) -> int:
    with _opened(journal) as view, output.open(_Entry, brief=_BRIEF) as rows:
        for entry in islice(view.entries(state), limit):
            rows.write(
                _Entry(
                    seq=entry.seq,
                    ref=entry.ref,
                    channel_id=entry.channel_id,
                    content=entry.content,
                    attempts=entry.attempts,
                    begun_at=_time(entry.begun_ms),
                    error=None if entry.error is None else str(entry.error),
                )
            )
    return DONE


@contextmanager
def _opened(journal: Path) -> "Iterator[JournalView]":
    """Open a journal for reading, and name it in what is wrong with it.

    Raises:
        Failure: There is no such file, it is no journal, or it cannot be read.
    """
    from ncloudchat_async.journal import JournalView

    if not journal.is_file():
        raise Failure(f"there is no journal at {journal}", USAGE)
    try:
        with JournalView(journal) as view:
            yield view
    except JournalError as error:
        raise Failure(f"{journal}: {error}", code_of(error)) from error


def _left(view: "JournalView") -> "Iterator[Delivery]":
    """Give what a resumed job looks for or sends; what was refused for good is neither."""
    from ncloudchat_async.bulk import Delivery
    from ncloudchat_async.journal.writer import PASSING

    states: tuple[State, ...] = ("planned", "sending", "unknown", "failed")
    for entry in chain.from_iterable(map(view.entries, states)):
        if entry.state != "failed" or type(entry.error).__name__ in PASSING:
            yield Delivery(entry.channel_id, entry.content, entry.ref)


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
