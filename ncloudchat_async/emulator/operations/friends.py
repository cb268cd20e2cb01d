"""Decides the friend state machine: none, requested, then accepted or rejected.

One record stands for a pair, whoever asked. Asking again while a request or a friendship
stands returns it; asking after a rejection begins a new one. Asking oneself, and answering
what was never asked or is answered already, are refused.
"""

from typing import Annotated, Literal

import msgspec

from ncloudchat_async.emulator.answers import RefusedError, missing
from ncloudchat_async.emulator.objects import Friendship, encode
from ncloudchat_async.emulator.operations import members
from ncloudchat_async.emulator.project import Call
from ncloudchat_async.emulator.store import FRIENDSHIPS, Row

__all__ = ["accept", "reject", "request", "request_bulk"]

_Id = Annotated[str, msgspec.Meta(min_length=1)]


class _Pair(msgspec.Struct):
    user_id: _Id = msgspec.field(name="userId")
    friend_id: _Id = msgspec.field(name="friendId")


class _Request(_Pair):
    message: str | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_PAIR = msgspec.json.Decoder(_Pair)
_PAIRS = msgspec.json.Decoder(Annotated[list[_Pair], msgspec.Meta(min_length=1)])
_STORED = msgspec.json.Decoder(Friendship)
_OPEN = {"requested", "pending"}


def request(call: Call) -> bytes:
    """Ask for a friendship (envelope: D14, status: D16)."""
    pair = call.read(_REQUEST)
    plain = call.settings.friend_envelope == "plain"
    wrapping = b'{"friendship":%s}' if plain else b'{"data":{"requestFriend":{"friendship":%s}}}'
    _refuse_oneself(pair)
    if _stranger(call, pair):
        return missing(call.settings, "member", wrapping % b"null")
    friendship = _ask(call, pair, call.settings.friend_status)
    return wrapping % _introduced(call, friendship, "name")


def request_bulk(call: Call) -> bytes:
    """Ask for several friendships; nothing is stored if one of them is refused (D17, D18)."""
    pairs = call.read(_PAIRS)
    for pair in pairs:
        _refuse_oneself(pair)
        if _stranger(call, pair):
            return missing(call.settings, "member", b'{"message":null}')
    accepted = call.settings.bulk_status == "accepted"
    for pair in pairs:
        _ask(call, pair, "accepted" if accepted else call.settings.friend_status)
    return encode({"message": "Friends added successfully"})


def accept(call: Call) -> bytes:
    """Turn an open request into a friendship."""
    return _settle(call, "accepted")


def reject(call: Call) -> bytes:
    """Turn an open request down."""
    return _settle(call, "rejected")


def _settle(call: Call, status: Literal["accepted", "rejected"]) -> bytes:
    pair = call.read(_PAIR)
    # D19: userId is the one who was asked; either order will do unless strict.
    found = _between(call, pair.friend_id, pair.user_id)
    if found is None and call.settings.mode != "strict":
        found = _between(call, pair.user_id, pair.friend_id)
    if found is None or found.status not in _OPEN:
        raise RefusedError.conflict("there is no open friend request between these users")
    found.status, found.updated_at = status, call.stamp
    call.store.change(FRIENDSHIPS, _row(found, call.now))
    return b'{"friendship":%s}' % _introduced(call, found, "nickname")


def _refuse_oneself(pair: _Pair) -> None:
    if pair.user_id == pair.friend_id:
        raise RefusedError.parameter("userId and friendId are the same")


def _stranger(call: Call, pair: _Pair) -> bool:
    return any(members.find(call, user_id) is None for user_id in (pair.user_id, pair.friend_id))


def _ask(call: Call, pair: _Pair, status: str) -> Friendship:
    found = _between(call, pair.user_id, pair.friend_id)
    found = found or _between(call, pair.friend_id, pair.user_id)
    if found is not None and found.status != "rejected":
        if status == "accepted" and found.status in _OPEN:
            found.status, found.updated_at = status, call.stamp
            call.store.change(FRIENDSHIPS, _row(found, call.now))
        return found
    if found is not None:
        call.store.remove(FRIENDSHIPS, found.id)
    friendship = Friendship(
        project_id=call.project.project_id,
        id=call.project.object_id(call.now),
        status=status,
        user_id=pair.user_id,
        friend_id=pair.friend_id,
        created_at=call.stamp,
        updated_at=call.stamp,
        requested_at=call.stamp,
    )
    call.store.add(FRIENDSHIPS, _row(friendship, call.now))
    return friendship


def _between(call: Call, user_id: str, friend_id: str) -> Friendship | None:
    body = call.store.first(FRIENDSHIPS, "user_id = ? AND friend_id = ?", (user_id, friend_id))
    return None if body is None else _STORED.decode(body)


def _row(friendship: Friendship, now: float) -> Row:
    typed = (friendship.user_id, friendship.friend_id)
    return Row(friendship.id, int(now * 1000), int(now), typed, encode(friendship))


def _introduced(call: Call, friendship: Friendship, name_field: str) -> bytes:
    """Return a friendship with the users as they are now, named under `name_field` (D15)."""
    friendship.user = _user(call, friendship.user_id, name_field)
    friendship.friend = _user(call, friendship.friend_id, name_field)
    return encode(friendship)


def _user(call: Call, user_id: str, name_field: str) -> dict[str, str | None] | None:
    member = members.find(call, user_id)
    if member is None:
        return None
    return {"id": user_id, name_field: member.name, "profile": member.profile}
