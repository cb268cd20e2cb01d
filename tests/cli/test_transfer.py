"""Whole projects from the command line: out, into another project, compared, searched."""

import csv
import io
import signal
import stat
import threading
from pathlib import Path

import msgspec
import pytest

from ncloudchat_async.emulator import EmulatorThread, Fault
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
    assert cli("search", "none.archive").code == 1


def test_an_archive_becomes_a_table(cli: Cli, filled: EmulatorThread, tmp_path: Path) -> None:
    """The suffix tells the form; a file is made for its owner, and never over another."""
    cli("export", "a.archive")
    done = cli("convert", "a.archive", "t.csv", "--noun", "members")
    assert (done.code, done.rows[0]["rows"]) == (0, 12)
    path = tmp_path / "t.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list(csv.DictReader(io.StringIO(path.read_text())))) == 12
    assert cli("convert", "a.archive", "t.csv").code == 1
    assert len(list(csv.DictReader(io.StringIO(path.read_text())))) == 12


def test_an_interrupted_export_goes_on(
    cli: Cli, launch: Launch, filled: EmulatorThread, tmp_path: Path
) -> None:
    """SIGTERM ends an export with 143, and the same command completes it."""
    filled.faults.add(Fault("listMessages", "delay", delay_s=60, nth=2))
    reading = threading.Event()
    filled.on_list = lambda call: reading.set() if call.operation == "listMessages" else None
    process = launch(["export", "a.archive", "--max-in-flight", "1"])
    assert reading.wait(20)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (143, "")
    assert "Traceback" not in err
    filled.faults.clear()
    done = cli("export", "a.archive")
    assert (done.code, done.rows[0]["messages"], done.rows[0]["resumed"]) == (0, 25, True)


def test_a_pipe_gets_the_table(launch: Launch, cli: Cli, filled: EmulatorThread) -> None:
    """Without a file the table goes to stdout, whole and alone."""
    cli("export", "a.archive")
    out, err = launch(["convert", "a.archive", "--raw"]).communicate(timeout=20)
    assert len([msgspec.json.decode(line) for line in out.rstrip("\n").split("\n")]) == 25
    assert err == ""
