"""Reading ids, records and templates, without a platform."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async.cli.exits import Failure
from ncloudchat_async.cli.inputs import read_ids, read_records, text_of
from ncloudchat_async.cli.template import Template


def written(folder: Path, name: str, text: str) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ids.txt", "\ufeffa\n\n  b  \n"),
        ("ids.csv", "name,id\nx,a\ny,b\n"),
        ("ids.jsonl", '{"id":"a"}\n\n{"user_id":"b","id":"other"}\n'),
        ("ids", '{"id":"a"}\n{"id":"b"}\n'),
        ("ids", "id\na\nb\n"),
        ("ids", '\ufeff"user_id"\r\na\r\nb\r\n'),
        ("ids", "\n\nname,id\nx,a\n\ny,b\n"),
    ],
)
def test_ids_come_from_any_form(tmp_path: Path, name: str, text: str) -> None:
    """Plain lines, CSV and JSON lines give the same ids, with or without a suffix or mark."""
    source = written(tmp_path, name, text)
    assert list(read_ids((), source, ("user_id", "id"))) == ["a", "b"]


def test_a_comma_without_headings_is_refused(tmp_path: Path) -> None:
    """Lines of cells whose ids nobody can tell are no ids, not even the first of them."""
    with pytest.raises(Failure, match="ids: no user_id or id among the headings"):
        list(read_ids((), written(tmp_path, "ids", "a,Kim\nb,Lee\n"), ("user_id", "id")))


@pytest.mark.parametrize(("ids", "source"), [((), None), (("a",), Path("f"))])
def test_ids_have_one_origin(ids: tuple[str, ...], source: Path | None) -> None:
    """No ids at all, or ids from two places, are refused."""
    with pytest.raises(Failure, match="--from"):
        read_ids(ids, source, ("id",))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.csv", "id,name\n1\n", "line 2: 1 cells, 2 headings"),
        ("a.csv", 'id\n"1\n', "line 2"),
        ("a.jsonl", '{"id":1}\n[1]\n', "line 2"),
        ("a.jsonl", '{"id":1}\n{"id":', "line 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, text: str, problem: str) -> None:
    """What cannot be read is refused with the file and the line."""
    with pytest.raises(Failure, match=problem):
        list(read_records(written(tmp_path, name, text)))


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    """A text of 200 000 characters is one cell, above the limit of Python's own reader."""
    source = written(tmp_path, "a.csv", "id\n" + "x" * 200_000 + "\n")
    assert list(read_ids((), source, ("id",))) == ["x" * 200_000]


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are no text."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\n\xff\n")
    with pytest.raises(Failure, match="UTF-8"):
        list(read_records(path))


@pytest.mark.parametrize("cells", ["{}", '{"id":""}', '{"id":null}', '{"id":true}', '{"id":[]}'])
def test_a_missing_id_is_named(tmp_path: Path, cells: str) -> None:
    """An id is text or a number; anything else is refused with its line."""
    record = next(read_records(written(tmp_path, "a.jsonl", cells)))
    with pytest.raises(Failure, match="line 1: no id"):
        text_of(record, ("id",))


def test_a_template_fills_in_columns() -> None:
    """Columns are put in as they are, braces are written twice, null is nothing."""
    template = Template("{{{name}}} is {age}{gone}, {ok}")
    assert (
        template.render({"name": "{x}", "age": 7, "gone": None, "ok": True}) == "{{x}} is 7, true"
    )


@pytest.mark.parametrize("text", ["{", "a}", "{a", "{}", "{a{b}}"])
def test_a_lone_brace_is_refused(text: str) -> None:
    """A brace that opens nothing is a mistake, not a text."""
    with pytest.raises(Failure, match="alone"):
        Template(text)


@given(st.text(), st.text())
def test_a_template_runs_nothing(text: str, value: str) -> None:
    """Text with doubled braces stays itself, and a value is never looked into."""
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert Template(doubled + "{a.b}").render({"a.b": value}) == text + value


def test_a_template_misses_a_column() -> None:
    """A column that is not there is named."""
    with pytest.raises(KeyError, match="b"):
        Template("{a}{b}").render({"a": 1})
