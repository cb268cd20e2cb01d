"""Commands on messages: what is said in channels."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter, validators

from ncloudchat_async.cli.common import (
    CHANGE,
    COMMON,
    DESTRUCTION,
    LISTING,
    Change,
    Common,
    Destruction,
    Listing,
)
from ncloudchat_async.cli.exits import USAGE, Failure
from ncloudchat_async.cli.inputs import CHANNEL_IDS, From, open_text, read_ids, read_items, text_of
from ncloudchat_async.cli.options import Source
from ncloudchat_async.cli.work import Noun, each, list_rows, one
from ncloudchat_async.models import Message

if TYPE_CHECKING:
    from ncloudchat_async import Client

__all__ = ["app"]

app: Final = App(name="messages", help="What is said in channels.")

MESSAGES: Final = Noun(
    Message, "messages", ("channel_id", "id", "sender.name", "content", "created_at")
)
_MESSAGE_IDS: Final = ("message_id", "id")


@app.command(name="list")
def list_(
    channel_id: str,
    *,
    listing: Listing = LISTING,
    common: Common = COMMON,
) -> int:
    """List a channel's messages, oldest first.

    Example: `ncloudchat messages list channel-1 --filter content=hello --fields id,content`

    Args:
        channel_id: Which channel.
        listing: Which rows; the platform finds parts of a `content`.
        common: Where to, and how results are written.
    """
    return list_rows(
        lambda chat: chat.messages.list(
            channel_id,
            filter=listing.fields(),
            sort=listing.sort,
            limit=listing.limit,
            window="auto",
        ),
        MESSAGES,
        common,
        about=channel_id,
    )


@app.command
def get(
    channel_id: str | None = None,
    *message_ids: str,
    source: From = None,
    common: Common = COMMON,
) -> int:
    """Fetch messages by their ids.

    Example: `ncloudchat messages get channel-1 message-1`

    Args:
        channel_id: Their channel.
        message_ids: Which messages of it.
        source: CSV or JSON lines with channel_id and id, `-` for stdin.
        common: Where to, and how results are written.
    """
    return each(
        lambda chat, pair: chat.messages.get(*pair),
        _pairs(channel_id, message_ids, source),
        MESSAGES,
        common,
    )


@app.command
def send(
    channel_id: str,
    content: str | None = None,
    *,
    content_from: Source | None = None,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Send a text to a channel; `ncloudchat send` is for many.

    Exit code 5 means that nobody knows whether it was sent: look with `messages latest`
    before sending it again.

    Example: `ncloudchat messages send channel-1 "The office is closed today"`

    Args:
        channel_id: Where to.
        content: The text.
        content_from: File that holds the text instead, `-` for stdin.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    if (content is None) == (content_from is None):
        raise Failure("give the text, or a file with --content-from", USAGE)
    if content_from is not None:
        with open_text(content_from) as stream:
            content = stream.read()
    text = content or ""
    return one(
        lambda chat: chat.messages.send(channel_id, text),
        MESSAGES,
        common,
        change,
        about=channel_id,
    )


@app.command
def delete(
    channel_id: str | None = None,
    *message_ids: str,
    source: From = None,
    destruction: Destruction = DESTRUCTION,
    common: Common = COMMON,
) -> int:
    """Delete messages.

    Example: `ncloudchat messages delete channel-1 message-1 message-2 --yes`

    Args:
        channel_id: Their channel.
        message_ids: Which messages of it.
        source: CSV or JSON lines with channel_id and id, `-` for stdin.
        destruction: How careful to be.
        common: Where to, and how results are written.
    """
    pairs = destruction.allow("Delete", "messages", _pairs(channel_id, message_ids, source))
    return each(
        lambda chat, pair: chat.messages.delete(*pair),
        pairs,
        MESSAGES,
        common,
        change=destruction,
    )


@app.command
def latest(
    *channel_ids: str,
    number: Annotated[
        int, Parameter(name=("--number", "-n"), validator=validators.Number(gte=1))
    ] = 1,
    source: From = None,
    common: Common = COMMON,
) -> int:
    """Show the newest messages of channels, newest first within each.

    Example: `ncloudchat messages latest channel-1 channel-2 -n 3 --output table`

    Args:
        channel_ids: Which channels.
        number: Messages of each channel, at most.
        source: File of ids, `-` for stdin: one per line, CSV or JSON lines.
        common: Where to, and how results are written.
    """

    async def newest(chat: "Client", channel_id: str) -> Sequence[Message]:
        async with chat.messages.latest([channel_id], n=number) as results:
            async for result in results:
                if result.error is not None:
                    raise result.error
                return result.value or ()
        return ()

    return each(newest, read_ids(channel_ids, source, CHANNEL_IDS), MESSAGES, common)


def _pairs(
    channel_id: str | None, message_ids: Sequence[str], source: Path | None
) -> Iterable[tuple[str, str]]:
    """Give the channel and id of each message that was named."""
    if source is not None:
        return read_items(
            source, lambda one: (text_of(one, ("channel_id",)), text_of(one, _MESSAGE_IDS))
        )
    if channel_id is None or not message_ids:
        raise Failure("name a channel and messages, or a file with --from", USAGE)
    return [(channel_id, message_id) for message_id in message_ids]
