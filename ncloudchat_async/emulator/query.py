"""Decides what `filter`, `sort` and `option` mean, and turns them into SQL with bound values.

Keys and values of a request are only ever bound, never written into a statement.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Protocol, TypeVar, cast

import msgspec

from ncloudchat_async.emulator.answers import RefusedError
from ncloudchat_async.emulator.settings import EmulatorSettings

__all__ = ["Listing", "field_of", "matches", "parse"]

_T = TypeVar("_T")
_JSON = msgspec.json.Decoder()
_ABSENT = object()
_MOST_LEVELS = 64
"""Nesting of a value that is compared; objects of the platform have 4 levels."""


class _Option(msgspec.Struct):
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    per_page: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None
    count: bool = False


_FILTER = msgspec.json.Decoder(dict[str, Any])
_SORT = msgspec.json.Decoder(dict[str, Literal["1", "-1", 1, -1]])
_OPTION = msgspec.json.Decoder(_Option)


class Searchable(Protocol):
    """What a table tells about its columns."""

    @property
    def texts(self) -> Mapping[str, str]: ...
    @property
    def contains(self) -> Mapping[str, str]: ...
    @property
    def flags(self) -> Mapping[str, str]: ...
    @property
    def sorts(self) -> Mapping[str, str]: ...


class Listing(msgspec.Struct):
    """A parsed list request."""

    conditions: list[str] = []
    values: list[str | int] = []
    """Values of the conditions."""
    order: str = "seq"
    order_values: list[str] = []
    """Values of the order."""
    offset: int = 0
    per_page: int = 1
    count: bool = False

    @property
    def where(self) -> str:
        """The condition as SQL."""
        return " AND ".join(self.conditions) or "1"

    def require(self, condition: str, *values: str | int) -> None:
        """Add a condition with its values."""
        self.conditions.append(condition)
        self.values.extend(values)


def parse(
    query: dict[str, str], table: Searchable, settings: EmulatorSettings, *, counts: bool = True
) -> Listing:
    """Read the three parameters of a list.

    Args:
        query: Decoded query parameters.
        table: Where the rows are.
        settings: Mode, page sizes and how content matches.
        counts: Whether this list knows `count`; messages do not (D23).

    Raises:
        RefusedError: A parameter is missing, out of range or not of the documented form.
    """
    lenient = settings.mode == "lenient"
    text = query.get("filter")
    if text is None:
        if not lenient:
            raise RefusedError.parameter("filter is required")
        text = "{}"
    option = _decode(_OPTION, "option", query.get("option") or "{}")
    if option.per_page is not None and option.per_page > settings.max_per_page:
        if settings.over_max == "reject":
            raise RefusedError.parameter(f"option.per_page must be at most {settings.max_per_page}")
        option.per_page = settings.max_per_page
    listing = Listing(
        offset=option.offset,
        per_page=option.per_page or min(settings.default_per_page, settings.max_per_page),
        count=option.count and counts,
    )
    _filter(listing, _decode(_FILTER, "filter", text), table, settings)
    _sort(listing, _decode(_SORT, "sort", query.get("sort") or "{}"), table)
    return listing


def _decode(decoder: "msgspec.json.Decoder[_T]", name: str, text: str) -> _T:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RefusedError.parameter(f"{name} is not valid: {error}") from error


def _filter(
    listing: Listing, wanted: dict[str, Any], table: Searchable, settings: EmulatorSettings
) -> None:
    others: dict[str, Any] = {}
    for key, value in wanted.items():
        if key == "state":  # D29: no response field; true means not deleted
            live = value in (True, "1")
            if "deleted" in table.flags:
                listing.require("deleted = ?", int(not live))
            else:
                listing.require(str(int(live)))
        elif key in table.contains and isinstance(value, str):
            whole = settings.content_match == "whole"
            column = table.contains[key]
            listing.require(f"{column} = ?" if whole else f"instr({column}, ?)", value)
        elif key in table.texts and isinstance(value, str):
            listing.require(f"{table.texts[key]} = ?", value)
        elif key in table.flags and isinstance(value, bool):
            listing.require(f"{table.flags[key]} = ?", int(value))
        else:
            others[key] = value
    if _levels(others) > _MOST_LEVELS:
        raise RefusedError.parameter("filter is nested too deeply")
    if others:
        known = msgspec.json.encode(others).decode()
        listing.require("matches(body, ?, ?)", known, int(settings.mode == "lenient"))


def _sort(
    listing: Listing, wanted: dict[str, Literal["1", "-1", 1, -1]], table: Searchable
) -> None:
    if len(wanted) > 1:
        raise RefusedError.parameter("sort takes one key")
    for spelled, direction in wanted.items():
        key = "created_at" if spelled == "createdAt" else spelled  # D28
        column = table.sorts.get(key) or table.texts.get(key) or table.flags.get(key)
        if column is None:
            listing.order_values.append(key)
        # Equal values keep the order of insertion in both directions.
        downwards = " DESC" if int(direction) < 0 else ""
        listing.order = f"{column or 'field_of(body, ?)'}{downwards}, seq"


def _at(body: Any, key: str) -> Any:
    """Descend into an object along a dotted key."""
    found = body
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return _ABSENT
        found = cast("dict[str, Any]", found)[part]
    return found


def _levels(value: Any) -> int:
    """Count how deep lists and objects stand in one another, without recursion."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [
            v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)
        ]
        level = [item for items in inner for item in items]
    return depth


def _typed(value: Any) -> Any:
    """Tell true from 1, which Python holds to be equal; 1 and 1.0 stay equal."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, list):
        return [_typed(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in cast("dict[str, Any]", value).items()}
    return value


@lru_cache(maxsize=64)
def _conditions(text: str) -> dict[str, Any]:
    conditions: dict[str, Any] = _JSON.decode(text)
    return conditions


def matches(body: bytes, conditions: str, lenient: int) -> bool:
    """Say whether an object meets conditions that no column answers; an SQL function."""
    decoded = _JSON.decode(body)
    for key, wanted in _conditions(conditions).items():
        found = _at(decoded, key)
        if found is _ABSENT:
            if not lenient:
                return False
        elif _typed(found) != _typed(wanted):
            return False
    return True


def field_of(body: bytes, key: str) -> str | int | float | None:
    """Return what an object is sorted by, null for objects and lists; an SQL function."""
    found = _at(_JSON.decode(body), key)
    return found if isinstance(found, str | int | float) else None
