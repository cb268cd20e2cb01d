"""Whole projects from the command line: out, into another project, compared, searched."""

import csv
import io
import re
import shlex
import signal
import stat
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from ncloudchat_async.cli.transfer import aware
from ncloudchat_async.emulator import EmulatorThread, Fault
from ncloudchat_async.transfer import DEFAULT_TEMPLATE
from tests.cli.conftest import Cli, Launch
from tests.cli.test_text import HOSTILE, is_safe


@pytest.fixture
def filled(ncloudchat_emulator: EmulatorThread) -> EmulatorThread:
    """Give a project with members, channels, messages and a subscription."""
    seeded = ncloudchat_emulator.seed(members=12, channels=3, messages_per_channel=8)
    ncloudchat_emulator.add_subscription(seeded.channel_ids[0], seeded.member_ids[0])
    fields = {"channel_id": seeded.channel_ids[0], "content": HOSTILE}
    ncloudchat_emulator.add_rows("messages", [fields])
    return ncloudchat_emulator


def test_a_project_moves_into_another(
    cli: Cli, filled: EmulatorThread, other: EmulatorThread, tmp_path: Path
) -> None:
    """Export, forecast, import and verify are a line each, and both sides are the same after."""
    done = cli("export", "a.archive")
    assert (done.code, done.rows[0]["messages"]) == (0, 25)
    assert stat.S_IMODE((tmp_path / "a.archive").stat().st_mode) == 0o600
    forecast = cli("import", "a.archive", "--profile", "new", "--rate", "1000", "--dry-run")
    assert (forecast.code, forecast.rows[0]["messages"]) == (0, 25)
    assert other.stats.rows["members"] == 0
    assert cli("verify", "a.archive", "--profile", "new").code == 1
    moved = cli("import", "a.archive", "--profile", "new", "--rate", "1000")
    assert (moved.code, moved.rows[0]["messages_sent"]) == (0, 25)
    same = cli("verify", "a.archive", "profile:new")
    assert (same.code, same.rows[0]["equal"]) == (0, True)
    assert cli("verify", "a.archive").code == 0
    other.remove_row("members", "member-000003")
    assert cli("verify", "a.archive", "--profile", "new").code == 1


def test_problems_of_an_import_are_exit_code_1(
    cli: Cli, filled: EmulatorThread, other: EmulatorThread
) -> None:
    """What cannot be carried over is named, by the forecast as by the import."""
    filled.add_rows("members", [{"id": "x@y", "name": "E"}])
    cli("export", "a.archive")
    done = cli("import", "a.archive", "--profile", "new", "--dry-run")
    assert (done.code, done.rows[0]["problem_count"]) == (1, 1)
    done = cli("import", "a.archive", "--profile", "new", "--rate", "1000")
    assert (done.code, done.rows[0]["failure_count"]) == (1, 1)
    other.settings = other.settings.but(user_id_rule=False)
    assert cli("import", "a.archive", "--profile", "new", "--any-id").code == 0


def test_a_channel_that_cannot_be_read_is_exit_code_1(cli: Cli, filled: EmulatorThread) -> None:
    """An export that leaves a channel out says so by its code; the rest is there."""
    filled.faults.add(Fault("listMessages", "status", status=403, body="{}", nth=1))
    done = cli("export", "a.archive")
    assert (done.code, 0 < int(str(done.rows[0]["messages"])) < 25) == (1, True)


def test_doubts_of_an_import_are_exit_code_5(
    cli: Cli, filled: EmulatorThread, other: EmulatorThread
) -> None:
    """A message that nobody knows of is told by the code, also where others have failed."""
    filled.add_rows("members", [{"id": "x@y", "name": "E"}])
    cli("export", "a.archive")
    other.faults.add(Fault("sendMessage", "drop_after", nth=3))
    words = ["--profile", "new", "--rate", "1000", "--mode", "at_most_once"]
    done = cli("import", "a.archive", *words)
    assert (done.code, done.rows[0]["messages_unknown"]) == (5, 1)


