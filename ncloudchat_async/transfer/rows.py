"""Decides what is kept of each row: its JSON as it came, and columns to search and join by.

A row is never refused for a field that is not as documented, nor for half a character: that
field's column stays empty, or has U+FFFD, and the JSON has what came, byte for byte. Only a
row without an id cannot be kept.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from ncloudchat_async.errors import DecodeError
from ncloudchat_async.models import Channel, Member, Message, Subscription
from ncloudchat_async.models.messages import sort_ms
from ncloudchat_async.resources.channels import Channels
from ncloudchat_async.resources.members import Members
from ncloudchat_async.resources.messages import Messages
from ncloudchat_async.resources.subscriptions import Subscriptions
from ncloudchat_async.wire.bodies import without_lone_surrogates
from ncloudchat_async.wire.endpoint import Endpoint, Request

__all__ = [
    "CHANNELS",
    "MEMBERS",
    "MESSAGES",
    "NOUNS",
    "SUBSCRIPTIONS",
    "Noun",
    "RawRow",
    "RowsDecoder",
    "Value",
    "has_file",
    "plain_row",
    "read_row",
    "sent_at",
]

Value = str | int | None
ModelT = TypeVar("ModelT", Channel, Member, Message, Subscription)

_PLAIN = msgspec.json.Decoder(dict[str, Any])

_FIRST_MS = round(datetime(1, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LAST_MS = round(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1000)


class RawRow(msgspec.Struct, frozen=True, gc=False):
    """A row of a list as it came, ready to be written."""

    id: str
    created_ms: int | None
    """Milliseconds since 1970."""
    values: tuple[Value, ...]
    """The noun's own columns."""
    raw: str
    """The JSON of the platform, unchanged but for bytes that are no UTF-8."""


class RowsDecoder:
    """Takes an array of rows apart, each left as it came.

    A text that was cut in the middle of an emoji comes with the escape of a lone surrogate:
    JSON allows that, Unicode and the plain decoder do not, which would fail the whole page.
    """

    def __init__(self) -> None:
        self._rows: Final = msgspec.json.Decoder(list[msgspec.Raw])

    def decode(self, body: bytes, /) -> list[msgspec.Raw]:
        """Give the rows of an array.

        Raises:
            msgspec.DecodeError: It is no array, or no JSON but for lone surrogates.
        """
        try:
            return self._rows.decode(body)
        except msgspec.DecodeError:
            replaced = without_lone_surrogates(body)
        rows: list[msgspec.Raw] = []
        end = 0
        for row in self._rows.decode(replaced):
            # Between two rows are a comma and white space, so the next place is the row's;
            # what stands for a lone surrogate is as long as its escape.
            begin = replaced.index(row, end)
            end = begin + len(bytes(row))
            rows.append(msgspec.Raw(body[begin:end]))
        return rows


class Noun:
    """One kind of row: where it is listed, and how it is kept.

    Args:
        name: Its table, and its name in reports.
        listing: The endpoint that lists it.
        sort: The field to sort by for the time of creation.
        model: What a row decodes to.
        columns: Columns beside those that every noun has.
        values: Gives the values of these columns.
    """

    def __init__(
        self,
        name: str,
        listing: Endpoint[list[ModelT]],
        sort: str,
        *,
        model: type[ModelT],
        columns: tuple[str, ...],
        values: Callable[[ModelT], tuple[Value, ...]],
    ) -> None:
        self.name = name
        self.endpoint: Endpoint[list[msgspec.Raw]] = Endpoint(
            listing.method,
            listing.path,
            list[msgspec.Raw],
            name=listing.name,
            decoder=RowsDecoder(),
        )
        self.sort = sort
        self.columns = columns
        self._model: type[Any] = model
        self._values: Callable[[Any], tuple[Value, ...]] = values
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(model)

    def request(self, query: Mapping[str, str], channel_id: str) -> Request[list[msgspec.Raw]]:
        """Ask for a page.

        Args:
            query: As every list has it.
            channel_id: For messages; the others are not listed by channel.

        Raises:
            ConfigError: The id is none that a path can carry.
        """
        if "{" in self.endpoint.path:
            return self.endpoint(query=query, channel_id=channel_id)
        return self.endpoint(query=query)

    def read(self, raw: msgspec.Raw) -> RawRow:
        """Take a row of a list apart.

        Raises:
            DecodeError: It has no id.
        """
        try:
            row = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            row = read_row(self._model, str(raw, "utf-8", "replace"))
        return RawRow(row.id, _created_ms(row), self._values(row), str(raw, "utf-8", "replace"))


