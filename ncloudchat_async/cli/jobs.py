"""Commands on journals: how far a job is, what is in doubt, and sending the rest."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from cyclopts import App

from ncloudchat_async.cli.exits import DONE
from ncloudchat_async.cli.output import OUTPUT, Output
from ncloudchat_async.cli.send import HANDLING, Handling, deliver
from ncloudchat_async.cli.work import COMMON, Common
from ncloudchat_async.journal import JournalView

__all__ = ["app"]

app: Final = App(name="jobs", help="Look into the journals of `send`, and go on with them.")

_BRIEF: Final = ("seq", "ref", "channel_id", "content", "error")


@app.command
def status(journal: Path, *, output: Output = OUTPUT) -> int:
    """Tell how far a job is, also while it runs.

    Example: `ncloudchat jobs status guests.journal`

    Args:
        journal: The job's journal.
        output: How results are written.
    """
    with JournalView(journal) as view:
        found = view.status()
    with output.open() as rows:
        rows.write(
            {
                "project_id": found.binding.project_id,
                "base_url": found.binding.base_url,
                "created_at": found.created_at.isoformat(),
                "complete": found.complete,
                "total": found.total,
                "planned": found.planned,
                "sending": found.sending,
                "sent": found.sent,
                "failed": found.failed,
                "unknown": found.unknown,
            }
        )
    return DONE


@app.command
def resume(journal: Path, *, handling: Handling = HANDLING, common: Common = COMMON) -> int:
    """Send what a job has not sent yet, and look for what is in doubt.

    Example: `ncloudchat jobs resume guests.journal --rate 100`

    Args:
        journal: The job's journal.
        handling: How messages are delivered.
        common: Where to, and how results are written.
    """
    with JournalView(journal) as view:
        found = view.status()
    left = found.planned + found.sending + found.failed + found.unknown
    return deliver(None, handling, common, journal=journal, total=left)


@app.command
def unknown(journal: Path, *, output: Output = OUTPUT) -> int:
    """List the messages of which nobody knows whether they arrived.

    Example: `ncloudchat jobs unknown guests.journal --output table`

    Args:
        journal: The job's journal.
        output: How results are written.
    """
    return _entries(journal, "unknown", output)


@app.command
def failed(journal: Path, *, output: Output = OUTPUT) -> int:
    """List the messages that surely did not arrive; `send` takes them as its input.

    Example: `ncloudchat jobs failed guests.journal --fields ref,channel_id,content`

    Args:
        journal: The job's journal.
        output: How results are written.
    """
    return _entries(journal, "failed", output)


def _entries(journal: Path, state: Literal["unknown", "failed"], output: Output) -> int:
    with JournalView(journal) as view, output.open(brief=_BRIEF) as rows:
        for entry in view.entries(state):
            rows.write(
                {
                    "seq": entry.seq,
                    "ref": entry.ref,
                    "channel_id": entry.channel_id,
                    "content": entry.content,
                    "attempts": entry.attempts,
                    "begun_at": _time(entry.begun_ms),
                    "error": None if entry.error is None else str(entry.error),
                }
            )
    return DONE


def _time(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat()
