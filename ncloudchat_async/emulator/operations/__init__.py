"""Decides which function carries out which operation; the functions stand beside their noun."""

from collections.abc import Callable, Mapping

from ncloudchat_async.emulator.operations import (
    channels,
    friends,
    members,
    messages,
    subscriptions,
    tokens,
)
from ncloudchat_async.emulator.project import Call

__all__ = ["OPERATIONS"]

OPERATIONS: Mapping[str, Callable[[Call], bytes]] = {
    "issueToken": tokens.issue,
    "listMembers": members.list_,
    "registerMember": members.register,
    "getMember": members.get,
    "updateMember": members.update,
    "deleteMember": members.withdraw,
    "restoreMember": members.restore,
    "setMemberNotification": members.set_notification,
    "getMemberNotification": members.get_notification,
    "deleteMemberNotification": members.delete_notification,
    "requestFriend": friends.request,
    "requestFriendsBulk": friends.request_bulk,
    "acceptFriend": friends.accept,
    "rejectFriend": friends.reject,
    "sendMessage": messages.send,
    "listMessages": messages.list_,
    "getMessage": messages.get,
    "deleteMessage": messages.delete,
    "createChannel": channels.create,
    "listChannels": channels.list_,
    "getChannel": channels.get,
    "updateChannel": channels.update,
    "deleteChannel": channels.delete,
    "listSubscriptions": subscriptions.list_,
}
"""Operation id to what it does. Each returns a finished body or raises a refusal."""
