"""The direct transport, held against the public one: same requests, answers and errors."""

import asyncio
import contextlib
import gzip
import itertools
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ncloudchat_async.errors import (
    BodyTooLargeError,
    ClientClosedError,
    NcloudChatError,
    NoReplyError,
    NotSentError,
    TransportError,
)
from ncloudchat_async.settings import Pool, Timeouts
from ncloudchat_async.wire.auth import Secret
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.direct import DirectTransport, usable
from ncloudchat_async.wire.endpoint import Endpoint, Request
from ncloudchat_async.wire.failures import failure_of
from ncloudchat_async.wire.public import AiohttpTransport, session_of
from ncloudchat_async.wire.sockets import Sockets
from ncloudchat_async.wire.transport import Transport, open_transport

KEY = Secret("the-key-itself")
POST: Request[Any] = Endpoint("POST", "/things/{id}", dict)(id="사용자", body={"a": 1})
GET: Request[Any] = Endpoint("GET", "/things", list)(query={"sort": '{"a":"1"}'})
HEAD: Request[Any] = Endpoint("HEAD", "/things", list)()
DELETE: Request[Any] = Endpoint("DELETE", "/things/{id}", dict)(id="7")

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Open = Callable[..., AiohttpTransport | DirectTransport]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run everything here on both event loops."""
    return "asyncio", {"use_uvloop": request.param}


@contextlib.asynccontextmanager
async def serving(play: Play) -> AsyncIterator[str]:
    """Let `play` have every connection; the base URL is given."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await play(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base"


@contextlib.asynccontextmanager
async def opened(
    kind: type[AiohttpTransport] | type[DirectTransport],
    base_url: str,
    *,
    pool: Pool = Pool(),  # noqa: B008 - frozen
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
) -> AsyncIterator[Transport]:
    """Open one transport with a key, and close it."""
    public = kind is AiohttpTransport
    transport = await open_transport(
        base_url, "p1", KEY, timeouts=timeouts, pool=pool, public=public
    )
    assert type(transport) is kind
    try:
        yield transport
    finally:
        await transport.aclose()


