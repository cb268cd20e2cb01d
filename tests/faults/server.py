"""A server that breaks HTTP on purpose, over raw sockets.

The first segment of the path names the scenario and the second one the case, whose
requests are counted: `server.url("hang", "put")` is a base URL. It runs in a thread with a
loop of its own, so that a test sees no task or callback but those of the client.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NamedTuple, Self

__all__ = ["SCENARIOS", "FaultServer", "Request", "Wire", "answer", "scenario"]

OWN_LISTENERS = ("refused", "black_hole", "reset_at_accept", "closed_at_accept", "tls", "tls_hang")
"""Scenarios below HTTP: each has a port of its own."""


class Request(NamedTuple):
    """What was read of a request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection, to be broken."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        self.seen = 0
        """Requests read from this connection."""
        self.open = True

    async def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def drip(self, data: bytes, pause_s: float = 0.02) -> None:
        """Write bytes one at a time."""
        for i in range(len(data)):
            await self.send(data[i : i + 1])
            await asyncio.sleep(pause_s)

    async def gone(self) -> None:
        """Wait until the other side closes."""
        await self.reader.read()
        self.close()

    def deafen(self) -> None:
        """Read nothing more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's can

    def reset(self) -> None:
        """Close with RST."""
        raw = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self.open = False

    def close(self) -> None:
        """Close with FIN."""
        self._writer.close()
        self.open = False


Scenario = Callable[[Wire, Request], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}
"""Every scenario that answers, or fails to, once a request was read."""


def scenario(function: Scenario) -> Scenario:
    """Add a scenario under the name of its function."""
    SCENARIOS[function.__name__] = function
    return function


def answer(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """Build a correct answer, unless `length` says otherwise."""
    lines = [f"HTTP/1.1 {status} Whatever", *headers]
    if not any(h.lower().startswith("content-type") for h in headers):
        lines.append("Content-Type: application/json")
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class FaultServer:
    """Runs in a thread from `with` to its end."""

    def __init__(self, certificate: ssl.SSLContext | None = None) -> None:
        self.requests: Counter[str] = Counter()
        """Requests read completely, by `scenario/case`."""
        self.played: Counter[str] = Counter()
        """Requests whose scenario has come to its end, likewise."""
        self.partial: Counter[str] = Counter()
        """Connections that ended within a request, by scenario, `?` where none was read."""
        self.accepted: Counter[str] = Counter()
        """Connections to scenarios below HTTP."""
        self.last: dict[str, Request] = {}
        """The latest request of each `scenario/case`."""
        self._certificate = certificate
        self._ports: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._clogs: list[socket.socket] = []
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        """Start listening."""
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections and the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()
        for clog in self._clogs:
            clog.close()

    def url(self, name: str, case: str = "x") -> str:
        """Return the base URL of a scenario; requests are counted under its case."""
        listener = name if name in self._ports else "http"
        scheme = "https" if name.startswith("tls") else "http"
        return f"{scheme}://127.0.0.1:{self._ports[listener]}/{name}/{case}"

    def seen(self, name: str, case: str = "x") -> int:
        """Count what reached the server: requests, or connections below HTTP."""
        return self.accepted[name] if name in self._ports else self.requests[f"{name}/{case}"]

    async def until_seen(self, name: str, case: str = "x", *, requests: int = 1) -> None:
        """Wait until so many requests, or connections, of a scenario have arrived."""
        async with asyncio.timeout(5):
            while self.seen(name, case) < requests:  # noqa: ASYNC110 - counted in another thread
                await asyncio.sleep(0.001)

    async def until_played(self, name: str, case: str = "x", *, requests: int = 1) -> None:
        """Wait until so many requests were dealt with, and what was sent has been read."""
        async with asyncio.timeout(5):
            while self.played[f"{name}/{case}"] < requests:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)
        for _ in range(20):
            await asyncio.sleep(0)

    async def _run(self) -> None:
        self._dig_holes()
        async with contextlib.AsyncExitStack() as stack:
            for name, handler, tls in (
                ("http", self._serve, None),
                ("reset_at_accept", self._reset_at_accept, None),
                ("closed_at_accept", self._close_at_accept, None),
                ("tls_hang", self._hang_at_accept, None),
                ("tls", self._serve, self._certificate),
            ):
                server = await stack.enter_async_context(
                    await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls, limit=2**20)
                )
                self._ports[name] = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop.wait()
            for writer in self._writers:
                writer.transport.abort()
            for task in (rest := asyncio.all_tasks() - {asyncio.current_task()}):
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

    def _dig_holes(self) -> None:
        """Make a port where nobody listens, and one that lets connections hang."""
        closed = socket.create_server(("127.0.0.1", 0))
        self._ports["refused"] = closed.getsockname()[1]
        closed.close()
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        self._ports["black_hole"] = full.getsockname()[1]
        self._clogs.append(full)
        # Linux drops further SYNs once the queue of unaccepted connections is full.
        for _ in range(2):
            clog = socket.socket()
            clog.setblocking(False)
            clog.connect_ex(full.getsockname())
            self._clogs.append(clog)

    async def _reset_at_accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.accepted["reset_at_accept"] += 1
        Wire(reader, writer).reset()

    async def _close_at_accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.accepted["closed_at_accept"] += 1
        writer.close()

    async def _hang_at_accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.accepted["tls_hang"] += 1
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.read()
        self._writers.discard(writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        wire = Wire(reader, writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while wire.open:
                name, request = await self._read(wire)
                await SCENARIOS[name](wire, request)
                self.played["/".join(request.path.split("/")[1:3])] += 1
        self._writers.discard(writer)
        writer.close()

    async def _read(self, wire: Wire) -> tuple[str, Request]:
        name = "?"
        try:
            head = await wire.reader.readuntil(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            method, path, _ = line.split(" ")
            _, name, case, *_ = path.split("/")
            headers = {k.lower(): v for k, v in (f.split(": ", 1) for f in fields if f)}
            body = b""
            if name == "never_reads":
                wire.deafen()
            else:
                body = await wire.reader.readexactly(int(headers.get("content-length", 0)))
        except asyncio.IncompleteReadError as error:
            if error.partial or name != "?":
                self.partial[name] += 1
            raise
        wire.seen += 1
        request = Request(method, path, headers, body)
        self.last[f"{name}/{case}"] = request
        self.requests[f"{name}/{case}"] += 1
        return name, request
