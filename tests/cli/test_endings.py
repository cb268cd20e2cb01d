"""How commands end: never in silence, in the words of the command line, naming what they mean."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ncloudchat_async.cli.running import Interrupts, run_async
from ncloudchat_async.cli.wording import PHRASES
from ncloudchat_async.emulator import EmulatorThread, Fault
from tests.cli.conftest import EVERY, Cli, Launch, example

_OFFLINE = {"files", "stats", "import", "verify"}
"""Commands whose example needs an archive first: export stands for them."""
CALLING = {
    words: command
    for words, command in EVERY.items()
    if words[0] not in _OFFLINE
    and any("--deadline" in option.names for option in command.assemble_argument_collection())
}
"""Commands that call the platform."""


def call_of(words: tuple[str, ...]) -> list[str]:
    """Give the example of a command as one that calls the platform."""
    argv = shlex.split(example(CALLING[words]))[1:]
    return [word for word in argv if word != "--dry-run"]


@pytest.mark.parametrize("words", CALLING, ids=" ".join)
def test_a_refused_key_is_told(
    cli: Cli, project: None, ncloudchat_emulator: EmulatorThread, words: tuple[str, ...]
) -> None:
    """Every command that meets a refused key ends with 3 and says so."""
    if words[0] == "jobs":
        assert cli(*call_of(("send",))).code == 0
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(key_state="expired")
    done = cli(*call_of(words))
    assert done.code == 3
    told = done.out if words == ("doctor",) else done.err
    assert "expired" in told


@pytest.mark.parametrize("words", CALLING, ids=" ".join)
def test_a_deadline_is_told(
    cli: Cli, project: None, ncloudchat_emulator: EmulatorThread, words: tuple[str, ...]
) -> None:
    """Every command that runs out of time says what to raise; a write left in doubt is 5."""
    if words[0] == "jobs":
        assert cli(*call_of(("send",))).code == 0
    ncloudchat_emulator.faults.add(Fault("*", "delay", delay_s=0.4))
    done = cli(*call_of(words), "--deadline", "0.05")
    if done.code == 5:
        assert "look before sending it again" in done.err
        return
    assert done.code == 4
    assert "deadline" in done.err
    assert "give a longer --deadline" in done.err


def test_a_list_out_of_time_is_told(launch: Launch) -> None:
    """A deadline that nothing can keep leaves stdout empty, and says on stderr why."""
    process = launch(["channels", "list", "--deadline", "0.001"])
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (4, "")
    assert "deadline" in err
    assert "give a longer --deadline" in err


@pytest.mark.parametrize(
    ("words", "doubt"),
    [
        (["members", "list"], False),
        (["members", "update", "user-1", "--name", "x"], True),
        (["members", "withdraw", "user-1"], True),
        (["api", "DELETE", "/v1/api/members/user-1"], True),
    ],
)
def test_a_signal_is_told(
    launch: Launch, ncloudchat_emulator: EmulatorThread, words: Sequence[str], doubt: bool
) -> None:
    """Ctrl-C ends with 130 and a line; a change that was on its way is named as a doubt."""
    rule = ncloudchat_emulator.faults.add(Fault("*", "stall", delay_s=60))
    process = launch([*words, "--output", "json"])
    while not rule.fired:
        assert process.poll() is None
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("ncloudchat: interrupted by SIGINT")
    assert ("may have been carried out" in err) is doubt


def test_the_first_that_came_gives_the_exit_code() -> None:
    """A second signal, or a deadline after one, ends a command with the code of the first."""

    async def command(interrupts: Interrupts) -> int:
        interrupts.on_first(lambda: None)
        interrupts.receive(143)
        interrupts.receive(130)
        await asyncio.Event().wait()
        return 0

    assert run_async(command) == 143


def test_a_full_disk_is_told(
    command: Sequence[str], environment: Mapping[str, str], ncloudchat_emulator: EmulatorThread
) -> None:
    """Rows that cannot be written end with 1 and one line, and no traceback."""
    ncloudchat_emulator.seed(members=3)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "members", "list"],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "ncloudchat: the system refuses: No space left on device\n"


def test_a_full_disk_does_not_hide_a_doubt(
    command: Sequence[str],
    environment: Mapping[str, str],
    project: None,
    ncloudchat_emulator: EmulatorThread,
    tmp_path: Path,
) -> None:
    """Where rows cannot be written, messages that nobody knows of end with 5, others with 1."""
    Path(tmp_path, "one.csv").write_text("channel_id,content\nchannel-1,x\n")

    def send() -> subprocess.CompletedProcess[str]:
        with Path("/dev/full").open("w") as full:
            return subprocess.run(
                [*command, "send", "one.csv"],
                cwd=tmp_path,
                env=environment,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )

    assert send().returncode == 1
    ncloudchat_emulator.faults.add(Fault("sendMessage", "drop_after"))
    done = send()
    assert done.returncode == 5
    totals, refusal = done.stderr.splitlines()[-2:]
    assert totals.startswith("sent 0, failed 0, unknown 1,")
    assert refusal == "ncloudchat: the system refuses: No space left on device"


REFUSED = {
    "(check_rule=False sends it all the same)": ["members", "register", "a", "A"],
    "or allow_insecure=True": ["members", "list"],
    "project_id is empty (pass it, or set NCLOUDCHAT_PROJECT_ID)": ["members", "list"],
    "api_key is empty (pass it, or set NCLOUDCHAT_API_KEY)": ["members", "list"],
    "(pass it, or set NCLOUDCHAT_PROJECT_ID)": ["members", "list"],
    "(pass it, or set NCLOUDCHAT_API_KEY)": ["members", "list"],
    "api_key ": ["members", "list"],
    "project_id ": ["members", "list"],
    "base_url ": ["members", "list"],
    "must not hold credentials: they go into project_id and api_key": ["members", "list"],
    "Quota.rate ": ["members", "list", "--rate", "0"],
    "Quota.max_in_flight ": ["members", "list", "--max-in-flight", "0"],
    "Timeouts.deadline_s ": ["members", "list", "--deadline", "nan"],
    ", or None, not ": ["members", "list", "--rate", "-1"],
    "settle_s ": ["send", "-", "--settle", "inf"],
    "max_length ": ["import", "archive", "--max-length", str(10**20)],
    "sort must name a field, such as '-created_at'": ["members", "list", "--sort", "-"],
}
"""A command line that meets each phrase of the library."""
SETTINGS = {
    "or allow_insecure=True": {"NCLOUDCHAT_BASE_URL": "http://example.com"},
    "base_url ": {"NCLOUDCHAT_BASE_URL": "ftp://example.com"},
    "must not hold credentials: they go into project_id and api_key": {
        "NCLOUDCHAT_BASE_URL": "https://me:secret@example.com"
    },
    "project_id is empty (pass it, or set NCLOUDCHAT_PROJECT_ID)": {"NCLOUDCHAT_PROJECT_ID": ""},
    "(pass it, or set NCLOUDCHAT_PROJECT_ID)": {"NCLOUDCHAT_PROJECT_ID": "p\u00e9"},
    "project_id ": {"NCLOUDCHAT_PROJECT_ID": " p"},
    "api_key is empty (pass it, or set NCLOUDCHAT_API_KEY)": {"NCLOUDCHAT_API_KEY": ""},
    "(pass it, or set NCLOUDCHAT_API_KEY)": {"NCLOUDCHAT_API_KEY": "k\u00e9"},
    "api_key ": {"NCLOUDCHAT_API_KEY": " k"},
}
"""What the environment must be like for it."""


@pytest.mark.parametrize("phrase", PHRASES)
def test_errors_speak_of_flags(cli: Cli, monkeypatch: pytest.MonkeyPatch, phrase: str) -> None:
    """Each phrase of Python that a command line can meet is said in the command line's words."""
    for name, value in SETTINGS.get(phrase, {}).items():
        monkeypatch.setenv(name, value)
    done = cli(*REFUSED[phrase])
    assert (done.code, done.out) == (2, "")
    assert PHRASES[phrase] in done.err
    assert phrase not in done.err
    assert not re.search(
        r"=(True|False)|Quota\.|Timeouts\.|pass it|None|project_id|api_key", done.err
    )


@pytest.mark.parametrize(
    "words",
    [
        ["members", "get", "no-such"],
        ["members", "update", "no-such", "--name", "x"],
        ["members", "withdraw", "no-such"],
        ["channels", "get", "no-such"],
        ["channels", "update", "no-such", "--disabled"],
        ["channels", "delete", "no-such"],
        ["messages", "get", "no-such", "m"],
        ["messages", "send", "no-such", "x"],
        ["notifications", "get", "no-such"],
        ["friends", "accept", "no-such", "user-1"],
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_named(cli: Cli, words: list[str]) -> None:
    """A command of one id names it in what went wrong; the library's errors hold none."""
    done = cli(*words, "--output", "json")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("ncloudchat: no-such")
