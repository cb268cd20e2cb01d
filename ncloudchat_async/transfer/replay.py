"""Decides how messages come into another project: in order, through a journal, each once.

A round is lined up, written whole to a journal beside the archive, and sent from there. What
came of it is noted in the archive when the round is over, and the journal is removed. A
round that was stopped or killed is gone on with from its journal, with the texts that are in
it; one whose journal is not whole never sent anything, and is begun anew. When all of it is
lined up the archive says so: a journal that is gone from then on is missed, since without it
everything would be sent once more.
"""

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import msgspec

from ncloudchat_async.bulk import Delivery, Mode
from ncloudchat_async.errors import ArchiveError, JournalError
from ncloudchat_async.journal import JournalStatus, JournalView, State
from ncloudchat_async.models import Message
from ncloudchat_async.transfer import survey
from ncloudchat_async.transfer.archive import now_ms, reading
from ncloudchat_async.transfer.checks import text_problem
from ncloudchat_async.transfer.course import Course
from ncloudchat_async.transfer.private import PathLike
from ncloudchat_async.transfer.reports import concerns_all
from ncloudchat_async.transfer.rows import read_row
from ncloudchat_async.transfer.survey import Target
from ncloudchat_async.transfer.template import Template
from ncloudchat_async.transfer.writer import ArchiveWriter

__all__ = ["Replay", "queue_left", "template_under_way", "texts"]

OnProblem = Callable[[str, str, str], None]
"""Is told (noun, reference, reason) of a message that cannot be sent."""

# A failed delivery is in the map too, so that reports can name it; the next round takes it up.
_KEPT: tuple[State, ...] = ("sent", "unknown")

_ROUNDS: Final = "rounds"
"""What the archive notes of rounds whose journal must be there."""

_BESIDE = ("", "-lock", "-wal", "-shm")
"""Endings of the files that a journal is made of."""


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


def template_under_way(path: PathLike, target: Target) -> str | None:
    """Return the template of the round that an import goes on with; None: it begins one.

    Raises:
        ArchiveError: There is no archive, or it cannot be read, or the round's journal is gone.
    """
    with reading(path) as db:
        begun = _open_round(db, target, path)
    return begun.template if begun is not None and begun.whole else None


def queue_left(db: sqlite3.Connection, target: Target, path: PathLike) -> None:
    """Line up what an import would send: without what an interrupted one has sent already."""
    survey.queue_messages(db, target)
    begun = _open_round(db, target, path)
    if begun is not None and begun.whole:
        with JournalView(_journal(path, target, begun.number)) as view:
            survey.drop_queued(db, (one.ref or "" for one in view.entries("sent")))


