"""A job's journal: what was intended and what came of it, in one SQLite file."""

from ncloudchat_async.journal.view import Binding, Entry, JournalStatus, JournalView, State

__all__ = ["Binding", "Entry", "JournalStatus", "JournalView", "State"]
