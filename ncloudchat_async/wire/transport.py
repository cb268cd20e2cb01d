"""One attempt: the only module of the client that knows aiohttp; never repeats or waits twice.

aiohttp itself repeats a GET, PUT or DELETE once when a kept connection turns out dead. A
client middleware re-raises what it would catch as a type of ours, so that attempts counted
are requests on the wire.
"""

import asyncio
import contextlib
import io
import math
import os
import socket
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, Protocol

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.streams import StreamReader
from yarl import URL

from ncloudchat_async.about import __version__
from ncloudchat_async.checks import check_type
from ncloudchat_async.errors import (
    BodyTooLargeError,
    ClientClosedError,
    NcloudChatError,
    NoReplyError,
    TransportError,
)
from ncloudchat_async.settings import Pool, Timeouts
from ncloudchat_async.wire.answers import Response
from ncloudchat_async.wire.auth import Secret
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.failures import failure_of, is_cancelled

__all__ = [
    "KEY_HEADER",
    "AiohttpTransport",
    "Sockets",
    "Transport",
    "Watch",
    "check_session",
    "connecting_s",
    "open_transport",
    "owned",
]

KEY_HEADER: Final = "x-api-key"
_PROJECT_HEADER: Final = "x-project-id"
_VARIABLE: Final = "NCLOUDCHAT_TRANSPORT"
_CONNECT_RESERVE_S: Final = 0.05
"""Time that connecting leaves of an attempt's, so that its timer fires well before the
attempt's own and the attempt is known not to have been sent."""
_AT_ONCE_BYTES: Final = 2**18
"""Largest body that is written in one piece; aiohttp warns of those above 1 MiB."""
_CLOSE_S: Final = 0.5
"""Longest to wait for connections to close."""


class Transport(Protocol):
    """What `Session` needs of a way to the server."""

    @property
    def connections(self) -> int:
        """Sockets opened so far; those of a borrowed session are not counted."""
        ...

    def use_key(self, key: Secret) -> None:
        """Send this key from the next attempt on."""
        ...

    async def perform(self, request: Request[Any], timeout_s: float | None) -> Response:
        """Send a request once and read its complete answer.

        Args:
            request: What to send.
            timeout_s: Seconds for the whole attempt; None: without a bound.

        Raises:
            NotSentError: Nothing reached the server.
            NoReplyError: It may have, and no complete answer came in time.
            BodyTooLargeError: The answer is larger than `Pool.max_body_bytes`.
        """
        ...

    async def aclose(self) -> None:
        """Close what was opened; attempts still running end with `NoReplyError`."""
        ...


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
        try:
            async with self._session.request(
                request.endpoint.method,
                URL(self._base_url + request.target, encoded=True),
                data=_streamed(request.body),
                headers=self._headers,
                allow_redirects=False,
                timeout=self._timeout(timeout_s),
                middlewares=(_once,),
            ) as answer:
                body = await self._read(answer)
                if body is not None:
                    return Response(answer.status, answer.headers, body)
                failure = BodyTooLargeError(
                    f"the answer is larger than Pool.max_body_bytes = {self._max_body_bytes}",
                    applied="unknown",
                )
        except TransportError as error:
            failure = type(error)(*error.args)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            failure = NoReplyError("the connection pool was closed")
        except Exception as error:  # noqa: BLE001 - whatever aiohttp and its codecs raise is no answer
            failure = failure_of(error)
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
        return aiohttp.ClientTimeout(
            total=timeout_s,
            connect=connecting_s(self._connect_s, timeout_s),
            sock_read=self._read_s,
            # Above its threshold aiohttp rounds timers up to whole seconds: far too late.
            ceil_threshold=math.inf,
        )

    async def aclose(self) -> None:
        """Close the connections, unless they are borrowed."""
        await self._owner.aclose()


def connecting_s(connect_s: float | None, timeout_s: float | None) -> float | None:
    """Bound connecting by its own limit, and below the attempt's."""
    if timeout_s is None:
        return connect_s
    most = timeout_s - min(_CONNECT_RESERVE_S, timeout_s / 4)
    return most if connect_s is None else min(connect_s, most)


