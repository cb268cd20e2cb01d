"""Decides what a cursor says and which cursors are refused; never does I/O."""

import base64
import hashlib
from typing import Annotated

import msgspec

from ncloudchat_async.errors import ConfigError
from ncloudchat_async.paging.seen import MARK_BYTES

__all__ = ["MARKS", "Cursor", "decode_cursor", "encode_cursor"]

MARKS = 64
"""Rows that a cursor remembers. One that still exists is enough to find the place again."""

_VERSION = 1
_LONGEST = 2_000
_Place = Annotated[int, msgspec.Meta(ge=0)]


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place between two rows of a list."""

    base: _Place
    """Offset that the iteration was begun with."""
    position: _Place
    """Offset of the next row when the cursor was made; the list may have moved since."""
    marks: tuple[bytes, ...]
    """Marks of the last rows before the place, oldest first; empty when none came yet."""


class _Sealed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    of: bytes
    base: _Place
    position: _Place
    marks: bytes


_decoder = msgspec.msgpack.Decoder(_Sealed)


def encode_cursor(cursor: Cursor, fingerprint: str) -> str:
    """Write a cursor as text: about 30 characters, and 8 for each mark.

    Args:
        cursor: The place.
        fingerprint: Name of the list. Only its digest is written, so that a filter which
            holds personal words does not travel in the cursor.
    """
    sealed = _Sealed(
        version=_VERSION,
        of=_digest(fingerprint),
        base=cursor.base,
        position=cursor.position,
        marks=b"".join(cursor.marks),
    )
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(sealed)).decode().rstrip("=")


def decode_cursor(text: str, fingerprint: str) -> Cursor:
    """Read a cursor that `encode_cursor` wrote, in this process or in another.

    Raises:
        ConfigError: It is not a cursor, is one of another list or of another version.
    """
    try:
        padded = text[:_LONGEST] + "=" * (-len(text) % 4)
        sealed = _decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise ConfigError("cursor is not one that this package made") from error
    if sealed.version != _VERSION or len(sealed.marks) % MARK_BYTES:
        raise ConfigError("cursor was made by another version of this package: begin again")
    if sealed.of != _digest(fingerprint):
        raise ConfigError("cursor belongs to another list, filter or sort")
    marks = (sealed.marks[at : at + MARK_BYTES] for at in range(0, len(sealed.marks), MARK_BYTES))
    return Cursor(sealed.base, sealed.position, tuple(marks))


def _digest(fingerprint: str) -> bytes:
    return hashlib.blake2b(fingerprint.encode(), digest_size=8).digest()
