"""Decides how an archive is opened: which file is one, whose it is, and who may write to it.

One process writes at a time; the lock goes with the process, however it ends. Whatever is
written survives the end of the process at any moment; after a power cut the file is whole,
but may lack the last seconds, which the next export fetches again.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType

import msgspec

from ncloudchat_async.checks import check_type
from ncloudchat_async.errors import ArchiveError, ConfigError
from ncloudchat_async.transfer.private import PathLike, check_plain, create_private, make_private
from ncloudchat_async.transfer.schema import APPLICATION_ID, SCHEMA, VERSION

__all__ = [
    "ArchiveInfo",
    "check_border",
    "describe",
    "in_utc",
    "moment",
    "now_ms",
    "open_for_writing",
    "owner_of",
    "reading",
    "release",
    "translated",
]


class ArchiveInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive says of itself."""

    project_id: str
    base_url: str
    version: int
    """Version of the archive's format."""
    created_at: datetime
    exported_at: datetime | None
    """When the last export that came to its end was begun; None: none did yet."""
    interrupted: bool
    """Whether an export was begun and not ended: export again to go on with it."""
    members: int
    channels: int
    subscriptions: int
    messages: int
    gone: int
    """Messages that a later export found deleted; counted in `messages` too."""


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return round(datetime.now(UTC).timestamp() * 1000)


def moment(ms: int | None) -> datetime | None:
    """Make a moment of milliseconds since 1970; None stays None."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def check_border(name: str, at: datetime | None) -> None:
    """Refuse a moment without a time zone: which one it is nobody knows."""
    kinds = (datetime, NoneType)
    check_type(name, at, kinds, "an aware datetime, such as datetime.now(UTC), or None")
    if at is not None and at.utcoffset() is None:
        raise ConfigError(f"{name} needs a time zone, such as datetime.now(UTC)")


def in_utc(at: datetime | None) -> datetime | None:
    """Tell a moment in UTC; None if it is none there, as the first day of all in Seoul."""
    try:
        return None if at is None else at.astimezone(UTC)
    except OverflowError:
        return None


def describe(path: PathLike) -> ArchiveInfo:
    """Say what an archive holds.

    Raises:
        ArchiveError: There is no archive of this name, or it cannot be read.
    """
    with reading(path) as db:
        project_id, base_url, created_ms = db.execute(
            "SELECT project_id, base_url, created_ms FROM archive"
        ).fetchone()
        exported, interrupted = db.execute(
            "SELECT max(begun_ms) FILTER (WHERE ended_ms IS NOT NULL),"
            " max(id) FILTER (WHERE ended_ms IS NULL) FROM runs"
        ).fetchone()
        counts = db.execute(
            "SELECT (SELECT count(*) FROM members), (SELECT count(*) FROM channels),"
            " (SELECT count(*) FROM subscriptions), (SELECT count(*) FROM messages),"
            " (SELECT count(*) FROM messages WHERE gone_ms IS NOT NULL)"
        ).fetchone()
    members, channels, subscriptions, messages, gone = counts
    return ArchiveInfo(
        project_id=project_id,
        base_url=base_url,
        version=VERSION,
        created_at=datetime.fromtimestamp(created_ms / 1000, UTC),
        exported_at=moment(exported),
        interrupted=interrupted is not None,
        members=members,
        channels=channels,
        subscriptions=subscriptions,
        messages=messages,
        gone=gone,
    )


def owner_of(path: PathLike) -> tuple[str, str, bool]:
    """Return project id and base URL of an archive, and whether an export came to its end.

    Raises:
        ArchiveError: There is no archive of this name, or it cannot be read.
    """
    with reading(path) as db:
        project_id, base_url, open_runs, ended_runs = db.execute(
            "SELECT project_id, base_url,"
            " (SELECT count(*) FROM runs WHERE ended_ms IS NULL),"
            " (SELECT count(*) FROM runs WHERE ended_ms IS NOT NULL) FROM archive"
        ).fetchone()
    return project_id, base_url, bool(ended_runs and not open_runs)


@contextmanager
def reading(path: PathLike) -> Iterator[sqlite3.Connection]:
    """Open an archive for reading only, and close it in the end.

    Raises:
        ArchiveError: There is no archive of this name, or it cannot be read.
    """
    if not check_plain(path):
        raise ArchiveError(f"there is no archive at {path}")
    with translated(path):
        db = _connect(path)
        try:
            # A file left by a killed process is first put in order, which takes writing.
            _check_format(db, path)
            db.execute("PRAGMA query_only = ON")
            yield db
        finally:
            db.close()


def open_for_writing(path: PathLike, project_id: str | None, base_url: str) -> sqlite3.Connection:
    """Open an archive, or make it, and keep every other process out until it is closed.

    Args:
        path: The file.
        project_id: The project it must belong to; None: it must be there, whosever it is.
        base_url: Where that project is.

    Raises:
        ArchiveError: It belongs to another project, is in use, or is no archive.
    """
    if check_plain(path):
        make_private(path)
    elif project_id is None:
        raise ArchiveError(f"there is no archive at {path}")
    else:
        create_private(path)
    with translated(path):
        db = _connect(path)
        try:
            db.execute("PRAGMA busy_timeout = 0")
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            _prepare(db, path, project_id, base_url)
        except BaseException:
            db.close()
            raise
    return db


def release(db: sqlite3.Connection) -> None:
    """Close an archive that was open for writing, leaving one file."""
    with suppress(sqlite3.Error):  # nothing is lost: the next one to open it does this
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()


def _connect(path: PathLike) -> sqlite3.Connection:
    # An absolute path, since ":memory:" is a name like any other here.
    db = sqlite3.connect(Path(path).absolute(), isolation_level=None, check_same_thread=False)
    # Texts are whatever people wrote: a file from elsewhere may hold what is no UTF-8.
    db.text_factory = lambda text: text.decode("utf-8", "replace")
    return db


def _prepare(db: sqlite3.Connection, path: PathLike, project_id: str | None, base_url: str) -> None:
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables and project_id is not None:
        db.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA:
            db.execute(statement)
        db.execute("INSERT INTO archive VALUES (?, ?, ?)", (project_id, base_url, now_ms()))
        db.execute("COMMIT")
    _check_format(db, path)
    owner = db.execute("SELECT project_id, base_url FROM archive").fetchone()
    if project_id is not None and owner != (project_id, base_url):
        raise ArchiveError(
            f"{path} is an archive of project {owner[0]} at {owner[1]}, "
            f"not of {project_id} at {base_url}"
        )
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("BEGIN IMMEDIATE")  # takes the lock, which then stays
    db.execute("COMMIT")


def _check_format(db: sqlite3.Connection, path: PathLike) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise ArchiveError(f"{path} is not an archive")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise ArchiveError(
            f"{path} has format {version}, this program knows {VERSION}: use a newer one"
        )


@contextmanager
def translated(path: PathLike) -> Iterator[None]:
    """Turn what SQLite says into errors of this package."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise ArchiveError(f"{path} is in use by another process") from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise ArchiveError(f"{path} is damaged, or no archive: {error}") from error
        raise ArchiveError(f"{path} cannot be used: {error}") from error
