"""Friendships between members."""

from collections.abc import Iterable

from msgspec import UNSET, UnsetType

from ncloudchat_async.checks import check_type
from ncloudchat_async.errors import ConfigError
from ncloudchat_async.models import Friendship, FriendshipReceipt
from ncloudchat_async.models.friends import FriendDraft, FriendPair
from ncloudchat_async.resources.base import Resource, typed
from ncloudchat_async.wire.endpoint import Endpoint, check_id

__all__ = ["Friends", "friend_pairs"]

_IDS = 2


class Friends(Resource):
    """Friend requests and their answers.

    None of these calls may be repeated blindly: where a lost answer leaves it open whether
    one was applied, they raise `OutcomeUnknownError`. One that is cancelled may have been
    applied.
    """

    _REQUEST = Endpoint(
        "POST",
        "/v1/api/friendship/request",
        Friendship,
        envelope=("friendship", "data.requestFriend.friendship"),
        names_ids=True,
    )
    _REQUEST_MANY = Endpoint("POST", "/v1/api/friendship/bulk", FriendshipReceipt, names_ids=True)
    _ACCEPT = Endpoint(
        "POST", "/v1/api/friendship/accept", Friendship, envelope=("friendship",), names_ids=True
    )
    _REJECT = Endpoint(
        "POST", "/v1/api/friendship/reject", Friendship, envelope=("friendship",), names_ids=True
    )

    async def request(
        self, user_id: str, friend_id: str, *, message: str | UnsetType = UNSET
    ) -> Friendship:
        """Ask `friend_id` for friendship in the name of `user_id` (`…-friendship`).

        Args:
            user_id: Who asks.
            friend_id: Who is asked.
            message: A text that goes with it.

        Raises:
            ConfigError: An id cannot be used; nothing was sent.
            NotFoundError: One of them is no member.
            OutcomeUnknownError: Whether it was requested is not known.
        """
        pair = _pair(user_id, friend_id)
        draft = FriendDraft(user_id=pair.user_id, friend_id=pair.friend_id, message=message)
        return await self._send(self._REQUEST(body=typed(draft)))

    async def request_many(self, pairs: Iterable[tuple[str, str]]) -> FriendshipReceipt:
        """Send several friend requests in one call (`…-friendshipmultiple`).

        The answer is a text and no more: it speaks of friends "added", while the
        documentation speaks of requests (D18).

        Args:
            pairs: `(user_id, friend_id)` of each request, at least one.

        Raises:
            ConfigError: There is no pair, one is none, or an id cannot be used; nothing was
                sent.
            NotFoundError: One of them is no member.
            OutcomeUnknownError: Whether they were requested is not known.
        """
        body = friend_pairs("pairs", pairs)
        if not body:
            raise ConfigError("request_many needs at least one pair of ids")
        return await self._send(self._REQUEST_MANY(body=body))

    async def accept(self, user_id: str, friend_id: str) -> Friendship:
        """Accept a request (`…-friendshipaccept`).

        Args:
            user_id: Who accepts, that is who was asked.
            friend_id: Who had asked. The documentation's samples disagree on the order
                (D19); this is the order of the platform's own SDK.

        Raises:
            ConfigError: An id cannot be used; nothing was sent.
            BadRequestError, NotFoundError: There is no open request between them; which of the
                two is not documented.
            OutcomeUnknownError: Whether it was accepted is not known.
        """
        return await self._send(self._ACCEPT(body=_pair(user_id, friend_id)))

    async def reject(self, user_id: str, friend_id: str) -> Friendship:
        """Reject a request (`…-friendshipreject`).

        Args:
            user_id: Who rejects, that is who was asked.
            friend_id: Who had asked; see `accept`.

        Raises:
            ConfigError: An id cannot be used; nothing was sent.
            BadRequestError, NotFoundError: As for `accept`.
            OutcomeUnknownError: Whether it was rejected is not known.
        """
        return await self._send(self._REJECT(body=_pair(user_id, friend_id)))


def friend_pairs(name: str, pairs: Iterable[tuple[str, str]]) -> list[FriendPair]:
    """Read pairs of ids to their end, if each is one.

    Args:
        name: What the pairs are called, for the error.
        pairs: `(user_id, friend_id)` of each.

    Raises:
        ConfigError: They are no iterable, one is no pair, or an id cannot be used.
    """
    check_type(name, pairs, Iterable, "an iterable of (user_id, friend_id)")
    found: list[FriendPair] = []
    for pair in pairs:
        # Never "ab" for "a" and "b".
        check_type(f"each of the {name}", pair, (tuple, list), "(user_id, friend_id)")
        if len(pair) != _IDS:
            raise ConfigError(f"each of the {name} is (user_id, friend_id), not {len(pair)} ids")
        found.append(_pair(*pair))
    return found


def _pair(user_id: str, friend_id: str) -> FriendPair:
    return FriendPair(
        user_id=check_id("user_id", user_id), friend_id=check_id("friend_id", friend_id)
    )
