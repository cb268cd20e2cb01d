"""Messages: what is said in channels."""

import os
from collections.abc import AsyncIterable, Iterable, Sequence
from datetime import datetime

from ncloudchat_async import bulk
from ncloudchat_async.bulk import Delivery, Job, Mode, Result, Run, Sighting, run_many
from ncloudchat_async.checks import (
    check_number,
    check_text,
    check_type,
    check_unicode,
    check_whole,
)
from ncloudchat_async.errors import ConfigError
from ncloudchat_async.models import Message
from ncloudchat_async.models.messages import MessageDraft, sort_ms
from ncloudchat_async.paging import Pages
from ncloudchat_async.resources.base import Filter, Resource, Sort, Window
from ncloudchat_async.wire.endpoint import Endpoint, check_id

__all__ = ["Messages"]


class Messages(Resource):
    """Text in channels: one at a time, or to many channels at once."""

    _SEND = Endpoint("POST", "/v1/api/messages/{channel_id}", Message, envelope=("message",))
    _GET = Endpoint("GET", "/v1/api/messages/{channel_id}/{message_id}", Message)
    _LIST = Endpoint("GET", "/v1/api/messages/{channel_id}", list[Message])
    _DELETE = Endpoint(
        "DELETE",
        "/v1/api/messages/{channel_id}/{message_id}",
        Message,
        envelope=("message",),
    )

    async def send(self, channel_id: str, content: str) -> Message:
        """Send a text (`bizapp-ncloudchat-message`).

        The platform takes no id of the caller's, so a send whose answer was lost is never
        repeated. A cancelled call may have sent the message.

        Args:
            channel_id: Where to.
            content: The text; how long it may be is a setting of the project.

        Raises:
            ConfigError: The id cannot be used, or the content is no text, or is empty;
                nothing was sent.
            NotFoundError: No channel has this id.
            OutcomeUnknownError: Whether it was sent is not known.
        """
        if type(content) is not str or not content:
            content = _spoken(content)
        return await self._send(
            self._SEND(channel_id=channel_id, body=MessageDraft(content=content))
        )

    async def get(self, channel_id: str, message_id: str) -> Message:
        """Fetch one message (`bizapp-ncloudchat-messagedetail`).

        Raises:
            ConfigError: An id cannot be used; nothing was sent.
            NotFoundError: No message has this id.
        """
        return await self._send(self._GET(channel_id=channel_id, message_id=message_id))

    def list(
        self,
        channel_id: str,
        *,
        filter: Filter | None = None,  # noqa: A002 - the platform's word
        sort: Sort | None = None,
        per_page: int = 100,
        offset: int = 0,
        window: Window = 1,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Pages[Message]:
        """List a channel's messages (`bizapp-ncloudchat-messagelist`).

        The platform cannot count messages (D23): iterate.

        Args:
            channel_id: Which channel.
            filter: Documented keys: `sender.name` and `content`, where part of the text is
                enough (D22); None: all.
            sort: A field, `-` before it for descending; None: `created_at`.
            per_page: Rows per request, 1 to 100; 100 needs the fewest requests.
            offset: Rows to skip at the beginning; 0 with a cursor.
            window: Pages in flight, or `"auto"`; 1 asks for a page when its rows are wanted.
            limit: Rows to stop after, 0 or more; None: all.
            cursor: Where an earlier iteration with this filter and sort stopped: of a page,
                an iterator or an error.

        Returns:
            An async iterable of rows that asks for nothing before it is iterated over.

        Raises:
            ConfigError: The id or a parameter is of the wrong type or range; nothing was sent.
        """
        return self._pages(
            lambda query: self._LIST(channel_id=channel_id, query=query),
            filter=filter,
            sort=sort,
            per_page=per_page,
            offset=offset,
            window=window,
            limit=limit,
            cursor=cursor,
        )

    async def delete(self, channel_id: str, message_id: str) -> Message:
        """Delete a message and return it as it was (`bizapp-ncloudchat-messagedelete`).

        When the answer was lost and the repeated call finds nothing, the message returned
        has its `id` only. A cancelled call may have deleted the message.

        Raises:
            ConfigError: An id cannot be used; nothing was sent.
            NotFoundError: No message had this id.
        """
        return await self._send(
            self._DELETE(
                channel_id=channel_id,
                message_id=message_id,
                absent=Message(id=message_id, channel_id=channel_id),
            )
        )

    def latest(
        self,
        channel_ids: Iterable[str] | AsyncIterable[str],
        *,
        n: int = 1,
        max_in_flight: int | None = None,
    ) -> Run[str, Result[str, Sequence[Message]]]:
        """Read the newest messages of many channels at once.

            async for result in chat.messages.latest(channel_ids, n=3):
                print(result.item, result.value or result.error)

        The platform sorts by whole seconds, so 20 rows are read at least, and more where
        several share the second of the last: the newest come first by `sort_id`. That is one
        request for a channel with a message of an older second than the `n`-th, `n` below
        100. A page shorter than asked does not show that there is none, since the server may
        cap its pages: such a channel costs two requests more, three where the server does
        cap, to be sure of its end; one with a lone message costs one more, an empty one none.

        Args:
            channel_ids: Which channels; read no further ahead than needed.
            n: Messages of each channel, at most; newest first.
            max_in_flight: Channels read at once; None: the quota's.

        Returns:
            An async iterator of results as they come: `item` is the channel's id, `value`
            its messages or None, `error` why there are none. `async with` around the loop
            waits, when it is left early, until the calls in flight are gone.

        Raises:
            ConfigError: `n` is less than 1, or the ids are one string; nothing was sent.
        """
        check_whole("n", n, 1)
        if isinstance(channel_ids, str):
            raise ConfigError("channel_ids takes the ids of several channels, not one string")
        check_type("channel_ids", channel_ids, (Iterable, AsyncIterable), "an iterable of ids")

        def tied(one: Message, other: Message) -> bool:
            return one.created_at is not None and one.created_at == other.created_at

        async def newest(channel_id: str) -> Sequence[Message]:
            rows: list[Message] = []
            asked = min(max(n + 1, 20), 100)
            async with self.list(channel_id, sort="-created_at", per_page=asked).pages() as pages:
                async for page in pages:
                    rows.extend(page.items)
                    # A short page is no end: a server may cap its pages amid a second.
                    if len(rows) >= n and not tied(rows[n - 1], rows[-1]):
                        break
            # Stable, so rows without a readable sort_id keep the platform's order.
            rows[n:] = (row for row in rows[n:] if tied(rows[n - 1], row))
            return sorted(rows, key=_age)[:n]

        return run_many(newest, channel_ids, max_in_flight=self._at_once(max_in_flight))

    def send_many(
        self,
        deliveries: Iterable[Delivery] | AsyncIterable[Delivery] | None,
        *,
        journal: str | os.PathLike[str] | None = None,
        mode: Mode | None = None,
        ordered: bool = False,
        settle_s: float = 90.0,
        max_in_flight: int | None = None,
        max_failures: int | None = None,
        fail_fast: bool = False,
        plan_first: bool = False,
        input_id: str | None = None,
    ) -> Job:
        """Send many messages, a bounded number at once, at the pace of the quota.

            async with chat.messages.send_many(deliveries, journal="job.journal") as job:
                async for outcome in job:
                    ...
            print(job.report)

        The input is pulled no further ahead than needed, so it may be endless. These sends
        have `bulk` priority: single calls on the same client overtake them.

        With a journal, a job that ended early, was stopped or killed goes on where it was
        when it is called again with the same deliveries: what was sent comes out as
        `skipped`, what was on its way is in doubt and treated as `mode` says. Leaving the
        block early cancels what is in flight; with a journal nothing is forgotten.

        Args:
            deliveries: What goes where. None goes on with a journal that holds the whole
                input (`plan_first`). A list is checked as a whole before anything is sent;
                what is no `Delivery` in any other input ends the job when it is reached:
                what came before is sent and its outcomes come out, then `ConfigError` is
                raised and names its number. With a journal the repaired input goes on there.
            journal: File of the job, made when it is not there, readable by its owner
                only. It holds the texts, never the key.
            mode: What to do when nobody knows whether a message arrived. `reconcile` (the
                default with a journal) looks for it in its channel after the settle time
                and sends it again, twice at most, when two looks do not find it.
                `at_most_once` (the default without one) names it `unknown`.
                `at_least_once` sends it again until an answer comes, ten times at most in a
                run: it may arrive as often, and is `unknown` after that.
            ordered: Keep the order within a channel, one message at a time.
            settle_s: Seconds after which a message, if it was stored at all, is in its
                channel's list; 90 is longer than gateways hold a request.
            max_in_flight: Sends at once; None: the quota's.
            max_failures: Begin nothing more after so many that are not `sent`; None: never.
            fail_fast: Stop after the first that is not `sent`.
            plan_first: Write the whole input to the journal before the first send.
            input_id: Name of the input, such as a checksum; a journal of another is refused.

        Returns:
            The job. Entering it raises `JournalLockedError`, `JournalMismatchError`,
            `JournalCorruptError` or plain `JournalError` when the journal cannot be used;
            reading it raises `JournalMismatchError` when the deliveries are not the recorded
            ones, before anything is sent, and `JournalError` when it fails on the way.

        Raises:
            ConfigError: An option or a listed delivery makes no sense; nothing was sent.
        """
        behind = Messages(self._chat.with_options(priority="bulk"))
        return bulk.send_many(
            behind.send,
            behind._newest,
            deliveries,
            journal=journal,
            mode=mode,
            ordered=ordered,
            settle_s=settle_s,
            max_in_flight=self._at_once(max_in_flight),
            max_failures=max_failures,
            fail_fast=fail_fast,
            plan_first=plan_first,
            input_id=input_id,
            identity=(self._chat.project_id, self._chat.base_url),
        )

    async def find_sent(
        self,
        channel_id: str,
        content: str,
        *,
        since: datetime,
        sender_id: str | None = None,
        settle_s: float = 90.0,
    ) -> Sighting[Message]:
        """Settle what became of a `send` that raised `OutcomeUnknownError`.

            begun = datetime.now(UTC)
            try:
                await chat.messages.send(channel_id, text)
            except OutcomeUnknownError:
                sighting = await chat.messages.find_sent(channel_id, text, since=begun)

        A message that is there is found at once. That it is not there is believed after
        the settle time only, when two looks agree; a cancelled call leaves nothing behind.

        Args:
            channel_id: Where it was sent.
            content: What was sent; `*` in the stored text stands for any character, as the
                platform's profanity filter leaves it.
            since: When sending began, an aware time of the own clock, not later.
            sender_id: Who writes with this key, as any confirmed message tells; None:
                messages count whose `sender` and `admin` are one.
            settle_s: Seconds after which a message, if it was stored at all, is listed.

        Returns:
            `status` is `sent` with the `message`, `not_sent` (it may be sent again) or
            `unknown` (several fit, or writer or time are not given).

        Raises:
            ConfigError: An id or the text cannot be used, or `since` has no time zone or is
                in the future.
            NcloudChatError: The channel cannot be read.
        """
        check_type("since", since, datetime, "an aware datetime, such as datetime.now(UTC)")
        if since.tzinfo is None:
            raise ConfigError("since must be an aware datetime, such as datetime.now(UTC)")
        content = _spoken(content)
        # No message has one that cannot be: it would not be found, and be sent again.
        check_unicode("content", content)
        if sender_id is not None:
            check_id("sender_id", sender_id)
        check_number("settle_s", settle_s, zero=True)
        check_id("channel_id", channel_id)
        return await bulk.find_sent(
            self._newest,
            channel_id,
            content,
            since=since,
            sender_id=sender_id,
            settle_s=settle_s,
        )

    def _at_once(self, max_in_flight: int | None) -> int:
        return self._chat.quota.max_in_flight if max_in_flight is None else max_in_flight

    def _newest(self, channel_id: str) -> Pages[Message]:
        return self.list(channel_id, sort="-created_at")


def _spoken(content: str) -> str:
    """Refuse what is no text or an empty one; make a plain string of one of another kind."""
    check_text("content", content)
    if not content:
        raise ConfigError("a message needs content")
    return str.__str__(content)


def _age(message: Message) -> int:
    """Order newest first: `sort_id` is compared as an integer."""
    return -(sort_ms(message.sort_id) or 0)
