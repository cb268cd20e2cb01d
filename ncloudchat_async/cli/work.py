"""Decides how commands work through lists and ids: output, dry runs, failures, exit codes."""

import contextlib
import sys
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ncloudchat_async.cli.common import Change, Common, Destruction
from ncloudchat_async.cli.connect import BULK
from ncloudchat_async.cli.exits import (
    DONE,
    FAILED,
    UNKNOWN,
    Failure,
    code_of,
    is_hopeless,
)
from ncloudchat_async.cli.output import Output, Rows
from ncloudchat_async.cli.progress import Progress
from ncloudchat_async.cli.running import IN_DOUBT, Interrupts, run_async
from ncloudchat_async.cli.text import printable
from ncloudchat_async.cli.wording import worded
from ncloudchat_async.errors import NcloudChatError

if TYPE_CHECKING:
    from ncloudchat_async import Client
    from ncloudchat_async.paging import Pages, Row

__all__ = ["Noun", "count_rows", "each", "list_rows", "one"]

Item = TypeVar("Item")
RowT = TypeVar("RowT", bound="Row")


class Noun(msgspec.Struct, frozen=True):
    """How rows of one kind are written."""

    kind: type
    """Their struct."""
    plural: str
    brief: Sequence[str]
    """Columns of a table when nobody named any."""

    def open(self, output: Output) -> Rows:
        """Begin the output of such rows."""
        return output.open(self.kind, brief=self.brief)

    def plans(self, output: Output) -> Rows:
        """Begin the output of a dry run: requests, whole, after the same checks."""
        output.asked(self.kind)
        return replace(output, fields=None).open()


def list_rows(
    make: "Callable[[Client], Pages[RowT]]",
    noun: Noun,
    common: Common,
    *,
    keep: Callable[[RowT], bool] = lambda _: True,
    limit: int | None = None,
    about: str = "",
) -> int:
    """Write the rows of a list as they come: those that are to be kept, `limit` at most.

    Args:
        make: Makes the list.
        noun: What its rows are.
        common: Where to, and how results are written.
        keep: Says whether a row is wanted.
        limit: Rows to stop after.
        about: The id whose list it is, for errors.
    """

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        async with common.connection.client() as chat:
            with noun.open(common.output) as rows, _naming(about):
                async with contextlib.aclosing(aiter(make(chat))) as items:
                    async for item in items:
                        if limit is not None and rows.count >= limit:
                            break
                        if keep(item):
                            rows.write(item)
        return DONE

    return run_async(run)


def count_rows(count: "Callable[[Client], Awaitable[int]]", common: Common) -> int:
    """Write how many rows a list has."""

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        async with common.connection.client() as chat:
            with common.output.open(_Count) as rows:
                rows.write(_Count(await count(chat)))
        return DONE

    return run_async(run)


class _Count(msgspec.Struct, frozen=True):
    """How many rows a list has."""

    count: int


def one(
    call: "Callable[[Client], Awaitable[object]]",
    noun: Noun,
    common: Common,
    change: Change,
    *,
    about: str = "",
) -> int:
    """Make one call that changes something, and write what it gives.

    Args:
        call: The call.
        noun: What it gives.
        common: Where to, and how results are written.
        change: How careful to be.
        about: The id that it changes, for errors.
    """

    async def run(interrupts: Interrupts) -> int:
        if change.dry_run:
            from ncloudchat_async.cli.dry import DryClient

            with noun.plans(common.output) as rows, _naming(about):
                await _plan(call(DryClient()), rows)
            return DONE
        async with common.connection.client() as chat:
            with noun.open(common.output) as rows, _naming(about):
                interrupts.left_behind = IN_DOUBT
                rows.write(await call(chat))
        return DONE

    return run_async(run)


