"""Decides how the command line makes files: for their owner only, and never through a link."""

import os
from pathlib import Path
from typing import BinaryIO

from ncloudchat_async.cli.exits import USAGE, Failure

__all__ = ["create", "replace"]

# Windows has no such flag; there links are made by administrators only.
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


def create(path: Path) -> BinaryIO:
    """Create a file of mode 0600 for writing.

    Raises:
        Failure: Something has this name already, even a dangling link, or it cannot be made.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS
    try:
        return os.fdopen(os.open(path, flags, 0o600), "wb")
    except OSError as error:
        raise Failure(f"cannot create {path}: {error.strerror}", USAGE) from None


def replace(path: Path, content: bytes) -> None:
    """Put a file of mode 0600 in the place of another; a reader sees the old or the new one.

    Raises:
        Failure: It cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with create(fresh) as file:
        file.write(content)
    try:
        fresh.replace(path)
    except OSError as error:
        fresh.unlink()
        raise Failure(f"cannot write {path}: {error.strerror}", USAGE) from None
