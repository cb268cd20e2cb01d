"""The friend state machine, as the friendship pages tell."""

from typing import Any

import pytest

from tests.emulator.raw import Api, Clock

PAIR = {"userId": "user-1", "friendId": "user-2"}
BACK = {"userId": "user-2", "friendId": "user-1"}


@pytest.fixture
def pair(api: Api) -> Api:
    """Two members who may become friends."""
    api.member("user-1", profile="p1")
    api.member("user-2", profile="p2")
    return api


def ask(api: Api, body: object = None) -> Any:
    """Request a friendship and unwrap it."""
    answer = api.ok("POST", "/friendship/request", body or PAIR)
    return answer["data"]["requestFriend"]["friendship"]


def test_request_answers_in_the_leaked_envelope(timed: Api) -> None:
    """D14, D15, D16: data.requestFriend.friendship, users with a name, status requested."""
    timed.member("user-1", profile="p1")
    timed.member("user-2")
    friendship = ask(timed, {**PAIR, "message": "hi"})
    moment = "2025-07-23T16:10:00+09:00"
    assert friendship == {
        "project_id": timed.emulator.project_id,
        "id": friendship["id"],
        "status": "requested",
        "user_id": "user-1",
        "user": {"id": "user-1", "name": "user-1", "profile": "p1"},
        "friend_id": "user-2",
        "friend": {"id": "user-2", "name": "user-2", "profile": None},
        "created_at": moment,
        "updated_at": moment,
        "requested_at": moment,
    }


def test_request_envelope_and_status_can_be_switched(pair: Api) -> None:
    """D14, D16: the 2023 envelope and the SDK's word pending."""
    pair.set(friend_envelope="plain", friend_status="pending")
    answer = pair.ok("POST", "/friendship/request", PAIR)
    assert list(answer) == ["friendship"]
    assert answer["friendship"]["status"] == "pending"
    assert pair.ok("POST", "/friendship/accept", BACK)["friendship"]["status"] == "accepted"


@pytest.mark.parametrize(("verb", "status"), [("accept", "accepted"), ("reject", "rejected")])
def test_an_open_request_is_settled_once(timed: Api, clock: Clock, verb: str, status: str) -> None:
    """Accept and reject answer {friendship} with nicknames, move updated_at, and work only once."""
    timed.member("user-1")
    timed.member("user-2")
    asked = ask(timed)
    clock.at += 60
    answer = timed.ok("POST", f"/friendship/{verb}", BACK)
    assert list(answer) == ["friendship"]
    settled = answer["friendship"]
    assert (settled["id"], settled["status"]) == (asked["id"], status)
    assert settled["user"] == {"id": "user-1", "nickname": "user-1", "profile": None}
    assert settled["updated_at"] == "2025-07-23T16:11:00+09:00"
    assert settled["requested_at"] == "2025-07-23T16:10:00+09:00"
    assert timed.ok("POST", f"/friendship/{verb}", BACK)["status"] == -101


def test_either_order_settles_unless_strict(pair: Api) -> None:
    """D19: the asker's order will do, except in strict mode, where the one asked must answer."""
    ask(pair)
    pair.set(mode="strict")
    assert pair.ok("POST", "/friendship/accept", PAIR)["status"] == -101
    pair.set(mode="standard")
    assert pair.ok("POST", "/friendship/accept", PAIR)["friendship"]["status"] == "accepted"


def test_asking_again_returns_what_stands(pair: Api) -> None:
    """A repeated request returns the open one or the friendship, in both directions."""
    first = ask(pair)
    assert ask(pair) == first
    assert ask(pair, BACK)["id"] == first["id"]
    pair.ok("POST", "/friendship/accept", BACK)
    assert ask(pair)["status"] == "accepted"


def test_asking_after_a_rejection_begins_anew(pair: Api) -> None:
    """A rejected pair may ask again, in a new record."""
    first = ask(pair)
    pair.ok("POST", "/friendship/reject", BACK)
    again = ask(pair, BACK)
    assert again["id"] != first["id"]
    assert (again["status"], again["user_id"]) == ("requested", "user-2")


def test_undefined_requests_are_refused(pair: Api) -> None:
    """Asking oneself is -100, answering what was not asked -101, a stranger is an unknown id."""
    alone = {"userId": "user-1", "friendId": "user-1"}
    assert pair.ok("POST", "/friendship/request", alone)["status"] == -100
    assert pair.ok("POST", "/friendship/accept", BACK)["status"] == -101
    stranger = {"userId": "user-1", "friendId": "nobody"}
    answer = pair.ok("POST", "/friendship/request", stranger)
    assert answer == {"data": {"requestFriend": {"friendship": None}}}
    assert pair.ok("POST", "/friendship/bulk", [PAIR, stranger]) == {"message": None}
    for wrong in ({"userId": "user-1"}, {**PAIR, "message": 5}):
        assert pair.ok("POST", "/friendship/request", wrong)["status"] == -100


def test_users_who_are_gone_are_null(pair: Api) -> None:
    """A friendship outlives a row removed past REST; its user is then null."""
    ask(pair)
    pair.emulator.remove_row("members", "user-1")
    assert pair.ok("POST", "/friendship/accept", BACK)["friendship"]["user"] is None


def test_bulk_requests_answer_a_text_only(pair: Api) -> None:
    """D17, D18: an array by POST creates requests, though the text says added."""
    answer = pair.ok("POST", "/friendship/bulk", [PAIR])
    assert answer == {"message": "Friends added successfully"}
    assert pair.ok("POST", "/friendship/accept", BACK)["friendship"]["status"] == "accepted"
    assert pair.send("GET", "/v1/api/v1/api/friendship/bulk").status == 404
    assert pair.ok("POST", "/friendship/bulk", [])["status"] == -100


def test_bulk_requests_can_make_friends_at_once(pair: Api) -> None:
    """D18: the reading that the text is right."""
    pair.set(bulk_status="accepted")
    pair.ok("POST", "/friendship/bulk", [PAIR])
    assert ask(pair)["status"] == "accepted"


def test_bulk_requests_that_make_friends_settle_open_ones(timed: Api, clock: Clock) -> None:
    """D18: friends that were added are not still being asked."""
    timed.member("user-1")
    timed.member("user-2")
    asked = ask(timed)
    timed.set(bulk_status="accepted")
    clock.at += 60
    timed.ok("POST", "/friendship/bulk", [PAIR])
    found = ask(timed)
    assert (found["id"], found["status"]) == (asked["id"], "accepted")
    assert found["updated_at"] > asked["updated_at"]


def test_a_refused_bulk_stores_nothing(pair: Api) -> None:
    """One impossible pair keeps the whole array out of the store."""
    alone = {"userId": "user-2", "friendId": "user-2"}
    assert pair.ok("POST", "/friendship/bulk", [PAIR, alone])["status"] == -100
    assert pair.emulator.stats.rows["friendships"] == 0