async def read_request(reader: asyncio.StreamReader) -> tuple[list[str], bytes]:
    """Read one request: the lines of its head, and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    length = next((int(h.split(":")[1]) for h in head if h.lower().startswith("content-len")), 0)
    return head, await reader.readexactly(length)


def answering(*parts: bytes, close: bool = False) -> Play:
    """Answer every request with the same parts, each in a segment of its own."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                return

    return play


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read for ever."""
    await reader.read()


async def settled() -> None:
    """Let both ends of a connection on this machine see what was written to it."""
    for _ in range(20):
        await asyncio.sleep(0)


KINDS = pytest.mark.parametrize("kind", [AiohttpTransport, DirectTransport])
OK = b"HTTP/1.1 200 OK\r\nX-Seen: yes\r\n"
ZIPPED = gzip.compress(b"x" * 100_000)


@KINDS
@pytest.mark.parametrize(
    ("request_", "play", "status", "body"),
    [
        (POST, answering(OK + b"Content-Length: 2\r\n\r\n{}"), 200, b"{}"),
        (GET, answering(OK, b"Content-Length: 4\r\n\r", b"\n{", b"}  "), 200, b"{}  "),
        (
            GET,
            answering(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", b"0\r\n\r\n"),
            200,
            b"{}",
        ),
        (GET, answering(OK + b"\r\n{", b"}", close=True), 200, b"{}"),
        (GET, answering(b"HTTP/1.0 200 OK\r\nX-Seen: yes\r\n\r\n{}", close=True), 200, b"{}"),
        (DELETE, answering(b"HTTP/1.1 204 No Content\r\nX-Seen: yes\r\n\r\n"), 204, b""),
        (HEAD, answering(OK + b"Content-Length: 9\r\n\r\n"), 200, b""),
        (
            POST,
            answering(
                b"HTTP/1.1 103 Early Hints\r\n\r\n",
                b"HTTP/1.1 429 Slow\r\nX-Seen: yes\r\nContent-Length: 0\r\n\r\n",
            ),
            429,
            b"",
        ),
        (
            GET,
            answering(
                OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED), ZIPPED
            ),
            200,
            b"x" * 100_000,
        ),
        (
            GET,
            answering(OK + b"Content-Length: 2000000\r\n\r\n", b"y" * 2_000_000),
            200,
            b"y" * 2_000_000,
        ),
    ],
    ids=["whole", "pieces", "chunked", "to-eof", "http10", "204", "head", "1xx", "gzip", "large"],
)
async def test_every_form_of_answer_is_read(
    kind: type[DirectTransport], request_: Request[Any], play: Play, status: int, body: bytes
) -> None:
    """Both transports read what HTTP allows, twice in a row and decoded."""
    async with serving(play) as base_url, opened(kind, base_url) as transport:
        for _ in range(2):
            response = await transport.perform(request_, 5.0)
            assert (response.status, response.body) == (status, body)
            assert response.headers["x-seen"] == "yes"


@KINDS
@pytest.mark.parametrize(
    ("play", "error"),
    [
        (answering(close=True), NoReplyError),
        (answering(b"HTTP/1.1 2", close=True), NoReplyError),
        (answering(b"no HTTP at all\r\n\r\n"), NoReplyError),
        (answering(OK + b"Content-Length: 9\r\n\r\n{", b"}", close=True), NoReplyError),
        (
            answering(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", close=True),
            NoReplyError,
        ),
        (answering(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), NoReplyError),
        (
            answering(OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n", b"nope"),
            NoReplyError,
        ),
        (answering(OK + b"Content-Length: 2000\r\n\r\n"), BodyTooLargeError),
        (answering(OK + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001), BodyTooLargeError),
        (
            answering(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024),
            BodyTooLargeError,
        ),
        (
            answering(
                OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED), ZIPPED
            ),
            BodyTooLargeError,
        ),
        (silence, NoReplyError),
        (answering(OK + b"Content-Length: 9\r\n\r\n{"), NoReplyError),
        (answering(OK, b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), NoReplyError),
    ],
    ids=[
        "no-answer",
        "half-a-head",
        "no-http",
        "cut",
        "cut-chunks",
        "bad-chunk",
        "bad-gzip",
        "declared-too-large",
        "too-large",
        "chunks-too-large",
        "zipped-too-large",
        "silence",
        "stalled-body",
        "stalled-chunks",
    ],
)
async def test_every_broken_answer_has_its_error(
    kind: type[DirectTransport], play: Play, error: type[NcloudChatError]
) -> None:
    """Both transports raise the same typed error, and the next attempt has a new connection."""
    pool, timeouts = Pool(max_body_bytes=1000), Timeouts(read_s=0.15)
    async with (
        serving(play) as base_url,
        opened(kind, base_url, pool=pool, timeouts=timeouts) as transport,
    ):
        for connections in (1, 2):
            with pytest.raises(error) as caught:
                await transport.perform(GET, 5.0)
            assert type(caught.value) is error
            assert caught.value.__cause__ is caught.value.__context__ is None
            # aiohttp keeps a connection whose body had come whole before it was found too large.
            assert transport.connections == connections or error is BodyTooLargeError


HEAD_ONLY = OK + b"Content-Length: 100\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"


@KINDS
@pytest.mark.parametrize(
    "said",
    [HEAD_ONLY, HEAD_ONLY + b"{", INTERIM, INTERIM + HEAD_ONLY],
    ids=["head", "begun-body", "interim", "interim-and-head"],
)
async def test_an_answer_that_begins_when_time_is_up_and_stalls(
    kind: type[DirectTransport], said: bytes
) -> None:
    """A busy loop finds head and timeout due in one turn: the attempt ends all the same."""
    asked, go, sent = threading.Event(), threading.Event(), threading.Event()

    def play(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(2**16)
            asked.set()
            go.wait(5)
            connection.sendall(said)
            sent.set()
            connection.recv(2**16)  # until the client gives up

    def stall() -> None:
        go.set()
        sent.wait(5)
        threading.Event().wait(0.2)  # well past the end of the attempt's time

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=play, args=(listener,))
        thread.start()
        async with opened(kind, f"http://127.0.0.1:{listener.getsockname()[1]}") as transport:
            attempt = asyncio.create_task(transport.perform(GET, 0.1))
            await asyncio.to_thread(asked.wait, 5)
            asyncio.get_running_loop().call_soon(stall)
            async with asyncio.timeout(2):
                with pytest.raises(NoReplyError, match="in time"):
                    await attempt
        await asyncio.to_thread(thread.join, 5)


@contextlib.asynccontextmanager
async def unanswered() -> AsyncIterator[tuple[DirectTransport, asyncio.Task[Response]]]:
    """Begin an attempt whose request arrives and gets no answer."""
    asked = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await reader.read()

    async with serving(play) as base_url:
        transport = DirectTransport(
            base_url, {}, timeouts=Timeouts(), pool=Pool(), sockets=Sockets()
        )
        await transport.open()
        attempt = asyncio.create_task(transport.perform(GET, None))
        await asked.wait()
        yield transport, attempt


@pytest.mark.parametrize(
    "said", [HEAD_ONLY, HEAD_ONLY + b"{", INTERIM], ids=["head", "body", "1xx"]
)
async def test_an_answer_that_begins_when_the_pool_is_closed(said: bytes) -> None:
    """Closing ends an attempt whose head came in the same turn, and says so."""
    async with unanswered() as (transport, attempt):
        (line,) = transport._lines._busy
        line.protocol.data_received(said)
        await transport.aclose()
        async with asyncio.timeout(2):
            with pytest.raises(NoReplyError, match="closed unanswered"):
                await attempt


async def test_an_answer_that_is_complete_when_time_is_up() -> None:
    """What came whole before the attempt was failed is its answer; the connection is not kept."""
    async with unanswered() as (transport, attempt):
        (line,) = transport._lines._busy
        line.protocol.data_received(OK + b"Content-Length: 2\r\n\r\n{}")
        line.fail(TimeoutError())
        assert (await attempt).body == b"{}"
        assert not transport._lines._idle
        await transport.aclose()


@KINDS
@pytest.mark.parametrize("interim", [20, 21])
async def test_interim_answers_are_bounded(kind: type[DirectTransport], interim: int) -> None:
    """An answer may come after 20 interim ones, however they are cut; more are no answer."""
    said = INTERIM * interim + OK + b"Content-Length: 2\r\n\r\n{}"
    for play in (answering(said), answering(*[INTERIM] * interim, said[len(INTERIM) * interim :])):
        async with serving(play) as base_url, opened(kind, base_url) as transport:
            if interim <= 20:
                for _ in range(2):
                    assert (await transport.perform(GET, 5.0)).body == b"{}"
                assert transport.connections == 1
            else:
                with pytest.raises(NoReplyError, match="interim"):
                    await transport.perform(GET, 5.0)


async def test_a_lent_connection_is_given_back_as_it_was() -> None:
    """What bounds our attempts does not bound those of the lender."""
    play = answering(INTERIM * 30 + OK + b"Content-Length: 2\r\n\r\n{}")

    async def first_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK + b"Content-Length: 2\r\n\r\n{}")
        await play(reader, writer)

    async with serving(first_once) as base_url, aiohttp.ClientSession() as lent:
        transport = await open_transport(
            base_url, "p1", KEY, timeouts=Timeouts(), pool=Pool(), session=lent
        )
        await transport.perform(GET, 5.0)
        await transport.aclose()
        async with lent.get(base_url) as answer:
            assert await answer.read() == b"{}"


@KINDS
async def test_what_cannot_be_reached_was_not_sent(kind: type[DirectTransport]) -> None:
    """A refused connection is an error that says so."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with opened(kind, f"http://127.0.0.1:{closed.getsockname()[1]}") as transport:
            with pytest.raises(NotSentError, match=r"cannot connect .*ECONNREFUSED"):
                await transport.perform(GET, 5.0)


