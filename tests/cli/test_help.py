"""Help: every command has an example that works, and the page in docs is what is printed."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from ncloudchat_async import bulk, transfer
from ncloudchat_async.cli import options
from ncloudchat_async.cli.app import COMMANDS
from ncloudchat_async.cli.render import render
from ncloudchat_async.emulator import EmulatorThread
from tests.cli.conftest import APP, EVERY, PAGE, Cli, example

ELSEWHERE = {
    "demo": "test_demo.py runs it, at a higher quota",
    "emulator": "it ends by a signal only: test_processes.py runs it, on a free port",
}


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


HEAVY = {
    "aiohttp",
    "anyio",
    "asyncio",
    "email",
    "http",
    "sqlite3",
    "ssl",
    "ncloudchat_async.bulk",
    "ncloudchat_async.client",
    "ncloudchat_async.core",
    "ncloudchat_async.emulator",
    "ncloudchat_async.journal",
    "ncloudchat_async.paging",
    "ncloudchat_async.resources",
    "ncloudchat_async.transfer",
    "ncloudchat_async.wire",
}
"""What takes longer to load than the help takes to print."""
ASK = """
import contextlib, io, json, sys
from ncloudchat_async.cli.app import run
for words in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()):
        run([*words, "--help"])
    print(json.dumps([words, sorted(sys.modules)]))
"""


def test_help_loads_nothing_that_calls_need() -> None:
    """No command's help waits for the client, the event loop, HTTP or SQLite."""
    asked = msgspec.json.encode([[], *([name] for name in COMMANDS), *EVERY])
    done = subprocess.run([sys.executable, "-c", ASK], input=asked, capture_output=True, check=True)
    loaded = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert len(loaded) == 1 + len(COMMANDS) + len(EVERY)
    for command, modules in loaded:
        assert HEAVY & set(modules) == set(), command


def test_options_have_the_words_of_the_library() -> None:
    """Choices that the help knows without the library are the library's."""
    assert get_args(options.Mode) == get_args(bulk.Mode)
    assert get_args(options.TableForm) == get_args(transfer.Format)
    assert get_args(options.TableNoun) == get_args(transfer.TableNoun)
