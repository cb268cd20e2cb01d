"""Operations on channels, subscriptions and tokens, as their pages tell."""

import base64
from typing import Any

import jwt
import pytest

from tests.emulator.raw import TEN_MINUTES_PAST, Api, Clock


def test_creation_answers_a_whole_channel(timed: Api) -> None:
    """Every documented field, the key's owner as creator, a Relay global id in user.id."""
    answer = timed.ok("POST", "/channels", {"name": "notice", "type": "PUBLIC"})
    owner = timed.emulator.settings.admin_id
    channel = answer["channel"]
    assert list(answer) == ["channel", "status"]
    assert list(channel) == [
        *["id", "project_id", "name", "user_id", "user", "unique_id", "type", "translation"],
        *["members", "disabled", "mutes", "push", "limit", "link_url", "image_url"],
        *["created_at", "updated_at"],
    ]
    assert base64.b64decode(channel["user"].pop("id")).decode() == f"Members:{owner}"
    assert channel == {
        "id": channel["id"],
        "project_id": timed.emulator.project_id,
        "name": "notice",
        "user_id": owner,
        "user": {"name": "Admin", "profile": ""},
        "unique_id": None,
        "type": "PUBLIC",
        "translation": False,
        "members": [],
        "disabled": False,
        "mutes": False,
        "push": True,  # D24
        "limit": 0,
        "link_url": None,
        "image_url": None,
        "created_at": "2025-07-23T16:10:00+09:00",
        "updated_at": "2025-07-23T16:10:00+09:00",
    }


def test_what_is_sent_comes_back(api: Api) -> None:
    """D25, D26, D27: fields are echoed; a private channel keeps its members."""
    channel = api.channel(
        type="PRIVATE",
        uniqueId="u-1",
        translation=True,
        members=["user-1"],
        disabled=True,
        mutes=True,
        push=False,
        limit=20,
        linkUrl="https://a.example/x",
        imageUrl="https://a.example/x.png",
    )
    assert api.ok("GET", f"/channels/{channel['id']}") == channel
    assert (channel["type"], channel["unique_id"], channel["members"]) == (
        "PRIVATE",
        "u-1",
        ["user-1"],
    )
    assert (channel["disabled"], channel["mutes"], channel["push"]) == (True, True, False)
    assert (channel["limit"], channel["translation"]) == (20, True)
    assert channel["link_url"] == "https://a.example/x"
    assert channel["image_url"] == "https://a.example/x.png"


def test_update_changes_the_given_fields_only(timed: Api, clock: Clock) -> None:
    """D25: editing is a patch; a public channel has no members, whatever is sent."""
    channel = timed.channel(limit=5)
    clock.at += 60
    path = f"/channels/{channel['id']}"
    answer = timed.ok("PUT", path, {"name": "new", "members": ["user-1"]})
    expected = {**channel, "name": "new", "updated_at": "2025-07-23T16:11:00+09:00"}
    assert answer == {"channel": expected, "status": 1}
    assert timed.ok("PUT", path, {"name": ""})["status"] == -100


def test_deletion_returns_the_channel_and_hides_it(api: Api) -> None:
    """A deleted channel is gone from get and list, and its messages with it."""
    channel = api.channel()
    message = api.message(channel["id"])
    path = f"/channels/{channel['id']}"
    assert api.ok("DELETE", path) == {"channel": channel, "status": 1}
    assert api.ok("GET", path) is None
    assert api.ok("GET", "/channels", filter={}) == []
    assert api.ok("GET", f"/messages/{channel['id']}/{message['id']}") is None
    assert api.ok("GET", f"/messages/{channel['id']}", filter={}) == []
    assert api.ok("DELETE", path) == {"channel": None, "status": 1}


def test_names_are_measured_in_bytes(api: Api) -> None:
    """A name may have 90 bytes of UTF-8, which is 30 Hangul syllables; the limit is a setting."""
    assert api.channel("가" * 30)["name"] == "가" * 30
    longer = {"name": "가" * 30 + "a", "type": "PUBLIC"}
    assert api.ok("POST", "/channels", longer)["status"] == -100
    api.set(channel_name_bytes=None)
    assert api.ok("POST", "/channels", longer)["status"] == 1


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "PUBLIC"},
        {"name": "", "type": "PUBLIC"},
        {"name": "n"},
        {"name": "n", "type": 1},
        {"name": "n", "type": "PUBLIC", "limit": -1},
        {"name": "n", "type": "PUBLIC", "push": "x"},
    ],
)
def test_creation_needs_name_and_type(api: Api, sent: dict[str, object]) -> None:
    """A missing or mistyped field is refused with -100."""
    assert api.ok("POST", "/channels", sent)["status"] == -100


