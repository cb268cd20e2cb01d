"""What only real processes show: signals, terminals, pipes, start-up, a missing extra."""

import os
import pty
import re
import resource
import shlex
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from ncloudchat_async.emulator import EmulatorThread
from tests.cli.conftest import EVERY, PAGE, Cli, Launch, example
from tests.cli.test_text import HOSTILE, is_safe

LOGIN = "import os, sys; os.login_tty(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
"""Makes a terminal the controlling one, as a shell's child has it."""


def at_a_terminal(
    command: Sequence[str],
    words: Sequence[str],
    environment: Mapping[str, str],
    typed: Mapping[str, str],
) -> tuple[int, str]:
    """Run a command line at a terminal, answer its prompts, and return code and screen."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LOGIN, str(slave), *command, *words],
        env=environment,
        pass_fds=[slave],
        start_new_session=True,
    )
    os.close(slave)
    screen = ""
    left = dict(typed)
    while chunk := read(master):
        screen += chunk
        for prompt in [prompt for prompt in left if prompt in screen]:
            os.write(master, left.pop(prompt).encode())
    os.close(master)
    return process.wait(), screen


def read(terminal: int) -> str:
    """Read what a terminal shows next; nothing when its last process is gone."""
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:
        return ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_the_rest_is_sent_later(
    cli: Cli,
    launch: Launch,
    ncloudchat_emulator: EmulatorThread,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    """A stopped job exits 130 or 143, prints how to go on, and loses and repeats nothing.

    What waits for the quota is not sent any more.
    """
    (channel_id,) = ncloudchat_emulator.add_rows("channels", [{"name": "c"}])
    lines = [f"{channel_id},text {count}" for count in range(200)]
    (tmp_path / "in.csv").write_text("\n".join(["channel_id,content", *lines]))
    words = ["send", "in.csv", "--journal", "j", "--rate", "100", "--settle", "1"]
    process = launch(words)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(number)
        # Not communicate(), which does not know what readline() has read ahead.
        out, err = first + process.stdout.read(), process.stderr.read()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    statuses = Counter(msgspec.json.decode(line)["status"] for line in out.splitlines())
    assert statuses.keys() == {"sent", "skipped"}
    assert ncloudchat_emulator.stats.by_operation["sendMessage"] == statuses["sent"]
    (line,) = [line for line in err.splitlines() if line.startswith("go on with: ncloudchat ")]
    assert "Traceback" not in err
    assert cli("jobs", "status", "j").rows[0]["planned"] == 200 - statuses["sent"]
    rest = cli(*shlex.split(line)[4:])
    assert (rest.code, len(rest.rows)) == (0, 200 - statuses["sent"])
    assert ncloudchat_emulator.audit((channel_id, f"text {count}") for count in range(200)).exact


def test_the_emulator_prints_its_address_and_ends_by_a_signal(
    launch: Launch,
) -> None:
    """Port 0 is a free one, said on stdout; being stopped is how it ends, without a word."""
    words = shlex.split(example(EVERY["emulator",]))[1:]
    words[words.index("--port") + 1] = "0"
    process = launch([*words, "--members", "2"])
    assert process.stdout is not None
    where = msgspec.json.decode(process.stdout.readline())
    url = {"NCLOUDCHAT_BASE_URL": where["base_url"]}
    asked = launch(["members", "list", "--count"], url)
    assert asked.communicate(timeout=20)[0] == '{"count":2}\n'
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"export NCLOUDCHAT_BASE_URL={where['base_url']}" in err
    assert "interrupted" not in err


@pytest.mark.parametrize(("answer", "left"), [("n", 2), ("", 2), ("maybe", 2), ("y", 0)])
def test_a_person_is_asked_before_destruction(
    command: Sequence[str],
    environment: Mapping[str, str],
    ncloudchat_emulator: EmulatorThread,
    answer: str,
    left: int,
) -> None:
    """At a terminal the question is asked, and only yes destroys."""
    ids = ncloudchat_emulator.add_rows("channels", [{"name": HOSTILE}, {"name": "d"}])
    question = "Delete 2 channels? [y/N] "
    typed = {question: answer + "\n"}
    code, screen = at_a_terminal(command, ["channels", "delete", *ids], environment, typed)
    assert question in screen
    assert code == (0 if answer == "y" else 2)
    assert ncloudchat_emulator.stats.rows["channels"] >= left
    listed = [row for row in ncloudchat_emulator.requests if row.operation == "deleteChannel"]
    assert len(listed) == 2 - left
    assert is_safe(re.sub(r"[\r\n]", "", screen))


def test_nobody_can_be_asked_without_a_terminal(
    launch: Launch,
    ncloudchat_emulator: EmulatorThread,
) -> None:
    """Silence is no consent: without a terminal the command says how to consent."""
    process = launch(["members", "withdraw", "a", "b"])
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert "--yes" in err
    assert ncloudchat_emulator.stats.requests == 0


GUIDE = PAGE.with_name("migration.md").read_text()
ADDING = re.findall(r"^\$ ncloudchat (profile add .+)$", GUIDE, re.MULTILINE)
"""How the guide keeps the two projects."""


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["profile", "add", "work", "--project-id", "p"], {}),
        *((line.split(), {"Project id: ": " p \n"}) for line in ADDING),
    ],
)
def test_a_key_is_asked_for_and_not_shown(
    command: Sequence[str],
    environment: Mapping[str, str],
    tmp_path: Path,
    words: list[str],
    typed: dict[str, str],
) -> None:
    """A terminal is asked for what was not given, and the prompt for the key echoes nothing."""
    asked = {**typed, "API key: ": "typed-key\n"}
    code, screen = at_a_terminal(command, words, environment, asked)
    assert code == 0
    assert ("Project id: " in screen) is bool(typed)
    assert "typed-key" not in screen
    kept = msgspec.json.decode((tmp_path / "profiles.json").read_bytes())["profiles"]
    assert kept == {words[2]: {"project_id": "p", "api_key": "typed-key"}}


def test_the_guide_keeps_two_projects() -> None:
    """The commands that the guide begins with are the ones tested here."""
    assert ADDING == ["profile add old", "profile add new"]


def test_a_terminal_gets_a_bar(
    command: Sequence[str], environment: Mapping[str, str], ncloudchat_emulator: EmulatorThread
) -> None:
    """When stderr is a terminal and stdout is not, progress is drawn in place."""
    ncloudchat_emulator.add_rows("members", [{"id": f"user-{n}", "name": "x"} for n in range(9)])
    ids = [f"user-{n}" for n in range(9)]
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*command, "members", "get", *ids, "nobody"],
        env={**environment, "TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    screen = ""
    while chunk := read(master):
        screen += chunk
    os.close(master)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, len(out.splitlines())) == (1, 9)
    assert "10/10" in screen
    assert "\x1b[" in screen
    assert "nobody: Members.get" in screen


def test_a_terminal_gets_no_table(
    cli: Cli,
    command: Sequence[str],
    environment: Mapping[str, str],
    ncloudchat_emulator: EmulatorThread,
) -> None:
    """A converted archive holds what others wrote, raw: it is not shown to a terminal."""
    ncloudchat_emulator.add_rows("members", [{"id": "user-1", "name": "x"}])
    cli("export", "a.archive")
    words = ["convert", "a.archive", "--noun", "members"]
    code, screen = at_a_terminal(command, words, environment, {})
    assert (code, "user-1" in screen) == (2, False)


def test_a_reader_that_leaves_is_no_error(
    launch: Launch,
    ncloudchat_emulator: EmulatorThread,
) -> None:
    """`ncloudchat members list | head -1` ends without a word."""
    ncloudchat_emulator.seed(members=1500)
    process = launch(["members", "list"])
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=20) == 141


def test_json_is_utf_8_in_every_locale(launch: Launch, ncloudchat_emulator: EmulatorThread) -> None:
    """What programs read does not depend on the locale."""
    ncloudchat_emulator.add_rows("members", [{"id": "user-1", "name": "김민지"}])
    words = ["members", "list", "--fields", "name"]
    out, err = launch(words, {"PYTHONIOENCODING": "ascii"}).communicate(timeout=20)
    assert (out, err) == ('{"name":"김민지"}\n', "")


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    """The command is installed with the core, and tells how to get what it needs."""
    code = f"import sys; sys.modules[{missing!r}] = None; from ncloudchat_async.cli import main; "
    code += "main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'ncloudchat needs its extra: pip install "ncloudchat-async[cli]"\n'


def test_help_answers_at_once(command: Sequence[str]) -> None:
    """`--help` costs at most 0.25 s of processor time more than Python, and no HTTP library."""

    def seconds(words: Sequence[str]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    bare = min(seconds([sys.executable, "-c", "pass"]) for _ in range(3))
    assert min(seconds([*command, "--help"]) for _ in range(3)) - bare < 0.25
    code = "import sys; from ncloudchat_async.cli.app import run; run(['--help']); "
    heavy = "print(sorted({'aiohttp', 'anyio', 'sqlite3', 'asyncio'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_key_is_shown_nowhere(
    launch: Launch,
    ncloudchat_emulator: EmulatorThread,
) -> None:
    """A refused key, echoed by the server, reaches neither output nor arguments."""
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(key_state="deleted")
    key = {"NCLOUDCHAT_API_KEY": "secret-of-the-test"}
    process = launch(["doctor"], key)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "secret-of-the-test" not in out + err + " ".join(map(str, process.args))  # type: ignore[arg-type]  # a list here


def test_a_killed_job_leaves_the_files_that_docs_name(
    cli: Cli, launch: Launch, ncloudchat_emulator: EmulatorThread, tmp_path: Path
) -> None:
    """docs/fan-out.md tells of each file beside a journal; what it says may go, may go."""
    (channel_id,) = ncloudchat_emulator.add_rows("channels", [{"name": "c"}])
    lines = [f"{channel_id},text {count}" for count in range(30)]
    (tmp_path / "in.csv").write_text("\n".join(["channel_id,content", *lines]))
    process = launch(["send", "in.csv", "--journal", "job.journal", "--rate", "20"])
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    files = sorted(tmp_path.glob("job.journal*"))
    told = PAGE.with_name("fan-out.md").read_text(encoding="utf-8")
    assert len(files) == 5
    for file in files:
        assert f"| `{file.name}` |" in told
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    Path(tmp_path, "job.journal-lock-journal").unlink()
    Path(tmp_path, "job.journal-shm").unlink()
    assert cli("jobs", "resume", "job.journal", "--settle", "0.1").code == 0
    assert Path(tmp_path, "job.journal-lock").stat().st_size == 0
    for name in ("wal", "shm"):
        assert not Path(tmp_path, f"job.journal-{name}").exists()
    assert cli("jobs", "status", "job.journal").rows[0]["sent"] == 30
    assert ncloudchat_emulator.audit((channel_id, f"text {count}") for count in range(30)).exact
