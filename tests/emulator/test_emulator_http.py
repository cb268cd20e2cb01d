"""What HTTP itself asks of a server: methods, targets, encodings, broken requests."""

import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.emulator.raw import Api


def exchange(api: Api, target: bytes, headers: bytes = b"", body: bytes = b"") -> bytes:
    """Send a request as it is and return everything that comes back."""
    port = int(api.emulator.base_url.rsplit(":", 1)[1])
    ours = f"x-project-id: {api.emulator.project_id}\r\nx-api-key: {api.emulator.api_key}\r\n"
    head = b"%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % target
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(head + ours.encode() + headers + b"\r\n" + body)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize("path", ["/", "/_emulator", "/_emulator/stats", "/v1/api/members/user-1"])
def test_head_is_get_without_the_body(api: Api, path: str) -> None:
    """HEAD answers what GET does, with its length and without its body."""
    api.member()
    answer = exchange(api, f"HEAD {path}".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Length: 0" not in head
    assert body == b""


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", "GET, HEAD, OPTIONS"),
        ("/_emulator/faults", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/_emulator/reset", "OPTIONS, POST"),
        ("/v1/api/channels/c-1", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/v1/api/friendship/bulk", "OPTIONS, POST"),
    ],
)
def test_paths_tell_their_methods(api: Api, path: str, methods: str) -> None:
    """OPTIONS answers 204 and a wrong method 405, both with Allow."""
    asked = api.send("OPTIONS", path)
    assert (asked.status, asked.headers["allow"], asked.body) == (204, methods, b"")
    wrong = api.send("PATCH", path)
    assert (wrong.status, wrong.headers["allow"]) == (405, methods)
    assert methods in wrong.json["error"]["details"]


def test_lenient_mode_tells_its_methods(api: Api) -> None:
    """D12: what restores a member in lenient mode is named there, and only there."""
    path = "/v1/api/members/user-1/restore"
    assert api.send("OPTIONS", path).headers["allow"] == "DELETE, OPTIONS"
    api.set(mode="lenient")
    assert api.send("OPTIONS", path).headers["allow"] == "DELETE, OPTIONS, POST, PUT"
    assert api.send("OPTIONS", "/v1/api/friendship/bulk").headers["allow"] == "OPTIONS, POST"


def test_options_of_the_server(api: Api) -> None:
    """`OPTIONS *` names every method there is."""
    assert b"Allow: DELETE, GET, HEAD, OPTIONS, POST, PUT\r\n" in exchange(api, b"OPTIONS *")


def test_proxies_send_whole_addresses(api: Api) -> None:
    """A target with scheme and host is the path behind them."""
    api.member()
    answer = exchange(api, b"GET http://localhost/v1/api/members/user-1")
    assert b'"id":"user-1"' in answer
    assert exchange(api, b"GET http://localhost").startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (b"GET /v1/api/members/%FF", b"the path is not UTF-8"),
        (b"GET /v1/api/members?filter=%7B%22name%22:%22%FF%22%7D", b"the query is not UTF-8"),
        (b"GET /v1/api/members/\xff", b"Invalid char in url path"),
        (b"BREW /v1/api/members", b"Invalid method encountered"),
        (b"GET /v1/api/members/" + b"x" * 70_000, b"Got more than 65536 bytes"),
    ],
)
def test_unreadable_requests_are_the_gateways_400(
    api: Api, target: bytes, reason: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not HTTP or not UTF-8 answers 400 with code 100, and leaves no traceback."""
    api.emulator.on_list = lambda _: None
    answer = exchange(api, target)
    assert b" 400 Bad Request" in answer.partition(b"\r\n")[0]
    assert b'"errorCode":"100"' in answer
    assert reason in answer
    assert [entry for entry in caplog.records if entry.levelno >= logging.WARNING] == []


def test_answers_to_broken_headers_quote_nothing(api: Api) -> None:
    """What a broken request held, a key perhaps, does not come back."""
    answer = exchange(api, b"GET /v1/api/members", b"x-api-key: secret\x00\r\n")
    assert b" 400 Bad Request" in answer
    assert b"secret" not in answer


@pytest.mark.parametrize("packing", [b"gzip", b"deflate", b"br"])
def test_packed_bodies_are_not_json(api: Api, packing: bytes) -> None:
    """A body is not unpacked, whatever its encoding says."""
    body = b"\x1f\x8b not json"
    headers = b"Content-Encoding: %s\r\nContent-Length: %d\r\n" % (packing, len(body))
    answer = exchange(api, b"POST /v1/api/members", headers, body)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"the body is not JSON" in answer


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_does_not_matter(api: Api, kind: str) -> None:
    """JSON is read under any content type, and a form is no JSON."""
    headers = {"Content-Type": kind}
    sent = {"userId": "user-1", "name": "n"}
    assert api.send("POST", "/v1/api/members", sent, headers=headers).json["status"] == 1
    reply = api.send("POST", "/v1/api/members", raw=b"userId=user-2&name=n", headers=headers)
    assert (reply.status, reply.json["error"]["errorCode"]) == (400, "100")


def test_a_body_that_breaks_off_changes_nothing(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A caller who is gone before the body ends is noted as dropped, without a traceback."""
    port = int(api.emulator.base_url.rsplit(":", 1)[1])
    head = b"POST /v1/api/members HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(99).startswith(b"HTTP/1.1 100")
        connection.sendall(b'{"userId"')
    while not len(api.emulator.requests):
        api.send("GET", "/_emulator/stats")
    assert api.emulator.requests[0].status is None
    assert api.emulator.stats.rows["members"] == 0
    assert [entry for entry in caplog.records if entry.levelno >= logging.WARNING] == []


def test_texts_travel_unharmed(api: Api) -> None:
    """Any text a JSON string can hold comes back as it was, by id, in lists and in filters."""
    text = "é\u0301 한글 😀 \x00 \x7f \u2028 \\ \" ' % + / ? # &"
    api.set(user_id_rule=False)
    api.member(text, profile=text, customField=text)
    (member,) = api.ok("GET", "/members", filter={"name": text, "customField": text})
    assert (member["id"], member["name"], member["profile"]) == (text, text, text)
    channel = api.channel()["id"]
    api.message(channel, text)
    assert api.contents(channel, filter={"content": text[2:9]}) == [text]


def test_requests_at_once_keep_out_of_each_others_way(api: Api) -> None:
    """Of many writes at the same time each is stored once, with a number of its own."""
    channel = api.channel()["id"]
    with ThreadPoolExecutor(16) as pool:
        sent = list(pool.map(lambda n: api.message(channel, str(n)), range(200)))
    assert len({message["sort_id"] for message in sent}) == 200
    listed = api.contents(channel, option={"per_page": 100}, sort={"sort_id": 1})
    listed += api.contents(channel, option={"per_page": 100, "offset": 100}, sort={"sort_id": 1})
    assert sorted(listed, key=int) == [str(number) for number in range(200)]
