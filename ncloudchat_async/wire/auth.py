"""Decides who a request is from, and keeps the key out of sight; never sends anything."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote

import msgspec

from ncloudchat_async.errors import AuthenticationError, ConfigError

__all__ = ["KEY_HEADER", "NOT_TEXT", "AuthLatch", "KeyRing", "KeySource", "Secret", "escaped"]

KEY_HEADER: Final = "x-api-key"
NOT_TEXT: Final = "is not a string"
"""The problem of a secret of another type."""
KeySource = Callable[[], Awaitable[str]]
"""Gives the key when the client opens, and another one when that is refused."""


class _Unseen(str):
    """A string that shows nothing where values are shown for debugging."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show nothing."""
        return "***"


class Secret:
    """A string whose `repr`, `str`, format and pickle show `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value: Final = value

    def reveal(self) -> str:
        """Return the string itself, for a header; its `repr` too shows `***`.

        Libraries keep headers in their frames and objects, which tracebacks print.
        """
        return _Unseen(self._value)

    def problem(self) -> str | None:
        """Tell why this cannot be sent as a header value, without showing it."""
        value: object = self._value
        if not isinstance(value, str):
            return NOT_TEXT
        if not value or value.isspace():
            return "is empty"
        if value != value.strip():
            return "has spaces around it: was it copied with its line break?"
        if not (value.isascii() and value.isprintable()):
            return "holds characters other than printable ASCII"
        return None

    def masked(self, text: str) -> str:
        """Replace the secret wherever it stands in a text of the server, in JSON or a URL too."""
        for form in (self._value, escaped(self._value), quote(self._value, safe="")):
            if form:
                text = text.replace(form, "***")
        return text

    def __eq__(self, other: object) -> bool:
        """Compare by value, so that a rotated key is told from the same one."""
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        """Hash by value, salted as strings are."""
        return hash(self._value)

    def __repr__(self) -> str:
        """Show nothing."""
        return "***"

    def __format__(self, spec: str) -> str:
        """Show nothing, whatever the format."""
        return "***"

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        """Leave the secret out of pickles; what is loaded is not usable."""
        return Secret, ("***",)


class KeyRing:
    """Holds the key in use, and asks its source for another when that is refused."""

    def __init__(self, key: Secret | KeySource) -> None:
        self._source: Final = None if isinstance(key, Secret) else key
        self._lock: Final = asyncio.Lock()
        self.key: Secret = key if isinstance(key, Secret) else Secret("")
        """The key in use: another object after each answer of the source, even if it is equal."""

    async def open(self) -> Secret:
        """Return the key to begin with.

        Raises:
            ConfigError: The source gave something that cannot be a key.
        """
        if self._source is not None:
            self.key = await self._ask(self._source)
        return self.key

    @property
    def renewing(self) -> bool:
        """Whether the source is being asked for another key."""
        return self._lock.locked()

    async def renew(self, refused: Secret) -> bool:
        """Ask for another key, once for all calls that were refused together.

        A caller cancelled while it asks leaves the question to the next one that waits.

        Args:
            refused: What `key` was when the refused request was sent.

        Returns:
            Whether the key now differs from the refused one.

        Raises:
            ConfigError: The source gave something that cannot be a key.
            Exception: Whatever the source raises.
        """
        if self._source is None:
            return False
        async with self._lock:
            if self.key is refused:
                try:
                    self.key = await self._ask(self._source)
                except Exception:
                    self.key = Secret(refused.reveal())  # asked, in vain
                    raise
            return self.key != refused

    async def _ask(self, source: KeySource) -> Secret:
        coming: object = source()
        if not isinstance(coming, Awaitable):
            del coming  # perhaps the key, which no frame may show
            raise ConfigError("the api_key callable must be async: make it `async def`")
        key = Secret(await coming)
        del coming  # a future shows its result
        problem = key.problem()
        if problem:
            raise ConfigError(f"the api_key that the callable returned {problem}")
        return key


def escaped(text: str) -> str:
    """Write a text as it stands between the quotes of a JSON string."""
    return msgspec.json.encode(str.__str__(text)).decode()[1:-1]


class AuthLatch:
    """Stops traffic that the platform refuses anyway.

    After `LIMIT` refusals in a row no request is sent for `PAUSE_S` seconds and every call
    gets the same typed error at once; then one call probes while the others are still
    refused. A key that is hammered with is a key that gets blocked, and the answer cannot
    change before someone acts. Refusals are counted per answer, so calls in flight together
    may make them more than `LIMIT`.
    """

    LIMIT: Final = 3
    PAUSE_S: Final = 30.0

    def __init__(self) -> None:
        self.refusals: int = 0
        """Refusals since the key was last accepted."""
        self.shut: bool = False
        """Whether calls must `knock`."""
        self._until = 0.0
        self._probing = False
        self._error: AuthenticationError | None = None

    def knock(self, now: float) -> AuthenticationError | None:
        """Return a fresh copy of the error that stands, or None for the one that may probe.

        A probe owes `record`, `open` or `unprobed`.
        """
        error = self._error
        if error is None or (now >= self._until and not self._probing):
            self._probing = True
            return None
        left = max(0.0, self._until - now)
        until = f"for another {left:.0f} s" if left else "until a probe is answered"
        return _copy(
            error,
            f"{error.message} (refused {self.refusals} times in a row: nothing is sent {until})",
        )

    def record(self, error: AuthenticationError, now: float) -> None:
        """Count a refusal, which begins a pause once there are enough."""
        self.refusals += 1
        self.shut = self.refusals >= self.LIMIT
        self._error = _copy(error, error.message)
        self._until = now + self.PAUSE_S
        self._probing = False

    def open(self) -> None:
        """Let traffic pass: the key was accepted, or is another one now."""
        self.refusals = 0
        self.shut = self._probing = False
        self._error = None

    def unprobed(self) -> None:
        """Let another call probe: the one that did has ended without an answer."""
        self._probing = False


def _copy(error: AuthenticationError, text: str) -> AuthenticationError:
    """Say the same again, without traceback and call."""
    return type(error)(text, http_status=error.http_status, code=error.code, message=error.message)