async def owned(close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Close a pool at the end of this generator, which comes whatever a program forgets.

    asyncio itself ends an async generator when it is garbage collected, in its loop, and
    before `asyncio.run` closes the loop. So a client that is never closed leaves no
    connection and no warning behind.
    """
    try:
        yield
    finally:
        # Closing waits for data that the server does not take.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await close()


def _forget(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
    """Let go of a session whose loop was closed without care for its generators."""
    if loop.is_closed() and not session.closed:
        connector, owned = session.connector, session.connector_owner
        session.detach()
        if connector is not None and owned:
            # With its loop closed there is nothing to wait for: this runs to its end.
            with contextlib.suppress(StopIteration):
                connector.close().__await__().send(None)


class Watch:
    """Has the body that is being read fail when its connection ends before it.

    aiohttp closes the connection over a broken chunk, and leaves the reader of the body
    waiting for its timeout. One callback serves a connection for its life.
    """

    def __init__(self, protocol: ResponseHandler) -> None:
        self.body: StreamReader | None = None
        closed = protocol.closed
        if closed is not None:
            closed.add_done_callback(self._end)

    def _end(self, closed: "asyncio.Future[None]") -> None:
        # An exception that nobody asks a future for is reported as an error.
        lost = closed.cancelled() or closed.exception() is not None
        body = self.body
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError("lost" if lost else "closed"))


def _streamed(body: bytes | None) -> bytes | io.BytesIO | None:
    """Have a large body sent in parts: written at once it would hold up the event loop."""
    return body if body is None or len(body) <= _AT_ONCE_BYTES else io.BytesIO(body)


class _Headers(dict[str, str]):
    """Headers whose repr shows no value, for tracebacks that print locals."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


class Sockets:
    """Opens the sockets of a pool, and counts them."""

    def __init__(self) -> None:
        self.opened: int = 0

    def __call__(self, address: Any) -> socket.socket:
        """Open the socket for an address, as `getaddrinfo` describes it."""
        family, kind, protocol, _, _ = address
        opened = socket.socket(family, kind, protocol)
        self.opened += 1
        return opened


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


def check_session(session: object) -> None:
    """Refuse what is not a session of aiohttp, with `ConfigError`."""
    check_type("session", session, aiohttp.ClientSession, "an open aiohttp.ClientSession")


def _session_over(borrowed: aiohttp.ClientSession, *, trust_env: bool) -> aiohttp.ClientSession:
    """Open a session over the pool of another one.

    Raises:
        ClientClosedError: The other one is closed, or belongs to another event loop.
    """
    if borrowed.connector is None or borrowed.closed:
        raise ClientClosedError("the borrowed session is closed")
    try:
        return aiohttp.ClientSession(
            connector=borrowed.connector,
            connector_owner=False,
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


async def open_transport(
    base_url: str,
    project_id: str,
    key: Secret,
    *,
    timeouts: Timeouts,
    pool: Pool,
    session: aiohttp.ClientSession | None = None,
    trust_env: bool = False,
    public: bool = False,
) -> Transport:
    """Open a way to the server for the running event loop.

    The direct one is taken unless something is asked for that only aiohttp's session does (a
    borrowed session, proxies), the environment has `NCLOUDCHAT_TRANSPORT=public`, or the
    installed aiohttp is not as expected.

    Args:
        base_url: Where the platform is, without a trailing slash.
        project_id: The project, for its header.
        key: The key to begin with.
        timeouts: Bounds of connecting and reading.
        pool: How connections are kept.
        session: An open session whose connector is borrowed; None: one of our own.
        trust_env: Use the proxies of the environment.
        public: Do without the direct one.

    Raises:
        ClientClosedError: The borrowed session is closed, or of another event loop.
    """
    from ncloudchat_async.wire import direct  # noqa: PLC0415 - it shares the errors of this module

    headers = _Headers(
        {
            _PROJECT_HEADER: project_id,
            "User-Agent": f"ncloudchat_async/{__version__} aiohttp/{aiohttp.__version__}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
    )
    sockets = Sockets()
    transport: AiohttpTransport | direct.DirectTransport
    public = public or os.environ.get(_VARIABLE) == "public"
    if not (public or trust_env or session is not None) and direct.usable():
        transport = direct.DirectTransport(
            base_url, headers, timeouts=timeouts, pool=pool, sockets=sockets
        )
    else:
        if session is None:
            used = aiohttp.ClientSession(
                connector=_Connector(pool, sockets),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=trust_env,
            )
        else:
            used = _session_over(session, trust_env=trust_env)
        transport = AiohttpTransport(
            used,
            base_url,
            headers,
            timeouts=timeouts,
            max_body_bytes=pool.max_body_bytes,
            sockets=sockets,
        )
    await transport.open()
    transport.use_key(key)
    return transport


async def _once(
    request: aiohttp.ClientRequest, handler: ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a request: it does so only on exceptions of its own."""
    failure: TransportError
    try:
        return await handler(request)
    except (aiohttp.ClientError, OSError) as error:
        failure = failure_of(error)
    raise failure
