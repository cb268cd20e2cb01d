"""Many calls with faults among them, and answers without end: nothing grows."""

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ncloudchat_async import errors
from ncloudchat_async.settings import Retry, Timeouts
from ncloudchat_async.wire.session import Session
from tests.faults.calls import CALLS, Opener, opened, options_of
from tests.faults.server import FaultServer
from tests.support.leaks import open_sockets, tasks_of_tests

CALLERS = 32
TIMEOUTS = Timeouts(connect_s=1.0, read_s=0.3, deadline_s=5.0)
MOST_GROWTH_BYTES = 64 * 2**20


def resident_bytes() -> int:
    """Memory of this process, as the kernel counts it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def make_calls(session: Session, count: int) -> int:
    """Make so many calls from a bounded number of callers; return how many never left."""
    left = iter(range(count))
    methods = list(CALLS.values())
    options = options_of(TIMEOUTS, Retry(base_s=0.001, max_sleep_s=0.01))
    unsent = 0

    async def caller() -> None:
        nonlocal unsent
        for i in left:
            try:
                await session.send(methods[i % 4], options)
            except errors.NotSentError as error:
                unsent += error.attempts
            except errors.NcloudChatError:
                pass

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
    return unsent


async def soak(opener: Opener, faulty: FaultServer, count: int, *, most_bytes: int) -> None:
    """Make calls, and compare what the process holds before the last nine tenths and after."""
    before = faulty.seen("mixed", "soak")
    async with opened(opener, faulty.url("mixed", "soak"), timeouts=TIMEOUTS, budget=10) as session:
        unsent = await make_calls(session, count // 10)
        gc.collect()
        tasks, sockets, memory = tasks_of_tests(), len(open_sockets()), resident_bytes()
        unsent += await make_calls(session, count - count // 10)
        gc.collect()
        assert tasks_of_tests() == tasks
        # A connection has a socket at each end, both of them in this process.
        assert len(open_sockets()) <= sockets + 2 * CALLERS
        assert resident_bytes() - memory < most_bytes
        assert session.stats.calls == count
        assert session._semaphore.in_use == session._semaphore.waiting == 0
        attempts = session.stats.attempts
    left = attempts - unsent
    with contextlib.suppress(TimeoutError):
        await faulty.until_seen("mixed", "soak", requests=before + left)
    assert left == faulty.seen("mixed", "soak") - before


async def test_some_thousand_calls(opener: Opener, faulty: FaultServer) -> None:
    """Through faults of all kinds no task, descriptor or slot is left, and every attempt counts."""
    await soak(opener, faulty, 3_000, most_bytes=20 * 2**20)


@pytest.mark.soak
async def test_two_hundred_thousand_calls(opener: Opener, faulty: FaultServer) -> None:
    """After its warm-up the client is the same for as long as it runs."""
    await soak(opener, faulty, 200_000, most_bytes=5 * 2**20)


ENDLESS = (
    "zip_bomb", "big_body", "endless_chunks", "endless_interim", "endless_headers",
    "endless_header_line", "deep", "many_quotes",
)  # fmt: skip


@pytest.mark.parametrize("transport", ["direct", "public"])
def test_answers_without_end_take_bounded_memory(faulty: FaultServer, transport: str) -> None:
    """A gibibyte, zipped or not, and what never ends cost less than 64 MiB."""
    program = """
        import asyncio, resource, sys
        from ncloudchat_async import Client, Endpoint, Retry, Timeouts, errors
        GET = Endpoint("GET", "/things", object)()
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async def call(url):
            async with Client("project", "key", base_url=url, retry=Retry(max_attempts=1),
                              timeouts=Timeouts(connect_s=2, read_s=2, deadline_s=2)) as chat:
                await chat.send(GET)
        async def main():
            await call(sys.argv[1])
            before = peak()
            for url in sys.argv[2:]:
                try:
                    await call(url)
                except errors.NcloudChatError:
                    print(url.split("/")[3], (peak() - before) * 1024)
        asyncio.run(main())
    """
    urls = [faulty.url(name, "memory") for name in ("fine", *ENDLESS)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *urls],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "NCLOUDCHAT_TRANSPORT": transport},
    )
    grown = dict(line.split() for line in done.stdout.splitlines())
    assert tuple(grown) == ENDLESS
    assert max(int(size) for size in grown.values()) < MOST_GROWTH_BYTES, grown


@pytest.mark.parametrize("uvloop", [False, True], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("transport", ["direct", "public", "lent"])
def test_a_flood_of_interim_answers_holds_nobody_up(transport: str, uvloop: bool) -> None:
    """At full speed, 1xx without end are no answer, within a moment and in little memory."""
    program = """
        import asyncio, contextlib, resource, sys, time
        import aiohttp, uvloop
        from ncloudchat_async import Client, Endpoint, Retry, Timeouts, errors
        GET = Endpoint("GET", "/things", object)()
        async def main():
            async with contextlib.AsyncExitStack() as stack:
                lent = sys.argv[2] == "lent" or None
                chat = await stack.enter_async_context(Client(
                    "project", "key", base_url=sys.argv[1], retry=Retry(max_attempts=1),
                    timeouts=Timeouts(connect_s=5, read_s=5, deadline_s=10),
                    session=lent and await stack.enter_async_context(aiohttp.ClientSession()),
                ))
                before = resource.getrusage(resource.RUSAGE_SELF)
                ends = await asyncio.gather(
                    *(chat.send(GET) for _ in range(4)), return_exceptions=True)
                after = resource.getrusage(resource.RUSAGE_SELF)
            print(*{type(end).__name__ for end in ends}, after.ru_utime - before.ru_utime,
                  after.ru_maxrss - before.ru_maxrss)
        (uvloop.run if sys.argv[3] == "True" else asyncio.run)(main())
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.flood"], stdout=subprocess.PIPE, text=True
    ) as flood:
        try:
            assert flood.stdout is not None
            base_url = f"http://127.0.0.1:{int(flood.stdout.readline())}"
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(program), base_url, transport, str(uvloop)],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
                env={
                    **os.environ,
                    "NCLOUDCHAT_TRANSPORT": "public" if transport == "public" else "",
                },
            )
        finally:
            flood.kill()
    kind, cpu_s, grown_kib = done.stdout.split()
    assert kind == "NoReplyError"
    assert float(cpu_s) < 2
    assert int(grown_kib) * 1024 < MOST_GROWTH_BYTES
