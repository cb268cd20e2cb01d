"""The `ncloudchat` command; here only how it starts, and what it says without its extra."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that `sys.argv` asks for, and end the process with its exit code."""
    try:
        from ncloudchat_async.cli.streams import prepare  # not when imported

        prepare()
        from ncloudchat_async.cli.app import run  # the extra may be missing

        code = run(sys.argv[1:])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"cyclopts", "rich"}:
            raise
        sys.stderr.write('ncloudchat needs its extra: pip install "ncloudchat-async[cli]"\n')
        raise SystemExit(2) from None
    raise SystemExit(code)
