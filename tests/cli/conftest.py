"""How the commands are run: in this process for breadth, as processes where that matters."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from ncloudchat_async.cli.app import run
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
