"""Decides what becomes of every delivery of a job: sent, failed, unknown or skipped."""

import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from typing import Literal, get_args

import anyio
import msgspec

from ncloudchat_async.bulk.fanout import Run
from ncloudchat_async.bulk.lanes import Lanes
from ncloudchat_async.bulk.reconcile import Listed
from ncloudchat_async.bulk.source import Source, Take
from ncloudchat_async.checks import check_flag, check_number, check_text, check_whole
from ncloudchat_async.errors import Applied, ConfigError, NcloudChatError
from ncloudchat_async.wire.errand import ERRAND, WithdrawnError

__all__ = [
    "Delivery",
    "Job",
    "Mode",
    "Outcome",
    "Report",
    "Rules",
    "SendOne",
    "Status",
    "check_delivery",
    "check_storable",
]

Mode = Literal["reconcile", "at_most_once", "at_least_once"]
"""What to do with a message of which nobody knows whether it arrived."""

Status = Literal["sent", "failed", "unknown", "skipped"]

_SENDS = 10
"""Sends of one delivery in `at_least_once` before it is called unknown: with the pauses
between them a minute and a half, longer than a gateway takes to restart."""

Verdict = Literal["sent", "failed", "unknown"]

VERDICTS: dict[Applied, Verdict] = {"no": "failed", "unknown": "unknown", "yes": "sent"}
"""What an error of a send means; only one that excludes it makes a delivery `failed`."""


SendOne = Callable[[str, str], Awaitable[Listed]]
"""Send one message: (channel id, content). Raises `NcloudChatError` with `applied` set."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How a job works.

    Raises:
        ConfigError: A limit makes no sense.
    """

    mode: Mode
    ordered: bool = False
    max_in_flight: int = 64
    max_failures: int | None = None
    settle_s: float = 90.0
    now: Callable[[], float] = time.time
    """Seconds since 1970."""
    clock: Callable[[], float] = time.monotonic
    """Seconds that only grow."""
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    def __post_init__(self) -> None:
        """Refuse a mode that nobody knows, and limits that make no sense."""
        if self.mode not in get_args(Mode):
            raise ConfigError(f"mode must be one of {get_args(Mode)}, not {self.mode!r}")
        check_flag("ordered", self.ordered)
        check_whole("max_in_flight", self.max_in_flight, 1)
        check_whole("max_failures", self.max_failures, 1, optional=True)
        check_number("settle_s", self.settle_s, zero=True)


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message to be sent to one channel."""

    channel_id: str
    content: str
    ref: str | None = None
    """The caller's own name for this delivery, handed back in its `Outcome`."""


def check_delivery(item: object, number: int) -> Delivery:
    """Return an element of a job's input, the `number`th from 0, if it is a delivery.

    Raises:
        ConfigError: It is something else, or one of its fields is no text.
    """
    if not isinstance(item, Delivery):
        raise ConfigError(
            f"element {number} of the deliveries is {type(item).__name__}: "
            "make it a Delivery(channel_id, content)"
        )
    if not (
        type(item.channel_id) is type(item.content) is str
        and (item.ref is None or type(item.ref) is str)
    ):
        check_text(f"channel_id of delivery {number}", item.channel_id)
        check_text(f"content of delivery {number}", item.content)
        check_text(f"ref of delivery {number}", item.ref, optional=True)
    return item


def check_storable(item: object, number: int) -> Delivery:
    """Return a delivery that a journal can hold: see `check_delivery`.

    Raises:
        ConfigError: It is none, or holds half a character, which no file can.
    """
    delivery = check_delivery(item, number)
    try:
        f"{delivery.channel_id}{delivery.content}{delivery.ref}".encode()
    except UnicodeEncodeError:
        problem = f"delivery {number} holds a lone surrogate, which is no valid Unicode: mend it"
    else:
        return delivery
    raise ConfigError(problem)


class Outcome(msgspec.Struct, frozen=True):
    """What became of one delivery."""

    ref: str | None
    channel_id: str
    status: Status
    """`sent`: the platform has it, by its answer or by its list. `failed`: it surely has
    not. `unknown`: nobody can tell, so look before sending it again. `skipped`: not touched
    by this run, either because an earlier run sent it or because the job was stopped."""
    message_id: str | None
    """Id of the message, if an answer or a list told it."""
    error: NcloudChatError | None
    """Why it is not simply `sent`."""
    attempts: int
    """How often it was sent, in earlier runs too; 0: it was refused before it could be."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a job so far; every outcome is counted once.

    A job that was left early counts what it cancelled as `unknown`, even what may still have
    waited for its turn; so does one with a journal for what it was still settling.
    """

    sent: int
    failed: int
    unknown: int
    skipped: int
    attempts: int
    """Messages sent, repeated ones included."""
    seconds: float
    """Since the job was entered, to its end or to now."""
    rate: float
    """`sent` per second."""


