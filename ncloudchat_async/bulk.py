"""Decides what becomes of every delivery of a job: sent, failed, unknown or skipped.

Never promises "exactly once": the platform has no idempotency key, so a lost answer is a
doubt, and a doubt is either settled by looking or named `unknown`.
"""

import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Literal, Protocol

import anyio
import msgspec

from ncloudchat_async.errors import Applied, ConfigError, NcloudChatError
from ncloudchat_async.fanout import Run, Take, run_many, take_from
from ncloudchat_async.lanes import Lanes

__all__ = [
    "Delivery",
    "Job",
    "Mode",
    "Outcome",
    "Report",
    "SendOne",
    "Sent",
    "Status",
    "run_many",
    "send_many",
]

Mode = Literal["reconcile", "at_most_once", "at_least_once"]
"""What to do with a message of which nobody knows whether it arrived."""

Status = Literal["sent", "failed", "unknown", "skipped"]

_SENDS = 10
"""Sends of one delivery in `at_least_once` before it is called unknown: with the pauses
between them a minute and a half, longer than a gateway takes to restart."""

_VERDICTS: dict[Applied, Status] = {"no": "failed", "unknown": "unknown", "yes": "sent"}
"""What an error of a send means; only one that excludes it makes a delivery `failed`."""


class Sent(Protocol):
    """What a job needs to know of a message that the platform confirmed."""

    @property
    def id(self) -> str:
        """Id of the message."""
        ...


class Listed(Sent, Protocol):
    """What a job needs to know of a message in a channel's list."""

    @property
    def content(self) -> str | None:
        """Text, perhaps masked by the platform's filter."""
        ...


SendOne = Callable[[str, str], Awaitable[Sent]]
"""Send one message: (channel id, content). Raises `NcloudChatError` with `applied` set."""


ListNewest = Callable[[str], AsyncIterable[Listed]]
"""List a channel's messages, newest first, each row once even while others come and go."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message to be sent to one channel."""

    channel_id: str
    content: str
    ref: str | None = None
    """The caller's own name for this delivery, handed back in its `Outcome`."""


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
    """How often it was sent, in earlier runs too."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a job so far; every outcome that came out is counted once."""

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
    cancels what is in flight; those messages may arrive all the same.
    """

    def __init__(
        self,
        send: SendOne,
        take: Take[Delivery],
        *,
        repeat: bool = False,
        ordered: bool = False,
        max_in_flight: int = 64,
        max_failures: int | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_failures is not None and max_failures < 1:
            raise ConfigError(f"max_failures must be 1 or more, not {max_failures!r}")
        self._lanes: Lanes[Delivery] | None = None
        if ordered:
            # What waits in a lane costs one delivery; 16 for each call in flight keep the
            # others busy unless the input stays with one channel for longer than that.
            room = 16 * max_in_flight
            self._lanes = Lanes(take, lambda item: item.channel_id, room=room)
            take = self._lanes.take
        super().__init__(take, self._deliver, max_in_flight=max_in_flight)
        self._send = send
        self._repeat = repeat
        self._max_failures = max_failures
        self._sleep = sleep
        self._clock = clock
        self._counts: dict[Status, int] = {"sent": 0, "failed": 0, "unknown": 0, "skipped": 0}
        self._attempts = 0
        self._begun = clock()
        self._ended: float | None = None

    @property
    def report(self) -> Report:
        """The totals so far."""
        seconds = (self._clock() if self._ended is None else self._ended) - self._begun
        rate = self._counts["sent"] / seconds if seconds > 0 else 0.0
        return Report(**self._counts, attempts=self._attempts, seconds=seconds, rate=rate)

    def stop(self) -> None:
        """Begin nothing more; what is in flight finishes, what waited comes out as skipped."""
        super().stop()
        if self._lanes is not None:
            self._lanes.close()
            for item in self._lanes.drain():
                self._counts["skipped"] += 1
                self._hand_out(Outcome(item.ref, item.channel_id, "skipped", None, None, 0))

    def _finish(self) -> None:
        self._ended = self._clock()
        super()._finish()

    async def _deliver(self, item: Delivery) -> Outcome:
        """Send one message and say what became of it."""
        attempts = 0
        while True:
            attempts += 1
            self._attempts += 1
            try:
                message = await self._send(item.channel_id, item.content)
            except NcloudChatError as error:
                if self._repeat and error.applied == "unknown" and attempts < _SENDS:
                    await self._sleep(min(0.25 * 2**attempts, 20.0))
                    continue
                status = _VERDICTS[error.applied]
                out = Outcome(item.ref, item.channel_id, status, None, error, attempts)
                self._count(status)
            else:
                self._counts["sent"] += 1
                out = Outcome(item.ref, item.channel_id, "sent", message.id, None, attempts)
            if self._lanes is not None:
                self._lanes.leave(item.channel_id)
            return out

    def _count(self, status: Status) -> None:
        """Count an outcome, and stop after too many that are not `sent`."""
        self._counts[status] += 1
        wrong = self._counts["failed"] + self._counts["unknown"]
        if self._max_failures is not None and wrong >= self._max_failures:
            self.stop()


def send_many(
    send: SendOne,
    list_newest: ListNewest,
    deliveries: Iterable[Delivery] | AsyncIterable[Delivery],
    *,
    mode: Mode | None = None,
    ordered: bool = False,
    max_in_flight: int = 64,
    max_failures: int | None = None,
    fail_fast: bool = False,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Job:
    """Send many messages, some at a time, and give one outcome for each as it comes.

    Args:
        send: Sends one message.
        list_newest: Lists a channel's messages, newest first.
        deliveries: Any iterable or async iterable; it may be endless. It is read no further
            ahead than `max_in_flight` (16 times that when `ordered`).
        mode: What to do when nobody knows whether a message arrived: `at_most_once` (the
            default) names it unknown, `at_least_once` sends it again until an answer comes,
            ten times at most, and may so send it more than once.
        ordered: Send the deliveries of one channel one after the other, each when the one
            before it is settled, whatever became of it. Channels do not wait for each other.
        max_in_flight: Messages on their way at once.
        max_failures: Begin nothing more after this many outcomes `failed` or `unknown`;
            None: one failure never stops the rest.
        fail_fast: Short for `max_failures=1`.
        sleep: Waits for some seconds; for tests.
        clock: Monotonic seconds; for tests.

    Returns:
        The job: an async context manager and async iterator of `Outcome`.

    Raises:
        ConfigError: A limit is less than 1.
    """
    return Job(
        send,
        take_from(deliveries),
        repeat=mode == "at_least_once",
        ordered=ordered,
        max_in_flight=max_in_flight,
        max_failures=1 if fail_fast else max_failures,
        sleep=sleep,
        clock=clock,
    )
