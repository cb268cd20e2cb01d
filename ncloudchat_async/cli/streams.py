"""Decides what stdin, stdout and stderr are, whatever the process was given for them."""

import io
import os
import sys
from typing import TextIO

from ncloudchat_async.cli.exits import USAGE, Failure

__all__ = ["prepare", "stdin"]

_LAST = 2
"""Number of stderr."""


def prepare() -> None:
    """Make stdout and stderr fit to be written to; a closed one takes everything and keeps none."""
    # A file or socket opened later would get the number of a closed stream, and its texts.
    while (free := os.open(os.devnull, os.O_RDWR)) <= _LAST:
        pass
    os.close(free)
    sys.stdout = _fit(sys.stdout, 1)
    sys.stderr = _fit(sys.stderr, 2)


def _fit(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        return open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    if isinstance(stream, io.TextIOWrapper):
        # JSON is UTF-8 whatever the locale; a terminal says itself what it can show.
        encoding = stream.encoding if stream.isatty() else "utf-8"
        if isinstance(stream.buffer, io.RawIOBase):
            # With PYTHONUNBUFFERED. Nobody would see that the system took a part only.
            buffer = io.BufferedWriter(stream.buffer)
            stream = io.TextIOWrapper(buffer, line_buffering=True)
        stream.reconfigure(encoding=encoding, errors="backslashreplace")
    return stream


def stdin() -> TextIO:
    """Return stdin.

    Raises:
        Failure: It is closed.
    """
    if sys.stdin is None:
        raise Failure("stdin is closed: give a file or a pipe", USAGE)
    return sys.stdin
