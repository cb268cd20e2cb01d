"""Decides what subscriptions look like over REST, which only lists them."""

from ncloudchat_async.emulator.lists import answer_list
from ncloudchat_async.emulator.objects import Subscription, encode
from ncloudchat_async.emulator.project import Call
from ncloudchat_async.emulator.store import SUBSCRIPTIONS, Row

__all__ = ["list_", "row"]


def row(subscription: Subscription, now: float) -> Row:
    """Return how a subscription is stored."""
    typed = (subscription.channel_id, subscription.user_id, int(subscription.online))
    return Row(subscription.id, int(now * 1000), int(now), typed, encode(subscription))


def list_(call: Call) -> bytes:
    """List subscriptions of all channels."""
    return answer_list(call, SUBSCRIPTIONS)
