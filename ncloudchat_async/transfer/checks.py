"""Decides what the other project would refuse, before anything is sent to it."""

from typing import Final

from ncloudchat_async.models import Channel
from ncloudchat_async.resources.members import NEW_ID
from ncloudchat_async.transfer.survey import ChannelTask, MemberTask

__all__ = ["absent_problems", "channel_problem", "member_problem", "pair_problem", "text_problem"]

NAME_BYTES: Final = 90
"""Longest name of a channel, in UTF-8 (the platform's 2023 page)."""


def member_problem(task: MemberTask, *, check_ids: bool) -> str | None:
    """Say why a member cannot be registered, None if nothing is known against it."""
    if task.withdrawn:
        return "was withdrawn in the new project: restore it there"
    if check_ids and not task.there and not NEW_ID.fullmatch(task.member.id):
        return "the id is not 4 to 128 of A-Z, a-z, 0-9, - and _"
    return None


def channel_problem(task: ChannelTask) -> str | None:
    """Say why a channel cannot be created."""
    if task.target_id is not None:
        return None
    name = task.channel.name or ""
    if not name:
        return "has no name"
    if len(name.encode()) > NAME_BYTES:
        return f"the name has {len(name.encode())} bytes of UTF-8, {NAME_BYTES} are allowed"
    if task.channel.type not in ("PUBLIC", "PRIVATE"):
        return f"the type is {task.channel.type!r}, not PUBLIC or PRIVATE"
    return None


def absent_problems(channel: Channel, existing: list[str]) -> list[str]:
    """Name the members that a channel to be created cannot get.

    Args:
        channel: As it was; only a PRIVATE one has members of its own.
        existing: Which of its members there are.
    """
    if channel.type != "PRIVATE":
        return []
    absent = {one for one in channel.members or () if one} - set(existing)
    return [f"its member {user_id} does not exist" for user_id in sorted(absent)]


def text_problem(text: str, max_length: int | None) -> str | None:
    """Say why a text cannot be sent."""
    if not text:
        return "has no text: the platform takes no empty messages"
    if max_length is not None and len(text) > max_length:
        return f"the text has {len(text)} characters, {max_length} are allowed"
    return None


def pair_problem(pair: tuple[str, str], existing: list[str], state: str | None) -> str | None:
    """Say why a friend request cannot be made.

    Args:
        pair: Who asks, and who is asked.
        existing: Which of them there are.
        state: What an earlier import noted of the pair.
    """
    if pair[0] == pair[1]:
        return "asks itself for friendship"
    absent = [one for one in pair if one not in existing]
    if absent:
        return f"no such member: {', '.join(absent)}"
    if state == "sending":
        return "an earlier import sent this and never heard of it: look before asking"
    return None
