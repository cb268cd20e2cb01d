"""Decides what each documented object looks like, field by field; never how it is stored.

Field order, spelling and defaults are those of the platform's pages: answers are snake_case
except `isExpress` and `customField`, and every field is present.
"""

import base64
from collections.abc import Callable

import msgspec

__all__ = [
    "Attachment",
    "Channel",
    "ChannelUser",
    "Friendship",
    "Mark",
    "Member",
    "Message",
    "Notification",
    "Sender",
    "Subscription",
    "SubscriptionUser",
    "encode",
    "relay_id",
]

encode: Callable[[object], bytes] = msgspec.json.Encoder().encode


def relay_id(kind: str, plain: str) -> str:
    """Return the Relay global id under which the platform nests an object."""
    return base64.b64encode(f"{kind}:{plain}".encode()).decode()


class Notification(msgspec.Struct):
    """Push settings of a member; every field is null until set."""

    token: str | None = None
    device: str | None = None
    os: str | None = None
    push: bool | None = None
    ad: bool | None = None
    night: bool | None = None
    timezone: str | None = None


class Member(msgspec.Struct, kw_only=True):
    """A registered user. Fields that only SDK connections fill stay null."""

    id: str
    project_id: str
    member_id: str
    name: str | None
    profile: str | None = None
    memo: str | None = None
    country: str | None = None
    remoteip: str | None = None
    adid: str | None = None
    device: str | None = None
    network: str | None = None
    version: str | None = None
    model: str | None = None
    deleted: bool = False
    online: bool = False
    custom_field: str | None = msgspec.field(default=None, name="customField")
    device_type: list[str] = []
    push: bool = True
    memberblock_id: str | None = None
    notifications: Notification = msgspec.field(default_factory=Notification)
    logined_at: str | None = None
    created_at: str
    updated_at: str
    deleted_at: str | None = None


class Friendship(msgspec.Struct, kw_only=True):
    """A friend request and what became of it."""

    project_id: str
    id: str
    status: str
    user_id: str
    user: dict[str, str | None] | None = None
    """Id, profile, and `name` or `nickname` (D15)."""
    friend_id: str
    friend: dict[str, str | None] | None = None
    created_at: str
    updated_at: str
    requested_at: str


class Sender(msgspec.Struct):
    """Who sent a message, with a plain id."""

    id: str
    name: str
    profile: str


class Attachment(msgspec.Struct):
    """The one file of a message; its type is `text` when there is none."""

    name: str = ""
    size: int = 0
    type: str = "text"
    url: str = ""


class Message(msgspec.Struct, kw_only=True):
    """A message of a channel."""

    id: str
    message_id: str
    channel_id: str
    sort_id: str
    message_type: str = "text"
    sender: Sender
    admin: Sender
    attachment_filenames: Attachment = msgspec.field(default_factory=Attachment)
    has: str = ""
    embed_providers: str = ""
    embed_type: str = ""
    is_express: bool = msgspec.field(default=False, name="isExpress")
    link_hostnames: str = ""
    mentions: list[str] = []
    mentions_everyone: str = "false"
    content: str
    sended_at: str
    created_at: str


class ChannelUser(msgspec.Struct):
    """Creator of a channel, under a Relay global id."""

    id: str
    name: str
    profile: str


class Channel(msgspec.Struct, kw_only=True):
    """A room that members subscribe to."""

    id: str
    project_id: str
    name: str
    user_id: str
    user: ChannelUser
    unique_id: str | None = None
    type: str
    translation: bool = False
    members: list[str] = []
    disabled: bool = False
    mutes: bool = False
    push: bool = True
    limit: int = 0
    link_url: str | None = None
    image_url: str | None = None
    created_at: str
    updated_at: str


class Mark(msgspec.Struct):
    """Last-read marker of a subscription."""

    user_id: str | None = None
    message_id: str | None = None
    sort_id: str | None = None


class SubscriptionUser(msgspec.Struct):
    """Member inside a subscription; the pages give it no id (D30)."""

    name: str | None = None
    profile: str | None = None


class Subscription(msgspec.Struct, kw_only=True):
    """A member's place in a channel; on the platform only SDK clients make one."""

    id: str
    project_id: str
    channel_id: str
    user_id: str
    online: bool = False
    language: str | None = None
    push: bool = True
    mute: bool = False
    user: SubscriptionUser
    mark: Mark = msgspec.field(default_factory=Mark)
    created_at: str
    updated_at: str
