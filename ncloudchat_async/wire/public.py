"""One attempt through aiohttp's public interface; never repeats, redirects or keeps cookies.

aiohttp itself repeats a GET, PUT or DELETE once when a kept connection turns out dead. A
client middleware re-raises what it would catch as a type of ours, so that attempts counted
are requests on the wire.
"""

import asyncio
import contextlib
import io
import math
import weakref
from typing import Any, Final

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

from ncloudchat_async.errors import (
    BodyTooLargeError,
    ClientClosedError,
    NcloudChatError,
    NoReplyError,
    NotSentError,
    TransportError,
)
from ncloudchat_async.settings import Pool, Timeouts
from ncloudchat_async.wire.auth import KEY_HEADER, Secret
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.failures import failure_of, is_cancelled
from ncloudchat_async.wire.sockets import Handler, Sockets, Watch, connecting_s, owned

__all__ = ["AiohttpTransport", "session_of"]

_AT_ONCE_BYTES: Final = 2**18
"""Largest body that is written in one piece; aiohttp warns of those above 1 MiB."""


class AiohttpTransport:
    """Attempts through the public interface of an `aiohttp.ClientSession`.

    Of a borrowed session only the connector, the proxy, the trace configurations and
    `trust_env` are used: its cookies, headers, timeouts, middlewares and `raise_for_status`
    are meant for others. Nothing of it is changed or closed.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        headers: dict[str, str],
        *,
        timeouts: Timeouts,
        max_body_bytes: int,
        sockets: "Sockets",
    ) -> None:
        self._sockets: Final = sockets
        self._session: Final = session
        self._base_url: Final = base_url
        self._connect_s: Final = timeouts.connect_s
        self._read_s: Final = timeouts.read_s
        self._max_body_bytes: Final = max_body_bytes
        self._headers: Final = headers
        self._watches: Final[weakref.WeakKeyDictionary[ResponseHandler, Watch]] = (
            weakref.WeakKeyDictionary()
        )
        self._owner: Final = owned(session.close)
        weakref.finalize(self, _forget, session, asyncio.get_running_loop()).atexit = False

    async def open(self) -> None:
        """Put the session into the care of the event loop."""
        await anext(self._owner)

    @property
    def connections(self) -> int:
        """Sockets opened so far; those of a borrowed session are not counted."""
        return self._sockets.opened

    def use_key(self, key: Secret) -> None:
        """Send this key from the next attempt on."""
        self._headers[KEY_HEADER] = key.reveal()

    async def perform(self, request: Request[Any], timeout_s: float | None) -> Response:
        """Send a request once and read its complete answer: see `Transport.perform`."""
        # The failure is raised outside of the except blocks, so that it holds no reference
        # to an exception of aiohttp, whose traceback and request carry the headers.
        failure: NcloudChatError
        if self._session.closed:
            raise NotSentError("the connection pool is closed")
        limit = asyncio.timeout(timeout_s)
        attempt = _Attempt(limit, self._read_s)
        try:
            async with (
                limit,
                self._session.request(
                    request.endpoint.method,
                    URL(self._base_url + request.target, encoded=True),
                    data=_streamed(request.body),
                    headers=self._headers,
                    allow_redirects=False,
                    timeout=self._timeout(timeout_s),
                    middlewares=(attempt,),
                ) as answer,
            ):
                body = await self._read(answer)
                if body is not None:
                    return Response(answer.status, answer.headers, body)
                failure = BodyTooLargeError(
                    f"the answer is larger than Pool.max_body_bytes = {self._max_body_bytes}",
                    applied="unknown",
                )
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            kind = NoReplyError if attempt.left else NotSentError
            failure = kind("the connection pool was closed")
        except Exception as error:  # noqa: BLE001 - whatever aiohttp and its codecs raise is no answer
            failure = failure_of(error, left=attempt.left)
        raise failure

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes | None:
        """Read the body up to the cap, decoded; None when it is larger."""
        zipped = "Content-Encoding" in answer.headers
        if not zipped and (answer.content_length or 0) > self._max_body_bytes:
            answer.close()
            return None
        self._watch(answer)
        chunks: list[bytes] = []
        left = self._max_body_bytes
        async for chunk in answer.content.iter_any():
            left -= len(chunk)
            if left < 0:
                answer.close()
                return None
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _watch(self, answer: aiohttp.ClientResponse) -> None:
        """Watch the connection of an answer that is not complete."""
        protocol = answer.connection and answer.connection.protocol
        if protocol is None:
            return
        watch = self._watches.get(protocol)
        if watch is None:
            watch = self._watches[protocol] = Watch(protocol)
        watch.body = answer.content

    def _timeout(self, timeout_s: float | None) -> aiohttp.ClientTimeout:
        """Have aiohttp bound connecting only: `sock_read` begins anew with every byte."""
        return aiohttp.ClientTimeout(
            total=None,
            connect=connecting_s(self._connect_s, timeout_s),
            # Above its threshold aiohttp rounds timers up to whole seconds: far too late.
            ceil_threshold=math.inf,
        )

    async def aclose(self) -> None:
        """Close the connections, unless they are borrowed."""
        await self._owner.aclose()


def _streamed(body: bytes | None) -> bytes | io.BytesIO | None:
    """Have a large body sent in parts: written at once it would hold up the event loop."""
    return body if body is None or len(body) <= _AT_ONCE_BYTES else io.BytesIO(body)


def _forget(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
    """Let go of a session whose loop was closed without care for its generators."""
    if loop.is_closed() and not session.closed:
        connector, owned = session.connector, session.connector_owner
        session.detach()
        if connector is not None and owned:
            # With its loop closed there is nothing to wait for: this runs to its end.
            with contextlib.suppress(StopIteration):
                connector.close().__await__().send(None)


class _Connector(aiohttp.TCPConnector):
    """A pool that gives out no connection on which something came that nobody asked for.

    aiohttp keeps such bytes, and would read them as the answer to the next request.
    """

    def __init__(self, pool: Pool, sockets: Sockets) -> None:
        super().__init__(
            limit=0,  # the semaphore bounds concurrency; this limit would be unfair
            keepalive_timeout=pool.keepalive_s,
            ttl_dns_cache=math.ceil(pool.dns_cache_s),
            socket_factory=sockets,
        )
        Handler.serve(self)
        self._sockets: Final = sockets

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """Get a connection from the pool, or a new one."""
        while True:
            opened = self._sockets.opened
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            is_new = self._sockets.opened > opened
            if is_new or protocol is None or not protocol.should_close:
                return connection
            connection.close()


def session_of(
    borrowed: aiohttp.ClientSession | None, pool: Pool, sockets: Sockets, *, trust_env: bool
) -> aiohttp.ClientSession:
    """Open a session, over the pool of a borrowed one or with a pool of its own.

    Raises:
        ClientClosedError: The borrowed one is closed, or belongs to another event loop.
    """
    if borrowed is None:
        return aiohttp.ClientSession(
            connector=_Connector(pool, sockets),
            request_class=_Request,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=trust_env,
        )
    if borrowed.connector is None or borrowed.closed:
        raise ClientClosedError("the borrowed session is closed")
    try:
        return aiohttp.ClientSession(
            connector=borrowed.connector,
            connector_owner=False,
            request_class=_Request,
            loop=asyncio.get_running_loop(),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=trust_env or borrowed.trust_env,
            trace_configs=borrowed.trace_configs,
            # They have no public name, and a proxy must not be passed by.
            proxy=getattr(borrowed, "_default_proxy", None),
            proxy_auth=getattr(borrowed, "_default_proxy_auth", None),
        )
    except RuntimeError:
        problem = "the borrowed session belongs to another event loop"
    raise ClientClosedError(problem)


class _Attempt:
    """A middleware for one attempt: keeps aiohttp from repeating it, and knows when it leaves.

    aiohttp repeats on exceptions of its own only.
    """

    def __init__(self, limit: asyncio.Timeout, read_s: float | None) -> None:
        self.left = False
        """Whether there was a connection to write the request to."""
        self._limit: Final = limit
        self._read_s: Final = read_s
        self._bounded: ResponseHandler | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send a request on the first connection that can be had, and only there."""
        if isinstance(request, _Request):
            request.attempt = self
        failure: TransportError
        try:
            return await handler(request)
        except (aiohttp.ClientError, OSError) as error:
            failure = failure_of(error, left=self.left)
        finally:
            if self._bounded is not None:
                self._bounded.__class__ = ResponseHandler
        raise failure

    def leave(self, protocol: ResponseHandler | None) -> None:
        """Take note that the request is about to be written: the time for reading begins.

        Until the head of the answer is there, interim answers are bounded. The connection
        may belong to others, so it is theirs again from then on.
        """
        self.left = True
        if type(protocol) is ResponseHandler:
            self._bounded = protocol
            protocol.__class__ = Handler
        if self._read_s is not None:
            latest = asyncio.get_running_loop().time() + self._read_s
            self._limit.reschedule(min(latest, self._limit.when() or math.inf))


class _Request(aiohttp.ClientRequest):
    """aiohttp's request, which tells its attempt that it leaves."""

    attempt: _Attempt | None = None

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Write the request to a connection."""
        if self.attempt is not None:
            self.attempt.leave(conn.protocol)
        return await super().send(conn)
