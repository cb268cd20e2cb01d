"""Decides what an export reads, in which order and how much at once; writes nothing itself.

Members, channels and subscriptions are listed whole every time, since they change and
nothing says which did. Messages do not change: the first export reads each channel from its
beginning, a later one from its newest message down to what the archive has, and a little
further.
"""

import math
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from ncloudchat_async.checks import check_callable, check_flag, check_type, check_whole
from ncloudchat_async.client import Client
from ncloudchat_async.errors import ConfigError, NcloudChatError
from ncloudchat_async.models.messages import UNSORTED_MS
from ncloudchat_async.paging import Pages
from ncloudchat_async.resources.base import query_json
from ncloudchat_async.transfer import checkpoints
from ncloudchat_async.transfer.archive import check_border, now_ms
from ncloudchat_async.transfer.checkpoints import RunStart, Scope, Start, Terms
from ncloudchat_async.transfer.private import PathLike
from ncloudchat_async.transfer.reports import (
    ExportReport,
    OnProgress,
    Progress,
    concerns_one,
    describe_error,
)
from ncloudchat_async.transfer.rows import CHANNELS, MESSAGES, NOUNS, Noun, RawRow
from ncloudchat_async.transfer.writer import ArchiveWriter

__all__ = ["as_job", "export_project"]

_MAX_RETRY_AFTER_S: Final = 900.0
"""A job has time: it waits for what would fail a single call."""
_WIDEST: Final = 16
"""Pages in flight for one list; more would only wait in memory."""
_NAMES: Final = 500
"""Channels named at a time."""


def as_job(chat: Client) -> Client:
    """Return a view for long work: behind single calls, without a deadline, patient.

    Raises:
        ConfigError: It is no client.
    """
    check_type("chat", chat, Client, "a Client(...)")
    retry = msgspec.structs.replace(chat.options.retry, max_retry_after_s=_MAX_RETRY_AFTER_S)
    return chat.with_options(deadline_s=None, priority="bulk", retry=retry)


async def export_project(
    chat: Client,
    path: PathLike,
    *,
    since: datetime | None = None,
    complete: bool = False,
    look_back: timedelta = timedelta(hours=1),
    max_in_flight: int = 32,
    on_progress: OnProgress | None = None,
) -> ExportReport:
    """Write a whole project into an archive, or bring an archive up to date.

    An export that was interrupted, even by a kill, goes on where its archive ends when it is
    called again with the same options; with others a new one begins, which keeps what is
    there. Rows that no longer exist are marked, never dropped: members, channels and
    subscriptions at once, messages where the export read, so `complete=True` finds all.

    Each row that exists from the beginning of its list to its end is in the archive
    afterwards, whatever comes and goes meanwhile. A channel that cannot be read is named
    in the report, and the rest goes on.

    A cancelled call leaves an archive with the pages that came, closed and unlocked; the next
    call goes on from there.

    Args:
        chat: An open client of the project; calls have `bulk` priority.
        path: The archive; made with mode 0600 if nothing has this name.
        since: Read messages from this moment on only, at the first export; a later one
            always joins what is there. Its whole second counts, since the platform tells no
            less, and a message whose time cannot be read is kept: nothing is missed.
        complete: Read every message again, to find those deleted since; with `since`, those
            that are there and those from then on.
        look_back: How far a later export reads again before the newest message it has:
            for messages that came into the list late, or were deleted meanwhile. An hour is
            40 times what `settle_s` allows a list to be late, and mostly one page a channel.
        max_in_flight: Pages asked for at once. As many channels are read at the same time, page
            by page; when fewer are left, long ones get several. Each page takes about 0.5 MB of
            memory: 32 take 16 MB, and leave half of the quota's 64 slots to other calls.
        on_progress: Is told after each page.

    Raises:
        ConfigError: An option makes no sense; nothing was sent.
        ArchiveError: The archive is another project's, in use, or none.
        NcloudChatError: What concerns more than one channel, such as a lost connection or a
            refused key. What was read is in the archive: call again.
    """
    chat = as_job(chat)
    check_border("since", since)
    check_flag("complete", complete)
    check_whole("max_in_flight", max_in_flight, 1)
    check_type("look_back", look_back, timedelta, "a timedelta, such as timedelta(hours=1)")
    check_callable("on_progress", on_progress, "a function", optional=True)
    if look_back < timedelta(0):
        raise ConfigError(f"look_back must not be negative, it is {look_back}")
    terms = Terms(
        complete=complete,
        # The platform tells times in whole seconds: nothing of this one is to be missed.
        since_ms=None if since is None else math.floor(since.timestamp()) * 1000,
        look_back_ms=round(look_back / timedelta(milliseconds=1)),
    )
    async with ArchiveWriter(path, chat.project_id, chat.base_url) as archive:
        export = _Export(chat, archive, terms, max_in_flight, on_progress)
        return await export.run()


