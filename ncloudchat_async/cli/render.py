"""Renders the help of every command as a page: `python -m ncloudchat_async.cli.render`."""

import sys
from collections.abc import Iterator, Sequence
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
    shared: dict[str, str] = {}
    parts: list[str] = []
    for words, command in _leaves(make_app(COMMANDS), ("ncloudchat",)):
        every = command.assemble_argument_collection(parse_docstring=True)
        options = [option for option in every if option.show]
        own = [option for option in options if _group(option) not in _SHARED]
        for group in _SHARED:
            found = [_option(option) for option in options if _group(option) == group]
            if found:
                shared[group] = "".join(found)
        parts.append(f"\n## {' '.join(words)}\n\n{_description(command)}\n")
        parts.append(f"\n```console\n{' '.join(words)}{_usage(options)}\n```\n\n")
        parts.extend(map(_option, own))
    head = [_HEAD, HELP]
    for group, meaning in _SHARED.items():
        head.append(f"\n## {group} options\n\n{meaning}\n\n{shared[group]}")
    return "".join(head + parts)


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


def _group(option: Argument) -> str:
    groups: Any = option.parameter.group
    return str(groups[0].name)


def _description(command: App) -> str:
    """Take what stands before `Args:`, its indentation removed."""
    text = str(command.help).partition("Args:")[0]
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _usage(options: Sequence[Argument]) -> str:
    """Name what may stand without an option's name, and that there are options."""
    places = [option for option in options if option.index is not None]
    words = [_place(one) if one.required else f"[{_place(one)}]" for one in places]
    if len(places) < len(options):
        words.append("[OPTIONS]")
    return "".join(f" {word}" for word in words)


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
