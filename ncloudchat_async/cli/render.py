"""Renders the help of every command as a page: `python -m ncloudchat_async.cli.render`."""

import sys
from collections.abc import Iterator
from typing import Any, Final

from cyclopts import App
from cyclopts.argument import Argument

from ncloudchat_async.cli.app import COMMANDS, HELP, make_app

__all__ = ["render"]

_HEAD: Final = """<!-- Written by `python -m ncloudchat_async.cli.render > docs/cli.md`. -->
# The command line

`pip install "ncloudchat-async[cli]"` brings the command `ncloudchat`.

"""
_SHARED: Final = {
    "Output": "How results are written, wherever a command has any.",
    "Connection": "Which project, and how fast, wherever a command calls the platform.",
}
"""Groups of options that are described once."""


def render() -> str:
    """Return the page as Markdown."""
    app = make_app(COMMANDS)
    commands = list(_leaves(app, ("ncloudchat",)))
    parts = [_HEAD, HELP]
    for group, meaning in _SHARED.items():
        parts.append(f"\n## {group} options\n\n{meaning}\n\n")
        parts.extend(_option(option) for option in _shared(commands[0][1], group))
    for words, command in commands:
        parts.append(f"\n## {' '.join(words)}\n\n{_description(command)}\n")
        parts.append(f"\n```console\n{' '.join(words)}{_usage(command)}\n```\n\n")
        parts.extend(_option(option) for option in _own(command))
    return "".join(parts)


def _leaves(app: App, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], App]]:
    """Give every command that does something, in the order of their names."""
    for name in sorted(app):
        if name.startswith("-"):
            continue
        command = app[name]
        if command.default_command is None:
            yield from _leaves(command, (*words, name))
        else:
            yield (*words, name), command


def _options(command: App) -> list[Argument]:
    every = command.assemble_argument_collection(parse_docstring=True)
    return [option for option in every if option.show]


def _group(option: Argument) -> str:
    groups: Any = option.parameter.group
    return str(groups[0].name)


def _shared(command: App, group: str) -> list[Argument]:
    return [option for option in _options(command) if _group(option) == group]


def _own(command: App) -> list[Argument]:
    return [option for option in _options(command) if _group(option) not in _SHARED]


def _description(command: App) -> str:
    """Take what stands before `Args:`, its indentation removed."""
    text = str(command.help).partition("Args:")[0]
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _usage(command: App) -> str:
    """Name what may stand without an option's name, and that there are options."""
    words = ""
    for option in _options(command):
        if option.index is not None:
            name = _place(option)
            words += f" {name}" if option.required else f" [{name}]"
    shared = {_group(option) for option in _options(command)} & set(_SHARED)
    own = any(option.index is None for option in _own(command))
    return words + (" [OPTIONS]" if shared or own else "")


def _place(option: Argument) -> str:
    """Name an argument that is known by its place."""
    name = option.name.removeprefix("--").upper().replace("-", "_")
    return name + "..." if option.is_var_positional() else name


def _option(option: Argument) -> str:
    names = ", ".join(f"`{name}`" for name in option.names)
    if option.index is not None:
        names = f"`{_place(option)}`"
    text = " ".join(str(option.parameter.help or "").split())
    choices = option.get_choices()
    if choices:
        text += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    default = option.field_info.default
    if isinstance(default, str | int | float) and not isinstance(default, bool):
        text += f" Default: `{default}`."
    return f"- {names}: {text}\n"


if __name__ == "__main__":
    sys.stdout.write(render())
