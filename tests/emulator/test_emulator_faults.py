"""Fault rules: which requests they choose, and what each action does."""

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from ncloudchat_async.emulator import Fault, ListCall
from ncloudchat_async.emulator.faults import PAGING, Action, Faults
from ncloudchat_async.emulator.routes import ROUTES
from tests.emulator.raw import Api, Clock

SEND = next(route for route in ROUTES if route.operation == "sendMessage")
GET = next(route for route in ROUTES if route.operation == "getMember")
LOST = (http.client.RemoteDisconnected, ConnectionResetError)


def fired(fault: Fault, count: int = 10) -> list[int]:
    """Say which of so many requests a rule fires for, from 1."""
    faults = Faults()
    faults.add(fault)
    return [number for number in range(1, count + 1) if faults.fire(SEND)]


def test_rules_choose_by_count() -> None:
    """A rule fires for the nth request, for every nth, for all, or at most so many times."""
    assert fired(Fault("*", "delay")) == list(range(1, 11))
    assert fired(Fault("*", "delay", nth=3)) == [3]
    assert fired(Fault("*", "delay", every=4)) == [4, 8]
    assert fired(Fault("*", "delay", times=2)) == [1, 2]
    assert fired(Fault("*", "delay", every=2, times=2)) == [2, 4]


def test_rules_choose_by_probability() -> None:
    """A share of requests is drawn, the same ones for the same seed."""
    one = fired(Fault("*", "delay", probability=0.3, seed=1), 1000)
    assert 250 <= len(one) <= 350
    assert one == fired(Fault("*", "delay", probability=0.3, seed=1), 1000)
    assert one != fired(Fault("*", "delay", probability=0.3, seed=2), 1000)


@pytest.mark.parametrize(
    "operation", ["sendMessage", "POST /v1/api/messages/{channelId}", "POST", "*"]
)
def test_rules_choose_by_operation(operation: str) -> None:
    """A rule names an operation, a method with a route, a method, or all; others never count."""
    faults = Faults()
    rule = faults.add(Fault(operation, "delay"))
    faults.fire(GET)
    faults.fire(SEND)
    assert (rule.seen, rule.fired) == ((2, 2) if operation == "*" else (1, 1))


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "sendMesage", "action": "delay"},
        {"operation": "*", "action": "explode"},
        {"operation": "*", "action": "delay", "nth": 0},
        {"operation": "*", "action": "delay", "nth": 1, "every": 2},
        {"operation": "*", "action": "delay", "probability": 1.5},
        {"operation": "*", "action": "delay", "delay_s": -1.0},
        {"operation": "*", "action": "delay", "status": 500},
        {"operation": "*", "action": "drop_after", "delay_s": 1.0},
        {"operation": "*", "action": "status", "rows": 2},
        {"operation": "*", "action": "status", "headers": {"a b": "c"}},
        {"operation": "*", "action": "status", "headers": {"a": "b\r\nc: d"}},
    ],
)
def test_impossible_rules_are_refused(fields: dict[str, Any]) -> None:
    """An unknown operation or action, a value out of range or two choices raise ValueError."""
    with pytest.raises(ValueError, match=r"operation|refused|one of|does not use|no header"):
        Faults().add(Fault(**fields))


@pytest.mark.parametrize(
    ("operation", "action", "able"),
    [
        *[("sendMessage", action, "listMembers, listMessages") for action in sorted(PAGING)],
        ("PUT", "insert", "listChannels, listSubscriptions"),
        ("GET /v1/api/members/{userId}", "delete", "listMembers"),
        ("getMember", "twice", "registerMember"),
        ("GET", "twice", "sendMessage"),
    ],
)
def test_rules_that_can_do_nothing_are_refused(operation: str, action: Action, able: str) -> None:
    """An action on lists needs a list, a doubled write a write; the error names what there is."""
    with pytest.raises(ValueError, match=f"does nothing to .*{able}"):
        Fault(operation, action)


@pytest.fixture
def channel(api: Api) -> str:
    """A channel's id."""
    return str(api.channel()["id"])


def lost(api: Api, channel: str, content: str) -> None:
    """Send a message and get no answer."""
    with pytest.raises(LOST):
        api.message(channel, content)


