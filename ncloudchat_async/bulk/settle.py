"""Decides the deliveries that are in doubt, by looking into their channels after a while.

One look serves everything that is in doubt in a channel. While it lasts, the job sends
nothing there, so that no message on its way is mistaken for another one. A delivery that
two looks did not find is sent again, twice at most; once that is confirmed, the channel
must show it exactly once. Whatever else is seen leaves it `unknown`.
"""

from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import anyio
import msgspec

from ncloudchat_async.bulk.delivery import Rules, Verdict
from ncloudchat_async.bulk.fanout import Result, Run, run_many, wake
from ncloudchat_async.bulk.reconcile import (
    Finding,
    Listed,
    ListNewest,
    match,
    pause_s,
    read_back,
    time_ms,
    wanted_since,
)
from ncloudchat_async.errors import NcloudChatError, OutcomeUnknownError
from ncloudchat_async.journal.commits import Journal
from ncloudchat_async.journal.view import Entry
from ncloudchat_async.journal.writer import Doubt, JournalWriter
from ncloudchat_async.wire.errand import WithdrawnError

__all__ = ["Answer", "Attempt", "Knowledge", "Settler", "doubtful"]

_RESENDS = 2
_LOOKS = 12
"""Looks for one delivery, failed ones included, before it stays unknown: three sends with
two each, and as many again for channels that cannot be read for a while."""
_PAGE = 200
_SOON_MS = 1000
"""Longest that an answer takes which tells the server's time well enough."""


class Answer(msgspec.Struct, frozen=True):
    """What came of one send."""

    state: Verdict
    message_id: str | None = None
    error: NcloudChatError | None = None
    sends: int = 1
    """0: it was refused before it could leave."""


Attempt = Callable[[int, str, str], Awaitable[Answer]]
"""Send a message of the journal: (seq, channel_id, content). Raises `WithdrawnError` when the
job was stopped before."""

Settled = Callable[[Entry, Answer], Awaitable[None]]
"""Told of a delivery that is not in doubt any more, or for good."""


class Knowledge:
    """What confirmed answers tell of the key's owner and of the server's clock."""

    def __init__(self, sender_id: str | None, skew_ms: int | None) -> None:
        self.sender_id = sender_id
        self.skew_ms = skew_ms
        self._close = skew_ms is not None
        """Whether `skew_ms` is known to be less than a second from the truth, or may be."""

    def learn(self, message: Listed, begun_ms: int, answered_ms: int) -> bool:
        """Learn from a message that was just confirmed, and say whether that is worth noting.

        It was stored before its answer came, so the server's clock is ahead by at least the
        difference, and by hardly more if the answer came soon. The least of these counts,
        for a clock may be set, and servers may differ.
        """
        news = False
        if self.sender_id is None and message.sender is not None and message.sender.id:
            self.sender_id, news = message.sender.id, True
        stored = time_ms(message)
        if stored is not None:
            least, close = stored - answered_ms, answered_ms - begun_ms <= _SOON_MS
            better = close and (not self._close or least < (self.skew_ms or 0) - 20)
            if self.skew_ms is None or better:
                self.skew_ms, self._close, news = least, close, True
        return news


class Gate:
    """Lets a look into a channel and sends to it exclude each other."""

    def __init__(self) -> None:
        self._under_way: dict[str, int] = {}
        self._held: dict[str, deque[Future[None]]] = {}

    async def enter(self, channel_id: str) -> None:
        """Wait until nobody looks, then hold looks off until `leave`."""
        while channel_id in self._held:
            await _change(self._held[channel_id])
        self._under_way[channel_id] = self._under_way.get(channel_id, 0) + 1

    def leave(self, channel_id: str) -> None:
        """Say that a send has ended."""
        left = self._under_way.pop(channel_id) - 1
        if left:
            self._under_way[channel_id] = left
        elif channel_id in self._held:
            _wake_all(self._held[channel_id])

    async def hold(self, channel_id: str) -> None:
        """Keep new sends out and wait for those under way."""
        waiting = self._held[channel_id] = deque()
        while channel_id in self._under_way:
            await _change(waiting)

    def release(self, channel_id: str) -> None:
        """Let sends in again."""
        _wake_all(self._held.pop(channel_id))


async def _change(waiting: deque[Future[None]]) -> None:
    change: Future[None] = get_running_loop().create_future()
    waiting.append(change)
    await change


def _wake_all(waiting: deque[Future[None]]) -> None:
    while waiting:
        wake(waiting.popleft())


