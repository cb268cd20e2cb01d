"""Decides how an archive becomes a table for other programs: JSON lines, CSV or Parquet."""

import csv
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, Final, Literal

import msgspec

from ncloudchat_async.checks import check_callable, check_flag, check_type
from ncloudchat_async.errors import ConfigError
from ncloudchat_async.transfer.archive import reading
from ncloudchat_async.transfer.columns import MODELS, Cell, Column, columns_of, flat_rows
from ncloudchat_async.transfer.private import PathLike, write_private
from ncloudchat_async.transfer.reports import OnProgress, Progress

__all__ = ["ConvertReport", "Format", "TableNoun", "convert", "guarded"]

Format = Literal["jsonl", "csv", "parquet"]
TableNoun = Literal["members", "channels", "subscriptions", "messages"]

_SUFFIXES: Final[dict[str, Format]] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_BATCH: Final = 5_000
"""Rows handled at a time: about 5 MB."""
_FORMULA: Final = frozenset("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection); the signs from
U+FF0B on are the wide forms of the first four, which Excel takes for them in Japanese."""
_BOM: Final = b"\xef\xbb\xbf"


class ConvertReport(msgspec.Struct, frozen=True):
    """What a conversion wrote."""

    rows: int
    seconds: float


def convert(
    path: PathLike,
    out: PathLike | BinaryIO,
    *,
    noun: TableNoun = "messages",
    format: Format | None = None,  # noqa: A002 - the word of the command
    raw: bool = False,
    bom: bool = False,
    deleted: bool = True,
    on_progress: OnProgress | None = None,
) -> ConvertReport:
    """Write one kind of row as a table; it blocks, so call it in a thread from a loop.

    The columns are those of the noun's struct, nested fields by their path (`sender.name`),
    and `deleted_since`. Rows come in the order of their creation, times are in UTC
    (`2025-07-01T00:00:00Z`).

    Args:
        path: The archive.
        out: A file to make (mode 0600; one that is there is refused) or an open binary
            stream, which stays open.
        noun: Which rows; messages by default, since nearly all rows are.
        format: `jsonl`: one object in each line. `csv`: UTF-8, RFC 4180; texts that a
            spreadsheet could take for a formula get an apostrophe before them. `parquet`:
            needs the extra `parquet`. None: what the suffix of a file says, else `jsonl`,
            which needs no extra and keeps the types of values.
        raw: Lose nothing: JSON lines are the platform's objects as they came; CSV cells are
            not guarded, so do not open that file in a spreadsheet; CSV and Parquet get a
            column `raw` with the platform's object.
        bom: Begin a CSV with a byte order mark, by which Excel knows UTF-8.
        deleted: Include rows that an export no longer found.
        on_progress: Is told after some thousand rows.

    Raises:
        ArchiveError: There is no archive, or the file to write exists or cannot be made.
        ConfigError: An option makes no sense, or pyarrow is not installed.
    """
    if noun not in tuple(MODELS):
        raise ConfigError(f"noun must be one of {', '.join(MODELS)}, not {noun!r}")
    for name, flag in (("raw", raw), ("bom", bom), ("deleted", deleted)):
        check_flag(name, flag)
    check_callable("on_progress", on_progress, "a function", optional=True)
    _check_out(out)
    if format is None:
        suffix = Path(out).suffix.lower() if isinstance(out, str | os.PathLike) else ""
        format = _SUFFIXES.get(suffix, "jsonl")  # noqa: A001 - as above
    if bom and format != "csv":
        raise ConfigError("only a CSV begins with a byte order mark")
    writers = {"jsonl": _write_jsonl, "csv": _write_csv, "parquet": _write_parquet}
    if format not in tuple(writers):
        raise ConfigError(f"format must be one of {', '.join(writers)}, not {format!r}")
    arrow = _arrow() if format == "parquet" else None
    begun, count = time.monotonic(), 0
    with ExitStack() as stack:
        db = stack.enter_context(reading(path))
        order = "created_ms, sort_id, seq" if noun == "messages" else "created_ms, id"
        where = "" if deleted else "WHERE gone_ms IS NULL "
        rows: Iterator[tuple[str, int | None]] = db.execute(
            f"SELECT raw, gone_ms FROM {noun} {where}ORDER BY {order}"  # noqa: S608 - our own names
        )
        if isinstance(out, str | os.PathLike):
            stream: BinaryIO = stack.enter_context(write_private(out))
        elif isinstance(out, io.RawIOBase):
            # It may take a part of what it is given, and only its answer says so.
            buffer = io.BufferedWriter(out)
            stack.callback(buffer.detach)
            stream = buffer
        else:
            stream = out
        sheet = _Sheet(stream, columns_of(noun, raw=raw and format != "jsonl"), raw, bom, arrow)
        for written in writers[format](sheet, rows):
            count += written
            if on_progress is not None:
                on_progress(Progress(noun, count, None, count))
    return ConvertReport(count, time.monotonic() - begun)


def _check_out(out: object) -> None:
    if isinstance(out, io.TextIOBase):
        raise ConfigError("out takes a binary stream, such as sys.stdout.buffer")
    if not hasattr(out, "write"):
        check_type("out", out, (str, os.PathLike), "the path of a file or a binary stream")


class _Sheet(msgspec.Struct, frozen=True):
    """What is written where."""

    stream: BinaryIO
    columns: tuple[Column, ...]
    raw: bool
    bom: bool
    arrow: ModuleType | None


_Rows = Iterator[tuple[str, int | None]]


def _write_jsonl(sheet: _Sheet, rows: _Rows) -> Iterator[int]:
    names = [column.name for column in sheet.columns]
    encode = msgspec.json.Encoder().encode
    while batch := list(islice(rows, _BATCH)):
        if sheet.raw:
            # A line break inside an object is white space, which a line of its own must lack.
            lines = [raw.replace("\n", " ").replace("\r", " ").encode() for raw, _ in batch]
        else:
            flat = flat_rows(sheet.columns, iter(batch))
            lines = [encode(dict(zip(names, cells, strict=True))) for cells in flat]
        sheet.stream.write(b"\n".join(lines) + b"\n")
        yield len(batch)


def guarded(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet could take for a formula."""
    first = text[:1]
    if first == " ":
        first = text.lstrip(" ")[:1]
    return "'" + text if first in _FORMULA else text


def _write_csv(sheet: _Sheet, rows: _Rows) -> Iterator[int]:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    guard = str if sheet.raw else guarded
    sheet.stream.write(_BOM if sheet.bom else b"")
    writer.writerow(column.name for column in sheet.columns)
    while batch := list(islice(rows, _BATCH)):
        flat = flat_rows(sheet.columns, iter(batch))
        writer.writerows([_csv_cell(cell, guard) for cell in cells] for cells in flat)
        _drain(text, sheet.stream)
        yield len(batch)
    _drain(text, sheet.stream)


def _drain(text: io.StringIO, stream: BinaryIO) -> None:
    stream.write(text.getvalue().encode())
    text.seek(0)
    text.truncate()


def _csv_cell(cell: Cell, guard: Callable[[str], str]) -> str | int | float:
    if isinstance(cell, str):
        return guard(cell)
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat().removesuffix("+00:00") + "Z"  # as JSON lines have it
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell if isinstance(cell, int | float) else msgspec.json.encode(cell).decode()


def _arrow() -> ModuleType:
    try:
        # An extra, and slow to load.
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        raise ConfigError(
            'Parquet needs pyarrow: pip install "ncloudchat-async[parquet]"'
        ) from error


def _write_parquet(sheet: _Sheet, rows: _Rows) -> Iterator[int]:
    pa = sheet.arrow
    assert pa is not None
    kinds = {
        "text": pa.string(),
        "boolean": pa.bool_(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "time": pa.timestamp("ms", tz="UTC"),
        "texts": pa.list_(pa.string()),
        "json": pa.string(),
    }
    schema = pa.schema([(column.name, kinds[column.kind]) for column in sheet.columns])
    with pa.parquet.ParquetWriter(sheet.stream, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH)):
            cells = zip(*flat_rows(sheet.columns, iter(batch)), strict=True)
            arrays = [pa.array(c, t) for c, t in zip(cells, schema.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            yield len(batch)