@KINDS
async def test_a_connection_that_takes_too_long_was_not_sent(kind: type[DirectTransport]) -> None:
    """The time of an attempt running out while TLS is set up leaves no doubt."""
    async with serving(silence) as base_url:
        tls = base_url.replace("http:", "https:")
        async with opened(kind, tls) as transport:
            with pytest.raises(NotSentError, match="too long"):
                await transport.perform(POST, 0.1)


_KEY = ConnectionKey("host", 443, True, True, None, None, None)
_TO_PROXY = aiohttp.RequestInfo(URL("http://proxy"), "CONNECT", CIMultiDictProxy(CIMultiDict()))


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (aiohttp.ConnectionTimeoutError(), NotSentError, "connecting took too long"),
        (aiohttp.ClientConnectorDNSError(_KEY, OSError(-2, "")), NotSentError, "be resolved"),
        (
            aiohttp.ClientConnectorCertificateError(_KEY, ValueError()),
            NotSentError,
            "certificate is not accepted",
        ),
        (aiohttp.ClientConnectorError(_KEY, OSError()), NotSentError, "cannot connect"),
        (
            aiohttp.ServerFingerprintMismatch(b"a", b"b", "host", 443),
            NotSentError,
            "certificate is another one",
        ),
        (aiohttp.ClientHttpProxyError(_TO_PROXY, (), status=407), NotSentError, "proxy refuses"),
        (aiohttp.InvalidURL("x"), NotSentError, "address is not valid"),
        (aiohttp.ServerDisconnectedError(), NoReplyError, "closed unanswered"),
        (aiohttp.ClientPayloadError(), NoReplyError, "cut short or broken"),
        (TimeoutError(), NoReplyError, "no complete answer in time"),
        (ConnectionResetError(), NoReplyError, "connection was lost"),
        (ValueError(), NoReplyError, "not valid HTTP"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_failure_says_whether_the_request_can_have_left(
    error: Exception, kind: type[TransportError], said: str
) -> None:
    """What fails before a request is written leaves no doubt, anything later does."""
    failure = failure_of(error)
    assert type(failure) is kind
    assert said in str(failure)


@pytest.mark.parametrize("request_", [GET, HEAD, POST, DELETE], ids=lambda r: r.endpoint.method)
async def test_both_transports_send_the_same(request_: Request[Any]) -> None:
    """The server cannot tell the transports apart by what they send."""
    seen: list[tuple[str, set[str], bytes]] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await read_request(reader)
        seen.append((head[0], set(head[1:]), body))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with serving(play) as base_url:
        for kind in (AiohttpTransport, DirectTransport):
            async with opened(kind, base_url) as transport:
                await transport.perform(request_, 5.0)
    assert seen[0] == seen[1]
    assert f"x-api-key: {KEY.reveal()}" in seen[1][1]


@KINDS
async def test_a_new_key_is_sent_from_the_next_attempt_on(kind: type[DirectTransport]) -> None:
    """Rotation replaces the header, and adds no second one."""
    heads: list[list[str]] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append((await read_request(reader))[0])
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with serving(play) as base_url, opened(kind, base_url) as transport:
        await transport.perform(GET, 5.0)
        transport.use_key(Secret("another"))
        await transport.perform(GET, 5.0)
    keys = [[h for h in head if "x-api-key" in h] for head in heads]
    assert keys == [[f"x-api-key: {KEY.reveal()}"], ["x-api-key: another"]]


async def test_connections_are_used_again() -> None:
    """Attempts in a row share one connection, and those at once have one each."""
    play = answering(OK + b"Content-Length: 2\r\n\r\n{}")
    async with serving(play) as base_url, opened(DirectTransport, base_url) as transport:
        for _ in range(5):
            await transport.perform(GET, 5.0)
        assert transport.connections == 1
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(transport.perform(GET, 5.0))
        assert transport.connections == 5


class Numbering:
    """Answers with the number of the connection, the first one when it is let."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[int] = asyncio.Queue()
        self.closed: asyncio.Queue[int] = asyncio.Queue()
        self.first = asyncio.Event()
        self._numbers = itertools.count()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Have a connection."""
        number = next(self._numbers)
        try:
            while True:
                await read_request(reader)
                self.asked.put_nowait(number)
                if not number:
                    await self.first.wait()
                writer.write(OK + b"Content-Length: 1\r\n\r\n%d" % number)
        finally:
            self.closed.put_nowait(number)


async def test_the_connection_used_last_is_used_first() -> None:
    """What was idle for the shortest time is the least likely to be closed by the server."""
    play = Numbering()
    async with serving(play) as base_url, opened(DirectTransport, base_url) as transport:
        slow = asyncio.create_task(transport.perform(GET, 5.0))
        await play.asked.get()
        assert (await transport.perform(GET, 5.0)).body == b"1"
        play.first.set()
        assert (await slow).body == b"0"
        assert (await transport.perform(GET, 5.0)).body == b"0"


async def test_every_idle_connection_is_closed_in_time() -> None:
    """One that was given back while another was idle already is closed as well."""
    play, pool = Numbering(), Pool(keepalive_s=0.05)
    async with serving(play) as base_url, opened(DirectTransport, base_url, pool=pool) as transport:
        slow = asyncio.create_task(transport.perform(GET, 5.0))
        await play.asked.get()
        await transport.perform(GET, 5.0)
        asyncio.get_running_loop().call_later(0.02, play.first.set)
        await slow
        async with asyncio.timeout(2):
            assert {await play.closed.get(), await play.closed.get()} == {0, 1}


@KINDS
async def test_a_connection_idle_for_too_long_is_not_used(kind: type[DirectTransport]) -> None:
    """After `keepalive_s` the next attempt has a connection of its own."""
    play, pool = Numbering(), Pool(keepalive_s=0.001)
    play.first.set()
    async with serving(play) as base_url, opened(kind, base_url, pool=pool) as transport:
        for number in range(2):
            assert (await transport.perform(GET, 5.0)).body == b"%d" % number
            late = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, late.set)
            await late.wait()


