"""Decides the exit code of a command, whatever ended it."""

import os
import sys
from typing import Final

from ncloudchat_async import errors
from ncloudchat_async.errors import NcloudChatError

__all__ = [
    "AUTHENTICATION",
    "DONE",
    "FAILED",
    "LIMITED",
    "UNKNOWN",
    "USAGE",
    "Failure",
    "code_of",
    "drop_stdout",
    "is_hopeless",
]

DONE: Final = 0
FAILED: Final = 1
"""Some items failed, or the one thing asked for did."""
USAGE: Final = 2
AUTHENTICATION: Final = 3
LIMITED: Final = 4
"""The quota or a deadline."""
UNKNOWN: Final = 5
"""Whether something was applied is not known."""

_CODES: Final[tuple[tuple[type[NcloudChatError], int], ...]] = (
    (errors.ConfigError, USAGE),
    # The file that was named is not one to go on with; a damaged disk is another error.
    (errors.JournalCorruptError, USAGE),
    (errors.JournalMismatchError, USAGE),
    (errors.AuthenticationError, AUTHENTICATION),
    (errors.PermissionDeniedError, AUTHENTICATION),
    (errors.ProjectNotFoundError, AUTHENTICATION),
    (errors.RateLimitedError, LIMITED),
    (errors.QuotaExceededError, LIMITED),
    (errors.DeadlineExceededError, LIMITED),
    (errors.OutcomeUnknownError, UNKNOWN),
    # The file that was named is none to work with: missing, another's, in use.
    (errors.ArchiveError, USAGE),
)


class Failure(Exception):  # noqa: N818 - it ends a command, and is no error of the program
    """End the command with a text for people and an exit code."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


def is_hopeless(error: NcloudChatError) -> bool:
    """Say whether every further call would meet the same error."""
    return code_of(error) == AUTHENTICATION or isinstance(error, errors.QuotaExceededError)


def code_of(error: NcloudChatError) -> int:
    """Return the exit code that an error ends a command with."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def drop_stdout() -> None:
    """Let what is still buffered go nowhere: Python would complain once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
