"""Decides which calls of a run that is stopped are given up: those of which nothing has left.

A call is found through the task of its worker, wherever in the worker's function it is made.
Whoever waits beside them for the same quota is not touched.
"""

from asyncio import Task, current_task
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Self

from ncloudchat_async.errors import NcloudChatError

if TYPE_CHECKING:
    from ncloudchat_async.wire.call import Call

__all__ = ["AT_WORK", "ERRAND", "Errand", "WithdrawnError"]


class WithdrawnError(NcloudChatError):
    """The run was stopped before anything of the call was sent; it never leaves the run."""

    def __init__(self) -> None:
        super().__init__("the run was stopped before this was sent")


class Errand:
    """What one worker of a run is at: an item, which may be withdrawn until it changed something.

    An error and no cancellation ends the call, so that a function that notes what it is about
    to do can note that it did not.
    """

    __slots__ = ("_call", "_task", "begun", "stopped")

    def __init__(self) -> None:
        self.begun: bool = True
        """Whether the item had a write on the wire that has ended; true between two items, since
        what the input calls is its own affair."""
        self.stopped: bool = False
        self._task: Final[Task[Any] | None] = current_task()
        self._call: Call | None = None

    def __enter__(self) -> Self:
        """Become the errand of the calls that this task makes."""
        AT_WORK.add(self)
        ERRAND.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Be none any more."""
        AT_WORK.discard(self)

    def enter(self, call: "Call") -> None:
        """Take note of a call for the item; one of another task is never given up."""
        call.errand = self
        if call.task is self._task:
            self._call = call

    def leave(self, call: "Call") -> None:
        """Take note of its end."""
        if self._call is call:
            self._call = None
        # After a read the item is what it was.
        self.begun = self.begun or (call.writes and call.attempts > 0)

    def gives_up(self, call: "Call") -> bool:
        """Say whether a call that is not on the wire is to end unsent."""
        untouched = not (self.begun or (call.writes and call.doubt))
        return self.stopped and untouched and call is self._call

    def stop(self) -> None:
        """Let nothing more begin, and wake a call that only waits."""
        self.stopped = True
        call = self._call
        if call is not None and (call.sent_at is None or call.resting) and self.gives_up(call):
            call.end()


ERRAND: Final[ContextVar[Errand | None]] = ContextVar("errand", default=None)
"""The errand of this task, or of the one that started it."""
AT_WORK: Final[set[Errand]] = set()
"""Errands of all runs under way. While there are none, no call need ask for its own: that
takes 800 machine instructions."""
