"""One attempt: the only module of the client that knows aiohttp; never repeats or waits twice.

aiohttp itself repeats a GET, PUT or DELETE once when a kept connection turns out dead. A
client middleware re-raises what it would catch as a type of ours, so that attempts counted
are requests on the wire.
"""

import errno
import math
import os
import socket
import ssl
import zlib
from typing import Any, Final, Protocol

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from ncloudchat_async.about import __version__
from ncloudchat_async.errors import (
    BodyTooLargeError,
    NcloudChatError,
    NoReplyError,
    NotSentError,
    TransportError,
)
from ncloudchat_async.settings import Pool, Timeouts
from ncloudchat_async.wire.answers import Response
from ncloudchat_async.wire.auth import Secret
from ncloudchat_async.wire.endpoint import Request

__all__ = [
    "CONNECT_SHARE",
    "KEY_HEADER",
    "AiohttpTransport",
    "Transport",
    "failure_of",
    "open_transport",
]

KEY_HEADER: Final = "x-api-key"
_PROJECT_HEADER: Final = "x-project-id"
_VARIABLE: Final = "NCLOUDCHAT_TRANSPORT"
CONNECT_SHARE: Final = 0.98
"""Share of an attempt's time that connecting may take, so that its timer always fires
before the attempt's own and the attempt is known not to have been sent."""


class Transport(Protocol):
    """What `Session` needs of a way to the server."""

    connections: int
    """Sockets opened so far."""

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

    Must be made inside the loop that will use it. A borrowed session is neither changed
    nor closed.
    """

    def __init__(
        self,
        base_url: str,
        headers: dict[str, str],
        *,
        timeouts: Timeouts,
        pool: Pool,
        session: aiohttp.ClientSession | None = None,
        trust_env: bool = False,
    ) -> None:
        self.connections = 0
        self._base_url: Final = base_url
        self._connect_s: Final = timeouts.connect_s
        self._max_body_bytes: Final = pool.max_body_bytes
        self._headers: Final = _Headers(headers)
        self._borrowed: Final = session is not None
        self._session: Final = session or aiohttp.ClientSession(
            # The semaphore bounds concurrency; the connector's own limit is unfair.
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=pool.keepalive_s,
                ttl_dns_cache=math.ceil(pool.dns_cache_s),
                socket_factory=self._open_socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=trust_env,
        )

    def _open_socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, _ = address
        opened = socket.socket(family, kind, protocol)
        self.connections += 1
        return opened

    def use_key(self, key: Secret) -> None:
        """Send this key from the next attempt on."""
        self._headers[KEY_HEADER] = key.reveal()

    async def perform(self, request: Request[Any], timeout_s: float | None) -> Response:
        """Send a request once and read its complete answer: see `Transport.perform`."""
        # The failure is raised outside of the except blocks, so that it holds no reference
        # to an aiohttp exception, whose traceback and request carry the headers.
        failure: NcloudChatError
        try:
            async with self._session.request(
                request.endpoint.method,
                URL(self._base_url + request.target, encoded=True),
                data=request.body,
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
        except TimeoutError:
            failure = NoReplyError("no complete answer in time")
        except (aiohttp.ClientError, OSError, zlib.error, ValueError) as error:
            failure = failure_of(error)
        raise failure

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes | None:
        """Read the body up to the cap, decoded; None when it is larger."""
        if (answer.content_length or 0) > self._max_body_bytes:
            answer.close()
            return None
        chunks: list[bytes] = []
        left = self._max_body_bytes
        async for chunk in answer.content.iter_any():
            left -= len(chunk)
            if left < 0:
                answer.close()
                return None
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _timeout(self, timeout_s: float | None) -> aiohttp.ClientTimeout:
        connect_s = self._connect_s
        if timeout_s is not None:
            share = timeout_s * CONNECT_SHARE
            connect_s = share if connect_s is None else min(connect_s, share)
        # Above its threshold aiohttp rounds timers up to whole seconds: far too late.
        return aiohttp.ClientTimeout(total=timeout_s, connect=connect_s, ceil_threshold=math.inf)

    async def aclose(self) -> None:
        """Close the session and its connections, unless they are borrowed."""
        if not self._borrowed:
            await self._session.close()


class _Headers(dict[str, str]):
    """Headers whose repr shows no value, for tracebacks that print locals."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


def open_transport(
    base_url: str,
    project_id: str,
    key: Secret,
    *,
    timeouts: Timeouts,
    pool: Pool,
    session: aiohttp.ClientSession | None = None,
    trust_env: bool = False,
) -> Transport:
    """Open a way to the server for the running event loop.

    The direct one is taken where nothing it leaves out is asked for: no borrowed session,
    no proxies, and not `NCLOUDCHAT_TRANSPORT=public` in the environment.
    """
    from ncloudchat_async.wire import direct  # noqa: PLC0415 - it shares this module's errors

    headers = {
        _PROJECT_HEADER: project_id,
        "User-Agent": f"ncloudchat_async/{__version__} aiohttp/{aiohttp.__version__}",
        "Accept": "application/json",
        "Content-Type": "application/json",
    }
    public = session is not None or trust_env or os.environ.get(_VARIABLE) == "public"
    transport: Transport
    if public or not direct.usable():
        transport = AiohttpTransport(
            base_url, headers, timeouts=timeouts, pool=pool, session=session, trust_env=trust_env
        )
    else:
        transport = direct.DirectTransport(base_url, headers, timeouts=timeouts, pool=pool)
    transport.use_key(key)
    return transport


async def _once(
    request: aiohttp.ClientRequest, handler: ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a request: it does so only on exceptions of its own."""
    failure: TransportError
    try:
        return await handler(request)
    except TimeoutError as error:
        if not isinstance(error, aiohttp.ConnectionTimeoutError):
            raise
        failure = failure_of(error)
    except (aiohttp.ClientError, OSError) as error:
        failure = failure_of(error)
    raise failure


# Looked through in order, since the types inherit from one another.
_FAILURES: Final[tuple[tuple[type[Exception], type[TransportError], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, NotSentError, "connecting took too long"),
    (aiohttp.ClientConnectorDNSError, NotSentError, "the host name cannot be resolved"),
    (aiohttp.ClientConnectorCertificateError, NotSentError, "the certificate is not accepted"),
    (aiohttp.ClientConnectorError, NotSentError, "cannot connect"),
    (aiohttp.InvalidURL, NotSentError, "the address is not valid"),
    (aiohttp.ServerDisconnectedError, NoReplyError, "the connection was closed unanswered"),
    (aiohttp.ClientPayloadError, NoReplyError, "the answer's body is cut short or broken"),
    (OSError, NoReplyError, "the connection was lost"),
    (Exception, NoReplyError, "the answer is not valid HTTP"),
)


def failure_of(error: Exception) -> TransportError:
    """Tell by the type of an aiohttp error whether the request can have left."""
    kind, text = next((k, text) for known, k, text in _FAILURES if isinstance(error, known))
    return kind(f"{text} ({_reason(error)})")


def _reason(error: Exception) -> str:
    """Name the cause without its text, which may repeat headers or addresses."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    number = getattr(cause, "errno", None)
    return (
        f"{type(cause).__name__} {errno.errorcode.get(number, number)}"
        if number
        else (type(cause).__name__)
    )
