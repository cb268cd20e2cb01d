"""What one call leaves for the next on the same connection, and what a pool must not do."""

import asyncio
import threading
from typing import Any

import aiohttp
import pytest

from ncloudchat_async import errors
from ncloudchat_async.resources.channels import Channels
from ncloudchat_async.resources.friends import Friends
from ncloudchat_async.resources.members import Members
from ncloudchat_async.resources.messages import Messages
from ncloudchat_async.resources.subscriptions import Subscriptions
from ncloudchat_async.resources.tokens import Tokens
from ncloudchat_async.settings import Pool, Retry, Timeouts
from ncloudchat_async.wire.endpoint import Endpoint, Request
from tests.faults.calls import CALLS, OPENERS, QUICK, TWICE, Opener, Thing, opened, options_of
from tests.faults.scenarios import KEY
from tests.faults.server import SCENARIOS, FaultServer, Wire, answer
from tests.faults.server import Request as Received
from tests.support.starving import within

ONCE = options_of(retry=Retry(max_attempts=1))


async def test_a_connection_is_kept(opener: Opener, faulty: FaultServer) -> None:
    """One call after another uses the same connection, and each says who asks."""
    async with opened(opener, faulty.url("fine", "kept")) as session:
        for _ in range(3):
            for request in CALLS.values():
                assert await session.send(request, ONCE) == Thing("1")
        assert session.stats.attempts == faulty.seen("fine", "kept") == 12
        headers = faulty.last["fine/kept"].headers
    assert headers["x-api-key"] == KEY
    assert headers["x-project-id"] == "project"
    assert "cookie" not in headers


@pytest.mark.parametrize("method", CALLS)
async def test_a_connection_closed_at_reuse(
    opener: Opener, faulty: FaultServer, method: str
) -> None:
    """What may be repeated is, once and by us; a POST is in doubt after one request."""
    case = f"reuse-{method}"
    async with opened(opener, faulty.url("closed_at_reuse", case)) as session:
        await session.send(CALLS[method], ONCE)
        if method == "POST":
            with pytest.raises(errors.OutcomeUnknownError):
                await session.send(CALLS[method], options_of())
        else:
            assert await session.send(CALLS[method], options_of()) == Thing("1")
        assert session.stats.attempts == faulty.seen("closed_at_reuse", case)
        assert session.stats.attempts == (2 if method == "POST" else 3)


@pytest.mark.parametrize("name", ["closed_after_answer", "second_answer", "late_second_answer"])
async def test_an_answer_is_taken_by_its_own_request(
    opener: Opener, faulty: FaultServer, name: str
) -> None:
    """Nothing that a connection carries beside an answer is taken for the next one."""
    before = faulty.played[f"{name}/own"]
    async with opened(opener, faulty.url(name, "own")) as session:
        for number in range(1, 5):
            assert await session.send(CALLS["GET"], options_of()) == Thing("1")
            # Now the server has sent what nobody asked for.
            await faulty.until_played(name, "own", requests=before + number)


async def test_cookies_are_not_kept(opener: Opener, faulty: FaultServer) -> None:
    """A cookie that the server sets is not sent back."""
    async with opened(opener, faulty.url("set_cookie", "jar")) as session:
        for _ in range(2):
            assert await session.send(CALLS["GET"], ONCE) == Thing("1")


async def test_a_borrowed_session_lends_its_connections_only(
    opener: Opener, faulty: FaultServer
) -> None:
    """Its cookies, headers and rules stay out of our calls, and ours out of it."""
    async with aiohttp.ClientSession(
        cookies={"session": "1"},
        headers={"x-api-key": "another", "Content-Type": "text/plain", "X-Theirs": "1"},
        timeout=aiohttp.ClientTimeout(total=1e-9),
        raise_for_status=True,
        auto_decompress=False,
    ) as borrowed:
        for name, kind in (("set_cookie", None), ("zipped", None), ("http_409", "conflict")):
            async with opened(opener, faulty.url(name, "lent"), session=borrowed) as session:
                for request in CALLS.values():
                    if kind is None:
                        assert await session.send(request, ONCE) == Thing("1")
                    else:
                        with pytest.raises(errors.ConflictError):
                            await session.send(request, ONCE)
            headers = faulty.last[f"{name}/lent"].headers
            assert headers["x-api-key"] == KEY
            assert "x-theirs" not in headers
            assert not borrowed.closed
        assert [c.value for c in borrowed.cookie_jar] == ["1"]
        assert borrowed.headers["x-api-key"] == "another"


