"""Decides what one emulated project is: its keys, clock, ids and rows."""

import hashlib
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from os import PathLike
from typing import Literal, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec

from ncloudchat_async.emulator.answers import GatewayError, RefusedError, gateway
from ncloudchat_async.emulator.routes import Route
from ncloudchat_async.emulator.settings import EmulatorSettings
from ncloudchat_async.emulator.store import Store

__all__ = ["Call", "Caller", "Paging", "Project", "steady_clock"]

_T = TypeVar("_T")


def steady_clock() -> Callable[[], float]:
    """Return a clock of Unix time that never steps back."""
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()


class Project:
    """One project with its rows; every operation works on it.

    Args:
        project_id: What `x-project-id` must say.
        api_key: What `x-api-key` must say.
        settings: How the platform behaves.
        path: SQLite file to keep the rows in; None keeps them in memory.
        now: Clock of Unix time in seconds; it must not step back.

    Raises:
        ValueError: The file is not a store of this emulator.
    """

    def __init__(
        self,
        project_id: str,
        api_key: str,
        settings: EmulatorSettings,
        path: str | PathLike[str] | None,
        now: Callable[[], float],
    ) -> None:
        self.project_id = project_id
        self.api_key = api_key
        self.replaced_keys: set[str] = set()
        self.token_secret: str = hashlib.sha256(f"{project_id}:{api_key}".encode()).hexdigest()
        self.settings = settings
        self.store: Store = Store(path)
        self.now: Callable[[], float] = now
        self.epoch: int = 0
        """How often the rows were forgotten."""
        self._origin = os.urandom(5).hex()
        self._issued = int.from_bytes(os.urandom(3))
        self._last_sort_ids: dict[str, int] = {}
        self._stamp = (0, 0, "")

    def clear(self) -> None:
        """Forget every row, and with them the calls that are under way."""
        self.epoch += 1
        self.store.clear()
        self._last_sort_ids.clear()

    def object_id(self, second: float) -> str:
        """Return a new id of 24 hex digits, the first 8 being the second of creation."""
        self._issued = (self._issued + 1) % 2**24
        return f"{int(second):08x}{self._origin}{self._issued:06x}"

    def sort_id(self, channel_id: str, now: float) -> int:
        """Return a ms of Unix time that no message of the channel has, at or after now."""
        last = self._last_sort_ids.get(channel_id)
        if last is None:
            last = self.store.last_sort_id(channel_id)
        taken = max(int(now * 1000), last + 1)
        self._last_sort_ids[channel_id] = taken
        return taken

    def free_sort_id(self, channel_id: str, wanted: int) -> int:
        """Return the first ms from `wanted` on that no message of the channel has."""
        while self.store.has_sort_id(channel_id, wanted):
            wanted += 1
        self._last_sort_ids.pop(channel_id, None)
        return wanted

    def stamp(self, second: float) -> str:
        """Write a time as the platform does: whole seconds with the project's offset."""
        whole, offset = int(second), self.settings.utc_offset_minutes
        if self._stamp[:2] != (whole, offset):
            zone = timezone(timedelta(minutes=offset))
            self._stamp = (whole, offset, datetime.fromtimestamp(whole, zone).isoformat())
        return self._stamp[2]


class Caller(NamedTuple):
    """Who sent a request, as far as it says."""

    project_id: str
    api_key: str
    remote: str | None
    """Address of the other end of the connection."""


class Paging(msgspec.Struct, frozen=True):
    """What fault rules do to one answer of a list."""

    lag_s: float = 0.0
    """Rows younger than this are missing."""
    at_most: int | None = None
    """Largest page, whatever was asked."""
    shorten_to: float | None = None
    """Part of the page's rows that is returned, at least one row."""
    after_end: Literal["repeat", "endless"] | None = None
    """What a page past the end holds: the last rows again, or the first ones over and over."""


_PLAIN = Paging()


class Call:
    """One request to one operation."""

    __slots__ = (
        "_epoch",
        "_query",
        "body",
        "caller",
        "ids",
        "now",
        "paging",
        "project",
        "query_text",
        "route",
    )

    def __init__(
        self, project: Project, route: Route, ids: list[str], query_text: str = ""
    ) -> None:
        self.project: Project = project
        self.route: Route = route
        self.ids: list[str] = ids
        """Decoded ids of the path, in its order."""
        self.query_text: str = query_text
        self.body: bytes = b""
        self.caller: Caller = Caller("", "", None)
        self.now: float = project.now()
        """The moment the call takes effect."""
        self.paging: Paging = _PLAIN
        """What fault rules do to this page."""
        self._epoch = project.epoch
        self._query: dict[str, str] | None = None

    @property
    def stale(self) -> bool:
        """Whether the rows were forgotten since the call came, so that it must do nothing."""
        return self._epoch != self.project.epoch

    @property
    def settings(self) -> EmulatorSettings:
        """The project's settings as they are now."""
        return self.project.settings

    @property
    def store(self) -> Store:
        """The project's rows."""
        return self.project.store

    @property
    def stamp(self) -> str:
        """The call's moment as a timestamp."""
        return self.project.stamp(self.now)

    @property
    def at_ms(self) -> int:
        """The call's moment in ms since 1970."""
        return int(self.now * 1000)

    @property
    def query(self) -> dict[str, str]:
        """Decoded query parameters; of a repeated one the first counts.

        Raises:
            GatewayError: The query is not UTF-8.
        """
        if self._query is None:
            try:
                pairs = parse_qsl(self.query_text, keep_blank_values=True, errors="strict")
            except UnicodeDecodeError as error:
                answer = gateway(400, 100, "Bad Request", details="the query is not UTF-8")
                raise GatewayError(answer) from error
            self._query = dict(reversed(pairs))
        return self._query

    def read(self, decoder: "msgspec.json.Decoder[_T]") -> _T:
        """Decode the request body.

        Raises:
            GatewayError: The body is not JSON in UTF-8.
            RefusedError: A field is missing or of another type than documented.
        """
        try:
            return decoder.decode(self.body or b"{}")
        except msgspec.ValidationError as error:
            raise RefusedError.parameter(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise GatewayError(
                gateway(400, 100, "Bad Request", details=f"the body is not JSON: {error}")
            ) from error