def test_status_answers_without_applying(api: Api, channel: str) -> None:
    """The rule's status, body and headers come back, and nothing is stored."""
    headers = {"Location": "http://other.example/"}
    api.emulator.faults.add(
        Fault("sendMessage", "status", status=302, body="moved", headers=headers, times=1)
    )
    reply = api.send("POST", f"/v1/api/messages/{channel}", {"content": "c"})
    assert (reply.status, reply.body) == (302, b"moved")
    assert reply.headers["location"] == "http://other.example/"
    assert api.contents(channel) == []


def test_throttle_answers_429_without_applying(api: Api, channel: str) -> None:
    """A throttle rule answers as the quota would, with a code and Retry-After of its own."""
    api.emulator.faults.add(Fault("sendMessage", "throttle", error_code=420, retry_after_s=2))
    reply = api.send("POST", f"/v1/api/messages/{channel}", {"content": "c"})
    assert (reply.status, reply.json["error"]["errorCode"]) == (429, "420")
    assert reply.headers["retry-after"] == "2"
    assert api.contents(channel) == []
    assert api.emulator.stats.throttled == 1


def test_drops_close_the_connection_before_or_after_the_write(api: Api, channel: str) -> None:
    """A dropped request has no answer; it is applied only if dropped after the write."""
    api.emulator.faults.add(Fault("sendMessage", "drop_before", nth=1))
    lost(api, channel, "before")
    api.emulator.faults.add(Fault("sendMessage", "drop_after", nth=1))
    lost(api, channel, "after")
    assert api.contents(channel) == ["after"]
    entries = [entry for entry in api.emulator.requests if entry.operation == "sendMessage"]
    assert [entry.status for entry in entries] == [None, None]
    assert [entry.faults for entry in entries] == [("drop_before",), ("drop_after",)]
    assert api.emulator.stats.by_status["dropped"] == 2


def test_cut_ends_in_the_middle_of_the_body(api: Api, channel: str) -> None:
    """A cut answer promises its whole length and ends early; the write is applied."""
    api.emulator.faults.add(Fault("sendMessage", "cut"))
    with pytest.raises(http.client.IncompleteRead):
        api.message(channel)
    assert api.contents(channel) == ["hello"]


def test_malformed_is_complete_http_and_broken_json(api: Api, channel: str) -> None:
    """A malformed answer arrives whole and is not JSON; the write is applied."""
    api.emulator.faults.add(Fault("sendMessage", "malformed"))
    reply = api.send("POST", f"/v1/api/messages/{channel}", {"content": "c"})
    assert reply.status == 200
    assert reply.body.startswith(b'{"message":')
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)
    assert api.contents(channel) == ["c"]


@pytest.mark.parametrize("action", ["delay", "stall"])
def test_delay_and_stall_answer_late_but_whole(api: Api, channel: str, action: Action) -> None:
    """A delayed or stalled request is applied and answered, after the wait."""
    jitter_s = 0.01 if action == "delay" else 0.0
    api.emulator.faults.add(Fault("sendMessage", action, delay_s=0.05, jitter_s=jitter_s))
    begun = time.monotonic()
    assert api.message(channel)["content"] == "hello"
    assert time.monotonic() - begun >= 0.05


