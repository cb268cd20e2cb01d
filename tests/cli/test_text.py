"""What a terminal is shown of text that others wrote."""

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async.cli.output import cell_text, columns, flat, json_text, row_of
from ncloudchat_async.cli.text import printable
from ncloudchat_async.models import Channel, Message, Subscription

HOSTILE = "\x1b[2J\x1b]0;x\x07 a\u202eb\u2066c\r\n\x9b31m\u200bd\x7f\u2028e\ufefff\U000e0041"
_BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_safe(text: str) -> bool:
    """Say whether a terminal shows each character, by Unicode's own tables."""
    return all(
        unicodedata.category(c) not in {"Cc", "Cs", "Zl", "Zp"}
        and unicodedata.bidirectional(c) not in _BIDI
        for c in text
    )


@given(st.text(st.characters()))
def test_nothing_that_a_terminal_obeys_is_printable(text: str) -> None:
    """No text leaves a control, bidi or line character raw, and plain text stays as it is."""
    assert is_safe(printable(text))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"])))
def test_plain_text_is_printable_as_it_is(text: str) -> None:
    """What is no control or format character stays, whatever the script."""
    assert printable(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_escapes_and_keeps_the_value(text: str) -> None:
    """JSON shows no character raw that a terminal obeys, and means the same."""
    shown = json_text({"text": text})
    assert is_safe(shown)
    assert msgspec.json.decode(shown) == {"text": text}


def test_emoji_and_korean_stay_readable() -> None:
    """Joined emoji and Hangul are no attack."""
    assert printable("안녕 👨\u200d👩\u200d👧") == "안녕 👨\u200d👩\u200d👧"


def test_rows_have_the_names_of_python() -> None:
    """Rows say `sent_at` and `mentions_everyone`, whatever the platform calls them."""
    message = msgspec.convert(
        {
            "id": "m",
            "sended_at": "2025-01-01T00:00:00Z",
            "mentions_everyone": "true",
            "sender": {"id": "s"},
        },
        Message,
    )
    row = row_of(message)
    assert row["sent_at"] == "2025-01-01T00:00:00Z"
    assert row["mentions_everyone"] is True
    assert flat(row)["sender.id"] == "s"


@pytest.mark.parametrize("kind", [Message, Channel, Subscription])
def test_columns_are_those_of_full_rows(kind: type) -> None:
    """The header of a CSV names each cell that a row can have."""
    names = columns(kind)
    assert len(set(names)) == len(names)
    assert set(flat(row_of(kind(id="x")))) - {n.split(".")[0] for n in names} == set()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (1.5, "1.5"), (["a"], '["a"]'), ("=1", "=1")],
)
def test_cells_are_plain_text(value: object, text: str) -> None:
    """A cell is empty for null, and JSON only where nothing shorter says it."""
    assert cell_text(value) == text
