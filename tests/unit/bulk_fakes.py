"""A platform in memory and a clock that turns by itself, for jobs without a network."""

import heapq
import itertools
import random
from asyncio import Event
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel

from ncloudchat_async.bulk import Delivery, Job, Outcome, send_many
from ncloudchat_async.errors import BadRequestError, NoReplyError, OutcomeUnknownError

Deliveries = Iterable[Delivery] | AsyncIterable[Delivery] | None

START_S = 1_750_000_000.0


async def turns(count: int = 40) -> None:
    """Let the loop run until what can go on has gone on."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


class VirtualTime:
    """Seconds that pass only while everybody waits."""

    def __init__(self) -> None:
        self.seconds = START_S
        self._sleepers: list[tuple[float, int, Event]] = []
        self._number = itertools.count()
        self._asleep = Event()

    def now(self) -> float:
        """Give the time; it serves as wall clock and as monotonic clock."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has moved on."""
        event = Event()
        heapq.heappush(self._sleepers, (self.seconds + seconds, next(self._number), event))
        self._asleep.set()
        await event.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Move the clock to the next sleeper whenever nobody else can go on."""
        failed: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._drive)
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised as it is, not in a group
                failed = error
            group.cancel_scope.cancel()
        if failed is not None:
            raise failed

    async def _drive(self) -> None:
        while True:
            await turns()
            if not self._sleepers:
                self._asleep.clear()
                await self._asleep.wait()
                continue
            end, _, event = heapq.heappop(self._sleepers)
            self.seconds = max(self.seconds, end)
            event.set()


class Person(NamedTuple):
    """Who wrote a message."""

    id: str | None


class Row(NamedTuple):
    """A stored message."""

    id: str
    channel_id: str
    content: str
    sender: Person
    sort_id: str
    admin: Person
    seen_from: float


Fate = Callable[[str, str], str]
"""What happens to a send: ok, refused, lost (applied), dropped (not applied), late, twice."""


def always(fate: str) -> Fate:
    """Make every send end alike."""
    return lambda _channel, _content: fate


def drawn(seed: int, **weights: float) -> Fate:
    """Draw the fates."""
    draw = random.Random(seed)
    return lambda _channel, _content: draw.choices([*weights], [*weights.values()])[0]


class Platform:
    """Keeps what was sent, and loses answers as it is told to."""

    def __init__(
        self,
        time: VirtualTime | None = None,
        *,
        fate: Fate | None = None,
        lag_s: float = 0.0,
        late_s: float = 20.0,
        skew_s: float = 0.0,
        mask: Callable[[str], str] = str,
    ) -> None:
        self.time = time or VirtualTime()
        self.fate = fate or always("ok")
        self.lag_s = lag_s
        self.late_s = late_s
        self.skew_s = skew_s
        self.mask = mask
        self.rows: list[Row] = []
        self.calls: list[tuple[str, str]] = []
        self.lists: Counter[str] = Counter()
        self.latency_s = 0.0
        self.unreadable = 0
        """Lists that still fail."""
        self._number = itertools.count()

    async def send(self, channel_id: str, content: str) -> Row:
        """Store a message, or not, and answer, or not."""
        self.calls.append((channel_id, content))
        await (self.time.sleep(self.latency_s) if self.latency_s else anyio.lowlevel.checkpoint())
        fate = self.fate(channel_id, content)
        if fate == "refused":
            refused = BadRequestError("refused", http_status=400)
            raise refused.located("send", "POST", "/", attempts=1, elapsed_s=0.0)
        if fate == "dropped":
            raise OutcomeUnknownError("dropped", applied="unknown")
        row = self.store(channel_id, content, late_s=self.late_s if fate == "late" else 0.0)
        if fate == "twice":
            self.store(channel_id, content)
        if fate != "ok":
            raise OutcomeUnknownError(fate, applied="unknown")
        return row

    def store(
        self, channel_id: str, content: str, *, sender: str = "admin", late_s: float = 0.0
    ) -> Row:
        """Keep a message, as another writer would too."""
        when = self.time.now() + late_s
        row = Row(
            f"m{next(self._number)}",
            channel_id,
            self.mask(content),
            Person(sender),
            str(int((when + self.skew_s) * 1000)),
            Person("admin" if sender == "admin" else ""),
            when + self.lag_s,
        )
        self.rows.append(row)
        return row

    async def newest(self, channel_id: str) -> AsyncIterator[Row]:
        """List a channel, newest first, without the rows that do not show yet."""
        self.lists[channel_id] += 1
        if self.unreadable:
            self.unreadable -= 1
            raise NoReplyError("down")
        await anyio.lowlevel.checkpoint()
        shown = [row for row in self._of(channel_id) if row.seen_from <= self.time.now()]
        for row in sorted(shown, key=lambda row: int(row.sort_id), reverse=True):
            yield row

    def job(self, deliveries: Deliveries, **options: Any) -> Job:
        """Make a job that lives in this platform's time."""
        clocks = {"now": self.time.now, "clock": self.time.now, "sleep": self.time.sleep}
        return send_many(self.send, self.newest, deliveries, **(clocks | options))

    async def run(self, deliveries: Deliveries, **options: Any) -> list[Outcome]:
        """Run a job to its end."""
        async with self.time.running(), self.job(deliveries, **options) as job:
            return [outcome async for outcome in job]

    def copies(self) -> Counter[tuple[str, str]]:
        """Count what is kept, by channel and text."""
        return Counter((row.channel_id, row.content) for row in self.rows)

    def _of(self, channel_id: str) -> Iterator[Row]:
        return (row for row in self.rows if row.channel_id == channel_id)


def texts(count: int, *, channels: int = 10, different: int | None = None) -> Iterator[Delivery]:
    """Make deliveries whose refs are their numbers, with so many different texts."""
    for number in range(count):
        yield Delivery(
            f"c{number % channels}", f"text {number % (different or count)}", str(number)
        )


def judge(platform: Platform, deliveries: Iterable[Delivery], outcomes: Iterable[Outcome]) -> None:
    """Hold what was reported against what is kept, counting equal texts.

    What is called sent is there, what is called failed is not, and what is there too often
    or not at all is called unknown; so nothing is wrong in silence.
    """
    of = {item.ref: (item.channel_id, item.content) for item in deliveries}
    told: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in of.values()}
    for outcome in outcomes:
        told[of[outcome.ref]]["sent" if outcome.status == "skipped" else outcome.status] += 1
    kept = platform.copies()
    for key, statuses in told.items():
        least, most = statuses["sent"], statuses["sent"] + statuses["unknown"]
        assert least <= kept[key], (key, "lost", statuses, kept[key])
        assert kept[key] <= most or statuses["unknown"], (key, "twice", statuses, kept[key])
    assert sum(statuses.total() for statuses in told.values()) == len(of)
