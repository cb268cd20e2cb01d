"""Decides how a list is asked for, the same for every noun; never touches the wire itself."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from types import NoneType
from typing import Final, Generic, Literal, Protocol, TypeVar

import msgspec
from msgspec import UNSET

from ncloudchat_async.checks import check_type
from ncloudchat_async.errors import (
    ConfigError,
    ConflictError,
    DeadlineExceededError,
    DecodeError,
    NcloudChatError,
    OutcomeUnknownError,
)
from ncloudchat_async.paging import Pages, count_from
from ncloudchat_async.paging import Row as HasId
from ncloudchat_async.settings import CallOptions, Priority, Quota
from ncloudchat_async.wire.endpoint import Endpoint, Request

__all__ = ["Caller", "Filter", "Listed", "Resource", "Sort", "Window", "query_json", "typed"]

T = TypeVar("T")
Row = TypeVar("Row", bound=HasId)
DraftT = TypeVar("DraftT", bound=msgspec.Struct)

Filter = Mapping[str, object]
"""Fields of the answer and the values they must have; all of them, dotted when nested."""
Sort = str | Mapping[str, str | int]
"""A field, with `-` before it for descending; a mapping is sent as it is."""
Window = int | Literal["auto"]


class Caller(Protocol):
    """What a resource needs of the client."""

    @property
    def project_id(self) -> str:
        """The project that calls go to."""
        ...

    @property
    def base_url(self) -> str:
        """The address that calls go to."""
        ...

    @property
    def quota(self) -> Quota:
        """The limits in force."""
        ...

    @property
    def options(self) -> CallOptions:
        """Deadline, priority and retries of these calls."""
        ...

    def send(self, request: Request[T]) -> Awaitable[T]:
        """Send a request and return what it answers."""
        ...

    def with_options(self, *, priority: Priority) -> "Caller":
        """Return the same caller with another claim on the quota."""
        ...


class Resource:
    """A noun of the platform."""

    __slots__ = ("_chat",)

    _created: str = "created_at"
    """The word for the time of creation in `sort`, which differs between the pages (D28)."""

    def __init__(self, chat: Caller) -> None:
        self._chat: Final = chat

    def _send(self, request: Request[T]) -> Awaitable[T]:
        return self._chat.send(request)

    async def _create(self, request: Request[T], find: Callable[[], Awaitable[T | None]]) -> T:
        """Send a write that has a natural key, and look for its object if it is in doubt.

        The write is sent once (D11). That nothing is found proves nothing, it may still be
        applied: then, and when looking fails, the doubt is raised as it is.

        Args:
            request: The write.
            find: Looks for what it makes, within what is left of the deadline.
        """
        started = time.monotonic()
        try:
            return await self._send(request)
        except OutcomeUnknownError as error:
            doubt = error
        found: T | None = None
        try:
            async with asyncio.timeout(self._left(started)):
                found = await find()
        except ConflictError as taken:
            to, sends, took_s = request.endpoint, doubt.attempts, time.monotonic() - started
            taken.located(to.name, to.method, to.path, attempts=sends, elapsed_s=took_s)
            raise
        except (NcloudChatError, TimeoutError):
            pass
        if found is None:
            doubt.elapsed_s = time.monotonic() - started
            raise doubt
        return found

    def _left(self, started: float) -> float | None:
        """Seconds left to a call of several requests, for which one deadline holds."""
        most = self._chat.options.deadline_s
        return None if most is None else started + most - time.monotonic()

    def _pages(
        self,
        make: Callable[[Mapping[str, str]], Request[list[Row]]],
        *,
        filter: Filter | None,  # noqa: A002 - the platform's word
        sort: Sort | None,
        per_page: int,
        offset: int,
        window: Window,
        limit: int | None,
        cursor: str | None,
    ) -> Pages[Row]:
        """Page through a list; offset, per_page and sort are always sent (D02).

        Args:
            make: Makes the request of one page from its query.
            filter: As in `list`, like the rest.
            sort: None: by creation, so that new rows come last.
            per_page: Rows per request.
            offset: Rows to skip.
            window: Pages in flight.
            limit: Rows to stop after.
            cursor: Where an earlier iteration stopped.
        """
        check_type("filter", filter, (Mapping, NoneType), "a mapping, such as {'type': 'PUBLIC'}")
        query = {"filter": query_json(dict(filter or {})), "sort": query_json(self._sort(sort))}
        first = make(query)  # refuses unusable ids now, not at the first page

        async def fetch(offset: int, per_page: int) -> list[Row]:
            option = query_json({"offset": offset, "per_page": per_page})
            return await self._send(make({**query, "option": option}))

        return Pages(
            fetch,
            operation=first.endpoint.name,
            per_page=per_page,
            offset=offset,
            window=window,
            limit=limit,
            cursor=cursor,
            fingerprint=first.target,
            route=first.endpoint.path,
            sort=query["sort"],
        )

    def _sort(self, sort: Sort | None) -> dict[str, str | int]:
        if sort is None:
            sort = "created_at"
        check_type("sort", sort, (str, Mapping), "a field, such as '-created_at'")
        if not isinstance(sort, str):
            if len(sort) != 1:
                raise ConfigError("sort takes one field: the platform sorts by one")
            return dict(sort)
        field = sort.removeprefix("-")
        if not field:
            raise ConfigError("sort must name a field, such as '-created_at'")
        if field == "created_at":
            field = self._created
        return {field: "-1" if sort.startswith("-") else "1"}


class Listed(Resource, Generic[Row]):
    """A noun of which a project has one list."""

    __slots__ = ()

    _LIST: Endpoint[list[Row]]
    _COUNT: Endpoint[object]

    async def count(self, *, filter: Filter | None = None) -> int:  # noqa: A002 - as in list
        """Count rows, by asking or, where the platform ignores that, by paging (D03).

        A cancelled call leaves nothing behind.

        Args:
            filter: As in `list`.

        Returns:
            Their number, 0 or more.

        Raises:
            ConfigError: The filter is no mapping, or JSON cannot hold it; nothing was sent.
            DecodeError: The answer is neither a number nor rows.
        """
        pages, to, started = self.list(filter=filter), self._COUNT, time.monotonic()
        query = {"filter": query_json(dict(filter or {})), "option": query_json({"count": True})}
        answer = await self._send(to(query=query))
        try:
            number = count_from(answer)
        except DecodeError as error:
            took_s = time.monotonic() - started
            error.located(to.name, to.method, to.path, attempts=1, elapsed_s=took_s)
            raise
        if number is not None:
            return number
        number = 0
        try:
            async with asyncio.timeout(self._left(started)):
                async for _ in pages:
                    number += 1
        except TimeoutError:
            late = DeadlineExceededError("the deadline passed while the rows were counted")
        else:
            return number
        sent, took_s = 1 + number // 100, time.monotonic() - started
        raise late.located(to.name, to.method, to.path, attempts=sent, elapsed_s=took_s)

    def list(
        self,
        *,
        filter: Filter | None = None,  # noqa: A002 - the platform's word
        sort: Sort | None = None,
        per_page: int = 100,
        offset: int = 0,
        window: Window = 1,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Pages[Row]:
        """List the rows that match.

        Args:
            filter: Fields that every row must have; the class names the documented ones.
                None: all rows.
            sort: A field, `-` before it for descending; None: `created_at`, so that new rows
                come last.
            per_page: Rows per request, 1 to 100; 100 needs the fewest requests.
            offset: Rows to skip at the beginning; 0 with a cursor.
            window: Pages in flight, or `"auto"`; 1 asks for a page when its rows are wanted.
            limit: Rows to stop after, 0 or more; None: all.
            cursor: Where an earlier iteration with this filter and sort stopped: of a page,
                an iterator or an error.

        Returns:
            An async iterable of rows that asks for nothing before it is iterated over.

        Raises:
            ConfigError: A parameter is of the wrong type or range; nothing was sent.
        """
        return self._pages(
            lambda query: self._LIST(query=query),
            filter=filter,
            sort=sort,
            per_page=per_page,
            offset=offset,
            window=window,
            limit=limit,
            cursor=cursor,
        )


def typed(draft: DraftT) -> DraftT:
    """Return what is to be sent if every field that is set has the type that it says.

    None is passed on wherever it stands: the platform may take it for "nothing".

    Raises:
        ConfigError: A field has another type, or holds half a character.
    """
    for name, kind in _fields(type(draft)):
        value = getattr(draft, name)
        if value is None or value is UNSET:
            continue
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            problem = f"{name}: {error}"
        except UnicodeEncodeError:
            problem = f"{name} holds a lone surrogate, which is no valid Unicode: mend it"
        else:
            if isinstance(value, msgspec.Struct):
                typed(value)
            continue
        raise ConfigError(problem)
    return draft


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, object], ...]:
    return tuple((field.name, field.type) for field in msgspec.structs.fields(kind))


def query_json(value: object) -> str:
    """Write a part of a query; raise `ConfigError` for what JSON cannot hold.

    Nothing is made into something else that it can hold.
    """
    try:
        # msgspec would send null for NaN, a list for a set, and base64 for bytes.
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError, RecursionError):
        problem = "filter and sort take what JSON can hold: text, numbers, true, false, null"
    else:
        return text
    raise ConfigError(problem)
