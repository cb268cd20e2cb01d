"""Commands on channels: the rooms that members subscribe to."""

import contextlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cyclopts import App, Parameter
from msgspec import UNSET, UnsetType

from ncloudchat_async.cli.common import (
    CHANGE,
    COMMON,
    DESTRUCTION,
    LISTING,
    Change,
    Common,
    Destruction,
    Listing,
    given,
)
from ncloudchat_async.cli.exits import USAGE, Failure
from ncloudchat_async.cli.inputs import CHANNEL_IDS, From, Record, read_ids, read_items, text_of
from ncloudchat_async.cli.options import Flag, Words
from ncloudchat_async.cli.subscriptions import SUBSCRIPTIONS
from ncloudchat_async.cli.work import Noun, count_rows, each, list_rows, one
from ncloudchat_async.models import Channel

if TYPE_CHECKING:
    from ncloudchat_async import Client

__all__ = ["app"]

app: Final = App(name="channels", help="Rooms that members subscribe to.")

CHANNELS: Final = Noun(Channel, "channels", ("id", "name", "type", "disabled", "created_at"))


@app.command(name="list")
def list_(
    *,
    count: Flag = False,
    listing: Listing = LISTING,
    common: Common = COMMON,
) -> int:
    """List channels.

    Example: `ncloudchat channels list --filter type=PUBLIC --sort -created_at --limit 10`

    Args:
        count: Print only how many there are.
        listing: Which rows.
        common: Where to, and how results are written.
    """
    if count:
        return count_rows(lambda chat: chat.channels.count(filter=listing.fields()), common)
    return list_rows(
        lambda chat: chat.channels.list(
            filter=listing.fields(), sort=listing.sort, limit=listing.limit, window="auto"
        ),
        CHANNELS,
        common,
    )


@app.command
def get(*channel_ids: str, source: From = None, common: Common = COMMON) -> int:
    """Fetch channels by their ids.

    Example: `ncloudchat channels get channel-1 --output json`

    Args:
        channel_ids: Which channels.
        source: File of ids, `-` for stdin: one per line, CSV or JSON lines.
        common: Where to, and how results are written.
    """
    ids = read_ids(channel_ids, source, CHANNEL_IDS)
    return each(lambda chat, one: chat.channels.get(one), ids, CHANNELS, common)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Features:
    """What a channel is like, as far as it is said.

    Args:
        type: PUBLIC (anyone may subscribe) or PRIVATE (only members).
        unique_id: An id of your own; with it a lost answer can be settled.
        member: Who may subscribe to a PRIVATE channel; may be given several times.
        translation: Translate messages.
        disabled: Close the channel.
        mutes: Let no one write.
        push: Notify subscribers.
        subscribers: Most subscribers; 0 means no limit.
        link_url: A page, checked by the platform.
        image_url: A picture, checked by the platform.
    """

    type: str | None = None
    unique_id: str | None = None
    member: Words = ()
    translation: bool | None = None
    disabled: bool | None = None
    mutes: bool | None = None
    push: bool | None = None
    subscribers: int | None = None
    link_url: str | None = None
    image_url: str | None = None

    def said(self) -> dict[str, Any]:
        """Return the arguments of the client that were given."""
        names = {"member": "members", "subscribers": "limit"}
        values = {names.get(name, name): value for name, value in vars(self).items()}
        return {name: value for name, value in values.items() if value not in {None, ()}}


FEATURES: Final = Features()


