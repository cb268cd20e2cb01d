"""The trail alone: which page is asked for, and which rows of it are new."""

import random
from collections import deque
from collections.abc import Sequence
from itertools import starmap

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ncloudchat_async.errors import PagingError
from ncloudchat_async.paging.cursor import MARKS, Cursor, decode_cursor, encode_cursor
from ncloudchat_async.paging.seen import Seen, mark
from ncloudchat_async.paging.trail import Trail
from tests.unit.paging_fakes import AfterEnd, Item, ending, items

START = Cursor(0, 0, ())


def read(trail: Trail[Item], rows: Sequence[Item], calls: list[int] | None = None) -> list[Item]:
    """Read a list that does not move to its end."""
    got: list[Item] = []
    while (ask := trail.ask) is not None:
        if calls is not None:
            calls.append(ask.offset)
        got += trail.take(ask.offset, rows[ask.offset : ask.offset + ask.per_page]) or ()
    return got


class Reading(RuleBasedStateMachine):
    """A list is moved at random places between pages, some of which were fetched before."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.view: list[Item] = []
        self.got: list[Item] = []
        self.given = 0
        self.early: dict[int, list[Item]] = {}
        self.trail = Trail[Item](1, START)

    @initialize(
        rows=st.integers(0, 60),
        per_page=st.sampled_from((1, 2, 3, 10, 100)),
        cap=st.integers(2, 30),
    )
    def begin(self, rows: int, per_page: int, cap: int) -> None:
        """Make the list."""
        self.view = items(rows)
        self.made = rows
        self.throughout = {row.id for row in self.view}
        self.cap = cap
        self.trail = Trail[Item](per_page, START)

    @rule(place=st.floats(0, 1))
    def insert(self, place: float) -> None:
        """Insert a row anywhere."""
        self.view.insert(round(place * len(self.view)), Item(f"new-{self.made}"))
        self.made += 1

    @precondition(lambda self: bool(self.view))
    @rule(place=st.floats(0, 1, exclude_max=True), count=st.integers(1, 5))
    def delete(self, place: float, count: int) -> None:
        """Delete some rows anywhere."""
        for _ in range(min(count, len(self.view))):
            gone = self.view.pop(int(place * len(self.view)))
            self.throughout.discard(gone.id)

    def page(self, offset: int, cut: int) -> list[Item]:
        """What the server sends: never a lone row in place of more."""
        rows = self.view[offset : offset + min(self.cap, self.trail.per_page)]
        return rows[: max(2, len(rows) - cut)]

    @precondition(lambda self: self.trail.ask is not None)
    @rule(cut=st.sampled_from((0, 0, 1, 7)))
    def ask(self, cut: int) -> None:
        """Give the page that is asked for, as the list is now."""
        ask = self.trail.ask
        assert ask is not None
        self.take(ask.offset, self.page(ask.offset, cut))

    @rule(pages=st.integers(0, 4))
    def fetch_early(self, pages: int) -> None:
        """Fetch a page ahead, as the list is now."""
        offset = max(0, self.trail.position - 1 + pages * (self.trail.full - 1))
        self.early[offset] = self.page(offset, 0)

    @precondition(lambda self: self.trail.ask is not None and not self.trail.ask.fresh)
    @rule()
    def give_early(self) -> None:
        """Give the first page fetched ahead that reaches on from what came."""
        ask = self.trail.ask
        assert ask is not None
        for offset, rows in sorted(self.early.items()):
            if offset <= ask.offset and offset + len(rows) > self.trail.position:
                self.take(offset, self.early.pop(offset))
                return

    @rule(rest=st.integers(0, 20), per_page=st.sampled_from((1, 3, 10, 100)))
    def resume(self, rest: int, per_page: int) -> None:
        """Throw away the last rows and go on from a cursor."""
        rest = min(rest, self.given)
        cursor = decode_cursor(encode_cursor(self.trail.cursor(rest), "list"), "list")
        self.trail = Trail[Item](per_page, cursor)
        del self.got[len(self.got) - rest :]
        self.given = 0
        self.early.clear()

    def take(self, offset: int, rows: Sequence[Item]) -> None:
        """Tell the trail about a page."""
        news = self.trail.take(offset, rows)
        self.given = len(news or ())
        self.got += news or ()

    @invariant()
    def never_repeats(self) -> None:
        """A row that exists throughout comes once at most, in the list's order."""
        came = [row.id for row in self.got if row.id in self.throughout]
        order = [row.id for row in self.view if row.id in self.throughout]
        assert came == order[: len(came)]

    def teardown(self) -> None:
        """Once the list is left alone every row that existed throughout has come."""
        while self.trail.ask is not None:
            self.ask(0)
        assert self.throughout <= {row.id for row in self.got}