class Job(Run[Delivery, Outcome]):
    """A fan-out of deliveries: enter it, iterate over its outcomes, read its `report`.

    Outcomes come as they are known, not in the order of the input. Leaving the block early
    cancels what is in flight; those messages may arrive all the same. `stop()` lets it finish:
    what still waited for the quota was not sent and comes out as `skipped`, what was in doubt
    as `unknown`.
    """

    def __init__(
        self,
        send: SendOne,
        source: Source[Delivery],
        rules: Rules,
        *,
        take: Take[Delivery] | None = None,
    ) -> None:
        self._lanes: Lanes[Delivery] | None = None
        if rules.ordered:
            # What waits in a lane costs one delivery; 16 for each call in flight keep the
            # others busy unless the input stays with one channel for longer than that.
            room = 16 * rules.max_in_flight
            self._lanes = Lanes(take or source.take, lambda item: item.channel_id, room=room)
            take = self._lanes.take
        super().__init__(source, self._deliver, max_in_flight=rules.max_in_flight, take=take)
        self._send = send
        self._rules = rules
        self._counts: dict[Status, int] = {"sent": 0, "failed": 0, "unknown": 0, "skipped": 0}
        self._naps: set[anyio.CancelScope] = set()
        """Waits of those that are to be sent again."""
        self._wrong = 0
        self._attempts = 0
        self._begun = rules.clock()
        self._ended: float | None = None

    @property
    def report(self) -> Report:
        """The totals so far."""
        seconds = (self._rules.clock() if self._ended is None else self._ended) - self._begun
        rate = self._counts["sent"] / seconds if seconds > 0 else 0.0
        return Report(**self._counts, attempts=self._attempts, seconds=seconds, rate=rate)

    def _close(self) -> None:
        super()._close()
        for nap in self._naps:
            nap.cancel()
        if self._lanes is not None:
            self._lanes.close()
            for item in self._lanes.drain():
                self._pass_by(item)

    def _pass_by(self, item: Delivery) -> None:
        self._counts["skipped"] += 1
        self._hand_out(Outcome(item.ref, item.channel_id, "skipped", None, None, 0))

    def _finish(self) -> None:
        self._ended = self._rules.clock()
        super()._finish()

    async def _deliver(self, item: Delivery) -> Outcome | None:
        """Send one message and say what became of it; None: not known yet."""
        attempts, doubt = 0, None
        while True:
            try:
                message = await self._send(item.channel_id, item.content)
            except CancelledError:
                # It may be on its way, and nobody will read an outcome.
                self._attempts += 1
                self._counts["unknown"] += 1
                raise
            except WithdrawnError:
                if doubt is None:
                    raise
                out = Outcome(item.ref, item.channel_id, "unknown", None, doubt, attempts)
                self._count("unknown")
            except NcloudChatError as error:
                attempts += self._sent_once(error)
                if error.applied == "unknown":
                    doubt = error
                if await self._repeats_in_doubt(error, attempts):
                    continue
                why = doubt or error  # a refusal says nothing of what was sent before it
                status = VERDICTS[why.applied]
                out = Outcome(item.ref, item.channel_id, status, None, why, attempts)
                self._count(status)
            else:
                attempts += self._sent_once()
                self._counts["sent"] += 1
                out = Outcome(item.ref, item.channel_id, "sent", message.id, None, attempts)
            if self._lanes is not None:
                self._lanes.leave(item.channel_id)
            return out

    def _sent_once(self, error: NcloudChatError | None = None) -> int:
        """Count a send that left; one that was refused before that is none."""
        left = int(error is None or error.attempts > 0 or error.applied != "no")
        self._attempts += left
        return left

    async def _repeats_in_doubt(self, error: NcloudChatError, sends: int) -> bool:
        """Say the same as `_repeats`; left while it waits, the doubt is counted."""
        try:
            return await self._repeats(error, sends)
        except CancelledError:
            self._counts["unknown"] += 1
            raise

    async def _repeats(self, error: NcloudChatError, sends: int) -> bool:
        """Say whether a message is to be sent again at once, and wait for the moment."""
        doubt = self._rules.mode == "at_least_once" and error.applied == "unknown"
        if not doubt or sends >= _SENDS or self._stopped:
            return False
        with anyio.CancelScope() as nap:
            self._naps.add(nap)
            try:
                await self._rules.sleep(min(0.25 * 2**sends, 20.0))
            finally:
                self._naps.discard(nap)
        errand = ERRAND.get()
        if errand is not None:
            errand.begun = False  # each send may be withdrawn, and leaves the doubt as it is
        return not self._stopped

    def _count(self, status: Status) -> None:
        """Count an outcome, and stop after too many that are not `sent`."""
        self._counts[status] += 1
        self._wrong += status != "sent"
        if self._rules.max_failures is not None and self._wrong >= self._rules.max_failures:
            self.stop()