def read_row(model: type[ModelT], raw: str) -> ModelT:
    """Decode a row, leaving out the fields that are not as documented.

    Raises:
        DecodeError: It has no id.
    """
    try:
        return msgspec.json.decode(raw, type=model)
    except msgspec.DecodeError:
        pass
    plain = plain_row(raw)
    if not isinstance(plain.get("id"), str):
        raise DecodeError(f"a row of {model.__name__} has no id")
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(model):
        if field.encode_name not in plain:
            continue
        try:
            fields[field.name] = msgspec.convert(plain[field.encode_name], field.type, strict=False)
        except (msgspec.ValidationError, ValueError):
            continue
    return model(**fields)


def plain_row(raw: str) -> dict[str, Any]:
    """Decode a row to plain values, U+FFFD for half a character; empty when it is no object."""
    try:
        return _PLAIN.decode(raw)
    except msgspec.DecodeError:
        pass
    try:
        return _PLAIN.decode(without_lone_surrogates(raw.encode()))
    except (msgspec.DecodeError, RecursionError):
        return {}


def _created_ms(row: Member | Channel | Subscription | Message) -> int | None:
    created = sent_at(row) if isinstance(row, Message) else row.created_at
    if created is not None:
        return _in_range(round(created.timestamp() * 1000))
    return _in_range(sort_ms(row.sort_id)) if isinstance(row, Message) else None


def sent_at(message: Message) -> datetime | None:
    """Say when a message was sent, by its own words."""
    # Lists are sorted by created_at, so that reading one down to a moment must go by it too.
    # sended_at is equal to it in every sample but one, where it is null.
    return message.created_at or message.sent_at


def _in_range(ms: int | None) -> int | None:
    """Drop a time that is no date in UTC, such as the first day of year 1 in Seoul."""
    return ms if ms is not None and _FIRST_MS <= ms <= _LAST_MS else None


def _member(row: Member) -> tuple[Value, ...]:
    return row.name, row.online, row.deleted


def _channel(row: Channel) -> tuple[Value, ...]:
    return row.name, row.type, row.unique_id or None, row.disabled


def _subscription(row: Subscription) -> tuple[Value, ...]:
    return row.channel_id, row.user_id, row.online


def has_file(row: Message) -> bool:
    """Say whether a message has an attachment: each has the object, empty for plain text."""
    file = row.attachment
    return row.message_type == "file" or (file is not None and bool(file.name or file.url))


def _message(row: Message) -> tuple[Value, ...]:
    sender, file = row.sender, row.attachment
    return (
        sort_ms(row.sort_id),
        sender.id if sender is not None else None,
        sender.name if sender is not None else None,
        row.content,
        (file.name or None) if file is not None else None,
        int(has_file(row)),
    )


MEMBERS = Noun(
    "members",
    Members._LIST,
    Members._created,
    model=Member,
    columns=("name", "online", "deleted"),
    values=_member,
)
CHANNELS = Noun(
    "channels",
    Channels._LIST,
    Channels._created,
    model=Channel,
    columns=("name", "type", "unique_id", "disabled"),
    values=_channel,
)
SUBSCRIPTIONS = Noun(
    "subscriptions",
    Subscriptions._LIST,
    Subscriptions._created,
    model=Subscription,
    columns=("channel_id", "user_id", "online"),
    values=_subscription,
)
MESSAGES = Noun(
    "messages",
    Messages._LIST,
    Messages._created,
    model=Message,
    columns=("sort_id", "sender_id", "sender_name", "content", "file_name", "has_file"),
    values=_message,
)
NOUNS = (MEMBERS, CHANNELS, SUBSCRIPTIONS)
"""The nouns that are listed once; messages are listed channel by channel."""
