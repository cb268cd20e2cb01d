"""Decides which rows of a list came already; never holds the rows themselves.

The memory is bounded: the ids of the last rows, in two generations of which the older is
let go whole. What was let go is said (`complete`), so that nobody takes an old row for a
new one without looking further.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

__all__ = ["MARK_BYTES", "Row", "Seen", "mark"]

MARK_BYTES = 6
"""Bytes of a mark. 64 marks against 8,192 rows meet by chance once in 500 million resumes."""


class Row(Protocol):
    """What a list consists of: anything with an id that is unique in the list."""

    @property
    def id(self) -> str:
        """Id of the row, the same whenever the row is read."""
        ...


T = TypeVar("T", bound=Row)


def mark(row_id: str) -> bytes:
    """Digest an id to the few bytes that stand for it in a cursor, the same in any process."""
    return hashlib.blake2b(row_id.encode(), digest_size=MARK_BYTES).digest()


class Seen:
    """Ids of the last rows that came, each with its rank (how many came before it).

    Args:
        keep: The last `keep` rows are always remembered, never more than `2 * keep` and a page.
        marks: Marks of rows that came before a cursor, oldest first; remembered like rows.
        complete: Whether no other rows of this list came before.
    """

    def __init__(self, keep: int, *, marks: Iterable[bytes] = (), complete: bool = True) -> None:
        self._keep = keep
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._marks = {digest: rank for rank, digest in enumerate(marks)}
        self._count = len(self._marks)
        self._generations_left = 2 if complete else 0

    @property
    def complete(self) -> bool:
        """Whether each row that came and is still in the list is remembered."""
        return self._generations_left > 0

    @property
    def count(self) -> int:
        """How many rows came: the rank of the next one."""
        return self._count

    def rank(self, row_id: str) -> int | None:
        """Tell how many rows came before this one, or None when it is not remembered."""
        rank = self._young.get(row_id)
        if rank is None:
            rank = self._old.get(row_id)
        if rank is None and self._marks:
            rank = self._marks.get(mark(row_id))
        return rank

    def news(self, rows: Sequence[T]) -> tuple[list[T], int]:
        """Remember these rows, and return those that did not come before, each once.

        Returns:
            The new rows, and how many of them are strays: rows before one that came, hence
            inserted behind the reader.
        """
        young, old, marks, count = self._young, self._old, self._marks, self._count
        news: list[T] = []
        strays, before = 0, count
        for row in rows:
            row_id = row.id
            if row_id in young or row_id in old or (marks and mark(row_id) in marks):
                if young.get(row_id, -1) < before:
                    strays = len(news)
                continue
            young[row_id] = count
            count += 1
            news.append(row)
        self._count = count
        if len(young) >= self._keep:
            self._let_go()
        return news, strays

    def begin(self, rows: Sequence[T]) -> None:
        """Note that the list begins with these rows, and that nothing else of it came."""
        for row in rows:
            rank = self.rank(row.id)
            if rank is not None:
                self._young[row.id] = rank
        self._generations_left = 2

    def _let_go(self) -> None:
        if self._old:
            self._marks = {}
        self._old, self._young = self._young, {}
        self._generations_left = max(0, self._generations_left - 1)