@app.command
def create(
    name: str | None = None,
    *,
    features: Features = FEATURES,
    source: From = None,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Create a channel, or those of a file.

    Example: `ncloudchat channels create "Notices" --unique-id notices`

    Args:
        name: Shown name, 90 bytes at most.
        features: What it is like.
        source: CSV or JSON lines, `-` for stdin, with name and any of type, unique_id,
            members (separated by semicolons), translation, disabled, mutes, push, limit,
            link_url and image_url.
        change: How careful to be.
        common: Where to, and how results are written.
    """

    def parse(record: Record) -> dict[str, Any]:
        return {**_said(record), "name": text_of(record, ("name",))}

    def add(chat: "Client", said: Mapping[str, Any]) -> Awaitable[Channel]:
        return chat.channels.create(**said)

    if source is not None:
        return each(add, read_items(source, parse), CHANNELS, common, change=change)
    if name is None:
        raise Failure("give the channel a name, or a file with --from", USAGE)
    return one(lambda chat: chat.channels.create(name, **features.said()), CHANNELS, common, change)


@app.command
def update(
    channel_id: str | None = None,
    *,
    name: str | None = None,
    features: Features = FEATURES,
    source: From = None,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Change a channel, or those of a file; what is not named stays as it is.

    Example: `ncloudchat channels update channel-1 --name "Old notices" --disabled`

    Args:
        channel_id: Which channel.
        name: Shown name, 90 bytes at most.
        features: What it is like.
        source: CSV or JSON lines, `-` for stdin, with channel_id and the columns of `create`;
            empty cells change nothing.
        change: How careful to be.
        common: Where to, and how results are written.
    """

    def parse(record: Record) -> tuple[str, dict[str, Any]]:
        return text_of(record, CHANNEL_IDS), _said(record)

    def patch(chat: "Client", said: tuple[str, dict[str, Any]]) -> Awaitable[Channel]:
        return chat.channels.update(said[0], **said[1])

    if source is not None:
        return each(patch, read_items(source, parse), CHANNELS, common, change=change)
    if channel_id is None:
        raise Failure("name a channel, or a file with --from", USAGE)
    if name is None and not features.said():
        raise Failure("say what to change, such as --name or --no-push", USAGE)
    return one(
        lambda chat: chat.channels.update(channel_id, name=given(name), **features.said()),
        CHANNELS,
        common,
        change,
        about=channel_id,
    )


@app.command
def delete(
    *channel_ids: str,
    source: From = None,
    destruction: Destruction = DESTRUCTION,
    common: Common = COMMON,
) -> int:
    """Delete channels; their messages go with them.

    Example: `ncloudchat channels delete channel-1 --dry-run`

    Args:
        channel_ids: Which channels.
        source: File of ids, `-` for stdin: one per line, CSV or JSON lines.
        destruction: How careful to be.
        common: Where to, and how results are written.
    """
    ids = destruction.allow("Delete", "channels", read_ids(channel_ids, source, CHANNEL_IDS))
    return each(
        lambda chat, one: chat.channels.delete(one), ids, CHANNELS, common, change=destruction
    )


@app.command
def subscribers(
    channel_id: str,
    *,
    listing: Listing = LISTING,
    common: Common = COMMON,
) -> int:
    """List who joined a channel.

    Example: `ncloudchat channels subscribers channel-1 --fields user_id,user.name`

    Args:
        channel_id: Which channel.
        listing: Which rows.
        common: Where to, and how results are written.
    """
    return list_rows(
        lambda chat: chat.subscriptions.list(
            filter={**(listing.fields() or {}), "channel_id": channel_id},
            sort=listing.sort,
            limit=listing.limit,
            window="auto",
        ),
        SUBSCRIPTIONS,
        common,
        about=channel_id,
    )


class _Columns(msgspec.Struct, frozen=True, kw_only=True):
    """What a record may say of a channel; texts such as `true` and `12` are understood."""

    name: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    unique_id: str | UnsetType = UNSET
    members: list[str] | UnsetType = UNSET
    translation: bool | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    mutes: bool | UnsetType = UNSET
    push: bool | UnsetType = UNSET
    limit: int | UnsetType = UNSET
    link_url: str | UnsetType = UNSET
    image_url: str | UnsetType = UNSET


def _said(record: Record) -> dict[str, Any]:
    """Return the arguments of the client that a record gives.

    Raises:
        Failure: A cell cannot be what its column is.
    """
    cells = {n: value for n, value in record.cells.items() if value is not None and value != ""}
    members, image = _listed(cells.get("members")), cells.get("image_url")
    if isinstance(members, list):
        cells["members"] = [member for member in members if member is not None]
    if isinstance(image, list) and image:
        # The platform documents a list, and takes one.
        cells["image_url"] = image[0]
    try:
        columns = msgspec.convert(cells, _Columns, strict=False)
    except msgspec.ValidationError as error:
        raise Failure(f"{record.where}: {error}", USAGE) from None
    every = msgspec.structs.asdict(columns)
    return {name: value for name, value in every.items() if value is not UNSET}


def _listed(members: object) -> object:
    """Take a text apart: a JSON array, as CSV of this program has it, or what a person wrote."""
    if not isinstance(members, str):
        return members
    if members.startswith("["):
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(members)
    return members.split(";")
