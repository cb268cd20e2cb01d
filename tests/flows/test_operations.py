"""Every operation of the platform, awaited against the emulator over a real socket."""

import pytest

from ncloudchat_async import Client, Endpoint, errors, models
from ncloudchat_async.emulator import ROUTES, Emulator, EmulatorSettings, Fault
from ncloudchat_async.models import NotificationPatch
from ncloudchat_async.resources import channels, friends, members, messages, subscriptions, tokens

RESOURCES = (
    channels.Channels,
    friends.Friends,
    members.Members,
    messages.Messages,
    subscriptions.Subscriptions,
    tokens.Tokens,
)


def endpoints() -> list[Endpoint[object]]:
    """Every endpoint that a resource declares."""
    return [e for kind in RESOURCES for e in vars(kind).values() if isinstance(e, Endpoint)]


def shape(path: str) -> str:
    """A path with its ids made alike."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def test_client_and_emulator_know_the_same_operations() -> None:
    """No operation is missing on either side, and none is invented."""
    ours = {(e.method, shape(e.path)) for e in endpoints()}
    theirs = {(route.method, shape(route.path)) for route in ROUTES}
    assert ours == theirs
    assert len(ours) == 24


async def test_members(chat: Client, emulator: Emulator) -> None:
    """A member is registered, read, changed, withdrawn and restored."""
    made = await chat.members.register(
        "user-1",
        "Kim",
        profile="https://example.com/a.png",
        custom_field="{ageGroup: 20s}",
        notifications=NotificationPatch(push=True, timezone="Asia/Seoul"),
    )
    assert (made.id, made.name, made.custom_field) == ("user-1", "Kim", "{ageGroup: 20s}")
    assert made.created_at is not None
    assert made.created_at.tzinfo is not None
    assert await chat.members.get("user-1") == made
    changed = await chat.members.update("user-1", name="Lee")
    assert (changed.name, changed.custom_field) == ("Lee", "{ageGroup: 20s}")
    assert await chat.members.count() == 1
    assert await chat.members.count(filter={"name": "Kim"}) == 0
    gone = await chat.members.delete("user-1")
    assert gone.deleted
    assert gone.deleted_at is not None
    assert not (await chat.members.restore("user-1")).deleted
    assert [m.id async for m in chat.members.list()] == ["user-1"]


async def test_notifications(chat: Client) -> None:
    """Push settings are set, read and cleared."""
    await chat.members.register("user-1", "Kim")
    was = await chat.members.set_notification("user-1", token="t", device="APNS", night=False)
    assert was.notifications is not None
    assert (was.notifications.token, was.notifications.night) == ("t", False)
    assert await chat.members.get_notification("user-1") == was
    cleared = await chat.members.delete_notification("user-1")
    assert cleared.notifications is not None
    assert cleared.notifications.token is None


@pytest.mark.parametrize("envelope", ["graphql", "plain"])
async def test_friends(chat: Client, emulator: Emulator, envelope: str) -> None:
    """Requests are made in either envelope, one or many, and answered."""
    emulator.settings = emulator.settings.but(friend_envelope=envelope)
    for user in ("user-1", "user-2", "user-3"):
        await chat.members.register(user, f"name of {user}")
    asked = await chat.friends.request("user-1", "user-2", message="hi")
    assert asked.is_pending
    assert asked.friend is not None
    assert asked.friend.name == "name of user-2"
    accepted = await chat.friends.accept("user-2", "user-1")
    assert (accepted.id, accepted.status) == (asked.id, "accepted")
    assert accepted.friend is not None
    assert accepted.friend.name == "name of user-2"  # sent as nickname here
    receipt = await chat.friends.request_many([("user-1", "user-3"), ("user-2", "user-3")])
    assert receipt.message
    assert (await chat.friends.reject("user-3", "user-1")).status == "rejected"


@pytest.mark.parametrize("missing", ["null", "empty", "404", "status"])
async def test_strangers_are_not_found_and_no_refusals(
    chat: Client, emulator: Emulator, missing: str
) -> None:
    """However often nobody has an id, and however that is said, the key is not in doubt."""
    emulator.settings = emulator.settings.but(missing=missing, tokens_for_members_only=True)
    emulator.seed(members=1)
    # Nothing at all tells nothing of what must not be repeated.
    kind = errors.OutcomeUnknownError if missing == "empty" else errors.NotFoundError
    for _ in range(3):
        with pytest.raises(kind):
            await chat.friends.request_many([("member-000000", "nobody")])
        with pytest.raises(errors.NotFoundError):
            await chat.tokens.issue("nobody", expire_days=1)
    assert (await chat.members.get("member-000000")).id == "member-000000"


@pytest.mark.parametrize("http_status", [200, 400, 409])
async def test_what_is_taken_is_a_conflict(
    chat: Client, emulator: Emulator, http_status: int
) -> None:
    """An id of somebody, of somebody withdrawn, or of another channel."""
    emulator.settings = emulator.settings.but(conflict_http_status=http_status)
    emulator.seed(members=2)
    await chat.members.delete("member-000001")
    await chat.channels.create("notice", unique_id="notice")
    for call in (
        lambda: chat.members.register("member-000000", "Kim"),
        lambda: chat.members.register("member-000001", "Kim"),
        lambda: chat.channels.create("other", unique_id="notice"),
    ):
        with pytest.raises(errors.ConflictError):
            await call()


async def test_channels(chat: Client) -> None:
    """A channel is created with every option, read, changed, counted and deleted."""
    made = await chat.channels.create(
        "notice",
        type="PRIVATE",
        unique_id="room-1",
        members=["user-1"],
        mutes=False,
        push=False,
        limit=20,
        link_url="https://example.com/page",
        image_url="https://example.com/a.png",
    )
    assert (made.name, made.type, made.members, made.limit) == (
        "notice",
        "PRIVATE",
        ("user-1",),
        20,
    )
    assert made.image_urls == ("https://example.com/a.png",)
    assert made.user is not None
    assert made.user.id is not None
    assert models.decode_node_id(made.user.id) == ("Members", made.user_id)
    assert await chat.channels.get(made.id) == made
    assert (await chat.channels.update(made.id, name="news", disabled=True)).disabled
    assert await chat.channels.count(filter={"type": "PRIVATE"}) == 1
    assert (await chat.channels.delete(made.id)).name == "news"
    with pytest.raises(errors.NotFoundError):
        await chat.channels.get(made.id)


async def test_messages(chat: Client) -> None:
    """Messages are sent, read, listed in order, searched and deleted."""
    channel = await chat.channels.create("notice")
    sent = [await chat.messages.send(channel.id, f"text {i} 한국어") for i in range(3)]
    assert await chat.messages.get(channel.id, sent[0].id) == sent[0]
    assert sent[0].mentions_everyone is False
    assert sent[0].sent_at == sent[0].created_at
    assert [m.id for m in await chat.messages.list(channel.id).to_list()] == [m.id for m in sent]
    newest = chat.messages.list(channel.id, sort="-created_at")
    assert await newest.first() in (sent[2], sent[1], sent[0])
    found = chat.messages.list(channel.id, filter={"content": "text 1"})
    assert [m.id async for m in found] == [sent[1].id]
    assert (await chat.messages.delete(channel.id, sent[1].id)).content == "text 1 한국어"
    assert len(await chat.messages.list(channel.id).to_list()) == 2


async def test_subscriptions(chat: Client, emulator: Emulator) -> None:
    """Subscriptions are listed, filtered and counted."""
    emulator.seed(members=3, channels=2, subscriptions=4)
    rows = await chat.subscriptions.list().to_list()
    assert len(rows) == await chat.subscriptions.count() == 4
    one = rows[0].channel_id
    assert {s.channel_id async for s in chat.subscriptions.list(filter={"channel_id": one})} == {
        one
    }


@pytest.mark.parametrize("in_body", [False, True])
async def test_tokens(chat: Client, in_body: bool) -> None:
    """A token comes from either way of sending the parameters, and its repr hides it."""
    token = await chat.tokens.issue("user-1", expire_days=90, in_body=in_body)
    assert token.token.count(".") == 2
    assert token.token not in repr(token)
    for days in (0, 91):
        with pytest.raises(errors.ConfigError, match="expire_days"):
            await chat.tokens.issue("user-1", expire_days=days)


async def test_a_token_whose_answer_was_lost_is_issued_again(
    chat: Client, emulator: Emulator
) -> None:
    """One token more does no harm, so the call does not end in a doubt."""
    emulator.faults.add(Fault("issueToken", "drop_after", nth=1))
    assert (await chat.tokens.issue("user-1", expire_days=1)).token


@pytest.mark.parametrize(
    "shape", ["count", "totalCount", "total", "number", "text", "array", "ignored"]
)
async def test_count_takes_every_answer(chat: Client, emulator: Emulator, shape: str) -> None:
    """Whatever the undocumented answer looks like, the number is right."""
    emulator.seed(channels=7)
    emulator.settings = emulator.settings.but(count_shape=shape, default_per_page=3)
    assert await chat.channels.count() == 7
    assert await chat.channels.count(filter={"name": "nobody"}) == 0


async def test_a_refusal_does_not_repeat_the_message(chat: Client, emulator: Emulator) -> None:
    """The text of a message is in no error, even when the server sends it back."""
    channel = await chat.channels.create("notice")
    body = '{"status":-99,"message":"not allowed: meet me at six"}'
    emulator.faults.add(Fault("sendMessage", "status", status=400, body=body))
    with pytest.raises(errors.BadRequestError, match="not allowed: \\*\\*\\*"):
        await chat.messages.send(channel.id, "meet me at six")


@pytest.mark.parametrize("said", ["found", "not found", "channel", "no"])
async def test_what_people_say_does_not_decide(chat: Client, emulator: Emulator, said: str) -> None:
    """An unknown channel is not found, whatever word of the refusal is in the message."""
    emulator.settings = emulator.settings.but(missing="status")
    for _ in range(4):
        with pytest.raises(errors.NotFoundError):
            await chat.messages.send("gone", said)


async def test_friends_who_are_no_members_are_not_found(chat: Client, emulator: Emulator) -> None:
    """Nothing in the envelope means that an id is unknown: nothing was requested."""
    await chat.members.register("user-1", "Kim")
    with pytest.raises(errors.NotFoundError) as caught:
        await chat.friends.request("user-1", "ghost")
    assert caught.value.applied == "no"


async def test_an_answer_to_count_that_is_none_names_the_call(
    chat: Client, emulator: Emulator
) -> None:
    """What no count can be read from is an error of that call."""
    emulator.faults.add(Fault("listChannels", "status", status=200, body='{"x":1}'))
    with pytest.raises(errors.DecodeError) as caught:
        await chat.channels.count()
    told = caught.value
    assert (told.operation, told.method, told.attempts) == ("Channels.count", "GET", 1)
    assert told.route == "/v1/api/channels"


@pytest.mark.parametrize("missing", ["null", "empty", "404", "status"])
async def test_unknown_ids_are_not_found(chat: Client, emulator: Emulator, missing: str) -> None:
    """Whatever the undocumented answer looks like, an unknown id is the same error."""
    emulator.settings = emulator.settings.but(missing=missing)
    channel = await chat.channels.create("notice")
    calls = (
        lambda: chat.channels.get("unknown"),
        lambda: chat.channels.update("unknown", name="x"),
        lambda: chat.channels.delete("unknown"),
        lambda: chat.members.get("unknown"),
        lambda: chat.members.update("unknown", name="x"),
        lambda: chat.members.get_notification("unknown"),
        lambda: chat.messages.get(channel.id, "unknown"),
        lambda: chat.messages.delete(channel.id, "unknown"),
    )
    for call in calls:
        with pytest.raises(errors.NotFoundError):
            await call()
    # Of a write that must not be repeated, an answer without its envelope tells nothing.
    expected = errors.OutcomeUnknownError if missing == "empty" else errors.NotFoundError
    for write in (
        lambda: chat.members.restore("unknown"),
        lambda: chat.messages.send("unknown", "hello"),
    ):
        with pytest.raises(expected):
            await write()


@pytest.mark.parametrize("http_status", [200, 400, 401, 403])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key_state": "deleted"}, -3),
        ({"key_state": "disabled"}, -4),
        ({"key_state": "expired"}, -5),
        ({"api_access": "none"}, -1),
    ],
)
async def test_refused_keys(
    chat: Client, emulator: Emulator, http_status: int, change: dict[str, str], code: int
) -> None:
    """Each state of the key has its code, under any HTTP status."""
    emulator.settings = emulator.settings.but(auth_http_status=http_status, **change)
    with pytest.raises(errors.AuthenticationError) as caught:
        await chat.channels.get("1")
    assert (caught.value.code, caught.value.http_status) == (code, http_status)
    assert caught.value.operation == "Channels.get"
    assert caught.value.attempts == 1


async def test_wrong_key_and_project(emulator: Emulator) -> None:
    """An unknown key and an unknown project have types of their own."""
    url = emulator.base_url
    async with Client(emulator.project_id, "another", base_url=url) as chat:
        with pytest.raises(errors.AuthenticationError):
            await chat.channels.get("1")
    async with Client("another", emulator.api_key, base_url=url) as chat:
        with pytest.raises(errors.ProjectNotFoundError):
            await chat.channels.get("1")


async def test_conflicts(chat: Client, emulator: Emulator) -> None:
    """Registering an id twice is a conflict; nobody is overwritten."""
    await chat.members.register("user-1", "Kim")
    with pytest.raises(errors.ConflictError):
        await chat.members.register("user-1", "Lee")
    assert (await chat.members.get("user-1")).name == "Kim"


async def test_an_operation_of_the_future(chat: Client, emulator: Emulator) -> None:
    """What is not covered yet is reached with an endpoint of one's own."""
    channel = await chat.channels.create("notice")
    endpoint = Endpoint("GET", "/v1/api/channels/{channel_id}", dict[str, object])
    assert (await chat.send(endpoint(channel_id=channel.id)))["name"] == "notice"


