"""What the fault server does: one function, or one row of bytes, for each way to fail."""

import asyncio
import gzip
import itertools
import json
import zlib
from typing import Final

from tests.faults.server import SCENARIOS, Request, Wire, answer, scenario

__all__ = ["KEY", "good", "good_body"]

KEY: Final = "sentinel-9f2c5a71"
"""The key that all tests send: wherever else it turns up, it has leaked."""
_HUGE: Final = 2**30
_FIRST: Final = "HTTP/1.1 200 OK\r\n"
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def good_body(request: Request) -> bytes:
    """The documented answer: bare for GET, in its envelope for the rest."""
    if request.method == "GET":
        return b'{"id":"1"}'
    return b'{"thing":{"id":"1"},"status":1}'


def good(request: Request, *headers: str) -> bytes:
    """A correct answer."""
    return answer(200, good_body(request), *headers)


# Connections.


@scenario
async def fine(wire: Wire, request: Request) -> None:
    await wire.send(good(request))


SCENARIOS["tls"] = fine


@scenario
async def reset_before_headers(wire: Wire, request: Request) -> None:
    wire.reset()


@scenario
async def reset_in_headers(wire: Wire, request: Request) -> None:
    await wire.send(_HEAD)
    wire.reset()


@scenario
async def reset_in_body(wire: Wire, request: Request) -> None:
    await wire.send(good(request)[:-5])
    wire.reset()


@scenario
async def closed_before_headers(wire: Wire, request: Request) -> None:
    wire.close()


@scenario
async def closed_in_headers(wire: Wire, request: Request) -> None:
    await wire.send(_HEAD)
    wire.close()


@scenario
async def closed_in_body(wire: Wire, request: Request) -> None:
    await wire.send(good(request)[:-5])
    wire.close()


@scenario
async def hang(wire: Wire, request: Request) -> None:
    await wire.gone()


@scenario
async def hang_in_headers(wire: Wire, request: Request) -> None:
    await wire.send(_HEAD)
    await wire.gone()


@scenario
async def hang_in_body(wire: Wire, request: Request) -> None:
    await wire.send(good(request)[:-5])
    await wire.gone()


@scenario
async def never_reads(wire: Wire, request: Request) -> None:
    await asyncio.sleep(0.5)
    wire.reset()


@scenario
async def drip_headers(wire: Wire, request: Request) -> None:
    await wire.drip(good(request))


@scenario
async def drip_body(wire: Wire, request: Request) -> None:
    head, _, body = answer(200, good_body(request) + b" " * 1000).partition(b"{")
    await wire.send(head)
    await wire.drip(b"{" + body)


@scenario
async def closed_at_reuse(wire: Wire, request: Request) -> None:
    """Answer the first request of a connection, and close it instead of answering the next."""
    if wire.seen > 1:
        wire.close()
        return
    await wire.send(good(request))


@scenario
async def closed_after_answer(wire: Wire, request: Request) -> None:
    """Close right after an answer that promised to keep the connection."""
    await wire.send(good(request, "Connection: keep-alive"))
    wire.close()


@scenario
async def stray_bytes(wire: Wire, request: Request) -> None:
    await wire.send(good(request) + b"stray bytes\r\n\r\n")


@scenario
async def second_answer(wire: Wire, request: Request) -> None:
    """Send an answer that nobody asked for right behind the one that was."""
    await wire.send(good(request) + answer(200, b'{"id":"stray"}'))


@scenario
async def late_second_answer(wire: Wire, request: Request) -> None:
    """Send an answer that nobody asked for once the connection is idle."""
    await wire.send(good(request))
    await asyncio.sleep(0.02)
    await wire.send(answer(200, b'{"id":"stray"}'))


# HTTP.


@scenario
async def length_too_long(wire: Wire, request: Request) -> None:
    await wire.send(answer(200, good_body(request), length=1000))
    wire.close()


@scenario
async def length_too_short(wire: Wire, request: Request) -> None:
    await wire.send(answer(200, good_body(request), length=5))


