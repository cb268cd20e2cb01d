r"""Decides how rows with half a character are read: not a byte of what came is lost.

A text that was cut in the middle of an emoji comes with the escape of a lone surrogate, such
as `"\ud83d"`. JSON allows that, Unicode and the decoder do not.
"""

import re
from typing import Final

import msgspec

__all__ = ["RowsDecoder", "mended"]

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape as a whole: a pair, else a lone surrogate (the group), else any other."""
_REPLACEMENT: Final = rb"\ufffd"


def mended(body: bytes) -> bytes:
    """Put the replacement character's escape, which is as long, for each lone surrogate's."""
    return _ESCAPE.sub(lambda found: _REPLACEMENT if found[1] else found[0], body)


class RowsDecoder:
    """Takes an array of rows apart, each left as it came."""

    def __init__(self) -> None:
        self._rows: Final = msgspec.json.Decoder(list[msgspec.Raw])

    def decode(self, body: bytes) -> list[msgspec.Raw]:
        """Give the rows of an array.

        Raises:
            msgspec.DecodeError: It is no array, or no JSON but for lone surrogates.
        """
        try:
            return self._rows.decode(body)
        except msgspec.DecodeError:
            replaced = mended(body)
        rows: list[msgspec.Raw] = []
        end = 0
        for row in self._rows.decode(replaced):
            # Between two rows are a comma and white space, so the next place is the row's.
            begin = replaced.index(row, end)
            end = begin + len(bytes(row))
            rows.append(msgspec.Raw(body[begin:end]))
        return rows
