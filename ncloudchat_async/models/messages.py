"""Messages: what is said in a channel."""

from typing import Final

import msgspec

from ncloudchat_async.models.base import Draft, Model, Timestamp

__all__ = ["UNSORTED_MS", "Attachment", "Message", "MessageDraft", "Sender", "sort_ms"]

UNSORTED_MS: Final = 1_000
"""The platform sorts by whole seconds: within one, rows come in any order."""

_DIGITS: Final = 18
"""Of the longest number that surely fits 64 bits; a time of today has 13."""


class Sender(Model, frozen=True, kw_only=True):
    """Who sent a message, or the administrator behind it; `id` is "" when there is none."""

    id: str | None = None
    name: str | None = None
    profile: str | None = None


class Attachment(Model, frozen=True, kw_only=True):
    """The one attachment of a message; every message carries one, empty for plain text."""

    name: str | None = None
    size: int | float | None = None
    """Bytes; 0 or None without a file."""
    type: str | None = None
    """A media type, `text` when there is no file."""
    url: str | None = None
    """May be relative to the platform's host."""


class Message(Model, frozen=True, kw_only=True):
    """A message (`bizapp-ncloudchat-messagedetail`)."""

    id: str
    message_id: str | None = None
    """The same as `id`: 24 hexadecimal digits, the first 8 the second it was created."""
    channel_id: str | None = None
    sort_id: str | None = None
    """Creation time in milliseconds since 1970, as text; compare it as an integer."""
    message_type: str | None = None
    """`text` or `file`."""
    sender: Sender | None = None
    """The key's owner for messages sent through this API."""
    admin: Sender | None = None
    """With empty fields for messages of users."""
    attachment: Attachment | None = msgspec.field(default=None, name="attachment_filenames")
    has: str | None = None
    """`link`, `image`, `video`, `file` or ""."""
    embed_providers: str | None = None
    embed_type: str | None = None
    is_express: bool | None = msgspec.field(default=None, name="isExpress")
    """Sent past filters and translation (by the platform's SDKs)."""
    link_hostnames: str | None = None
    mentions: tuple[str | None, ...] | None = None
    mentions_everyone_text: bool | str | None = msgspec.field(
        default=None, name="mentions_everyone"
    )
    """As sent, the text "false" in every documented example: read `mentions_everyone`."""
    content: str | None = None
    sent_at: Timestamp = msgspec.field(default=None, name="sended_at")
    created_at: Timestamp = None
    bytes: int | None = None
    parent_message_id: str | None = None

    @property
    def attachment_filenames(self) -> Attachment | None:
        """The platform's name of `attachment`, which is one object."""
        return self.attachment

    @property
    def mentions_everyone(self) -> bool:
        """Whether all are mentioned, read from a boolean or its text."""
        text = self.mentions_everyone_text
        return text.strip().lower() == "true" if isinstance(text, str) else bool(text)


class MessageDraft(Draft, frozen=True, kw_only=True):
    """What sends a text message (`bizapp-ncloudchat-message`)."""

    content: str


def sort_ms(sort_id: str | None) -> int | None:
    """Read a message's `sort_id`: milliseconds since 1970, None if it tells no such number."""
    # Python refuses numbers of more than 4,300 digits, and a platform may send any text.
    if sort_id and len(sort_id) <= _DIGITS and sort_id.isascii() and sort_id.isdecimal():
        return int(sort_id)
    return None
