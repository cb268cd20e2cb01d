"""Decides how rows come into the store without REST: seeded in bulk, given one by one, churned."""

import random
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice, product
from sqlite3 import IntegrityError, ProgrammingError
from typing import Any, Literal

import msgspec

from ncloudchat_async.emulator.names import refuse_unknown
from ncloudchat_async.emulator.objects import (
    Channel,
    ChannelUser,
    Member,
    Message,
    Sender,
    Subscription,
    SubscriptionUser,
    relay_id,
)
from ncloudchat_async.emulator.operations import channels, members, messages, subscriptions
from ncloudchat_async.emulator.project import Project
from ncloudchat_async.emulator.query import Listing
from ncloudchat_async.emulator.store import CHANNELS, MEMBERS, MESSAGES, SUBSCRIPTIONS, Row, Table

__all__ = ["Noun", "Seeded", "add_rows", "churn", "join", "remove_row", "seed_rows"]

Noun = Literal["members", "channels", "messages", "subscriptions"]
"""What rows can be added of."""

_TABLES: dict[Noun, Table] = {
    "members": MEMBERS,
    "channels": CHANNELS,
    "messages": MESSAGES,
    "subscriptions": SUBSCRIPTIONS,
}
_FORMS: dict[Noun, type[msgspec.Struct]] = {
    "members": Member,
    "channels": Channel,
    "messages": Message,
    "subscriptions": Subscription,
}
_LISTS: dict[str, Noun] = {
    "listMembers": "members",
    "listChannels": "channels",
    "listMessages": "messages",
    "listSubscriptions": "subscriptions",
}
_START = 1_751_328_000  # 2025-07-01, so that the same seed gives the same rows on any day
_WORDS = ("hello", "안녕하세요", "notice", "meeting", "at noon", "감사합니다", "see you", "done")


class Seeded(msgspec.Struct, frozen=True):
    """What `seed` made."""

    member_ids: tuple[str, ...]
    channel_ids: tuple[str, ...]
    subscription_ids: tuple[str, ...]
    messages: int
    """Messages in all channels together."""


def seed_rows(
    project: Project,
    *,
    member_count: int,
    channel_count: int,
    messages_per_channel: int,
    subscription_count: int,
    seed: int,
) -> Seeded:
    """Add many rows; the same seed on an equally full store adds the same rows.

    Raises:
        ValueError: There are messages without a channel, more subscriptions than pairs, or
            less than nothing.
    """
    if min(member_count, channel_count, messages_per_channel, subscription_count) < 0:
        raise ValueError("Seeding takes no negative counts")
    if messages_per_channel and not channel_count:
        raise ValueError("Seeding messages takes at least one channel")
    if subscription_count > member_count * channel_count:
        raise ValueError("Seeding subscriptions takes as many pairs of seeded channel and member")
    held = [project.store.count(table) for table in _TABLES.values()]
    # Reproducible on purpose, and nothing here is secret.
    chance = random.Random(f"{seed}:{held}")
    member_ids = add_rows(
        project,
        "members",
        (
            {
                "id": f"member-{number:06d}",
                "name": f"Member {number}",
                "created_at": _START + number,
            }
            for number in range(held[0], held[0] + member_count)
        ),
    )
    channel_ids = add_rows(
        project,
        "channels",
        (
            {
                "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                "name": f"Channel {number}",
                "created_at": _START + number,
            }
            for number in range(held[1], held[1] + channel_count)
        ),
    )
    messages_made = _messages(project, channel_ids, messages_per_channel, chance)
    project.store.add_many(MESSAGES, messages_made)
    pairs = islice(product(member_ids, channel_ids), subscription_count)
    subscription_ids = add_rows(project, "subscriptions", _subscriptions(pairs, chance))
    made = channel_count * messages_per_channel
    return Seeded(tuple(member_ids), tuple(channel_ids), tuple(subscription_ids), made)


def _subscriptions(
    pairs: Iterable[tuple[str, str]], chance: random.Random
) -> Iterator[Mapping[str, object]]:
    for number, (user_id, channel_id) in enumerate(pairs):
        created_at = _START + number
        subscription_id = f"{created_at:08x}{chance.getrandbits(64):016x}"
        yield {
            "id": subscription_id,
            "channel_id": channel_id,
            "user_id": user_id,
            "created_at": created_at,
        }