TestReading = Reading.TestCase
TestReading.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("rows", [0, 1, 2, 99, 100, 101, 199, 1000])
@pytest.mark.parametrize("per_page", [1, 2, 7, 100])
def test_a_list_that_stands_still_is_read_whole(rows: int, per_page: int) -> None:
    """Every row comes once and in order, whatever the length of list and page."""
    assert read(Trail(per_page, START), items(rows)) == items(rows)


def test_pages_overlap_by_the_last_row_that_came() -> None:
    """Each page is asked for from one row before, so that a moved list is noticed."""
    calls: list[int] = []
    read(Trail(10, START), items(25), calls)
    assert calls[:3] == [0, 9, 18]


def test_steps_back_two_four_eight_rows_when_rows_before_were_deleted() -> None:
    """A page whose first row did not come is asked for again from further back."""
    rows = items(60)
    trail = Trail[Item](20, START)
    trail.take(0, rows[:20])
    del rows[:5]
    offsets: list[int] = []
    read(trail, rows, offsets)
    assert offsets[:4] == [19, 18, 16, 12]


def test_leaps_over_rows_inserted_before() -> None:
    """A page of old rows tells how many were inserted; the next one asked for has news."""
    rows = items(200)
    trail = Trail[Item](50, START)
    trail.take(0, rows[:50])
    trail.take(49, rows[49:99])
    rows = [Item(f"head-{n}") for n in range(70)] + rows
    offsets: list[int] = []
    assert read(trail, rows, offsets) == items(200)[99:]
    assert offsets[:2] == [98, 168]


@pytest.mark.parametrize("gone", [0, 1, 5])
@pytest.mark.parametrize("come", [1, 3, 30])
def test_a_list_ends_although_rows_are_inserted_before_each_page(come: int, gone: int) -> None:
    """Newest first, with new rows at each request, no page begins with the last row."""
    rows = items(350)
    trail = Trail[Item](100, START)
    got: list[Item] = []
    calls = 0
    while (ask := trail.ask) is not None:
        calls += 1
        got += trail.take(ask.offset, rows[ask.offset : ask.offset + 100]) or ()
        rows = [Item(f"new-{calls}-{n}") for n in range(come)] + rows
        if len(got) == 350:
            del rows[len(rows) - gone :]
            gone = 0
    assert got == items(350)
    assert calls <= 350 // (99 - come) + 8


