"""Bounded fan-out: one outcome for every input, failures and doubts included."""

from ncloudchat_async.bulk.delivery import (
    Delivery,
    Job,
    Mode,
    Outcome,
    Report,
    SendOne,
    Status,
)
from ncloudchat_async.bulk.fanout import Result, Run, run_many
from ncloudchat_async.bulk.reconcile import Listed, ListNewest, Sighting, find_sent
from ncloudchat_async.bulk.sending import send_many

__all__ = [
    "Delivery",
    "Job",
    "ListNewest",
    "Listed",
    "Mode",
    "Outcome",
    "Report",
    "Result",
    "Run",
    "SendOne",
    "Sighting",
    "Status",
    "find_sent",
    "run_many",
    "send_many",
]
