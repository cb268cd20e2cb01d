"""Subscriptions: which member joined which channel."""

from ncloudchat_async.models.base import Model, Timestamp

__all__ = ["Mark", "Subscription", "SubscriptionUser"]


class Mark(Model, frozen=True, kw_only=True):
    """How far a subscriber has read."""

    user_id: str | None = None
    message_id: str | None = None
    sort_id: str | None = None
    unread: int | None = None


class SubscriptionUser(Model, frozen=True, kw_only=True):
    """The subscriber; the documentation shows no id here: use `Subscription.user_id`."""

    id: str | None = None
    name: str | None = None
    profile: str | None = None


class Subscription(Model, frozen=True, kw_only=True):
    """One member in one channel (`bizapp-ncloudchat-subscription`)."""

    id: str
    project_id: str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    online: bool | None = None
    language: str | None = None
    push: bool | None = None
    mute: bool | None = None
    user: SubscriptionUser | None = None
    mark: Mark | None = None
    created_at: Timestamp = None
    updated_at: Timestamp = None