def each(
    call: "Callable[[Client, Item], Awaitable[object]]",
    items: Iterable[Item],
    noun: Noun,
    common: Common,
    *,
    change: Change | Destruction | None = None,
) -> int:
    """Make a call for every item, a bounded number at once, and write what they give.

    One failure does not stop the rest, unless every further call would fail too. What failed
    is named on stderr. After a signal or the deadline no further call begins.

    Returns:
        0; 1 when some failed, 5 when for some nobody knows; what a fatal error means.
    """

    async def run(interrupts: Interrupts) -> int:
        if change is not None and change.dry_run:
            with noun.plans(common.output) as rows:
                return await _plan_each(call, items, rows)
        async with common.connection.client() as chat:
            with noun.open(common.output) as rows:
                interrupts.left_behind = "" if change is None else IN_DOUBT
                if isinstance(items, Collection) and len(items) == 1:
                    (item,) = items
                    with _naming(_name_of(item)):
                        _write(rows, await call(chat, item))
                    return DONE
                interrupts.expire_after(common.connection.deadline)
                view = chat.with_options(priority="bulk", deadline_s=None, retry=BULK)
                return await _Bulk(noun, rows, interrupts).run(view, call, items)

    return run_async(run)


@contextlib.contextmanager
def _naming(item: str) -> Iterator[None]:
    """Put the item before an error that speaks of it: errors of the library hold no ids.

    What every other item would meet too says nothing of this one.
    """
    try:
        yield
    except NcloudChatError as error:
        if not item or is_hopeless(error):
            raise
        raise Failure(f"{item}: {worded(error)}", code_of(error)) from error


async def _plan(call: Awaitable[object], rows: Rows) -> None:
    """Write the request that a call on a `DryClient` would have sent."""
    from ncloudchat_async.cli.dry import PlannedError

    try:
        await call
    except PlannedError as planned:
        rows.write(planned.row)


async def _plan_each(
    call: "Callable[[Client, Item], Awaitable[object]]", items: Iterable[Item], rows: Rows
) -> int:
    """Write every request, name every item that has none, and return the real run's code."""
    from ncloudchat_async.cli.dry import DryClient

    if isinstance(items, Collection) and len(items) == 1:
        (item,) = items
        with _naming(_name_of(item)):
            await _plan(call(DryClient(), item), rows)
        return DONE
    code = DONE
    for item in items:
        try:
            await _plan(call(DryClient(), item), rows)
        except NcloudChatError as error:
            _tell(item, error)
            code = FAILED
    return code


def _tell(item: object, error: NcloudChatError) -> None:
    """Name an item that failed, while the others go on."""
    sys.stderr.write(printable(f"{_name_of(item)}: {worded(error)}") + "\n")


def _write(rows: Rows, value: object) -> None:
    """Write what a call gave: one row, or several."""
    for row in value if isinstance(value, Sequence) else (value,):
        rows.write(row)


class _Bulk:
    """A run over many items."""

    def __init__(self, noun: Noun, rows: Rows, interrupts: Interrupts) -> None:
        self._noun = noun
        self._rows = rows
        self._interrupts = interrupts
        self._failed = 0
        self._unknown = 0
        self._fatal: NcloudChatError | None = None

    async def run(
        self,
        chat: "Client",
        call: "Callable[[Client, Item], Awaitable[object]]",
        items: Iterable[Item],
    ) -> int:
        total = len(items) if isinstance(items, Collection) else None
        results = chat.run_many(lambda item: call(chat, item), items)
        self._interrupts.on_first(results.stop)
        # On a terminal the rows themselves show how far it came.
        with Progress(quiet=sys.stdout.isatty()) as progress:
            progress.stage(self._noun.plural, total)
            async with results:
                async for result in results:
                    if isinstance(result.error, NcloudChatError):
                        self._note(result.item, result.error)
                        if self._fatal is not None:
                            results.stop()
                    else:
                        _write(self._rows, result.value)
                    progress.advance()
        return self._code()

    def _note(self, item: object, error: NcloudChatError) -> None:
        """Count a failure, and name it."""
        self._unknown += error.applied == "unknown"
        self._failed += error.applied != "unknown"
        if is_hopeless(error):
            self._fatal = error
        _tell(item, error)

    def _code(self) -> int:
        if self._interrupts.code is not None:
            return self._interrupts.code
        if self._fatal is not None:
            return code_of(self._fatal)
        return UNKNOWN if self._unknown else FAILED if self._failed else DONE


def _name_of(item: object) -> str:
    """Name an item for people: its id, or its ids, or its name."""
    if isinstance(item, Mapping):
        return str(item.get("name", ""))
    if isinstance(item, tuple):
        return " ".join(part for part in item if isinstance(part, str)) or f"{len(item)} pairs"
    return str(item)
