"""Decides how a call looks on the wire: path, query, body; never sends anything.

Calling an `Endpoint` makes a frozen `Request`, so both are testable without I/O.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from ncloudchat_async.checks import check_type
from ncloudchat_async.errors import ConfigError

__all__ = ["Decoder", "Endpoint", "Request", "check_id", "quote_id"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MAX_ID_BYTES: Final = 256
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_METHOD: Final = re.compile(r"[A-Z]+")
_PATH: Final = re.compile(r"/[!-~]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


def check_id(name: str, value: str) -> str:
    """Return an id unless it could not be one.

    Ids read from the platform need not follow its own rule for new ones (D10), so
    only what no path or body can carry is refused.

    Args:
        name: What the id is called, for the error.
        value: The id, 1 to 256 bytes of UTF-8.

    Raises:
        ConfigError: Empty, `.` or `..` (which RFC 3986 section 5.2.4 would remove from
            the path), longer than 256 bytes, with a control character or a lone surrogate,
            or not a string.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a string, not {type(value).__name__}")
    if _PLAIN_ID.fullmatch(value):
        return value
    if value in {"", ".", ".."}:
        raise ConfigError(f"{name} must not be empty, '.' or '..'")
    if _CONTROL.search(value):
        raise ConfigError(f"{name} must not hold control characters")
    if _SURROGATE.search(value):
        raise ConfigError(f"{name} must be valid Unicode: it holds a lone surrogate")
    size = len(value.encode())
    if size > MAX_ID_BYTES:
        raise ConfigError(f"{name} must be at most {MAX_ID_BYTES} bytes of UTF-8, not {size}")
    return value


def quote_id(name: str, value: str) -> str:
    """Percent-encode an id so that it stays one path segment, leaving nothing reserved.

    Raises:
        ConfigError: The id is refused by `check_id`.
    """
    # Most ids need no encoding: to know that takes a fifth of the time of doing it.
    if type(value) is str and _PLAIN_ID.fullmatch(value):
        return value
    return quote(check_id(name, value), safe="")


class Decoder(Protocol[T_co]):
    """What reads an answer, as `msgspec.json.Decoder` does."""

    def decode(self, body: bytes, /) -> T_co:
        """Give the value of a body; `msgspec.DecodeError` or `ValueError` if it has none."""
        ...