async def test_an_abandoned_attempt_sends_no_more() -> None:
    """What was not sent when an attempt was given up does not arrive afterwards."""
    begun, given_up, size = asyncio.Event(), asyncio.Event(), 2**24
    post: Request[Any] = Endpoint("POST", "/things", dict)(body={"content": "x" * size})
    received: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = len(await reader.read(1))
        begun.set()
        await given_up.wait()
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(2**20):
                count += len(chunk)
        received.set_result(count)

    async with serving(play) as base_url, opened(DirectTransport, base_url) as transport:
        task = asyncio.create_task(transport.perform(post, 30.0))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        given_up.set()
        async with asyncio.timeout(5):
            assert await received < size


async def test_a_borrowed_session_keeps_its_way() -> None:
    """Calls over a session that was lent are traced, and meet its proxies, as its own are."""
    trace = aiohttp.TraceConfig()
    async with aiohttp.ClientSession(trust_env=True, trace_configs=[trace]) as borrowed:
        made = session_of(borrowed, Pool(), Sockets(), trust_env=False)
        assert (made.trust_env, made.trace_configs) == (True, [trace])


async def test_what_comes_unasked_is_no_answer() -> None:
    """A second answer that arrives while a connection is idle is not taken for the next one."""
    idle, said = asyncio.Event(), asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK + b"Content-Length: 4\r\n\r\nmine")
        await idle.wait()
        writer.write(OK + b"Content-Length: 7\r\n\r\nunasked")
        said.set()
        await reader.read()

    async with serving(play) as base_url, opened(DirectTransport, base_url) as transport:
        assert (await transport.perform(GET, 5.0)).body == b"mine"
        idle.set()
        await said.wait()
        await settled()
        assert (await transport.perform(GET, 5.0)).body == b"mine"
        assert transport.connections == 2


