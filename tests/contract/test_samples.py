"""Answers as documented decode to what they say, whatever is missing, null or new in them."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async import Endpoint, models
from ncloudchat_async.resources.channels import Channels
from ncloudchat_async.resources.friends import Friends
from ncloudchat_async.resources.members import Members
from ncloudchat_async.resources.messages import Messages
from ncloudchat_async.resources.subscriptions import Subscriptions
from ncloudchat_async.wire.answers import decode
from ncloudchat_async.wire.bodies import Response
from tests.contract.samples import (
    ANSWERED,
    CHANNEL,
    FRIENDSHIP,
    MEMBER,
    MESSAGE,
    SAMPLES,
    SUBSCRIPTION,
)
from tests.flows.test_operations import endpoints

RENAMED = {"attachment_filenames": "attachment", "sended_at": "sent_at"}
"""Fields that have another name in Python than on the wire, but for their case."""


def read(endpoint: Endpoint[Any], body: object) -> Any:
    """Decode a body as a call would."""
    return decode(endpoint, Response(200, {}, json.dumps(body).encode()))


def found_in(body: Any) -> Any:
    """The object within a sample's envelope."""
    for key in ("data", "requestFriend", "member", "channel", "friendship"):
        if isinstance(body, dict) and isinstance(body.get(key), dict):
            body = body[key]
    return (
        body["message"]
        if isinstance(body, dict) and "sort_id" in str(body.get("message"))
        else body
    )


def check(value: Any, wire: Any) -> None:
    """Compare a decoded struct with the JSON it came from, field by field."""
    if isinstance(wire, list):
        for one, other in zip(value, wire, strict=True):
            check(one, other)
        return
    if not isinstance(wire, dict) or not isinstance(value, msgspec.Struct):
        assert value == (tuple(wire) if isinstance(value, tuple) else wire)
        return
    fields = {f.encode_name: f.name for f in msgspec.structs.fields(value)}
    for key, item in wire.items():
        if key not in fields:
            continue
        mine = getattr(value, fields[key])
        if key.endswith("_at") and item is not None:
            assert mine.isoformat() == item
        elif key == "name" and not item:
            assert mine == wire.get("nickname", item)
        else:
            check(mine, item)


def test_there_is_a_sample_of_every_operation() -> None:
    """Whoever adds an endpoint adds an answer for it."""
    assert {e.name for e, _ in SAMPLES} == {e.name for e in endpoints()}


@pytest.mark.parametrize(("endpoint", "body"), SAMPLES, ids=lambda v: getattr(v, "name", ""))
def test_samples(endpoint: Endpoint[Any], body: object) -> None:
    """Every documented shape decodes, and no field is lost or changed."""
    check(read(endpoint, body), found_in(body))


def test_oddities() -> None:
    """The quirks of the platform are settled once, in the structs."""
    message = read(Messages._GET, MESSAGE)
    assert message.mentions_everyone is False
    assert read(Messages._GET, MESSAGE | {"mentions_everyone": "True "}).mentions_everyone is True
    assert read(Messages._GET, MESSAGE | {"mentions_everyone": None}).mentions_everyone is False
    assert message.sent_at == message.created_at
    assert message.sent_at.utcoffset() == timedelta(hours=9)
    channel = read(Channels._GET, CHANNEL)
    assert models.decode_node_id(channel.user.id) == ("Members", channel.user_id)
    assert channel.image_urls == ()
    friendship = read(Friends._ACCEPT, {"friendship": ANSWERED})
    assert friendship.friend.name == "Lee"
    member = read(Members._GET, MEMBER)
    assert member.custom_field == "{ageGroup: 20s}"


@pytest.mark.parametrize("node_id", ["", "plain", "!!!", "TWVtYmVycw==", "/w=="])
def test_what_is_no_global_id_says_so(node_id: str) -> None:
    """Only base64 of `Kind:id` is split."""
    with pytest.raises(ValueError, match="global id"):
        models.decode_node_id(node_id)


OBJECTS: list[tuple[Endpoint[Any], dict[str, Any]]] = [
    (Members._GET, MEMBER),
    (Channels._GET, CHANNEL),
    (Messages._GET, MESSAGE),
    (Friends._ACCEPT, FRIENDSHIP),
    (Subscriptions._LIST, SUBSCRIPTION),
]
extra = st.dictionaries(
    st.text(min_size=1).map(lambda key: "new_" + key),
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()),
    max_size=3,
)


@given(st.sampled_from(OBJECTS), extra, st.data())
def test_fields_may_be_missing_null_or_new(
    case: tuple[Endpoint[Any], dict[str, Any]], added: dict[str, Any], data: st.DataObject
) -> None:
    """Only the id is needed; the rest is kept, None, or ignored."""
    endpoint, whole = case
    body = dict(whole)
    for key in whole:
        if key == "id":
            continue
        fate = data.draw(st.sampled_from(["kept", "null", "missing"]), label=key)
        if fate == "null":
            body[key] = None
        elif fate == "missing":
            del body[key]
    body |= added
    if endpoint is Subscriptions._LIST:
        check(read(endpoint, [body])[0], body)
    elif endpoint is Friends._ACCEPT:
        check(read(endpoint, {"friendship": body}), body)
    else:
        check(read(endpoint, body), body)
