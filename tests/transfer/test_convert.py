"""Tables hold what the archive holds, and no cell becomes a formula."""

import csv
import io
import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async import Client
from ncloudchat_async.emulator import Emulator, Fault
from ncloudchat_async.errors import ArchiveError, ConfigError
from ncloudchat_async.models import Member, Message
from ncloudchat_async.transfer import Format, convert, export_project
from ncloudchat_async.transfer.columns import MODELS, columns_of, flat_rows
from ncloudchat_async.transfer.convert import guarded
from tests.transfer.conftest import rows
from tests.transfer.test_export import mode, names

HOSTILE = [
    "=1+1",
    " =cmd|' /C calc'!A0",
    "+49 30",
    "@SUM(A1)",
    "-",
    "\tx",
    "\uff1dA1",
    'quote " comma , line\r\nbreak',
    "\u2028\u2029\u202e\x1b[2J",
    "\x00nul",
    "'",
    "말 🎉",
    "",
]


@pytest.fixture
async def archive(emulator: Emulator, chat: Client, path: Path) -> Path:
    """An archive of what people write when they mean harm."""
    emulator.seed(members=3, channels=1, subscriptions=2)
    (channel,) = [row.id async for row in chat.channels.list()]
    emulator.add_rows(
        "messages",
        [
            {
                "channel_id": channel,
                "content": text,
                "sender": {"id": "u", "name": text, "profile": ""},
            }
            for text in HOSTILE
        ],
    )
    await export_project(chat, path)
    return path


def table(path: Path, **options: Any) -> bytes:
    """What a conversion writes."""
    out = io.BytesIO()
    report = convert(path, out, **options)
    assert report.rows == len(HOSTILE) or options["noun"] != "messages"
    return out.getvalue()


async def test_raw_json_lines_are_what_the_platform_sent(archive: Path) -> None:
    """Nothing is lost or added, and every object has a line of its own."""
    lines = table(archive, format="jsonl", raw=True).decode().removesuffix("\n").split("\n")
    assert lines == [row[0] for row in rows(archive, "SELECT raw FROM messages ORDER BY seq")]


async def test_json_lines_have_the_names_of_the_structs(archive: Path) -> None:
    """A line is an object with flat names, the same for every row."""
    found = [json.loads(line) for line in table(archive, format="jsonl").split(b"\n")[:-1]]
    assert [row["content"] for row in found] == HOSTILE
    assert [row["sender.name"] for row in found] == HOSTILE
    assert set(found[0]) == {column.name for column in columns_of("messages")}
    assert {"is_express", "attachment.url", "sent_at", "deleted_since"} <= set(found[0])


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_times_are_in_utc(archive: Path, form: Format) -> None:
    """Whatever the project's time zone, every table tells times in the same way."""
    text = table(archive, format=form).decode()
    found = (
        list(csv.DictReader(io.StringIO(text, newline="")))
        if form == "csv"
        else [json.loads(line) for line in text.split("\n")[:-1]]
    )
    for name in ("sent_at", "created_at"):
        assert all(re.fullmatch(r"[\d-]{10}T[\d:.]{8,15}Z", row[name]) for row in found)
    raw = table(archive, format="jsonl", raw=True).decode()
    (first,) = {json.loads(line)["created_at"] for line in raw.split("\n")[:1]}
    assert first.endswith("+09:00")
    assert datetime.fromisoformat(found[0]["created_at"]) == datetime.fromisoformat(first)


async def test_rows_of_one_moment_come_as_the_platform_sorts_them(
    emulator: Emulator, chat: Client, path: Path
) -> None:
    """Of messages with the same time the smaller `sort_id` is first, whichever was read first."""
    emulator.seed(channels=1)
    at = "2025-07-01T00:00:00Z"
    body = json.dumps([{"id": f"m-{n}", "sort_id": str(9 - n), "created_at": at} for n in (1, 2)])
    emulator.faults.add(Fault("listMessages", "status", status=200, body=body))
    await export_project(chat, path)
    out = io.BytesIO()
    convert(path, out)
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == ["m-2", "m-1"]


@pytest.mark.parametrize("raw", [False, True])
async def test_a_csv_comes_back_as_it_was_but_for_the_guard(archive: Path, raw: bool) -> None:
    """Reading a CSV gives the texts; unguarded they are lossless."""
    text = table(archive, format="csv", raw=raw).decode()
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["content"] for row in found] == [text if raw else guarded(text) for text in HOSTILE]
    assert ("raw" in found[0]) is raw
    if raw:
        assert [json.loads(row["raw"])["content"] for row in found] == HOSTILE


