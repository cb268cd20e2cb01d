"""Operations on members, as the user pages tell."""

from typing import Any

import pytest

from tests.emulator.raw import Api, Clock

PUSH = ["token", "device", "os", "push", "ad", "night", "timezone"]
FIELDS = [
    *["id", "project_id", "member_id", "name", "profile", "memo", "country", "remoteip", "adid"],
    *["device", "network", "version", "model", "deleted", "online", "customField", "device_type"],
    *["push", "memberblock_id", "notifications", "logined_at", "created_at", "updated_at"],
    "deleted_at",
]


def test_registration_answers_a_whole_member(timed: Api) -> None:
    """A fresh member has every documented field, with the documented defaults."""
    sent = {"userId": "user-1", "name": "Kim", "profile": "https://a.example/k.png"}
    sent["customField"] = "{ageGroup: 20s}"
    answer = timed.ok("POST", "/members", sent)
    member = answer["member"]
    assert list(answer) == ["member", "status"]
    assert answer["status"] == 1
    assert list(member) == FIELDS
    filled: dict[str, Any] = {key: value for key, value in member.items() if value is not None}
    assert filled == {
        "id": "user-1",
        "project_id": timed.emulator.project_id,
        "member_id": "user-1",
        "name": "Kim",
        "profile": "https://a.example/k.png",
        "customField": "{ageGroup: 20s}",
        "deleted": False,
        "online": False,
        "push": True,
        "device_type": [],
        "notifications": dict.fromkeys(PUSH),
        "created_at": "2025-07-23T16:10:00+09:00",
        "updated_at": "2025-07-23T16:10:00+09:00",
    }


def test_get_answers_the_bare_member(api: Api) -> None:
    """Getting a member has no envelope."""
    assert api.ok("GET", "/members/user-1") is None
    member = api.member()
    assert api.ok("GET", "/members/user-1") == member


def test_update_changes_the_given_fields_only(timed: Api, clock: Clock) -> None:
    """Editing leaves other fields alone, clears with null and merges push settings."""
    timed.member(profile="p", customField="c", notifications={"token": "t", "device": "FCM"})
    clock.at += 60
    changes = {"name": "Lee", "profile": None, "notifications": {"push": True}}
    answer = timed.ok("PUT", "/members/user-1", changes)
    member = answer["member"]
    assert answer["status"] == 1
    assert (member["name"], member["profile"], member["customField"]) == ("Lee", None, "c")
    expected = {**dict.fromkeys(PUSH), "token": "t", "device": "FCM", "push": True}
    assert member["notifications"] == expected
    assert member["created_at"] == "2025-07-23T16:10:00+09:00"
    assert member["updated_at"] == "2025-07-23T16:11:00+09:00"


def test_update_refuses_an_empty_name_and_clears_push_settings(api: Api) -> None:
    """A name cannot be taken away; null clears all push settings at once."""
    api.member(notifications={"token": "t"})
    for name in ("", None):
        assert api.ok("PUT", "/members/user-1", {"name": name})["status"] == -100
    member = api.ok("PUT", "/members/user-1", {"notifications": None})["member"]
    assert (member["name"], member["notifications"]) == ("user-1", dict.fromkeys(PUSH))


def test_timestamps_follow_the_projects_time_zone(timed: Api) -> None:
    """The offset is the project's: +09:00 by default, another one if set."""
    timed.set(utc_offset_minutes=-480)
    assert timed.member()["created_at"] == "2025-07-22T23:10:00-08:00"


