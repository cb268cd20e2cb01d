"""Print how close pages in flight come to `pages / window * latency`, and what they hold.

`python -m benchmarks.paging`: time, calls against a plain pager, memory for a million rows.
The server is a function that sleeps: what is measured is the pager, not the wire. Each time
is given twice. `virtual` runs on a clock that moves only while everybody waits and shows
what the order of the requests costs. `wall` includes the CPU and whatever else the machine
does; the floor beside it is as many workers that fetch the same pages in any order.

`--socket` reads messages with the client from a server in a process of its own instead; its
floor is workers that read single pages with the same client.
"""

import argparse
import asyncio
import gc
import random
import selectors
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Coroutine, Sequence

import msgspec

from benchmarks.figures import Figure, Result
from ncloudchat_async import Client, Quota
from ncloudchat_async.paging import Pages

PER_PAGE = 100
LATENCY_S = 0.020
MB = 2**20


class Row(msgspec.Struct, frozen=True):
    """A small row, with an id as long as the platform's."""

    id: str


class Server:
    """A list that does not move, made up as it is asked for."""

    def __init__(self, rows: int, latency_s: float = 0.0, *, jitter: bool = False) -> None:
        self.rows = rows
        self.calls = 0
        self._latency_s = latency_s
        self._jitter = random.Random(10) if jitter else None

    async def fetch(self, offset: int, per_page: int) -> Sequence[Row]:
        """Answer a page after the latency, or after 0 to 2 times it with jitter."""
        self.calls += 1
        factor = self._jitter.uniform(0, 2) if self._jitter else 1
        if self._latency_s:
            await asyncio.sleep(self._latency_s * factor)
        last = min(self.rows, offset + per_page)
        return [Row(f"{number:024x}") for number in range(offset, last)]


async def plain(server: Server) -> int:
    """Read everything as one does without a pager, and return the calls."""
    offset = 0
    while page := await server.fetch(offset, PER_PAGE):
        offset += len(page)
    return server.calls


async def read(server: Server, window: int) -> None:
    """Read every row once, and check that."""
    came = 0
    async for row in Pages(server.fetch, operation="bench", window=window):
        assert row.id == f"{came:024x}", "a row was missed, repeated or out of order"
        came += 1
    assert came == server.rows, "rows at the end were missed"


async def floor(server: Server, window: int) -> None:
    """Fetch the pages in any order, with as many in flight: what no pager can beat."""
    offsets = iter(range(0, server.rows, PER_PAGE))

    async def work() -> None:
        for offset in offsets:
            await server.fetch(offset, PER_PAGE)

    async with asyncio.TaskGroup() as workers:
        for _ in range(window):
            workers.create_task(work())


def wall(reading: Coroutine[None, None, None]) -> float:
    """Seconds that a reading takes."""
    begun = time.perf_counter()
    asyncio.run(reading)
    return time.perf_counter() - begun


class _NoWait(selectors.DefaultSelector):
    """Lets the clock of its loop jump over the time that would be waited."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Give what is ready now."""
        self.now += timeout or 0.0
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on which computing takes no time and waiting takes none of ours."""

    def __init__(self) -> None:
        self._clock = _NoWait()
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds that were not waited."""
        return self._clock.now


def virtual(reading: Coroutine[None, None, None]) -> float:
    """Seconds that a reading takes if computing takes none."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        runner.run(reading)
        return runner.get_loop().time()


def timing(pages: int, window: int, repeat: int, *, jitter: bool) -> tuple[float, float]:
    """Print and return time over pages / window * latency: virtual, and by the wall clock."""
    ideal = pages / window * LATENCY_S

    def server() -> Server:
        return Server(pages * PER_PAGE, LATENCY_S, jitter=jitter)

    scheduled = virtual(read(server(), window)) / ideal
    ours: list[float] = []
    floors: list[float] = []
    for _ in range(repeat):
        ours.append(wall(read(server(), window)) / ideal)
        floors.append(wall(floor(server(), window)) / ideal)
    measured = statistics.median(ours)
    print(
        f"  {'latency +-100 %' if jitter else 'steady latency':16} "
        f"window {window:2}  virtual {scheduled:.3f}  "
        f"wall {measured:.3f} (floor {statistics.median(floors):.3f})"
    )
    return scheduled, measured


async def calls(rows: int) -> tuple[int, int]:
    """Count the calls of a plain pager and of this one."""
    server = Server(rows)
    assert len(await Pages(server.fetch, operation="bench").to_list()) == rows
    return await plain(Server(rows)), server.calls


async def memory(rows: int, window: int) -> tuple[float, float]:
    """Bytes held after a tenth of the rows and at the most after that, in MB."""
    server = Server(rows)
    tracemalloc.start()
    warm, seen, most = 0, 0, 0
    async for _ in Pages(server.fetch, operation="bench", window=window):
        seen += 1
        if seen == rows // 10:
            gc.collect()
            warm = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == rows, "a row was missed or repeated"
    return warm / MB, most / MB


async def cost(rows: int) -> tuple[float, float]:
    """CPU of one page in microseconds: the server alone, and with the pager around it."""
    begun = time.process_time()
    await plain(Server(rows))
    alone = time.process_time() - begun
    begun = time.process_time()
    async for _ in Pages(Server(rows).fetch, operation="bench"):
        pass
    both = time.process_time() - begun
    scale = 1e6 / (rows / PER_PAGE)
    return alone * scale, both * scale


_SERVER = r"""
import asyncio, re, sys
from urllib.parse import unquote
import msgspec

