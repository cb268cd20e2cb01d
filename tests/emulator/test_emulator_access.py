"""Who may call: the two headers, the key's state, the dashboard's settings; and the quota."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from ncloudchat_async.emulator import EmulatorSettings
from ncloudchat_async.emulator.quota import Quota
from tests.emulator.raw import TEN_MINUTES_PAST, Api, Clock, Reply


def refusal(api: Api, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Call with other headers and return code and text of the refusal."""
    sent = {f"x-{name.replace('_', '-')}": value for name, value in headers.items()}
    body = {"name": "n", "type": "PUBLIC"} if method == "POST" else None
    query = {} if method == "POST" else {"filter": "{}"}
    reply = api.send(method, "/v1/api/channels", body, headers=sent, query=query)
    assert reply.status == 200
    return reply.json["status"], reply.json["message"]


def test_the_project_is_checked(api: Api) -> None:
    """An empty project id is -1 with its own text, an unknown one -6."""
    assert refusal(api, project_id="") == (-1, "projectId is empty")
    assert refusal(api, project_id="other")[0] == -6


def test_the_key_is_checked(api: Api) -> None:
    """An unknown or missing key is -1, one of another project -2, a replaced one -2 or -3."""
    assert refusal(api, api_key="")[0] == -1
    assert refusal(api, api_key="other")[0] == -1
    api.set(other_keys=["other"])
    assert refusal(api, api_key="other")[0] == -2
    first = api.emulator.api_key
    assert api.emulator.reissue_key() == api.emulator.api_key != first
    assert api.ok("GET", "/channels", filter={}) == []
    assert refusal(api, api_key=first)[0] == -2
    api.set(reissued_key_code=-3)
    assert refusal(api, api_key=first)[0] == -3


@pytest.mark.parametrize(("state", "code"), [("deleted", -3), ("disabled", -4), ("expired", -5)])
def test_key_states_have_codes(api: Api, state: str, code: int) -> None:
    """A deleted key is -3, a disabled one -4, an expired one -5."""
    api.set(key_state=state)
    assert refusal(api)[0] == code


def test_keys_expire(timed: Api, clock: Clock) -> None:
    """A key answers -5 from the moment it expires on."""
    timed.set(key_expires_at=clock.at + 10)
    assert timed.ok("GET", "/channels", filter={}) == []
    clock.at += 10
    assert refusal(timed)[0] == -5


def test_api_access_is_checked(api: Api) -> None:
    """Read access refuses writes with -1, no access everything; nothing is written."""
    api.set(api_access="read")
    assert api.ok("GET", "/channels", filter={}) == []
    assert refusal(api, "POST")[0] == -1
    api.set(api_access="none")
    assert refusal(api)[0] == -1
    assert api.emulator.stats.rows["channels"] == 0


def test_addresses_can_be_allowed(api: Api) -> None:
    """With a list of addresses or networks, others are answered -1."""
    api.set(allowed_ips=["10.0.0.0/8"])
    assert refusal(api)[0] == -1
    api.set(allowed_ips=["10.0.0.0/8", "127.0.0.1"])
    assert api.ok("GET", "/channels", filter={}) == []
    with pytest.raises(ValueError, match="not-an-ip"):
        api.set(allowed_ips=["not-an-ip"])


@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_the_http_status_of_refusals_is_a_switch(api: Api, status: int) -> None:
    """D01: {status: -n} comes with 200 by default, and with 400, 401 or 403 if set."""
    api.set(auth_http_status=status)
    reply = api.send("GET", "/v1/api/members/user-1", headers={"x-api-key": "x"})
    assert (reply.status, reply.json["status"]) == (status, -1)


def test_other_refusals_have_switches_of_their_own(api: Api) -> None:
    """D01: wrong parameters and conflicts can come with HTTP 400 and 409."""
    api.set(refusal_http_status=400, conflict_http_status=409)
    assert api.send("POST", "/v1/api/members", {}).status == 400
    api.member()
    again = {"userId": "user-1", "name": "n"}
    assert api.send("POST", "/v1/api/members", again).status == 409


def test_bodies_that_are_not_json(api: Api) -> None:
    """An unreadable body is the gateway's 400 with code 100, a too large one 413 with 430."""
    for raw in (b"{", b"\xff", b'{"x":' * 100_000):
        reply = api.send("POST", "/v1/api/members", raw=raw)
        assert (reply.status, reply.json["error"]["errorCode"]) == (400, "100")


