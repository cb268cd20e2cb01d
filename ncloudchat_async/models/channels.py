"""Channels: the rooms that members subscribe to."""

import base64
import binascii
from typing import Literal

from msgspec import UNSET, UnsetType

from ncloudchat_async.models.base import Draft, Model, Timestamp

__all__ = [
    "Channel",
    "ChannelDraft",
    "ChannelPatch",
    "ChannelType",
    "ChannelUser",
    "decode_node_id",
]

ChannelType = Literal["PUBLIC", "PRIVATE"]


def decode_node_id(node_id: str) -> tuple[str, str]:
    """Split a Relay global id, such as `channel.user.id`, into its kind and the plain id.

    Args:
        node_id: base64 of the kind, a colon and the id (GraphQL Global Object
            Identification, Relay).

    Returns:
        Kind and id, split at the first colon only: `("Members", "user:1")`.

    Raises:
        ValueError: This is no such id.
    """
    try:
        kind, colon, plain = base64.b64decode(node_id, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        colon = kind = plain = ""
    if not colon:
        raise ValueError("not a global id: base64 of 'Kind:id' is expected")
    return kind, plain


class ChannelUser(Model, frozen=True, kw_only=True):
    """The member who made a channel, as nested in it."""

    id: str | None = None
    """A Relay global id, unlike `Channel.user_id`: see `decode_node_id`."""
    name: str | None = None
    profile: str | None = None


class Channel(Model, frozen=True, kw_only=True):
    """A room (`bizapp-ncloudchat-channeldetail`)."""

    id: str
    project_id: str | None = None
    name: str | None = None
    user_id: str | None = None
    """Its creator; the project's administrator for channels made through this API."""
    user: ChannelUser | None = None
    unique_id: str | None = None
    """The caller's own id; whether the platform keeps it unique is not documented."""
    type: str | None = None
    """`PUBLIC` (anyone may subscribe) or `PRIVATE` (only `members`); kept open."""
    translation: bool | None = None
    members: tuple[str | None, ...] | None = None
    """Ids of the users who may subscribe to a PRIVATE channel; empty for PUBLIC ones."""
    disabled: bool | None = None
    """True: closed."""
    mutes: bool | None = None
    push: bool | None = None
    limit: int | None = None
    """Most subscribers; 0 means no limit. What was sent need not come back."""
    link_url: str | None = None
    image_url: str | tuple[str, ...] | None = None
    """A string or None in every documented example, a list in the documentation's table."""
    created_at: Timestamp = None
    updated_at: Timestamp = None

    @property
    def image_urls(self) -> tuple[str, ...]:
        """`image_url` in one shape, whichever was sent; empty when there is none."""
        if not self.image_url:
            return ()
        return (self.image_url,) if isinstance(self.image_url, str) else self.image_url


class ChannelDraft(Draft, frozen=True, kw_only=True):
    """What creates a channel (`bizapp-ncloudchat-channelcreate`)."""

    name: str
    type: ChannelType | str
    unique_id: str | UnsetType = UNSET
    translation: bool | UnsetType = UNSET
    members: tuple[str, ...] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    mutes: bool | UnsetType = UNSET
    push: bool | UnsetType = UNSET
    limit: int | UnsetType = UNSET
    link_url: str | UnsetType = UNSET
    image_url: str | UnsetType = UNSET


class ChannelPatch(Draft, frozen=True, kw_only=True):
    """What changes a channel; fields left UNSET keep their value (`…-channelmodify`)."""

    name: str | UnsetType = UNSET
    type: ChannelType | str | UnsetType = UNSET
    unique_id: str | UnsetType = UNSET
    translation: bool | UnsetType = UNSET
    members: tuple[str, ...] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    mutes: bool | UnsetType = UNSET
    push: bool | UnsetType = UNSET
    limit: int | UnsetType = UNSET
    link_url: str | UnsetType = UNSET
    image_url: str | UnsetType = UNSET
