"""One attempt straight on aiohttp's pool and parser; never repeats, redirects or keeps cookies.

Of the time aiohttp takes for a request, five sixths go into its session, request and
response objects. This transport uses what lies below them: `TCPConnector.connect()`, which is
documented, and the connection's protocol, which is not. So `usable` first puts an answer
through the protocol, and where that fails `AiohttpTransport` does the work instead.
"""

import asyncio
import contextlib
import inspect
import math
import weakref
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.streams import StreamReader
from yarl import URL

from ncloudchat_async.errors import (
    BodyTooLargeError,
    NcloudChatError,
)
from ncloudchat_async.settings import Pool, Timeouts
from ncloudchat_async.wire.auth import KEY_HEADER, Secret
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.failures import failure_of
from ncloudchat_async.wire.lines import Address, Line, Lines
from ncloudchat_async.wire.sockets import Handler, Sockets, owned

__all__ = ["DirectTransport", "usable"]

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods whose requests say nothing of a length when they have no body."""


class DirectTransport:
    """Attempts on connections of an `aiohttp.TCPConnector`, without its client session.

    Must be made inside the loop that will use it. Makes the same requests and raises the
    same errors as `AiohttpTransport`, for a quarter of its CPU time.
    """

    def __init__(
        self,
        base_url: str,
        headers: dict[str, str],
        *,
        timeouts: Timeouts,
        pool: Pool,
        sockets: Sockets,
    ) -> None:
        self._sockets: Final = sockets
        self._address: Final = Address(
            "GET", URL(base_url), headers=headers, loop=asyncio.get_running_loop()
        )
        self._head = _Head(self._address, None)
        self._read_s: Final = math.inf if timeouts.read_s is None else timeouts.read_s
        self._max_body_bytes: Final = pool.max_body_bytes
        self._lines: Final = Lines(self._address, timeouts, pool, sockets)
        self._owner: Final = owned(self._lines.close)
        weakref.finalize(self, _forget, self._lines).atexit = False

    async def open(self) -> None:
        """Put the connections into the care of the event loop."""
        await anext(self._owner)

    @property
    def connections(self) -> int:
        """Sockets opened so far."""
        return self._sockets.opened

    def use_key(self, key: Secret) -> None:
        """Send this key from the next attempt on."""
        self._head = _Head(self._address, key)

    async def perform(self, request: Request[Any], timeout_s: float | None) -> Response:
        """Send a request once and read its complete answer: see `Transport.perform`."""
        lines = self._lines
        now = lines.now()
        latest = math.inf if timeout_s is None else now + timeout_s
        line = lines.take(now) or await lines.open(timeout_s)
        lines.begin(line, min(latest, lines.now() + self._read_s))
        # The failure is raised outside of the except blocks, so that it holds no reference
        # to an exception of aiohttp.
        failure: NcloudChatError
        try:
            line.protocol.set_response_params(
                skip_payload=request.endpoint.method == "HEAD", read_until_eof=True
            )
            self._head.write(line.transport, request)
            message, payload = await line.protocol.read()
            while 100 <= message.code < 200 and message.code != 101:
                message, payload = await line.protocol.read()
            if payload.is_eof():
                body = payload.read_nowait(-1)
            else:
                body = await self._read_on(line, message.headers, payload)
            if len(body) <= self._max_body_bytes:
                lines.give_back(line)
                return Response(message.code, message.headers, body)
            failure = self._too_large()
        except BodyTooLargeError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - whatever aiohttp and its codecs raise is no answer
            # A connection that closing has taken away says less than what ended the attempt.
            failure = failure_of(line.failure or error)
        finally:
            lines.drop(line)
        raise failure

    async def _read_on(
        self, line: Line, headers: Mapping[str, str], payload: StreamReader
    ) -> bytes:
        """Read a body that did not come together with its head, up to the cap."""
        if int(headers.get("Content-Length", 0)) > self._max_body_bytes:
            raise self._too_large()
        line.read(payload)
        chunks: list[bytes] = []
        left = self._max_body_bytes
        while chunk := await payload.readany():
            left -= len(chunk)
            if left < 0:
                raise self._too_large()
            chunks.append(chunk)
        line.payload = None
        return b"".join(chunks)

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"the answer is larger than Pool.max_body_bytes = {self._max_body_bytes}",
            applied="unknown",
        )

    async def aclose(self) -> None:
        """Close all connections; attempts still running end with `NoReplyError`."""
        await self._owner.aclose()


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


def _forget(lines: Lines) -> None:
    """Let go of connections whose loop was closed without care for its generators."""
    if lines.loop.is_closed():
        # With its loop closed there is nothing to wait for: this runs to its end.
        with contextlib.suppress(StopIteration):
            lines.connector.close().send(None)
        lines.forget()


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
    address = Address("GET", URL("https://host/"), loop=loop)
    inspect.signature(aiohttp.TCPConnector.connect).bind(None, address, [], aiohttp.ClientTimeout())
    protocol = Handler(loop)
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
        and all(hasattr(Connection, name) for name in ("close", "protocol", "transport"))
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