async def test_bad_input_is_refused_before_any_request(chat: Client, emulator: Emulator) -> None:
    """Ids, names, texts and options that cannot work never reach the wire."""
    calls = (
        lambda: chat.channels.get(""),
        lambda: chat.channels.get(".."),
        lambda: chat.members.get("a\nb"),
        lambda: chat.members.register("abc", "Kim"),
        lambda: chat.members.register("user@example.com", "Kim"),
        lambda: chat.members.register("user-1", ""),
        lambda: chat.channels.create(""),
        lambda: chat.messages.send("1", ""),
        lambda: chat.messages.send("1", "\ud800"),
        lambda: chat.friends.request("user-1", ""),
        lambda: chat.friends.request_many([]),
        lambda: chat.channels.list(sort="-").first(),
        lambda: chat.channels.list(per_page=101).first(),
        lambda: chat.channels.list(filter={"a": object()}).first(),
    )
    for call in calls:
        with pytest.raises(errors.ConfigError):
            await call()
    assert not emulator.requests


async def test_ids_of_any_characters_make_the_round_trip(chat: Client, emulator: Emulator) -> None:
    """Ids against the documented rule, as they occur in the field, are reached."""
    emulator.settings = EmulatorSettings(user_id_rule=False)
    for user_id in ("user@example.com", "a b/c?d#e%2f", "사용자", "..."):
        await chat.members.register(user_id, "Kim", check_rule=False)
        assert (await chat.members.get(user_id)).id == user_id
