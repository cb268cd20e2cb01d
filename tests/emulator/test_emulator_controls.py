"""Seeding, reset, log, audit, files, and the same controls over HTTP."""

import asyncio
import http.client
import json
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ncloudchat_async.emulator import (
    ROUTES,
    Emulator,
    EmulatorSettings,
    EmulatorThread,
    Fault,
    ListCall,
    serve,
)
from ncloudchat_async.emulator.hosts import is_loopback
from tests.emulator.raw import Api, Clock


def test_seeding_is_deterministic(api: Api) -> None:
    """Equal seeds give equal rows, other seeds others; seeding again adds more."""
    sizes = {"members": 3, "channels": 2, "messages_per_channel": 4, "subscriptions": 5}

    def everything() -> Any:
        channels = api.ok("GET", "/channels", filter={})
        messages = [api.ok("GET", f"/messages/{c['id']}", filter={}) for c in channels]
        return channels, messages, api.ok("GET", "/members", filter={})

    seeded = api.emulator.seed(**sizes, seed=1)
    assert (len(seeded.member_ids), len(seeded.channel_ids), seeded.messages) == (3, 2, 8)
    rows = {"members": 3, "friendships": 0, "channels": 2, "messages": 8, "subscriptions": 5}
    assert api.emulator.stats.rows == rows
    first = everything()
    api.emulator.reset()
    api.emulator.seed(**sizes, seed=1)
    assert everything() == first
    api.emulator.seed(**sizes, seed=1)
    assert api.emulator.stats.rows == {name: 2 * count for name, count in rows.items()}
    api.emulator.reset()
    api.emulator.seed(**sizes, seed=2)
    assert everything() != first


def test_seeded_messages_look_like_sent_ones(api: Api) -> None:
    """A seeded message has the fields of a sent one, and its ids agree on the second."""
    (channel,) = api.emulator.seed(channels=1, messages_per_channel=1).channel_ids
    seeded = api.ok("GET", f"/messages/{channel}", filter={})[0]
    sent = api.message(channel)
    assert list(seeded) == list(sent)
    assert int(seeded["id"][:8], 16) == int(seeded["sort_id"]) // 1000
    assert int(sent["sort_id"]) > int(seeded["sort_id"])


def test_impossible_seeds_are_refused(api: Api) -> None:
    """Messages need a channel, and subscriptions pairs; nothing is stored."""
    with pytest.raises(ValueError, match="at least one channel"):
        api.emulator.seed(messages_per_channel=1)
    with pytest.raises(ValueError, match="pairs"):
        api.emulator.seed(members=2, channels=2, subscriptions=5)
    assert set(api.emulator.stats.rows.values()) == {0}


def test_rows_can_be_added_past_rest(api: Api) -> None:
    """Given fields are kept, others take their defaults, and a bad row stores nothing."""
    row = {"id": "kim@example.com", "online": True, "country": "KR", "notifications": {"ad": True}}
    api.emulator.add_rows("members", [row])
    (member,) = api.ok("GET", "/members", filter={"online": True})
    assert (member["id"], member["country"]) == ("kim@example.com", "KR")
    assert member["notifications"]["ad"] is True
    for bad in ({}, {"id": "x", "online": 1}, {"id": "kim@example.com"}):
        with pytest.raises(ValueError, match="Not a row of members"):
            api.emulator.add_rows("members", [{"id": "fine"}, bad])
    assert api.emulator.stats.rows["members"] == 1
    api.emulator.remove_row("members", "kim@example.com")
    assert api.emulator.stats.rows["members"] == 0


@pytest.mark.parametrize("sort_id", [[1], {}, True, -1, 1e20, "soon"])
def test_a_sort_id_is_a_moment(api: Api, sort_id: object) -> None:
    """What is no number of ms is refused, and never fails the server."""
    row = {"channel_id": api.channel()["id"], "content": "c", "sort_id": sort_id}
    reply = api.send("POST", "/_emulator/rows", {"noun": "messages", "rows": [row]})
    assert (reply.status, "sort_id" in reply.json["error"]) == (400, True)


