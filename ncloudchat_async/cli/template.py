"""Decides how a message text is made of a record: plain substitution, nothing is run."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ncloudchat_async.cli.exits import USAGE, Failure

__all__ = ["Template"]

_PART: Final = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|([{}])")


class Template:
    """A text with `{column}` in it; `{{` and `}}` stand for braces.

    Unlike `str.format` it reaches into nothing: a column's name is looked up and that is all.

    Raises:
        Failure: A brace stands alone.
    """

    def __init__(self, text: str) -> None:
        self._parts: list[tuple[str, str | None]] = []
        start = 0
        for match in _PART.finditer(text):
            literal = text[start : match.start()]
            start = match.end()
            if match[2]:
                raise Failure(f"the template has a {match[2]} alone: write it twice", USAGE)
            if match[1] is None:
                self._parts.append((literal + match[0][0], None))
            else:
                self._parts.append((literal, match[1].strip()))
        self._end = text[start:]

    def render(self, cells: Mapping[str, object]) -> str:
        """Fill in a record's cells; one that is null is left out.

        Raises:
            KeyError: A column is not there; its name is the argument.
        """
        out: list[str] = []
        for literal, name in self._parts:
            out.append(literal)
            if name is not None:
                out.append(_shown(cells[name]))
        return "".join(out) + self._end


def _shown(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
