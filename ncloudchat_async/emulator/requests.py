"""Decides what is remembered of requests: what was asked and what became of it, never a key."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

__all__ = ["LoggedRequest", "RequestLog"]


class LoggedRequest(msgspec.Struct, frozen=True):
    """One request as the emulator saw it."""

    operation: str | None
    """Operation id; None when no route matched."""
    method: str
    path: str
    """Path as sent, still encoded."""
    query: str
    """Query as sent, still encoded."""
    status: int | None
    """HTTP status of the answer; None when the connection was dropped instead."""
    at: float
    """When it came, in seconds of Unix time."""
    faults: tuple[str, ...] = ()
    """Actions of the fault rules that fired."""


class RequestLog(Sequence[LoggedRequest]):
    """The last requests, oldest first, and counts of all of them.

    Args:
        limit: How many are remembered one by one.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=limit)
        self.total: int = 0
        """Requests since the start or the last reset."""
        self.by_operation: Counter[str] = Counter()
        """Requests per operation id; `-` stands for requests no route matched."""
        self.by_status: Counter[str] = Counter()
        """Requests per HTTP status; `dropped` stands for those without an answer."""

    def add(self, entry: LoggedRequest) -> None:
        """Remember a request."""
        self._entries.append(entry)
        self.total += 1
        self.by_operation[entry.operation or "-"] += 1
        self.by_status["dropped" if entry.status is None else str(entry.status)] += 1

    def clear(self) -> None:
        """Forget all requests and counts."""
        self._entries.clear()
        self.total = 0
        self.by_operation.clear()
        self.by_status.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[LoggedRequest]:
        # A copy, so that requests may arrive while somebody reads.
        return iter(tuple(self._entries))

    @overload
    def __getitem__(self, index: int) -> LoggedRequest: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LoggedRequest]: ...
    def __getitem__(self, index: int | slice) -> LoggedRequest | Sequence[LoggedRequest]:
        return self._entries[index] if isinstance(index, int) else tuple(self._entries)[index]
