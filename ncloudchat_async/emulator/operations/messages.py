"""Decides what the operations on messages do: length, profanity, ids, sender."""

import re
from functools import lru_cache
from typing import Annotated

import msgspec

from ncloudchat_async.emulator.answers import RefusedError, enveloped, missing
from ncloudchat_async.emulator.lists import answer_list
from ncloudchat_async.emulator.objects import Message, Sender, encode
from ncloudchat_async.emulator.operations import channels
from ncloudchat_async.emulator.project import Call, Project
from ncloudchat_async.emulator.query import Listing
from ncloudchat_async.emulator.settings import EmulatorSettings
from ncloudchat_async.emulator.store import CHANNELS, MESSAGES, Row

__all__ = ["compose", "delete", "get", "list_", "row", "send"]

_NO_MESSAGE = b'{"message":null,"status":1}'
_LIVE = "id = ? AND deleted = 0"


class _Wanted(msgspec.Struct):
    content: Annotated[str, msgspec.Meta(min_length=1)]


_WANTED = msgspec.json.Decoder(_Wanted)


def compose(
    project: Project, channel_id: str, content: str, sort_id: int, message_id: str
) -> Message:
    """Return a text message of the project's admin (D21); all its times are its `sort_id`'s."""
    settings = project.settings
    admin = Sender(settings.admin_id, settings.admin_name, settings.admin_profile)
    stamp = project.stamp(sort_id // 1000)
    return Message(
        id=message_id,
        message_id=message_id,
        channel_id=channel_id,
        sort_id=str(sort_id),
        sender=admin,
        admin=admin,
        content=content,
        sended_at=stamp,
        created_at=stamp,
    )


def row(message: Message, at_ms: int) -> Row:
    """Return how a message is stored."""
    sort_id = int(message.sort_id)
    typed = (message.channel_id, sort_id, message.sender.name, message.content)
    return Row(message.id, at_ms, sort_id // 1000, typed, encode(message))


def send(call: Call) -> bytes:
    """Add a text message to a channel."""
    content = call.read(_WANTED).content
    channel_id = call.ids[0]
    settings = call.settings
    if not _exists(call, channel_id):
        return missing(settings, "channel", _NO_MESSAGE)
    if settings.closed_channels == "refuse":
        channel = channels.find(call, channel_id)
        if channel is not None and (channel.disabled or channel.mutes):
            raise RefusedError.conflict("the channel takes no messages")
    _check_length(settings, content)
    content = _censored(settings, content)
    sort_id = call.project.sort_id(channel_id, call.now)
    message_id = call.project.object_id(sort_id // 1000)
    stored = row(compose(call.project, channel_id, content, sort_id, message_id), call.at_ms)
    call.store.add(MESSAGES, stored)
    return enveloped("message", stored.body)


def get(call: Call) -> bytes:
    """Return one message."""
    return _body(call) or missing(call.settings, "message")


def list_(call: Call) -> bytes:
    """List a channel's messages; an unknown channel has none."""
    channel_id = call.ids[0]
    if not _exists(call, channel_id):
        return missing(call.settings, "channel", b"[]")

    def narrow(listing: Listing) -> None:
        listing.require("channel_id = ?", channel_id)

    return answer_list(call, MESSAGES, narrow, counts=False)


def delete(call: Call) -> bytes:
    """Remove a message and return it as it was."""
    body = _body(call)
    if body is None:
        return missing(call.settings, "message", _NO_MESSAGE)
    call.store.remove(MESSAGES, call.ids[1])
    return enveloped("message", body)


def _exists(call: Call, channel_id: str) -> bool:
    return call.store.first(CHANNELS, _LIVE, (channel_id,)) is not None


def _body(call: Call) -> bytes | None:
    channel_id, message_id = call.ids
    if not _exists(call, channel_id):
        return None
    return call.store.first(MESSAGES, "id = ? AND channel_id = ?", (message_id, channel_id))


def _check_length(settings: EmulatorSettings, content: str) -> None:
    limit, unit = settings.max_message_length, settings.message_length_unit
    if limit is not None:
        length = len(content.encode()) if unit == "bytes" else len(content)
        if length > limit:
            raise RefusedError.parameter(f"content is longer than {limit} {unit}")


@lru_cache(maxsize=8)
def _profane(words: tuple[str, ...]) -> re.Pattern[str]:
    # The longest first, so that a word inside another does not leave a rest standing.
    ordered = sorted(filter(None, words), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)) or r"(?!)", re.IGNORECASE)


def _censored(settings: EmulatorSettings, content: str) -> str:
    if settings.profanity == "off":
        return content
    pattern = _profane(settings.profanity_words)
    if settings.profanity == "mask":
        return pattern.sub(lambda found: "*" * len(found[0]), content)
    if pattern.search(content):
        raise RefusedError.conflict("content holds a forbidden word")
    return content
