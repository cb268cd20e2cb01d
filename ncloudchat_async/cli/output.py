"""Decides how results are written: JSON lines, JSON, CSV or a table; never where they come from.

No form lets a terminal obey what others wrote: JSON escapes it, CSV and tables show escapes.
"""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import TracebackType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    Protocol,
    Self,
    TextIO,
    Union,
    get_args,
    get_origin,
)

import msgspec
from cyclopts import Group, Parameter

from ncloudchat_async.cli.exits import USAGE, Failure
from ncloudchat_async.cli.text import UNSAFE, printable

__all__ = [
    "OUTPUT",
    "Form",
    "Output",
    "Row",
    "Rows",
    "columns",
    "flat",
    "json_text",
    "print_table",
    "row_of",
]

Form = Literal["jsonl", "json", "csv", "table"]
Row = Mapping[str, object]

_WIDE: Final = 10_000
"""Columns of a table that does not go to a terminal: nothing is cut there."""


@Parameter(name="*", group=Group("Output", sort_key=20))
@dataclass(frozen=True, kw_only=True)
class Output:
    """How results are written to stdout.

    Args:
        output: `jsonl`: one JSON object per line; `json`: one array; `csv`: with a header, and
            cells that a spreadsheet would run as a formula guarded by an apostrophe; `table`:
            for reading. Times are UTC in ISO 8601: `2025-01-31T09:30:00Z`.
        fields: Only these fields, separated by commas; a dot reaches inside: `id,sender.name`.
            The requests of a dry run are written whole.
    """

    output: Annotated[Form, Parameter(name=("--output", "-o"))] = "jsonl"
    fields: str | None = None

    def open(
        self,
        kind: type | None = None,
        *,
        brief: Sequence[str] = (),
        rows: Iterable[Row] = (),
    ) -> "Rows":
        """Begin the output of a command.

        Args:
            kind: What the rows are made of, for the columns of CSV and the names of fields;
                None: the first row tells, and any field may be asked for.
            brief: Columns of a table when the user named none. Without them a single row is
                a report, and its table has a line for each field.
            rows: What will be written where nobody knows the kind, so that every field of every
                row has its column; without it the first row has the say.

        Raises:
            Failure: The user asked for a field that these rows do not have.
        """
        asked = self.asked(kind)
        every = list(dict.fromkeys(name for row in rows for name in flat(row)))
        if self.output == "table":
            return Rows(_Table(sys.stdout, asked or brief or every, report=not brief), asked)
        if self.output == "csv":
            names = columns(kind) if kind is not None and not asked else asked or every
            return Rows(_Csv(sys.stdout, names), asked)
        return Rows(_Json(sys.stdout) if self.output == "json" else _JsonLines(sys.stdout), asked)

    def asked(self, kind: type | None) -> Sequence[str]:
        """Return the fields that the user asked for; none means all.

        Raises:
            Failure: Rows of this kind have no field of such a name.
        """
        names = [name for word in (self.fields or "").split(",") if (name := word.strip())]
        if kind is not None:
            known = _with_parents(columns(kind))
            for name in names:
                if name not in known:
                    raise Failure(_no_field(name, known), USAGE)
        return names


OUTPUT: Final = Output()


class _Writer(Protocol):
    def write(self, row: Row) -> None: ...

    def close(self) -> None: ...


class Rows:
    """An open output; use it as `with output.open() as rows`."""

    def __init__(self, writer: _Writer, names: Sequence[str]) -> None:
        self._writer: Final = writer
        self._names: Final = names
        self.count: int = 0
        """Rows written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What fails before its first row has no result: no empty array, no bare header.
        if error is None or self.count:
            self._writer.close()

    def write(self, value: object) -> None:
        """Write one row: a struct of the package, or a mapping."""
        row = value if isinstance(value, Mapping) else row_of(value)
        if self._names:
            cells = flat(row)
            row = {name: _pick(row, cells, name) for name in self._names}
        self.count += 1
        self._writer.write(row)


def row_of(value: object) -> dict[str, object]:
    """Turn a struct into names and values as Python has them, nested structs too."""
    from ncloudchat_async.models import Message

    assert isinstance(value, msgspec.Struct)
    row = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Message):
        # The platform sends a text; people and programs want what it says.
        del row["mentions_everyone_text"]
        row["mentions_everyone"] = value.mentions_everyone
    return row


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return row_of(value)
    if isinstance(value, datetime):
        # The platform gives the project's own offset, which differs from project to project.
        return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def flat(row: Row, prefix: str = "") -> dict[str, object]:
    """Lay nested objects flat: `{"sender": {"id": 1}}` becomes `{"sender.id": 1}`."""
    cells: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            cells.update(flat(value, f"{prefix}{name}."))
        else:
            cells[prefix + name] = value
    return cells


def _pick(row: Row, cells: Row, name: str) -> object:
    return cells[name] if name in cells else row.get(name)


def columns(kind: type, prefix: str = "") -> list[str]:
    """Name the columns of a struct's rows, nested ones with dots."""
    names: list[str] = []
    for field in msgspec.structs.fields(kind):
        inner = _struct_in(field.type)
        name = field.name.removesuffix("_text")
        names.extend([prefix + name] if inner is None else columns(inner, f"{prefix}{name}."))
    return names


