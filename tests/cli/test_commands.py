"""Every group of commands against the emulator: rows, exit codes, dry runs, hostile content."""

import csv
import io
from pathlib import Path

import msgspec
import pytest

from ncloudchat_async.emulator import EmulatorThread, Fault
from tests.cli.conftest import Cli
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


def test_an_unknown_outcome_is_exit_code_5(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """A send whose answer is lost is neither done nor failed."""
    channel_id = ncloudchat_emulator.seed(channels=1).channel_ids[0]
    ncloudchat_emulator.faults.add(Fault("sendMessage", "drop_after"))
    assert cli("messages", "send", channel_id, "hello").code == 5
    ncloudchat_emulator.faults.clear()
    ncloudchat_emulator.faults.add(Fault("sendMessage", "stall", delay_s=60))
    assert cli("messages", "send", channel_id, "hello", "--deadline", "0.3").code == 5


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
    """What every further call would meet ends the run, with its own exit code."""
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(key_state="disabled")
    ids = "\n".join(f"user-{number}" for number in range(500))
    done = cli("members", "get", "--from", "-", "--max-in-flight", "2", stdin=ids)
    assert done.code == 3
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
