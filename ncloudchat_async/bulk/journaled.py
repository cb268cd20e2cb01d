"""Decides how a job goes on where an earlier run of it ended, and sends nothing without an intent.

A delivery is written to the journal when it is read from the input, its intent before the
first byte leaves, and what came of it with the next group. An input that differs from the
recorded one is refused before anything is sent.
"""

from asyncio import CancelledError, Lock
from collections import deque
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Literal, Self

import anyio

from ncloudchat_async.bulk.delivery import VERDICTS, Delivery, Job, Outcome, Rules, SendOne
from ncloudchat_async.bulk.reconcile import Listed, ListNewest
from ncloudchat_async.bulk.settle import Answer, Knowledge, Settler, doubtful
from ncloudchat_async.bulk.source import END, End, Source
from ncloudchat_async.errors import (
    JournalError,
    JournalMismatchError,
    NcloudChatError,
    OutcomeUnknownError,
)
from ncloudchat_async.journal.commits import Journal
from ncloudchat_async.journal.view import Entry, State
from ncloudchat_async.journal.writer import JournalWriter
from ncloudchat_async.wire.errand import WithdrawnError

__all__ = ["JournaledJob"]

_PAGE = 1000
"""Rows read or planned at a time: 10 ms of SQLite, so that the loop is never held up."""


class Planned(Delivery, frozen=True, gc=False):
    """A delivery with its number in the journal."""

    seq: int = 0
    attempts: int = 0
    """Sends in earlier runs."""
    doubt: NcloudChatError | None = None
    """Why one of those may have arrived; only where it is sent again all the same."""