def test_a_message_is_of_the_moment_of_its_sort_id(api: Api) -> None:
    """A row that gives nothing but `sort_id` has its second in id and timestamps too."""
    channel_id = api.channel()["id"]
    ids = api.emulator.add_rows(
        "messages", [{"channel_id": channel_id, "content": "c", "sort_id": "1751328000123"}]
    )
    (message,) = api.ok("GET", f"/messages/{channel_id}", filter={})
    assert ids == [message["id"]]
    assert message["sort_id"] == "1751328000123"
    assert message["created_at"] == message["sended_at"] == "2025-07-01T09:00:00+09:00"
    assert int(message["id"][:8], 16) == 1751328000


def test_the_log_holds_requests_and_no_key(api: Api) -> None:
    """Each request is remembered with operation, path, query and status, and never the key."""
    api.member()
    api.ok("GET", "/members", filter={"name": "user-1"})
    api.send("GET", "/v1/api/nothing")
    entries = list(api.emulator.requests)
    assert [(e.operation, e.method, e.status) for e in entries] == [
        ("registerMember", "POST", 200),
        ("listMembers", "GET", 200),
        (None, "GET", 404),
    ]
    assert entries[1].query == "filter=%7B%22name%22%3A+%22user-1%22%7D"
    assert entries[0].at <= entries[1].at <= entries[2].at
    assert api.emulator.api_key not in repr(entries)
    assert api.emulator.stats.by_operation == {"registerMember": 1, "listMembers": 1, "-": 1}


def test_an_audit_compares_multisets(api: Api) -> None:
    """Missing, duplicated and unintended deliveries are told apart by channel and content."""
    one, two = api.channel("one")["id"], api.channel("two")["id"]
    for channel, content in ((one, "a"), (one, "a"), (one, "b"), (two, "b"), (two, "x")):
        api.message(channel, content)
    audit = api.emulator.audit([(one, "a"), (one, "b"), (two, "b"), (two, "a"), (two, "b")])
    assert (audit.intended, audit.held, audit.exact) == (5, 5, False)

    def short(lines: Any) -> Any:
        return [(line.channel_id, line.content, line.intended, line.held) for line in lines]

    assert short(audit.missing) == [(two, "b", 2, 1), (two, "a", 1, 0)]
    assert short(audit.duplicated) == [(one, "a", 1, 2)]
    assert short(audit.extra) == [(two, "x", 0, 1)]
    assert api.emulator.audit([(one, "a")] * 2 + [(one, "b"), (two, "b"), (two, "x")]).exact


def test_reset_goes_back_to_the_start(api: Api) -> None:
    """Rows, rules, requests, counts, hooks, settings and key are those of the start."""
    key = api.emulator.api_key
    api.set(default_per_page=1)
    api.emulator.seed(members=1)
    api.emulator.faults.add(Fault("*", "delay"))
    seen: list[ListCall] = []
    api.emulator.on_list = seen.append
    replaced = api.emulator.reissue_key()
    api.emulator.reissue_key()
    api.member()
    api.emulator.reset()
    assert (
        api.send("GET", "/v1/api/members/u", headers={"x-api-key": replaced}).json["status"] == -1
    )
    api.emulator.reset()
    assert api.emulator.settings == EmulatorSettings()
    assert (api.emulator.api_key, len(api.emulator.faults)) == (key, 0)
    stats = api.emulator.stats
    assert (stats.requests, stats.peak_per_second, set(stats.rows.values())) == (0, 0, {0})
    assert list(api.emulator.requests) == []
    assert api.ok("GET", "/members", filter={}) == []
    assert seen == []


