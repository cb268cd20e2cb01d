"""Decides which connection a request uses, and when it fails; never knows HTTP's words.

The connector opens connections and closes them with itself. Its own pool would cost as much
again as everything here, and a timer for each attempt 2 us; so idle connections are kept, and
time-outs found, in one place for all.
"""

import asyncio
import math
from collections import deque
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.streams import StreamReader

from ncloudchat_async.errors import ClientClosedError, NotSentError, TransportError
from ncloudchat_async.settings import Pool, Timeouts
from ncloudchat_async.wire.failures import failure_of, is_cancelled
from ncloudchat_async.wire.sockets import Handler, Sockets, Watch, connecting_s

__all__ = ["Address", "Line", "Lines"]

_READ_BYTES: Final = 96 * 1024
"""What the stock loop asks the kernel for at a time: a page of 100 messages comes whole. With
its own 256 KiB, which are beyond malloc's threshold, some processes pay an mmap for every
read of their life, 10 us and more."""


class Address(aiohttp.ClientRequest):
    """Where connections go: of a request the connector reads no more than that."""

    _key: ConnectionKey | None = None

    @property
    def connection_key(self) -> ConnectionKey:
        """What the pool files connections under, computed once."""
        if self._key is None:
            self._key = super().connection_key
        return self._key


class Lines:
    """The connections of a transport, busy and idle, and one timer for each kind."""

    def __init__(self, address: Address, timeouts: Timeouts, pool: Pool, sockets: Sockets) -> None:
        self._address: Final = address
        self.loop: Final = asyncio.get_running_loop()
        self.now: Final = self.loop.time
        self._connect_s: Final = timeouts.connect_s
        self._keepalive_s: Final = pool.keepalive_s
        self._busy: Final[set[Line]] = set()
        self._idle: Final[deque[Line]] = deque()  # the longest idle first
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf
        self._sweeper: asyncio.TimerHandle | None = None
        self.connector: Final = aiohttp.TCPConnector(
            # The semaphore bounds concurrency; the connector's own limit is unfair.
            limit=0,
            ttl_dns_cache=math.ceil(pool.dns_cache_s),
            socket_factory=sockets,
        )
        Handler.serve(self.connector)

    def take(self, now: float) -> "Line | None":
        """Take the connection that was idle for the shortest time, if one is still sound."""
        while self._idle:
            line = self._idle.pop()
            # Anything that came unasked would be taken for the answer to the next request.
            if (
                now - line.idle_since <= self._keepalive_s
                and line.protocol.is_connected()
                and not line.protocol.should_close
            ):
                return line
            line.connection.close()
        return None

    async def open(self, timeout_s: float | None) -> "Line":
        """Open a connection; whatever fails, nothing was sent."""
        if self.connector.closed:
            raise ClientClosedError("the client is closed")
        # Above its threshold aiohttp rounds timers up to whole seconds: far too late.
        timeout = aiohttp.ClientTimeout(
            connect=connecting_s(self._connect_s, timeout_s), ceil_threshold=math.inf
        )
        try:
            line = Line(await self.connector.connect(self._address, [], timeout))
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            failure: TransportError = NotSentError("the connection pool was closed")
        except TimeoutError:
            failure = NotSentError("connecting took too long")
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no connection
            failure = failure_of(error, left=False)
        else:
            if not line.protocol.should_close:
                return line
            line.connection.close()
            failure = NotSentError("the server spoke before it was asked")
        raise failure

    def begin(self, line: "Line", deadline: float) -> None:
        """Have an attempt that uses a connection fail at a moment, unless it ends before."""
        line.deadline = deadline
        self._busy.add(line)
        if deadline < self._alarm_at:
            self._set_alarm(deadline)

    def give_back(self, line: "Line") -> None:
        """Keep a connection whose answer is complete, if it can be used again."""
        if line.protocol.should_close or self.connector.closed:
            return
        self._busy.remove(line)
        line.idle_since = self.now()
        self._idle.append(line)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(self._keepalive_s, self._sweep)

    def drop(self, line: "Line") -> None:
        """Close a connection unless it was given back, with what it has not sent yet."""
        if line in self._busy:
            self._busy.remove(line)
            line.transport.abort()
            line.connection.close()

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        self._sweeper = None
        oldest = self.now() - self._keepalive_s
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.popleft().connection.close()
        if self._idle:
            due = self._idle[0].idle_since + self._keepalive_s
            self._sweeper = self.loop.call_at(due, self._sweep)

    def _set_alarm(self, at: float) -> None:
        """Have one timer for the attempt that times out next: one for each costs 2 us."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        now = self.now()
        self._alarm = None
        self._alarm_at = math.inf
        for line in self._busy:
            if line.deadline <= now:
                line.fail(TimeoutError())
        soonest = min((e.deadline for e in self._busy if e.deadline > now), default=math.inf)
        if soonest < math.inf:
            self._set_alarm(soonest)

    async def close(self) -> None:
        """Close all connections; attempts that use one fail."""
        for timer in (self._alarm, self._sweeper):
            if timer is not None:
                timer.cancel()
        for line in self._busy:
            line.fail(aiohttp.ServerDisconnectedError())
        try:
            await self.connector.close()
        finally:
            self.forget()

    def forget(self) -> None:
        """Take back from the connections what would complain that nobody closed them."""
        for line in (*self._idle, *self._busy):
            line.connection.close()
        self._idle.clear()


class Line:
    """One connection, from its opening to its end; never in the connector's pool."""

    __slots__ = (
        "connection",
        "deadline",
        "failure",
        "idle_since",
        "payload",
        "protocol",
        "transport",
        "watch",
    )

    def __init__(self, connection: Connection) -> None:
        protocol, transport = connection.protocol, connection.transport
        # They are None in connections given back to the connector: never here.
        assert protocol is not None
        assert transport is not None
        if type(protocol) is ResponseHandler:
            protocol.__class__ = Handler
        if hasattr(transport, "max_size"):
            setattr(transport, "max_size", _READ_BYTES)  # noqa: B010 - only the stock loop has it
        self.connection: Final = connection
        self.protocol: Final = protocol
        self.transport: Final = transport
        self.payload: StreamReader | None = None
        self.watch: Watch | None = None
        self.failure: Exception | None = None
        """What ended the attempt that uses this from outside."""
        self.deadline: float = math.inf
        self.idle_since: float = 0.0

    def read(self, payload: StreamReader) -> None:
        """Take note of a body that is still to come.

        Raises:
            Exception: The attempt failed already. Its head had come in the same turn of the
                loop, and the protocol gives that out first: nobody would fail the body.
        """
        if self.failure is not None:
            raise self.failure
        self.payload = payload
        if self.watch is None:
            self.watch = Watch(self.protocol)
        self.watch.body = payload

    def fail(self, error: Exception) -> None:
        """End the attempt that uses this: it waits for a head, or for the rest of a body."""
        self.failure = error
        self.protocol.set_exception(error)
        if self.payload is not None:
            self.payload.set_exception(error)