@scenario
async def chunked(wire: Wire, request: Request) -> None:
    """A correct answer in chunks of a byte."""
    parts = b"".join(b"1\r\n%c\r\n" % byte for byte in good_body(request))
    await wire.send(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n")


@scenario
async def bad_chunk(wire: Wire, request: Request) -> None:
    await wire.send(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + good_body(request)[:5])
    await wire.send(b"\r\nnot a size\r\nrest\r\n0\r\n\r\n")


@scenario
async def late_bad_chunk(wire: Wire, request: Request) -> None:
    """Break the chunks once the head was read."""
    await wire.send(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + good_body(request)[:5])
    await asyncio.sleep(0.02)
    await wire.send(b"\r\nnot a size\r\nrest\r\n0\r\n\r\n")


@scenario
async def late_garbage_zip(wire: Wire, request: Request) -> None:
    """Break the zipped body once the head was read."""
    head = answer(200, b"", "Content-Encoding: gzip", length=100)
    await wire.send(head + gzip.compress(good_body(request))[:12])
    await asyncio.sleep(0.02)
    await wire.send(b"\xff" * 88)


@scenario
async def long_chunk(wire: Wire, request: Request) -> None:
    """More bytes than the size of the chunk says."""
    await wire.send(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + good_body(request))
    await wire.send(b"\r\n0\r\n\r\n")


@scenario
async def missing_last_chunk(wire: Wire, request: Request) -> None:
    body = good_body(request)
    await wire.send(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body))
    wire.close()


@scenario
async def endless_chunks(wire: Wire, request: Request) -> None:
    await wire.send(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        await wire.send(b"4000\r\n" + b" " * 0x4000 + b"\r\n")


@scenario
async def endless_headers(wire: Wire, request: Request) -> None:
    await wire.send(_FIRST.encode())
    while True:
        await wire.send(b"X-Filler: nothing\r\n" * 100)


@scenario
async def endless_header_line(wire: Wire, request: Request) -> None:
    await wire.send(_FIRST.encode() + b"X-Filler: ")
    while True:
        await wire.send(b"x" * 10_000)


@scenario
async def endless_interim(wire: Wire, request: Request) -> None:
    """Interim answers (1xx) without end."""
    while True:
        await wire.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 50)
        await asyncio.sleep(0.001)


@scenario
async def interim(wire: Wire, request: Request) -> None:
    """A correct answer after some interim ones."""
    await wire.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + good(request))


