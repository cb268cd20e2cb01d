"""Decides the order in which an archive comes into another project, and forecasts it.

REST can set neither the sender nor the time of a message: every imported message is sent by
the owner of the key, now. A template puts both into the text.
"""

import sys
import time
from collections.abc import Iterable
from functools import partial
from typing import get_args

import msgspec

from ncloudchat_async.bulk import Mode
from ncloudchat_async.bulk.delivery import Rules
from ncloudchat_async.checks import check_callable, check_flag, check_type, check_whole
from ncloudchat_async.client import Client
from ncloudchat_async.errors import ArchiveError, ConfigError
from ncloudchat_async.resources.friends import friend_pairs
from ncloudchat_async.transfer import survey
from ncloudchat_async.transfer.archive import owner_of
from ncloudchat_async.transfer.carry import (
    Carrier,
    Existing,
    each_channel,
    each_member,
    look_around,
    pair_state,
)
from ncloudchat_async.transfer.checks import (
    absent_problems,
    channel_problem,
    member_problem,
    pair_problem,
)
from ncloudchat_async.transfer.course import Course
from ncloudchat_async.transfer.export import as_job
from ncloudchat_async.transfer.private import PathLike
from ncloudchat_async.transfer.replay import Replay, queue_left, template_under_way, texts
from ncloudchat_async.transfer.reports import Forecast, ImportReport, OnDoubt, OnProgress
from ncloudchat_async.transfer.stop import Stop
from ncloudchat_async.transfer.survey import Target
from ncloudchat_async.transfer.template import DEFAULT_TEMPLATE, Template
from ncloudchat_async.transfer.writer import ArchiveWriter

__all__ = ["forecast_import", "import_project"]


async def import_project(
    chat: Client,
    path: PathLike,
    *,
    template: str | None = None,
    existing: Existing = "skip",
    friends: Iterable[tuple[str, str]] = (),
    check_ids: bool = True,
    max_length: int | None = None,
    partial_archive: bool = False,
    mode: Mode = "reconcile",
    settle_s: float = 90.0,
    stop: Stop | None = None,
    on_progress: OnProgress | None = None,
    on_doubt: OnDoubt | None = None,
) -> ImportReport:
    """Carry an archive into another project: members, channels, friend requests, messages.

    May be called again at any time, after a kill as well: what was carried over is found and
    not done again, and what the archive got since is added. Messages keep their order within
    a channel. A message whose answer was lost is looked for in its channel and never sent
    blindly again. Subscriptions cannot be carried over: members join by the platform's SDKs.

    A cancelled call, other than one that is stopped, leaves what was on its way in doubt. The
    archive and the journal beside it know of it: the next call looks for those members,
    channels and messages first, and names friend requests without sending them again.

    Args:
        chat: An open client of the project to import into; calls have `bulk` priority.
        path: The archive; it notes what became of each row. While messages are sent a
            journal with their texts lies beside it, readable by its owner only.
        template: What a message says: see `FIELDS`. REST can set neither its sender nor its
            time, so by default both are in the text; `"{content}"` sends the text alone.
            None: that of the interrupted import which is gone on with, else
            `DEFAULT_TEMPLATE`. While an import is to be gone on with, another template than
            its own is refused, since its texts are made already.
        existing: What becomes of members that are there already.
        friends: Pairs (who asks, who is asked): the platform cannot list friendships, so an
            archive has none.
        check_ids: Hold the ids of new members against the documented rule.
        max_length: Most characters of a message in the new project; longer ones are left
            out and named.
        partial_archive: Import also what an interrupted export left, such as of a project
            that can be read no more. What a later export adds is sent behind the rest.
        mode: What to do when nobody knows whether a message arrived; see `send_many`.
        settle_s: Seconds after which a message or a channel whose answer was lost is in the
            lists if it was made at all.
        stop: Ends the import in order when it is asked to: what is on its way finishes,
            nothing more begins, and the next call goes on.
        on_progress: Is told after each row.
        on_doubt: Is told before the import waits for something that is in doubt.

    Returns:
        What was done, and what was left out.

    Raises:
        ConfigError: The template, a pair of friends or an option cannot be used, or an
            interrupted import has another template; nothing was sent.
        ArchiveError: There is no archive, it is in use, of this very project, or its export
            was interrupted.
        NcloudChatError: What concerns everything, such as a refused key: call again.
    """
    chat = as_job(chat)
    wishes = _Wishes(
        template=template,
        existing=existing,
        friends=_pairs(friends),
        check_ids=check_ids,
        max_length=max_length,
        partial_archive=partial_archive,
    )
    Rules(mode=mode, settle_s=settle_s)
    stop = Stop() if stop is None else stop
    check_type("stop", stop, Stop, "a Stop()")
    check_callable("on_progress", on_progress, "a function", optional=True)
    check_callable("on_doubt", on_doubt, "a function", optional=True)
    target = Target(chat.project_id, chat.base_url)
    wording = _wording(path, target, wishes)
    begun, calls = time.monotonic(), chat.stats.calls
    report = ImportReport()
    async with ArchiveWriter(path) as archive:
        course = Course(
            chat=chat,
            archive=archive,
            target=target,
            report=report,
            stop=stop,
            on_progress=on_progress,
            on_doubt=on_doubt,
        )
        carrier, replay = Carrier(course), Replay(course, path)
        for step in (
            partial(replay.resume, mode=mode, settle_s=settle_s),
            partial(look_around, course.chat, archive, stop),
            partial(carrier.members, existing, check_ids=check_ids),
            partial(carrier.channels, settle_s),
            partial(carrier.friends, wishes.friends),
            partial(replay.run, wording, max_length, mode=mode, settle_s=settle_s),
            carrier.settings,
        ):
            if not stop.asked:
                await step()
    report.interrupted = stop.asked
    report.requests = chat.stats.calls - calls
    report.seconds = time.monotonic() - begun
    return report


