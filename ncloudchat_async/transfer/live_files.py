"""Decides how the attachments of a project are found without an archive: by reading it all.

The platform lists messages by channel only and cannot be asked for those with a file. So
every channel is read, newest message first, a bounded number of them at once.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

from ncloudchat_async.bulk.fanout import Run
from ncloudchat_async.bulk.source import Source
from ncloudchat_async.checks import check_unicode, check_whole
from ncloudchat_async.client import Client
from ncloudchat_async.errors import NcloudChatError
from ncloudchat_async.models import Channel, Message
from ncloudchat_async.models.messages import UNSORTED_MS
from ncloudchat_async.transfer.archive import check_border, in_utc
from ncloudchat_async.transfer.export import as_job
from ncloudchat_async.transfer.reports import Failure, concerns_one, describe_error
from ncloudchat_async.transfer.rows import has_file, sent_at
from ncloudchat_async.transfer.search import FoundFile
from ncloudchat_async.wire.errand import WithdrawnError

__all__ = ["LiveFiles", "live_files"]

_UNSORTED: Final = timedelta(milliseconds=UNSORTED_MS)


def live_files(
    chat: Client,
    *,
    sender: str | None = None,
    channel: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    max_in_flight: int = 32,
) -> "LiveFiles":
    """Find the attachments of a project as it is now.

    ```python
    async with live_files(chat) as found:
        async for file in found:
            print(file.channel_name, file.name, file.url)
    print(found.failures)
    ```

    On a large project this takes as many calls as an export; an archive answers at once.

    Args:
        chat: An open client of the project; calls have `bulk` priority.
        sender: Id or whole name of the sender.
        channel: Id, `unique_id` or whole name of the channel; others are not read.
        since: Sent at this moment or later; channels are read down to it and no further.
        until: Sent before this moment.
        limit: Attachments at most; the first that are found, not the newest ones.
        max_in_flight: Channels read at once, each a page of 100 messages at a time, of about
            0.5 MB: 32 take 16 MB, and leave half of the quota's 64 slots to other calls.

    Returns:
        An async context manager and async iterator of the attachments as they are found:
        newest first within a channel, channels side by side. Leaving its block cancels what
        is in flight. It raises `NcloudChatError` for what concerns all channels, such as a
        refused key.

    Raises:
        ConfigError: A condition makes no sense.
    """
    check_border("since", since)
    check_border("until", until)
    check_unicode("sender", sender, optional=True)
    check_unicode("channel", channel, optional=True)
    check_whole("limit", limit, 0, optional=True)
    return LiveFiles(
        as_job(chat),
        _Wanted(sender, channel, since, until),
        limit=limit,
        max_in_flight=max_in_flight,
    )


class _Wanted:
    """Which attachments are looked for."""

    def __init__(
        self,
        sender: str | None,
        channel: str | None,
        since: datetime | None,
        until: datetime | None,
    ) -> None:
        self._sender = sender
        self._channel = channel
        self._since = since
        self._until = until

    def reads(self, channel: Channel) -> bool:
        """Say whether a channel is read."""
        names = (channel.id, channel.unique_id, channel.name)
        return self._channel is None or self._channel in names

    def ends(self, at: datetime | None) -> bool:
        """Say whether nothing wanted comes after a message, newest first."""
        if self._since is None or at is None:
            return False
        return self._since - at > _UNSORTED

    def has(self, message: Message, at: datetime | None) -> bool:
        """Say whether a message has an attachment that is wanted."""
        if not has_file(message):
            return False
        who = message.sender
        if self._sender is not None and (who is None or self._sender not in (who.id, who.name)):
            return False
        if self._since is None and self._until is None:
            return True
        if at is None:
            return False
        return (self._since is None or at >= self._since) and (
            self._until is None or at < self._until
        )


class LiveFiles(Run[Channel, FoundFile]):
    """Attachments as they are found; made by `live_files`."""

    def __init__(
        self, chat: Client, wanted: _Wanted, *, limit: int | None, max_in_flight: int
    ) -> None:
        super().__init__(Source(self._channels()), self._read, max_in_flight=max_in_flight)
        self.failures: list[Failure] = []
        """Channels that could not be read, while the others were."""
        self._chat = chat
        self._wanted = wanted
        self._more = limit
        if limit == 0:
            self.stop()

    async def _channels(self) -> AsyncIterator[Channel]:
        async for channel in self._chat.channels.list():
            if self._wanted.reads(channel):
                yield channel

    async def _read(self, channel: Channel) -> None:
        try:
            await self._read_messages(channel)
        except WithdrawnError:
            raise
        except NcloudChatError as error:
            if concerns_one(error):
                self.failures.append(Failure("messages", channel.id, describe_error(error)))
            else:
                self._fail(error)

    async def _read_messages(self, channel: Channel) -> None:
        listed = self._chat.messages.list(channel.id, sort="-created_at")
        async with aclosing(aiter(listed)) as messages:
            async for message in messages:
                at = sent_at(message)
                if self._stopped or self._wanted.ends(at):
                    return
                if self._wanted.has(message, at):
                    self._give(_found(channel, message, at))
                    await self._room()

    def _give(self, file: FoundFile) -> None:
        self._hand_out(file)
        if self._more is not None:
            self._more -= 1
            if not self._more:
                self.stop()


def _found(channel: Channel, message: Message, at: datetime | None) -> FoundFile:
    file, sender = message.attachment, message.sender
    return FoundFile(
        channel_id=channel.id,
        channel_name=channel.name,
        message_id=message.id,
        sent_at=in_utc(at),
        sender_id=sender.id if sender is not None else None,
        sender_name=sender.name if sender is not None else None,
        name=(file.name or None) if file is not None else None,
        type=file.type if file is not None else None,
        size=file.size if file is not None else None,
        url=file.url if file is not None else None,
    )