def _with_parents(names: Iterable[str]) -> Sequence[str]:
    """Add the objects that dotted names reach into: `sender` for `sender.id`."""
    every = dict.fromkeys(names)
    for name in tuple(every):
        while name := name.rpartition(".")[0]:
            every[name] = None
    return list(every)


def _no_field(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # after a slip only

    close = get_close_matches(name, known, 1, 0.5)
    there_are = f"did you mean {close[0]}? There are" if close else "there are"
    return f"--fields: there is no {name}; {there_are} {', '.join(known)}"


def _struct_in(kind: Any) -> type | None:
    """Find the struct in a field's type, such as `Sender | None`."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    if get_origin(kind) in {Union, UnionType}:
        return next(filter(None, map(_struct_in, get_args(kind))), None)
    return None


def json_text(value: object) -> str:
    """Encode as JSON in which no control or invisible character stands raw."""
    text = msgspec.json.encode(value).decode()
    return UNSAFE.sub(lambda match: _json_escape(match[0]), text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


class _JsonLines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, row: Row) -> None:
        self._stream.write(json_text(row) + "\n")

    def close(self) -> None:
        self._stream.flush()


class _Json:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._mark = "["

    def write(self, row: Row) -> None:
        self._stream.write(f"{self._mark}\n{json_text(row)}")
        self._mark = ","

    def close(self) -> None:
        self._stream.write("[]\n" if self._mark == "[" else "\n]\n")
        self._stream.flush()


class _Csv:
    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        # Loaded when it is needed: with it comes SQLite.
        from ncloudchat_async.transfer.convert import guarded

        self._guarded = guarded
        self._writer = csv.writer(stream, lineterminator="\n")
        self._stream = stream
        self._names = list(names)
        self._headed = False

    def write(self, row: Row) -> None:
        cells = flat(row)
        self._names = self._names or list(cells)
        self._head()
        self._writer.writerow([self._cell(_pick(row, cells, name)) for name in self._names])

    def close(self) -> None:
        self._head()
        self._stream.flush()

    def _head(self) -> None:
        if self._names and not self._headed:
            self._headed = True
            self._writer.writerow(map(self._cell, self._names))

    def _cell(self, value: object) -> str:
        """Keep a spreadsheet from running a text, and a terminal from obeying it."""
        if not isinstance(value, str):
            return cell_text(value)
        if UNSAFE.search(value):
            # Line breaks and tabs are text like any other in a quoted cell.
            value = "".join(c if c in "\n\t" else printable(c) for c in value)
        return self._guarded(value)


class _Table:
    """Rows are kept until the end, since the columns' widths depend on all of them."""

    def __init__(self, stream: TextIO, names: Sequence[str], *, report: bool) -> None:
        self._stream = stream
        self._report = report
        self._names = list(names)
        self._rows: list[dict[str, object]] = []

    def write(self, row: Row) -> None:
        cells = flat(row)
        self._names = self._names or list(cells)
        self._rows.append({name: _pick(row, cells, name) for name in self._names})

    def close(self) -> None:
        rows = [[cell_text(row.get(name)) for name in self._names] for row in self._rows]
        if self._report and len(rows) == 1:
            # One row of many columns is wider than any terminal.
            pairs = zip(self._names, rows[0], strict=True)
            print_table(("field", "value"), pairs, self._stream)
        else:
            print_table(self._names, rows, self._stream)


def cell_text(value: object) -> str:
    """Write a value into one cell: nothing for None, JSON for lists and objects."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return json_text(value)


def print_table(names: Sequence[str], rows: Iterable[Sequence[str]], stream: TextIO) -> None:
    """Print a table for people; whatever the texts hold, a terminal does not obey it."""
    from rich.box import SIMPLE_HEAD  # slow to import, and only now needed
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(Text(printable(name)))
    for row in rows:
        table.add_row(*(Text(printable(text)) for text in row))
    console = Console(file=stream, width=None if stream.isatty() else _WIDE)
    with console.capture() as capture:
        console.print(table)
    # A console would end the program where the reader of a pipe has left.
    stream.write(capture.get())
    stream.flush()