async def forecast_import(
    chat: Client,
    path: PathLike,
    *,
    template: str | None = None,
    existing: Existing = "skip",
    friends: Iterable[tuple[str, str]] = (),
    check_ids: bool = True,
    max_length: int | None = None,
    partial_archive: bool = False,
) -> Forecast:
    """Say what `import_project` would do with the same arguments; only reads.

    After an import that was interrupted this is what is left of it: messages that are surely
    there do not count, those in doubt do. A cancelled call leaves nothing behind.

    Raises:
        ConfigError: The template, a pair of friends or an option cannot be used, or an
            interrupted import has another template; nothing was read.
        ArchiveError: There is no archive, it is in use, of this very project, or its export
            was interrupted.
        NcloudChatError: The project cannot be read.
    """
    chat = as_job(chat)
    wishes = _Wishes(
        template=template,
        existing=existing,
        friends=_pairs(friends),
        check_ids=check_ids,
        max_length=max_length,
        partial_archive=partial_archive,
    )
    target, forecast = Target(chat.project_id, chat.base_url), Forecast()
    wording = _wording(path, target, wishes)
    async with ArchiveWriter(path) as archive:
        await look_around(chat, archive, Stop())
        await _forecast_members(archive, forecast, check_ids=check_ids)
        blocked = await _forecast_channels(archive, target, forecast)
        await _forecast_friends(archive, target, wishes.friends, forecast)
        await archive.call(partial(queue_left, target=target, path=path))
        lengths: dict[str, int] = {}
        source = texts(archive, target, wording, max_length, forecast.add_problem)
        async for channel_id, _ in source:
            if channel_id not in blocked:
                lengths[channel_id] = lengths.get(channel_id, 0) + 1
    forecast.messages = sum(lengths.values())
    forecast.longest_channel = max(lengths.values(), default=0)
    updates = forecast.members_existing if existing == "update" else 0
    forecast.requests += (
        forecast.members_new + updates + 2 * forecast.channels_new + forecast.friends
    ) + forecast.messages
    if chat.quota.rate is not None:
        forecast.seconds = forecast.requests / chat.quota.rate
    return forecast


