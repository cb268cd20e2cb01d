"""Decides which commands there are, how their options are read, and how each one ends."""

import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError

from ncloudchat_async.about import __version__
from ncloudchat_async.cli.running import USAGE, Failure, code_of
from ncloudchat_async.cli.text import printable
from ncloudchat_async.errors import NcloudChatError

__all__ = ["app", "run"]

_HELP: Final = """Operate NAVER Ncloud Chat from a terminal.

Results are JSON lines on stdout; words for people and progress go to stderr.

Credentials come from NCLOUDCHAT_PROJECT_ID and NCLOUDCHAT_API_KEY, or from a profile.

Exit codes: 0 done, 1 some items failed, 2 usage, 3 authentication, 4 quota or deadline,
5 outcome unknown, 130 and 143 interrupted.
"""

app: Final = App(
    name="ncloudchat",
    help=_HELP,
    version=__version__,
    version_flags=("--version",),
    help_format="markdown",
)
app.command("ncloudchat_async.cli.demo:demo", name="demo")
app.command("ncloudchat_async.cli.emulator:emulator", name="emulator")


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: What stands behind the program's name.
    """
    try:
        command, bound, _ = app.parse_args(list(argv), print_error=False, exit_on_error=False)
        code = command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        return _complain(str(error), USAGE)
    except Failure as failure:
        return _complain(str(failure), failure.code)
    except NcloudChatError as error:
        return _complain(str(error), code_of(error))
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


def _complain(text: str, code: int) -> int:
    """Tell people on stderr why the command ends, and return the code."""
    sys.stderr.write(f"ncloudchat: {printable(text)}\n")
    return code