async def test_a_byte_order_mark_is_for_excel(archive: Path) -> None:
    """The mark comes once, and only when asked for."""
    marked = table(archive, format="csv", bom=True)
    assert marked == b"\xef\xbb\xbf" + table(archive, format="csv")
    with pytest.raises(ConfigError, match="byte order mark"):
        table(archive, format="jsonl", bom=True)


@given(st.text(alphabet=" =+-@\t\r\n\uff1d'x말", max_size=4))
def test_no_guarded_text_begins_like_a_formula(text: str) -> None:
    """Whatever is written, the cell is a text; and the text is still in it."""
    cell = guarded(text)
    assert cell.lstrip(" ")[:1] not in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    assert cell in (text, "'" + text)


async def test_parquet_has_typed_columns(archive: Path) -> None:
    """Times are times and texts are texts in the Parquet table."""
    data = table(archive, format="parquet", raw=True)
    read: Any = import_module("pyarrow.parquet").read_table(io.BytesIO(data))
    assert read.column("content").to_pylist() == HOSTILE
    sent = read.column("sent_at").to_pylist()[0]
    assert abs((datetime.now(UTC) - sent).total_seconds()) < 600
    kinds = {field.name: str(field.type) for field in read.schema}
    assert kinds["sent_at"] == "timestamp[ms, tz=UTC]"
    assert kinds["mentions"] == "list<element: string>"
    assert (kinds["is_express"], kinds["attachment.size"]) == ("bool", "double")
    assert json.loads(read.column("raw").to_pylist()[0])["content"] == HOSTILE[0]


@pytest.mark.parametrize("noun", ["members", "channels", "subscriptions", "messages"])
@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
async def test_every_noun_has_every_form(archive: Path, noun: str, format: str) -> None:  # noqa: A002 - the word of the function
    """No noun is left out, and an empty table is one with columns."""
    for raw in (False, True):
        data = table(archive, noun=noun, format=format, raw=raw)
        found = read(format, data)
        ids = [row[0] for row in rows(archive, f"SELECT id FROM {noun} ORDER BY created_ms, id")]
        assert sorted(row["id"] for row in found) == sorted(ids)
        if raw and format == "jsonl":
            continue
        names = [column.name for column in columns_of(noun, raw=raw)]
        assert all(list(row) == names for row in found)


def read(form: str, data: bytes) -> list[dict[str, Any]]:
    """The rows of a table as other programs read it."""
    if form == "parquet":
        parquet: Any = import_module("pyarrow.parquet")
        return list(parquet.read_table(io.BytesIO(data)).to_pylist())
    if form == "csv":
        return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


@given(st.sampled_from(sorted(MODELS)), st.booleans())
def test_no_two_columns_have_one_name(noun: str, raw: bool) -> None:
    """A field of a row and one nested in it are told apart, whatever the noun."""
    names = [column.name for column in columns_of(noun, raw=raw)]
    assert len(names) == len(set(names))


def test_columns_follow_the_structs() -> None:
    """Each field of a struct is a column, nested ones by their path on the wire."""
    by_name = {column.name: column for column in columns_of("messages")}
    assert by_name["sender.name"].path == ("sender", "name")
    assert by_name["attachment.name"].path == ("attachment_filenames", "name")
    assert by_name["sent_at"].path == ("sended_at",)
    assert {f.name for f in msgspec.structs.fields(Message)} - set(by_name) == {
        "sender",
        "admin",
        "attachment",
    }
    members = {column.name: column.kind for column in columns_of("members")}
    assert {f.name for f in msgspec.structs.fields(Member)} - set(members) == {"notifications"}
    assert (members["memberblock_id"], members["device_type"]) == ("json", "texts")


@pytest.mark.parametrize(
    ("value", "cell"), [("9223372036854775807", 2**63 - 1), ("9223372036854775808", None)]
)
def test_a_number_that_no_column_holds_leaves_its_cell_empty(value: str, cell: int | None) -> None:
    """A whole number of more than 64 bits would fail the whole Parquet table."""
    columns = columns_of("channels")
    (cells,) = flat_rows(columns, iter([(f'{{"limit":{value}}}', None)]))
    assert cells[[column.name for column in columns].index("limit")] == cell


