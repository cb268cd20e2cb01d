"""Decides what an imported message says: REST can set neither sender nor time, so the text does."""

from string import Formatter
from typing import Final

from ncloudchat_async.checks import check_unicode
from ncloudchat_async.errors import ConfigError
from ncloudchat_async.models import Message
from ncloudchat_async.transfer.rows import sent_at

__all__ = ["DEFAULT_TEMPLATE", "FIELDS", "Template"]

DEFAULT_TEMPLATE: Final = "[{sent_at} {sender}] {content}{attachment}"
"""Keeps sender and time visible, and names an attached file."""

FIELDS: Final = {
    "content": "text of the message",
    "sender": "name of the sender, or the id if there is no name",
    "sender_id": "id of the sender",
    "sender_name": "name of the sender",
    "sent_at": "when it was sent, such as 2025-07-01 09:00:00+09:00",
    "message_id": "id of the message in the old project",
    "channel_name": "name of the channel in the old project",
    "attachment": "name and address of the attached file in brackets, nothing without one",
}
"""What a template may name, and what stands for it."""


class Template:
    """A text with `{fields}`; braces that are meant are doubled.

    Raises:
        ConfigError: It is no valid text, names an unknown field, or none at all.
    """

    def __init__(self, text: str) -> None:
        check_unicode("template", text)
        try:
            parts = list(Formatter().parse(text))
        except ValueError as error:
            raise ConfigError(f"the template cannot be read: {error}") from error
        self.text = text
        self._parts: list[tuple[str, str | None]] = []
        for literal, field, spec, conversion in parts:
            # No attributes, indexes or formats: a template names a field and no more.
            if field in FIELDS and (spec or conversion):
                raise ConfigError(
                    f"the template converts or formats {{{field}}}: a field stands alone in braces"
                )
            if field is not None and field not in FIELDS:
                raise ConfigError(
                    f"the template names {{{field}}}, which is not one of {', '.join(FIELDS)}"
                )
            self._parts.append((literal, field))
        if all(field is None for _, field in self._parts):
            raise ConfigError("the template names no field: each message would say the same")

    def render(self, message: Message, channel_name: str) -> str:
        """Return what a message becomes."""
        values = _values(message, channel_name)
        return "".join(
            literal + (values[field] if field is not None else "") for literal, field in self._parts
        )


def _values(message: Message, channel_name: str) -> dict[str, str]:
    sender_id = (message.sender.id if message.sender is not None else None) or ""
    sender_name = (message.sender.name if message.sender is not None else None) or ""
    at = sent_at(message)
    return {
        "content": message.content or "",
        "sender": sender_name or sender_id,
        "sender_id": sender_id,
        "sender_name": sender_name,
        "sent_at": at.isoformat(" ") if at is not None else "",
        "message_id": message.id,
        "channel_name": channel_name,
        "attachment": _attachment(message),
    }


def _attachment(message: Message) -> str:
    file = message.attachment
    if file is None or not (file.name or file.url):
        return ""
    return f" [{' '.join(filter(None, (file.name, file.url)))}]"