class Replay:
    """Sends the messages of an archive to another project.

    Args:
        course: The import.
        path: Where the archive is; journals are made beside it.
    """

    def __init__(self, course: Course, path: PathLike) -> None:
        self._course = course
        self._archive = course.archive
        self._target = course.target
        self._report = course.report
        self._path = path

    async def resume(self, *, mode: Mode, settle_s: float) -> None:
        """Go on with a round that was interrupted, if it got as far as sending."""
        begun = await self._archive.call(partial(_open_round, target=self._target, path=self._path))
        if begun is None:
            return
        if not begun.whole:
            await self._finish(begun.number)
            return
        self._report.resumed = True
        journal = _journal(self._path, self._target, begun.number)
        status = await anyio.to_thread.run_sync(_status, journal)
        doubts = status.sending + status.unknown
        if mode == "reconcile":
            self._course.tell_doubt("messages", doubts, longest_look_s(settle_s))
        total = status.planned + doubts + status.failed
        await self._send(begun.number, None, total, mode=mode, settle_s=settle_s)

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
        deliveries = self._deliveries(number, template, max_length)
        await self._send(number, deliveries, total, mode=mode, settle_s=settle_s)

    async def _deliveries(
        self, number: int, template: Template, max_length: int | None
    ) -> AsyncIterator[Delivery]:
        """Give what is to be sent; at its end, before the first is sent, note that it came."""
        told: set[str] = set()
        source = texts(self._archive, self._target, template, max_length, self._report.add_failure)
        async for channel_id, delivery in source:
            if delivery.channel_id:
                yield delivery
            elif channel_id not in told:
                told.add(channel_id)
                self._report.add_failure("messages", channel_id, "the channel is not there")
        await self._archive.call(
            lambda db: survey.mark(db, self._target, _ROUNDS, str(number), state="lined up")
        )

    async def _send(
        self,
        number: int,
        deliveries: AsyncIterator[Delivery] | None,
        total: int,
        *,
        mode: Mode,
        settle_s: float,
    ) -> None:
        journal, done = _journal(self._path, self._target, number), 0
        stop, fatal = self._course.stop, None
        async with self._course.chat.messages.send_many(
            deliveries,
            journal=journal,
            mode=mode,
            ordered=True,
            settle_s=settle_s,
            plan_first=True,
        ) as job:
            with stop.reaches(job.stop):
                async for outcome in job:
                    # What was not touched, or left in doubt, when the job was asked to stop is
                    # taken up by the next import: it is not lost.
                    if outcome.status == "skipped" or (stop.asked and outcome.status == "unknown"):
                        continue
                    if outcome.error is not None and concerns_all(outcome.error):
                        fatal = fatal or outcome.error
                        job.stop()
                        continue
                    done += 1
                    if outcome.status != "sent":
                        reason = f"{outcome.status}: {outcome.error}"
                        self._report.add_failure("messages", outcome.ref or "", reason)
                    self._course.tell("messages", done, total, done)
        ended_early = stop.asked or fatal is not None
        left = ended_early and await self._leave(journal, anew=fatal is not None)
        if not left:
            await self._finish(number)
        if fatal is not None:
            raise fatal

    async def _leave(self, journal: Path, *, anew: bool) -> bool:
        """Count what a round did that ended early, and say whether it is to be gone on with.

        Args:
            journal: The round's.
            anew: Some of its messages were refused for a reason that concerns all of them. In
                their order they come only if the rest is lined up anew together with them, so
                only what is in doubt keeps the round.
        """
        status = await anyio.to_thread.run_sync(_status, journal)
        doubts = status.sending + status.unknown
        left = status.planned + doubts
        if not status.complete or not (doubts if anew else left):
            return False
        self._report.messages_left = left
        self._report.messages_sent += status.sent
        self._report.messages_failed += status.failed
        return True

    async def _finish(self, number: int) -> None:
        """Note what came of a round, and remove its journal."""
        journal = _journal(self._path, self._target, number)
        sent, failed, unknown = await self._archive.call(
            partial(_end_round, target=self._target, number=number, path=self._path)
        )
        self._report.messages_sent += sent
        self._report.messages_failed += failed
        self._report.messages_unknown += unknown
        for end in _BESIDE:
            journal.with_name(journal.name + end).unlink(missing_ok=True)


def longest_look_s(settle_s: float) -> float:
    """Return the seconds until messages in doubt are found, or were sent again and found.

    Two looks that agree on an absence are a third of the settle time apart, and what is
    sent again is looked for after a settle time of its own.
    """
    return settle_s * 7 / 3


def _journal(path: PathLike, target: Target, number: int) -> Path:
    """Name the journal of a round; what the archive holds has no say in it."""
    place = f"{target.project_id}\n{target.base_url}".encode()
    mark = hashlib.blake2b(place, digest_size=4).hexdigest()
    archive = Path(path)
    return archive.with_name(f"{archive.name}.import-{mark}-{number}")


def _status(journal: Path) -> JournalStatus:
    with JournalView(journal) as view:
        return view.status()


class _Round(NamedTuple):
    """A round that was begun and not ended."""

    number: int
    template: str
    whole: bool
    """Whether its journal has all of it; if not, nothing of it was sent."""


def _open_round(db: sqlite3.Connection, target: Target, path: PathLike) -> _Round | None:
    row = db.execute(
        "SELECT id, template FROM imports WHERE (project_id, base_url) = (?, ?)"
        " AND ended_ms IS NULL ORDER BY id DESC LIMIT 1",
        msgspec.structs.astuple(target),
    ).fetchone()
    if row is None:
        return None
    number, template = row
    return _Round(number, template, _is_whole(db, target, number, path))


def _is_whole(db: sqlite3.Connection, target: Target, number: int, path: PathLike) -> bool:
    journal = _journal(path, target, number)
    try:
        return _status(journal).complete
    except JournalError as error:
        if survey.marked(db, target, _ROUNDS, str(number)) is None:
            return False
        raise ArchiveError(
            f"{journal} is gone or damaged: it knows what the interrupted import sent, and "
            "without it all would be sent again. Put it back under this name"
        ) from error


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
    db: sqlite3.Connection, target: Target, number: int, path: PathLike
) -> tuple[int, int, int]:
    """Copy what a journal says into the archive; return sent, failed and unknown."""
    counts = (0, 0, 0)
    if _is_whole(db, target, number, path):
        with JournalView(_journal(path, target, number)) as view:
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
