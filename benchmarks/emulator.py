"""How fast the emulator starts and answers: `python -m benchmarks.emulator`.

The server runs in a process of its own on one core, the load on another over raw sockets,
so that neither a client library nor the load's own cost is in the figures. Answers are
checked before anything is timed. `per core` divides requests by the server's CPU time and
holds on a busy machine too; `wall` is what the load saw.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

_SERVER = """
import asyncio, time
from ncloudchat_async.emulator import Emulator

async def main():
    begun = time.perf_counter()
    async with Emulator() as emulator:
        started_ms = (time.perf_counter() - begun) * 1000
        seeded = emulator.seed(members=100, channels=1, messages_per_channel=1000)
        print(emulator.base_url, emulator.project_id, emulator.api_key, seeded.channel_ids[0],
              f"{started_ms:.1f}", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
_LIST = "filter=%7B%7D&option=%7B%22offset%22%3A100%2C%22per_page%22%3A100%7D"


def _request(method: str, path: str, project: str, key: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-project-id: {project}\r\n"
        f"x-api-key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection:
    """One keep-alive connection that sends, then waits for the answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        return int(head.split(" ")[1]), await self.reader.readexactly(length)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _load(
    pid: int, connections: list[_Connection], request: bytes, count: int
) -> tuple[float, float]:
    """Send requests over all connections; return requests per wall and per CPU second."""
    each = count // len(connections)

    async def send(connection: _Connection) -> None:
        for _ in range(each):
            status, _body = await connection.ask(request)
            assert status == 200

    cpu_s, begun = _cpu_s(pid), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(send(connection))
    wall_s = time.perf_counter() - begun
    done = each * len(connections)
    return done / wall_s, done / max(_cpu_s(pid) - cpu_s, 0.01)


async def _measure(pid: int, words: list[str], count: int) -> None:
    base_url, project, key, channel, started_ms = words
    target = urlsplit(base_url)
    connections = [
        _Connection(*await asyncio.open_connection(target.hostname, target.port)) for _ in range(32)
    ]
    send = _request(
        "POST", f"/v1/api/messages/{channel}", project, key, json.dumps({"content": "hi"}).encode()
    )
    get = _request("GET", "/v1/api/members/member-000007", project, key)
    page = _request("GET", f"/v1/api/messages/{channel}?{_LIST}", project, key)
    status, body = await connections[0].ask(send)
    assert (status, json.loads(body)["message"]["content"]) == (200, "hi")
    status, body = await connections[0].ask(get)
    assert (status, json.loads(body)["id"]) == (200, "member-000007")
    status, body = await connections[0].ask(page)
    assert (status, len(json.loads(body))) == (200, 100)
    print(f"start: {started_ms} ms")
    for name, request, part in (("get", get, 1.0), ("send", send, 1.0), ("list 100", page, 0.2)):
        wall, core = await _load(pid, connections, request, int(count * part))
        print(f"{name:>8}: {wall:8.0f} requests/s wall, {core:8.0f} per core")
    for connection in connections:
        connection.writer.close()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    count = parser.parse_args(argv).requests
    cores = sorted(os.sched_getaffinity(0))
    begun = time.perf_counter()
    server = subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(server.pid, {cores[0]})
    os.sched_setaffinity(0, {cores[-1]})
    try:
        assert server.stdout is not None
        words = server.stdout.readline().split()
        print(f"process to first answer: {(time.perf_counter() - begun) * 1000:.0f} ms")
        asyncio.run(_measure(server.pid, words, count))
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


if __name__ == "__main__":
    main()
