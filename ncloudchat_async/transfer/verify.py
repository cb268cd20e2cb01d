"""Decides how two sides are brought together to be compared: each as an archive, if it is there."""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from ncloudchat_async.checks import check_callable, check_type
from ncloudchat_async.client import Client
from ncloudchat_async.errors import NcloudChatError
from ncloudchat_async.transfer.archive import owner_of
from ncloudchat_async.transfer.compare import Verification, compare
from ncloudchat_async.transfer.export import export_project
from ncloudchat_async.transfer.private import PathLike
from ncloudchat_async.transfer.reports import OnProgress
from ncloudchat_async.transfer.template import Template

__all__ = ["verify"]


async def verify(
    left: Client | PathLike,
    right: Client | PathLike,
    *,
    template: str | None = None,
    on_progress: OnProgress | None = None,
) -> Verification:
    """Compare two sides, each a project (an open client) or an archive.

    A project is read into an archive in a directory of its own that is removed afterwards,
    so this takes as much room on disk as an export, and little memory.

    What is compared: members (id, name, profile, custom field), channels (name, type and
    flags), the texts of messages and, within one project, their senders, subscriptions and
    the channels' limit and URLs. Times, presence and what was found deleted are not.

    Both sides are asked for before either is read. A cancelled call leaves nothing behind:
    what it read is removed, and neither side was written to.

    Args:
        left: What was: the old project or its archive.
        right: What should say the same.
        template: What became of the texts between two projects; None: what the left archive
            was imported with, else the default one.
        on_progress: Is told how far reading a project is.

    Raises:
        ArchiveError: A file is no archive.
        ConfigError: The template, a side or an option cannot be used.
        NcloudChatError: A project cannot be read, or not as a whole. One that gives no answer
            from the beginning is named in a note of the error.
    """
    if template is not None:
        Template(template)
    check_callable("on_progress", on_progress, "a function", optional=True)
    sides = (("left", left), ("right", right))
    for name, side in sides:
        kinds = (Client, str, os.PathLike)
        check_type(name, side, kinds, "a Client(...) or the path of an archive")
    for name, side in sorted(sides, key=lambda one: isinstance(one[1], Client)):  # files first
        await _check(name, side)
    async with _archived(left, on_progress) as first, _archived(right, on_progress) as second:
        return await anyio.to_thread.run_sync(compare, first, second, template)


async def _check(name: str, side: Client | PathLike) -> None:
    """Refuse a side that is not there."""
    if not isinstance(side, Client):
        owner_of(side)
        return
    try:
        await side.channels.list(per_page=1).first()
    except NcloudChatError as error:
        error.add_note(f"the {name} side, project {side.project_id}, cannot be read")
        raise


@asynccontextmanager
async def _archived(
    side: Client | PathLike, on_progress: OnProgress | None
) -> AsyncIterator[PathLike]:
    """Give an archive of a side."""
    if not isinstance(side, Client):
        yield side
        return
    with tempfile.TemporaryDirectory(prefix="ncloudchat-verify-") as directory:
        path = Path(directory, "project")
        report = await export_project(side, path, on_progress=on_progress)
        if report.failures:
            first = report.failures[0]
            raise NcloudChatError(
                f"project {side.project_id} cannot be read whole: {first.noun} {first.id!r}: "
                f"{first.reason}"
            )
        yield path