@pytest.mark.parametrize("chunked", ["yes", ""])
def test_large_bodies_are_refused(api: Api, chunked: str) -> None:
    """A body above the limit is the gateway's 413 with code 430, announced or not."""
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    for limit in (10, 2**20):
        api.set(max_body_bytes=limit)
        body = b" " * (limit + 1)
        raw = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
        reply = api.send("POST", "/v1/api/members", raw=raw, headers=headers)
        assert (reply.status, reply.json["error"]["errorCode"]) == (413, "430")


def test_bodies_are_invited_when_the_caller_asks(api: Api) -> None:
    """`Expect: 100-continue` is answered before the body comes."""
    head = [
        "POST /v1/api/members HTTP/1.1",
        "Host: localhost",
        f"x-api-key: {api.emulator.api_key}",
        f"x-project-id: {api.emulator.project_id}",
        "Content-Length: 2",
        "Expect: 100-continue",
    ]
    port = int(api.emulator.base_url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        assert connection.recv(99) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(99).startswith(b"HTTP/1.1 200 OK")


def get(api: Api) -> Reply:
    """Make a simple request."""
    return api.send("GET", "/v1/api/members/user-1")


def test_the_quota_is_a_sliding_window(timed: Api, clock: Clock) -> None:
    """Of any second no more than the rate is accepted, wherever the second begins."""
    timed.set(quota_rate=3)
    statuses = []
    for _ in range(12):
        statuses.append(get(timed).status)
        clock.at += 0.25
    assert statuses == [200, 200, 200, 429] * 3
    stats = timed.emulator.stats
    assert (stats.peak_accepted_per_second, stats.peak_per_second, stats.throttled) == (3, 4, 3)


@pytest.mark.parametrize("rate", [0.5, 1, 2.5, 7])
def test_the_rate_is_reached_and_never_exceeded(rate: float) -> None:
    """Asked ten times as often as allowed, the quota accepts its rate to within one window."""
    quota, settings = Quota(), EmulatorSettings(quota_rate=rate)
    accepted = []
    for tick in range(10_000):
        now = TEN_MINUTES_PAST + tick / 100
        if quota.enter(now, settings) is None:
            accepted.append(now)
            quota.leave()
    assert rate * 100 - rate - 1 <= len(accepted) <= rate * 100 + rate + 1
    assert quota.accepted.peak <= max(rate + 1, 1)


def test_a_burst_is_saved_up_in_silence(timed: Api, clock: Clock) -> None:
    """A burst passes above the rate once, and again only after a second without requests."""
    timed.set(quota_rate=2, quota_burst=2)
    assert [get(timed).status for _ in range(5)] == [200] * 4 + [429]
    clock.at += 0.9
    assert get(timed).status == 429
    clock.at += 1.0
    assert [get(timed).status for _ in range(5)] == [200] * 4 + [429]


@pytest.mark.parametrize("code", [400, 410, 420])
def test_throttled_answers_in_the_gateway_form(timed: Api, code: int) -> None:
    """A 429 has the gateway's JSON with a chosen errorCode as text, and no Retry-After."""
    timed.set(quota_rate=1, throttle_code=code)
    get(timed)
    reply = get(timed)
    assert (reply.status, reply.json["error"]["errorCode"]) == (429, str(code))
    assert "retry-after" not in reply.headers
    assert timed.send("HEAD", "/v1/api/members/user-1").status == 429
    assert [request.method for request in timed.emulator.requests[-2:]] == ["GET", "HEAD"]


def test_throttled_answers_in_the_plain_form(timed: Api) -> None:
    """A 429 can be plain text, with Retry-After in seconds or as a date."""
    timed.set(quota_rate=1, throttle_form="plain", retry_after_s=1.5)
    get(timed)
    reply = get(timed)
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (
        429,
        b"Too Many Requests",
        "1.5",
    )
    assert reply.headers["content-type"].startswith("text/plain")
    timed.set(retry_after_form="date", retry_after_s=30)
    headers = get(timed).headers
    moment = parsedate_to_datetime(headers["retry-after"])
    assert moment == datetime.fromtimestamp(TEN_MINUTES_PAST + 30, UTC)
    assert moment - parsedate_to_datetime(headers["date"]) == timedelta(seconds=30)


def test_concurrency_can_be_limited() -> None:
    """Requests above the limit of those worked on at once are answered 429 with code 420."""
    quota, settings = Quota(), EmulatorSettings(max_concurrency=2)
    assert [quota.enter(0.0, settings) for _ in range(2)] == [None, None]
    refused = quota.enter(0.0, settings)
    assert refused is not None
    assert b'"420"' in refused.body
    quota.leave()
    assert quota.enter(0.0, settings) is None
    assert quota.peak_in_flight == 2