def _messages(
    project: Project, channel_ids: list[str], each: int, chance: random.Random
) -> Iterator[Row]:
    for number in range(each):
        for channel_id in channel_ids:
            sort_id = (_START + number) * 1000 + chance.randrange(1000)
            message_id = f"{sort_id // 1000:08x}{chance.getrandbits(64):016x}"
            content = f"{_WORDS[sort_id % len(_WORDS)]} {number}"
            message = messages.compose(project, channel_id, content, sort_id, message_id)
            yield messages.row(message, sort_id)


def add_rows(
    project: Project, noun: Noun, rows: Iterable[Mapping[str, object]], *, orphans: bool = False
) -> list[str]:
    """Add rows given by their documented fields, and return their ids.

    What is left out takes the value a fresh object has. `created_at` may be Unix seconds.

    Raises:
        ValueError: The noun or a field is unknown, a field has the wrong type or is missing,
            an id exists, or a row belongs to nothing and `orphans` is false.
    """
    refuse_unknown("noun", [noun], _TABLES)
    ids: list[str] = []
    owners: set[tuple[str, str]] = set()

    def built() -> Iterator[Row]:
        for given in rows:
            refuse_unknown("field", given, _FIELDS[noun])
            absent = None if orphans else _absent(project, noun, given, owners)
            if absent:
                raise ValueError(f"{absent}; orphans=True permits it")
            row = _built(project, noun, given)
            ids.append(row.id)
            yield row

    try:
        project.store.add_many(_TABLES[noun], built())
    except KeyError as error:
        raise ValueError(f"Not a row of {noun}: {error.args[0]} is missing") from error
    except (ValueError, OverflowError, IntegrityError, ProgrammingError) as error:
        raise ValueError(f"Not a row of {noun}: {error}") from error
    return ids


def join(project: Project, fields: Mapping[str, object]) -> str:
    """Add a subscription as the platform would let it come about, and return its id.

    Raises:
        ValueError: There is no such channel or member, or the channel does not take it.
    """
    absent = _absent(project, "subscriptions", fields, set())
    if absent:
        raise ValueError(f"Nobody can join: {absent}")
    channel_id, user_id = str(fields["channel_id"]), str(fields["user_id"])
    store = project.store
    channel = msgspec.json.decode(store.body(CHANNELS, channel_id) or b"", type=Channel)
    if channel.type == "PRIVATE" and user_id not in channel.members:
        raise ValueError(f"Channel {channel_id} is private and does not name {user_id!r}")
    held = Listing(conditions=["channel_id = ?"], values=[channel_id])
    if channel.limit and store.count(SUBSCRIPTIONS, held) >= channel.limit:
        raise ValueError(f"Channel {channel_id} is full: its limit is {channel.limit}")
    if store.first(SUBSCRIPTIONS, "channel_id = ? AND user_id = ?", (channel_id, user_id)):
        raise ValueError(f"{user_id!r} has joined channel {channel_id} already")
    return add_rows(project, "subscriptions", [fields])[0]


def _absent(
    project: Project, noun: Noun, given: Mapping[str, object], owners: set[tuple[str, str]]
) -> str | None:
    """Name the channel or member that a row lacks; `owners` remembers those that are there."""
    for field, table, where in _OWNERS.get(noun, ()):
        owner = given.get(field)
        if not isinstance(owner, str) or (field, owner) in owners:
            continue  # one of another type is refused for that
        if project.store.first(table, where, (owner,)) is None:
            return f"there is no {table.name.removesuffix('s')} {owner!r}"
        owners.add((field, owner))
    return None


def _built(project: Project, noun: Noun, given: Mapping[str, object]) -> Row:
    created = given.get("created_at")
    if isinstance(created, str):
        at = datetime.fromisoformat(created).timestamp()
    elif created is None:
        sort_id = _sort_id(given)
        at = project.now() if sort_id is None else sort_id / 1000
    else:
        at = float(str(created))
    return _BUILDERS[noun](project, {**given, "created_at": project.stamp(at)}, at)


def _sort_id(given: Mapping[str, object]) -> int | None:
    """Read the ms since 1970 that a message is sorted by; None where it is left out."""
    sort_id = given.get("sort_id")
    if sort_id is None:
        return None
    if isinstance(sort_id, bool) or not re.fullmatch("[0-9]{1,15}", str(sort_id)):
        raise ValueError("sort_id is ms since 1970, in digits")
    return int(str(sort_id))


def _member(project: Project, fields: dict[str, Any], at: float) -> Row:
    given = {"member_id": fields["id"], "name": fields["id"], "updated_at": fields["created_at"]}
    fixed = {"project_id": project.project_id}
    return members.row(msgspec.convert({**given, **fields, **fixed}, Member), at)


