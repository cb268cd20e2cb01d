"""Decides which commands there are, how their options are read, and how each one ends."""

import sys
from collections.abc import Collection, Sequence
from typing import Final

from cyclopts import App, CycloptsError

from ncloudchat_async.about import __version__
from ncloudchat_async.cli.exits import DONE, FAILED, USAGE, Failure, code_of, drop_stdout
from ncloudchat_async.cli.text import printable
from ncloudchat_async.cli.wording import worded
from ncloudchat_async.errors import NcloudChatError

__all__ = ["COMMANDS", "HELP", "make_app", "run"]

HELP: Final = """Operate NAVER Ncloud Chat from a terminal.

Results are JSON lines on stdout; words for people and progress go to stderr.

Credentials come from NCLOUDCHAT_PROJECT_ID and NCLOUDCHAT_API_KEY, or from a profile. Profiles
are kept in the file that NCLOUDCHAT_PROFILES names, else in ncloudchat/profiles.json below
XDG_CONFIG_HOME or ~/.config.

Exit codes: 0 done, 1 some items failed, 2 usage, 3 authentication, 4 quota or deadline,
5 outcome unknown, 130 and 143 interrupted, 141 the reader of stdout has left.

An id that begins with a hyphen goes behind `--`.
"""

COMMANDS: Final = {
    "members": ("members:app", "Users of the project."),
    "channels": ("channels:app", "Rooms that members subscribe to."),
    "messages": ("messages:app", "What is said in channels."),
    "friends": ("friends:app", "Friend requests and their answers."),
    "tokens": ("tokens:app", "Tokens that members log in with."),
    "subscriptions": ("subscriptions:app", "Which member joined which channel."),
    "notifications": ("notifications:app", "Push settings of members."),
    "send": ("send:send", "Send a message for every line of a file."),
    "jobs": ("jobs:app", "Look into the journals of `send`, and go on with them."),
    "export": ("transfer:export", "Write a whole project into an archive."),
    "import": ("transfer:import_", "Carry an archive into another project."),
    "verify": ("transfer:verify", "Compare two projects, or an archive with a project."),
    "search": ("archive:search", "Find messages in an archive."),
    "files": ("archive:files", "List the attachments of a project or an archive."),
    "convert": ("archive:convert", "Write an archive's rows as JSON lines, CSV or Parquet."),
    "stats": ("archive:stats", "Count members, channels and the messages of each day."),
    "doctor": ("doctor:doctor", "Find out what keeps calls from succeeding."),
    "api": ("api:api", "Call any path of the platform."),
    "profile": ("profiles:app", "Keep credentials under a name."),
    "demo": ("demo:demo", "Send thousands of messages to an emulator and account for each."),
    "emulator": ("emulator:emulator", "Run a twin of the platform on this machine."),
}
"""Where each command is; its module is loaded when it is used."""


_ANYWHERE: Final = {"--profile", "--output", "-o", "--fields"}
"""Options that may also stand before the command."""


def make_app(own_help: Collection[str]) -> App:
    """Make the command line.

    Args:
        own_help: Commands that are loaded and explain themselves; of the others only one
            line is known, so that `ncloudchat --help` need not load them.
    """
    app = App(
        name="ncloudchat",
        help=HELP,
        version=__version__,
        version_flags=("--version",),
        help_format="plaintext",
    )
    for name, (place, line) in COMMANDS.items():
        app.command(
            f"ncloudchat_async.cli.{place}",
            name=name,
            help=None if name in own_help else line,
            sort_key=name,
        )
    return app


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: What stands behind the program's name.
    """
    try:
        words = _command_first(argv)
        command, bound, _ = make_app(words[:1]).parse_args(
            words, print_error=False, exit_on_error=False
        )
        code = command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
    except (CycloptsError, Failure, NcloudChatError) as error:
        return _complain(*_verdict(error))
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except (BrokenPipeError, SystemExit):
        # The reader has seen enough, and said so: the one end without a word. The printer of
        # the help makes a SystemExit of it; nothing else here does.
        drop_stdout()
        return 141
    except OSError as error:
        drop_stdout()
        return _complain(f"the system refuses: {error.strerror or error}", FAILED)
    return code if isinstance(code, int) else DONE


def _command_first(argv: Sequence[str]) -> list[str]:
    """Move options that stand before the command behind it: `--profile work members list`."""
    words, moved = list(argv), list[str]()
    while words and words[0].partition("=")[0] in _ANYWHERE:
        size = 1 if "=" in words[0] else 2
        moved += words[:size]
        del words[:size]
    end = words.index("--") if "--" in words else len(words)
    return words[:end] + moved + words[end:]


def _verdict(error: CycloptsError | Failure | NcloudChatError) -> tuple[str, int]:
    """Return what an error says to people, and its exit code."""
    match error:
        case NcloudChatError():
            return worded(error), code_of(error)
        case Failure():
            return str(error), error.code
        case _:
            return str(error), USAGE


def _complain(text: str, code: int) -> int:
    """Tell people on stderr why the command ends, and return the code."""
    sys.stderr.write(f"ncloudchat: {printable(text)}\n")
    return code
