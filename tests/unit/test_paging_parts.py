"""The small parts of paging: counts, cursors, and how far ahead to read."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async.errors import ConfigError, DecodeError
from ncloudchat_async.paging import count_from
from ncloudchat_async.paging.cursor import Cursor, decode_cursor, encode_cursor
from ncloudchat_async.paging.ramp import MOST, Ramp


@pytest.mark.parametrize(
    "answer",
    [
        "7",
        '"7"',
        '{"count": 7}',
        '{"totalCount": 7}',
        '{"total": "7"}',
        "[7]",
        '["7"]',
        '[{"count": 7}]',
        '[{"total": 7}]',
    ],
)
def test_every_shape_of_a_count_is_read(answer: str) -> None:
    """The platform shows no sample, so all shapes it may mean are accepted."""
    assert count_from(msgspec.json.decode(answer)) == 7


@pytest.mark.parametrize(
    "answer", ["[]", '[{"id": "a"}]', '[{"id": "a", "count": 3}, {"id": "b"}]']
)
def test_rows_in_place_of_a_count_mean_that_the_option_was_ignored(answer: str) -> None:
    """The caller then counts by paging."""
    assert count_from(msgspec.json.decode(answer)) is None


@pytest.mark.parametrize(
    "answer",
    ["null", "true", "-1", "1.5", '"many"', '"²"', '{"n": 7}', "{}", "[1, 2]", "[[7]]", "[true]"],
)
def test_anything_else_is_no_count(answer: str) -> None:
    """A guess would be worse than an error."""
    with pytest.raises(DecodeError):
        count_from(msgspec.json.decode(answer))


PLACES = st.integers(0, 2**40)


@given(PLACES, PLACES, st.lists(st.binary(min_size=6, max_size=6), max_size=4), st.text())
def test_a_cursor_survives_its_text(
    base: int, position: int, marks: list[bytes], fingerprint: str
) -> None:
    """What is written is read, and only for the list it belongs to."""
    cursor = Cursor(base, position, tuple(marks))
    text = encode_cursor(cursor, fingerprint)
    assert decode_cursor(text, fingerprint) == cursor
    with pytest.raises(ConfigError):
        decode_cursor(text, fingerprint + "x")


@given(st.text(max_size=80))
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    """Nothing a user pastes ends in another error."""
    with pytest.raises(ConfigError):
        decode_cursor(text, "")


def test_a_cursor_cut_short_is_refused() -> None:
    """A cursor that was not copied whole does not begin somewhere else."""
    text = encode_cursor(Cursor(0, 300, (b"sixsix", b"sixmor")), "list")
    for end in range(len(text)):
        with pytest.raises(ConfigError):
            decode_cursor(text[:end], "list")


def window_after(pages: int, capacity: float) -> int:
    """The window after some pages of a server that serves `capacity` of 20 ms at once."""
    ramp, now = Ramp(), 0.0
    for _ in range(pages):
        now += 0.020 / min(ramp.window, capacity)
        ramp.page(now)
    return ramp.window


@pytest.mark.parametrize(("capacity", "window"), [(1, 1), (2, 2), (4, 4), (8, 8), (100, MOST)])
def test_the_window_doubles_while_that_pays(capacity: float, window: int) -> None:
    """It ends where more pages in flight bring no more pages."""
    assert window_after(400, capacity) == window


def test_a_short_list_has_one_page_in_flight() -> None:
    """The first pages show what one in flight brings."""
    assert window_after(2, 100) == 1