def test_a_moment_without_an_offset_is_this_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--since 2025-07-01T09:00` means nine o'clock where it is typed, and not in UTC."""
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        nine = datetime(2025, 7, 1, 9)  # noqa: DTZ001 - the point
        assert aware(nine) == datetime(2025, 7, 1, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_archive_is_searched_and_counted(cli: Cli, filled: EmulatorThread) -> None:
    """Search, files and stats read the archive; nothing they show is obeyed by a terminal."""
    cli("export", "a.archive")
    before = filled.stats.requests
    found = cli("search", "a.archive", "안녕", "--newest-first", "--limit", "2")
    assert (found.code, len(found.rows)) == (0, 2)
    for form in ("jsonl", "csv", "table"):
        shown = cli("search", "a.archive", "--output", form).out
        assert is_safe(shown.replace("\n", "").replace("\t", ""))
    assert cli("files", "a.archive").rows == []
    assert cli("stats", "a.archive").rows[0]["messages"] == 25
    assert filled.stats.requests == before
    assert cli("stats", "--days", "1").rows[0]["members"] == 12


def test_files_of_a_project_are_found_without_an_archive(cli: Cli, filled: EmulatorThread) -> None:
    """Without an archive the channels are read, and the rows are those of one."""
    file = {"name": HOSTILE, "size": 5, "type": "image/png", "url": "/f"}
    ids = [row["id"] for row in cli("channels", "list").rows]
    filled.add_rows(
        "messages",
        [{"channel_id": one, "content": "", "attachment_filenames": file} for one in ids],
    )
    cli("export", "a.archive")
    live, kept = cli("files"), cli("files", "a.archive")
    assert (live.code, live.err, len(live.rows)) == (0, "", 3)

    def ordered(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        return sorted(rows, key=lambda row: str(row["message_id"]))

    assert ordered(live.rows) == ordered(kept.rows)
    for words, count in ((["--limit", "2"], 2), (["--channel", str(ids[0])], 1)):
        assert len(cli("files", *words).rows) == count
    assert cli("files", "--sender", "nobody", "--since", "2020-01-01").rows == []
    for form in ("jsonl", "csv", "table"):
        shown = cli("files", "--output", form).out
        assert is_safe(shown.replace("\n", "").replace("\t", ""))
    filled.faults.add(Fault("listMessages", "status", status=403, body="{}", nth=1))
    done = cli("files")
    assert (done.code, len(done.rows)) == (1, 2)
    assert re.match(rf"channel ({'|'.join(map(str, ids))}): PermissionDeniedError", done.err)
    filled.settings = filled.settings.but(key_state="deleted")
    assert cli("files").code == 3


@pytest.mark.parametrize("command", ["search", "files", "convert", "stats", "import", "verify"])
def test_an_archive_that_is_none_is_a_usage_error(
    cli: Cli, filled: EmulatorThread, tmp_path: Path, command: str
) -> None:
    """What names no archive is exit code 2, whatever the command, and nothing is asked for."""
    (tmp_path / "text").write_text("no archive")
    for name, said in (("none", "there is no archive at none"), ("text", "no archive")):
        done = cli(command, name)
        assert (done.code, done.out, said in done.err) == (2, "", True)
    assert filled.stats.requests == 0


def test_both_sides_are_there_before_one_is_read(
    cli: Cli, filled: EmulatorThread, other: EmulatorThread
) -> None:
    """A missing archive or a refused key is told at once, by its side."""
    done = cli("verify", "profile:new", "none.archive")
    assert (done.code, done.err) == (2, "ncloudchat: there is no archive at none.archive\n")
    assert other.stats.requests == 0
    other.settings = other.settings.but(key_state="deleted")
    cli("export", "a.archive")
    before = filled.stats.requests
    for words in (["a.archive", "profile:new"], ["profile:new", "a.archive"]):
        done = cli("verify", *words)
        assert (done.code, done.out) == (3, "")
        side = "right" if words[1] == "profile:new" else "left"
        assert f"the {side} side, project other" in done.err
    assert filled.stats.requests == before


def test_an_archive_becomes_a_table(cli: Cli, filled: EmulatorThread, tmp_path: Path) -> None:
    """The suffix tells the form; a file is made for its owner, and never over another."""
    cli("export", "a.archive")
    done = cli("convert", "a.archive", "t.csv", "--noun", "members")
    assert (done.code, done.rows[0]["rows"]) == (0, 12)
    path = tmp_path / "t.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list(csv.DictReader(io.StringIO(path.read_text())))) == 12
    assert cli("convert", "a.archive", "t.csv").code == 2
    assert len(list(csv.DictReader(io.StringIO(path.read_text())))) == 12


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_export_goes_on(
    cli: Cli, launch: Launch, filled: EmulatorThread, number: signal.Signals, code: int
) -> None:
    """A signal ends an export with 130 or 143, and the command it names completes it."""
    filled.faults.add(Fault("listMessages", "delay", delay_s=60, nth=2))
    reading = threading.Event()
    filled.on_list = lambda call: reading.set() if call.operation == "listMessages" else None
    words = ["export", "a.archive", "--look-back", "60.0", "--max-in-flight", "1"]
    process = launch(words)
    assert reading.wait(20)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert again(err) == words
    filled.faults.clear()
    done = cli(*again(err))
    assert (done.code, done.rows[0]["messages"], done.rows[0]["resumed"]) == (0, 25, True)


def again(err: str) -> list[str]:
    """Give the words of the command that a command which ended early says to go on with."""
    (line,) = [line for line in err.splitlines() if line.startswith("go on with: ncloudchat ")]
    return shlex.split(line)[4:]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_import_drains_and_goes_on(
    cli: Cli, launch: Launch, filled: EmulatorThread, other: EmulatorThread, number: signal.Signals
) -> None:
    """A signal ends an import in order: nothing in doubt, and the named command does the rest."""
    cli("export", "a.archive")
    words = ["import", "a.archive", "--template", "{sender_id}: {content}", "--settle", "1000.0"]
    words += ["--profile", "new", "--rate", "40.0"]
    process = launch(words)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        err = ""
        while "channels: 3" not in err:  # the line by which their stage ends
            err += process.stderr.readline()
        process.send_signal(number)
        out, err = process.stdout.read(), err + process.stderr.read()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    report = msgspec.json.decode(out)
    assert (report["interrupted"], report["failures"]) == (True, [])
    assert 0 < report["messages_sent"] < 25
    assert report["messages_sent"] + report["messages_left"] == 25
    assert "Traceback" not in err
    assert again(err) == words
    refused = cli("import", "a.archive", "--profile", "new", "--template", "{content}")
    assert (refused.code, refused.out) == (2, "")
    assert "{sender_id}: {content}" in refused.err
    # Nothing is in doubt, so this waits for no settle time.
    done = cli(*again(err))
    assert (done.code, done.rows[0]["messages_sent"]) == (0, 25)
    assert "in doubt" not in done.err
    assert other.stats.rows["messages"] == 25
    assert cli("verify", "a.archive", "--profile", "new").code == 0


def test_an_import_says_what_it_looks_for(
    cli: Cli, launch: Launch, filled: EmulatorThread, other: EmulatorThread
) -> None:
    """After a kill the next import tells of the messages in doubt before it waits for them."""
    cli("export", "a.archive")
    # The first message hangs, so it is on its way when the outcome of another ends the stage.
    other.faults.add(Fault("sendMessage", "delay", delay_s=60, nth=1))
    words = ["import", "a.archive", "--profile", "new", "--settle", "0.3"]
    process = launch(words)
    assert process.stderr is not None
    while "channels: 3" not in process.stderr.readline():
        pass
    process.kill()
    process.wait()
    other.faults.clear()
    done = cli(*words)
    assert done.code == 0
    assert re.search(r"^looking for [1-4] messages in doubt, up to 1 s$", done.err, re.MULTILINE)
    assert other.stats.rows["messages"] == 25


def test_a_deadline_names_the_command_to_go_on_with(
    cli: Cli, filled: EmulatorThread, other: EmulatorThread
) -> None:
    """A deadline stops an import as a signal does, with exit code 4."""
    cli("export", "a.archive")
    words = ["import", "a.archive", "--profile", "new", "--rate", "20.0", "--deadline", "0.5"]
    done = cli(*words)
    assert (done.code, again(done.err)) == (4, words)
    assert cli(*words[:-4]).code == 0
    assert other.stats.rows["messages"] == 25


def test_help_tells_the_template_that_is_used(cli: Cli) -> None:
    """What stands around a text when nobody says anything is in the help."""
    assert DEFAULT_TEMPLATE in " ".join(cli("import", "--help").out.split())


def test_half_an_archive_is_imported_when_asked(
    cli: Cli, filled: EmulatorThread, other: EmulatorThread
) -> None:
    """An interrupted export is imported with --partial-archive only."""
    filled.faults.add(Fault("listMessages", "status", status=200, body='{"status":-4}', nth=2))
    assert cli("export", "a.archive", "--max-in-flight", "1").code == 3
    refused = cli("import", "a.archive", "--profile", "new")
    assert (refused.code, "(--partial-archive)" in refused.err) == (2, True)
    for more in (["--dry-run"], []):
        done = cli("import", "a.archive", "--profile", "new", "--partial-archive", *more)
        assert done.code == 0
    assert 0 < other.stats.rows["messages"] < 25


def test_progress_says_what_it_counts(cli: Cli, filled: EmulatorThread) -> None:
    """While messages are read the channels are counted, and the line says so."""
    done = cli("export", "a.archive")
    assert re.search(r"^channels read: 3 of 3, .* 44 rows$", done.err, re.MULTILINE)
    assert "messages:" not in done.err


def test_a_pipe_gets_the_table(launch: Launch, cli: Cli, filled: EmulatorThread) -> None:
    """Without a file the table goes to stdout, whole and alone."""
    cli("export", "a.archive")
    out, err = launch(["convert", "a.archive", "--raw"]).communicate(timeout=20)
    assert len([msgspec.json.decode(line) for line in out.rstrip("\n").split("\n")]) == 25
    assert err == ""


@pytest.mark.parametrize(
    "words",
    [
        "export b.archive",
        "import a.archive --profile new",
        "import a.archive --profile new --dry-run",
        "verify a.archive",
        "search a.archive",
        "files a.archive",
        "files",
        "stats a.archive",
        "stats",
        "convert a.archive t.csv",
    ],
)
def test_a_field_that_is_none_is_told_before_anything_is_done(
    cli: Cli, filled: EmulatorThread, other: EmulatorThread, tmp_path: Path, words: str
) -> None:
    """A slip in --fields costs no export: exit code 2, nothing asked for, no file made."""
    cli("export", "a.archive")
    before = filled.stats.requests, other.stats.requests, set(tmp_path.iterdir())
    done = cli(*words.split(), "--fields", "mesages")
    assert (done.code, done.out, "there is no mesages" in done.err) == (2, "", True)
    assert (filled.stats.requests, other.stats.requests, set(tmp_path.iterdir())) == before