async def _forecast_members(archive: ArchiveWriter, forecast: Forecast, *, check_ids: bool) -> None:
    """Count the members; those to be registered count as there from then on."""
    async for task in each_member(archive):
        problem = member_problem(task, check_ids=check_ids)
        if problem is not None:
            forecast.add_problem("members", task.member.id, problem)
        elif task.there:
            forecast.members_existing += 1
        else:
            forecast.members_new += 1
            await archive.call(partial(survey.note_members, members=[task.member]))


async def _forecast_friends(
    archive: ArchiveWriter,
    target: Target,
    friends: Iterable[tuple[str, str]],
    forecast: Forecast,
) -> None:
    """Count the pairs that are still to be asked, and whose members there are, or will be."""
    for number, pair in enumerate(friends, start=1):
        there = await archive.call(partial(survey.exists, user_ids=pair))
        state = await archive.call(partial(pair_state, target=target, pair=pair))
        problem = pair_problem(pair, there, state)
        if problem is not None:
            forecast.add_problem("friends", str(number), problem)
        elif state != "requested":
            forecast.friends += 1


async def _forecast_channels(
    archive: ArchiveWriter, target: Target, forecast: Forecast
) -> set[str]:
    """Count the channels, and name those that would be left out."""
    blocked: set[str] = set()
    async for task in each_channel(archive, target):
        problem = channel_problem(task)
        if problem is not None:
            blocked.add(task.channel.id)
            forecast.add_problem("channels", task.channel.id, problem)
        elif task.target_id is not None:
            forecast.channels_existing += 1
        else:
            forecast.channels_new += 1
        if task.target_id is not None and task.state in ("creating", "created"):
            # An interrupted import made it, and has not given it its settings yet.
            forecast.requests += 1
        if problem is None and task.target_id is None:
            given = task.channel.members or ()
            there = await archive.call(partial(survey.exists, user_ids=given))
            for absent in absent_problems(task.channel, there):
                forecast.add_problem("channels", task.channel.id, absent)
    return blocked


class _Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of an import and of its forecast alike.

    Raises:
        ConfigError: Some of it cannot be used.
    """

    template: str | None
    existing: Existing
    friends: list[tuple[str, str]]
    check_ids: bool
    max_length: int | None
    partial_archive: bool

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.template is not None:
            Template(self.template)
        if self.existing not in get_args(Existing):
            raise ConfigError(
                f"existing must be one of {get_args(Existing)}, not {self.existing!r}"
            )
        check_flag("check_ids", self.check_ids)
        check_whole("max_length", self.max_length, 1, sys.maxsize, optional=True)
        check_flag("partial_archive", self.partial_archive)


def _pairs(friends: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(one.user_id, one.friend_id) for one in friend_pairs("friends", friends)]


def _wording(path: PathLike, target: Target, wishes: _Wishes) -> Template:
    """Refuse what cannot be imported before anything is sent; return what messages say."""
    template = wishes.template
    project_id, base_url, whole = owner_of(path)
    if Target(project_id, base_url) == target:
        raise ArchiveError(f"{path} is an archive of this very project")
    under_way = template_under_way(path, target)
    if under_way is not None:
        if template not in (None, under_way):
            raise ConfigError(
                f"the import that was interrupted has the template {under_way!r}, and its texts "
                "are made already: go on without a template or with this one; another one is "
                "for messages that are exported later"
            )
        template = under_way
    if not whole and not wishes.partial_archive:
        # What is fetched later would be sent behind what came after it.
        raise ArchiveError(
            f"the export of {path} was interrupted: export again first, or import what there is "
            "(partial_archive=True)"
        )
    return Template(DEFAULT_TEMPLATE if template is None else template)
