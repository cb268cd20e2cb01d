"""Sends many messages, or makes many calls, some at a time; one outcome for each, whatever comes.

Never promises "exactly once": the platform has no idempotency key, so a lost answer is a
doubt, and a doubt is either settled by looking or named `unknown`.
"""

import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from functools import partial
from os import PathLike
from types import NoneType

import anyio

from ncloudchat_async.bulk.delivery import (
    Delivery,
    Job,
    Mode,
    Rules,
    SendOne,
    check_delivery,
    check_storable,
)
from ncloudchat_async.bulk.journaled import JournaledJob
from ncloudchat_async.bulk.reconcile import Listed, ListNewest
from ncloudchat_async.bulk.source import Source
from ncloudchat_async.checks import check_flag, check_type, check_unicode
from ncloudchat_async.errors import ConfigError
from ncloudchat_async.journal.view import Binding
from ncloudchat_async.journal.writer import Connect, JournalWriter

__all__ = ["send_many"]


def send_many(
    send: SendOne,
    list_newest: ListNewest[Listed],
    deliveries: Iterable[Delivery] | AsyncIterable[Delivery] | None,
    *,
    journal: str | PathLike[str] | None = None,
    mode: Mode | None = None,
    ordered: bool = False,
    settle_s: float = 90.0,
    max_in_flight: int = 64,
    max_failures: int | None = None,
    fail_fast: bool = False,
    plan_first: bool = False,
    input_id: str | None = None,
    identity: tuple[str, str] = ("", ""),
    now: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    connect: Connect | None = None,
) -> Job:
    """Send many messages, some at a time, and give one outcome for each as it comes.

    With a journal, a job that ended early, was stopped or killed goes on where it was when
    it is called again with the same deliveries: what was sent comes out as `skipped`, what
    was refused as `failed`, and the rest is sent. What was on its way is in doubt, and
    treated as `mode` says.

    Args:
        send: Sends one message.
        list_newest: Lists a channel's messages, newest first.
        deliveries: Any iterable or async iterable; it may be endless. It is read no further
            ahead than `max_in_flight` (16 times that when `ordered`). None goes on with a
            journal that is there and holds the whole input. A list is checked as a whole at
            the call; what is no `Delivery` later on ends the job as an error of the input
            does: what came before is sent and comes out, then `ConfigError` is raised and
            names its number.
        journal: File of the job; created if it is not there. It holds the texts.
        mode: What to do when nobody knows whether a message arrived. `reconcile` (the
            default with a journal) looks for it in its channel after the settle time and
            sends it again, twice at most, when two looks do not find it. `at_most_once` (the
            default without one) names it unknown. `at_least_once` sends it again until an
            answer comes, ten times at most in a run: it may arrive as often, and is unknown
            after that.
        ordered: Send the deliveries of one channel one after the other, each when the one
            before it is settled, whatever became of it. Channels do not wait for each other.
        settle_s: Seconds after which a message, if it was stored at all, is in its channel's
            list. 90 is longer than gateways hold a request.
        max_in_flight: Messages on their way at once.
        max_failures: Begin nothing more after this many outcomes `failed` or `unknown`;
            None: one failure never stops the rest.
        fail_fast: Short for `max_failures=1`.
        plan_first: Write the whole input to the journal before the first message is sent,
            so that an error in it stops everything and the job can go on without it.
        input_id: Name of the input, such as a checksum; a journal of another one is refused.
        identity: Project id and base URL; a journal of others is refused.
        now: Seconds since 1970; for tests.
        clock: Seconds that only grow; for tests.
        sleep: Waits for some seconds; for tests.
        connect: Opens SQLite databases; for tests.

    Returns:
        The job: an async context manager and async iterator of `Outcome`. Entering it opens
        the journal and may raise `JournalLockedError`, `JournalMismatchError`,
        `JournalCorruptError` or plain `JournalError`; reading it raises
        `JournalMismatchError` when the deliveries are not the recorded ones, before anything
        is sent, and `JournalError` when the journal fails, after the outcomes of what was in
        flight.

    Raises:
        ConfigError: An option or a listed delivery makes no sense, or only a journal could do
            what is asked.
    """
    check_flag("fail_fast", fail_fast)
    check_flag("plan_first", plan_first)
    check_unicode("input_id", input_id, optional=True)
    check_type("journal", journal, (str, PathLike, NoneType), "the path of a file")
    rules = Rules(
        mode=("at_most_once" if journal is None else "reconcile") if mode is None else mode,
        ordered=ordered,
        max_in_flight=max_in_flight,
        max_failures=1 if fail_fast else max_failures,
        settle_s=settle_s,
        now=now,
        clock=clock,
        sleep=sleep,
    )
    if journal is None and (deliveries is None or plan_first):
        raise ConfigError("this needs a journal: journal='job.journal'")
    check = check_delivery if journal is None else check_storable
    if isinstance(deliveries, list | tuple | dict | set | str):
        # All at once, while nothing is sent: 0.1 us each.
        for number, item in enumerate(deliveries):
            check(item, number)
    source = None
    if deliveries is not None:
        source = Source(deliveries, name="deliveries", check=check)
    if source is not None and journal is None and rules.mode != "reconcile":
        return Job(send, source, rules)
    opening = partial(
        JournalWriter.open,
        journal,
        Binding(*identity, input_id),
        created_ms=round(now() * 1000),
        create=source is not None,
        connect=connect,
    )
    return JournaledJob(send, list_newest, source, rules, opening=opening, plan_first=plan_first)
