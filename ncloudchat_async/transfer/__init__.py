"""Whole projects: into an archive, out of it again, into another project, and compared.

Written against `Client` only. Everything takes the path of an archive, tells its progress to
a callback and returns a report; nothing prints.
"""

from ncloudchat_async.transfer.archive import ArchiveInfo, describe
from ncloudchat_async.transfer.compare import ChannelDifference, Comparison, Verification
from ncloudchat_async.transfer.export import export_project
from ncloudchat_async.transfer.reports import ExportReport, Failure, OnProgress, Progress
from ncloudchat_async.transfer.template import DEFAULT_TEMPLATE, FIELDS, Template
from ncloudchat_async.transfer.verify import verify

__all__ = [
    "DEFAULT_TEMPLATE",
    "FIELDS",
    "ArchiveInfo",
    "ChannelDifference",
    "Comparison",
    "ExportReport",
    "Failure",
    "OnProgress",
    "Progress",
    "Template",
    "Verification",
    "describe",
    "export_project",
    "verify",
]
