"""Subscriptions of members to channels."""

from ncloudchat_async.models import Subscription
from ncloudchat_async.resources.base import Listed
from ncloudchat_async.wire.endpoint import Endpoint

__all__ = ["Subscriptions"]


class Subscriptions(Listed[Subscription]):
    """Who joined which channel; made by the platform's SDKs, only listed here.

    The documented filter keys of `list` (`bizapp-ncloudchat-subscription`) are `channel_id`,
    `user_id` and `online`.
    """

    _LIST = Endpoint("GET", "/v1/api/subscriptions", list[Subscription])
    _COUNT: Endpoint[object] = Endpoint("GET", "/v1/api/subscriptions", object)
