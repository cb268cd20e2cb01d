"""Help: every command has an example that works, and the page in docs is what is printed."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

import ncloudchat_async
from ncloudchat_async.cli.app import COMMANDS, make_app
from ncloudchat_async.cli.render import render
from ncloudchat_async.emulator import EmulatorThread
from tests.cli.conftest import Cli

PAGE = Path(ncloudchat_async.__file__).parents[1] / "docs" / "cli.md"
ELSEWHERE = {
    "demo": "test_demo.py runs it",
    "emulator": "it ends by a signal only: test_processes.py runs one on a free port",
}


def leaves(app: App, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """Give every command that does something."""
    for name in app:
        if not name.startswith("-"):
            command = app[name]
            if command.default_command is None:
                yield from leaves(command, (*words, name))
            else:
                yield (*words, name), command


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


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_the_example_works(
    cli: Cli, project: None, other: EmulatorThread, words: tuple[str, ...], tmp_path: Path
) -> None:
    """The example of each command runs as it is printed."""
    line = example(EVERY[words])
    program, *argv = shlex.split(line)
    assert (program, tuple(argv[: len(words)])) == ("ncloudchat", words)
    if line.endswith("< key.txt"):
        argv, stdin = argv[:-2], (tmp_path / "key.txt").read_text()
    else:
        stdin = ""
    if words[0] in ELSEWHERE:
        APP.parse_args(argv, print_error=False, exit_on_error=False)
        return
    if words[0] == "jobs":
        assert cli(*shlex.split(example(EVERY["send",]))[1:]).code == 0
    if "project.archive" in argv and words != ("export",):
        assert cli("export", "project.archive").code == 0
    if words == ("profile", "use"):
        assert cli("profile", "add", "work", "--project-id", "p", stdin="key").code == 0
    done = cli(*argv, stdin=stdin)
    assert done.code == 0, done.err


def test_the_page_is_what_the_commands_say() -> None:
    """docs/cli.md is up to date: `python -m ncloudchat_async.cli.render > docs/cli.md`."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_the_list_of_commands_says_what_their_modules_say(cli: Cli) -> None:
    """A group's line in the list is its own help; help never leaves a command out."""
    listed = cli("--help").out
    for name, (place, line) in COMMANDS.items():
        assert name in listed
        if place.endswith(":app"):
            assert APP[name].help == line


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_option_is_explained(words: tuple[str, ...]) -> None:
    """No option and no argument goes without a word."""
    for option in EVERY[words].assemble_argument_collection(parse_docstring=True):
        assert option.parameter.help, option.name