def test_withdrawal_is_soft_and_can_be_taken_back(timed: Api, clock: Clock) -> None:
    """DELETE marks a member, DELETE on restore takes it back and answers without push settings."""
    timed.member()
    gone = timed.ok("DELETE", "/members/user-1")
    assert gone["member"]["deleted"] is True
    assert gone["member"]["deleted_at"] == "2025-07-23T16:10:00+09:00"
    clock.at += 60
    assert timed.ok("DELETE", "/members/user-1") == gone
    assert timed.ok("GET", "/members/user-1") == gone["member"]
    back = timed.ok("DELETE", "/members/user-1/restore")
    assert back["status"] == 1
    assert (back["member"]["deleted"], back["member"]["deleted_at"]) == (False, None)
    assert list(back["member"]) == [field for field in FIELDS if field != "notifications"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_restore_takes_other_verbs_in_lenient_mode_only(api: Api, method: str) -> None:
    """D12: the documented verb is DELETE; lenient mode takes POST and PUT too."""
    api.member()
    api.ok("DELETE", "/members/user-1")
    reply = api.send(method, "/v1/api/members/user-1/restore")
    assert (reply.status, reply.headers["allow"]) == (405, "DELETE, OPTIONS")
    api.set(mode="lenient")
    assert api.ok(method, "/members/user-1/restore")["member"]["deleted"] is False


def test_push_settings_are_set_read_and_cleared(api: Api) -> None:
    """POST merges and answers in an envelope, GET answers bare, DELETE nulls all seven fields."""
    api.member()
    path = "/members/user-1/notification"
    # D13: any device is taken.
    first = api.ok("POST", path, {"token": "t", "device": "sandbox", "push": True})
    held = {**dict.fromkeys(PUSH), "token": "t", "device": "sandbox", "push": True}
    assert first == {"member": {"id": "user-1", "notifications": held}, "status": 1}
    api.ok("POST", path, {"night": False, "timezone": "Asia/Seoul"})
    held |= {"night": False, "timezone": "Asia/Seoul"}
    assert api.ok("GET", path) == {"id": "user-1", "notifications": held}
    cleared = {"id": "user-1", "notifications": dict.fromkeys(PUSH)}
    assert api.ok("DELETE", path) == {"member": cleared, "status": 1}
    assert api.ok("GET", path) == cleared


@pytest.mark.parametrize("user_id", ["abc", "a" * 129, "kim@example.com", "a/b/c", ""])
def test_registration_enforces_the_user_id_rule(api: Api, user_id: str) -> None:
    """D10: 4 to 128 of A-Z a-z 0-9 - _; the rule can be switched off."""
    sent = {"userId": user_id, "name": "n"}
    assert api.ok("POST", "/members", sent)["status"] == -100
    api.set(user_id_rule=False)
    assert api.ok("POST", "/members", sent)["status"] == (1 if user_id else -100)


def test_paths_take_any_id(api: Api) -> None:
    """D10: an id in a path is one percent-encoded segment, whatever it holds."""
    api.set(user_id_rule=False)
    api.member("a/b@c d%2F한글?")
    path = "/members/a%2Fb%40c%20d%252F%ED%95%9C%EA%B8%80%3F"
    assert api.ok("GET", path)["id"] == "a/b@c d%2F한글?"
    assert api.ok("DELETE", f"{path}/notification")["member"]["id"] == "a/b@c d%2F한글?"


@pytest.mark.parametrize(
    "sent", [{}, {"userId": "user-1"}, {"userId": "user-1", "name": ""}, {"userId": 7, "name": "n"}]
)
def test_registration_needs_id_and_name(api: Api, sent: dict[str, object]) -> None:
    """A missing, empty or mistyped field is refused with -100 and a text."""
    answer = api.ok("POST", "/members", sent)
    assert answer["status"] == -100
    assert answer["message"]


@pytest.mark.parametrize(
    ("switch", "name", "status"),
    [("refuse", None, -101), ("return", "user-1", 1), ("update", "again", 1)],
)
def test_second_registration(api: Api, switch: str, name: str | None, status: int) -> None:
    """D11: registering an existing id is refused; it can return or update the member instead."""
    api.member()
    api.set(repeat_registration=switch)
    answer = api.ok("POST", "/members", {"userId": "user-1", "name": "again"})
    assert answer["status"] == status
    assert name is None or answer["member"]["name"] == name


def test_registration_of_a_withdrawn_id(api: Api) -> None:
    """D11: registering a withdrawn id is refused; it can restore the member instead."""
    api.member()
    api.ok("DELETE", "/members/user-1")
    again = {"userId": "user-1", "name": "again"}
    assert api.ok("POST", "/members", again)["status"] == -101
    api.set(withdrawn_registration="restore")
    member = api.ok("POST", "/members", again)["member"]
    assert (member["name"], member["deleted"], member["deleted_at"]) == ("again", False, None)


def test_withdrawn_members_are_listed_unless_switched_off(api: Api) -> None:
    """Lists hold withdrawn members; without them, a filter on deleted still finds them."""
    api.member("user-1")
    api.member("user-2")
    api.ok("DELETE", "/members/user-1")

    def listed(wanted: object) -> list[str]:
        return [member["id"] for member in api.ok("GET", "/members", filter=wanted)]

    assert listed({}) == ["user-1", "user-2"]
    assert listed({"deleted": False}) == ["user-2"]
    api.set(list_withdrawn=False)
    assert listed({}) == ["user-2"]
    assert listed({"deleted": True}) == ["user-1"]


@pytest.mark.parametrize(
    ("method", "path", "body", "null"),
    [
        ("GET", "/members/nobody", None, None),
        ("PUT", "/members/nobody", {"name": "n"}, {"member": None, "status": 1}),
        ("DELETE", "/members/nobody", None, {"member": None, "status": 1}),
        ("DELETE", "/members/nobody/restore", None, {"member": None, "status": 1}),
        ("POST", "/members/nobody/notification", {}, {"member": None, "status": 1}),
        ("GET", "/members/nobody/notification", None, None),
        ("DELETE", "/members/nobody/notification", None, {"member": None, "status": 1}),
        ("GET", "/channels/none", None, None),
        ("PUT", "/channels/none", {"name": "n"}, {"channel": None, "status": 1}),
        ("DELETE", "/channels/none", None, {"channel": None, "status": 1}),
        ("GET", "/messages/none", None, []),
        ("POST", "/messages/none", {"content": "c"}, {"message": None, "status": 1}),
        ("GET", "/messages/none/none", None, None),
        ("DELETE", "/messages/none/none", None, {"message": None, "status": 1}),
    ],
)
def test_unknown_ids_answer_as_the_settings_say(
    api: Api, method: str, path: str, body: object, null: object
) -> None:
    """D04: null in the usual envelope, or {}, or the gateway's 404, or status -1."""
    query = {"filter": "{}"} if null == [] else {}
    assert api.ok(method, path, body, **query) == null
    api.set(missing="empty")
    assert api.ok(method, path, body, **query) == {}
    api.set(missing="404")
    reply = api.send(method, f"/v1/api{path}", body, query=query)
    assert (reply.status, reply.json["error"]["errorCode"]) == (404, "300")
    api.set(missing="status", refusal_http_status=400)
    reply = api.send(method, f"/v1/api{path}", body, query=query)
    assert (reply.status, reply.json["status"]) == (400, -1)
    assert "not found" in reply.json["message"]
