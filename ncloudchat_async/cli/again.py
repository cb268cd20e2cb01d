"""Decides how a command line is written that goes on with what was interrupted."""

import inspect
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date

from ncloudchat_async.cli.exits import LIMITED

__all__ = ["command_line", "say_again"]

_ENDED_EARLY = (130, 143, LIMITED)
"""Exit codes of a command that a signal or its deadline ended."""


def say_again(code: int, line: str) -> int:
    """Name the command to go on with on stderr if this one ended early; return its code."""
    if code in _ENDED_EARLY:
        sys.stderr.write(f"go on with: {line}\n")
    return code


def command_line(name: str, command: Callable[..., object], given: Mapping[str, object]) -> str:
    """Write a command with the arguments it was called with, without those left at their default.

    Args:
        name: As people type it.
        command: Its function: what is keyword-only is an option.
        given: Its arguments by name.
    """
    words = ["ncloudchat", name]
    for parameter in inspect.signature(command).parameters.values():
        value = given[parameter.name]
        if parameter.kind is not parameter.KEYWORD_ONLY:
            words.append(_word(value))
        else:
            words.extend(_option(parameter.name, value, parameter.default))
    return shlex.join(words)


def _option(name: str, value: object, default: object) -> Iterator[str]:
    """Give the words of an option, or of a group of them; none for its default."""
    if value == default:
        return
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _option(field.name, getattr(value, field.name), field.default)
        return
    yield "--" + name.replace("_", "-")
    if value is not True:
        yield _word(value)


def _word(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
