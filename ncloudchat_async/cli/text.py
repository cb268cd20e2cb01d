"""Decides what people see of text that others wrote; never changes what programs read."""

import re
from typing import Final

__all__ = ["UNSAFE", "printable"]

# Control characters (C0, DEL, C1), lone surrogates, line and paragraph separators, the
# marks, embeddings, overrides and isolates of bidirectional text, other invisible format
# characters, and tags: a terminal obeys them, or a reader does not see them. Zero width
# joiners stay, since emoji and Indic scripts need them.
UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""What is never written raw."""


def printable(text: str) -> str:
    r"""Return a text as one line that no terminal obeys: `\n`, `\x1b` and `\u202e` instead.

    A backslash of the text itself stays one, so this cannot be turned back: it is for
    people; programs get JSON.
    """
    return UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
