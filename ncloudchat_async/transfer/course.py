"""Decides what the parts of an import have in common."""

import msgspec

from ncloudchat_async.client import Client
from ncloudchat_async.transfer.reports import ImportReport, OnDoubt, OnProgress, Progress
from ncloudchat_async.transfer.stop import Stop
from ncloudchat_async.transfer.survey import Target
from ncloudchat_async.transfer.writer import ArchiveWriter

__all__ = ["Course"]


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """One import: what it works with, and whom it tells."""

    chat: Client
    """A client of the other project, for long work."""
    archive: ArchiveWriter
    target: Target
    report: ImportReport
    """Is added to."""
    stop: Stop
    on_progress: OnProgress | None
    on_doubt: OnDoubt | None

    def tell(self, stage: str, done: int, total: int | None, rows: int) -> None:
        """Say how far a stage is, if anyone listens."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage, done, total, rows))

    def tell_doubt(self, noun: str, count: int, seconds: float) -> None:
        """Say that something is in doubt and looked for, if anyone listens."""
        if count and self.on_doubt is not None:
            self.on_doubt(noun, count, seconds)