@scenario
async def upgrade(wire: Wire, request: Request) -> None:
    await wire.send(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")


@scenario
async def until_closed(wire: Wire, request: Request) -> None:
    """A body without a length that ends with the connection: allowed, if old."""
    await wire.send(_HEAD + b"Connection: close\r\n\r\n" + good_body(request))
    wire.close()


@scenario
async def big_body(wire: Wire, request: Request) -> None:
    await wire.send(answer(200, b"", length=_HUGE))
    for _ in range(_HUGE // 2**16):
        await wire.send(b" " * 2**16)


# Content.


@scenario
async def set_cookie(wire: Wire, request: Request) -> None:
    """Set a cookie, and fail where one is sent back."""
    cookies = ("Set-Cookie: session=1; Path=/", "Set-Cookie: \x01;;=;,\x7f")
    await wire.send(answer(400) if "cookie" in request.headers else good(request, *cookies))


@scenario
async def trailing_json(wire: Wire, request: Request) -> None:
    await wire.send(answer(200, good_body(request) * 2))


@scenario
async def truncated_json(wire: Wire, request: Request) -> None:
    await wire.send(answer(200, good_body(request)[:-1]))


@scenario
async def bom(wire: Wire, request: Request) -> None:
    """A byte order mark before the JSON, which RFC 8259 lets a reader ignore."""
    await wire.send(answer(200, b"\xef\xbb\xbf" + good_body(request)))


@scenario
async def zipped(wire: Wire, request: Request) -> None:
    await wire.send(answer(200, gzip.compress(good_body(request)), "Content-Encoding: gzip"))


@scenario
async def deflated(wire: Wire, request: Request) -> None:
    await wire.send(answer(200, zlib.compress(good_body(request)), "Content-Encoding: deflate"))


@scenario
async def not_zipped(wire: Wire, request: Request) -> None:
    await wire.send(answer(200, good_body(request), "Content-Encoding: gzip"))


@scenario
async def corrupt_zip(wire: Wire, request: Request) -> None:
    data = bytearray(gzip.compress(good_body(request)))
    data[12] ^= 0xFF
    await wire.send(answer(200, bytes(data), "Content-Encoding: gzip"))


@scenario
async def truncated_zip(wire: Wire, request: Request) -> None:
    data = gzip.compress(b" " * 100 + good_body(request))
    await wire.send(answer(200, data[:-20], "Content-Encoding: gzip"))


@scenario
async def zip_bomb(wire: Wire, request: Request) -> None:
    await wire.send(answer(200, _bomb(), "Content-Encoding: gzip"))


@scenario
async def unknown_encoding(wire: Wire, request: Request) -> None:
    """An encoding that nobody knows: the body is then JSON all the same, or it is not."""
    await wire.send(answer(200, good_body(request), "Content-Encoding: snow"))


@scenario
async def redirect_elsewhere(wire: Wire, request: Request) -> None:
    await wire.send(answer(307, b"", "Location: http://127.0.0.1:1/elsewhere"))


@scenario
async def redirect_loop(wire: Wire, request: Request) -> None:
    await wire.send(answer(302, b"", f"Location: {request.path}"))


@scenario
async def gone_after_lost(wire: Wire, request: Request) -> None:
    """Lose the answer to the first request of a case, and have nothing for the second."""
    if not _again(request):
        wire.close()
        return
    await wire.send(answer(404, b'{"status":-99,"message":"not found"}'))


@scenario
async def echoes(wire: Wire, request: Request) -> None:
    """Repeat the key in every place that an error might quote."""
    key = request.headers["x-api-key"]
    text = {"status": -1, "message": f"{key} is " + "x" * 254 + f" and not {key}"}
    await wire.send(answer(400, json.dumps(text).encode(), f"X-Echo: {key}"))


@scenario
async def echoes_html(wire: Wire, request: Request) -> None:
    key = request.headers["x-api-key"]
    await wire.send(answer(502, f"<p>{key}</p>".encode(), f"Content-Type: text/{key}"))


@scenario
async def echoes_json(wire: Wire, request: Request) -> None:
    key = request.headers["x-api-key"]
    body = {"id": [key], "thing": {"id": {key: key}}, "message": key}
    await wire.send(answer(200, json.dumps(body).encode()))


MIXED: Final = (
    "reset_before_headers", "closed_before_headers", "closed_in_body", "bad_chunk", "garbage",
    "http_503", "http_500", "html_502", "truncated_json", "empty_200", "throttle_seconds",
    "second_answer", "status_-2_in_200", "corrupt_zip", "http_409", "hang",
)  # fmt: skip
"""What `mixed` does to one request in a hundred, one after another."""
_count = itertools.count(1)


@scenario
async def mixed(wire: Wire, request: Request) -> None:
    """Break one request in a hundred, each in another way."""
    number = next(_count)
    name = "fine" if number % 100 else MIXED[number // 100 % len(MIXED)]
    await SCENARIOS[name](wire, request)


_paths: set[str] = set()


def _again(request: Request) -> bool:
    known = request.path in _paths
    _paths.add(request.path)
    return known


def _bomb() -> bytes:
    """Zip a gibibyte of spaces: a fully flushed block may stand in a stream many times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + block * (_HUGE // 2**20)


def _gateway(status: int, code: object) -> bytes:
    body = {"error": {"errorCode": code, "message": "refused", "details": None}}
    return answer(status, json.dumps(body).encode())


def _fixed(name: str, data: bytes, *, closes: bool = False) -> None:
    """Add a scenario that always sends the same."""

    async def send(wire: Wire, request: Request) -> None:
        await wire.send(data)
        if closes:
            wire.close()

    SCENARIOS[name] = send


_fixed("garbage", b"\x00\xff\x13garbage\r\n\r\n" * 10)
_fixed("garbage_closed", b"\x00\xff\x13garbage\r\n\r\n" * 10, closes=True)
_fixed("http2", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_fixed("http09", b'{"id":"1"}', closes=True)
_fixed("http_9", b'HTTP/9.9 200 OK\r\nContent-Length: 10\r\n\r\n{"id":"1"}')
_fixed("no_status", b'HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"id":"1"}')
_fixed("status_of_letters", b'HTTP/1.1 abc OK\r\nContent-Length: 10\r\n\r\n{"id":"1"}')
_fixed("length_negative", _HEAD + b'Content-Length: -5\r\n\r\n{"id":"1"}')
_fixed("length_of_letters", _HEAD + b'Content-Length: ten\r\n\r\n{"id":"1"}')
_fixed("two_lengths", _HEAD + b'Content-Length: 10\r\nContent-Length: 5\r\n\r\n{"id":"1"}')
_fixed(
    "length_and_chunks",
    _HEAD + b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    closes=True,
)
_fixed(
    "header_without_colon", _FIRST.encode() + b'nonsense\r\nContent-Length: 10\r\n\r\n{"id":"1"}'
)
_fixed("html_200", answer(200, b"<html>maintenance</html>", "Content-Type: text/html"))
_fixed("html_502", answer(502, b"<html>bad gateway</html>", "Content-Type: text/html"))
_fixed("empty_200", answer(200))
_fixed("status_204", b"HTTP/1.1 204 No Content\r\n\r\n")
for _name, _body in {
    "null": b"null",
    "empty_object": b"{}",
    "empty_list": b"[]",
    "number": b"1",
    "text": b'"text"',
    "true": b"true",
    "list_for_object": b'[{"id":"1"}]',
    "no_id": b'{"name":"x","thing":{"name":"x"}}',
    "id_of_wrong_type": b'{"id":{"$oid":"1"},"thing":{"id":[1]}}',
    "bad_utf8": b'{"id":"\xff\xfe","thing":{"id":"\xff\xfe"}}',
    "bad_utf8_skipped": b'{"other":"\xff\xfe"}',
    "deep": b"[" * 1_000_000,
    "deep_in_object": b'{"id":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep_skipped": b'{"other":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "huge_integer": b'{"id":"1","size":%b,"thing":{"id":"1","size":%b}}'
    % (b"9" * 6000, b"9" * 6000),
    "huge_exponent": b'{"id":"1","size":1e999999,"thing":{"id":"1","size":1e999999}}',
    "nan": b'{"id":"1","size":NaN,"thing":{"id":"1","size":NaN}}',
    "infinity": b'{"id":"1","size":-Infinity,"thing":{"id":"1","size":-Infinity}}',
    "half_escape": rb'{"id":"\ud8","thing":{"id":"\ud8"}}',
    "lone_surrogate": rb'{"id":"1","x":"\ud800","thing":{"id":"1","x":"\ud800"}}',
    "nul": b"\x00" * 100,
    "many_quotes": b'{"id":' + rb"\"" * 200_000,
}.items():
    _fixed(_name, answer(200, _body))
for _status in (301, 302, 303, 304, 307, 308):
    _fixed(f"redirect_{_status}", answer(_status, b"", "Location: http://127.0.0.1:1/elsewhere"))
for _http in (200, 400):
    for _code in (-1, -2, -3, -4, -5, -6, -100, 0, 2, 10**12):
        _failure = json.dumps({"status": _code, "message": "refused"}).encode()
        _fixed(f"status_{_code}_in_{_http}", answer(_http, _failure))
for _http, _gateway_code in (
    (400, 100), (401, 200), (401, 210), (404, 300), (413, 430), (429, 400), (503, 500),
    (504, 510), (500, 900), (200, 500), (200, 210),
):  # fmt: skip
    _fixed(f"gateway_{_http}_{_gateway_code}", _gateway(_http, _gateway_code))
for _http in (
    400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 415, 418, 422, 425, 431,
    451, 500, 501, 502, 503, 504, 505, 507, 511, 599, 600, 999,
):  # fmt: skip
    _fixed(f"http_{_http}", answer(_http, b"refused", "Content-Type: text/plain"))
_fixed("graphql", answer(200, b'{"data":null,"errors":[{"message":"internal"}]}'))
for _form, _throttle in {
    "410_text": _gateway(429, "410"),
    "420_number": _gateway(429, 420),
    "empty": answer(429),
    "plain": answer(429, b"slow down", "Content-Type: text/plain"),
    "html": answer(429, b"<html>slow down</html>", "Content-Type: text/html"),
    "in_200": _gateway(200, "410"),
    "seconds": answer(429, b"{}", "Retry-After: 0"),
    "fraction": answer(429, b"{}", "Retry-After: 0.01"),
    "date": answer(
        429,
        b"{}",
        "Date: Wed, 01 Jan 2003 00:00:00 GMT",
        "Retry-After: Wed, 01 Jan 2003 00:00:00 GMT",
    ),
    "garbage": answer(429, b"{}", "Retry-After: soon; -5 \xff"),
    "negative": answer(429, b"{}", "Retry-After: -1"),
}.items():
    _fixed(f"throttle_{_form}", _throttle)
_fixed("throttle_for_long", answer(429, b"{}", "Retry-After: 99999999999999999999"))
_fixed("throttle_for_a_day", answer(429, b"{}", "Retry-After: 86400"))
_fixed("unavailable_for_a_day", answer(503, b"{}", "Retry-After: 86400"))
