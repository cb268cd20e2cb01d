"""Decides whether a message whose answer was lost is in its channel; never sends anything.

The platform has no idempotency key, so a message is recognised by what it must have: the
sender of this key's other messages, its text, and a time not before the intent. Equal
texts cannot be told apart and need not be: they are counted. Whenever more messages are
there than can be ours, or one could be either of two, the answer is `doubt`.

What it takes for granted: a message shows in the list within the settle time, nobody
deletes it before, and nobody else writes the same text with the same key to the same
channel meanwhile. A surplus betrays such a writer, a lone message of his does not; a
text that names its delivery's `ref` rules him out. Clocks keep their distance once a
confirmed answer has told it; until then the server's is not ahead, and what it may have
stored while it was behind is a doubt.
"""

import time
import unicodedata
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Sequence,
)
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar

import anyio
import msgspec

from ncloudchat_async.errors import ConfigError, PagingError
from ncloudchat_async.models.messages import UNSORTED_MS, sort_ms

__all__ = [
    "Finding",
    "ListNewest",
    "Listed",
    "Sighting",
    "Wanted",
    "Who",
    "find_sent",
    "match",
    "read_back",
    "wanted_since",
]

CLOCK_SLACK_MS = 10
"""How far behind a message's time may be and still prove that it is not an older one: what
clocks kept by NTP differ by, and less than it takes to begin a job anew."""

SKEW_MS, UNMEASURED_SKEW_MS = 2_000, 300_000
"""How far behind it may be at all, where an answer has told the server's time and where none
has: five minutes are what Kerberos and most signed APIs tolerate. An equal text of that time
is either ours, by a slow clock, or an older one."""

MAX_AHEAD_S = 60.0
"""How far ahead of the own clock a send may have begun: the clock may have been set back."""

MAX_READ = 50_000
"""Messages read back in one channel before giving up: 500 pages, half a minute."""


class Who(Protocol):
    """The person a message names as its writer."""

    @property
    def id(self) -> str | None:
        """Id of the person."""
        ...


class Listed(Protocol):
    """What recognising needs of a message."""

    @property
    def id(self) -> str:
        """Id of the message."""
        ...

    @property
    def content(self) -> str | None:
        """Text, as the platform keeps it; its filter puts `*` for what it masks."""
        ...

    @property
    def sort_id(self) -> str | None:
        """Milliseconds since 1970 by the server's clock, in decimal."""
        ...

    @property
    def sender(self) -> Who | None:
        """Writer of the message."""
        ...

    @property
    def admin(self) -> Who | None:
        """Owner of the key, for messages sent through REST only (D21)."""
        ...


ListedT = TypeVar("ListedT", bound=Listed)
ListedT_co = TypeVar("ListedT_co", bound=Listed, covariant=True)

ListNewest = Callable[[str], AsyncIterable[ListedT_co]]
"""List a channel's messages, newest first, each row once even while others come and go."""


class Wanted(msgspec.Struct, frozen=True):
    """A message that may be in the channel."""

    key: int
    content: str
    since_ms: int
    """Time by the server's clock from which on a message with this text is taken for it."""
    message_id: str | None = None
    """Set for a message that was sent again and confirmed: it must be there, once."""
    doubt_ms: int = 0
    """How much older one with this text may be and still be it, or be another."""

    @property
    def floor_ms(self) -> int:
        """Earliest time it can bear, by the server's clock."""
        return self.since_ms - self.doubt_ms


class Finding(msgspec.Struct, frozen=True):
    """What the channel says of one wanted message."""

    verdict: Literal["found", "absent", "doubt"]
    message_id: str | None = None


ABSENT = Finding("absent")
DOUBT = Finding("doubt")


def plain(text: str) -> str:
    """Bring a text into the form in which two of them are compared: NFC, trimmed."""
    return unicodedata.normalize("NFC", text).strip()


def fits(stored: str, text: str) -> bool:
    """Say whether `stored` is `text`, perhaps with characters masked by `*`."""
    return len(stored) == len(text) and all(
        kept in ("*", own) for kept, own in zip(stored, text, strict=True)
    )


