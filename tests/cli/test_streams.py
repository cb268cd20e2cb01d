"""Standard streams that are closed, unbuffered or left by their reader; as real processes."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ncloudchat_async.emulator import EmulatorThread
from tests.cli.conftest import Cli

Ran = tuple[int, str, str]


@pytest.fixture
def shell(command: Sequence[str], environment: Mapping[str, str], tmp_path: Path) -> "Shell":
    """Run command lines by a shell, with its redirections."""
    return Shell(shlex.join(command), environment, tmp_path)


class Shell:
    """What runs them."""

    def __init__(self, begin: str, environment: Mapping[str, str], where: Path) -> None:
        self._begin, self._environment, self._where = begin, environment, where

    def __call__(self, words: str, redirect: str, **changes: str) -> Ran:
        """Run a command line and return its exit code, stdout and stderr."""
        done = subprocess.run(
            ["bash", "-c", f"{self._begin} {words} {redirect}; exit ${{PIPESTATUS[0]}}"],
            cwd=self._where,
            env={**self._environment, **changes},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "members get --from -",
        "channels update --from -",
        "send - --template x",
        "friends request-many -",
        "messages send c --content-from -",
        "api POST /x --body-from -",
        "notifications set a --token-from -",
        "profile add zz --project-id a",
        "profile add zz",
    ],
)
def test_a_closed_stdin_is_told(shell: Shell, words: str) -> None:
    """A command that reads a stdin which is closed ends with 2 and one line."""
    code, out, err = shell(words, "<&-")
    assert (code, out) == (2, "")
    assert err == "ncloudchat: stdin is closed: give a file or a pipe\n"


def test_a_closed_stdin_that_nobody_reads_is_none_of_our_business(shell: Shell) -> None:
    """Daemons are started so."""
    assert shell("members list --count", "<&-")[:2] == (0, '{"count":0}\n')
    assert shell("export a.archive", "<&-")[0] == 0
    assert shell("stats a.archive --fields members", "<&-")[:2] == (0, '{"members":0}\n')


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--help", 0),
        ("members list --help", 0),
        ("--version", 0),
        ("members list", 0),
        ("members list --output table", 0),
        ("members get nobody", 1),
        ("members get", 2),
        ("export a.archive", 0),
    ],
)
def test_a_closed_stdout_or_stderr_changes_nothing_else(
    shell: Shell, words: str, code: int
) -> None:
    """What nobody wants to read goes nowhere, and the exit code is what it would be."""
    got, _, err = shell(words, ">&-")
    assert (got, "Traceback" in err) == (code, False)
    assert shell(words, "2>&-")[0] == code


def test_the_table_of_a_closed_stdout_goes_nowhere(cli: Cli, shell: Shell, tmp_path: Path) -> None:
    """No file that a command opens takes the place of a closed stream."""
    assert cli("export", "a.archive").code == 0
    before = (tmp_path / "a.archive").read_bytes()
    assert shell("convert a.archive --noun members", ">&-") == (0, "", "")
    assert (tmp_path / "a.archive").read_bytes() == before


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("output", ["--format jsonl", "--format csv"])
def test_a_table_that_was_cut_is_not_done(
    cli: Cli, shell: Shell, ncloudchat_emulator: EmulatorThread, unbuffered: str, output: str
) -> None:
    """A reader that leaves in the middle of a large write is noticed, buffered or not."""
    ncloudchat_emulator.seed(channels=1, messages_per_channel=1500)
    assert cli("export", "a.archive").code == 0
    reader = "| head -c 70000 > /dev/null"
    code, _, err = shell(f"convert a.archive {output}", reader, PYTHONUNBUFFERED=unbuffered)
    assert (code, err) == (141, "")


@pytest.mark.parametrize("words", ["--help", "send --help", "members list --output table"])
def test_people_may_leave_too(shell: Shell, words: str) -> None:
    """Help and tables end like rows do when their reader has gone."""
    assert shell(words, "| true") == (141, "", "")