async def test_values_of_another_type_leave_their_cell_empty(
    emulator: Emulator, chat: Client, archive: Path
) -> None:
    """A field that is not as documented costs one cell."""
    odd = (
        '{"id":"x-1","name":7,"online":"yes","created_at":"soon","device_type":["a",1],"push":1,'
        '"updated_at":"0001-01-01T00:00:00+09:00","deleted_at":"9999-12-31T23:59:59-09:00"}'
    )
    write(archive, odd)
    (found,) = (
        row
        for line in table(archive, noun="members", format="jsonl").split(b"\n")[:-1]
        if (row := json.loads(line))["id"] == "x-1"
    )
    assert (found["name"], found["online"], found["created_at"]) == ("7", None, None)
    assert found["device_type"] == ["a", "1"]
    assert table(archive, noun="members", format="parquet")


def write(path: Path, raw: str) -> None:
    """Put a member into an archive as an export would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO members (id, seen, raw) VALUES ('x-1', 1, ?)", (raw,))


@pytest.mark.parametrize("name", ["\0", "\ud83d"])
async def test_a_name_that_no_file_can_have_is_told(archive: Path, name: str) -> None:
    """A name that the system does not take is an error of ours, and nothing is written."""
    with pytest.raises(ArchiveError, match="no file can have this name"):
        convert(archive, name)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"noun": "friends"}, "noun must be one of"),
        ({"noun": ["members"]}, "noun must be one of"),
        ({"format": "xml"}, "format must be one of"),
        ({"format": ["csv"]}, "format must be one of"),
        ({"raw": "no"}, "raw must be True or False"),
        ({"bom": 1}, "bom must be True or False"),
        ({"deleted": None}, "deleted must be True or False"),
        ({"on_progress": 5}, "on_progress takes a function"),
        ({"out": None}, "out takes the path of a file or a binary stream, not None"),
        ({"out": io.StringIO()}, "out takes a binary stream"),
        ({"path": 5}, "path takes the path of a file, not 5"),
    ],
)
async def test_an_option_that_makes_no_sense_is_refused_first(
    archive: Path, tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    """What cannot be used is named before a file is made."""
    before = names(tmp_path)
    with pytest.raises(ConfigError, match=words):
        convert(**{"path": archive, "out": tmp_path / "table", **wrong})
    assert names(tmp_path) == before


async def test_a_file_is_made_anew_and_for_its_owner(archive: Path, tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing is written through a link."""
    out = tmp_path / "table.csv"
    convert(archive, out, format="csv")
    assert mode(out) == 0o600
    link(tmp_path / "link", tmp_path / "elsewhere")
    for taken in (out, tmp_path / "link", tmp_path):
        with pytest.raises(ArchiveError):
            convert(archive, taken, format="csv")
    assert mode(out) == 0o600


def link(name: Path, target: Path) -> None:
    """Make a link to nowhere."""
    name.symlink_to(target)


class Sip(io.FileIO):
    """A stream that takes seven bytes at a time, as an unbuffered pipe may."""

    def write(self, data: Any, /) -> int:
        """Take a part."""
        return super().write(bytes(data[:7]))


@pytest.mark.parametrize("format", ["jsonl", "csv"])
async def test_an_unbuffered_stream_gets_all_of_it(
    archive: Path,
    tmp_path: Path,
    format: Format,  # noqa: A002 - the word of the function
) -> None:
    """What a stream does not take at once is given to it again, and it stays open."""
    whole = io.BytesIO()
    convert(archive, whole, format=format)
    with Sip(tmp_path / "table", "w") as sip:
        convert(archive, sip, format=format)
        assert (tmp_path / "table").read_bytes() == whole.getvalue()
        assert not sip.closed


@pytest.mark.parametrize(("name", "begin"), [("a.CSV", b"id,"), ("a.jsonl", b"{"), ("a", b"{")])
async def test_the_suffix_tells_the_form(
    archive: Path, tmp_path: Path, name: str, begin: bytes
) -> None:
    """As the command reads it; a form that is given wins."""
    convert(archive, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begin)
    convert(archive, tmp_path / f"2{name}", format="jsonl")
    assert (tmp_path / f"2{name}").read_bytes().startswith(b"{")
