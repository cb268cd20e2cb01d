"""Decides the order in which an archive comes into another project, and forecasts it.

REST can set neither the sender nor the time of a message: every imported message is sent by
the owner of the key, now. A template puts both into the text.
"""

import time
from collections.abc import Iterable
from functools import partial
from typing import Literal

from ncloudchat_async.bulk import Mode
from ncloudchat_async.client import Client
from ncloudchat_async.errors import ArchiveError, ConfigError
from ncloudchat_async.transfer import survey
from ncloudchat_async.transfer.archive import owner_of
from ncloudchat_async.transfer.carry import Carrier, each_channel, each_member, look_around
from ncloudchat_async.transfer.checks import channel_problem, member_problem, pair_problem
from ncloudchat_async.transfer.export import as_job
from ncloudchat_async.transfer.private import PathLike
from ncloudchat_async.transfer.replay import Replay, texts
from ncloudchat_async.transfer.reports import Forecast, ImportReport, OnProgress
from ncloudchat_async.transfer.survey import Target
from ncloudchat_async.transfer.template import DEFAULT_TEMPLATE, Template
from ncloudchat_async.transfer.writer import ArchiveWriter

__all__ = ["forecast_import", "import_project"]


async def import_project(
    chat: Client,
    path: PathLike,
    *,
    template: str = DEFAULT_TEMPLATE,
    existing: Literal["skip", "update"] = "skip",
    friends: Iterable[tuple[str, str]] = (),
    check_ids: bool = True,
    max_length: int | None = None,
    partial_archive: bool = False,
    mode: Mode = "reconcile",
    settle_s: float = 90.0,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Carry an archive into another project: members, channels, friend requests, messages.

    May be called again at any time, after a kill as well: what was carried over is found and
    not done again, and what the archive got since is added. Messages keep their order within
    a channel. A message whose answer was lost is looked for in its channel and never sent
    blindly again. Subscriptions cannot be carried over: members join by the platform's SDKs.

    Args:
        chat: An open client of the project to import into; calls have `bulk` priority.
        path: The archive; it notes what became of each row. While messages are sent a
            journal with their texts lies beside it, readable by its owner only.
        template: What a message says: see `FIELDS`. REST can set neither its sender nor its
            time, so by default both are in the text; `"{content}"` sends the text alone.
            Messages of a round that was interrupted keep the template of that one.
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
        on_progress: Is told after each row.

    Returns:
        What was done, and what was left out.

    Raises:
        ConfigError: The template or an option cannot be used; nothing was sent.
        ArchiveError: There is no archive, it is in use, of this very project, or its export
            was interrupted.
        NcloudChatError: What concerns everything, such as a refused key: call again.
    """
    wording = Template(template)
    _check(chat, path, max_length, partial_archive=partial_archive)
    begun, calls = time.monotonic(), chat.stats.calls
    job, target, report = as_job(chat), Target(chat.project_id, chat.base_url), ImportReport()
    async with ArchiveWriter(path) as archive:
        carrier = Carrier(job, archive, target, report, on_progress)
        replay = Replay(job, archive, path, target=target, report=report, on_progress=on_progress)
        await replay.resume(mode=mode, settle_s=settle_s)
        await look_around(job, archive)
        await carrier.members(existing, check_ids=check_ids)
        await carrier.channels(settle_s)
        await carrier.friends(friends)
        await replay.run(wording, max_length, mode=mode, settle_s=settle_s)
        await carrier.settings()
    report.requests = chat.stats.calls - calls
    report.seconds = time.monotonic() - begun
    return report


async def forecast_import(
    chat: Client,
    path: PathLike,
    *,
    template: str = DEFAULT_TEMPLATE,
    existing: Literal["skip", "update"] = "skip",
    friends: Iterable[tuple[str, str]] = (),
    check_ids: bool = True,
    max_length: int | None = None,
    partial_archive: bool = False,
) -> Forecast:
    """Say what `import_project` would do with the same arguments; only reads.

    Raises:
        ConfigError: The template or an option cannot be used.
        ArchiveError: There is no archive, it is in use, of this very project, or its export
            was interrupted.
        NcloudChatError: The project cannot be read.
    """
    wording = Template(template)
    _check(chat, path, max_length, partial_archive=partial_archive)
    target, forecast = Target(chat.project_id, chat.base_url), Forecast()
    async with ArchiveWriter(path) as archive:
        await look_around(as_job(chat), archive)
        await _forecast_members(archive, forecast, check_ids=check_ids)
        blocked = await _forecast_channels(archive, target, forecast)
        await _forecast_friends(archive, friends, forecast)
        await archive.call(lambda db: survey.queue_messages(db, target))
        lengths: dict[str, int] = {}
        source = texts(archive, target, wording, max_length, forecast.add_problem)
        async for channel_id, _ in source:
            if channel_id not in blocked:
                lengths[channel_id] = lengths.get(channel_id, 0) + 1
    forecast.messages = sum(lengths.values())
    forecast.longest_channel = max(lengths.values(), default=0)
    updates = forecast.members_existing if existing == "update" else 0
    forecast.requests = (
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
    archive: ArchiveWriter, friends: Iterable[tuple[str, str]], forecast: Forecast
) -> None:
    """Count the pairs whose members there are, or will be."""
    for number, pair in enumerate(friends, start=1):
        there = await archive.call(partial(survey.exists, user_ids=pair))
        problem = pair_problem(pair, there)
        if problem is None:
            forecast.friends += 1
        else:
            forecast.add_problem("friends", str(number), problem)


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
        if problem is None and task.target_id is None and task.channel.type == "PRIVATE":
            given = task.channel.members or ()
            there = await archive.call(partial(survey.exists, user_ids=given))
            for user_id in sorted({one for one in given if one} - set(there)):
                forecast.add_problem(
                    "channels", task.channel.id, f"its member {user_id} does not exist"
                )
    return blocked


def _check(chat: Client, path: PathLike, max_length: int | None, *, partial_archive: bool) -> None:
    if max_length is not None and max_length < 1:
        raise ConfigError(f"max_length must be 1 or more, not {max_length!r}")
    project_id, base_url, whole = owner_of(path)
    if (project_id, base_url) == (chat.project_id, chat.base_url):
        raise ArchiveError(f"{path} is an archive of this very project")
    if not whole and not partial_archive:
        # What is fetched later would be sent behind what came after it.
        raise ArchiveError(f"the export of {path} was interrupted: export again first")
