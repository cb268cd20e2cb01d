"""Decides when the session that all views of a client share is opened and closed."""

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from ncloudchat_async.errors import ClientClosedError, DeadlineExceededError
from ncloudchat_async.settings import Pool, Quota, Timeouts
from ncloudchat_async.wire.auth import KeyRing, KeySource, Secret
from ncloudchat_async.wire.observe import Observer, Stats
from ncloudchat_async.wire.semaphore import RateSemaphore
from ncloudchat_async.wire.session import Session

if TYPE_CHECKING:
    import aiohttp

    from ncloudchat_async.wire.transport import Transport

__all__ = ["Core"]


class Core:
    """Where calls go and how, the session while there is one, and the totals."""

    def __init__(
        self,
        *,
        project_id: str,
        key: Secret | KeySource,
        base_url: str,
        quota: Quota,
        timeouts: Timeouts,
        pool: Pool,
        budget: float,
        borrowed: "aiohttp.ClientSession | None",
        observer: Observer | None,
        trust_env: bool,
    ) -> None:
        self.project_id: Final = project_id
        self.base_url: Final = base_url
        self.quota: Final = _bounded(quota, pool)
        self._key: Final = key
        self._timeouts: Final = timeouts
        self._pool: Final = pool
        self._budget: Final = budget
        self._borrowed: Final = borrowed
        self._observer: Final = observer
        self._trust_env: Final = trust_env
        self._stats: Final = Stats()
        self._connections = 0
        self._session: Session | None = None
        self._transports: Final[list[Transport]] = []
        """That of the session, and those that are being closed."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening_in: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    def session(self) -> Session:
        """Return the session of the running event loop.

        Raises:
            ClientClosedError: There is none.
        """
        session = self._session
        if session is None:
            raise ClientClosedError("the client is not open: use `async with Client(...)`")
        if asyncio.get_running_loop() is not self._loop:
            raise ClientClosedError("the client was opened in another event loop")
        return session

    async def open(self) -> None:
        """Get the key, and open a session in the running event loop.

        Raises:
            ConfigError: The key's source gave something that cannot be a key.
            DeadlineExceededError: It gave nothing within `Timeouts.deadline_s`.
            ClientClosedError: There is a session already, or none can be borrowed.
        """
        for loop in (self._opening_in, self._loop if self.is_open else None):
            if loop is not None and not loop.is_closed():
                raise ClientClosedError(
                    "the client is open already: make another, or share this one"
                )
        if self.is_open:
            await self.close(0.0)  # of a loop that ended before it
        self._opening_in = asyncio.get_running_loop()
        try:
            await self._open()
        finally:
            self._opening_in = None

    async def _open(self) -> None:
        keys = KeyRing(self._key)
        limit = asyncio.timeout(self._timeouts.deadline_s)
        try:
            async with limit:
                key = await keys.open()
        except TimeoutError as late:
            if not limit.expired():
                raise  # it is the source's own
            problem = f"api_key gave no key within {self._timeouts.deadline_s} s"
            raise DeadlineExceededError(problem) from late
        # aiohttp is most of this package's import time: it is loaded when first needed.
        from ncloudchat_async.wire.transport import open_transport  # noqa: PLC0415

        transport = await open_transport(
            self.base_url,
            self.project_id,
            key,
            timeouts=self._timeouts,
            pool=self._pool,
            session=self._borrowed,
            trust_env=self._trust_env,
        )
        self._loop = asyncio.get_running_loop()
        self._transports.append(transport)
        self._session = Session(
            transport,
            RateSemaphore(self.quota),
            keys,
            timeouts=self._timeouts,
            budget=self._budget,
            stats=self._stats,
            observer=self._observer,
        )

    async def close(self, grace_s: float) -> None:
        """Close the session, after so many seconds for what runs.

        Without one, wait for the end of a close that is under way.
        """
        session, loop = self._session, self._loop
        here = asyncio.get_running_loop()
        if session is None or loop is None:
            if self._closing is not None and self._closing.get_loop() is here:
                await asyncio.shield(self._closing)
            return
        if loop is not here and not loop.is_closed():
            raise ClientClosedError("the client was opened in another event loop: close it there")
        self._session = None
        # Until it is closed, the client may be opened again, with a transport of its own.
        transport = self._transports[-1]
        self._closing = closing = here.create_future()
        try:
            await session.aclose(grace_s)
        finally:
            self._transports.remove(transport)
            self._connections += transport.connections
            closing.set_result(None)

    def count_connections(self) -> Stats:
        """Return the totals, with the sockets opened to this moment."""
        now = sum(transport.connections for transport in self._transports)
        self._stats.connections = self._connections + now
        return self._stats


def _bounded(quota: Quota, pool: Pool) -> Quota:
    """Let fewer connections than slots mean fewer slots, so that nobody waits holding one."""
    if pool.max_connections is None or pool.max_connections >= quota.max_in_flight:
        return quota
    return msgspec.structs.replace(quota, max_in_flight=pool.max_connections)