def test_reset_ends_calls_that_are_under_way(api: Api) -> None:
    """A call that was being delayed does nothing to the rows of the next test."""
    arrived = threading.Event()
    api.emulator.on_list = lambda _: arrived.set()
    api.emulator.faults.add(Fault("listChannels", "delay", delay_s=0.1))
    api.emulator.faults.add(Fault("listChannels", "insert"))

    def call() -> None:
        with pytest.raises(http.client.RemoteDisconnected):
            api.ok("GET", "/channels", filter={})

    with ThreadPoolExecutor() as pool:
        ended = pool.submit(call)
        assert arrived.wait(timeout=5)
        api.emulator.reset()
        ended.result()
    stats = api.emulator.stats
    assert (stats.rows["channels"], stats.requests) == (0, 0)


def test_a_file_keeps_rows_from_run_to_run(tmp_path: Path, clock: Clock) -> None:
    """With `data`, a second emulator finds the first one's rows and repeats no number."""
    path = tmp_path / "platform.sqlite"
    with EmulatorThread(data=path, now=clock) as emulator:
        channel = Api(emulator).channel()["id"]
        first = Api(emulator).message(channel, "first")
    with EmulatorThread(data=path, now=clock) as emulator:
        second = Api(emulator).message(channel, "second")
        assert Api(emulator).contents(channel) == ["first", "second"]
    assert int(second["sort_id"]) == int(first["sort_id"]) + 1


def test_a_file_belongs_to_one_emulator(tmp_path: Path) -> None:
    """A second emulator on a file in use is refused, as is a file that cannot be made."""
    path = tmp_path / "platform.sqlite"
    with EmulatorThread(data=path), pytest.raises(ValueError, match="another emulator's"):
        EmulatorThread(data=path)
    with pytest.raises(ValueError, match="Cannot keep rows"):
        EmulatorThread(data=tmp_path / "nowhere" / "platform.sqlite")


def test_a_file_survives_a_killed_emulator(tmp_path: Path) -> None:
    """What was answered before a kill is there afterwards, and the file is free again."""
    path = tmp_path / "platform.sqlite"
    code = (
        "import sys, time; from ncloudchat_async.emulator import EmulatorThread\n"
        "with EmulatorThread(data=sys.argv[1]) as emulator:\n"
        "    emulator.seed(members=1)\n"
        "    print(emulator.base_url, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as twin:
        assert twin.stdout is not None
        url = twin.stdout.readline().decode().strip()
        body = b'{"noun":"members","rows":[{"id":"user-1"}]}'
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/_emulator/rows", body, headers, method="POST")
        urllib.request.urlopen(request, timeout=10).close()
        twin.kill()
    with EmulatorThread(data=path) as emulator:
        assert emulator.stats.rows["members"] == 2


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file that is no store, or one of another version, is left alone."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at " * 10)
    with pytest.raises(ValueError, match="Not a store"):
        EmulatorThread(data=path)
    assert path.read_text().startswith("not a database")
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE t (x)")
    with pytest.raises(ValueError, match="version 0"):
        EmulatorThread(data=other)