def _channel(project: Project, fields: dict[str, Any], at: float) -> Row:
    settings = project.settings
    owner = fields.get("user_id", settings.admin_id)
    given = {
        "id": str(uuid.uuid4()),
        "user_id": owner,
        "user": ChannelUser(
            relay_id("Members", owner), settings.admin_name, settings.admin_profile
        ),
        "type": "PUBLIC",
        "project_id": project.project_id,
        "updated_at": fields["created_at"],
    }
    return channels.row(msgspec.convert({**given, **fields}, Channel), at)


def _message(project: Project, fields: dict[str, Any], at: float) -> Row:
    sort_id = _sort_id(fields) or project.free_sort_id(fields["channel_id"], int(at * 1000))
    message_id = fields.get("id") or project.object_id(at)
    message = messages.compose(
        project, fields["channel_id"], fields["content"], sort_id, message_id
    )
    plain = {**msgspec.to_builtins(message), **fields, "sort_id": str(sort_id)}
    if "sender" in fields and "admin" not in fields:
        plain["admin"] = Sender("", "", "")
    return messages.row(msgspec.convert(plain, Message), int(at * 1000))


def _subscription(project: Project, fields: dict[str, Any], at: float) -> Row:
    body = project.store.body(MEMBERS, fields["user_id"])
    user = SubscriptionUser() if body is None else msgspec.json.decode(body, type=SubscriptionUser)
    given = {
        "id": project.object_id(at),
        "project_id": project.project_id,
        "user": user,
        "updated_at": fields["created_at"],
    }
    return subscriptions.row(msgspec.convert({**given, **fields}, Subscription), at)


_BUILDERS: dict[Noun, Callable[[Project, dict[str, Any], float], Row]] = {
    "members": _member,
    "channels": _channel,
    "messages": _message,
    "subscriptions": _subscription,
}


_LIVE_CHANNEL = ("channel_id", CHANNELS, "id = ? AND deleted = 0")
_OWNERS: dict[Noun, tuple[tuple[str, Table, str], ...]] = {
    "messages": (_LIVE_CHANNEL,),
    "subscriptions": (_LIVE_CHANNEL, ("user_id", MEMBERS, "id = ?")),
}
_FIELDS: dict[Noun, frozenset[str]] = {
    noun: frozenset(field.encode_name for field in msgspec.structs.fields(form))
    for noun, form in _FORMS.items()
}


def remove_row(project: Project, noun: Noun, row_id: str) -> None:
    """Delete a row as if it had never been; an unknown id is no error.

    Raises:
        ValueError: The noun is unknown.
    """
    refuse_unknown("noun", [noun], _TABLES)
    project.store.remove(_TABLES[noun], row_id)


def churn(
    project: Project,
    operation: str,
    ids: list[str],
    *,
    insert: bool,
    count: int,
    where: Literal["first", "last", "random"],
    chance: random.Random,
) -> None:
    """Insert or delete rows of what a list operation lists.

    `where` is the place in the order of creation; a list without `sort` shows inserted
    rows at its end all the same.
    """
    noun = _LISTS[operation]
    table = _TABLES[noun]
    listing = Listing(order="created_s, seq")
    if noun == "messages":
        listing.require("channel_id = ?", ids[0])
    for _ in range(count):
        held = project.store.count(table, listing)
        index = {"first": 0, "last": held - 1}.get(where, chance.randrange(max(held, 1)))
        found = project.store.ids(table, listing, 1, max(index, 0))
        if insert:
            last = where == "last" or not found
            at = project.now() if last else float(project.store.created_s(table, found[0]))
            filler = _filler(noun, ids, at - (where == "first"), chance)
            add_rows(project, noun, [filler], orphans=True)
        elif found:
            project.store.remove(table, found[0])


def _filler(noun: Noun, ids: list[str], at: float, chance: random.Random) -> dict[str, object]:
    mark = f"{chance.getrandbits(48):012x}"
    fields: dict[Noun, dict[str, object]] = {
        "members": {"id": f"inserted-{mark}"},
        "channels": {"name": f"inserted {mark}"},
        "messages": {"channel_id": ids[0] if ids else "", "content": f"inserted {mark}"},
        "subscriptions": {"channel_id": f"inserted-{mark}", "user_id": f"inserted-{mark}"},
    }
    return {**fields[noun], "created_at": at}
