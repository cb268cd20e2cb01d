"""Decides what the operations on members do: register, edit, withdraw, restore, push settings."""

import re

import msgspec

from ncloudchat_async.emulator.answers import RefusedError, enveloped, missing
from ncloudchat_async.emulator.lists import answer_list
from ncloudchat_async.emulator.objects import Member, Notification, encode
from ncloudchat_async.emulator.project import Call
from ncloudchat_async.emulator.query import Listing
from ncloudchat_async.emulator.store import MEMBERS, Row

__all__ = [
    "delete_notification",
    "find",
    "get",
    "get_notification",
    "list_",
    "register",
    "restore",
    "row",
    "set_notification",
    "update",
    "withdraw",
]

_USER_ID = re.compile(r"[A-Za-z0-9_-]{4,128}")
_NO_MEMBER = b'{"member":null,"status":1}'


class _NotificationInput(msgspec.Struct):
    token: str | msgspec.UnsetType | None = msgspec.UNSET
    device: str | msgspec.UnsetType | None = msgspec.UNSET
    os: str | msgspec.UnsetType | None = msgspec.UNSET
    push: bool | msgspec.UnsetType | None = msgspec.UNSET
    ad: bool | msgspec.UnsetType | None = msgspec.UNSET
    night: bool | msgspec.UnsetType | None = msgspec.UNSET
    timezone: str | msgspec.UnsetType | None = msgspec.UNSET


class _Changes(msgspec.Struct):
    name: str | msgspec.UnsetType | None = msgspec.UNSET
    profile: str | msgspec.UnsetType | None = msgspec.UNSET
    custom_field: str | msgspec.UnsetType | None = msgspec.field(
        default=msgspec.UNSET, name="customField"
    )
    notifications: _NotificationInput | msgspec.UnsetType | None = msgspec.UNSET


class _Registration(_Changes, kw_only=True):
    user_id: str = msgspec.field(name="userId")


_STORED = msgspec.json.Decoder(Member)
_REGISTRATION = msgspec.json.Decoder(_Registration)
_CHANGES = msgspec.json.Decoder(_Changes)
_NOTIFICATION = msgspec.json.Decoder(_NotificationInput)


def row(member: Member, now: float) -> Row:
    """Return how a member is stored."""
    typed = (member.name, int(member.online), int(member.deleted))
    return Row(member.id, int(now * 1000), int(now), typed, encode(member))


def find(call: Call, user_id: str) -> Member | None:
    """Return a member, withdrawn or not."""
    body = call.store.body(MEMBERS, user_id)
    return None if body is None else _STORED.decode(body)


def register(call: Call) -> bytes:
    """Register a user; a second registration is refused unless the settings say otherwise."""
    wanted = call.read(_REGISTRATION)
    if call.settings.user_id_rule and not _USER_ID.fullmatch(wanted.user_id):
        raise RefusedError.parameter("userId must be 4 to 128 of A-Z a-z 0-9 - _")
    if not wanted.user_id:
        raise RefusedError.parameter("userId is empty")
    if not isinstance(wanted.name, str) or not wanted.name:
        raise RefusedError.parameter("name is required")
    member = find(call, wanted.user_id)
    if member is not None:
        return _register_again(call, member, wanted)
    member = Member(
        id=wanted.user_id,
        project_id=call.project.project_id,
        member_id=wanted.user_id,
        name=wanted.name,
        created_at=call.stamp,
        updated_at=call.stamp,
    )
    _apply(member, wanted)
    stored = row(member, call.now)
    call.store.add(MEMBERS, stored)
    return enveloped("member", stored.body)


def _register_again(call: Call, member: Member, wanted: _Registration) -> bytes:
    if member.deleted:
        if call.settings.withdrawn_registration == "refuse":
            raise RefusedError.conflict("userId belongs to a withdrawn user")
        member.deleted, member.deleted_at = False, None
    elif call.settings.repeat_registration == "refuse":
        raise RefusedError.conflict("userId is registered")
    elif call.settings.repeat_registration == "return":
        return enveloped("member", encode(member))
    _apply(member, wanted)
    return enveloped("member", _save(call, member))


def get(call: Call) -> bytes:
    """Return one user, withdrawn or not."""
    return call.store.body(MEMBERS, call.ids[0]) or missing(call.settings, "member")


def list_(call: Call) -> bytes:
    """List users."""

    def narrow(listing: Listing) -> None:
        if not call.settings.list_withdrawn and "deleted = ?" not in listing.conditions:
            listing.require("deleted = 0")

    return answer_list(call, MEMBERS, narrow)


def update(call: Call) -> bytes:
    """Change the given fields; null clears one, push settings are merged."""
    wanted = call.read(_CHANGES)
    if wanted.name is None or wanted.name == "":
        raise RefusedError.parameter("name is empty")
    member = find(call, call.ids[0])
    if member is None:
        return missing(call.settings, "member", _NO_MEMBER)
    _apply(member, wanted)
    return enveloped("member", _save(call, member))


def withdraw(call: Call) -> bytes:
    """Mark a user as deleted; doing it again changes nothing."""
    member = find(call, call.ids[0])
    if member is None:
        return missing(call.settings, "member", _NO_MEMBER)
    if not member.deleted:
        member.deleted, member.deleted_at = True, call.stamp
        _save(call, member)
    return enveloped("member", encode(member))


def restore(call: Call) -> bytes:
    """Take a withdrawal back (D12); the answer has no push settings."""
    member = find(call, call.ids[0])
    if member is None:
        return missing(call.settings, "member", _NO_MEMBER)
    if member.deleted:
        member.deleted, member.deleted_at = False, None
        _save(call, member)
    fields = msgspec.to_builtins(member)
    del fields["notifications"]
    return enveloped("member", encode(fields))


def set_notification(call: Call) -> bytes:
    """Change the given push settings of a user."""
    wanted = call.read(_NOTIFICATION)
    member = find(call, call.ids[0])
    if member is None:
        return missing(call.settings, "member", _NO_MEMBER)
    _merge(member.notifications, wanted)
    _save(call, member)
    return enveloped("member", _push_settings(member))


def get_notification(call: Call) -> bytes:
    """Return a user's push settings, without envelope or status."""
    member = find(call, call.ids[0])
    return missing(call.settings, "member") if member is None else _push_settings(member)


def delete_notification(call: Call) -> bytes:
    """Set all seven push settings to null."""
    member = find(call, call.ids[0])
    if member is None:
        return missing(call.settings, "member", _NO_MEMBER)
    member.notifications = Notification()
    _save(call, member)
    return enveloped("member", _push_settings(member))


def _push_settings(member: Member) -> bytes:
    return encode({"id": member.id, "notifications": member.notifications})


def _save(call: Call, member: Member) -> bytes:
    member.updated_at = call.stamp
    stored = row(member, call.now)
    call.store.change(MEMBERS, stored)
    return stored.body


def _apply(member: Member, wanted: _Changes) -> None:
    if isinstance(wanted.name, str):
        member.name = wanted.name
    if wanted.profile is not msgspec.UNSET:
        member.profile = wanted.profile
    if wanted.custom_field is not msgspec.UNSET:
        member.custom_field = wanted.custom_field
    if wanted.notifications is None:
        member.notifications = Notification()
    elif wanted.notifications is not msgspec.UNSET:
        _merge(member.notifications, wanted.notifications)


def _merge(held: Notification, given: _NotificationInput) -> None:
    for field in held.__struct_fields__:
        value = getattr(given, field)
        if value is not msgspec.UNSET:
            setattr(held, field, value)
