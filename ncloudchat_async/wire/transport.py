"""Decides which of two ways attempts take to the server; sends nothing itself."""

import os
from typing import Any, Final, Protocol

import aiohttp

from ncloudchat_async.about import __version__
from ncloudchat_async.checks import check_type
from ncloudchat_async.settings import Pool, Timeouts
from ncloudchat_async.wire.auth import Secret
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.direct import DirectTransport, usable
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.public import AiohttpTransport, session_of
from ncloudchat_async.wire.sockets import Sockets

__all__ = ["Transport", "check_session", "open_transport"]

_PROJECT_HEADER: Final = "x-project-id"
_VARIABLE: Final = "NCLOUDCHAT_TRANSPORT"


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


class _Headers(dict[str, str]):
    """Headers whose repr shows no value, for tracebacks that print locals."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


def check_session(session: object) -> None:
    """Refuse what is not a session of aiohttp, with `ConfigError`."""
    check_type("session", session, aiohttp.ClientSession, "an open aiohttp.ClientSession")


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
    headers = _Headers(
        {
            _PROJECT_HEADER: project_id,
            "User-Agent": f"ncloudchat_async/{__version__} aiohttp/{aiohttp.__version__}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
    )
    sockets = Sockets()
    transport: AiohttpTransport | DirectTransport
    public = public or os.environ.get(_VARIABLE) == "public"
    if not (public or trust_env or session is not None) and usable():
        transport = DirectTransport(
            base_url, headers, timeouts=timeouts, pool=pool, sockets=sockets
        )
    else:
        transport = AiohttpTransport(
            session_of(session, pool, sockets, trust_env=trust_env),
            base_url,
            headers,
            timeouts=timeouts,
            max_body_bytes=pool.max_body_bytes,
            sockets=sockets,
        )
    await transport.open()
    transport.use_key(key)
    return transport
