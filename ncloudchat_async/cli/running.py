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
    """What SIGINT and SIGTERM do to a running command.

    The first one asks the command to stop if it said how (`on_first`), else cancels it;
    the second one cancels it in any case.
    """

    def __init__(self, task: asyncio.Task[int]) -> None:
        self._task = task
        self._on_first: Callable[[], None] | None = None
        self.signal: int | None = None
        """The first signal that came; None so far."""

    @property
    def code(self) -> int:
        """What a shell expects after the signal: 130 or 143."""
        return 128 + (self.signal or signal.SIGINT)

    def on_first(self, stop: Callable[[], None] | None) -> None:
        """Say how the command stops in order; None: it cannot any more."""
        self._on_first = stop

    def receive(self, number: int) -> None:
        """Take a signal."""
        stop, self._on_first = self._on_first, None
        self.signal = self.signal or number
        if stop is not None:
            stop()
        else:
            self._task.cancel()


def run_async(command: Callable[[Interrupts], Coroutine[object, object, int]]) -> int:
    """Run a command in an event loop of its own until it ends or a signal ends it.

    Returns:
        Its exit code; 130 or 143 when a signal cancelled it.
    """

    async def live() -> int:
        task = asyncio.current_task()
        assert task is not None
        interrupts = Interrupts(task)
        loop = asyncio.get_running_loop()
        # Windows has none: there Ctrl-C ends the loop with KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, interrupts.receive, number)
        try:
            return await command(interrupts)
        except asyncio.CancelledError:
            if interrupts.signal is None:
                raise
            return interrupts.code

    return asyncio.run(live())