class Endpoint(Generic[T]):
    """One operation of the platform: a method, a path, and what its answer decodes to.

    Reach what this package does not cover yet:

        thing = await chat.send(Endpoint("GET", "/new/thing/{thing_id}", Thing)(thing_id="7"))

    Args:
        method: HTTP method, upper case.
        path: Path template; each `{name}` takes one id, percent-encoded.
        returns: What the answer decodes to: a struct, `list[Struct]`, `dict[str, object]`, ….
        envelope: Where in the answer the value is, as alternatives: `("friendship",
            "data.requestFriend.friendship")`; empty when the answer is the value.
        repeatable: Whether sending twice is safe; None decides by the method (GET, PUT
            and DELETE are).
        name: Key in logs, errors and metrics; None takes `Resource.verb` from the class
            the endpoint stands in, else method and path.
        names_ids: Whether an answer with nothing in its envelope, or -1 with such words, means
            that an id it was asked about is unknown (D04); None: if the path has an id.
        decoder: Reads answers in place of the one made from `returns`, for values that no
            type describes; without an envelope only.

    Raises:
        ConfigError: Method or path could not stand in the first line of a request, a brace
            of the path belongs to no `{name}`, or the envelope is no tuple or has a decoder
            beside it.
    """

    __slots__ = (
        "_first",
        "_names",
        "_rest",
        "decoder",
        "envelope",
        "method",
        "name",
        "names_ids",
        "path",
        "repeatable",
        "returns",
    )

    def __init__(
        self,
        method: str,
        path: str,
        returns: type[T],
        *,
        envelope: tuple[str, ...] = (),
        repeatable: bool | None = None,
        name: str | None = None,
        names_ids: bool | None = None,
        decoder: Decoder[T] | None = None,
    ) -> None:
        if not (_METHOD.fullmatch(method) and _PATH.fullmatch(path)):
            raise ConfigError("an endpoint needs a METHOD and a /path of printable ASCII")
        first, *rest = re.split(r"\{(\w+)\}", path)
        if any("{" in text or "}" in text for text in (first, *rest[1::2])):
            raise ConfigError("braces in a path stand around names only, such as {thing_id}")
        check_type("envelope", envelope, tuple, 'a tuple of names, such as ("thing",)')
        if envelope and decoder is not None:
            raise ConfigError("an endpoint takes an envelope or a decoder: a decoder reads it all")
        self.method: Final[str] = method
        self.path: Final[str] = path
        self.returns: Final[type[T]] = returns
        self.envelope: Final[tuple[str, ...]] = envelope
        self.repeatable: Final[bool] = method in _REPEATABLE if repeatable is None else repeatable
        self.names_ids: Final[bool] = "{" in path if names_ids is None else names_ids
        self.name: str = name or f"{method} {path}"
        self._first: Final = first
        self._rest: Final = tuple(zip(rest[::2], rest[1::2], strict=True))
        self._names: Final = frozenset(rest[::2])
        self.decoder: Final[Decoder[Any]] = decoder or msgspec.json.Decoder(
            _enveloped(returns, envelope[0]) if envelope else returns
        )

    def __set_name__(self, owner: type, attribute: str) -> None:
        """Take the name from where the endpoint stands: `Channels._GET` is `Channels.get`."""
        self.name = f"{owner.__name__}.{attribute.strip('_').lower()}"

    def __repr__(self) -> str:
        """Show what is called."""
        return f"<Endpoint {self.name}: {self.method} {self.path}>"

    def __call__(
        self,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        absent: T | None = None,
        **ids: str,
    ) -> "Request[T]":
        """Make the request, without any I/O.

        Args:
            query: Parameters, percent-encoded here.
            body: What is sent as JSON; None sends no body.
            absent: What a repeated DELETE returns when the object is gone already.
            **ids: One string for each name in the path.

        Raises:
            ConfigError: An id or the query cannot be used, or the body is nothing that JSON
                can hold.
            TypeError: A name of the path has no id, or an id no place in the path.
        """
        if ids.keys() != self._names:
            raise TypeError(f"{self.name} takes the ids {sorted(self._names)}, not {sorted(ids)}")
        target = self._first
        for name, tail in self._rest:
            target += quote_id(name, ids[name]) + tail
        if query:
            target += "?" + _joined(query)
        return Request(self, target, None if body is None else _encode(body), absent)


class Request(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A call as it will be sent, without host and credentials."""

    endpoint: Endpoint[T]
    target: str
    """Path and query, percent-encoded."""
    body: bytes | None = None
    """JSON, or None for none."""
    absent: T | None = None
    """What stands for the object when a repeated DELETE finds it gone."""

    def __repr__(self) -> str:
        """Show the operation, never ids or the body."""
        return f"<Request {self.endpoint.name}>"


def _joined(query: Mapping[str, str]) -> str:
    try:
        return "&".join(f"{_quoted(k)}={_quoted(v)}" for k, v in query.items())
    except (AttributeError, TypeError):
        problem = "query takes a mapping of text to text, such as {'filter': '{}'}"
    raise ConfigError(problem)


def _quoted(value: str) -> str:
    if _SURROGATE.search(value):
        raise ConfigError("a parameter holds a lone surrogate, which is no valid Unicode")
    return quote(value, safe="")


def _encode(body: object) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        problem = "the request holds text with a lone surrogate, which is no valid Unicode"
    except TypeError as error:
        problem = f"the request holds what JSON cannot: {error}"
    raise ConfigError(problem)


class _Envelope(msgspec.Struct, frozen=True):
    """What every envelope may carry beside its value; a failure shows in these."""

    status: int = 1
    error: msgspec.Raw | UnsetType = UNSET
    errors: msgspec.Raw | UnsetType = UNSET


def _enveloped(value: Any, path: str) -> Any:
    """Build the struct that decodes `{"path": value, "status": 1}` in one pass.

    The field is called `value` whatever its name on the wire; a dotted path nests.
    """
    head, _, rest = path.partition(".")
    inner = _enveloped(value, rest) if rest else value
    return msgspec.defstruct(
        "Envelope",
        [("value", inner | None)],
        bases=(_Envelope,),
        rename={"value": head},
        kw_only=True,
    )
