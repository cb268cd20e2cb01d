"""Decides how ids and records are read from files and pipes; one at a time, never all at once."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Final, Literal, TextIO, TypeVar

import msgspec
from cyclopts import Parameter
from msgspec import UNSET, UnsetType

from ncloudchat_async.cli.exits import USAGE, Failure
from ncloudchat_async.cli.streams import stdin

__all__ = [
    "CHANNEL_IDS",
    "STDIN",
    "From",
    "Record",
    "cell",
    "open_text",
    "read_ids",
    "read_items",
    "read_records",
    "text_of",
    "title_of",
]

Item = TypeVar("Item")

STDIN: Final = Path("-")
CHANNEL_IDS: Final = ("channel_id", "id")
"""Columns that may hold a channel's id."""
From = Annotated[Path | None, Parameter(name="--from", allow_leading_hyphen=True)]
"""The option of bulk forms."""
_Form = Literal["csv", "jsonl", "lines"]
_SUFFIXES: Final[Mapping[str, _Form]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_OBJECT: Final = msgspec.json.Decoder(dict[str, object])
_FIELD_LIMIT: Final = 2**20
"""Longest cell of a CSV file; Python's own limit is 128 KiB."""


class Record(msgspec.Struct, frozen=True):
    """One line of a file, by the names of its columns."""

    where: str
    """File and line, for errors."""
    cells: Mapping[str, object]


def read_ids(ids: Sequence[str], source: Path | None, names: Sequence[str]) -> Iterable[str]:
    """Give the ids of the command line, or those of a file.

    Args:
        ids: From the command line.
        source: A file, or `-` for stdin: one id per line, CSV with a header, or JSON lines,
            such as this program prints. Without a suffix that says so, it is CSV if its first
            line names one of the columns or has a comma.
        names: Columns that may hold the id, the first that is there.

    Raises:
        Failure: There is neither, or both; or, while reading, a line has no id.
    """
    if (source is None) == (not ids):
        raise Failure("name ids, or a file of them with --from (- for stdin), not both", USAGE)
    if source is None:
        return ids
    return _ids_in(source, names)


def _ids_in(source: Path, names: Sequence[str]) -> Iterator[str]:
    with open_text(source) as stream:
        form, lines = _form_of(source, stream, plain="lines", names=names)
        if form == "lines":
            yield from (word for line in lines if (word := line.strip()))
            return
        for record in _records(source, lines, form):
            yield text_of(record, names)


def read_records(source: Path) -> Iterator[Record]:
    """Read CSV with a header, or JSON lines, by the suffix or else by the first character.

    Raises:
        Failure: The file cannot be read, or a line is not what its form asks for.
    """
    with open_text(source) as stream:
        form, lines = _form_of(source, stream, plain="csv")
        yield from _records(source, lines, form)


def read_items(source: Path, parse: Callable[[Record], Item]) -> Iterable[Item]:
    """Make an item of each record.

    A file is read through once before the first item is given, so that a bad line stops
    everything before anything is sent; a pipe can be read once only.

    Raises:
        Failure: A record is not what `parse` asks for.
    """
    if source != STDIN:
        for record in read_records(source):
            parse(record)
    return map(parse, read_records(source))


def text_of(record: Record, names: Sequence[str]) -> str:
    """Return a record's first cell of these names as text.

    Raises:
        Failure: None is there, or it is no text or number.
    """
    for name in names:
        value = record.cells.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            return str(value)
    raise Failure(f"{record.where}: no {' or '.join(names)}", USAGE)


def cell(record: Record, name: str) -> str | UnsetType:
    """Return a cell as text; UNSET when it is missing, null or empty, which means: as it is.

    A truth value becomes `true` or `false`, a list or an object JSON.
    """
    value = record.cells.get(name)
    if value is None or value == "":
        return UNSET
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def open_text(source: Path) -> TextIO:
    """Open a file, or stdin for `-`, as UTF-8 with or without a byte order mark.

    Raises:
        Failure: It cannot be opened.
    """
    if source == STDIN:
        return io.TextIOWrapper(stdin().buffer, encoding="utf-8-sig", newline="")
    try:
        return source.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise Failure(f"cannot read {source}: {error.strerror}", USAGE) from None


def title_of(source: Path) -> str:
    """Name a file for people; `-` says nothing in an error."""
    return "stdin" if source == STDIN else str(source)


def _form_of(
    source: Path, stream: TextIO, *, plain: _Form, names: Sequence[str] = ()
) -> tuple[_Form, Iterator[str]]:
    """Tell the form of a file, and give its lines from the first one on."""
    lines = _lines(source, stream)
    form = _SUFFIXES.get(source.suffix.lower())
    if form is not None:
        return form, lines
    begun = list[str]()
    for line in lines:
        begun.append(line)
        if line.strip():
            break
    first = begun[-1].strip() if begun else ""
    if first.startswith("{"):
        form = "jsonl"
    elif plain == "lines" and _is_header(source, first, names):
        # Taken for an id, the heading of this program's own CSV would be deleted or sent.
        form = "csv"
    return form or plain, chain(begun, lines)


def _is_header(source: Path, line: str, names: Sequence[str]) -> bool:
    cells = [cell.strip().strip('"') for cell in line.split(",")]
    if any(cell in names for cell in cells):
        return True
    if len(cells) > 1:
        text = f"{title_of(source)}: no {' or '.join(names)} among the headings of the first line"
        raise Failure(text, USAGE)
    return False


def _lines(source: Path, stream: TextIO) -> Iterator[str]:
    try:
        yield from stream
    except UnicodeDecodeError:
        raise Failure(f"{title_of(source)} is not UTF-8", USAGE) from None


def _records(source: Path, lines: Iterator[str], form: _Form) -> Iterator[Record]:
    return _from_csv(source, lines) if form == "csv" else _from_json(source, lines)


def _from_json(source: Path, lines: Iterator[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            cells = _OBJECT.decode(line)
        except msgspec.DecodeError as error:
            raise Failure(f"{title_of(source)}, line {number}: {error}", USAGE) from None
        yield Record(f"{title_of(source)}, line {number}", cells)


def _from_csv(source: Path, lines: Iterator[str]) -> Iterator[Record]:
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(lines, strict=True)
    try:
        rows = filter(None, reader)
        header = next(rows, [])
        for cells in rows:
            where = f"{title_of(source)}, line {reader.line_num}"
            if len(cells) != len(header):
                raise Failure(f"{where}: {len(cells)} cells, {len(header)} headings", USAGE)
            yield Record(where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise Failure(f"{title_of(source)}, line {reader.line_num}: {error}", USAGE) from None
