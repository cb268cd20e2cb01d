"""What both ways to the server do with connections: open, count, watch, bound and close them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader

from ncloudchat_async.errors import NoReplyError

__all__ = ["Handler", "Sockets", "Watch", "connecting_s", "owned"]

_CONNECT_RESERVE_S: Final = 0.05
"""Time that connecting leaves of an attempt's, so that its timer fires well before the
attempt's own and the attempt is known not to have been sent."""
_CLOSE_S: Final = 0.5
"""Longest to wait for connections to close."""
_MOST_INTERIM: Final = 20
"""Interim answers (1xx) to one request; one or two are usual."""


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


class Handler(ResponseHandler):
    """aiohttp's protocol, which gives up a server that goes on sending interim answers.

    Nobody but the protocol can: it takes in all that the kernel has, 300,000 interim answers
    and seconds at a time on uvloop, before anything else runs.
    """

    _interim = 0

    @classmethod
    def serve(cls, connector: aiohttp.TCPConnector) -> None:
        """Have a pool of ours make connections with this protocol.

        One that comes with aiohttp's becomes this by its `__class__`, which makes each of its
        attributes slower to reach: 3 us a call.
        """
        factory = partial(cls, loop=asyncio.get_running_loop())
        setattr(connector, "_factory", factory)  # noqa: B010 - not documented

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take in the head of an answer, unless it is one interim answer too many."""
        code = data[0].code
        if code >= 200 or code == 101:
            self._interim = 0
        elif self._interim < _MOST_INTERIM:
            self._interim += 1
        elif self._exception is None:
            self.set_exception(NoReplyError(f"more than {_MOST_INTERIM} interim answers came"))
            if self.transport is not None:
                self.transport.abort()
        if self._exception is None:
            super().feed_data(data, size)


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
    connection and no warning behind. Where a program closes the loop itself and leaves out
    `shutdown_asyncgens`, asyncio warns of its own transports, which nobody can close any more.
    """
    try:
        yield
    finally:
        # Closing waits for data that the server does not take.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await close()
