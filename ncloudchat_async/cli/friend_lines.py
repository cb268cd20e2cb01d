"""Decides how what is wrong with the pairs of an import's file is named: by their lines."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ncloudchat_async.cli.friends import Pair, pair_of
from ncloudchat_async.cli.inputs import Record, read_records

if TYPE_CHECKING:
    from ncloudchat_async.transfer import Failure

__all__ = ["FriendLines"]


class FriendLines:
    """The pairs of a file, and where each of them stands.

    Args:
        source: CSV or JSON lines with user_id and friend_id; None: there is none.

    Raises:
        Failure: It cannot be read, or has other columns.
    """

    def __init__(self, source: Path | None) -> None:
        self.pairs: Final[list[Pair]] = []
        """Those that have both ids."""
        self._places: list[str] = []
        self._gaps: list[tuple[str, str]] = []
        for record in () if source is None else read_records(source):
            gap = _gap(record)
            if gap is not None:
                self._gaps.append((record.where, f"no {gap}"))
            else:
                self.pairs.append(pair_of(record))
                self._places.append(record.where)

    def name_in(self, problems: "list[Failure]", add: Callable[[str, str, str], None]) -> None:
        """Name problems of pairs by their lines, and add those of lines that have no pair.

        Args:
            problems: What the library found; it counts pairs from 1.
            add: Adds (noun, place, reason) to them.
        """
        for index, problem in enumerate(problems):
            if problem.noun == "friends":
                place = self._places[int(problem.id) - 1]
                problems[index] = msgspec.structs.replace(problem, id=place)
        for place, reason in self._gaps:
            add("friends", place, reason)


def _gap(record: Record) -> str | None:
    """Return the column of an id that is empty; one that is not there at all is another matter."""
    names = ("user_id", "friend_id")
    return next((name for name in names if record.cells.get(name, name) in (None, "")), None)
