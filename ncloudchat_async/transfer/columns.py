"""Decides the columns of a table made of an archive: derived from the structs of the answers.

A new field of a struct is a new column. A value that is not as documented leaves its cell
empty; the JSON that came is in the column `raw` when that is asked for.
"""

import types
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from ncloudchat_async.models import Channel, Member, Message, Subscription
from ncloudchat_async.transfer.archive import in_utc, moment
from ncloudchat_async.transfer.rows import plain_row

__all__ = ["MODELS", "Cell", "Column", "Kind", "columns_of", "flat_rows"]

Kind = Literal["text", "boolean", "integer", "number", "time", "texts", "json"]
"""What a column holds; `texts` is a list of texts, `json` anything, written as JSON."""

Cell = str | bool | int | float | datetime | list[str] | None

MODELS: dict[str, type[msgspec.Struct]] = {
    "members": Member,
    "channels": Channel,
    "subscriptions": Subscription,
    "messages": Message,
}
"""The struct of each noun."""

_PLAIN: dict[object, Kind] = {str: "text", bool: "boolean", int: "integer", datetime: "time"}


class Column(msgspec.Struct, frozen=True):
    """A column, and where its value is in the JSON."""

    name: str
    """As in Python; nested fields have their path, since `user_id` stands beside `user.id`."""
    path: tuple[str, ...]
    """Keys on the way, as on the wire; empty for what the archive adds."""
    kind: Kind


GONE = Column("deleted_since", (), "time")
"""When an export no longer found the row."""
RAW = Column("raw", (), "text")
"""The platform's JSON."""


def columns_of(noun: str, *, raw: bool = False) -> tuple[Column, ...]:
    """Give the columns of a noun; `raw` adds the JSON as the last one."""
    found = tuple(_columns(MODELS[noun], "", ()))
    return (*found, GONE, RAW) if raw else (*found, GONE)


def _columns(model: type[msgspec.Struct], prefix: str, path: tuple[str, ...]) -> Iterator[Column]:
    hints = get_type_hints(model, include_extras=True)
    for field in msgspec.structs.fields(model):
        name, place = prefix + field.name, (*path, field.encode_name)
        members = _members(hints[field.name])
        nested = next((one for one in members if _is_struct(one)), None)
        if nested is not None:
            yield from _columns(nested, f"{name}.", place)
        else:
            yield Column(name, place, _kind(members))


def _members(hint: Any) -> list[Any]:
    """Take a type apart into the alternatives of a union, without None."""
    if get_origin(hint) is Annotated:
        return _members(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [member for one in get_args(hint) for member in _members(one)]
    return [] if hint is type(None) else [hint]


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _kind(members: list[Any]) -> Kind:
    if set(members) == {int, float}:
        return "number"
    if len(members) == 1:
        if get_origin(members[0]) is tuple:
            return "texts"
        return _PLAIN.get(members[0], "json")
    return "json"


def flat_rows(
    columns: tuple[Column, ...], rows: Iterator[tuple[str, int | None]]
) -> Iterator[list[Cell]]:
    """Give the cells of each row.

    Args:
        columns: From `columns_of`.
        rows: JSON of the platform, and when the row was found gone.
    """
    takers = [
        (column.path[0], column.path[1:], _TAKE[column.kind]) for column in columns if column.path
    ]
    with_raw = columns[-1] is RAW
    for raw, gone_ms in rows:
        get = plain_row(raw).get
        cells: list[Cell] = []
        for key, below, take in takers:
            value = get(key)
            for inner in below:
                value = value.get(inner) if isinstance(value, dict) else None
            cells.append(None if value is None else take(value))
        cells.append(moment(gone_ms))
        if with_raw:
            cells.append(raw)
        yield cells


def _text(value: object) -> Cell:
    return value if isinstance(value, str) else _json(value)


def _boolean(value: object) -> Cell:
    return value if isinstance(value, bool) else None


def _integer(value: object) -> Cell:
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if fits else None  # type: ignore[return-value]  # checked on the line above


def _number(value: object) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 2**1000 else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if found.tzinfo is None else in_utc(found)


def _texts(value: object) -> Cell:
    if not isinstance(value, list):
        return None
    return [one if isinstance(one, str) else _json(one) for one in cast("list[object]", value)]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_TAKE: dict[Kind, Callable[[object], Cell]] = {
    "text": _text,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "time": _time,
    "texts": _texts,
    "json": _text,
}
