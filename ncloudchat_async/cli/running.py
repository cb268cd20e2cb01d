"""Decides how a command runs in an event loop, and what signals and a deadline do to it."""

import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final

from ncloudchat_async.cli.exits import DONE, LIMITED
from ncloudchat_async.cli.wording import MORE_TIME

if TYPE_CHECKING:
    import asyncio

__all__ = ["IN_DOUBT", "Interrupts", "run_async"]

IN_DOUBT: Final = "; what was on its way may have been carried out: look before repeating it"
"""What is said when a change is given up while it waits for its answer."""


class Interrupts:
    """What SIGINT, SIGTERM and the deadline do to a running command.

    The first of them asks the command to stop if it said how (`on_first`), else cancels it;
    the second one cancels it in any case.
    """

    def __init__(self, task: "asyncio.Task[int]") -> None:
        self._task = task
        self._on_first: Callable[[], None] | None = None
        self._deadline_s: float | None = None
        self.code: int | None = None
        """Exit code by the first that came: 130, 143, or 4 for the deadline; None so far."""
        self.left_behind: str = ""
        """What people must know when the command is cancelled where it is."""

    def expire_after(self, seconds: float | None) -> None:
        """Stop the command as by a signal, with exit code 4, after so long; None: never."""
        if seconds is not None:
            self._deadline_s = seconds
            self._task.get_loop().call_later(seconds, self.receive, LIMITED)

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

    def reason(self, code: int) -> str:
        """Say why a command ends with the code of a signal or the deadline."""
        if code == LIMITED:
            assert self._deadline_s is not None
            return f"the deadline of {self._deadline_s:g} s passed before the end: {MORE_TIME}"
        return f"interrupted by {signal.Signals(code - 128).name}"


def run_async(
    command: Callable[[Interrupts], Coroutine[object, object, int]], *, endless: bool = False
) -> int:
    """Run a command in an event loop of its own until it ends or something ends it.

    A signal or the deadline that ended it is named on stderr: no command fails in silence.

    Args:
        command: What to run.
        endless: Being stopped is how it ends: exit code 0, and not a word.

    Returns:
        Its exit code; that of the signal or the deadline when one ended it.
    """
    import asyncio

    async def live() -> int:
        task = asyncio.current_task()
        assert task is not None
        interrupts = Interrupts(task)
        loop = asyncio.get_running_loop()
        # Windows has none: there Ctrl-C ends the loop with KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, interrupts.receive, 128 + number)
        left_behind = ""
        try:
            code = await command(interrupts)
        except asyncio.CancelledError:
            if interrupts.code is None:
                raise
            code, left_behind = interrupts.code, interrupts.left_behind
        if interrupts.code is None or code != interrupts.code:
            return code
        if endless:
            return DONE
        sys.stderr.write(f"ncloudchat: {interrupts.reason(code)}{left_behind}\n")
        return code

    return asyncio.run(live())
