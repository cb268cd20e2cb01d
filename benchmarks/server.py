"""A server that costs little: canned answers over plain sockets, in a process of its own.

It answers what the contenders ask, each in the form its client expects, after a latency with
jitter and within a limit when told so. It runs on another core than the client and tells how
much of that core it used, so that a benchmark can say whether the server was what it measured.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, cast

import msgspec

from benchmarks.limiters import Limiter, limiter
from benchmarks.loops import run

__all__ = ["MESSAGE", "PAGE", "Load", "Server", "apart", "serving", "started"]


def _message(number: int) -> dict[str, object]:
    """Build a message as the platform shows it."""
    return {
        "id": f"66a0f1c2{number:016x}",
        "message_id": f"66a0f1c2{number:016x}",
        "channel_id": "channel-000001",
        "sort_id": str(1721823682000 + number),
        "message_type": "text",
        "sender": {"id": "member-000007", "name": "김철수", "profile": "https://example.com/7.png"},
        "admin": {"id": "", "name": "", "profile": ""},
        "attachment_filenames": {"name": "", "size": 0, "type": "text", "url": ""},
        "has": "",
        "embed_providers": "",
        "embed_type": "",
        "isExpress": False,
        "link_hostnames": "",
        "mentions": [],
        "mentions_everyone": "false",
        "content": "안녕하세요, the quick brown fox jumps over the lazy dog.",
        "sended_at": "2026-07-24T12:21:22.000Z",
        "created_at": "2026-07-24T12:21:22.000Z",
        "bytes": 61,
        "parent_message_id": "",
    }


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


MESSAGE: Final = _encoded({"message": _message(1), "status": 1})
"""What answers a sent message."""
PAGE: Final = _encoded([_message(n) for n in range(100)])
"""What answers for a page of 100 messages."""
_REFUSAL: Final = _encoded({"error": {"errorCode": "410", "message": "Throttle limit exceeded"}})


def _answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/json; charset=utf-8\r\n"
        b"Date: Fri, 24 Jul 2026 12:21:22 GMT\r\nX-Request-Id: 7f3b0a52c1d94e6f\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (status, len(body), body)
    )


_ANSWERS: Final = (
    (b"POST /v1/api/messages/", _answer(MESSAGE)),
    (b"GET /v1/api/messages/", _answer(PAGE)),
    (b"POST /api/chat.postMessage", _answer(_encoded({"ok": True, "message": _message(1)}))),
    (b"POST /channels/", _answer(_encoded({"message": _message(1), "duration": "1ms"}), b"201 OK")),
)
_UNKNOWN: Final = _answer(b'{"message":"no such page"}', b"404 Not Found")
_SLOWER: Final = _answer(_REFUSAL, b"429 Too Many Requests")


class Load(msgspec.Struct, frozen=True):
    """What a server has done since it started."""

    cpu_s: float
    wall_s: float
    served: int
    refused: int

    def __sub__(self, other: "Load") -> "Load":
        """Return what was done in between."""
        return Load(
            self.cpu_s - other.cpu_s,
            self.wall_s - other.wall_s,
            self.served - other.served,
            self.refused - other.refused,
        )

    @property
    def share(self) -> float:
        """How much of its core the server used, 1.0 when it could not have done more."""
        return self.cpu_s / self.wall_s


class _State:
    """What all connections of the server share."""

    def __init__(self, latency_s: float, jitter: float, limiter: Limiter | None) -> None:
        self.latency_s = latency_s
        self.jitter = jitter
        self.limiter = limiter
        self.served = 0
        self.refused = 0

    def control(self, request: bytes) -> bytes:
        """Change the limit where that is asked for, and tell what was done so far."""
        factor = request.split(b" ", 2)[1].rpartition(b"/")[2]
        if self.limiter and factor != b"_load":
            self.limiter.limit *= float(factor)
        load = Load(time.process_time(), time.monotonic(), self.served, self.refused)
        return _answer(msgspec.json.encode(load))


class _Connection(asyncio.Protocol):
    """Answers the requests of one connection in their order."""

    def __init__(self, state: _State) -> None:
        self._state: Final = state
        self._loop: Final = asyncio.get_running_loop()
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._left + data
        while (end := data.find(b"\r\n\r\n") + 4) > 3:
            size = end + _length(data, end)
            if len(data) < size:
                break
            self._respond(data[:size])
            data = data[size:]
        self._left = data

    def _respond(self, request: bytes) -> None:
        state = self._state
        if request.startswith(b"GET /_"):
            self._transport.write(state.control(request))
            return
        answer = next((a for start, a in _ANSWERS if request.startswith(start)), _UNKNOWN)
        if state.limiter and state.limiter.admit(time.monotonic()) is not None:
            state.refused += 1
            answer = _SLOWER
        state.served += 1
        if not state.latency_s:
            self._transport.write(answer)
            return
        spread = state.jitter * (2.0 * random.random() - 1.0)
        self._loop.call_later(state.latency_s * (1.0 + spread), self._write, answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def _length(data: bytes, end: int) -> int:
    """Read Content-Length, however it is written."""
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    return int(head[at + 17 : head.index(b"\r", at + 17)])


class Server:
    """A running server, from the client's side."""

    def __init__(self, port: int) -> None:
        self.base_url: Final = f"http://127.0.0.1:{port}"
        self._port: Final = port

    def load(self) -> Load:
        """Ask what it has done so far."""
        return self._control("_load")

    def change(self, factor: float) -> None:
        """Multiply its limit."""
        self._control(f"_limit/{factor}")

    def _control(self, path: str) -> Load:
        with socket.create_connection(("127.0.0.1", self._port)) as asking:
            asking.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = asking.recv(65536)
        return msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=Load)


@contextlib.contextmanager
def apart() -> Iterator[int]:
    """Keep this process off one core meanwhile, which is given for servers to run on."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))
    try:
        yield cores[0]
    finally:
        os.sched_setaffinity(0, set(cores))


@contextlib.contextmanager
def started(
    core: int,
    *,
    latency_s: float = 0.0,
    jitter: float = 0.0,
    limit: float | None = None,
    kind: str = "bucket",
) -> Iterator[Server]:
    """Start a server on that core.

    Args:
        core: Number of the core.
        latency_s: Seconds from a request to its answer.
        jitter: Share of the latency that an answer may come earlier or later, 0 to 1.
        limit: Requests per second that are answered, beyond it by 429; None: all.
        kind: How the server counts them, as in `benchmarks.limiters`.
    """
    words = [sys.executable, "-m", "benchmarks.server", "--core", str(core), "--kind", kind]
    words += ["--latency", str(latency_s), "--jitter", str(jitter), "--limit", str(limit or 0.0)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.communicate()


@contextlib.contextmanager
def serving(
    *, latency_s: float = 0.0, jitter: float = 0.0, limit: float | None = None
) -> Iterator[Server]:
    """Start one server on a core of its own, with a bucket of 10 ms if it has a limit."""
    with (
        apart() as core,
        started(core, latency_s=latency_s, jitter=jitter, limit=limit) as server,
    ):
        yield server


async def _serve(state: _State) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(state), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--limit", type=float, default=0.0)
    parser.add_argument("--kind", default="bucket")
    options = parser.parse_args(argv)
    os.sched_setaffinity(0, {options.core})
    limits = limiter(options.kind, options.limit) if options.limit else None
    run(_serve(_State(options.latency, options.jitter, limits)), uv=True)


if __name__ == "__main__":
    _main()