class _Export:
    """One call of `export_project`."""

    def __init__(
        self,
        chat: Client,
        archive: ArchiveWriter,
        terms: Terms,
        at_once: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._chat = chat
        self._archive = archive
        self._terms = terms
        self._at_once = at_once
        self._reading = 0
        self._on_progress = on_progress
        self._run: RunStart
        self._rows = 0
        self._done = 0
        self._total = 0

    async def run(self) -> ExportReport:
        begun, calls = time.monotonic(), self._chat.stats.calls
        self._run = await self._archive.call(partial(checkpoints.begin_run, terms=self._terms))
        begun_ms = now_ms()
        async with self._chat.run_many(self._read_noun, NOUNS) as results:
            async for result in results:
                _raise_unless_told(result.error)
        await self._read_messages()
        # Channels that went meanwhile are marked, those that came are read as well.
        await self._archive.call(partial(checkpoints.reopen_channels, run=self._run.id))
        await self._read_noun(CHANNELS)
        await self._read_messages()
        await self._archive.call(partial(checkpoints.end_run, run=self._run.id))
        return await self._archive.call(
            partial(
                _report,
                run=self._run,
                complete=self._terms.complete,
                begun_ms=begun_ms,
                requests=self._chat.stats.calls - calls,
                seconds=time.monotonic() - begun,
            )
        )

    async def _read_noun(self, noun: Noun) -> None:
        await self._read(noun, "")

    async def _read_messages(self) -> None:
        self._total += await self._archive.call(
            partial(checkpoints.count_waiting, run=self._run.id)
        )
        async with self._chat.run_many(
            partial(self._read, MESSAGES), self._waiting(), max_in_flight=self._at_once
        ) as results:
            async for result in results:
                _raise_unless_told(result.error)
                self._done += 1
        self._tell(MESSAGES)

    async def _waiting(self) -> AsyncIterator[str]:
        after = ""
        while names := await self._archive.call(
            partial(checkpoints.waiting_channels, run=self._run.id, after=after, limit=_NAMES)
        ):
            for name in names:
                yield name
            after = names[-1]

    async def _read(self, noun: Noun, channel_id: str) -> None:
        """Read a list to its end, or note why it cannot be read."""
        scope, write = Scope(noun, channel_id, self._run.id), self._archive.call
        start = await write(lambda db: checkpoints.begin_list(db, scope, self._terms))
        if start.done:
            return
        self._reading += 1
        try:
            await self._read_pages(scope, start)
        except NcloudChatError as error:
            if not concerns_one(error):
                raise
            text = describe_error(error)
            await write(lambda db: checkpoints.fail_list(db, scope, text))
        else:
            await write(lambda db: checkpoints.end_list(db, scope, start))
        finally:
            self._reading -= 1

    async def _read_pages(self, scope: Scope, start: Start) -> None:
        floor_ms, read = start.floor_ms, 0

        def share() -> int:
            # Pages ahead of a list's end are asked for in vain, so only a list that proved
            # to be long gets several, and only when there are too few lists to read at once.
            return min(_WIDEST, 1 + read // 4, self._at_once // max(1, self._reading))

        async with self._pages(scope, start, share).pages() as pages:
            async for page in pages:
                read += 1
                kept = list(filter(start.keeps, page.items))
                await self._archive.call(
                    partial(checkpoints.save_page, scope=scope, rows=kept, cursor=page.cursor)
                )
                self._rows += len(kept)
                self._tell(scope.noun)
                times = [row.created_ms for row in page.items if row.created_ms is not None]
                if floor_ms is not None and times and min(times) < floor_ms - UNSORTED_MS:
                    return

    def _pages(self, scope: Scope, start: Start, share: Callable[[], int]) -> Pages[RawRow]:
        """List rows as they are, oldest first, or newest first down to a floor."""
        newest_first, noun = start.floor_ms is not None, scope.noun
        query = {"filter": "{}", "sort": query_json({noun.sort: "-1" if newest_first else "1"})}

        async def fetch(offset: int, per_page: int) -> list[RawRow]:
            option = query_json({"offset": offset, "per_page": per_page})
            request = noun.request({**query, "option": option}, scope.channel_id)
            return [noun.read(raw) for raw in await self._chat.send(request)]

        return Pages(
            fetch,
            operation=noun.endpoint.name,
            window=1 if newest_first else "auto",
            suggest=share,
            cursor=start.cursor,
            fingerprint=noun.request(query, scope.channel_id).target,
        )

    def _tell(self, noun: Noun) -> None:
        if self._on_progress is not None:
            done, total = (self._done, self._total) if noun is MESSAGES else (0, None)
            self._on_progress(Progress(noun.name, done, total, self._rows))


def _raise_unless_told(error: Exception | None) -> None:
    """Raise what ended the reading of a list and is not noted in the archive."""
    if error is not None:
        raise error


def _report(
    db: Any, run: RunStart, *, complete: bool, begun_ms: int, requests: int, seconds: float
) -> ExportReport:
    """Count what an export did."""
    nouns = ("members", "channels", "subscriptions", "messages")
    live = {
        noun: db.execute(
            f"SELECT count(*) FROM {noun} WHERE gone_ms IS NULL"  # noqa: S608 - our own names
        ).fetchone()[0]
        for noun in nouns
    }
    gone = sum(
        db.execute(
            f"SELECT count(*) FROM {noun} WHERE gone_ms >= ?",  # noqa: S608 - our own names
            (begun_ms,),
        ).fetchone()[0]
        for noun in nouns
    )
    (last_seq,) = db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    return ExportReport(
        resumed=run.resumed,
        reread_all=complete,
        new_messages=last_seq - run.first_seq,
        gone=gone,
        failures=checkpoints.failures(db, run.id),
        requests=requests,
        seconds=seconds,
        **live,
    )