def test_a_stall_may_outlast_its_caller(
    api: Api, channel: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who gives up while an answer stalls is no failure of the emulator."""
    api.emulator.faults.add(Fault("getChannel", "stall", delay_s=0.1))
    target = urlsplit(api.emulator.base_url)
    connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=0.02)
    headers = {"x-project-id": api.emulator.project_id, "x-api-key": api.emulator.api_key}
    connection.request("GET", f"/v1/api/channels/{channel}", headers=headers)
    with pytest.raises(TimeoutError):
        connection.getresponse().read()
    connection.close()
    assert api.ok("GET", f"/channels/{channel}")["id"] == channel  # stalls, and ends later
    assert caplog.records == []


def test_hang_up_closes_an_idle_connection(api: Api, channel: str) -> None:
    """The answer is whole and promises keep-alive; the next request finds the connection closed."""
    api.emulator.faults.add(Fault("getChannel", "hang_up"))
    target = urlsplit(api.emulator.base_url)
    connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=10)
    headers = {"x-project-id": api.emulator.project_id, "x-api-key": api.emulator.api_key}
    connection.request("GET", f"/v1/api/channels/{channel}", headers=headers)
    answer = connection.getresponse()
    assert json.loads(answer.read())["id"] == channel
    assert answer.getheader("connection") != "close"
    sock = connection.sock
    assert sock is not None
    assert sock.recv(1) == b""
    connection.close()


def test_late_writes_come_true_later(timed: Api, clock: Clock) -> None:
    """A late write has no answer, is not there at first, and is applied when it is due."""
    channel = timed.channel()["id"]
    timed.emulator.faults.add(Fault("sendMessage", "late", delay_s=5.0, nth=1))
    lost(timed, channel, "late")
    assert timed.message(channel, "after it")["content"] == "after it"
    clock.at += 4.9
    assert timed.contents(channel) == ["after it"]
    clock.at += 60
    assert timed.contents(channel) == ["after it", "late"]
    late = timed.ok("GET", f"/messages/{channel}", filter={"content": "late"})[0]
    assert late["created_at"] == "2025-07-23T16:10:05+09:00"
    assert timed.emulator.audit([(channel, "after it"), (channel, "late")]).exact


def test_late_writes_do_not_outlive_a_reset(timed: Api, clock: Clock) -> None:
    """What was put off in one test is not carried out in the next."""
    timed.emulator.faults.add(Fault("createChannel", "late", delay_s=5.0))
    with pytest.raises(LOST):
        timed.channel()
    timed.emulator.reset()
    clock.at += 60
    assert timed.ok("GET", "/channels", filter={}) == []


def test_late_writes_count_in_an_audit_once_due(timed: Api, clock: Clock) -> None:
    """An audit settles what is due, though no request came since."""
    channel = timed.channel()["id"]
    timed.emulator.faults.add(Fault("sendMessage", "late", delay_s=5.0))
    lost(timed, channel, "late")
    assert len(timed.emulator.audit([(channel, "late")]).missing) == 1
    clock.at += 5
    assert timed.emulator.audit([(channel, "late")]).exact


def test_twice_stores_two_rows(api: Api, channel: str) -> None:
    """A doubled write answers once and is stored twice."""
    api.emulator.faults.add(Fault("sendMessage", "twice"))
    first = api.message(channel)
    rows = api.ok("GET", f"/messages/{channel}", filter={})
    assert [row["content"] for row in rows] == ["hello", "hello"]
    assert rows[0] == first
    assert rows[0]["id"] != rows[1]["id"]


def test_rules_combine(api: Api, channel: str) -> None:
    """All that fire apply; of those that decide the answer, the first does."""
    api.emulator.faults.add(Fault("*", "delay", delay_s=0.01))
    api.emulator.faults.add(Fault("sendMessage", "status", status=502))
    second = api.emulator.faults.add(Fault("sendMessage", "drop_before"))
    assert api.send("POST", f"/v1/api/messages/{channel}", {"content": "c"}).status == 502
    assert api.emulator.requests[-1].faults == ("delay", "status", "drop_before")
    assert second.fired == 1
    api.emulator.faults.clear()
    assert api.message(channel)["content"] == "hello"


@pytest.fixture
def full(timed: Api) -> tuple[Api, str]:
    """A channel of ten seeded messages."""
    (channel,) = timed.emulator.seed(channels=1, messages_per_channel=10).channel_ids
    return timed, channel


def page(api: Api, channel: str, offset: int = 0, per_page: int = 4, direction: str = "1") -> Any:
    """Return the numbers in the contents of one page."""
    option = {"offset": offset, "per_page": per_page}
    found = api.contents(channel, option=option, sort={"created_at": direction})
    return [content.split()[-1] for content in found]


def test_cap_bounds_the_page(full: tuple[Api, str]) -> None:
    """A cap is stronger than per_page; requests that list nothing never match."""
    api, channel = full
    rule = api.emulator.faults.add(Fault("*", "cap", rows=3))
    assert page(api, channel) == ["0", "1", "2"]
    assert page(api, channel, 8) == ["8", "9"]
    api.message(channel)
    assert rule.seen == 2


def test_short_pages_have_rows_missing_at_the_end(full: tuple[Api, str]) -> None:
    """A short page begins as asked, has at least one row, and is short at random."""
    api, channel = full
    api.emulator.faults.add(Fault("listMessages", "short", seed=3))
    pages = [page(api, channel, 2, 6) for _ in range(20)]
    assert all(rows == ["2", "3", "4", "5", "6", "7"][: len(rows)] for rows in pages)
    assert {len(rows) for rows in pages} == {1, 2, 3, 4, 5}


def test_repeat_shows_the_last_page_again(full: tuple[Api, str]) -> None:
    """Past the end, the last rows come again instead of an empty page."""
    api, channel = full
    api.emulator.faults.add(Fault("listMessages", "repeat"))
    assert page(api, channel, 8) == ["8", "9"]
    assert page(api, channel, 10) == page(api, channel, 99) == ["6", "7", "8", "9"]
    empty = api.channel()["id"]
    assert page(api, empty) == []


def test_endless_begins_anew(full: tuple[Api, str]) -> None:
    """Past the end, every page is full of rows from the beginning."""
    api, channel = full
    api.emulator.faults.add(Fault("listMessages", "endless"))
    assert page(api, channel, 8) == ["8", "9", "0", "1"]
    assert page(api, channel, 12) == ["2", "3", "4", "5"]
    assert page(api, channel, 0, 12) == [str(number % 10) for number in range(12)]
    assert page(api, api.channel()["id"]) == []


def test_lag_hides_fresh_rows_from_some_lists(timed: Api, clock: Clock) -> None:
    """A lag rule hides rows younger than its delay from the lists it fires for."""
    channel = timed.channel()["id"]
    timed.message(channel)
    timed.emulator.faults.add(Fault("listMessages", "lag", delay_s=3.0, times=2))
    assert timed.contents(channel) == []
    clock.at += 3
    assert timed.contents(channel) == ["hello"]
    timed.message(channel, "third")
    assert timed.contents(channel) == ["hello", "third"]


@pytest.mark.parametrize(
    ("where", "kept"), [("first", ["1", "2", "3"]), ("last", ["0", "1", "2", "3"])]
)
def test_delete_rules_remove_rows_between_pages(
    full: tuple[Api, str], where: Any, kept: list[str]
) -> None:
    """Before the page is read, rows go from the beginning or the end of the list."""
    api, channel = full
    api.emulator.faults.add(Fault("listMessages", "delete", nth=2, where=where, rows=1))
    assert page(api, channel) == ["0", "1", "2", "3"]
    assert page(api, channel)[: len(kept)] == kept
    assert api.emulator.stats.rows["messages"] == 9


def test_insert_rules_add_rows_between_pages(full: tuple[Api, str]) -> None:
    """Before the page is read, rows come, older than the first, newer than the last, or between."""
    api, channel = full
    api.emulator.faults.add(Fault("listMessages", "insert", nth=1, where="first", rows=2))
    assert page(api, channel)[2:] == ["0", "1"]
    api.emulator.faults.clear()
    api.emulator.faults.add(Fault("listMessages", "insert", nth=1, where="last"))
    assert page(api, channel, 0, 2, "-1")[1] == "9"
    api.emulator.faults.add(Fault("listMessages", "insert", where="random", rows=5))
    page(api, channel)
    assert api.emulator.stats.rows["messages"] == 18


@pytest.mark.parametrize("path", ["/members", "/channels", "/subscriptions"])
def test_insert_and_delete_rules_know_every_list(api: Api, path: str) -> None:
    """Rows of each noun can come and go, also in an empty list."""
    operation = {"/members": "listMembers", "/channels": "listChannels"}.get(
        path, "listSubscriptions"
    )
    api.emulator.faults.add(Fault(operation, "delete", nth=1))
    assert api.ok("GET", path, filter={}) == []
    api.emulator.faults.add(Fault(operation, "insert", where="random", rows=3, nth=1))
    assert len(api.ok("GET", path, filter={})) == 3
    api.emulator.faults.add(Fault(operation, "delete", where="random", rows=2, nth=1))
    assert len(api.ok("GET", path, filter={})) == 1


def test_on_list_is_called_before_each_page(full: tuple[Api, str]) -> None:
    """A hook sees which page is asked, and may change the rows under it."""
    api, channel = full
    seen: list[ListCall] = []

    def hook(call: ListCall) -> None:
        seen.append(call)
        row = {"channel_id": channel, "content": f"inserted {len(seen)}"}
        api.emulator.add_rows("messages", [row])

    api.emulator.on_list = hook
    assert api.contents(channel, option={"offset": 10}) == ["inserted 1"]
    assert api.contents(channel, option={"offset": 10}) == ["inserted 1", "inserted 2"]
    assert [(call.operation, call.ids) for call in seen] == [("listMessages", (channel,))] * 2
    assert json.loads(seen[0].query["option"]) == {"offset": 10}
