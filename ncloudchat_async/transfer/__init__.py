"""Whole projects: into an archive, out of it again, into another project, and compared.

Written against `Client` only. Exports, imports, `verify` and `convert` tell their progress to a
callback and return a report; the others give rows as they find them, or one answer. Nothing
prints.
"""

from ncloudchat_async.transfer.archive import ArchiveInfo, describe
from ncloudchat_async.transfer.compare import ChannelDifference, Comparison, Verification
from ncloudchat_async.transfer.convert import ConvertReport, Format, TableNoun, convert
from ncloudchat_async.transfer.export import export_project
from ncloudchat_async.transfer.importing import forecast_import, import_project
from ncloudchat_async.transfer.live_files import LiveFiles, live_files
from ncloudchat_async.transfer.reports import (
    ExportReport,
    Failure,
    Forecast,
    ImportReport,
    OnDoubt,
    OnProgress,
    Progress,
)
from ncloudchat_async.transfer.search import FoundFile, FoundMessage, files, search
from ncloudchat_async.transfer.statistics import Day, ProjectStats, archive_stats, live_stats
from ncloudchat_async.transfer.stop import Stop
from ncloudchat_async.transfer.template import DEFAULT_TEMPLATE, FIELDS, Template
from ncloudchat_async.transfer.verify import verify

__all__ = [
    "DEFAULT_TEMPLATE",
    "FIELDS",
    "ArchiveInfo",
    "ChannelDifference",
    "Comparison",
    "ConvertReport",
    "Day",
    "ExportReport",
    "Failure",
    "Forecast",
    "Format",
    "FoundFile",
    "FoundMessage",
    "ImportReport",
    "LiveFiles",
    "OnDoubt",
    "OnProgress",
    "Progress",
    "ProjectStats",
    "Stop",
    "TableNoun",
    "Template",
    "Verification",
    "archive_stats",
    "convert",
    "describe",
    "export_project",
    "files",
    "forecast_import",
    "import_project",
    "live_files",
    "live_stats",
    "search",
    "verify",
]