def test_other_types_pass_in_lenient_mode_only(api: Api) -> None:
    """The documented types are PUBLIC and PRIVATE."""
    odd = {"name": "n", "type": "OPEN"}
    assert api.ok("POST", "/channels", odd)["status"] == -100
    api.set(mode="lenient")
    assert api.ok("POST", "/channels", odd)["channel"]["type"] == "OPEN"


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://a.example/x", True),
        ("http://a.example/?q=1", True),
        ("https://a.example", False),
        ("https://a.example/", False),
        ("a.example/x", False),
        ("ftp://a.example/x", False),
        ("https:///x", False),
        ("https://a.example/x y", False),
        ("https://[bad/x", False),
    ],
)
def test_urls_are_judged_by_form(api: Api, url: str, good: bool) -> None:
    """A link needs http, a host and more than a bare domain; D26: it can be dropped instead."""
    sent = {"name": "n", "type": "PUBLIC", "linkUrl": url}
    assert api.ok("POST", "/channels", sent)["status"] == (1 if good else -100)
    api.set(channel_urls="drop")
    assert api.channel(imageUrl=url)["image_url"] == (url if good else None)
    api.set(channel_urls="drop_all")
    assert api.channel(linkUrl=url)["link_url"] is None
    api.set(channel_urls="echo")
    assert api.channel(linkUrl=url)["link_url"] == url


def test_unique_ids_are_unique_unless_switched_off(api: Api) -> None:
    """A second channel with the same uniqueId is refused; a deleted one frees it."""
    first = api.channel(uniqueId="u-1")
    again = {"name": "n", "type": "PUBLIC", "uniqueId": "u-1"}
    assert api.ok("POST", "/channels", again)["status"] == -101
    assert api.ok("PUT", f"/channels/{first['id']}", {"uniqueId": "u-1"})["status"] == 1
    api.ok("DELETE", f"/channels/{first['id']}")
    assert api.ok("POST", "/channels", again)["status"] == 1
    api.set(repeat_unique_id="allow")
    assert api.ok("POST", "/channels", again)["status"] == 1


def test_subscriptions_are_listed_as_documented(timed: Api) -> None:
    """D30: the nested user has no id; REST only lists what the test made."""
    timed.member("user-1", profile="p")
    channel = timed.channel()
    made = timed.emulator.add_subscription(channel["id"], "user-1", online=True, language="ko")
    assert timed.ok("GET", "/subscriptions", filter={"online": True}) == [
        {
            "id": made,
            "project_id": timed.emulator.project_id,
            "channel_id": channel["id"],
            "user_id": "user-1",
            "online": True,
            "language": "ko",
            "push": True,
            "mute": False,
            "user": {"name": "user-1", "profile": "p"},
            "mark": {"user_id": None, "message_id": None, "sort_id": None},
            "created_at": "2025-07-23T16:10:00+09:00",
            "updated_at": "2025-07-23T16:10:00+09:00",
        }
    ]


def claims(api: Api, token: str) -> Any:
    """Verify a token as a third party would."""
    options: Any = {"verify_exp": False}
    return jwt.decode(token, api.emulator.token_secret, algorithms=["HS256"], options=options)


def test_tokens_are_signed_jwts(timed: Api) -> None:
    """D08: any id gets an HS256 JWT with projects, id and time zones, valid for expireDay days."""
    answer = timed.ok("POST", "/token", id="nobody", expireDay="3")
    assert (answer["status"], answer["message"]) == (1, "")
    held = claims(timed, answer["token"])
    assert next(iter(held.values())) == [timed.emulator.project_id]
    assert (held["id"], held["projectTimezones"]) == ("nobody", ["Asia/Seoul"])
    assert held["exp"] == TEN_MINUTES_PAST + 3 * 86_400


def test_tokens_take_a_body_and_the_query_wins(api: Api) -> None:
    """D06: parameters may come as JSON, and the query counts first."""
    body = {"id": "body", "expireDay": 2}
    assert claims(api, api.ok("POST", "/token", body)["token"])["id"] == "body"
    assert claims(api, api.ok("POST", "/token", body, id="query")["token"])["id"] == "query"


@pytest.mark.parametrize("days", ["0", "91", "-1", "x", "1.5", "", "1_0", " 5", "+5", "\uff15"])
def test_token_days_are_bounded(api: Api, days: str) -> None:
    """D07: 1 to 90 days; without the bound, at least 1."""
    assert api.ok("POST", "/token", id="user-1", expireDay=days)["status"] == -100
    api.set(max_expire_days=None)
    status = api.ok("POST", "/token", id="user-1", expireDay=days)["status"]
    assert status == (1 if days == "91" else -100)


def test_tokens_for_members_only(api: Api) -> None:
    """D08: the emulator can refuse a token to a stranger."""
    api.set(tokens_for_members_only=True, missing="status")
    assert api.ok("POST", "/token", id="user-1", expireDay="1")["status"] == -1
    api.member()
    assert api.ok("POST", "/token", id="user-1", expireDay="1")["status"] == 1
    assert api.ok("POST", "/token", expireDay="1")["status"] == -100
