"""Decides how members, channels and friend requests come into another project, each once.

Members are found by their id and channels by their `unique_id`, so whatever an earlier run
did is found and not done again. Before a channel is created, or a friendship requested,
the intent is in the archive.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from ncloudchat_async.client import Client
from ncloudchat_async.errors import ConflictError, NcloudChatError, OutcomeUnknownError
from ncloudchat_async.models import Channel, Member, NotificationPatch
from ncloudchat_async.transfer import survey
from ncloudchat_async.transfer.archive import now_ms
from ncloudchat_async.transfer.checks import (
    absent_problems,
    channel_problem,
    member_problem,
    pair_problem,
)
from ncloudchat_async.transfer.course import Course
from ncloudchat_async.transfer.reports import concerns_one, describe_error
from ncloudchat_async.transfer.stop import Stop
from ncloudchat_async.transfer.survey import ChannelTask, MemberTask, Target
from ncloudchat_async.transfer.writer import ArchiveWriter

__all__ = ["Carrier", "Existing", "each_channel", "each_member", "look_around", "pair_state"]

T = TypeVar("T")

Existing = Literal["skip", "update"]
"""What becomes of members that are there already."""

_WINDOW = 4


async def look_around(chat: Client, archive: ArchiveWriter, stop: Stop) -> None:
    """Note which members and channels the other project has, as far as nobody stops it."""
    await archive.call(survey.prepare)
    async with chat.members.list(window=_WINDOW).pages() as members:
        async for page in members:
            await archive.call(partial(survey.note_members, members=page.items))
            if stop.asked:
                return
    async with chat.channels.list(window=_WINDOW).pages() as channels:
        async for found in channels:
            await archive.call(partial(survey.note_channels, channels=found.items))
            if stop.asked:
                return


async def each_member(archive: ArchiveWriter) -> AsyncIterator[MemberTask]:
    """Give the members to be carried over."""
    after = ""
    while tasks := await archive.call(partial(survey.member_tasks, after=after)):
        for task in tasks:
            yield task
        after = tasks[-1].member.id


async def each_channel(archive: ArchiveWriter, target: Target) -> AsyncIterator[ChannelTask]:
    """Give the channels to be carried over."""
    after = ""
    while tasks := await archive.call(partial(survey.channel_tasks, target=target, after=after)):
        for task in tasks:
            yield task
        after = tasks[-1].channel.id


class Carrier:
    """Carries everything but messages.

    Args:
        course: The import.
    """

    def __init__(self, course: Course) -> None:
        self._course = course
        self._chat = course.chat
        self._archive = course.archive
        self._target = course.target
        self._report = course.report
        self._rows = 0

    async def members(self, existing: Existing, *, check_ids: bool) -> None:
        """Register the members that are not there."""

        async def carry(task: MemberTask) -> None:
            problem = member_problem(task, check_ids=check_ids)
            if problem is not None:
                self._report.add_failure("members", task.member.id, problem)
            elif not task.there:
                await self._register(task.member, check_ids=check_ids)
            elif existing == "update":
                await self._update(task.member)
            else:
                self._report.members_existing += 1

        await self._carry_all("members", carry, each_member(self._archive), _member_id)

    async def _register(self, member: Member, *, check_ids: bool) -> None:
        try:
            await self._chat.members.register(
                member.id,
                member.name or member.id,
                profile=member.profile or UNSET,
                custom_field=member.custom_field or UNSET,
                notifications=_notifications(member),
                check_rule=check_ids,
            )
        except ConflictError:
            # Somebody registered it meanwhile, or withdrew it: either way it is there.
            self._report.members_existing += 1
        else:
            self._report.members_registered += 1
        await self._archive.call(lambda db: survey.note_members(db, [Member(id=member.id)]))

    async def _update(self, member: Member) -> None:
        await self._chat.members.update(
            member.id,
            name=member.name or UNSET,
            profile=member.profile or UNSET,
            custom_field=member.custom_field or UNSET,
            notifications=_notifications(member),
        )
        self._report.members_updated += 1

    async def channels(self, settle_s: float) -> None:
        """Create the channels that are not there, closed to pushes until they are full."""

        async def carry(task: ChannelTask) -> None:
            problem = channel_problem(task)
            if problem is not None:
                self._report.add_failure("channels", task.channel.id, problem)
            elif task.target_id is not None:
                await self._match(task)
            else:
                await self._create(task, settle_s)

        doubts = await self._archive.call(partial(survey.count_creating, target=self._target))
        self._course.tell_doubt("channels", doubts, settle_s)
        await self._carry_all(
            "channels", carry, each_channel(self._archive, self._target), _channel_id
        )

    async def _match(self, task: ChannelTask) -> None:
        # One that an interrupted run was creating is its own: it still needs its settings.
        kept = {"creating": "created", "created": "created", "done": "done"}
        state = kept.get(task.state or "", "matched")
        await self._mark_channel(task.channel.id, state, task.target_id)
        self._report.channels_matched += 1
        if state != "matched":
            await self._name_absent(task.channel)

    async def _create(self, task: ChannelTask, settle_s: float) -> None:
        channel = task.channel
        if task.state == "creating":
            # An earlier run sent this and never heard of it: it may still come.
            left_s = settle_s - (now_ms() - task.begun_ms) / 1000
            if left_s > 0:
                await self._course.stop.sleep(left_s)
            if self._course.stop.asked:
                return
            found = await self._chat.channels._find(channel.name or "", task.unique_id)
            if found is not None:
                await self._mark_channel(channel.id, "created", found.id)
                self._report.channels_matched += 1
                await self._name_absent(channel)
                return
        await self._mark_channel(channel.id, "creating")
        try:
            made = await self._create_closed(channel, task.unique_id)
        except NcloudChatError as error:
            if error.applied == "no":
                await self._mark_channel(channel.id, "refused")
            raise
        await self._mark_channel(channel.id, "created", made.id)
        self._report.channels_created += 1
        await self._name_absent(channel)

    async def _name_absent(self, channel: Channel) -> None:
        """Name those who may no longer subscribe to a channel that this import created."""
        existing = await self._archive.call(partial(survey.exists, user_ids=channel.members or ()))
        for problem in absent_problems(channel, existing):
            self._report.add_failure("channels", channel.id, problem)

    async def _create_closed(self, channel: Channel, unique_id: str) -> Channel:
        existing = await self._archive.call(partial(survey.exists, user_ids=channel.members or ()))
        return await self._chat.channels.create(
            channel.name or "",
            type=channel.type or "PUBLIC",
            unique_id=unique_id,
            members=existing if channel.type == "PRIVATE" else UNSET,
            translation=_given(channel.translation),
            # Nobody's phone is to ring for old messages, and a closed channel may take none.
            push=False,
            limit=channel.limit or UNSET,
            link_url=channel.link_url or UNSET,
            image_url=channel.image_urls[0] if channel.image_urls else UNSET,
        )

    async def _mark_channel(
        self, channel_id: str, state: str, target_id: str | None = None
    ) -> None:
        await self._archive.call(
            lambda db: survey.mark(
                db, self._target, "channels", channel_id, state=state, target_id=target_id
            )
        )

    async def settings(self) -> None:
        """Give the channels that were created the settings that keep messages out."""

        async def settle(task: tuple[str, Channel]) -> None:
            target_id, channel = task
            await self._chat.channels.update(
                target_id,
                disabled=_given(channel.disabled),
                mutes=_given(channel.mutes),
                push=True if channel.push is None else channel.push,
            )
            await self._mark_channel(channel.id, "done")

        await self._carry_all("settings", settle, self._unsettled(), lambda task: task[1].id)

    async def _unsettled(self) -> AsyncIterator[tuple[str, Channel]]:
        after = ""
        while tasks := await self._archive.call(
            partial(survey.waiting_settings, target=self._target, after=after)
        ):
            for task in tasks:
                yield task
            after = tasks[-1][1].id

    async def friends(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Request the friendships that were not requested by an earlier run."""

        async def numbered() -> AsyncIterator[tuple[int, tuple[str, str]]]:
            for number, pair in enumerate(pairs, start=1):
                yield number, pair

        await self._carry_all("friends", self._befriend, numbered(), lambda one: str(one[0]))

    async def _befriend(self, numbered: tuple[int, tuple[str, str]]) -> None:
        number, pair = numbered
        target, source = self._target, _pair_name(pair)

        async def note(state: str) -> None:
            await self._archive.call(
                lambda db: survey.mark(db, target, "friends", source, state=state)
            )

        existing = await self._archive.call(lambda db: survey.exists(db, pair))
        state = await self._archive.call(partial(pair_state, target=target, pair=pair))
        problem = pair_problem(pair, existing, state)
        if problem is not None:
            self._report.add_failure("friends", str(number), problem)
            return
        if state == "requested":
            return
        await note("sending")
        try:
            await self._chat.friends.request(*pair)
        except NcloudChatError as error:
            if error.applied == "no":
                await note("refused")
            raise
        await note("requested")
        self._report.friends_requested += 1

    async def _carry_all(
        self,
        noun: str,
        carry: Callable[[T], Awaitable[None]],
        tasks: AsyncIterator[T],
        name: Callable[[T], str],
    ) -> None:
        done = 0
        async with self._chat.run_many(carry, tasks) as results:
            with self._course.stop.reaches(results.stop):
                async for result in results:
                    done += 1
                    self._note(noun, name(result.item), result.error)
                    self._course.tell(noun, done, None, self._rows + done)
        self._rows += done

    def _note(self, noun: str, row_id: str, error: Exception | None) -> None:
        """Add an error that concerns one row to the report, raise any other."""
        if not isinstance(error, NcloudChatError):
            return
        if not (concerns_one(error) or isinstance(error, OutcomeUnknownError)):
            raise error
        self._report.add_failure(noun, row_id, describe_error(error))


def pair_state(db: sqlite3.Connection, target: Target, pair: tuple[str, str]) -> str | None:
    """Return what is noted of a friend request: `sending`, `requested`, `refused`, or None."""
    return survey.marked(db, target, "friends", _pair_name(pair))


def _pair_name(pair: tuple[str, str]) -> str:
    return msgspec.json.encode(pair).decode()


def _given(value: bool | None) -> bool | UnsetType:
    return UNSET if value is None else value


def _notifications(member: Member) -> NotificationPatch | UnsetType:
    """Carry push settings over as far as there are any."""
    if member.notifications is None:
        return UNSET
    given = {k: v for k, v in msgspec.structs.asdict(member.notifications).items() if v is not None}
    return NotificationPatch(**given) if given else UNSET


def _member_id(task: MemberTask) -> str:
    return task.member.id


def _channel_id(task: ChannelTask) -> str:
    return task.channel.id
