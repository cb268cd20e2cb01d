"""Decides what the operations on channels do, and which channel fields are acceptable."""

import uuid
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from ncloudchat_async.emulator.answers import RefusedError, enveloped, missing
from ncloudchat_async.emulator.lists import answer_list
from ncloudchat_async.emulator.objects import Channel, ChannelUser, encode, relay_id
from ncloudchat_async.emulator.project import Call
from ncloudchat_async.emulator.query import Listing
from ncloudchat_async.emulator.settings import EmulatorSettings
from ncloudchat_async.emulator.store import CHANNELS, Row

__all__ = ["create", "delete", "find", "get", "list_", "row", "update"]

_NO_CHANNEL = b'{"channel":null,"status":1}'
_Limit = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Wanted(msgspec.Struct, rename="camel"):
    """Fields of a channel as sent; null counts as not sent."""

    name: str | None = None
    unique_id: str | None = None
    type: str | None = None
    translation: bool | None = None
    members: list[str] | None = None
    disabled: bool | None = None
    mutes: bool | None = None
    push: bool | None = None
    limit: _Limit | None = None
    link_url: str | None = None
    image_url: str | None = None


_WANTED = msgspec.json.Decoder(_Wanted)
_STORED = msgspec.json.Decoder(Channel)


def row(channel: Channel, now: float, *, deleted: bool = False) -> Row:
    """Return how a channel is stored."""
    typed = (channel.name, channel.type, channel.unique_id, int(channel.disabled), int(deleted))
    return Row(channel.id, int(now * 1000), int(now), typed, encode(channel))


def find(call: Call, channel_id: str) -> Channel | None:
    """Return a channel that is not deleted."""
    body = _body(call, channel_id)
    return None if body is None else _STORED.decode(body)


def create(call: Call) -> bytes:
    """Create a channel, whose creator is the key's owner."""
    wanted = call.read(_WANTED)
    if not wanted.name:
        raise RefusedError.parameter("name is required")
    if wanted.type is None:
        raise RefusedError.parameter("type is required")
    _check(call, wanted, None)
    settings = call.settings
    channel = Channel(
        id=str(uuid.uuid4()),
        project_id=call.project.project_id,
        name=wanted.name,
        user_id=settings.admin_id,
        user=ChannelUser(
            relay_id("Members", settings.admin_id), settings.admin_name, settings.admin_profile
        ),
        type=wanted.type,
        created_at=call.stamp,
        updated_at=call.stamp,
    )
    _apply(channel, wanted, settings)
    stored = row(channel, call.now)
    call.store.add(CHANNELS, stored)
    return enveloped("channel", stored.body)


def get(call: Call) -> bytes:
    """Return one channel."""
    return _body(call, call.ids[0]) or missing(call.settings, "channel")


def list_(call: Call) -> bytes:
    """List channels that are not deleted."""

    def narrow(listing: Listing) -> None:
        listing.require("deleted = 0")

    return answer_list(call, CHANNELS, narrow)


def update(call: Call) -> bytes:
    """Change the given fields."""
    wanted = call.read(_WANTED)
    channel = find(call, call.ids[0])
    if channel is None:
        return missing(call.settings, "channel", _NO_CHANNEL)
    if wanted.name == "":
        raise RefusedError.parameter("name is empty")
    _check(call, wanted, channel.id)
    _apply(channel, wanted, call.settings)
    channel.updated_at = call.stamp
    stored = row(channel, call.now)
    call.store.change(CHANNELS, stored)
    return enveloped("channel", stored.body)


def delete(call: Call) -> bytes:
    """Take a channel, and with it its messages, out of every list; it stays in the store."""
    channel = find(call, call.ids[0])
    if channel is None:
        return missing(call.settings, "channel", _NO_CHANNEL)
    stored = row(channel, call.now, deleted=True)
    call.store.change(CHANNELS, stored)
    return enveloped("channel", stored.body)


def _body(call: Call, channel_id: str) -> bytes | None:
    return call.store.first(CHANNELS, "id = ? AND deleted = 0", (channel_id,))


def _check(call: Call, wanted: _Wanted, own_id: str | None) -> None:
    """Refuse fields that the platform's rules forbid."""
    settings = call.settings
    limit = settings.channel_name_bytes
    if wanted.name and limit is not None and len(wanted.name.encode()) > limit:
        raise RefusedError.parameter(f"name is longer than {limit} bytes")
    if settings.mode != "lenient" and wanted.type not in {None, "PUBLIC", "PRIVATE"}:
        raise RefusedError.parameter("type must be PUBLIC or PRIVATE")
    if settings.channel_urls == "refuse":
        for name, url in (("linkUrl", wanted.link_url), ("imageUrl", wanted.image_url)):
            if url and not _well_formed(url):
                raise RefusedError.parameter(f"{name} must be a URL with more than a domain")
    if wanted.unique_id and settings.repeat_unique_id == "refuse":
        holder = call.store.first(
            CHANNELS,
            "unique_id = ? AND deleted = 0 AND id <> ?",
            (wanted.unique_id, own_id or ""),
        )
        if holder is not None:
            raise RefusedError.conflict("uniqueId is taken")


def _apply(channel: Channel, wanted: _Wanted, settings: EmulatorSettings) -> None:
    for field in _Wanted.__struct_fields__:
        value = getattr(wanted, field)
        if value is None:
            continue
        if field in {"link_url", "image_url"}:
            value = _kept(value, settings)
        setattr(channel, field, value)
    if channel.type == "PUBLIC":
        channel.members = []  # D25: as in the sample, whatever was sent


def _kept(url: str, settings: EmulatorSettings) -> str | None:
    if settings.channel_urls == "drop_all":
        return None
    return url if settings.channel_urls != "drop" or _well_formed(url) else None


def _well_formed(url: str) -> bool:
    """Say whether a URL has the form the pages ask for: http, a host, and a path or query."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    more = parts.path.strip("/") or parts.query
    return parts.scheme in {"http", "https"} and bool(host) and bool(more) and " " not in url
