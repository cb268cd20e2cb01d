"""Decides what a complete answer is, and which of its bytes may be decoded; not what they mean."""

import codecs
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

import msgspec

__all__ = [
    "MAX_DEPTH",
    "UNREADABLE",
    "Response",
    "parse",
    "too_deep",
    "without_lone_surrogates",
]

MAX_DEPTH: Final = 64
"""Nesting accepted from the server; documented answers have 4 levels."""
UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What the decoder raises; ValueError for invalid UTF-8 and for numbers of 4,301 digits."""
# Possessive, and content with an unclosed string: no text takes more than one pass.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.S)
# A pair of surrogate escapes, or a lone one (group 2), behind a whole number of escaped
# backslashes. Tried only where a backslash run begins, so no body takes more than one pass.
_SURROGATES: Final = re.compile(
    rb"(?<!\\)((?:\\\\)*+)(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""Each bracket as a signed byte: how many levels it goes down."""
_STRIDE: Final = 4096


class Response(msgspec.Struct, frozen=True, gc=False):
    """A complete HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        """Show the size, not the body: it holds what people wrote to each other."""
        return f"<Response {self.status}, {len(self.body)} bytes>"


def parse(body: bytes) -> tuple[Any, bool]:
    """Read any JSON, and say whether it could be read."""
    if too_deep(body):
        return None, False
    try:
        # RFC 8259 lets a reader ignore a byte order mark.
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8)), True
    except UNREADABLE:
        return None, False


def without_lone_surrogates(body: bytes) -> bytes:
    r"""Put U+FFFD in the place of each escape that is half a character, such as `\ud83d` alone.

    Platforms that cut texts by UTF-16 units send these (RFC 8259 section 8.2 lets them), and
    the decoder refuses the whole page for one. Nothing else is touched: neither numbers,
    nor repeated keys, nor the place where anything stands.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _SURROGATES.sub(lambda m: m[1] + b"\\ufffd" if m[2] else m[0], body)


def too_deep(body: bytes) -> bool:
    """Tell whether brackets nest deeper than `MAX_DEPTH`, without recursion.

    The decoder recurses on the C stack, also through fields it skips, and Python 3.12 and
    later let it go 10,000 levels down, more than a small thread stack holds.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    steps = memoryview(_STRINGS.sub(b"", body).translate(_STEPS, _NOT_BRACKETS)).cast("b")
    depth = 0
    for start in range(0, len(steps), _STRIDE):
        part = steps[start : start + _STRIDE]
        if max(accumulate(part, initial=depth)) > MAX_DEPTH:
            return True
        depth += sum(part)
    return False
