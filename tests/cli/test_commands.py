"""Every group of commands against the emulator: rows, exit codes, dry runs, hostile content."""

import csv
import io
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp.client_reqrep import ConnectionKey

from ncloudchat_async.cli.doctor import advice
from ncloudchat_async.emulator import EmulatorThread, Fault
from ncloudchat_async.wire.failures import failure_of
from tests.cli.conftest import EVERY, Cli
from tests.cli.test_text import HOSTILE, is_safe


def test_lists_are_json_lines(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """A list writes one JSON object per row, and nothing else to stdout or stderr."""
    ncloudchat_emulator.seed(members=130)
    done = cli("members", "list")
    assert (done.code, done.err) == (0, "")
    assert len({row["id"] for row in done.rows}) == 130


def test_lists_take_filter_sort_limit_and_fields(
    cli: Cli, ncloudchat_emulator: EmulatorThread
) -> None:
    """The options of a list do what they say."""
    ncloudchat_emulator.seed(channels=5)
    done = cli("channels", "list", "--sort", "-created_at", "--limit", "2", "--fields", "name")
    assert done.rows == [{"name": "Channel 4"}, {"name": "Channel 3"}]
    done = cli("channels", "list", "--filter", "name=Channel 1", "--filter", '{"type":"PUBLIC"}')
    assert [row["name"] for row in done.rows] == ["Channel 1"]
    assert cli("channels", "list", "--filter", "disabled=true", "--count").rows == [{"count": 0}]


@pytest.mark.parametrize(
    "words", [["--filter", "x"], ["--filter", "{"], ["--nothing"], ["--limit"]]
)
def test_misuse_is_exit_code_2(cli: Cli, words: list[str]) -> None:
    """What cannot be meant is refused before anything is sent."""
    done = cli("members", "list", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("ncloudchat: ")


@pytest.mark.parametrize(
    ("change", "code"), [({"key_state": "expired"}, 3), ({"quota_rate": 0.001}, 4)]
)
def test_refusals_have_exit_codes(
    cli: Cli, ncloudchat_emulator: EmulatorThread, change: dict[str, object], code: int
) -> None:
    """A refused key ends with 3, a limit or deadline that is reached with 4."""
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(**change)
    cli("--output", "json", "tokens", "issue", "user-1")
    done = cli("members", "get", "user-1", "--deadline", "0.3")
    assert (done.code, done.out) == (code, "")


@pytest.mark.parametrize(
    ("status", "error_code", "code"), [(429, "400", 4), (401, "210", 3), (403, "210", 3)]
)
def test_answers_have_exit_codes(
    cli: Cli, ncloudchat_emulator: EmulatorThread, status: int, error_code: str, code: int
) -> None:
    """A quota that is used up ends with 4 and what the key may not do with 3, at once."""
    body = msgspec.json.encode({"error": {"errorCode": error_code, "message": "m"}}).decode()
    ncloudchat_emulator.faults.add(Fault("getMember", "status", status=status, body=body))
    assert cli("members", "get", "user-1").code == code
    assert ncloudchat_emulator.stats.requests == 1


def test_an_unknown_outcome_is_exit_code_5(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """A send whose answer is lost is neither done nor failed."""
    channel_id = ncloudchat_emulator.seed(channels=1).channel_ids[0]
    ncloudchat_emulator.faults.add(Fault("sendMessage", "drop_after"))
    assert cli("messages", "send", channel_id, "hello").code == 5
    ncloudchat_emulator.faults.clear()
    ncloudchat_emulator.faults.add(Fault("sendMessage", "stall", delay_s=60))
    assert cli("messages", "send", channel_id, "hello", "--deadline", "0.3").code == 5


def test_a_doubt_outweighs_a_failure(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """Of several changes one unknown and one failed are exit code 5: the unknown needs a look."""
    fields = [{"id": f"user-{number}", "name": "n"} for number in range(3)]
    ids = ncloudchat_emulator.add_rows("members", fields)
    ncloudchat_emulator.faults.add(Fault("restoreMember", "drop_after", nth=1))
    refusal = Fault("restoreMember", "status", status=400, body="{}", nth=2)
    ncloudchat_emulator.faults.add(refusal)
    done = cli("members", "restore", *ids)
    assert (done.code, len(done.rows)) == (5, 1)


def test_no_further_call_begins_after_the_deadline(
    cli: Cli, ncloudchat_emulator: EmulatorThread
) -> None:
    """Of many items those that wait for the quota at the deadline are neither done nor failed."""
    fields = [{"id": f"user-{number}", "name": "n"} for number in range(40)]
    ids = ncloudchat_emulator.add_rows("members", fields)
    done = cli("members", "restore", *ids, "--rate", "20", "--deadline", "0.7")
    assert done.code == 4
    assert 0 < len(done.rows) < 40
    assert ncloudchat_emulator.stats.by_operation["restoreMember"] == len(done.rows)
    assert "user-" not in done.err


def test_members_live_through_their_commands(cli: Cli) -> None:
    """Registering, changing, withdrawing, restoring and finding work one by one."""
    assert cli("members", "register", "user-1", "Kim").rows[0]["name"] == "Kim"
    assert cli("members", "update", "user-1", "--name", "Lee").rows[0]["name"] == "Lee"
    assert cli("members", "withdraw", "user-1").rows[0]["deleted"] is True
    assert cli("members", "restore", "user-1").rows[0]["deleted"] is False
    assert cli("members", "search", "LEE").rows[0]["id"] == "user-1"
    assert cli("members", "search", "LEE", "--by", "id").rows == []
    assert cli("members", "get", "user-2").code == 1
    assert cli("members", "register", "e@x", "E").code == 2
    assert cli("members", "register", "user-1", "Kim").code == 1


def test_ids_come_through_a_pipe_in_any_form(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """What one command lists another takes from its stdin, CSV with its heading too."""
    ncloudchat_emulator.seed(members=3)
    for form in ("csv", "jsonl"):
        for fields in ("id", "name,id"):
            listed = cli("members", "list", "--fields", fields, "--output", form)
            done = cli("members", "get", "--from", "-", stdin=listed.out)
            assert (done.code, len(done.rows)) == (0, 3)
    listed = cli("members", "list", "--fields", "id", "--output", "csv")
    done = cli("members", "withdraw", "--from", "-", "--yes", stdin=listed.out)
    assert (done.code, len(done.rows)) == (0, 3)
    assert ncloudchat_emulator.stats.by_operation["deleteMember"] == 3


def test_bulk_forms_read_files_and_pipes(cli: Cli, tmp_path: Path) -> None:
    """Records come from CSV, ids from pipes; a bad line stops all, a failure nothing."""
    rows = "user_id,name,profile\nuser-1,A,\nuser-2,B,http://x\n"
    Path(tmp_path, "new.csv").write_text(rows + ",C,\n")
    done = cli("members", "register", "--from", "new.csv")
    assert (done.code, done.out) == (2, "")
    assert "new.csv, line 4: no user_id" in done.err
    Path(tmp_path, "new.csv").write_text(rows)
    assert cli("members", "register", "--from", "new.csv").code == 0
    listed = cli("members", "list", "--fields", "id")
    assert len(listed.rows) == 2
    done = cli("members", "get", "--from", "-", stdin='{"id":"nobody"}\n' + listed.out)
    assert (done.code, len(done.rows)) == (1, 2)
    assert "nobody: Members.get: " in done.err
    assert "members: 3" in done.err
    done = cli("members", "update", "--from", "-", stdin='{"id":"user-1","name":"Z"}')
    assert done.rows[0]["name"] == "Z"


def test_a_refused_key_stops_bulk_work(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """What every further call would meet ends the run, with its own exit code, and is told once."""
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(key_state="disabled")
    ids = "\n".join(f"user-{number}" for number in range(500))
    done = cli("members", "get", "--from", "-", "--max-in-flight", "2", stdin=ids)
    assert (done.code, len(done.err.splitlines()) < 20) == (3, True)
    assert ncloudchat_emulator.stats.requests < 20


def test_a_dry_run_sends_nothing(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """A dry run prints each request, needs no consent and no credentials, and calls nobody."""
    done = cli("channels", "delete", "a/b", "c", "--dry-run")
    assert [row["path"] for row in done.rows] == ["/v1/api/channels/a%2Fb", "/v1/api/channels/c"]
    done = cli(
        "channels", "create", "N", "--member", "u", "--member", "v", "--no-push", "--dry-run"
    )
    assert done.rows[0]["body"] == {
        "name": "N",
        "type": "PUBLIC",
        "members": ["u", "v"],
        "push": False,
    }
    assert cli("channels", "delete", "..", "--dry-run").code == 2
    assert ncloudchat_emulator.stats.requests == 0


def test_channels_and_messages_work(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """Channels and messages are made, changed, listed and deleted."""
    made = cli("channels", "create", "--from", "-", stdin="name,type,members\nN,PRIVATE,a;b\nM,,\n")
    one = next(str(row["id"]) for row in made.rows if row["name"] == "N")
    assert next(row["members"] for row in made.rows if row["name"] == "N") == ["a", "b"]
    assert cli("channels", "update", one, "--disabled").rows[0]["disabled"] is True
    sent = [str(cli("messages", "send", one, f"t{n}").rows[0]["id"]) for n in range(3)]
    assert (
        cli("messages", "send", one, "--content-from", "-", stdin="x\n").rows[0]["content"] == "x\n"
    )
    assert [row["id"] for row in cli("messages", "list", one).rows][:3] == sent
    assert cli("messages", "get", one, sent[1]).rows[0]["content"] == "t1"
    assert [row["content"] for row in cli("messages", "latest", one, "-n", "2").rows] == [
        "x\n",
        "t2",
    ]
    assert cli("messages", "delete", one, *sent, "--yes").code == 0
    assert len(cli("messages", "list", one).rows) == 1
    ncloudchat_emulator.add_rows("members", [{"id": "a", "name": "A"}])
    ncloudchat_emulator.add_subscription(one, "a")
    assert cli("channels", "subscribers", one).rows[0]["user_id"] == "a"
    assert cli("subscriptions", "list", "--count").rows == [{"count": 1}]


def test_friends_tokens_and_notifications_work(cli: Cli, tmp_path: Path) -> None:
    """The small groups do what their names say; a push token comes from a file."""
    for user in ("user-1", "user-2", "user-3"):
        cli("members", "register", user, "X")
    assert cli("friends", "request", "user-1", "user-2").rows[0]["status"] == "requested"
    assert cli("friends", "accept", "user-2", "user-1").rows[0]["status"] == "accepted"
    pairs = "user_id,friend_id\nuser-1,user-3\nuser-2,user-3\n"
    assert cli("friends", "request-many", "-", stdin=pairs).code == 0
    assert cli("friends", "reject", "user-3", "user-2").rows[0]["status"] == "rejected"
    assert str(cli("tokens", "issue", "user-1").rows[0]["token"]).count(".") == 2
    Path(tmp_path, "token").write_text("T0KEN\n")
    done = cli("notifications", "set", "user-1", "--token-from", "token", "--no-night")
    assert done.code == 0
    kept = cli("notifications", "get", "user-1").rows[0]["notifications"]
    assert isinstance(kept, dict)
    assert (kept["token"], kept["night"]) == ("T0KEN", False)
    assert cli("notifications", "clear", "user-1").code == 0


def test_api_calls_any_path(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """A path, parameters and a body are sent as they are, and the answer comes back raw."""
    ncloudchat_emulator.seed(members=2)
    query = ["--query", "filter={}", "--query", 'option={"offset":0,"per_page":1}']
    assert len(cli("api", "GET", "/v1/api/members", *query).rows) == 1
    body = '{"name":"N","type":"PUBLIC"}'
    done = cli("api", "POST", "/v1/api/channels", "--body-from", "-", stdin=body)
    assert done.rows[0]["status"] == 1
    assert cli("api", "GET", "/v1/../x").code == 2
    assert cli("api", "GET", "v1").code == 2
    assert cli("api", "GET", "/nowhere").code == 1
    plan = cli("api", "DELETE", "/v1/api/members/{x} y", "--dry-run").rows[0]
    assert plan["path"] == "/v1/api/members/%7Bx%7D%20y"


@pytest.mark.parametrize(("path", "sent", "code"), [("/restore", 1, 5), ("", 2, 0)])
def test_api_repeats_what_may_be_repeated(
    cli: Cli, ncloudchat_emulator: EmulatorThread, path: str, sent: int, code: int
) -> None:
    """The DELETE that restores a member is sent once; one that withdraws it, until it is told."""
    ncloudchat_emulator.seed(members=1)
    ncloudchat_emulator.faults.add(Fault("*", "drop_before", nth=1))
    done = cli("api", "DELETE", f"/v1/api/members/member-000000{path}")
    assert (len(ncloudchat_emulator.requests), done.code) == (sent, code)


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "table"])
def test_hostile_texts_never_reach_a_terminal(
    cli: Cli, ncloudchat_emulator: EmulatorThread, form: str
) -> None:
    """Names, texts and the server's errors reach no output with a character a terminal obeys."""
    fields = {"name": "=cmd|' /C calc'!A0", "type": "PRIVATE", "members": [HOSTILE]}
    (channel_id,) = ncloudchat_emulator.add_rows("channels", [fields])
    ncloudchat_emulator.add_rows("messages", [{"channel_id": channel_id, "content": HOSTILE}])
    ncloudchat_emulator.add_rows("members", [{"id": "user-1", "name": HOSTILE}])
    for words in (["members", "list"], ["messages", "list", channel_id], ["channels", "list"]):
        done = cli(*words, "--output", form)
        assert done.code == 0
        assert is_safe(done.out.replace("\n", "").replace("\t", ""))
        assert is_safe(done.err.replace("\n", ""))
    body = msgspec.json.encode({"error": {"errorCode": "100", "message": HOSTILE}}).decode()
    fault = Fault("getMember", "status", status=400, body=body)
    ncloudchat_emulator.faults.add(fault)
    assert is_safe(cli("jobs", "status", HOSTILE).err.replace("\n", ""))
    for ids in (["user-1"], ["user-1", HOSTILE]):
        done = cli("members", "get", *ids)
        assert done.code in {1, 2}
        assert is_safe(done.err.replace("\n", ""))


def test_csv_guards_formulas_and_keeps_texts(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """Cells that a spreadsheet would run begin with an apostrophe; quotes and line breaks stay."""
    names = ["=1+1", "+cmd", "-x", "@sum", "\tx", "\uff1d1", "-5", "+8210", 'plain, "quoted"\nline']
    ncloudchat_emulator.add_rows("channels", [{"name": name} for name in names])
    done = cli("channels", "list", "--fields", "name", "-o", "csv")
    cells = [row[0] for row in csv.reader(io.StringIO(done.out))][1:]
    assert cells == ["'" + name for name in names[:-1]] + names[-1:]


def test_json_is_one_array(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """`--output json` is valid with no row, one, and several."""
    assert msgspec.json.decode(cli("members", "list", "-o", "json").out) == []
    ncloudchat_emulator.seed(members=2)
    assert len(msgspec.json.decode(cli("members", "list", "-o", "json").out)) == 2


def test_json_is_whole_after_an_error(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """A list that fails midway leaves the rows before the error, and an array that is closed."""
    ncloudchat_emulator.seed(members=130)
    fault = Fault("listMembers", "status", status=400, body="{}", nth=2)
    ncloudchat_emulator.faults.add(fault)
    done = cli("members", "list", "-o", "json", "--max-in-flight", "1")
    assert done.code == 1
    assert len(msgspec.json.decode(done.out)) == 100


@pytest.mark.parametrize(
    ("words", "wrong", "hint"),
    [
        (["members", "list"], "nam", "did you mean name?"),
        (["messages", "list", "c"], "sender_name", "did you mean sender.name?"),
        (["channels", "create", "N", "--dry-run"], "nmae", "did you mean name?"),
        (["members", "get", "user-1"], "xyz", "there are id, "),
        (["jobs", "status", "j"], "totl", "did you mean total?"),
        (["profile", "list"], "names", "did you mean name?"),
        (["members", "list", "--count"], "cnt", "did you mean count?"),
        (["doctor"], "chek", "did you mean check?"),
        (["send", "-"], "mesage_id", "did you mean message_id?"),
    ],
)
def test_a_field_that_is_not_there_is_refused(
    cli: Cli, ncloudchat_emulator: EmulatorThread, words: list[str], wrong: str, hint: str
) -> None:
    """A slip in --fields is told before anything is sent; objects and their fields are known."""
    cli("send", "-", "--journal", "j", stdin="channel_id,content\n")
    before = [row.operation for row in ncloudchat_emulator.requests]
    done = cli(*words, "--fields", wrong)
    assert (done.code, done.out) == (2, "")
    assert f"--fields: there is no {wrong}; {hint}" in done.err
    sent = [row.operation for row in ncloudchat_emulator.requests][len(before) :]
    assert set(sent) <= {"listChannels"}


def test_objects_and_free_rows_have_fields_too(
    cli: Cli, ncloudchat_emulator: EmulatorThread
) -> None:
    """A whole object may be asked for; what `api` answers has any field; dry runs are whole."""
    (channel_id,) = ncloudchat_emulator.add_rows("channels", [{"name": "N"}])
    assert cli("messages", "send", channel_id, "x", "--fields", "sender").rows[0]["sender"]
    query = ["--query", "filter={}", "--query", "option={}", "--fields", "name,nothing"]
    assert cli("api", "GET", "/v1/api/channels", *query).rows == [{"name": "N", "nothing": None}]
    plan = cli("channels", "delete", channel_id, "--fields", "id,name", "--dry-run").rows[0]
    assert plan["method"] == "DELETE"


def test_a_report_is_a_table_of_lines(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """A report of one row has a line per field; a list with one row stays a list."""
    ncloudchat_emulator.seed(members=1)
    cli("send", "-", "--journal", "j", stdin="channel_id,content\n")
    lines = cli("jobs", "status", "j", "-o", "table").out.split("\n")
    words = [line.split() for line in lines if line.strip()]
    assert words[0] == ["field", "value"]
    assert ["total", "0"] in words
    assert max(map(len, lines)) < 80
    listed = cli("members", "list", "-o", "table").out
    assert listed.split()[:2] == ["id", "name"]


def test_what_fails_before_its_first_row_writes_nothing(
    cli: Cli, ncloudchat_emulator: EmulatorThread
) -> None:
    """No form of output leaves an empty array or a bare header behind an error."""
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(key_state="expired")
    for form in ("jsonl", "json", "csv", "table"):
        assert cli("members", "list", "--output", form).out == ""


def test_times_are_utc(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """Whatever offset the project has, a time is written in UTC and says so."""
    row = {"id": "user-1", "name": "A", "created_at": "2025-01-02T08:30:00+09:00"}
    ncloudchat_emulator.add_rows("members", [row])
    for form in ("jsonl", "csv", "table"):
        done = cli("members", "list", "--fields", "created_at", "-o", form)
        assert "2025-01-01T23:30:00Z" in done.out
    cli("send", "-", "--journal", "j", stdin="channel_id,content\n")
    assert str(cli("jobs", "status", "j").rows[0]["created_at"]).endswith("Z")


_LIST = {"--output", "--fields", "--limit", "--filter", "--sort"}
_READ = {"--output", "--fields", "--from"}
_CHANGE = {"--output", "--fields", "--dry-run"}
_BULK = _CHANGE | {"--from"}
_DESTROY = _BULK | {"--yes"}
VERBS = {
    "members list": _LIST,
    "members get": _READ,
    "members register": _BULK,
    "members update": _BULK,
    "members withdraw": _DESTROY,
    "members restore": _BULK,
    "members search": _LIST,
    "channels list": _LIST,
    "channels get": _READ,
    "channels create": _BULK,
    "channels update": _BULK,
    "channels delete": _DESTROY,
    "channels subscribers": _LIST,
    "messages list": _LIST,
    "messages get": _READ,
    "messages send": _CHANGE,
    "messages delete": _DESTROY,
    "messages latest": _READ,
    "friends request": _CHANGE,
    "friends accept": _CHANGE,
    "friends reject": _CHANGE,
    "friends request-many": _CHANGE,
    "tokens issue": _CHANGE,
    "subscriptions list": _LIST,
    "notifications get": _READ,
    "notifications set": _BULK,
    "notifications clear": _DESTROY,
    "send": _CHANGE | {"--journal", "--rate", "--max-in-flight", "--mode", "--deadline"},
    "jobs status": {"--output", "--fields"},
    "jobs resume": _CHANGE,
    "jobs unknown": {"--output", "--fields", "--limit"},
    "jobs failed": {"--output", "--fields", "--limit"},
    "doctor": {"--output", "--fields"},
    "api": _CHANGE,
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_the_options_of_its_kind(verb: str) -> None:
    """Lists choose rows, changes have a dry run, bulk forms a file, destruction a consent."""
    options = EVERY[tuple(verb.split())].assemble_argument_collection()
    assert VERBS[verb] - {name for option in options for name in option.names} == set()


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"NCLOUDCHAT_API_KEY": ""}, ("settings", 2, "profile add")),
        ({"NCLOUDCHAT_PROJECT_ID": ""}, ("settings", 2, "NCLOUDCHAT_PROJECT_ID")),
        ({"NCLOUDCHAT_PROFILE": "none"}, ("settings", 2, "correct")),
        ({"NCLOUDCHAT_BASE_URL": "http://example.com"}, ("settings", 2, "--allow-insecure")),
        ({"NCLOUDCHAT_BASE_URL": "http://127.0.0.1:1"}, ("server", 1, "whether anything runs")),
        ({"NCLOUDCHAT_API_KEY": "wrong"}, ("reading", 3, "compare the key")),
        ({"NCLOUDCHAT_PROJECT_ID": "wrong"}, ("reading", 3, "compare the project id")),
    ],
)
def test_doctor_names_what_is_wrong(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    verdict: tuple[str, int, str],
) -> None:
    """Whatever is wrong, doctor answers in rows, the last with what to do about it."""
    check, code, fix = verdict
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    done = cli("doctor")
    assert (done.code, done.err) == (code, "")
    *before, last = done.rows
    assert {row["state"] for row in before} <= {"ok"}
    assert (last["check"], last["state"]) == (check, "fail")
    assert fix in str(last["fix"])


_KEY = ConnectionKey("host", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (aiohttp.ClientConnectorDNSError(_KEY, OSError(-2, "unknown")), "DNS"),
        (aiohttp.ConnectionTimeoutError(), "firewall"),
        (aiohttp.ClientConnectorCertificateError(_KEY, ValueError()), "certificates"),
        (ConnectionResetError(), "cuts connections"),
    ],
)
def test_each_way_to_fail_on_the_network_has_a_remedy(error: Exception, fix: str) -> None:
    """What the client says of names, time, certificates and lost connections is understood."""
    assert fix in advice(failure_of(error))


def test_doctor_tells_another_server_from_this_api(
    cli: Cli, ncloudchat_emulator: EmulatorThread
) -> None:
    """A page of another program is not taken for the platform; a path that is not there is told."""
    page = Fault("*", "status", status=200, body="<html>", content_type="text/html")
    ncloudchat_emulator.faults.add(page)
    done = cli("doctor")
    assert done.code == 1
    assert done.rows[-1]["fix"] == "correct the base URL: what answers there is not this API"
    ncloudchat_emulator.faults.clear()
    ncloudchat_emulator.faults.add(Fault("*", "status", status=404, body="<html>"))
    done = cli("doctor")
    assert done.code == 1
    assert done.rows[-1]["fix"] == "correct the base URL: this API is not there"


def test_doctor_says_what_to_fix(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """A healthy project is ok throughout; a key that may only read is a warning with a remedy."""
    assert {row["state"] for row in cli("doctor", "--find-quota", "0.3").rows} == {"ok"}
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(api_access="read")
    done = cli("doctor")
    assert done.code == 0
    assert [row["check"] for row in done.rows if row["state"] == "warn"] == ["writing"]
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(api_access="none")
    done = cli("doctor")
    assert done.code == 3
    assert done.rows[-1]["check"] == "reading"
    assert done.rows[-1]["fix"]
