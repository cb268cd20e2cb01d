"""Decides who a request is from, and keeps the key out of sight; never sends anything."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ncloudchat_async.errors import ApiError, AuthenticationError, ConfigError

__all__ = ["AuthLatch", "KeyRing", "KeySource", "Secret"]

KeySource = Callable[[], Awaitable[str]]
"""Gives the key when the client opens, and another one when that is refused."""


class Secret:
    """A string whose `repr`, `str`, format and pickle show `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value: Final = value

    def reveal(self) -> str:
        """Return the string itself: only a header may take it."""
        return self._value

    def problem(self) -> str | None:
        """Tell why this cannot be sent as a header value, without showing it."""
        value = self._value
        if not value or value.isspace():
            return "is empty"
        if value != value.strip():
            return "has spaces around it: was it copied with its line break?"
        if not (value.isascii() and value.isprintable()):
            return "holds characters other than printable ASCII"
        return None

    def masked(self, text: str) -> str:
        """Replace the secret wherever it stands in a text of the server."""
        return text.replace(self._value, "***") if self._value else text

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

    async def open(self) -> Secret:
        """Return the key to begin with.

        Raises:
            ConfigError: The source gave something that cannot be a key.
        """
        if self._source is not None:
            self.key = await self._ask(self._source)
        return self.key

    async def renew(self, refused: Secret | None) -> bool:
        """Ask for another key, unless somebody did since `refused` was sent.

        Returns:
            Whether the key now differs from the refused one.
        """
        if self._source is None:
            return False
        async with self._lock:
            if self.key == refused:
                self.key = await self._ask(self._source)
            return self.key != refused

    async def _ask(self, source: KeySource) -> Secret:
        key = Secret(await source())
        problem = key.problem()
        if problem:
            raise ConfigError(f"the api_key that the callable returned {problem}")
        return key


class AuthLatch:
    """Stops traffic that the platform refuses anyway.

    After `LIMIT` refusals in a row no request is sent for `PAUSE_S` seconds and every call
    gets the same typed error at once; then one call probes. A key that is hammered with is
    a key that gets blocked, and the answer cannot change before someone acts.
    """

    LIMIT: Final = 3
    PAUSE_S: Final = 30.0

    def __init__(self) -> None:
        self._refusals = 0
        self._shut_until = 0.0
        self._error: AuthenticationError | None = None

    def refusal(self, now: float) -> AuthenticationError | None:
        """Return a fresh copy of the error that stands, or None when a call may go.

        The first call after the pause is the probe: it shuts the latch behind it.
        """
        if self._refusals < self.LIMIT or self._error is None:
            return None
        if now >= self._shut_until:
            self._shut_until = now + self.PAUSE_S
            return None
        left = self._shut_until - now
        error = self._error
        return type(error)(
            f"{error.message} (refused {self._refusals} times in a row: nothing is sent "
            f"for another {left:.0f} s)",
            http_status=error.http_status,
            code=error.code,
            message=error.message,
        )

    def record(self, error: ApiError | None, now: float) -> None:
        """Take note of an answer: a refusal counts, anything else opens the latch."""
        if not isinstance(error, AuthenticationError):
            self._refusals = 0
            self._error = None
            return
        self._refusals += 1
        self._error = error
        self._shut_until = now + self.PAUSE_S
