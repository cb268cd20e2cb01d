"""One attempt straight on aiohttp's pool and parser; never repeats, redirects or keeps cookies.

Of the time aiohttp takes for a request, five sixths go into its session, request and
response objects. This transport uses what lies below them: `TCPConnector.connect()`, which is
documented, and the connection's protocol, which is not. So `usable` first puts an answer
through the protocol, and where that fails `AiohttpTransport` does the work instead.
"""

import asyncio
import inspect
import math
import socket
import zlib
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from yarl import URL

from ncloudchat_async.errors import (
    BodyTooLargeError,
    ClientClosedError,
    NcloudChatError,
    NoReplyError,
    NotSentError,
)
from ncloudchat_async.settings import Pool, Timeouts
from ncloudchat_async.wire.answers import Response
from ncloudchat_async.wire.auth import Secret
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.transport import CONNECT_SHARE, KEY_HEADER, failure_of

__all__ = ["DirectTransport", "usable"]

_READ_BYTES: Final = 64 * 1024
"""What the stock loop asks the kernel for at a time. With its 256 KiB some processes pay an
mmap for every read of their life, 10 us and more, decided by the state of malloc."""
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods whose requests say nothing of a length when they have no body."""
_BROKEN: Final = (
    aiohttp.ClientError,
    aiohttp.EofStream,
    HttpProcessingError,
    OSError,
    RuntimeError,
    ValueError,
    zlib.error,
)
"""What the protocol may raise when the connection or the answer is not sound."""


class DirectTransport:
    """Attempts on connections of an `aiohttp.TCPConnector`, without its client session.

    Must be made inside the loop that will use it. Makes the same requests and raises the
    same errors as `AiohttpTransport`, for a third of its CPU time.
    """

    def __init__(
        self, base_url: str, headers: dict[str, str], *, timeouts: Timeouts, pool: Pool
    ) -> None:
        self.connections = 0
        self._loop: Final = asyncio.get_running_loop()
        self._address: Final = _Address("GET", URL(base_url), headers=headers, loop=self._loop)
        self._head = _Head(self._address, None)
        self._connect_s: Final = math.inf if timeouts.connect_s is None else timeouts.connect_s
        self._connect_timeout: Final = _connect_timeout(self._connect_s)
        self._max_body_bytes: Final = pool.max_body_bytes
        self._bodies: Final[set[StreamReader]] = set()
        self._connector: Final = aiohttp.TCPConnector(
            # The semaphore bounds concurrency; the connector's own limit is unfair.
            limit=0,
            keepalive_timeout=pool.keepalive_s,
            ttl_dns_cache=math.ceil(pool.dns_cache_s),
            socket_factory=self._open_socket,
        )

    def _open_socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, _ = address
        opened = socket.socket(family, kind, protocol)
        self.connections += 1
        return opened

    def use_key(self, key: Secret) -> None:
        """Send this key from the next attempt on."""
        self._head = _Head(self._address, key)

    async def perform(self, request: Request[Any], timeout_s: float | None) -> Response:
        """Send a request once and read its complete answer: see `Transport.perform`."""
        loop = self._loop
        deadline = math.inf if timeout_s is None else loop.time() + timeout_s
        connection, protocol, transport = await self._connect(timeout_s)
        timer = None
        # The failure is raised outside of the except blocks, so that it holds no reference
        # to an aiohttp exception.
        failure: NcloudChatError
        try:
            if timeout_s is not None:
                timer = loop.call_at(deadline, protocol.set_exception, TimeoutError())
            protocol.set_response_params(
                skip_payload=request.endpoint.method == "HEAD", read_until_eof=True
            )
            self._head.write(transport, request)
            message, payload = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:
                message, payload = await protocol.read()
            if payload.is_eof():
                body = payload.read_nowait(-1)
            else:
                body = await self._read_on(message.headers, payload, deadline)
            if len(body) > self._max_body_bytes:
                raise self._too_large()
            connection.release()
            return Response(message.code, message.headers, body)
        except TimeoutError:
            failure = NoReplyError("no complete answer in time")
        except BodyTooLargeError as error:
            failure = error
        except _BROKEN as error:
            failure = failure_of(error)
        finally:
            if timer is not None:
                timer.cancel()
            connection.close()  # does nothing once it is released
        raise failure

    async def _connect(
        self, timeout_s: float | None
    ) -> tuple[Connection, ResponseHandler, asyncio.Transport]:
        """Take a connection from the pool, or open one; whatever fails, nothing was sent."""
        if self._connector.closed:
            raise ClientClosedError("the client is closed")
        timeout = self._connect_timeout
        if timeout_s is not None and timeout_s * CONNECT_SHARE < self._connect_s:
            timeout = _connect_timeout(timeout_s * CONNECT_SHARE)
        opened = self.connections
        failure = NotSentError("the server spoke before it was asked")
        try:
            while True:
                connection = await self._connector.connect(self._address, [], timeout)
                protocol = connection.protocol
                transport = connection.transport
                fresh = self.connections != opened
                # Both are None in connections already given back: never in these.
                assert protocol is not None
                assert transport is not None
                if not protocol.should_close:
                    if fresh:
                        _read_less(transport)
                    return connection, protocol, transport
                # What came unasked for would be taken for the answer to this request.
                connection.close()
                if fresh:
                    break
        except TimeoutError:
            failure = NotSentError("connecting took too long")
        except _BROKEN as error:
            failure = NotSentError(*failure_of(error).args)
        raise failure

    async def _read_on(
        self, headers: Mapping[str, str], payload: StreamReader, deadline: float
    ) -> bytes:
        """Read a body that did not come together with its head, up to the cap."""
        if int(headers.get("Content-Length", 0)) > self._max_body_bytes:
            raise self._too_large()
        timer = None
        if deadline < math.inf:
            # Only the payload is waited for from here on: failing the protocol is not enough.
            timer = self._loop.call_at(deadline, payload.set_exception, TimeoutError())
        self._bodies.add(payload)
        chunks: list[bytes] = []
        left = self._max_body_bytes
        try:
            while chunk := await payload.readany():
                left -= len(chunk)
                if left < 0:
                    raise self._too_large()
                chunks.append(chunk)
        finally:
            self._bodies.discard(payload)
            if timer is not None:
                timer.cancel()
        return b"".join(chunks)

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"the answer is larger than Pool.max_body_bytes = {self._max_body_bytes}",
            applied="unknown",
        )

    async def aclose(self) -> None:
        """Close all connections; attempts still running end with `NoReplyError`."""
        closing = self._connector.close()
        # A closed connection fails its protocol, but forgets the payload of a begun body.
        for payload in self._bodies:
            payload.set_exception(aiohttp.ServerDisconnectedError())
        await closing


class _Address(aiohttp.ClientRequest):
    """Where connections go: of a request the connector reads no more than that."""

    _key: ConnectionKey | None = None

    @property
    def connection_key(self) -> ConnectionKey:
        """What the pool files connections under, computed once."""
        if self._key is None:
            self._key = super().connection_key
        return self._key


class _Head:
    """What stands around target and body in every request; its repr shows nothing."""

    __slots__ = ("_prefix", "_rest")

    def __init__(self, address: aiohttp.ClientRequest, key: Secret | None) -> None:
        lines = [*address.headers.items(), *([(KEY_HEADER, key.reveal())] if key else [])]
        self._prefix: Final = address.url.raw_path.rstrip("/")
        self._rest: Final = " HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines)

    def write(self, transport: asyncio.Transport, request: Request[Any]) -> None:
        """Write a request at once, which saves a system call and a packet.

        No local holds the text: the key is in it.
        """
        method = request.endpoint.method
        body = request.body
        if body is None:
            length = "\r\n" if method in _BODILESS else "Content-Length: 0\r\n\r\n"
            transport.write(f"{method} {self._prefix}{request.target}{self._rest}{length}".encode())
        else:
            transport.write(
                f"{method} {self._prefix}{request.target}{self._rest}"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )

    def __repr__(self) -> str:
        return "<head of requests>"


def _connect_timeout(connect_s: float) -> aiohttp.ClientTimeout:
    # Above its threshold aiohttp rounds timers up to whole seconds: far too late.
    return aiohttp.ClientTimeout(
        connect=None if connect_s == math.inf else connect_s, ceil_threshold=math.inf
    )


def _read_less(transport: Any) -> None:
    if hasattr(transport, "max_size"):
        transport.max_size = _READ_BYTES


def usable() -> bool:
    """Tell whether the installed aiohttp works as this module expects.

    Puts one answer through a protocol without a network, fails another one before its head
    and a third before the end of its body. Must be called inside a running loop.
    """
    try:
        return _checks_out(asyncio.get_running_loop())
    except Exception:  # noqa: BLE001 - whatever an unknown aiohttp does here means no
        return False


def _checks_out(loop: asyncio.AbstractEventLoop) -> bool:
    address = _Address("GET", URL("https://host/"), loop=loop)
    inspect.signature(aiohttp.TCPConnector.connect).bind(None, address, [], _connect_timeout(1.0))
    protocol = ResponseHandler(loop)
    protocol.connection_made(asyncio.Transport())
    whole, payload = _answer(protocol, b"{}")
    sound = whole and payload.read_nowait(-1) == b"{}" and not protocol.should_close
    whole, payload = _answer(protocol, b"{")
    return (
        sound
        and not whole
        and payload.read_nowait(-1) == b"{"
        and _fails(payload.readany(), payload)
        and _fails(protocol.read(), protocol)
        and protocol.should_close
        and address.connection_key[:3] == ("host", 443, True)
        and all(hasattr(Connection, name) for name in ("close", "protocol", "release", "transport"))
    )


def _answer(protocol: ResponseHandler, body: bytes) -> tuple[bool, StreamReader]:
    """Let a protocol read an answer of two bytes that were promised."""
    protocol.set_response_params(skip_payload=False, read_until_eof=True)
    protocol.data_received(b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n" + body)
    try:
        protocol.read().send(None)
    except StopIteration as read:
        message, payload = read.value
        return message.code == 200 and message.headers["a"] == "b" and payload.is_eof(), payload
    raise RuntimeError("it waits for what is there")


def _fails(
    reading: Coroutine[Any, Any, object], waited_for: ResponseHandler | StreamReader
) -> bool:
    """Tell whether a reader that waits gets the failure it is given."""
    reading.send(None)
    waited_for.set_exception(TimeoutError())
    try:
        reading.send(None)
    except TimeoutError:
        return True
    return False