def wanted_since(
    begun_ms: int, skew_ms: int | None, key: int, content: str, message_id: str | None = None
) -> Wanted:
    """Want a message whose intent was written at `begun_ms`.

    Args:
        begun_ms: Milliseconds since 1970 by the own clock.
        skew_ms: The least by which the server's clock is ahead of the own one; None when
            it was never measured.
        key: What to call it in the findings.
        content: Its text.
        message_id: See `Wanted`.
    """
    since_ms = begun_ms + (skew_ms or 0) - CLOCK_SLACK_MS
    doubt_ms = UNMEASURED_SKEW_MS if skew_ms is None else SKEW_MS
    return Wanted(key, content, since_ms, message_id, doubt_ms)


def match(
    wanted: Sequence[Wanted],
    seen: Iterable[Listed],
    *,
    sender_id: str | None,
    taken: Collection[str] = (),
) -> dict[int, Finding]:
    """Find the wanted messages of one channel among those seen in it.

    Args:
        wanted: All messages in doubt, whatever their texts.
        seen: Messages of the channel, in any order, all that bear a time in question.
        sender_id: Who writes with this key, as a confirmed answer told; None if none did.
        taken: Ids of messages that are known to be somebody else's, confirmed ones above all.

    Returns:
        A finding for every key. No two have the same id.
    """
    groups: dict[str, list[Wanted]] = defaultdict(list)
    for item in wanted:
        groups[plain(item.content)].append(item)
    own = {item.message_id for item in wanted}
    shown: set[str | None] = set()
    copies: dict[str, list[Listed]] = defaultdict(list)
    ambiguous: set[str] = set()
    for row in seen:
        if row.id in own:
            shown.add(row.id)
        elif row.id not in taken and _ours(row, sender_id) is not False:
            texts = _texts_of(plain(row.content or ""), groups)
            if len(texts) == 1:
                copies[texts[0]].append(row)
            else:
                ambiguous.update(texts)
    findings: dict[int, Finding] = {}
    for text, group in groups.items():
        sure = text not in ambiguous and all(
            time_ms(row) is not None and _ours(row, sender_id) for row in copies[text]
        )
        findings.update(_count_off(group, copies[text], shown) if sure else _doubt(group))
    return findings


def time_ms(row: Listed) -> int | None:
    """Give the server's time of a message, None if it does not tell."""
    return sort_ms(row.sort_id)


def _ours(row: Listed, sender_id: str | None) -> bool | None:
    """Say whether this key wrote a message, None if that cannot be told."""
    sender = row.sender.id if row.sender else None
    if sender_id is not None:
        return None if sender is None else sender == sender_id
    # Before any answer told the sender: REST names the key's owner as sender and as admin,
    # people's messages leave the admin empty.
    admin = row.admin.id if row.admin else None
    return None if admin is None or sender is None else admin == sender


def _texts_of(stored: str, texts: Collection[str]) -> list[str]:
    """Name the wanted texts that a stored one may be."""
    if "*" in stored:
        return [text for text in texts if fits(stored, text)]
    return [stored] if stored in texts else []


def _doubt(group: Iterable[Wanted]) -> dict[int, Finding]:
    return {item.key: DOUBT for item in group}


def _count_off(
    group: Sequence[Wanted], copies: Iterable[Listed], shown: Collection[str | None]
) -> dict[int, Finding]:
    """Give each copy of one text, oldest first, to a message that may be as old.

    It does not matter which of several equal messages gets it; it matters that none is
    left over. A copy that may be older than its message finds it not, and leaves a doubt.
    """
    findings = {
        item.key: Finding("found", item.message_id) if item.message_id in shown else ABSENT
        for item in group
    }
    waiting = sorted((item.since_ms, item.key) for item in group if item.message_id is None)
    earliest = min(item.since_ms for item in group)
    newest_old = -1
    for when, message_id in sorted((time_ms(row) or 0, row.id) for row in copies):
        if when < earliest:
            newest_old = when
            continue
        if not waiting or waiting[0][0] > when:
            return _doubt(group)
        findings[waiting.pop(0)[1]] = Finding("found", message_id)
    left = {key for _, key in waiting}
    return findings | _doubt(i for i in group if i.key in left and i.floor_ms <= newest_old)


