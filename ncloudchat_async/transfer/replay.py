"""Decides how messages come into another project: in order, through a journal, each once.

A round is lined up, written whole to a journal beside the archive, and sent from there. What
came of it is noted in the archive when the round is over, and the journal is removed. A
killed round is gone on with from its journal; one whose journal is not whole never sent
anything, and is begun anew.
"""

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import msgspec

from ncloudchat_async.bulk import Delivery, Mode
from ncloudchat_async.client import Client
from ncloudchat_async.errors import JournalError
from ncloudchat_async.journal import JournalView, State
from ncloudchat_async.models import Message
from ncloudchat_async.transfer import survey
from ncloudchat_async.transfer.archive import now_ms
from ncloudchat_async.transfer.checks import text_problem
from ncloudchat_async.transfer.private import PathLike
from ncloudchat_async.transfer.reports import ImportReport, OnProgress, Progress
from ncloudchat_async.transfer.rows import read_row
from ncloudchat_async.transfer.survey import Target
from ncloudchat_async.transfer.template import Template
from ncloudchat_async.transfer.writer import ArchiveWriter

__all__ = ["Replay", "texts"]

OnProblem = Callable[[str, str, str], None]
"""Is told (noun, reference, reason) of a message that cannot be sent."""

# A failed delivery is in the map too, so that reports can name it; the next round takes it up.
_KEPT: tuple[State, ...] = ("sent", "unknown")


async def texts(
    archive: ArchiveWriter,
    target: Target,
    template: Template,
    max_length: int | None,
    on_problem: OnProblem,
) -> AsyncIterator[tuple[str, Delivery]]:
    """Give what is to be said where, in order, each with its channel's old id.

    A channel that is not there yet gives an empty id to send to.
    """
    after = 0
    while tasks := await archive.call(partial(survey.message_tasks, target=target, after=after)):
        for task in tasks:
            message = read_row(Message, task.raw)
            text = template.render(message, task.channel_name)
            reference = f"{task.channel_id}/{message.id}"
            problem = text_problem(text, max_length)
            if problem is None:
                yield task.channel_id, Delivery(task.target_id or "", text, reference)
            else:
                on_problem("messages", reference, problem)
        after = tasks[-1].number


class Replay:
    """Sends the messages of an archive to another project.

    Args:
        chat: A client of the other project.
        archive: What is sent.
        path: Where the archive is; journals are made beside it.
        target: The other project.
        report: Is added to.
        on_progress: Is told.
    """

    def __init__(
        self,
        chat: Client,
        archive: ArchiveWriter,
        path: PathLike,
        *,
        target: Target,
        report: ImportReport,
        on_progress: OnProgress | None,
    ) -> None:
        self._chat = chat
        self._archive = archive
        self._path = Path(path)
        self._target = target
        self._report = report
        self._on_progress = on_progress

    async def resume(self, *, mode: Mode, settle_s: float) -> None:
        """Go on with a round that was interrupted, if it got as far as sending."""
        number = await self._archive.call(partial(_open_round, target=self._target))
        if number is None:
            return
        journal = self._journal(number)
        if _is_whole(journal):
            self._report.resumed = True
            await self._send(number, None, mode=mode, settle_s=settle_s)
        else:
            await self._finish(number)

    async def run(
        self, template: Template, max_length: int | None, *, mode: Mode, settle_s: float
    ) -> None:
        """Send what was not sent by an earlier round."""
        total = await self._archive.call(partial(survey.queue_messages, target=self._target))
        if not total:
            return
        number = await self._archive.call(
            partial(_begin_round, target=self._target, template=template, max_length=max_length)
        )
        deliveries = self._deliveries(template, max_length)
        await self._send(number, deliveries, mode=mode, settle_s=settle_s)

    async def _deliveries(
        self, template: Template, max_length: int | None
    ) -> AsyncIterator[Delivery]:
        told: set[str] = set()
        source = texts(self._archive, self._target, template, max_length, self._report.add_failure)
        async for channel_id, delivery in source:
            if delivery.channel_id:
                yield delivery
            elif channel_id not in told:
                told.add(channel_id)
                self._report.add_failure("messages", channel_id, "the channel is not there")

    async def _send(
        self,
        number: int,
        deliveries: AsyncIterator[Delivery] | None,
        *,
        mode: Mode,
        settle_s: float,
    ) -> None:
        journal, done = self._journal(number), 0
        total = None if deliveries is None else await self._archive.call(survey.count_queue)
        async with self._chat.messages.send_many(
            deliveries,
            journal=journal,
            mode=mode,
            ordered=True,
            settle_s=settle_s,
            plan_first=True,
        ) as job:
            async for outcome in job:
                done += 1
                if outcome.status in ("failed", "unknown"):
                    reason = f"{outcome.status}: {outcome.error}"
                    self._report.add_failure("messages", outcome.ref or "", reason)
                if self._on_progress is not None:
                    self._on_progress(Progress("messages", done, total, done))
        await self._finish(number)

    async def _finish(self, number: int) -> None:
        """Note what came of a round, and remove its journal."""
        journal = self._journal(number)
        sent, failed, unknown = await self._archive.call(
            partial(_end_round, target=self._target, number=number, journal=journal)
        )
        self._report.messages_sent += sent
        self._report.messages_failed += failed
        self._report.messages_unknown += unknown
        for end in ("", "-lock", "-wal", "-shm"):
            journal.with_name(journal.name + end).unlink(missing_ok=True)

    def _journal(self, number: int) -> Path:
        """Name the journal of a round; what the archive holds has no say in it."""
        place = f"{self._target.project_id}\n{self._target.base_url}".encode()
        mark = hashlib.blake2b(place, digest_size=4).hexdigest()
        return self._path.with_name(f"{self._path.name}.import-{mark}-{number}")


def _is_whole(journal: Path) -> bool:
    """Say whether a journal holds a whole round; if not, nothing of it was sent."""
    try:
        with JournalView(journal) as view:
            return view.status().complete
    except JournalError:
        return False


def _open_round(db: sqlite3.Connection, target: Target) -> int | None:
    row = db.execute(
        "SELECT id FROM imports WHERE (project_id, base_url) = (?, ?) AND ended_ms IS NULL"
        " ORDER BY id DESC LIMIT 1",
        msgspec.structs.astuple(target),
    ).fetchone()
    return None if row is None else int(row[0])


def _begin_round(
    db: sqlite3.Connection, target: Target, template: Template, max_length: int | None
) -> int:
    row = db.execute(
        "INSERT INTO imports (project_id, base_url, template, max_length, begun_ms)"
        " VALUES (?, ?, ?, ?, ?) RETURNING id",
        (*msgspec.structs.astuple(target), template.text, max_length, now_ms()),
    ).fetchone()
    return int(row[0])


def _end_round(
    db: sqlite3.Connection, target: Target, number: int, journal: Path
) -> tuple[int, int, int]:
    """Copy what a journal says into the archive; return sent, failed and unknown."""
    counts = (0, 0, 0)
    if _is_whole(journal):
        with JournalView(journal) as view:
            status = view.status()
            counts = (status.sent, status.failed, status.unknown)
            for state in _KEPT:
                db.executemany(
                    "INSERT OR REPLACE INTO mapped VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        (*target.key("messages"), one.ref, one.message_id, state, one.begun_ms or 0)
                        for one in view.entries(state)
                    ),
                )
    db.execute("UPDATE imports SET ended_ms = ? WHERE id = ?", (now_ms(), number))
    return counts
