"""Answers as the platform's documentation describes them, with its oddities; written for tests.

Each is (endpoint, body, what the decoded value must show).
"""

import base64
from typing import Any

from ncloudchat_async import Endpoint
from ncloudchat_async.resources.channels import Channels
from ncloudchat_async.resources.friends import Friends
from ncloudchat_async.resources.members import Members
from ncloudchat_async.resources.messages import Messages
from ncloudchat_async.resources.subscriptions import Subscriptions
from ncloudchat_async.resources.tokens import Tokens

WHEN = "2025-07-23T16:02:00+09:00"

NOTIFICATION = {
    "token": "device-token",
    "device": "sandbox",
    "os": "ios",
    "push": True,
    "ad": False,
    "night": None,
    "timezone": "Asia/Seoul",
}
MEMBER = {
    "id": "user-1",
    "project_id": "p-1",
    "member_id": "user-1",
    "name": "Kim",
    "profile": "",
    "memo": None,
    "country": "KR",
    "remoteip": "192.0.2.1",
    "adid": None,
    "device": None,
    "network": None,
    "version": None,
    "model": None,
    "deleted": False,
    "online": True,
    "customField": "{ageGroup: 20s}",
    "device_type": ["web", None],
    "push": True,
    "memberblock_id": "TBD",
    "notifications": NOTIFICATION,
    "language": "ko",
    "logined_at": None,
    "created_at": WHEN,
    "updated_at": "2025-07-22T23:02:00-08:00",
    "deleted_at": None,
}
MEMBER_OF_2023 = {k: v for k, v in MEMBER.items() if k not in ("notifications", "language")}
CHANNEL: dict[str, Any] = {
    "id": "0f5a3c2e-0000-4000-8000-000000000001",
    "project_id": "p-1",
    "name": "notice",
    "user_id": "admin@example.com",
    "user": {
        "id": base64.b64encode(b"Members:admin@example.com").decode(),
        "name": "Admin",
        "profile": "",
    },
    "unique_id": None,
    "type": "PUBLIC",
    "translation": False,
    "members": [],
    "disabled": False,
    "mutes": False,
    "push": True,
    "limit": 0,
    "link_url": None,
    "image_url": None,
    "created_at": WHEN,
    "updated_at": WHEN,
}
MESSAGE = {
    "id": "6880885800000000000000aa",
    "message_id": "6880885800000000000000aa",
    "channel_id": CHANNEL["id"],
    "sort_id": "1753254120123",
    "message_type": "text",
    "sender": {"id": "admin@example.com", "name": "Admin", "profile": ""},
    "admin": {"id": "", "name": "", "profile": ""},
    "attachment_filenames": {"name": "", "size": 0, "type": "text", "url": ""},
    "has": "",
    "embed_providers": "",
    "embed_type": "",
    "isExpress": False,
    "link_hostnames": "",
    "mentions": [],
    "mentions_everyone": "false",
    "content": "안녕하세요",
    "sended_at": WHEN,
    "created_at": WHEN,
}
FRIENDSHIP = {
    "project_id": "p-1",
    "id": "6880885800000000000000bb",
    "status": "requested",
    "user_id": "user-1",
    "user": {"id": "user-1", "name": "Kim", "profile": None},
    "friend_id": "user-2",
    "friend": {"id": "user-2", "name": "Lee", "profile": None},
    "created_at": WHEN,
    "updated_at": WHEN,
    "requested_at": WHEN,
}
ANSWERED = FRIENDSHIP | {
    "status": "accepted",
    "user": {"id": "user-1", "nickname": "Kim", "profile": ""},
    "friend": {"id": "user-2", "nickname": "Lee", "profile": ""},
}
SUBSCRIPTION = {
    "id": "6880885800000000000000cc",
    "project_id": "p-1",
    "channel_id": CHANNEL["id"],
    "user_id": "user-1",
    "online": True,
    "language": "ko",
    "push": True,
    "mute": False,
    "user": {"name": "Kim", "profile": ""},
    "mark": {"user_id": "user-2", "message_id": MESSAGE["id"], "sort_id": "1753254120123"},
    "created_at": WHEN,
    "updated_at": WHEN,
}
SETTINGS = {"id": "user-1", "notifications": NOTIFICATION}
CLEARED = {"id": "user-1", "notifications": dict.fromkeys(NOTIFICATION)}

SAMPLES: list[tuple[Endpoint[Any], object]] = [
    (Tokens._ISSUE, {"status": 1, "token": "aaa.bbb.ccc", "message": ""}),
    (Tokens._ISSUE, {"status": 1, "token": "aaa.bbb.ccc", "message": None}),
    (Members._LIST, [MEMBER, MEMBER_OF_2023]),
    (Members._COUNT, {"count": 2}),
    (Members._REGISTER, {"member": MEMBER, "status": 1}),
    (Members._GET, MEMBER),
    (Members._GET, MEMBER_OF_2023),
    (Members._GET, MEMBER | {"memberblock_id": {"id": "b", "status": 1}}),
    (Members._UPDATE, {"member": MEMBER, "status": 1}),
    (Members._DELETE, {"member": MEMBER | {"deleted": True, "deleted_at": WHEN}, "status": 1}),
    (Members._RESTORE, {"member": MEMBER_OF_2023, "status": 1}),
    (Members._SET_NOTIFICATION, {"member": SETTINGS, "status": 1}),
    (Members._GET_NOTIFICATION, SETTINGS),
    (Members._DELETE_NOTIFICATION, {"member": CLEARED, "status": 1}),
    (Friends._REQUEST, {"data": {"requestFriend": {"friendship": FRIENDSHIP}}}),
    (Friends._REQUEST, {"friendship": ANSWERED | {"status": "pending"}}),
    (Friends._REQUEST_MANY, {"message": "Friends added successfully"}),
    (Friends._ACCEPT, {"friendship": ANSWERED}),
    (Friends._REJECT, {"friendship": ANSWERED | {"status": "rejected"}, "status": 1}),
    (Messages._SEND, {"message": MESSAGE, "status": 1}),
    (Messages._LIST, [MESSAGE, MESSAGE | {"isExpress": None, "sended_at": None}]),
    (Messages._GET, MESSAGE),
    (Messages._GET, MESSAGE | {"mentions_everyone": True, "mentions": ["user-1", None]}),
    (
        Messages._GET,
        MESSAGE
        | {
            "message_type": "file",
            "attachment_filenames": {
                "name": "a.png",
                "size": 12.0,
                "type": "image/png",
                "url": "/a.png",
            },
            "has": "image",
            "bytes": 12,
            "parent_message_id": None,
        },
    ),
    (Messages._DELETE, {"message": MESSAGE, "status": 1}),
    (Channels._CREATE, {"channel": CHANNEL, "status": 1}),
    (Channels._LIST, [CHANNEL, CHANNEL | {"type": "SUPERGROUP", "new_field": {"a": [1]}}]),
    (Channels._COUNT, 7),
    (Channels._GET, CHANNEL),
    (Channels._GET, CHANNEL | {"image_url": "https://example.com/a.png"}),
    (Channels._GET, CHANNEL | {"image_url": ["https://example.com/a.png"], "members": None}),
    (Channels._UPDATE, {"channel": CHANNEL, "status": 1}),
    (Channels._DELETE, {"channel": CHANNEL, "status": 1}),
    (Subscriptions._LIST, [SUBSCRIPTION, SUBSCRIPTION | {"mark": None, "user": None}]),
    (Subscriptions._COUNT, {"totalCount": 3}),
]