pages, latency_s = int(sys.argv[1]), float(sys.argv[2])
message = msgspec.json.decode(sys.argv[3])
head, tail = msgspec.json.encode({**message, "id": "%024x"}).split(b"%024x")
option = re.compile(r'"offset":(\d+),"per_page":(\d+)')

async def answer(request):
    offset, per_page = map(int, option.search(unquote(request.decode())).groups())
    rows = range(offset, min(pages * 100, offset + per_page))
    body = b"[%s]" % b",".join(b"%s%024x%s" % (head, row, tail) for row in rows)
    await asyncio.sleep(latency_s)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" \
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)

async def serve(reader, writer):
    try:
        while True:
            writer.write(await answer(await reader.readuntil(b"\r\n\r\n")))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
_MESSAGE = {
    "channel_id": "channel-000001",
    "sort_id": "1721823682000",
    "message_type": "text",
    "sender": {"id": "member-000007", "name": "Kim", "profile": None},
    "content": "The quick brown fox jumps over the lazy dog.",
    "sended_at": "2026-07-24T12:21:22.000Z",
    "created_at": "2026-07-24T12:21:22.000Z",
}


async def over_a_socket(pages: int, window: int, port: int) -> tuple[float, float]:
    """Time over the ideal: reading a channel, and workers that read its pages singly."""
    rows, ideal = pages * PER_PAGE, pages / window * LATENCY_S
    quota = Quota(rate=1e6, burst=64, adaptive=False)
    address = f"http://127.0.0.1:{port}"
    async with Client("bench", "key", base_url=address, quota=quota) as chat:
        await chat.messages.list("channel-000001", window=window, limit=3_000).to_list()
        begun, came = time.perf_counter(), 0
        async for message in chat.messages.list("channel-000001", window=window):
            assert message.id == f"{came:024x}", "a row was missed, repeated or out of order"
            came += 1
        ours = time.perf_counter() - begun
        assert came == rows, "rows at the end were missed"

        offsets = iter(range(0, rows, PER_PAGE))

        async def work() -> None:
            for offset in offsets:
                await chat.messages.list("channel-000001", offset=offset, limit=100).to_list()

        begun = time.perf_counter()
        async with asyncio.TaskGroup() as workers:
            for _ in range(window):
                workers.create_task(work())
        return ours / ideal, (time.perf_counter() - begun) / ideal


def socket_timing(pages: int) -> None:
    """Print the times of reading with the client."""
    arguments = [str(pages), str(LATENCY_S), msgspec.json.encode(_MESSAGE).decode()]
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        for window in (1, 4, 8, 16):
            ours, floor = asyncio.run(over_a_socket(pages, window, port))
            print(f"  window {window:2}  wall {ours:.3f} (floor {floor:.3f})")
    finally:
        server.terminate()
        server.wait()


def main(argv: Sequence[str] | None = None) -> Result:
    """Run what was asked for, print it, and judge windows of 4 and more."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paging", description=__doc__)
    parser.add_argument("--pages", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--socket", action="store_true")
    options = parser.parse_args(argv)

    print(f"{options.pages} pages of {PER_PAGE} rows, {LATENCY_S * 1000:.0f} ms a page:")
    print("time over pages / window * latency (must be <= 1.15 from window 4 on)")
    if options.socket:
        socket_timing(options.pages)
        return Result()
    result = Result()
    for jitter in (False, True):
        times = [
            timing(options.pages, window, options.repeat, jitter=jitter) for window in (1, 4, 8, 16)
        ]
        result.figures.append(
            Figure(
                row=10,
                name="list of pages / pages * latency / window, "
                + ("latency +-100 %" if jitter else "steady latency"),
                value=max(measured for _, measured in times[1:]),
                must=1.15,
                target=1.08,
                note=f"computing taken off: {max(virtual for virtual, _ in times[1:]):.2f}",
            )
        )
    for rows in (2_000, 10_000, options.pages * PER_PAGE):
        theirs, ours = asyncio.run(calls(rows))
        print(f"calls for {rows:9,} rows: plain {theirs}, anchored {ours}: {ours / theirs:.3f}")
    alone, both = asyncio.run(cost(100_000))
    print(f"CPU of a page: {both - alone:.0f} us beside {alone:.0f} us for making its rows up")
    for window in (1, 16):
        warm, most = asyncio.run(memory(options.rows, window))
        print(
            f"memory for {options.rows:,} rows, window {window:2}: {warm:.1f} MB after a tenth, "
            f"at most {most:.1f} MB later"
        )
    return result


if __name__ == "__main__":
    main()
