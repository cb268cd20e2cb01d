"""Asks a person before something cannot be taken back; never takes silence for consent."""

from pathlib import Path

from ncloudchat_async.cli.exits import USAGE, Failure

__all__ = ["confirm"]


def confirm(question: str, *, yes: bool) -> None:
    """Ask at the terminal, whatever stdin is, and return if the answer is y or yes.

    Args:
        question: Without a question mark; it must be printable.
        yes: The user agreed on the command line; nothing is asked.

    Raises:
        Failure: The answer is another one, or there is no terminal to ask at.
    """
    if yes:
        return
    try:
        # Ids may come through stdin, so that is not where a person answers.
        with Path("/dev/tty").open("r+b", buffering=0) as terminal:
            terminal.write(f"{question}? [y/N] ".encode())
            answer = terminal.readline().decode(errors="replace").strip().lower()
    except OSError:
        raise Failure(f"{question}? Say so with --yes: there is no terminal", USAGE) from None
    if answer not in {"y", "yes"}:
        raise Failure("nothing was done", USAGE)
