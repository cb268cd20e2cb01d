"""What travels on the wire: frozen structs, one module per noun."""

from ncloudchat_async.models.channels import Channel, ChannelType, ChannelUser, decode_node_id
from ncloudchat_async.models.friends import (
    FriendPair,
    Friendship,
    FriendshipReceipt,
    FriendUser,
)
from ncloudchat_async.models.members import (
    Member,
    MemberNotification,
    Notification,
    NotificationPatch,
)
from ncloudchat_async.models.messages import Attachment, Message, Sender
from ncloudchat_async.models.subscriptions import Mark, Subscription, SubscriptionUser
from ncloudchat_async.models.tokens import Token

__all__ = [
    "Attachment",
    "Channel",
    "ChannelType",
    "ChannelUser",
    "FriendPair",
    "FriendUser",
    "Friendship",
    "FriendshipReceipt",
    "Mark",
    "Member",
    "MemberNotification",
    "Message",
    "Notification",
    "NotificationPatch",
    "Sender",
    "Subscription",
    "SubscriptionUser",
    "Token",
    "decode_node_id",
]
