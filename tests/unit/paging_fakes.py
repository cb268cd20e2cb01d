"""A list on a server in memory that moves, caps and repeats while it is read."""

import asyncio
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

Order = Literal["oldest", "newest", "ties"]
AfterEnd = Literal["nothing", "repeat", "endless"]
ENDS: tuple[AfterEnd, ...] = (
    "nothing",
    "nothing",
    "nothing",
    "nothing",
    "repeat",
    "repeat",
    "endless",
)
ORDERS: tuple[Order, ...] = ("oldest", "newest", "ties")
TIES = 5
RESTLESS = 300
"""Pages after which the list stops moving: some schedules grow it faster than it is read."""


class Item(msgspec.Struct, frozen=True):
    """A row; `key` is what it is sorted by."""

    id: str
    key: int = 0


def items(count: int) -> list[Item]:
    """Rows that a list begins with."""
    return [Item(f"row-{number}") for number in range(count)]


class Schedule(NamedTuple):
    """Everything that decides one run."""

    seed: int
    order: Order = "oldest"
    rows: int = 40
    per_page: int = 10
    window: int = 1
    cap: int = 100
    moves: int = 0
    """Inserts and deletes before each page at most."""
    short: float = 0.0
    """Chance that a page is cut, to two rows or more."""
    repeat: float = 0.0
    """Chance that a page begins a row too early, or holds a row twice."""
    after_end: AfterEnd = "nothing"
    """What stands behind the last row: the last page again, or the list again."""
    deletes: bool = False
    """Whether a reader in pieces deletes what it read."""

    @classmethod
    def drawn(cls, seed: int) -> "Schedule":
        """Draw a run from a seed."""
        draw = random.Random(seed)
        drawn = cls(
            seed,
            order=draw.choice(ORDERS),
            rows=draw.choice((0, 1, 2, 5, 20, 60, 150, 300)),
            per_page=draw.choice((1, 2, 3, 5, 10, 25, 60, 100)),
            window=draw.choice((1, 1, 2, 4, 8, 16)),
            cap=draw.choice((100, 100, 100, 2, 3, 7, 30)),
            moves=draw.choice((0, 1, 2, 6, 20)),
            short=draw.choice((0.0, 0.0, 0.3)),
            repeat=draw.choice((0.0, 0.0, 0.2)),
            after_end=draw.choice(ENDS),
            deletes=draw.random() < 0.3,
        )
        if drawn.after_end == "repeat":
            # A repeated page that is cut at random says nothing of where the list ends.
            return drawn._replace(short=0.0)
        if drawn.after_end == "endless":
            # Nor is an error a miss, where more moves between two pages than one holds.
            return drawn._replace(moves=min(drawn.moves, drawn.per_page // 6, drawn.cap // 6))
        return drawn


def ending(
    view: Sequence[Item], offset: int, per_page: int, after_end: AfterEnd = "repeat"
) -> list[Item]:
    """A page, also behind the end of a list."""
    if after_end == "endless" and view:
        return [view[at % len(view)] for at in range(offset, offset + per_page)]
    page = view[offset : offset + per_page]
    return list(page or view[-per_page:] if after_end == "repeat" else page)


class Server:
    """One list, moved by what the schedule says.

    Attributes:
        view: The rows in the list's order, now.
        throughout: Ids of the rows that were there from the beginning and still are.
        calls: Pages asked for.
        in_flight: Pages asked for and not answered; `most_in_flight` is its maximum.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._draw = random.Random(schedule.seed)
        self._schedule = schedule
        self._made = 0
        self.view: list[Item] = []
        for _ in range(schedule.rows):
            self._insert()
        self.throughout = [item.id for item in self.view]
        self.calls = self.in_flight = self.most_in_flight = 0

    async def fetch(self, offset: int, per_page: int) -> Sequence[Item]:
        """Answer a page, later than others that were asked for later, and move the list."""
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            for _ in range(self._draw.randrange(4)):
                await asyncio.sleep(0)
            if self.calls < RESTLESS:
                self._move()
            page = self.page(offset, per_page)
            for _ in range(self._draw.randrange(4)):
                await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        return page

    def page(self, offset: int, per_page: int) -> list[Item]:
        """The rows from an offset, as this server sends them."""
        schedule, draw = self._schedule, self._draw
        early = draw.random() < schedule.repeat and per_page > 3 and schedule.cap > 3
        offset -= min(offset, early)
        page = ending(self.view, offset, min(per_page, schedule.cap), schedule.after_end)
        if len(page) > 2 and draw.random() < schedule.short:
            page = page[: draw.randrange(2, len(page))]
        if page and draw.random() < schedule.repeat:
            at = draw.randrange(len(page))
            page.insert(at, page[at])
        return page

    def delete(self, rows: Sequence[Item]) -> None:
        """Delete rows, wherever they are."""
        gone = set(rows)
        self.view = [item for item in self.view if item not in gone]
        here = {item.id for item in self.view}
        self.throughout = [row for row in self.throughout if row in here]

    def missed_or_repeated(self, got: Sequence[Item]) -> list[str]:
        """What is wrong with what was read: ids of rows that existed throughout."""
        came = [item.id for item in got]
        here = set(self.throughout)
        stayed = [row for row in came if row in here]
        wrong = [row for row, times in Counter(stayed).items() if times > 1]
        wrong += sorted(here - set(stayed))
        return wrong or (["order"] if stayed != self.throughout else [])

    def _move(self) -> None:
        for _ in range(self._draw.randint(0, self._schedule.moves)):
            if self._draw.random() < 0.5:
                self._insert()
            elif self.view:
                gone = self.view.pop(self._draw.randrange(len(self.view)))
                if gone.id in self.throughout:
                    self.throughout.remove(gone.id)

    def _insert(self) -> None:
        item = Item(f"row-{self._made}", self._draw.randrange(TIES))
        self._made += 1
        if self._schedule.order == "oldest":
            self.view.append(item)
        elif self._schedule.order == "newest":
            self.view.insert(0, item)
        else:
            self.view.insert(bisect_right(self.view, item.key, key=lambda row: row.key), item)
