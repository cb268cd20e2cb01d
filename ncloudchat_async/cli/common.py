"""Decides which options commands share: the connection and the output, lists, and care."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec
from cyclopts import Group, Parameter
from msgspec import UNSET, UnsetType

from ncloudchat_async.cli.connect import CONNECTION, Connection
from ncloudchat_async.cli.exits import USAGE, Failure
from ncloudchat_async.cli.options import Amount, Flag, Words
from ncloudchat_async.cli.output import OUTPUT, Output
from ncloudchat_async.cli.prompt import confirm

__all__ = [
    "CHANGE",
    "COMMON",
    "DESTRUCTION",
    "LISTING",
    "Change",
    "Common",
    "Destruction",
    "Listing",
    "given",
]

Item = TypeVar("Item")
Value = TypeVar("Value")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """What every command with a connection takes."""

    output: Output = OUTPUT
    connection: Connection = CONNECTION


COMMON: Final = Common()


@Parameter(name="*", group=Group("Listing", sort_key=10))
@dataclass(frozen=True, kw_only=True)
class Listing:
    """Which rows of a list, in which order.

    Args:
        filter: `field=value`, several times for several fields, or a JSON object; the
            platform compares whole values of the documented fields.
        sort: A field, with `-` before it for descending: `--sort -created_at`.
        limit: Rows to stop after.
    """

    filter: Words = ()
    sort: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    limit: Amount | None = None

    def fields(self) -> dict[str, object] | None:
        """Return the filter as the client takes it."""
        found: dict[str, object] = {}
        for word in self.filter:
            if word.lstrip().startswith("{"):
                try:
                    found |= msgspec.json.decode(word, type=dict[str, object])
                except msgspec.DecodeError as error:
                    raise Failure(f"--filter is no JSON object: {error}", USAGE) from None
                continue
            name, equals, value = word.partition("=")
            if not equals or not name:
                raise Failure(f"--filter takes field=value or a JSON object, not {word}", USAGE)
            # Every documented field holds text or a truth value.
            found[name] = {"true": True, "false": False}.get(value, value)
        return found or None


LISTING: Final = Listing()


@Parameter(name="*", group=Group("Safety", sort_key=15))
@dataclass(frozen=True, kw_only=True)
class Change:
    """How careful to be.

    Args:
        dry_run: Check everything and print the requests, but send none.
    """

    dry_run: Flag = False


CHANGE: Final = Change()


@Parameter(name="*", group=Group("Safety", sort_key=15))
@dataclass(frozen=True, kw_only=True)
class Destruction:
    """How careful to be.

    Args:
        dry_run: Check everything and print the requests, but send none.
        yes: Do not ask before several are gone.
    """

    dry_run: Flag = False
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), show_default=False)] = False

    def allow(self, verb: str, noun: str, items: Iterable[Item]) -> Collection[Item]:
        """Ask before more than one item is destroyed, and return the items.

        Raises:
            Failure: The answer is no, or nobody can be asked.
        """
        every = list(items)
        if len(every) > 1 and not self.dry_run:
            confirm(f"{verb} {len(every):,} {noun}", yes=self.yes)
        return every


DESTRUCTION: Final = Destruction()


def given(value: Value | None) -> Value | UnsetType:
    """Return an option as the client takes it: what was not said stays as it is."""
    return UNSET if value is None else value