async def test_a_server_that_speaks_first_ends_nothing_wrongly() -> None:
    """What comes before the request on a new connection is a refusal, or at most the answer."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 4\r\n\r\nmine")
        await reader.read()

    async with serving(play) as base_url, opened(DirectTransport, base_url) as transport:
        outcomes = await asyncio.gather(
            *(transport.perform(GET, 5.0) for _ in range(8)), return_exceptions=True
        )
        assert {type(o) for o in outcomes} <= {NotSentError, Response}
        assert transport.connections == 8


async def test_a_cancelled_attempt_gives_its_connection_up() -> None:
    """Cancelled before its answer, an attempt leaves no connection to anyone else."""
    asked = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await reader.read()

    async with serving(play) as base_url, opened(DirectTransport, base_url) as transport:
        task = asyncio.create_task(transport.perform(POST, 5.0))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(NoReplyError):
            await transport.perform(POST, 0.05)
        assert transport.connections == 2


@pytest.mark.parametrize("begun", [b"", OK + b"Content-Length: 9\r\n\r\n{"], ids=["head", "body"])
async def test_closing_ends_running_attempts(begun: bytes) -> None:
    """An attempt that waits without a bound for its head or its body ends with the pool."""
    asked = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(begun)
        asked.set()
        await reader.read()

    async with serving(play) as base_url, opened(DirectTransport, base_url) as transport:
        task = asyncio.create_task(transport.perform(GET, None))
        await asked.wait()
        await settled()
        await transport.aclose()
        with pytest.raises(NoReplyError):
            await task
        with pytest.raises(ClientClosedError):
            await transport.perform(GET, None)


async def test_no_frame_of_ours_shows_the_key() -> None:
    """A traceback with the locals of every frame of a failed attempt holds no key."""
    play = answering(close=True)
    async with serving(play) as base_url, opened(DirectTransport, base_url) as transport:
        with pytest.raises(NoReplyError) as caught:
            await transport.perform(POST, 5.0)
        shown = repr([vars(transport), *(entry.locals for entry in caught.traceback[1:])])
    assert KEY.reveal() not in shown
    assert KEY.reveal() not in str(caught.getrepr(showlocals=True, funcargs=True))


async def test_the_installed_aiohttp_is_usable() -> None:
    """The check at start accepts the aiohttp this was written for."""
    assert usable()


async def test_the_public_path_is_taken_when_something_is_asked_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A borrowed session, proxies of the environment and the variable rule out the direct one."""

    async def chosen(
        session: aiohttp.ClientSession | None = None, *, trust_env: bool = False
    ) -> Transport:
        return await open_transport(
            "http://127.0.0.1:1",
            "p1",
            KEY,
            timeouts=Timeouts(),
            pool=Pool(),
            session=session,
            trust_env=trust_env,
        )

    async with aiohttp.ClientSession() as session:
        borrowed = await chosen(session)
    plain, proxied = await chosen(), await chosen(trust_env=True)
    monkeypatch.setenv("NCLOUDCHAT_TRANSPORT", "public")
    forced = await chosen()
    kinds = [type(t) for t in (plain, borrowed, proxied, forced)]
    for transport in (plain, borrowed, proxied, forced):
        await transport.aclose()
    assert kinds == [DirectTransport, AiohttpTransport, AiohttpTransport, AiohttpTransport]