def test_the_plugin_imports_nothing_until_a_fixture_is_used() -> None:
    """Pytest loads the plugin in every project, so it must not bring the emulator with it."""
    code = (
        "import sys, ncloudchat_async.pytest_plugin;"
        "print('ncloudchat_async.emulator' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def control(api: Api, method: str, name: str, body: object = None) -> Any:
    """Use a control over HTTP, without any key."""
    no_key = {"x-api-key": "", "x-project-id": ""}
    reply = api.send(method, f"/_emulator/{name}", body, headers=no_key)
    assert reply.status == 200, reply
    return reply.json


def test_controls_work_over_http(api: Api) -> None:
    """Everything a test can do in Python can be done over HTTP, with the same outcome."""
    seeded = control(api, "POST", "seed", {"members": 1, "channels": 1, "messages_per_channel": 2})
    (channel,), (member,) = seeded["channel_ids"], seeded["member_ids"]
    control(api, "POST", "subscriptions", {"channel_id": channel, "user_id": member})
    rows = [{"channel_id": channel, "content": "planted"}]
    control(api, "POST", "rows", {"noun": "messages", "rows": rows})
    assert control(api, "GET", "stats")["rows"] == {
        "members": 1,
        "friendships": 0,
        "channels": 1,
        "messages": 3,
        "subscriptions": 1,
    }
    audit = control(api, "POST", "audit", rows)
    assert (audit["held"], audit["missing"], len(audit["extra"])) == (3, [], 2)
    changed = control(api, "PATCH", "settings", {"default_per_page": 2})
    assert changed == control(api, "GET", "settings")
    assert (changed["default_per_page"], changed["mode"]) == (2, "standard")
    assert len(api.contents(channel)) == 2
    rule = {"operation": "sendMessage", "action": "status", "status": 500, "nth": 1}
    assert control(api, "POST", "faults", rule)["fired"] == 0
    assert api.send("POST", f"/v1/api/messages/{channel}", {"content": "c"}).status == 500
    (listed,) = control(api, "GET", "faults")
    assert (listed["fault"]["action"], listed["seen"], listed["fired"]) == ("status", 1, 1)
    assert control(api, "DELETE", "faults") == control(api, "GET", "faults") == []
    operations = [entry["operation"] for entry in control(api, "GET", "requests")]
    assert operations == ["listMessages", "sendMessage"]
    control(api, "DELETE", "rows", {"noun": "members", "id": member})
    assert control(api, "GET", "stats")["rows"]["members"] == 0
    assert control(api, "POST", "key") == {"api_key": api.emulator.api_key}
    control(api, "POST", "reset")
    assert control(api, "GET", "stats")["rows"]["channels"] == 0


def test_an_audit_over_http_may_be_large(api: Api) -> None:
    """Controls take bodies beyond the API's own limit."""
    channel = api.channel()["id"]
    intended = [{"channel_id": channel, "content": str(number)} for number in range(20_000)]
    assert len(json.dumps(intended)) > 2**20
    assert len(control(api, "POST", "audit", intended)["missing"]) == 20_000


@pytest.mark.parametrize(
    ("method", "name", "body"),
    [
        ("PATCH", "settings", {"default_per_page": 0}),
        ("PATCH", "settings", {"nothing": 1}),
        ("PATCH", "settings", []),
        ("POST", "seed", {"channel": 1}),
        ("POST", "rows", {"noun": "members", "rows": [], "row": []}),
        ("POST", "rows", {"noun": "members", "rows": [{"id": "u", "custom_field": "c"}]}),
        ("POST", "faults", {"operation": "nothing", "action": "delay"}),
        ("POST", "faults", {"operation": "*", "action": "delay", "delays": 1}),
        ("POST", "seed", {"messages_per_channel": 1}),
        ("POST", "seed", {"members": -1}),
        ("POST", "rows", {"noun": "members", "rows": [{"id": "u", "created_at": 1e300}]}),
        ("POST", "rows", {"noun": "members", "rows": [{"id": "u", "created_at": "today"}]}),
        ("POST", "rows", {"noun": "messages", "rows": [{"channel_id": ["c"], "content": "c"}]}),
        ("POST", "rows", {"noun": "messages", "rows": [{"content": "c"}]}),
        ("POST", "subscriptions", {}),
        ("POST", "audit", {}),
    ],
)
def test_wrong_controls_are_refused(api: Api, method: str, name: str, body: object) -> None:
    """A control that cannot be carried out answers 400 and says why."""
    reply = api.send(method, f"/_emulator/{name}", body)
    assert reply.status == 400
    assert reply.json["error"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"a":' * 10_000])
def test_controls_survive_any_body(api: Api, raw: bytes) -> None:
    """A body that is no JSON object answers 400; an empty seed is one of nothing."""
    for method, name in (
        ("PATCH", "settings"),
        ("POST", "faults"),
        ("POST", "seed"),
        ("POST", "rows"),
    ):
        expected = 200 if (name, raw) == ("seed", b"") else 400
        assert api.send(method, f"/_emulator/{name}", raw=raw).status == expected


@pytest.mark.parametrize(
    ("method", "name", "body", "hint"),
    [
        ("PATCH", "settings", {"list_lag": 2}, "list_lag_s"),
        ("POST", "faults", {"operation": "*", "action": "delay", "delay": 1}, "delay_s"),
        ("POST", "seed", {"message_per_channel": 1}, "messages_per_channel"),
        ("POST", "subscriptions", {"channelId": "c"}, "channel_id"),
        ("POST", "rows", {"noun": "members", "rows": [{"custom_field": 1}]}, "customField"),
        ("POST", "rows", {"noun": "member", "rows": []}, "members"),
        ("DELETE", "rows", {"noun": "chanel", "id": "1"}, "channels"),
    ],
)
def test_unknown_fields_hint_at_the_nearest(
    api: Api, method: str, name: str, body: object, hint: str
) -> None:
    """A field that no control knows is refused, and the nearest one named."""
    reply = api.send(method, f"/_emulator/{name}", body)
    assert reply.status == 400
    assert f"the nearest is {hint!r}" in reply.json["error"]


def test_orphans_are_refused_unless_permitted(api: Api) -> None:
    """Messages and subscriptions need a channel that is there, subscriptions a member too."""
    gone, channel = api.channel("gone")["id"], api.channel()["id"]
    api.ok("DELETE", f"/channels/{gone}")
    api.member()
    for noun, row in (
        ("messages", {"channel_id": gone, "content": "c"}),
        ("subscriptions", {"channel_id": gone, "user_id": "user-1"}),
        ("subscriptions", {"channel_id": channel, "user_id": "nobody"}),
    ):
        body = {"noun": noun, "rows": [row]}
        reply = api.send("POST", "/_emulator/rows", body)
        assert (reply.status, "there is no" in reply.json["error"]) == (400, True)
        control(api, "POST", "rows", {**body, "orphans": True})
    assert api.emulator.stats.rows["subscriptions"] == 2


def test_joining_keeps_to_the_channels_terms(api: Api) -> None:
    """Nobody joins what is not there, is private, is full, or was joined before."""
    for user_id in ("user-1", "user-2"):
        api.member(user_id)
    private = api.channel("private", type="PRIVATE", members=["user-2"], limit=1)["id"]

    def refused(channel_id: str, user_id: str) -> str:
        with pytest.raises(ValueError, match=r"join|private|full") as raised:
            api.emulator.add_subscription(channel_id, user_id)
        return str(raised.value)

    assert "no channel 'nowhere'" in refused("nowhere", "user-1")
    assert "no member 'nobody'" in refused(private, "nobody")
    assert "does not name 'user-1'" in refused(private, "user-1")
    api.emulator.add_subscription(private, "user-2")
    api.ok("PUT", f"/channels/{private}", {"type": "PUBLIC"})
    assert "its limit is 1" in refused(private, "user-1")
    api.ok("PUT", f"/channels/{private}", {"limit": 0})
    assert "already" in refused(private, "user-2")
    api.emulator.add_subscription(private, "user-1")


def test_unknown_controls_name_the_known_ones(api: Api) -> None:
    """A control that does not exist answers 404 with a list of those that do; so does the index."""
    reply = api.send("GET", "/_emulator/seeds")
    assert reply.status == 404
    assert "POST /_emulator/seed" in reply.json["error"]["details"]
    for path in ("/_emulator", "/_emulator/"):
        assert "POST /_emulator/seed" in api.send("GET", path).json


@pytest.mark.parametrize(
    "call",
    [lambda of, noun: of.add_rows(noun, [{"id": "x"}]), lambda of, noun: of.remove_row(noun, "x")],
)
def test_unknown_nouns_hint_at_the_nearest(api: Api, call: Callable[[Any, str], object]) -> None:
    """Rows of what has none that can be given are refused, and the nearest noun named."""
    with pytest.raises(ValueError, match="No noun 'friends'; the nearest is "):
        call(api.emulator, "friends")
    with pytest.raises(ValueError, match="No noun 'message'; the nearest is 'messages'"):
        call(api.emulator, "message")


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("GET", "/v1/api/member", "GET /v1/api/members"),
        ("POST", "/v1/api/message/c-1", "POST /v1/api/messages/{channelId}"),
        ("GET", "/v1/api/v1/api/friendship/bulk", "/v1/api/friendship/bulk"),
        ("GET", "/v1/api/members/", "GET /v1/api/members"),
        ("GET", "/v1/api/members//notification", "/notification"),
    ],
)
def test_unknown_routes_hint_at_the_nearest(api: Api, method: str, path: str, hint: str) -> None:
    """A request that no route serves answers the gateway's 404 and names the nearest route."""
    reply = api.send(method, path)
    assert (reply.status, reply.json["error"]["errorCode"]) == (404, "300")
    assert hint in reply.json["error"]["details"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "10.0.0.1"},
        {"Host": "[bad"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/_emulator/stats", "/v1/api/members/user-1"])
def test_foreign_hosts_are_turned_away(api: Api, headers: dict[str, str], path: str) -> None:
    """A name or page that is not the emulator's own gets 421, so rebinding leads nowhere."""
    assert api.send("GET", path, headers=headers).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:1"])
def test_loopback_hosts_are_served(api: Api, host: str) -> None:
    """Every name of this machine for itself is the emulator's own."""
    assert api.send("GET", "/_emulator/stats", headers={"Host": host}).status == 200


def test_remote_hosts_need_permission() -> None:
    """Only with `allow_remote` may others reach the emulator; then by address or a given name."""
    with pytest.raises(ValueError, match="allow_remote"):
        EmulatorThread(host="0.0.0.0")
    assert not is_loopback("example.com")
    with EmulatorThread(host="0.0.0.0", allow_remote=True, names=["emulator"]) as emulator:
        api = Api(emulator)
        assert emulator.base_url.startswith("http://127.0.0.1:")
        for host, status in (("10.0.0.1:80", 200), ("emulator:80", 200), ("evil.example", 421)):
            assert api.send("GET", "/_emulator/stats", headers={"Host": host}).status == status


def test_the_page_escapes_everything(api: Api) -> None:
    """The page for people shows state without running anything, and never the key."""
    evil = "<script>alert(1)</script>"
    api.set(admin_name=evil)
    api.emulator.faults.add(Fault("sendMessage", "delay"))
    api.ok("GET", "/members", filter={"name": evil})
    api.send("GET", f"/{evil}".replace(" ", ""))
    reply = api.send("GET", "/")
    page = reply.body.decode()
    assert reply.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert all(part in page for part in ("listMembers", "sendMessage", "admin_name"))
    assert all(route in page for route in api.send("GET", "/_emulator").json)
    assert api.emulator.api_key not in page


def test_routes_are_the_documentations(api: Api) -> None:
    """There are 24 operations with different names, and different methods or paths."""
    assert len(ROUTES) == len({route.operation for route in ROUTES}) == 24
    assert len({(route.method, route.path) for route in ROUTES}) == 24
    for route in ROUTES:
        path = route.path.replace("{channelId}", "c").replace("{userId}", "u")
        assert api.send(route.method, path.replace("{messageId}", "m"), {}).status == 200


async def test_an_emulator_runs_once() -> None:
    """It has no address before, no rows afterwards, and cannot be entered again."""
    emulator = Emulator()
    emulator.seed(members=1)
    with pytest.raises(RuntimeError, match="no address"):
        _ = emulator.base_url
    async with emulator:
        with pytest.raises(RuntimeError, match="is running"):
            await emulator.__aenter__()
        assert emulator.stats.rows["members"] == 1
    with pytest.raises(RuntimeError, match="has ended"):
        await emulator.__aenter__()
    with pytest.raises(RuntimeError, match="has ended"):
        _ = emulator.stats


def test_a_thread_runs_once() -> None:
    """In a thread, too, the errors name what is wrong; what is in memory can still be read."""
    emulator = EmulatorThread()
    with pytest.raises(RuntimeError, match="no address"):
        _ = emulator.base_url
    with emulator:
        with pytest.raises(RuntimeError, match="is running"):
            emulator.__enter__()
        Api(emulator).member()
    with pytest.raises(RuntimeError, match="has ended"):
        emulator.__enter__()
    for use in (emulator.seed, emulator.reissue_key, emulator.reset):
        with pytest.raises(RuntimeError, match="has ended"):
            use()
    assert [entry.operation for entry in emulator.requests] == ["registerMember"]


def test_whoever_waits_for_an_ending_emulator_is_told() -> None:
    """Work handed to the thread while it ends raises instead of waiting for ever."""

    def ask_on(emulator: EmulatorThread) -> None:
        while True:
            _ = emulator.stats

    with ThreadPoolExecutor() as pool:
        for _ in range(10):
            with EmulatorThread() as emulator:
                asking = [pool.submit(ask_on, emulator) for _ in range(4)]
            for one in asking:
                with pytest.raises(RuntimeError, match="has ended"):
                    one.result(timeout=5)


def test_an_emulator_shows_where_it_is_and_never_the_key() -> None:
    """Its representation has state, address and counts."""
    emulator = EmulatorThread(api_key="secret-1")
    assert repr(emulator).startswith("<EmulatorThread new at 127.0.0.1")
    with emulator:
        Api(emulator).member()
        emulator.faults.add(Fault("*", "delay"))
        shown = repr(emulator)
        assert f"running at {emulator.base_url}" in shown
        assert "1 requests, 1 faults" in shown
        assert "secret" not in shown
    assert "ended" in repr(emulator)


async def test_an_emulator_runs_inside_a_loop() -> None:
    """`async with` starts on a free port and leaves nothing open."""
    async with Emulator(project_id="p", api_key="k") as emulator:
        port = int(emulator.base_url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "GET /v1/api/members/u HTTP/1.1\r\nHost: localhost\r\nx-project-id: p\r\n"
        writer.write(f"{head}x-api-key: k\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert await reader.readexactly(4) == b"null"
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_leaving_cuts_off_requests_at_work() -> None:
    """A request that is being delayed does not hold up the end."""
    emulator = Emulator(project_id="p", api_key="k")
    arrived = asyncio.Event()
    emulator.on_list = lambda _: arrived.set()
    async with asyncio.timeout(5), emulator:
        emulator.faults.add(Fault("*", "delay", delay_s=3600))
        port = int(emulator.base_url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/api/members?filter=%7B%7D HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await arrived.wait()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_serve_runs_until_cancelled() -> None:
    """`serve` says where it listens, and closes when cancelled."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(Emulator(), ready.set_result))
    url = await ready
    port = int(url.rsplit(":", 1)[1])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)


def test_a_taken_port_is_an_error(api: Api) -> None:
    """An emulator that cannot start raises where it was entered, and leaves nothing open."""
    port = int(api.emulator.base_url.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="address already in use"), EmulatorThread(port=port):
        raise AssertionError


def test_settings_can_be_replaced_and_are_checked(api: Api) -> None:
    """Assigned settings count from the next request on; impossible ones are refused."""
    api.emulator.settings = EmulatorSettings(missing="empty")
    assert api.ok("GET", "/members/nobody") == {}
    odd: Any = "sometimes"
    with pytest.raises(ValueError, match="missing"):
        api.emulator.settings = EmulatorSettings(missing=odd)
    with pytest.raises(ValueError, match="quota_rate"):
        api.set(quota_rate=0)
    assert json.loads(json.dumps(control(api, "GET", "settings")))["missing"] == "empty"