async def read_back(
    list_newest: ListNewest[ListedT], channel_id: str, wanted: Sequence[Wanted]
) -> list[ListedT]:
    """Read a channel back to the oldest time in question; keep what may be wanted.

    Raises:
        PagingError: More than 50,000 messages lie in between.
        NcloudChatError: The channel cannot be read.
    """
    floor = min(item.floor_ms for item in wanted)
    texts = {plain(item.content) for item in wanted}
    ids = {item.message_id for item in wanted}
    kept: list[ListedT] = []
    count = 0
    rows = aiter(list_newest(channel_id))
    try:
        async for row in rows:
            when = time_ms(row)
            if when is not None and when < floor - UNSORTED_MS:
                break
            count += 1
            if count > MAX_READ:
                raise PagingError(f"more than {MAX_READ} messages to look through")
            if row.id in ids or _texts_of(plain(row.content or ""), texts):
                kept.append(row)
    finally:
        if isinstance(rows, AsyncGenerator):
            await rows.aclose()
    return kept


class Sighting(msgspec.Struct, Generic[ListedT], frozen=True):
    """What a channel says of a single message whose answer was lost."""

    status: Literal["sent", "not_sent", "unknown"]
    """`sent`: it is there. `not_sent`: it is not, so it may be sent again. `unknown`:
    nobody can tell, because there are more such messages than one, the only one is up to
    five minutes older than `since`, or its writer or time is not given."""
    message: ListedT | None
    """The message, when it is there."""


async def find_sent(
    list_newest: ListNewest[ListedT],
    channel_id: str,
    content: str,
    *,
    since: datetime,
    sender_id: str | None = None,
    settle_s: float = 90.0,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> Sighting[ListedT]:
    """Settle what became of one message, sent at `since`, whose answer was lost.

    A message that is there is found at once. That it is not there, or cannot be told from
    others, is believed after the settle time only; absence needs a second look, a third of
    it later.

    Args:
        list_newest: Lists a channel's messages, newest first.
        channel_id: Channel to which it was sent.
        content: Text that was sent.
        since: When sending began, an aware time of the own clock, not later.
        sender_id: Who writes with this key, as any confirmed message tells. Without it,
            messages count whose `sender` and `admin` are one.
        settle_s: Seconds in which a message shows in the list, however late it was applied.
        now: Seconds since 1970; for tests.
        sleep: Waits for some seconds; for tests.

    Raises:
        ConfigError: `since` is more than a minute ahead of the clock.
        ValueError: `since` has no time zone.
        NcloudChatError: The channel cannot be read.
    """
    if since.tzinfo is None:
        raise ValueError("since must be an aware datetime")
    ahead_s = since.timestamp() - now()
    if ahead_s > MAX_AHEAD_S:
        raise ConfigError(
            f"since is {ahead_s:.0f} s ahead: it is the moment before the send, as "
            "datetime.now(UTC) gives it"
        )
    wanted = [wanted_since(round(since.timestamp() * 1000), None, 0, content)]
    settled, absent = since.timestamp() + settle_s, 0
    while absent < 2:
        early = settled - now()
        rows = await read_back(list_newest, channel_id, wanted)
        finding = match(wanted, rows, sender_id=sender_id)[0]
        if finding.verdict == "found":
            return Sighting("sent", next(row for row in rows if row.id == finding.message_id))
        if early <= 0:
            if finding.verdict == "doubt":
                return Sighting("unknown", None)
            absent += 1
        if absent < 2:
            await sleep(early if early > 0 else pause_s(settle_s))
    return Sighting("not_sent", None)


def pause_s(settle_s: float) -> float:
    """Give the seconds between two looks that must agree that a message is absent."""
    return settle_s / 3
