"""Decides how a command ends: its exit code, and what signals do to it."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
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
    "Interrupts",
    "code_of",
    "run_async",
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
    (errors.AuthenticationError, AUTHENTICATION),
    (errors.PermissionDeniedError, AUTHENTICATION),
    (errors.ProjectNotFoundError, AUTHENTICATION),
    (errors.RateLimitedError, LIMITED),
    (errors.QuotaExceededError, LIMITED),
    (errors.DeadlineExceededError, LIMITED),
    (errors.OutcomeUnknownError, UNKNOWN),
)


class Failure(Exception):  # noqa: N818 - it ends a command, and is no error of the program
    """End the command with a text for people and an exit code."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


def code_of(error: NcloudChatError) -> int:
    """Return the exit code that an error ends a command with."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


class Interrupts:
    """What SIGINT, SIGTERM and the deadline do to a running command.

    The first of them asks the command to stop if it said how (`on_first`), else cancels it;
    the second one cancels it in any case.
    """

    def __init__(self, task: asyncio.Task[int]) -> None:
        self._task = task
        self._on_first: Callable[[], None] | None = None
        self.code: int | None = None
        """Exit code by the first that came: 130, 143, or 4 for the deadline; None so far."""

    def on_first(self, stop: Callable[[], None] | None) -> None:
        """Say how the command stops in order; None: it cannot any more."""
        self._on_first = stop

    def receive(self, code: int) -> None:
        """Take a signal, or the deadline, by the exit code it means."""
        stop, self._on_first = self._on_first, None
        self.code = self.code or code
        if stop is not None:
            stop()
        else:
            self._task.cancel()


def run_async(
    command: Callable[[Interrupts], Coroutine[object, object, int]],
    *,
    deadline_s: float | None = None,
) -> int:
    """Run a command in an event loop of its own until it ends or something ends it.

    Args:
        command: The command.
        deadline_s: Seconds after which it is stopped as by a signal; None: never.

    Returns:
        Its exit code; that of the signal or the deadline when one cancelled it.
    """

    async def live() -> int:
        task = asyncio.current_task()
        assert task is not None
        interrupts = Interrupts(task)
        loop = asyncio.get_running_loop()
        # Windows has none: there Ctrl-C ends the loop with KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, interrupts.receive, 128 + number)
        if deadline_s is not None:
            loop.call_later(deadline_s, interrupts.receive, LIMITED)
        try:
            return await command(interrupts)
        except asyncio.CancelledError:
            if interrupts.code is None:
                raise
            return interrupts.code

    return asyncio.run(live())
