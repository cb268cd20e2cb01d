"""How the commands are run: in this process for breadth, as processes where that matters."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from cyclopts import App

import ncloudchat_async
from ncloudchat_async.cli.app import COMMANDS, make_app, run
from ncloudchat_async.emulator import EmulatorThread


class Ran(msgspec.Struct, frozen=True):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, object]]:
        """The JSON lines of stdout."""
        return [msgspec.json.decode(line) for line in self.out.splitlines()]


Cli = Callable[..., Ran]
Launch = Callable[..., subprocess.Popen[str]]


def leaves(app: App, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """Give every command that does something."""
    for name in app:
        if not name.startswith("-"):
            command = app[name]
            if command.default_command is None:
                yield from leaves(command, (*words, name))
            else:
                yield (*words, name), command


PAGE = Path(ncloudchat_async.__file__).parents[1] / "docs" / "cli.md"
"""The rendered help."""
APP = make_app(COMMANDS)
EVERY = dict(leaves(APP))


def example(command: App) -> str:
    """Take the example out of a command's help, joined to one line."""
    found = re.findall(r"Example: `([^`]+)`", str(command.help))
    assert len(found) == 1, "each command has one example"
    return " ".join(found[0].split())


@pytest.fixture
def project(ncloudchat_emulator: EmulatorThread, tmp_path: Path) -> None:
    """Make what the examples speak of."""
    twin = ncloudchat_emulator
    twin.add_rows("members", [{"id": f"user-{n}", "name": f"Kim {n}"} for n in (1, 2)])
    twin.add_rows("channels", [{"id": f"channel-{n}", "name": f"N{n}"} for n in (1, 2)])
    messages = [{"id": f"message-{n}", "channel_id": "channel-1", "content": "x"} for n in (1, 2)]
    twin.add_rows("messages", messages)
    (tmp_path / "guests.csv").write_text("channel_id,name\nchannel-1,A\nchannel-2,B\n")
    (tmp_path / "pairs.csv").write_text("user_id,friend_id\nuser-1,user-2\n")
    (tmp_path / "key.txt").write_text("key\n")


@pytest.fixture
def environment(ncloudchat_emulator: EmulatorThread, tmp_path: Path) -> Mapping[str, str]:
    """Give what a process needs to find the emulator, and no profile of this machine."""
    return {
        **os.environ,
        "NCLOUDCHAT_BASE_URL": ncloudchat_emulator.base_url,
        "NCLOUDCHAT_PROJECT_ID": ncloudchat_emulator.project_id,
        "NCLOUDCHAT_API_KEY": ncloudchat_emulator.api_key,
        "NCLOUDCHAT_PROFILES": str(tmp_path / "profiles.json"),
        "COLUMNS": "200",
    }


@pytest.fixture
def cli(
    environment: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Cli:
    """Run command lines in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def call(*argv: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = run(argv)
        done = capsys.readouterr()
        return Ran(code, done.out, done.err)

    return call


@pytest.fixture
def command() -> Sequence[str]:
    """Give the beginning of a command line for a real process."""
    return (sys.executable, "-c", "from ncloudchat_async.cli import main; main()")


@pytest.fixture
def launch(
    command: Sequence[str], environment: Mapping[str, str], tmp_path: Path
) -> Iterator[Launch]:
    """Start command lines as processes whose output is read by this one; none outlives a test."""
    started: list[subprocess.Popen[str]] = []

    def start(words: Sequence[str], changes: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*command, *words],
            cwd=tmp_path,
            env={**environment, **changes},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            # Without a controlling terminal, wherever the tests are run from.
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture(scope="module")
def other_project() -> Iterator[EmulatorThread]:
    """Give a second project on an emulator of its own, shared by the tests of a module."""
    with EmulatorThread(project_id="other", api_key="other-key") as emulator:
        yield emulator


@pytest.fixture
def other(cli: Cli, other_project: EmulatorThread) -> EmulatorThread:
    """Give the second project, empty, under the profile `new`."""
    other_project.reset()
    words = ["--project-id", "other", "--base-url", other_project.base_url]
    assert cli("profile", "add", "new", *words, stdin="other-key").code == 0
    return other_project
