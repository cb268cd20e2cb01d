"""Decides what is kept of a call while it runs, and which error it ends with; never waits."""

import asyncio
from typing import Any, Final

import msgspec

from ncloudchat_async.errors import (
    DeadlineExceededError,
    NcloudChatError,
    OutcomeUnknownError,
    TransportError,
)
from ncloudchat_async.settings import CallOptions
from ncloudchat_async.wire.auth import Secret
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.errand import Errand

__all__ = ["Call", "conclude", "is_late", "take_back"]

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Call(msgspec.Struct, eq=False):
    """What is known of one call while it runs."""

    request: Request[Any]
    options: CallOptions
    started: float
    deadline: float
    task: "asyncio.Task[Any] | None"
    cancellations: int
    """Cancellations of the task that were asked for before the call."""
    attempts: int = 0
    sent_at: float | None = None
    """When the present attempt was handed to the transport; None: it was not yet."""
    key: Secret | None = None
    """What the present attempt was signed with."""
    failure: NcloudChatError | None = None
    """How the last attempt that was sent failed."""
    doubt: bool = False
    """An attempt may have been applied, though no answer says so."""
    renewed: bool = False
    probing: bool = False
    resting: bool = False
    """Between two attempts: nothing of it is on the wire."""
    errand: Errand | None = None
    """Of the run that makes the call, if one does."""
    ended: bool = False
    """The session or the run cancelled its task, and that was not taken back yet."""

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.request.endpoint.method not in _READS

    @property
    def withdrawn(self) -> bool:
        """Whether its run was stopped before anything of it was done."""
        return self.errand is not None and self.errand.gives_up(self)

    def end(self) -> None:
        """Cancel its task; it then raises an error of ours."""
        if not self.ended and self.task is not None:
            self.ended = True
            self.task.cancel()


def take_back(call: Call) -> bool:
    """Tell whether `Call.end`, and nobody else, cancelled the task, and undo that."""
    if not call.ended or call.task is None:
        return False
    call.ended = False
    return call.task.uncancel() <= call.cancellations


def conclude(call: Call, failure: NcloudChatError, now: float) -> NcloudChatError:
    """Choose the error a call ends with, and write the call into it.

    Tracebacks of the way here are dropped: their frames hold answers, and tell nobody
    anything.
    """
    endpoint = call.request.endpoint
    writes = call.writes
    final, cause = failure, call.failure
    if writes and call.doubt and not endpoint.repeatable:
        final = OutcomeUnknownError(
            "whether it was applied is not known: look before sending it again "
            f"({type(failure).__name__}: {failure})"
        )
        cause = failure
    elif isinstance(failure, TransportError) and is_late(call, now):
        final = DeadlineExceededError(f"the deadline passed ({failure})")
        cause = failure
    elif isinstance(failure, DeadlineExceededError) and cause is not None:
        final = DeadlineExceededError(f"{failure}; the last attempt: {cause}")
    call.failure = None
    if cause is not None and cause is not final:
        final.__cause__ = cause.with_traceback(None)
    final.applied = "unknown" if writes and call.doubt else "no"
    final.located(
        endpoint.name,
        endpoint.method,
        endpoint.path,
        attempts=call.attempts,
        elapsed_s=now - call.started,
    )
    return final.with_traceback(None)


def is_late(call: Call, now: float) -> bool:
    """Tell whether a transport gave up because of the deadline.

    Connecting ends 50 ms before it, and timers may be a millisecond early.
    """
    return now >= call.deadline - 0.055