class Settler:
    """Looks for what is in doubt, when it is due."""

    def __init__(
        self,
        journal: Journal,
        list_newest: ListNewest[Listed],
        knowledge: Knowledge,
        rules: Rules,
        *,
        attempt: Attempt,
        settled: Settled,
    ) -> None:
        self.gate: Gate = Gate()
        self.open: int = 0
        """Deliveries in doubt."""
        self._journal = journal
        self._list_newest = list_newest
        self._knowledge = knowledge
        self._rules = rules
        self._attempt = attempt
        self._settled = settled
        self._stopped = False
        self._nap: anyio.CancelScope | None = None
        self._looks: Run[str, Result[str, None]] | None = None

    def stop(self) -> None:
        """Look and send no more; what is in doubt is named so."""
        self._stopped = True
        if self._nap is not None:
            self._nap.cancel()
        if self._looks is not None:
            self._looks.stop()

    def doubt(self, seq: int, channel_id: str) -> None:
        """Have a delivery looked for after the settle time."""
        self.open += 1
        self._journal.look_for(seq, channel_id, self._rules.clock() + self._rules.settle_s)

    async def work(self) -> None:
        """Settle until nothing is in doubt.

        Raises:
            JournalError: The journal cannot be used.
        """
        while self.open and not self._stopped:
            due = await self._journal.call(JournalWriter.next_due)
            with anyio.CancelScope() as self._nap:
                await self._rules.sleep(max(0.0, (due or 0.0) - self._rules.clock()))
            if not self._stopped:
                await self._look_round()
        while self.open:
            for entry in await self._journal.call(lambda journal: journal.all_doubts(_PAGE)):
                error = entry.error or doubtful("nothing was looked for, the job was stopped")
                await self._end(entry, Answer("unknown", entry.message_id, error))

    async def _look_round(self) -> None:
        """Look into every channel in which something is due."""
        due_s = self._rules.clock()
        look = partial(self._look, due_s=due_s)
        limit = self._rules.max_in_flight
        self._looks = run_many(look, self._due_channels(due_s), max_in_flight=limit)
        async with self._looks as looks:
            async for result in looks:
                if result.error is not None:
                    raise result.error

    async def _due_channels(self, due_s: float) -> AsyncIterator[str]:
        ask = partial(JournalWriter.due_channels, due_s=due_s, limit=_PAGE)
        page = await self._journal.call(partial(ask, after=""))
        while page:
            for channel_id in page:
                yield channel_id
            page = await self._journal.call(partial(ask, after=page[-1]))

    async def _look(self, channel_id: str, *, due_s: float) -> None:
        """Look into one channel once, and decide what that decides."""
        await self.gate.hold(channel_id)
        try:
            if self._stopped:
                return
            doubts = await self._journal.call(lambda journal: journal.doubts(channel_id))
            findings, error = await self._find(channel_id, [doubt.entry for doubt in doubts])
            for doubt in doubts:
                finding = findings.get(doubt.entry.seq)
                if finding is not None and finding.verdict == "found":
                    await self._end(doubt.entry, Answer("sent", finding.message_id))
                elif finding is not None and finding.verdict == "doubt":
                    why = doubtful("the channel holds messages that may or may not be this one")
                    await self._end(doubt.entry, Answer("unknown", doubt.entry.message_id, why))
                elif doubt.due_s <= due_s:
                    await self._missed(doubt, error)
        finally:
            self.gate.release(channel_id)

    async def _find(
        self, channel_id: str, entries: list[Entry]
    ) -> tuple[dict[int, Finding], NcloudChatError | None]:
        """Read a channel back; an error of the platform means no finding at all."""
        skew_ms = self._knowledge.skew_ms
        wanted = [
            wanted_since(entry.begun_ms or 0, skew_ms, entry.seq, entry.content, entry.message_id)
            for entry in entries
        ]
        try:
            rows = await read_back(self._list_newest, channel_id, wanted)
        except WithdrawnError:
            raise
        except NcloudChatError as error:
            return {}, error
        taken = await self._journal.call(lambda journal: journal.taken(row.id for row in rows))
        return match(wanted, rows, sender_id=self._knowledge.sender_id, taken=taken), None

    async def _missed(self, doubt: Doubt, error: NcloudChatError | None) -> None:
        """Decide what follows when a look that was due did not find a delivery."""
        entry, looks = doubt.entry, doubt.looks + 1
        absent = doubt.absent if error is not None else doubt.absent + 1
        if absent < 2 and looks < _LOOKS:
            due_s = self._rules.clock() + pause_s(self._rules.settle_s)
            self._journal.look_for(entry.seq, entry.channel_id, due_s, absent=absent, looks=looks)
        elif error is not None:
            await self._end(entry, Answer("unknown", entry.message_id, error))
        elif entry.message_id is not None:
            why = doubtful("it was sent again and confirmed, but the channel does not show it")
            await self._end(entry, Answer("unknown", entry.message_id, why))
        elif entry.attempts > _RESENDS or looks >= _LOOKS:
            why = doubtful("it was sent again and still is not in the channel")
            await self._end(entry, Answer("unknown", None, why))
        elif not self._stopped:
            await self._send_again(entry, looks)

    async def _send_again(self, entry: Entry, looks: int) -> None:
        """Send what is not there, and have the channel show what came of it."""
        try:
            answer = await self._attempt(entry.seq, entry.channel_id, entry.content)
        except WithdrawnError:
            self._journal.record(entry.seq, "unknown", entry.message_id, entry.error)
            return
        self._journal.record(entry.seq, "unknown", answer.message_id, answer.error)
        due_s = self._rules.clock() + self._rules.settle_s
        self._journal.look_for(entry.seq, entry.channel_id, due_s, looks=looks)

    async def _end(self, entry: Entry, answer: Answer) -> None:
        self.open -= 1
        self._journal.settle(entry.seq, answer.state, answer.message_id, answer.error)
        await self._settled(entry, answer)


def doubtful(text: str) -> OutcomeUnknownError:
    """Say why nobody can tell."""
    return OutcomeUnknownError(text, applied="unknown")