async def test_a_borrowed_session_that_is_closed(opener: Opener, faulty: FaultServer) -> None:
    """It is refused when it is lent, and its end is that of the calls over it."""
    borrowed = aiohttp.ClientSession()
    async with opened(
        opener, faulty.url("hang", "ended"), session=borrowed, timeouts=QUICK
    ) as session:
        call = asyncio.ensure_future(session.send(CALLS["GET"], options_of(retry=TWICE)))
        await faulty.until_seen("hang", "ended")
        await borrowed.close()
        with pytest.raises(errors.TransportError):
            await call
    with pytest.raises(errors.ClientClosedError, match="closed"):
        async with opened(opener, faulty.url("fine"), session=borrowed):
            pass


@pytest.mark.parametrize("connect_s", [2.0, None])
@pytest.mark.parametrize("name", ["drip_headers", "drip_body", "hang"])
async def test_an_attempt_ends_after_its_time(
    opener: Opener, faulty: FaultServer, name: str, connect_s: float | None
) -> None:
    """`read_s` counts from the request to the last byte, not anew with each byte."""
    timeouts = Timeouts(connect_s=connect_s, read_s=0.2, deadline_s=10.0)
    async with opened(opener, faulty.url(name, "timed"), timeouts=timeouts) as session, within(1.2):
        with pytest.raises(errors.NoReplyError, match="in time") as caught:
            await session.send(CALLS["GET"], options_of(timeouts, Retry(max_attempts=1)))
    assert caught.value.elapsed_s > 0.15


@pytest.mark.parametrize("closes", ["session", "connector"])
async def test_what_a_closed_pool_did_not_send_was_not_applied(
    opener: Opener, faulty: FaultServer, closes: str
) -> None:
    """Writes that wait for a lent connection, or come after its pool's end, never left."""
    lent = aiohttp.TCPConnector(limit=1)
    borrowed = aiohttp.ClientSession(connector=lent)
    async with opened(opener, faulty.url("hang", closes), session=borrowed) as session:
        sends = [asyncio.ensure_future(session.send(CALLS["POST"], ONCE)) for _ in range(3)]
        await faulty.until_seen("hang", closes)
        await (lent if closes == "connector" else borrowed).close()
        sends.append(asyncio.ensure_future(session.send(CALLS["POST"], ONCE)))
        ends = await asyncio.gather(*sends, return_exceptions=True)
    assert [(type(e), getattr(e, "applied", "")) for e in ends] == [
        (errors.OutcomeUnknownError, "unknown"),
        *[(errors.NotSentError, "no")] * 3,
    ]
    assert faulty.seen("hang", closes) == 1
    await borrowed.close()


async def test_a_borrowed_session_of_another_loop(opener: Opener, faulty: FaultServer) -> None:
    """A session serves its own event loop only, and says so."""
    made: list[aiohttp.ClientSession] = []
    ready, release = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        async with aiohttp.ClientSession() as session:
            made.append(session)
            ready.set()
            await asyncio.to_thread(release.wait)

    thread = threading.Thread(target=asyncio.run, args=(elsewhere(),))
    thread.start()
    await asyncio.to_thread(ready.wait)
    try:
        with pytest.raises(errors.ClientClosedError, match="another event loop"):
            async with opened(opener, faulty.url("fine"), session=made[0]):
                pass
    finally:
        release.set()
        thread.join()


async def test_a_certificate_that_nobody_knows(opener: Opener, faulty: FaultServer) -> None:
    """TLS is verified: no byte of a request reaches a server that cannot prove its name."""
    async with opened(opener, faulty.url("tls", "unknown")) as session:
        with pytest.raises(errors.NotSentError, match="certificate is not accepted"):
            await session.send(CALLS["POST"], options_of())
    assert not faulty.seen("tls", "unknown")
    assert not any(key.startswith("tls/") for key in faulty.requests)