class JournaledJob(Job):
    """A job whose deliveries, intents and outcomes are in a journal."""

    _journal: Journal

    def __init__(
        self,
        send: SendOne,
        list_newest: ListNewest[Listed],
        source: Source[Delivery] | None,
        rules: Rules,
        *,
        opening: Callable[[], JournalWriter],
        plan_first: bool = False,
    ) -> None:
        super().__init__(send, source or Source(()), rules, take=self._next)
        self._list_newest = list_newest
        self._given = source is not None
        self._opening = opening
        self._plan_first = plan_first
        self._complete = False
        self._settler: Settler | None = None
        self._knowledge = Knowledge(None, None)
        self._settling = False
        self._lane_held: dict[str, set[int]] = {}
        """Numbers of the deliveries in doubt that keep a channel's lane occupied."""
        self._turn = Lock()
        self._page: deque[Planned] = deque()
        self._total = 0
        """Number of the next delivery of the input."""
        self._unread = 0
        """Number from which on planned deliveries are still to be read from the journal."""
        self._planned = 0
        """Number at which those end; what comes then was read from the input by this run."""

    async def __aenter__(self) -> Self:
        """Open the journal and start.

        Raises:
            JournalLockedError: Another job works with it.
            JournalMismatchError: It belongs to another project, base URL or input.
            JournalCorruptError: It is no journal, damaged, or of a newer version.
            JournalError: It cannot be used.
        """
        self._journal = await Journal.open(self._opening)
        try:
            self._knowledge = Knowledge(*await self._journal.call(JournalWriter.learnt))
            self._settler = Settler(
                self._journal,
                self._list_newest,
                self._knowledge,
                self._rules,
                attempt=self._attempt,
                settled=self._settled,
            )
            await super().__aenter__()
        except BaseException:
            await self._journal.close()
            raise
        assert self._group is not None
        self._group.start_soon(self._journal.work)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Cancel what is still in flight, write down what is known, close the journal."""
        try:
            return await super().__aexit__(kind, error, trace)
        finally:
            if self._settler is not None:
                self._counts["unknown"] += self._settler.open
            with anyio.CancelScope(shield=True):
                await self._journal.close()

    async def __anext__(self) -> Outcome:
        """Wait for the next outcome; at the end, until all of them are in the journal.

        Raises:
            JournalError: The journal cannot be used, or holds another input.
        """
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            await self._journal.flush()
            raise

    def _close(self) -> None:
        super()._close()
        if self._settler is not None:
            self._settler.stop()

    async def _begin(self) -> None:
        try:
            await self._prepare()
        except Exception as error:  # noqa: BLE001 - of the caller's input, raised at the end
            self._fail(error)
        else:
            await super()._begin()

    async def _prepare(self) -> None:
        """Take up what the journal holds, after comparing it with the input."""
        status = await self._journal.call(JournalWriter.status)
        self._complete = status.complete
        if self._given:
            await self._compare(status.total)
        elif not status.complete:
            raise JournalMismatchError("the journal lacks a part of the input: hand it in again")
        self._total = status.total
        if self._plan_first:
            await self._plan_all()
        self._planned = self._total
        if status.total:
            await self._take_up()

    async def _compare(self, total: int) -> None:
        """Refuse an input that does not begin as the recorded one; tell what was sent of it."""
        seq = 0
        while seq < total and not self._stopped:
            page = await self._journal.call(partial(JournalWriter.recorded, first=seq, limit=_PAGE))
            for channel_id, content, ref, state, message_id, attempts in page:
                item = await self._source.take()
                if self._source.stopped:
                    return
                if item is END:
                    raise JournalMismatchError(
                        f"the input ends after {seq} deliveries, the journal has {total}"
                    )
                if item.content != content or item.channel_id != channel_id or item.ref != ref:
                    differs = _difference(item, channel_id, content, ref)
                    raise JournalMismatchError(
                        f"delivery {seq} of the input, counted from 0, has another {differs}"
                        " than in the journal"
                    )
                seq += 1
                if state == "sent":
                    self._tell(Outcome(ref, channel_id, "skipped", message_id, None, attempts))
            await self._room()
        if not self._complete or self._stopped:
            return
        if await self._source.take() is not END:
            raise JournalMismatchError(f"the input goes on after the {total} in the journal")

    async def _plan_all(self) -> None:
        """Write the whole input to the journal before anything is sent."""
        while not self._stopped and await self._read() is not END:
            if self._total % _PAGE == 0:
                await self._journal.flush()
        await self._journal.flush()

    async def _take_up(self) -> None:
        """Tell what an earlier run left for good, and look for what it left in doubt."""
        mode = self._rules.mode
        await self._journal.call(partial(JournalWriter.recover, repeat=mode == "at_least_once"))
        await self._tell_earlier("failed")
        if mode == "at_most_once":
            await self._tell_earlier("unknown")
        if mode != "reconcile":
            return
        if self._lanes is not None:
            # What an earlier run was killed with before it could settle it counts as well.
            first = 0
            while page := await self._earlier("unknown", first):
                for entry in page:
                    self._lane_held.setdefault(entry.channel_id, set()).add(entry.seq)
                    self._lanes.occupy(entry.channel_id)
                first = page[-1].seq + 1
        due_s = self._rules.clock() + self._rules.settle_s
        assert self._settler is not None
        self._settler.open = await self._journal.call(lambda journal: journal.doubt_all(due_s))
        self._settle()

    async def _tell_earlier(self, state: Literal["failed", "unknown"]) -> None:
        first = 0
        while page := await self._earlier(state, first):
            for entry in page:
                self._tell(
                    Outcome(
                        entry.ref,
                        entry.channel_id,
                        state,
                        entry.message_id,
                        entry.error or doubtful("the job ended while it was on its way"),
                        entry.attempts,
                    )
                )
            await self._room()
            first = page[-1].seq + 1

    async def _earlier(self, state: State, first: int) -> list[Entry]:
        """Read a page of what the journal holds in a state, from a number on."""
        return await self._journal.call(
            partial(JournalWriter.in_state, state=state, first=first, limit=_PAGE)
        )

    def _tell(self, out: Outcome) -> None:
        """Hand out what an earlier run did; it counts, but stops nothing."""
        self._counts[out.status] += 1
        self._hand_out(out)

    async def _next(self) -> Delivery | End:
        """Give what the journal still plans, then what the input still holds."""
        async with self._turn:
            while not self._page and self._unread < self._planned:
                page = await self._earlier("planned", self._unread)
                self._unread = page[-1].seq + 1 if page else self._planned
                self._page.extend(_planned(entry) for entry in page if entry.seq < self._planned)
            return self._page.popleft() if self._page else await self._read()

    async def _read(self) -> Planned | End:
        """Read one delivery of the input and plan it."""
        if not self._given or self._complete:
            return END
        item = await self._source.take()
        if item is END:
            if not self._stopped:  # else there may be more, for another run
                self._complete = True
                self._journal.learn(complete=True)
            return END
        planned = Planned(item.channel_id, item.content, item.ref, self._total)
        self._total += 1
        self._journal.plan(planned.seq, item.channel_id, item.content, item.ref)
        return planned

    async def _deliver(self, item: Delivery) -> Outcome | None:
        assert isinstance(item, Planned)
        assert self._settler is not None
        await self._settler.gate.enter(item.channel_id)
        try:
            return await self._send_planned(item)
        except JournalError as error:
            self._fail(error)
            return None
        finally:
            self._settler.gate.leave(item.channel_id)

    async def _send_planned(self, item: Planned) -> Outcome | None:
        """Send one message and note what came of it; None: it is in doubt."""
        assert self._settler is not None
        doubt, sends = item.doubt, 0
        try:
            answer = await self._attempt(item.seq, item.channel_id, item.content)
            sends = answer.sends
            while answer.error is not None and await self._repeats(answer.error, sends):
                doubt = answer.error
                answer = await self._attempt(item.seq, item.channel_id, item.content)
                sends += answer.sends
        except CancelledError:
            self._counts["unknown"] += 1
            raise
        except WithdrawnError:
            if doubt is item.doubt:  # nothing was sent in this run
                self._journal.record(item.seq, "planned", None, doubt)
                raise
            answer = Answer("unknown", None, doubt)
        if answer.state == "failed" and doubt is not None:
            answer = Answer("unknown", None, doubt)  # the refused one was not the first
        self._journal.record(item.seq, answer.state, answer.message_id, answer.error)
        if answer.state == "unknown" and self._rules.mode == "reconcile":
            if self._lanes is not None:
                self._lane_held.setdefault(item.channel_id, set()).add(item.seq)
            self._settler.doubt(item.seq, item.channel_id)
            self._settle()
            return None
        self._count(answer.state)
        if self._lanes is not None:
            self._lanes.leave(item.channel_id)
        return Outcome(
            item.ref,
            item.channel_id,
            answer.state,
            answer.message_id,
            answer.error,
            item.attempts + sends,
        )

    async def _attempt(self, seq: int, channel_id: str, content: str) -> Answer:
        """Send one message once, its intent being durable.

        Raises:
            WithdrawnError: The job was stopped before; the intent is taken back.
        """
        await self._journal.intend(seq, self._now_ms())
        begun_ms = self._now_ms()
        try:
            message = await self._send(channel_id, content)
        except CancelledError:
            self._attempts += 1
            raise
        except WithdrawnError:
            self._journal.withdraw(seq)
            raise
        except NcloudChatError as error:
            return Answer(VERDICTS[error.applied], None, error, self._sent_once(error))
        self._sent_once()
        if self._knowledge.learn(message, begun_ms, self._now_ms()):
            self._journal.learn(
                sender_id=self._knowledge.sender_id, skew_ms=self._knowledge.skew_ms
            )
        return Answer("sent", message.id)

    def _settle(self) -> None:
        """Have doubts settled beside the sending."""
        assert self._settler is not None
        if not self._settling and self._settler.open:
            self._settling = True
            self._start(self._settle_all)

    async def _settle_all(self) -> None:
        assert self._settler is not None
        try:
            await self._settler.work()
        except JournalError as error:
            self._fail(error)
        finally:
            self._settling = False

    async def _settled(self, entry: Entry, answer: Answer) -> None:
        """Hand out what became of a delivery that was in doubt."""
        self._count(answer.state)
        held = self._lane_held.get(entry.channel_id, set())
        if self._lanes is not None and entry.seq in held:
            held.remove(entry.seq)
            if not held:
                del self._lane_held[entry.channel_id]
                self._lanes.leave(entry.channel_id)
                self._hire()
        self._hand_out(
            Outcome(
                entry.ref,
                entry.channel_id,
                answer.state,
                answer.message_id,
                answer.error,
                entry.attempts,
            )
        )
        await self._room()

    def _now_ms(self) -> int:
        return round(self._rules.now() * 1000)


def _planned(entry: Entry) -> Planned:
    doubt = entry.error if isinstance(entry.error, OutcomeUnknownError) else None
    return Planned(entry.channel_id, entry.content, entry.ref, entry.seq, entry.attempts, doubt)


def _difference(item: Delivery, channel_id: str, content: str, ref: str | None) -> str:
    """Name what differs between a delivery and the recorded one."""
    pairs = (
        ("channel", item.channel_id, channel_id),
        ("ref", item.ref, ref),
        ("text", item.content, content),
    )
    return " and ".join(name for name, given, recorded in pairs if given != recorded)
