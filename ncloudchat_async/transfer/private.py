"""Decides how files are made: for their owner only, anew, and never through a link."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from ncloudchat_async.checks import check_type
from ncloudchat_async.errors import ArchiveError

__all__ = ["PathLike", "check_plain", "create_private", "make_private", "write_private"]

PathLike = str | os.PathLike[str]

_CREATE = os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def create_private(path: PathLike) -> None:
    """Make an empty file of mode 0600.

    Raises:
        ArchiveError: Something has this name already, or the file cannot be made.
    """
    os.close(_open(path, os.O_WRONLY))


def write_private(path: PathLike) -> BinaryIO:
    """Make a file of mode 0600 and open it for writing; the caller closes it.

    Raises:
        ArchiveError: Something has this name already, or the file cannot be made.
    """
    return os.fdopen(_open(path, os.O_RDWR), "w+b")


def check_plain(path: PathLike) -> bool:
    """Say whether a plain file has this name; False when nothing has.

    Raises:
        ArchiveError: It is a link, a directory or a device.
        ConfigError: It is no name.
    """
    check_type("path", path, (str, os.PathLike), "the path of a file")
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ArchiveError(f"{path} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise _unnameable(path) from error
    if not stat.S_ISREG(mode):
        raise ArchiveError(f"{path} is not a plain file")
    return True


def make_private(path: PathLike) -> None:
    """Give a file that is there the mode 0600, if others may do something with it.

    Raises:
        ArchiveError: It is somebody else's.
    """
    # Not by opening it: closing it would drop the locks that SQLite holds on it.
    try:
        if os.name == "posix" and stat.S_IMODE(Path(path).stat().st_mode) & 0o077:
            Path(path).chmod(0o600)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be kept from others: {error.strerror}") from error


def _open(path: PathLike, flags: int) -> int:
    try:
        return os.open(path, flags | _CREATE, 0o600)
    except FileExistsError as error:
        raise ArchiveError(f"{path} exists already: name another file or remove it") from error
    except OSError as error:
        raise ArchiveError(f"{path} cannot be made: {error.strerror}") from error
    except ValueError as error:
        raise _unnameable(path) from error


def _unnameable(path: PathLike) -> ArchiveError:
    """Speak of a name with half a character or a zero byte."""
    return ArchiveError(f"{path!r} cannot be used: no file can have this name")
