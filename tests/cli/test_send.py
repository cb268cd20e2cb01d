"""Sending files: outcomes, forecasts, journals, resuming, exit codes."""

import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ncloudchat_async.emulator import EmulatorThread, Fault
from tests.cli.conftest import Cli, Launch


@pytest.fixture
def guests(ncloudchat_emulator: EmulatorThread, tmp_path: Path) -> list[str]:
    """Write 40 guests for 4 channels into `guests.csv`, and return the channels."""
    ids = ncloudchat_emulator.add_rows("channels", [{"name": f"c{n}"} for n in range(4)])
    lines = [f"{ids[number % 4]},guest {number}" for number in range(40)]
    Path(tmp_path, "guests.csv").write_text("\n".join(["channel_id,name", *lines]))
    return ids


def intended(ids: list[str]) -> list[tuple[str, str]]:
    """Give what the guests are to be told."""
    return [(ids[number % 4], f"Hello guest {number}") for number in range(40)]


SEND = ("send", "guests.csv", "--template", "Hello {name}")


def test_each_message_has_its_outcome(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """One row per line tells what became of it, and stderr the totals."""
    done = cli(*SEND, "--rate", "2000")
    assert done.code == 0
    assert {row["ref"] for row in done.rows} == {str(number) for number in range(1, 41)}
    assert {row["status"] for row in done.rows} == {"sent"}
    assert "messages: 40 of 40" in done.err
    assert "sent 40, failed 0, unknown 0, skipped 0" in done.err
    assert ncloudchat_emulator.audit(intended(guests)).exact


def test_text_and_ref_may_be_columns(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """Without a template the text is a column; a ref of one's own comes back."""
    lines = [{"channel_id": guests[0], "content": "{raw}", "ref": "r1"}]
    done = cli("send", "-", stdin=msgspec.json.encode(lines[0]).decode() + "\n")
    assert (done.code, done.rows[0]["ref"]) == (0, "r1")
    assert ncloudchat_emulator.audit([(guests[0], "{raw}")]).exact


def test_a_forecast_counts_and_shows(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """A dry run tells how many, how long at the rate, and shows three; nothing is sent."""
    done = cli(*SEND, "--dry-run", "--rate", "10")
    assert done.code == 0
    (row,) = done.rows
    assert (row["messages"], row["problems"], row["seconds"]) == (40, 0, 4.0)
    assert isinstance(row["samples"], list)
    assert [sample["body"] for sample in row["samples"]] == [
        {"content": f"Hello guest {number}"} for number in range(3)
    ]
    assert "40 messages, 0 problems, 4.0 s at 10/s; nothing was sent" in done.err
    assert ncloudchat_emulator.stats.requests == 0
    bad = cli("send", "-", "--dry-run", stdin="channel_id,content\n..,x\n")
    assert (bad.code, bad.rows[0]["problems"]) == (1, 1)


@pytest.mark.parametrize("journal", [[], ["--journal", "j"]])
def test_a_bad_line_stops_everything_first(
    cli: Cli,
    ncloudchat_emulator: EmulatorThread,
    guests: list[str],
    tmp_path: Path,
    journal: list[str],
) -> None:
    """A mistake in the last line is told before the first message is sent."""
    with Path(tmp_path, "guests.csv").open("a") as file:
        file.write("\n,nobody\n")
    done = cli(*SEND, *journal)
    assert (done.code, done.out) == (2, "")
    assert "guests.csv, line 42: no channel_id or id" in done.err
    assert ncloudchat_emulator.stats.rows["messages"] == 0
    assert cli("send", "guests.csv", "--template", "{nme}", *journal).code == 2


def test_failures_end_with_1_and_may_stop_the_job(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """What the platform refuses is failed, and enough of it stops the job when asked."""
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(max_message_length=13)
    done = cli(*SEND, "--rate", "2000", "--journal", "j")
    assert done.code == 1
    assert sum(row["status"] == "failed" for row in done.rows) == 30
    listed = cli("jobs", "failed", "j", "--fields", "channel_id,content,ref")
    assert len(listed.rows) == 30
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(max_message_length=None)
    again = cli("send", "-", "--rate", "2000", stdin=listed.out)
    assert again.code == 0
    assert ncloudchat_emulator.audit(intended(guests)).exact


def test_doubts_are_exit_code_5_and_listed(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """A lost answer is unknown in at_most_once mode, and the journal names it."""
    ncloudchat_emulator.faults.add(Fault("sendMessage", "drop_after", every=10))
    done = cli(*SEND, "--rate", "2000", "--journal", "j", "--mode", "at_most_once")
    assert done.code == 5
    assert "4 unknown: ncloudchat jobs unknown j" in done.err
    assert cli("jobs", "status", "j").rows[0]["unknown"] == 4
    assert len(cli("jobs", "unknown", "j").rows) == 4


def test_a_doubt_outweighs_a_failure(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """One unknown and one failed are exit code 5: the unknown needs a look."""
    ncloudchat_emulator.faults.add(Fault("sendMessage", "drop_after", nth=3))
    refusal = Fault("sendMessage", "status", status=400, body="{}", nth=9)
    ncloudchat_emulator.faults.add(refusal)
    done = cli(*SEND, "--rate", "2000", "--mode", "at_most_once")
    assert (done.code, "failed 1, unknown 1" in done.err) == (5, True)


def test_doubts_are_settled_by_looking(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """A lost answer is looked up after the settle time, and nothing is sent twice."""
    ncloudchat_emulator.faults.add(Fault("sendMessage", "drop_after", every=10))
    done = cli(*SEND, "--rate", "2000", "--journal", "j", "--settle", "0.1")
    assert (done.code, len(done.rows)) == (0, 40)
    assert ncloudchat_emulator.audit(intended(guests)).exact


def test_a_job_out_of_time_goes_on_with_the_printed_command(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """At the deadline what is on its way finishes; the resume command sends exactly the rest."""
    done = cli(*SEND, "--rate", "20", "--journal", "a j", "--deadline", "0.7", "--ordered")
    assert done.code == 4
    sent = [row for row in done.rows if row["status"] == "sent"]
    assert 0 < len(sent) < 40
    assert ncloudchat_emulator.stats.by_operation["sendMessage"] == len(sent)
    (line,) = [line for line in done.err.splitlines() if line.startswith("go on with: ")]
    words = shlex.split(line.removeprefix("go on with: "))
    assert words[:4] == ["ncloudchat", "jobs", "resume", "a j"]
    assert words[4:] == ["--ordered", "--rate", "20"]
    rest = cli(*words[1:4], "--rate", "2000")
    assert rest.code == 0
    assert len(rest.rows) == 40 - len(sent)
    assert ncloudchat_emulator.audit(intended(guests)).exact
    assert "go on with" not in rest.err


def test_what_waits_for_quota_at_the_deadline_is_not_sent(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """No further message leaves, though all of them were read and lined up for the quota."""
    done = cli(*SEND, "--rate", "20", "--deadline", "0.7")
    assert done.code == 4
    statuses = Counter(row["status"] for row in done.rows)
    assert statuses.keys() == {"sent", "skipped"}
    assert statuses.total() == 40
    assert ncloudchat_emulator.stats.by_operation["sendMessage"] == statuses["sent"]


def test_a_job_that_leaves_only_doubts_is_gone_on_with(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """What the deadline kept from being looked for is settled by the printed command."""
    ncloudchat_emulator.faults.add(Fault("sendMessage", "drop_after"))
    words = [*SEND, "--rate", "2000", "--journal", "j"]
    done = cli(*words, "--settle", "60", "--deadline", "1")
    assert done.code == 4
    assert Counter(row["status"] for row in done.rows) == {"unknown": 40}
    assert "go on with: ncloudchat jobs resume j --settle 60 --rate 2000\n" in done.err
    rest = cli("jobs", "resume", "j", "--settle", "0.1")
    assert (rest.code, len(rest.rows)) == (0, 40)
    assert ncloudchat_emulator.audit(intended(guests)).exact


def test_a_refused_key_marks_nothing_as_failed(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str], tmp_path: Path
) -> None:
    """A key that is refused is found before the job begins, so that it can be run again."""
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(key_state="expired")
    done = cli(*SEND, "--journal", "j")
    assert (done.code, done.out) == (3, "")
    assert not Path(tmp_path, "j").exists()


def test_a_key_refused_midway_ends_the_job(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """What every further message would meet is met once, and ends the job with its own code."""
    refusal = Fault("sendMessage", "status", status=401, body='{"status":-4,"message":"no"}')
    ncloudchat_emulator.faults.add(refusal)
    done = cli(*SEND, "--max-in-flight", "1", "--journal", "j")
    assert done.code == 3
    assert sum(row["status"] == "failed" for row in done.rows) < 5


@pytest.mark.parametrize("words", [["status"], ["resume"], ["unknown"], ["failed"]])
def test_a_file_that_is_no_journal_is_refused(cli: Cli, tmp_path: Path, words: list[str]) -> None:
    """Another file, and none at all, are mistakes of the command line, named with the file."""
    Path(tmp_path, "other").write_text("text that is long enough to be no database" * 20)
    for name in ("other", "none"):
        done = cli("jobs", *words, name)
        assert (done.code, done.out) == (2, "")
        assert name in done.err
        assert "journal" in done.err


def begin(cli: Cli) -> int:
    """Leave a journal `j` that records all 40 guests, and return how many were sent."""
    limits = ["--rate", "20", "--max-in-flight", "2", "--deadline", "0.4"]
    done = cli(*SEND, "--journal", "j", *limits)
    assert done.code == 4
    sent = [row for row in done.rows if row["status"] == "sent"]
    assert 0 < len(sent) < 40
    return len(sent)


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (
            lambda text: text.replace("guest 0", "no"),
            "delivery 0 of the input, counted from 0, has another text",
        ),
        (
            lambda text: text.replace("guest 39", "x"),
            "delivery 39 of the input, counted from 0, has another text",
        ),
        (lambda text: text.rpartition("\n")[0], "the input ends after 39 deliveries"),
        (lambda text: f"{text}\nc,x", "the input goes on after the 40"),
        (
            lambda text: text.replace("\n", "\nc,x\n", 1),
            "delivery 0 of the input, counted from 0, has another channel",
        ),
    ],
)
def test_another_input_is_refused_and_told(
    cli: Cli, guests: list[str], tmp_path: Path, change: Callable[[str], str], differs: str
) -> None:
    """A journal of another input is named, with what differs and what to do, and no totals."""
    begin(cli)
    file = Path(tmp_path, "guests.csv")
    file.write_text(change(file.read_text()))
    done = cli(*SEND, "--journal", "j")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.startswith(f"ncloudchat: j: {differs}")
    assert "or give new input a new --journal" in line


def test_a_journal_of_another_project_is_refused_and_told(
    cli: Cli, guests: list[str], other: EmulatorThread
) -> None:
    """Both projects are named, and how to choose one; nothing is said of going on."""
    begin(cli)
    done = cli("jobs", "resume", "j", "--profile", "new")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert line.startswith("ncloudchat: j: the journal belongs to project ")
    assert "project other at" in line
    assert "--profile" in line


def test_a_journal_in_use_is_refused_and_told(
    cli: Cli, launch: Launch, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """While a job runs, another one on its journal says so, and how to follow the first."""
    process = launch([*SEND, "--journal", "j", "--rate", "5"])
    assert process.stdout is not None
    assert process.stdout.readline()
    done = cli("jobs", "resume", "j")
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert line.startswith("ncloudchat: j: another job works with ")
    assert "ncloudchat jobs status j" in line
    assert process.poll() is None


def test_a_journal_that_is_not_whole_is_told_how_to_be(cli: Cli, guests: list[str]) -> None:
    """A job that lacks a part of its input is not gone on with; its own command is asked for."""
    assert cli("send", "-", "--journal", "a j", stdin="channel_id,content\nc,x\n,y\n").code == 2
    done = cli("jobs", "resume", "a j")
    assert (done.code, done.out) == (2, "")
    assert "--journal 'a j'" in done.err


def test_a_journal_that_cannot_be_made_is_one_line(cli: Cli, guests: list[str]) -> None:
    """Where no journal can be, nothing is sent and no totals are given."""
    done = cli(*SEND, "--journal", "nowhere/j")
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert line.startswith("ncloudchat: nowhere/j: the journal cannot be used: ")


def test_resuming_has_a_dry_run(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """What is left is counted and timed, and nothing is sent or changed."""
    sent = begin(cli)
    before = ncloudchat_emulator.stats.requests
    done = cli("jobs", "resume", "j", "--dry-run", "--rate", "10")
    assert done.rows[0]["messages"] == 40 - sent
    assert done.rows[0]["seconds"] == (40 - sent) / 10
    assert ncloudchat_emulator.stats.requests == before
    assert cli("jobs", "status", "j").rows[0]["sent"] == sent


def test_what_was_refused_for_good_is_not_left(
    cli: Cli, ncloudchat_emulator: EmulatorThread, guests: list[str]
) -> None:
    """A forecast of resuming counts what is sent again, and not what the platform refused."""
    refusal = Fault("sendMessage", "status", status=400, body="{}", nth=9)
    ncloudchat_emulator.faults.add(refusal)
    assert cli(*SEND, "--rate", "2000", "--journal", "j").code == 1
    assert cli("jobs", "resume", "j", "--dry-run").rows[0]["messages"] == 0