async def test_a_redirect_is_not_followed(
    opener: Opener, faulty: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key goes to no address but the one that was told."""
    target = faulty.url("fine", "redirected")
    location = f"Location: {target}/things/1"

    async def redirect(wire: Wire, request: Received) -> None:
        await wire.send(answer(307, b"", location))

    monkeypatch.setitem(SCENARIOS, "redirect_here", redirect)
    async with opened(opener, faulty.url("redirect_here")) as session:
        for request in CALLS.values():
            with pytest.raises(errors.UnexpectedRedirectError):
                await session.send(request, options_of())
    assert not faulty.seen("fine", "redirected")


@pytest.mark.parametrize("size", [2**18, 2**18 + 1, 2**20, 3 * 2**20])
async def test_large_requests_arrive_whole(opener: Opener, faulty: FaultServer, size: int) -> None:
    """A body of megabytes is sent as it is, with its length and without a warning."""
    post = Endpoint("POST", "/things", Thing, envelope=("thing",))
    async with opened(opener, faulty.url("fine", f"large-{size}")) as session:
        assert await session.send(post(body={"content": "x" * size}), ONCE) == Thing("1")
    assert len(faulty.last[f"fine/large-{size}"].body) == size + len('{"content":""}')


async def test_a_large_request_that_nobody_reads(opener: Opener, faulty: FaultServer) -> None:
    """A server that stops reading holds the caller no longer than any other fault."""
    post = Endpoint("POST", "/things", Thing, envelope=("thing",))
    request = post(body={"content": "x" * 2**23})
    async with opened(opener, faulty.url("never_reads", "large"), timeouts=QUICK) as session:
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            await session.send(request, options_of(QUICK))
    assert caught.value.attempts == 1
    assert caught.value.elapsed_s < 3


async def test_the_cap_counts_what_was_unzipped(opener: Opener, faulty: FaultServer) -> None:
    """An answer may be as large as the cap, and no larger, however it travelled."""
    small = Pool(max_body_bytes=9)
    for name in ("zipped", "fine", "chunked"):
        async with opened(opener, faulty.url(name, "small"), pool=small) as session:
            with pytest.raises(errors.BodyTooLargeError, match="max_body_bytes = 9"):
                await session.send(CALLS["GET"], ONCE)
        exact = Pool(max_body_bytes=len(b'{"id":"1"}'))
        async with opened(opener, faulty.url(name, "exact"), pool=exact) as session:
            assert await session.send(CALLS["GET"], ONCE) == Thing("1")


def test_deep_nesting_on_a_small_stack(faulty: FaultServer) -> None:
    """Where a thread has little stack, nesting is refused before it is decoded."""
    found: list[BaseException | None] = []

    async def call(name: str) -> None:
        for opener in OPENERS.values():
            async with opened(opener, faulty.url(name, "stack")) as session:
                with pytest.raises(errors.DecodeError):
                    await session.send(CALLS["GET"], ONCE)

    def run() -> None:
        for name in ("deep", "deep_in_object", "deep_skipped"):
            try:
                asyncio.run(call(name))
            except BaseException as error:
                found.append(error)
                raise

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert not found


ROW = b'{"id":"1","name":"x","user_id":"1","channel_id":"1","content":"hello"}'
KINDS: dict[str, tuple[Request[Any], bytes]] = {
    "bare object": (Channels._GET(channel_id="1"), ROW),
    "bare array": (Messages._LIST(channel_id="1"), b"[" + ROW + b"," + ROW + b"]"),
    "member": (Members._DELETE(user_id="1"), b'{"member":' + ROW + b',"status":1}'),
    "channel": (Channels._DELETE(channel_id="1"), b'{"status":1,"channel":' + ROW + b"}"),
    "message": (Messages._SEND(channel_id="1"), b'{"message":' + ROW + b',"status":1}'),
    "subscriptions": (Subscriptions._LIST(), b"[" + ROW + b"]"),
    "token": (Tokens._ISSUE(), b'{"status":1,"token":"t","message":""}'),
    "friendship": (Friends._ACCEPT(), b'{"friendship":{"id":"1","status":"accepted"}}'),
    "nested friendship": (
        Friends._REQUEST(),
        b'{"data":{"requestFriend":{"friendship":{"id":"1","status":"requested"}}}}',
    ),
    "text": (Friends._REQUEST_MANY(body=[]), b'{"message":"Friends added"}'),
}
"""One operation of each envelope."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["closed", "shortened"])
async def test_an_answer_cut_anywhere(
    opener: Opener, faulty: FaultServer, kind: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut at any byte, an answer is a typed error that leaves no write undoubted."""
    request, body = KINDS[kind]
    cut = [0]

    async def cutter(wire: Wire, received: Received) -> None:
        if ending == "closed":
            await wire.send(answer(200, body)[: cut[0]])
            wire.close()
        else:
            await wire.send(answer(200, body[: cut[0]]))

    monkeypatch.setitem(SCENARIOS, "cutter", cutter)
    size = len(answer(200, body)) if ending == "closed" else len(body)
    slow = Timeouts(connect_s=5, read_s=5, deadline_s=10)
    async with opened(opener, faulty.url("cutter"), timeouts=slow) as session:
        cut[0] = size
        assert await session.send(request, ONCE) is not None
        for cut[0] in range(size):
            with pytest.raises(errors.NcloudChatError) as caught:
                await session.send(request, ONCE)
            read = request.endpoint.method == "GET"
            assert caught.value.applied == ("no" if read else "unknown")
            assert isinstance(
                caught.value,
                errors.NoReplyError | errors.DecodeError | errors.OutcomeUnknownError,
            )
