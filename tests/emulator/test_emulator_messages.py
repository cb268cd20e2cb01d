"""Operations on messages, as the message pages tell."""

import pytest

from tests.emulator.raw import Api, Clock


def test_sending_answers_a_whole_message(timed: Api) -> None:
    """D21: every documented field, the key's owner as sender and admin, all times one second."""
    channel = timed.channel()
    answer = timed.ok("POST", f"/messages/{channel['id']}", {"content": "안녕"})
    message = answer["message"]
    owner = {"id": timed.emulator.settings.admin_id, "name": "Admin", "profile": ""}
    assert list(answer) == ["message", "status"]
    assert message == {
        "id": message["id"],
        "message_id": message["id"],
        "channel_id": channel["id"],
        "sort_id": "1753254600000",
        "message_type": "text",
        "sender": owner,
        "admin": owner,
        "attachment_filenames": {"name": "", "size": 0, "type": "text", "url": ""},
        "has": "",
        "embed_providers": "",
        "embed_type": "",
        "isExpress": False,
        "link_hostnames": "",
        "mentions": [],
        "mentions_everyone": "false",
        "content": "안녕",
        "sended_at": "2025-07-23T16:10:00+09:00",
        "created_at": "2025-07-23T16:10:00+09:00",
    }
    assert list(message)[:5] == ["id", "message_id", "channel_id", "sort_id", "message_type"]
    assert int(message["id"][:8], 16) == 1_753_254_600
    assert len(message["id"]) == 24


def test_ids_are_unique_and_agree_on_the_second(timed: Api, clock: Clock) -> None:
    """sort_id is unique in its channel; its second is the id's and created_at's."""
    channel = timed.channel()["id"]
    clock.at += 0.998
    sent = [timed.message(channel, str(number)) for number in range(5)]
    assert [message["sort_id"][-4:] for message in sent] == ["0998", "0999", "1000", "1001", "1002"]
    assert len({message["id"] for message in sent}) == 5
    for message in sent:
        second = int(message["sort_id"]) // 1000
        assert int(message["id"][:8], 16) == second
        assert message["created_at"] == f"2025-07-23T16:10:0{second % 60}+09:00"


def test_get_and_delete_one_message(api: Api) -> None:
    """Get answers bare, delete answers the message and removes it; both need the right channel."""
    channel, other = api.channel()["id"], api.channel("other")["id"]
    message = api.message(channel)
    path = f"/messages/{channel}/{message['id']}"
    assert api.ok("GET", path) == message
    assert api.ok("GET", f"/messages/{other}/{message['id']}") is None
    assert api.ok("DELETE", path) == {"message": message, "status": 1}
    assert api.ok("GET", path) is None
    assert api.contents(channel) == []


@pytest.mark.parametrize("sent", [{}, {"content": ""}, {"content": None}, {"content": 1}])
def test_content_is_needed(api: Api, sent: dict[str, object]) -> None:
    """Missing, empty and mistyped content is refused with -100."""
    assert api.ok("POST", f"/messages/{api.channel()['id']}", sent)["status"] == -100


@pytest.mark.parametrize(("unit", "status"), [("characters", 1), ("bytes", -100)])
def test_length_is_limited_by_the_project(api: Api, unit: str, status: int) -> None:
    """The longest message is a project setting; whether in characters or bytes is not said."""
    channel = api.channel()["id"]
    api.set(max_message_length=5, message_length_unit=unit)
    assert api.ok("POST", f"/messages/{channel}", {"content": "가나다라마"})["status"] == status
    assert api.ok("POST", f"/messages/{channel}", {"content": "123456"})["status"] == -100


def test_profanity_is_masked_or_blocked(api: Api) -> None:
    """The filter is off, replaces each letter by *, or blocks; case does not matter."""
    channel = api.channel()["id"]
    api.set(profanity_words=["darn", "darned", "", "나쁜말"])
    assert api.message(channel, "Darn")["content"] == "Darn"
    api.set(profanity="mask")
    assert api.message(channel, "DARNED darn 나쁜말 ok")["content"] == "****** **** *** ok"
    api.set(profanity="block")
    assert api.ok("POST", f"/messages/{channel}", {"content": "a darn b"})["status"] == -101
    assert api.ok("POST", f"/messages/{channel}", {"content": "fine"})["status"] == 1
    api.set(profanity_words=[])
    assert api.ok("POST", f"/messages/{channel}", {"content": "darn"})["status"] == 1


@pytest.mark.parametrize("closed", ["disabled", "mutes"])
def test_closed_channels_can_refuse(api: Api, closed: str) -> None:
    """What REST does in a muted or disabled channel is undefined, so it is a switch."""
    fields: dict[str, object] = {closed: True}
    channel = api.channel("notice", **fields)["id"]
    assert api.ok("POST", f"/messages/{channel}", {"content": "c"})["status"] == 1
    api.set(closed_channels="refuse")
    assert api.ok("POST", f"/messages/{channel}", {"content": "c"})["status"] == -101


def test_messages_need_a_channel_in_the_path(api: Api) -> None:
    """D20: the 2023 heading's path without a channel does not exist."""
    assert api.send("POST", "/v1/api/messages", {"content": "c"}).status == 404


def test_count_is_unknown_to_messages(api: Api) -> None:
    """D23: the messages list ignores count."""
    channel = api.channel()["id"]
    api.message(channel)
    assert api.contents(channel, option={"count": True}) == ["hello"]


def test_content_matches_in_part_or_whole(api: Api) -> None:
    """D22: content matches as a substring, and can be switched to whole values."""
    channel = api.channel()["id"]
    api.message(channel, "a message")
    api.message(channel, "messa")
    assert api.contents(channel, filter={"content": "messa"}) == ["a message", "messa"]
    api.set(content_match="whole")
    assert api.contents(channel, filter={"content": "messa"}) == ["messa"]


def test_other_senders_can_be_planted(api: Api) -> None:
    """A row added past REST may come from a user; its admin is then empty."""
    channel = api.channel()["id"]
    planted = {
        "channel_id": channel,
        "content": "from a user",
        "sender": {"id": "user-1", "name": "Kim", "profile": ""},
        "created_at": "2024-01-01T00:00:00+09:00",
    }
    api.message(channel, "from the admin")
    (message_id,) = api.emulator.add_rows("messages", [planted])
    message = api.ok("GET", f"/messages/{channel}/{message_id}")
    assert message["admin"] == {"id": "", "name": "", "profile": ""}
    assert message["sort_id"] == "1704034800000"
    assert api.contents(channel, filter={"sender.name": "Kim"}) == ["from a user"]
    newest = {"created_at": "-1"}
    assert api.contents(channel, sort=newest) == ["from the admin", "from a user"]