def test_a_server_that_sends_one_row_of_the_last_two_is_read_whole() -> None:
    """What stands beyond a last row twice is taken to follow it."""
    rows = items(250)
    trail = Trail[Item](100, START)
    got: list[Item] = []
    while (ask := trail.ask) is not None:
        page = rows[ask.offset : ask.offset + 100]
        got += trail.take(ask.offset, page[: max(1, len(page) // 2)]) or ()
    assert got == rows


def test_a_deleted_list_ends_and_costs_few_calls() -> None:
    """A reader that deletes what it read still gets the rest, in few calls per page."""
    rows = items(2000)
    trail = Trail[Item](100, START)
    got: list[Item] = []
    calls = 0
    while (ask := trail.ask) is not None:
        calls += 1
        news = trail.take(ask.offset, rows[ask.offset : ask.offset + ask.per_page]) or ()
        got += news
        rows = [row for row in rows if row not in news]
    assert got == items(2000)
    assert calls <= 4 * 20 + 8


def test_a_forgotten_place_is_found_again_while_one_remembered_row_exists() -> None:
    """More rows may be inserted than ids are kept: the whole list is searched."""
    rows = items(400)
    trail = Trail[Item](10, START, keep=16)
    got: list[Item] = []
    for _ in range(20):
        ask = trail.ask
        assert ask is not None
        got += trail.take(ask.offset, rows[ask.offset : ask.offset + ask.per_page]) or ()
    rows = [Item(f"head-{n}") for n in range(333)] + rows
    del rows[333 + len(got) - 5 : 333 + len(got) - 1]
    assert got + read(trail, rows) == items(400)


@pytest.mark.parametrize("rest", [0, 1, 13, 19])
def test_a_cursor_knows_the_place_of_its_row(rest: int) -> None:
    """In a list that stands still the first page after a cursor joins at once."""
    trail = Trail[Item](20, START)
    trail.take(0, items(100)[:20])
    trail.take(19, items(100)[19:39])
    resumed = Trail[Item](20, trail.cursor(rest))
    assert resumed.ask is not None
    assert resumed.ask.offset == 38 - rest


def test_begins_again_when_every_remembered_row_is_gone() -> None:
    """Rows may then come twice, but none is missed."""
    rows = items(300)
    cursor = Cursor(0, 200, Trail[Item](100, START).cursor().marks or (b"gone.1", b"gone.2"))
    assert read(Trail(50, cursor), rows) == rows


def test_an_offset_at_the_start_is_kept_while_rows_before_it_go() -> None:
    """Rows left out at the beginning are not read when the list shifts."""
    rows = items(200)
    trail = Trail[Item](10, Cursor(50, 50, ()))
    got = list(trail.take(50, rows[50:60]) or ())
    del rows[:20]
    assert got + read(trail, rows) == items(200)[50:]


@pytest.mark.parametrize("per_page", [2, 10, 100])
@pytest.mark.parametrize("length", [150, 1000])
def test_a_server_that_repeats_pages_is_given_up(per_page: int, length: int) -> None:
    """One page for ever, or a list that begins anew at its end, raises soon."""
    rows = items(length) * 2
    for wraps, most in ((False, 25), (True, 2 * length // (per_page - 1) + 1000 // per_page)):
        trail = Trail[Item](per_page, START)
        pages = (
            (
                ask.offset,
                rows[(place := ask.offset % length if wraps else 0) : place + ask.per_page],
            )
            for _ in range(most)
            if (ask := trail.ask) is not None
        )
        with pytest.raises(PagingError):
            deque(starmap(trail.take, pages))
        assert trail.ask is not None, "after the error it can be asked again"


@pytest.mark.parametrize("per_page", [1, 2, 10, 100])
def test_a_list_that_begins_anew_after_its_begin_was_forgotten_is_given_up(per_page: int) -> None:
    """Memory is bounded, so its rows come once more, but not for ever."""
    rows = items(1000)
    trail = Trail[Item](per_page, START, keep=100)
    got: list[Item] = []

    def read() -> None:
        while (ask := trail.ask) is not None and len(got) < 5000:
            places = range(ask.offset, ask.offset + ask.per_page)
            got.extend(trail.take(ask.offset, [rows[at % 1000] for at in places]) or ())

    with pytest.raises(PagingError, match="anew"):
        read()
    assert len(got) <= 2000 + 2 * per_page


def test_a_server_that_repeats_its_last_page_beyond_the_end_is_read_whole() -> None:
    """Old rows beyond the end are no reason to go on, nor to fail."""
    rows = items(37)
    trail = Trail[Item](10, START)
    got: list[Item] = []
    while (ask := trail.ask) is not None:
        page = rows[ask.offset : ask.offset + 10] or rows[-10:]
        got += trail.take(ask.offset, page) or ()
    assert got == rows


def after(trail: Trail[Item], rows: Sequence[Item], after_end: AfterEnd = "repeat") -> list[Item]:
    """Read the rest of a list that such a server holds still, in few calls."""
    got: list[Item] = []
    for _ in range(40 if after_end == "repeat" else 120):
        if (ask := trail.ask) is None:
            return got
        got += trail.take(ask.offset, ending(rows, ask.offset, ask.per_page, after_end)) or ()
    raise AssertionError("never ends")


@pytest.mark.parametrize("per_page", [10, 64, 65, 100])
def test_a_cursor_at_every_row_goes_on_before_a_repeated_last_page(per_page: int) -> None:
    """A last page with rows from before those that the cursor remembers is no news."""
    rows = items(150)
    for cut in range(1, 151):
        cursor = Cursor(0, cut, tuple(mark(row.id) for row in rows[:cut][-MARKS:]))
        assert after(Trail(per_page, cursor), rows) == rows[cut:]


@pytest.mark.parametrize("per_page", [10, 100])
def test_a_cursor_whose_rows_are_all_gone_finds_the_end_of_its_search(per_page: int) -> None:
    """A list without an end is searched once, then begun again."""
    rows = items(150)
    cursor = Cursor(0, 10, tuple(mark(row.id) for row in rows[:10]))
    assert after(Trail(per_page, cursor), rows[10:]) == rows[10:]
    with pytest.raises(PagingError):
        after(Trail(per_page, cursor), rows[10:], "endless")


@pytest.mark.parametrize("per_page", [10, 40, 100])
@pytest.mark.parametrize("gone", [1, 5, 30])
def test_rows_may_go_before_a_repeated_last_page(per_page: int, gone: int) -> None:
    """Behind the end of a list that shrank stands its last page: go back to where it ends."""
    for calls in range(1, 150 // (per_page - 1) + 4):
        rows = items(150)
        trail = Trail[Item](per_page, START)
        got: list[Item] = []
        for _ in range(calls):
            if (ask := trail.ask) is not None:
                got += trail.take(ask.offset, ending(rows, ask.offset, ask.per_page)) or ()
        del rows[:gone]
        got += after(trail, rows)
        assert got == items(150)[: len(got) - len(rows)] + rows


def test_a_server_that_sends_one_row_at_a_time_is_read_whole() -> None:
    """A lone row is looked at again before it is taken for the end."""
    rows = items(30)
    trail = Trail[Item](100, START)
    got: list[Item] = []
    while (ask := trail.ask) is not None:
        got += trail.take(ask.offset, rows[ask.offset : ask.offset + 1]) or ()
    assert got == rows


@pytest.mark.parametrize("seed", range(50))
def test_a_server_that_cuts_pages_to_any_length_is_read_whole(seed: int) -> None:
    """Also to one row, as long as the list stands still."""
    draw = random.Random(seed)
    rows = items(draw.choice((3, 40, 250)))
    trail = Trail[Item](draw.choice((2, 5, 100)), START)
    got: list[Item] = []
    while (ask := trail.ask) is not None:
        page = rows[ask.offset : ask.offset + ask.per_page]
        got += trail.take(ask.offset, page[: draw.randint(1, max(1, len(page)))]) or ()
    assert got == rows


def test_marks_of_a_cursor_are_remembered_as_long_as_rows() -> None:
    """Rows from before a cursor are not let go with the first page behind it."""
    seen = Seen(4, marks=[mark("old")], complete=False)
    seen.news(items(4))
    news, _ = seen.news([Item("old"), Item("new")])
    assert [row.id for row in news] == ["new"]


def test_memory_keeps_the_last_rows_and_lets_go_of_older_ones() -> None:
    """At least `keep` ids are remembered, and no more than twice as many and a page."""
    seen = Seen(100)
    for at in range(0, 5000, 10):
        seen.news([Item(f"row-{n}") for n in range(at, at + 10)])
    known = [n for n in range(5000) if seen.rank(f"row-{n}") is not None]
    assert known == list(range(known[0], 5000))
    assert 100 <= len(known) <= 210
    assert not seen.complete
