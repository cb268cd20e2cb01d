"""Calls that are cancelled or time out at any moment, and clients that nobody closes."""

import asyncio
import contextlib
import logging
import os
import random
import subprocess
import sys
import textwrap
import traceback

import pytest

from ncloudchat_async import errors
from ncloudchat_async.settings import Retry, Timeouts
from ncloudchat_async.wire.observe import Event
from ncloudchat_async.wire.session import Session
from tests.faults.calls import CALLS, Opener, Thing, opened, options_of
from tests.faults.scenarios import KEY
from tests.faults.server import FaultServer
from tests.support.starving import within

SLOW = Timeouts(connect_s=2, read_s=2, deadline_s=5)
SCENARIOS = ("fine", "drip_headers", "chunked", "hang_in_body", "http_503", "closed_at_reuse")


async def settle(session: Session, tasks: "list[asyncio.Task[Thing]]") -> None:
    """Wait for all calls, and look at what they leave."""
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        assert isinstance(result, Thing | errors.NcloudChatError | asyncio.CancelledError), result
    assert session._semaphore.in_use == session._semaphore.waiting == 0
    assert not session._running


def start(session: Session, method: str, options: Retry | None = None) -> "asyncio.Task[Thing]":
    """Begin a call in a task."""

    async def call() -> Thing:
        return await session.send(CALLS[method], options_of(SLOW, options or Retry(base_s=0.001)))

    return asyncio.create_task(call())


@pytest.mark.parametrize("name", SCENARIOS)
async def test_cancelled_at_any_moment(opener: Opener, faulty: FaultServer, name: str) -> None:
    """Whatever a call is doing when it is cancelled, slot, task and connection are given back."""
    draw = random.Random(name)  # the same moments in every run
    async with opened(opener, faulty.url(name, "cancel"), timeouts=SLOW) as session:
        tasks = []
        for _ in range(60):
            task = start(session, draw.choice(list(CALLS)))
            tasks.append(task)
            asyncio.get_running_loop().call_later(draw.uniform(0, 0.03), task.cancel)
            if draw.random() < 0.3:
                await asyncio.sleep(draw.uniform(0, 0.004))
        await settle(session, tasks)
        assert session.stats.attempts >= faulty.seen(name, "cancel")
        if name == "fine":
            assert await session.send(CALLS["GET"], options_of(SLOW)) == Thing("1")


@pytest.mark.parametrize("turn", range(0, 14, 2))
async def test_cancelled_in_a_turn(opener: Opener, faulty: FaultServer, turn: int) -> None:
    """Cancelled after so many turns of the loop, while connecting and on a kept connection."""
    async with opened(opener, faulty.url("fine", f"turn-{turn}"), timeouts=SLOW) as session:
        for method in CALLS:
            task = start(session, method)
            for _ in range(turn):
                await asyncio.sleep(0)
            task.cancel()
            await settle(session, [task])


async def test_a_cancelled_call_shows_no_key(opener: Opener, faulty: FaultServer) -> None:
    """The traceback of a cancellation leads through frames that hold headers, not keys."""
    for name in ("hang", "hang_in_body", "black_hole"):
        async with opened(opener, faulty.url(name), timeouts=SLOW) as session:
            task = start(session, "POST")
            await asyncio.sleep(0.03)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as error:
                shown = traceback.TracebackException.from_exception(error, capture_locals=True)
                assert KEY not in "".join(shown.format())
            else:
                pytest.fail("it was not cancelled")


async def test_timeouts_race_answers(opener: Opener, faulty: FaultServer) -> None:
    """An answer that comes at the very deadline is a value or a typed error, never a leak."""
    async with opened(opener, faulty.url("fine", "race"), timeouts=SLOW) as session:
        begun = asyncio.get_running_loop().time()
        await session.send(CALLS["GET"], options_of(SLOW))
        usual_s = asyncio.get_running_loop().time() - begun
        for i in range(120):
            bound_s = usual_s * (0.2 + i / 60)
            async with within(bound_s + 0.25):
                with contextlib.suppress(errors.NcloudChatError):
                    await session.send(CALLS["PUT"], options_of(Timeouts(deadline_s=bound_s)))
        assert session._semaphore.in_use == 0


async def test_closing_ends_calls_wherever_they_are(opener: Opener, faulty: FaultServer) -> None:
    """Connecting, sending, reading or asleep: after the grace every call has ended."""
    for name in ("black_hole", "tls_hang", "hang", "drip_body", "never_reads"):
        async with (
            within(0.5),
            opened(opener, faulty.url(name, "close"), timeouts=SLOW) as session,
        ):
            tasks = [start(session, method) for method in CALLS]
            await asyncio.sleep(0.02)
        for task in tasks:
            assert task.done()
            assert isinstance(
                task.exception(), errors.ClientClosedError | errors.OutcomeUnknownError
            )


FORGETFUL = {
    "dropped in a running loop": """
        async def main():
            chat = client()
            await chat.__aenter__()
            await chat.send(GET)
            del chat
            gc.collect()
            await asyncio.sleep(0)
        asyncio.run(main())
    """,
    "left open when the loop ends": """
        async def main():
            global chat
            chat = client()
            await chat.__aenter__()
            await chat.send(GET)
        asyncio.run(main())
    """,
    "used again in another loop": """
        chat = client()
        async def main():
            await chat.__aenter__()
            await chat.send(GET)
        for _ in range(3):
            asyncio.run(main())
        asyncio.run(chat.aclose())
        assert chat.stats.connections == 3, chat.stats
    """,
    "dropped with a call running": """
        async def main():
            chat = client("hang")
            await chat.__aenter__()
            task = asyncio.create_task(call(chat))
            await asyncio.sleep(0.05)
            del chat
        async def call(chat):
            await chat.send(GET)
        asyncio.run(main())
    """,
    "closed in another loop": """
        chat = client()
        async def main():
            await chat.__aenter__()
            await chat.send(GET)
        asyncio.run(main())
        asyncio.run(chat.aclose())
    """,
    "borrowed": """
        async def main():
            global chat
            async with aiohttp.ClientSession() as session:
                chat = client(session=session)
                await chat.__aenter__()
                await chat.send(GET)
        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("how", FORGETFUL)
def test_a_client_that_nobody_closes(faulty: FaultServer, how: str) -> None:
    """A forgotten client costs no warning, no open socket and no word on stderr."""
    program = """
        import asyncio, gc, aiohttp
        from ncloudchat_async import Client, Endpoint
        GET = Endpoint("GET", "/things", object)()
        def client(name="fine", **more):
            return Client("project", "key", base_url=BASE.replace("fine", name), **more)
    """
    base = f"BASE = {faulty.url('fine', 'forgotten')!r}\n"
    code = base + textwrap.dedent(program) + textwrap.dedent(FORGETFUL[how])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert (done.returncode, done.stderr) == (0, "")


async def test_everything_is_logged_without_the_key(
    opener: Opener, faulty: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    """With the whole process at DEBUG no logger writes the key, and no event has it."""
    told: list[Event] = []
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    try:
        with caplog.at_level(logging.DEBUG):
            for name in (
                "fine",
                "echoes",
                "echoes_html",
                "echoes_json",
                "garbage",
                "tls",
                "refused",
            ):
                async with opened(opener, faulty.url(name, "log"), observer=told.append) as session:
                    await asyncio.gather(
                        *(start(session, method) for method in CALLS), return_exceptions=True
                    )
    finally:
        loop.set_debug(False)
    assert told
    assert KEY not in repr(told)
    assert not any(KEY in f"{r.getMessage()} {vars(r)!r}" for r in caplog.records)
