"""Decides how what is wrong with the pairs of an import's file is named: by their lines."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ncloudchat_async.cli.friends import Pair, pair_of
from ncloudchat_async.cli.inputs import Record, read_records
from ncloudchat_async.cli.wording import worded
from ncloudchat_async.errors import ConfigError

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
        """Those whose ids can be used."""
        self._places: list[str] = []
        self._unusable: list[tuple[str, str]] = []
        for record in () if source is None else read_records(source):
            problem = _problem(record)
            if problem is not None:
                self._unusable.append((record.where, problem))
            else:
                self.pairs.append(pair_of(record))
                self._places.append(record.where)

    def name_in(self, problems: "list[Failure]", add: Callable[[str, str, str], None]) -> None:
        """Name problems of pairs by their lines, and add the lines that have none.

        Args:
            problems: What the library found; it counts pairs from 1.
            add: Adds (noun, place, reason) to them.
        """
        for index, problem in enumerate(problems):
            if problem.noun == "friends":
                place = self._places[int(problem.id) - 1]
                problems[index] = msgspec.structs.replace(problem, id=place)
        for place, reason in self._unusable:
            add("friends", place, reason)


def _problem(record: Record) -> str | None:
    """Say what is wrong with a line's ids; a column that is not there at all is another matter."""
    from ncloudchat_async.resources.friends import friend_pairs

    for name in ("user_id", "friend_id"):
        if record.cells.get(name, name) in (None, ""):
            return f"no {name}"
    try:
        friend_pairs("friends", [pair_of(record)])
    except ConfigError as error:
        return worded(error)
    return None
