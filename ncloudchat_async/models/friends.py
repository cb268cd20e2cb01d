"""Friendships between members, and requests for them."""

from msgspec import UNSET, UnsetType
from msgspec.structs import force_setattr

from ncloudchat_async.models.base import Draft, Model, Timestamp

__all__ = ["FriendDraft", "FriendPair", "FriendUser", "Friendship", "FriendshipReceipt"]


class FriendUser(Model, frozen=True, kw_only=True):
    """One side of a friendship."""

    id: str | None = None
    name: str | None = None
    """`nickname` where the platform sends that instead, or no name."""
    nickname: str | None = None
    profile: str | None = None

    def __post_init__(self) -> None:
        """Let `name` hold what accept and reject call `nickname`."""
        if not self.name and self.nickname:
            force_setattr(self, "name", self.nickname)


class Friendship(Model, frozen=True, kw_only=True):
    """A request, or what became of it (`bizapp-ncloudchat-friendship`)."""

    id: str
    project_id: str | None = None
    status: str | None = None
    """`requested` or `pending`, `accepted`, `rejected`; kept open."""
    user_id: str | None = None
    """Who asked."""
    user: FriendUser | None = None
    friend_id: str | None = None
    """Who was asked."""
    friend: FriendUser | None = None
    created_at: Timestamp = None
    updated_at: Timestamp = None
    requested_at: Timestamp = None

    @property
    def is_pending(self) -> bool:
        """Whether the request waits for an answer, by either of its two words."""
        return self.status in {"requested", "pending"}


class FriendshipReceipt(Model, frozen=True, kw_only=True):
    """The answer to `friends.request_many`: a text, and no promise beyond it."""

    message: str


class FriendPair(Draft, frozen=True, kw_only=True):
    """The two members of a friend operation."""

    user_id: str
    friend_id: str


class FriendDraft(FriendPair, frozen=True, kw_only=True):
    """What requests a friendship."""

    message: str | UnsetType = UNSET
