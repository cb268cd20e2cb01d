"""What answers mean: values, refusals and nonsense."""

import html
import json
import pickle
import re
from contextlib import suppress
from datetime import UTC
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async import errors
from ncloudchat_async.models import Channel, Friendship, FriendshipReceipt
from ncloudchat_async.models.base import Timestamp
from ncloudchat_async.wire.answers import decode
from ncloudchat_async.wire.bodies import MAX_DEPTH, Response
from ncloudchat_async.wire.endpoint import Endpoint
from ncloudchat_async.wire.refusals import retry_after_s

BARE = Endpoint("GET", "/channels/{channel_id}", Channel)
ENVELOPED = Endpoint("POST", "/channels", Channel, envelope=("channel",))
LIST = Endpoint("GET", "/channels", list[Channel])
FRIEND = Endpoint(
    "POST", "/request", Friendship, envelope=("friendship", "data.requestFriend.friendship")
)


def answer(body: object, status: int = 200, **headers: str) -> Response:
    """A response with a JSON body, or with these bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers, raw)


@pytest.mark.parametrize("field", ["content", "message", "token"])
@pytest.mark.parametrize("said", ["meet me at 6", 'say "no"\nnow', "여섯 시", "hi", "응"])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_no_error_holds_what_people_say(field: str, said: str, status: int) -> None:
    """A server that repeats the request's text does not put it into errors and logs."""
    sent = msgspec.json.encode({field: said})
    forms = [said, sent.decode(), json.dumps(said), html.escape(said), quote(said)]
    forms.append(quote_plus(said))
    echo = {"status": -99, "message": f"bad: {' or '.join(forms)}"}
    with pytest.raises(errors.ApiError) as caught:
        decode(ENVELOPED, answer(echo, status), sent=sent)
    shown = f"{caught.value} {caught.value.message} {pickle.dumps(caught.value)!r}"
    assert caught.value.message.count("***") == 6
    for part in (*forms, json.dumps(said)[1:-1]):
        assert part not in shown


def test_an_error_holds_what_is_not_said() -> None:
    """Ids, and words that a short text is only a part of, stay: they help."""
    sent = msgspec.json.encode({"content": "a", "user_id": "user-1"})
    with pytest.raises(errors.ApiError, match="user-1: bad data"):
        decode(ENVELOPED, answer({"status": -99, "message": "user-1: bad data"}), sent=sent)


@pytest.mark.parametrize("body", [b"{}", b"null", b"[]"])
def test_nothing_tells_nothing_of_a_write(body: bytes) -> None:
    """An empty answer to what must not be repeated leaves open whether it was done."""
    write = Endpoint("POST", "/messages/{channel_id}", Channel, envelope=("message",))
    with pytest.raises(errors.DecodeError) as caught:
        decode(write, answer(body))
    assert caught.value.applied == "unknown"
    with pytest.raises(errors.NotFoundError):
        decode(write, answer({"message": None, "status": 1}))
    bare = Endpoint("POST", "/bulk", FriendshipReceipt, names_ids=True)
    with pytest.raises(errors.DecodeError):
        decode(bare, answer(body))
    with pytest.raises(errors.NotFoundError):
        decode(bare, answer({"message": None}))


@pytest.mark.parametrize("data", [None, {"requestFriend": None}])
def test_a_null_on_the_way_into_an_envelope_is_nothing(data: object) -> None:
    """What the documentation lets be null is no other envelope."""
    friend = Endpoint("POST", "/x", Friendship, envelope=FRIEND.envelope, names_ids=True)
    with pytest.raises(errors.NotFoundError):
        decode(friend, answer({"data": data}))
    with pytest.raises(errors.DecodeError):
        decode(friend, answer({"data": {}}))


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (BARE, {"id": "1"}),
        (BARE, {"id": "1", "status": 1}),
        (ENVELOPED, {"channel": {"id": "1"}, "status": 1}),
        (ENVELOPED, {"channel": {"id": "1"}}),
        (ENVELOPED, {"channel": {"id": "1", "status": -1}, "status": 1, "message": ""}),
        (FRIEND, {"friendship": {"id": "1"}}),
        (FRIEND, {"data": {"requestFriend": {"friendship": {"id": "1"}}}}),
        (BARE, b'{"id":"0","id":"1"}'),
        (BARE, b'\xef\xbb\xbf{"id":"1"}'),
    ],
)
@pytest.mark.parametrize("roomy", [True, False])
def test_every_envelope_is_unwrapped(endpoint: Endpoint[Any], body: object, roomy: bool) -> None:
    """The value comes out of each documented envelope; of duplicate keys the last counts."""
    assert decode(endpoint, answer(body), roomy_stack=roomy).id == "1"


def test_a_value_may_itself_be_called_value() -> None:
    """Unwrapping stops at the endpoint's own type, whatever its fields are called."""

    class Thing(msgspec.Struct):
        value: str | None = None

    for envelope in ("thing", "data.thing"):
        endpoint = Endpoint("GET", "/thing", Thing, envelope=(envelope,))
        body: Any = {"thing": {"value": "v"}}
        assert decode(endpoint, answer({"data": body, **body})) == Thing("v")


def test_a_list_is_a_list() -> None:
    """Bare arrays decode to their rows, the empty one to none."""
    assert [c.id for c in decode(LIST, answer([{"id": "1"}, {"id": "2"}]))] == ["1", "2"]
    assert decode(LIST, answer([])) == []


@pytest.mark.parametrize("http_status", [200, 400, 401, 403, 500])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (-1, errors.AuthenticationError),
        (-2, errors.AuthenticationError),
        (-3, errors.AuthenticationError),
        (-4, errors.AuthenticationError),
        (-5, errors.AuthenticationError),
        (-6, errors.ProjectNotFoundError),
    ],
)
@pytest.mark.parametrize("endpoint", [BARE, ENVELOPED, LIST])
def test_the_body_is_judged_before_the_http_status(
    http_status: int, status: int, kind: type[errors.ApiError], endpoint: Endpoint[Any]
) -> None:
    """A status other than 1 is a failure under any HTTP status, also beside an id."""
    with pytest.raises(kind) as caught:
        decode(endpoint, answer({"id": "1", "status": status, "message": "no"}, http_status))
    assert (caught.value.code, caught.value.http_status) == (status, http_status)
    assert caught.value.message == "no"
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("http_status", "code", "kind"),
    [
        (400, 100, errors.BadRequestError),
        (401, 200, errors.AuthenticationError),
        (401, 210, errors.PermissionDeniedError),
        (404, 300, errors.NotFoundError),
        (413, 430, errors.PayloadTooLargeError),
        (429, 400, errors.QuotaExceededError),
        (429, 410, errors.RateLimitedError),
        (429, 420, errors.RateLimitedError),
        (503, 500, errors.ServerError),
        (504, 510, errors.ServerError),
        (500, 900, errors.ServerError),
        (418, 999, errors.BadRequestError),
        (200, 210, errors.PermissionDeniedError),
        (200, 510, errors.ServerError),
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_gateway_codes(
    http_status: int, code: int, kind: type[errors.ApiError], as_text: bool
) -> None:
    """The gateway's code decides, an integer or its text."""
    body = {"error": {"errorCode": str(code) if as_text else code, "message": "m"}}
    with pytest.raises(kind) as caught:
        decode(BARE, answer(body, http_status))
    assert type(caught.value) is kind
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("http_status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (405, errors.BadRequestError),
        (409, errors.ConflictError),
        (413, errors.PayloadTooLargeError),
        (429, errors.RateLimitedError),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (599, errors.ServerError),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"[]", b"{}", b"null"])
def test_unreadable_failures_go_by_http_status(
    http_status: int, kind: type[errors.ApiError], body: bytes
) -> None:
    """HTML, nothing, or JSON that says nothing: the HTTP status decides."""
    with pytest.raises(kind) as caught:
        decode(BARE, answer(body, http_status))
    assert type(caught.value) is kind


def test_graphql_errors_are_failures() -> None:
    """A top-level array of errors fails the call, also with data beside it."""
    body = {"data": {"requestFriend": None}, "errors": [{"message": "user not found"}]}
    with pytest.raises(errors.NotFoundError, match="user not found"):
        decode(FRIEND, answer(body))


@pytest.mark.parametrize("body", [None, {}, [], {"channel": None}, {"channel": None, "status": 1}])
def test_nothing_under_an_id_is_not_found(body: object) -> None:
    """The undocumented answers to an unknown id all mean the same."""
    update = Endpoint("PUT", "/channels/{channel_id}", Channel, envelope=("channel",))
    with pytest.raises(errors.NotFoundError):
        decode(update, answer(body))
    if not isinstance(body, dict) or "channel" not in body:
        with pytest.raises(errors.NotFoundError):
            decode(BARE, answer(body))


def test_nothing_where_no_id_was_given_is_no_answer() -> None:
    """An empty answer to a creation leaves in doubt what happened."""
    with pytest.raises(errors.DecodeError) as caught:
        decode(ENVELOPED, answer({"channel": None, "status": 1}))
    assert caught.value.applied == "unknown"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("channel not found", errors.NotFoundError),
        ("존재하지 않는 채널입니다", errors.NotFoundError),
        ("api key not found", errors.AuthenticationError),
        ("apiKey does not exist", errors.AuthenticationError),
        ("project not found", errors.AuthenticationError),
        ("no such projectId", errors.AuthenticationError),
        ("key 'abc' not found in this project", errors.AuthenticationError),
        ("permission denied", errors.AuthenticationError),
        ("", errors.AuthenticationError),
        ("member 'my key' not found", errors.NotFoundError),
        ("user monkey not found", errors.NotFoundError),
        ("member not found in the project", errors.NotFoundError),
    ],
)
def test_minus_one_with_an_id_may_mean_missing(message: str, kind: type[errors.ApiError]) -> None:
    """Code -1 has two meanings; only a text about the object itself makes it not-found."""
    with pytest.raises(kind):
        decode(BARE, answer({"status": -1, "message": message}))


def test_minus_one_without_an_id_is_about_the_key() -> None:
    """Where the path names no object, none can be missing: the key is what was not found."""
    endpoints: tuple[Endpoint[Any], ...] = (LIST, ENVELOPED)
    for endpoint in endpoints:
        with pytest.raises(errors.AuthenticationError):
            decode(endpoint, answer({"status": -1, "message": "channel not found"}))


def test_undocumented_codes_go_by_text_then_http_status() -> None:
    """Codes that nobody documents are still typed as well as can be."""
    for body, http_status, kind in (
        ({"status": -77, "message": "already exists"}, 200, errors.ConflictError),
        ({"status": -101, "message": "userId is registered"}, 200, errors.ConflictError),
        (
            {"status": -101, "message": "userId belongs to a withdrawn user"},
            200,
            errors.ConflictError,
        ),
        ({"status": -101, "message": "uniqueId is taken"}, 400, errors.ConflictError),
        ({"status": -77, "message": "member not found"}, 200, errors.NotFoundError),
        ({"status": -77, "message": "hm"}, 200, errors.BadRequestError),
        ({"status": 0}, 200, errors.BadRequestError),
        ({"status": -77}, 503, errors.ServerError),
    ):
        with pytest.raises(kind):
            decode(ENVELOPED, answer(body, http_status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_errors(status: int) -> None:
    """Only 303 says that the request was handled."""
    with pytest.raises(errors.UnexpectedRedirectError) as caught:
        decode(ENVELOPED, answer(b"", status, Location="https://elsewhere/"))
    assert caught.value.applied == ("unknown" if status == 303 else "no")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"7",
        b'"text"',
        b"true",
        b'{"id":"1"',
        b'{"id":"1"} x',
        b'\xef\xbb\xbf{"id":1}',
        b'{"id":"\xff"}',
        b'{"id":NaN}',
        b'{"id":' + b"9" * 5000 + b"}",
        b'{"id":1e400}',
        b'[{"id":"1"}]',
        b'{"id":"\\ud8"}',
        b'{"name":"no id"}',
        b'{"id":null}',
    ],
)
@pytest.mark.parametrize("roomy", [True, False])
def test_nonsense_is_a_decode_error(body: bytes, roomy: bool) -> None:
    """Whatever a 200 holds that is not the documented object is one typed error."""
    with pytest.raises(errors.DecodeError):
        decode(BARE, answer(body), roomy_stack=roomy)


@pytest.mark.parametrize("opener", [b"[", b'{"a":', b'[{"a":', b'{"a":1,"b":['])
@pytest.mark.parametrize("prefix", [b"", b'{"id":"1","unknown":'])
@pytest.mark.parametrize("roomy", [True, False])
def test_deep_nesting_is_refused(opener: bytes, prefix: bytes, roomy: bool) -> None:
    """No nesting that the server sends exhausts the stack."""
    with pytest.raises((errors.DecodeError, errors.NotFoundError)):
        decode(BARE, answer(prefix + opener * 200_000), roomy_stack=roomy)


def test_wide_answers_are_not_deep() -> None:
    """Brackets within strings and many rows do not count as depth."""
    rows = [{"id": str(i), "name": "[{" * 50, "user": {"name": '"}'}} for i in range(300)]
    assert len(decode(LIST, answer(rows))) == 300
    nested: Any = "x"
    for _ in range(MAX_DEPTH - 3):
        nested = [nested]
    row = {"id": "1", "unknown": nested, "wide": [[]] * 100}
    assert decode(BARE, answer(row)).id == "1"


@pytest.mark.parametrize(
    "value", ["", "yesterday", "2025-13-01T00:00:00Z", "2025-07-23T16:02:00", 7, [], {}]
)
def test_a_bad_timestamp_does_not_fail_its_object(value: object) -> None:
    """What cannot be read as an aware moment is None, and the rest is kept."""
    channel = decode(BARE, answer({"id": "1", "name": "n", "created_at": value}))
    assert (channel.name, channel.created_at) == ("n", None)


@pytest.mark.parametrize(
    "body",
    [
        {"channel": None},
        {"message": None, "status": 1},
        {"token": None, "message": "", "status": 1},
    ],
)
def test_an_envelope_without_anything_in_it_means_an_unknown_id(body: object) -> None:
    """A bare object is not found either when it comes as an empty envelope (D04)."""
    with pytest.raises(errors.NotFoundError):
        decode(BARE, answer(body))
    untyped = Endpoint("GET", "/things/{thing_id}", dict)
    assert decode(untyped, answer(body)) == body
    for sound in ({"channel": {"id": None}}, {"channel": "x"}, {"status": 1}):
        with pytest.raises(errors.DecodeError):
            decode(BARE, answer(sound))
    with pytest.raises(errors.DecodeError):
        decode(Endpoint("GET", "/mine", Channel), answer(body))


class Own(msgspec.Struct):
    """An answer that another program describes."""

    created_at: int | str
    updated_at: Timestamp = None
    mark: dict[str, Timestamp] | None = None
    others: list["Own"] = []


@pytest.mark.parametrize("said", [1753254120000, "2025-07-23T16:02:00+09:00", "soon", None])
@pytest.mark.parametrize("returns", [dict, dict[str, object], object])
def test_what_is_no_timestamp_by_type_is_left_as_it_is(returns: type[object], said: object) -> None:
    """A name that ends in `_at` means nothing: an answer of no certain type is what was sent."""
    body = {"created_at": said, "deep": {"read_at": said}, "status": 1}
    assert decode(Endpoint("GET", "/new", returns), answer(body)) == body


def test_a_struct_of_another_program_says_which_are_timestamps() -> None:
    """Timestamps are read wherever the type has them, and nowhere else."""
    said = {"created_at": 7, "updated_at": "soon", "mark": {"a": "soon"}, "status": 1}
    assert decode(
        Endpoint("GET", "/new", Own), answer({**said, "others": [{**said, "created_at": "x"}]})
    ) == Own(7, None, {"a": None}, [Own("x", None, {"a": None})])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-07-23T16:02:00+09:00", "2025-07-23T07:02:00+00:00"),
        ("2025-07-23T16:02:00-08:00", "2025-07-24T00:02:00+00:00"),
        ("2025-07-23T16:02:00.5Z", "2025-07-23T16:02:00.500000+00:00"),
        ("2025-07-23T16:02:00+0545", "2025-07-23T10:17:00+00:00"),
        ("20250723T160200Z", "2025-07-23T16:02:00+00:00"),
    ],
)
def test_any_offset_is_read(text: str, expected: str) -> None:
    """Timestamps keep the moment whatever the project's time zone."""
    channel = decode(BARE, answer({"id": "1", "created_at": text}))
    assert channel.created_at is not None
    assert channel.created_at.astimezone(UTC).isoformat() == expected


@pytest.mark.parametrize("text", ["2025-07-23t16:02:00z", "2025-07-23T16:02:00.123456789+09:00"])
def test_a_timestamp_does_not_depend_on_its_neighbours(text: str) -> None:
    """It is read in the same way beside one that cannot be."""
    alone = decode(BARE, answer({"id": "1", "created_at": text}))
    beside = decode(BARE, answer({"id": "1", "created_at": text, "updated_at": "soon"}))
    assert alone.created_at == beside.created_at is not None


def test_server_texts_are_cut_to_one_clean_line() -> None:
    """A hostile text reaches no log with control characters, and not at full length."""
    body = {"status": -6, "message": "a\x1b[31m\nb\u202e" + "c" * 1000}
    with pytest.raises(errors.ProjectNotFoundError) as caught:
        decode(BARE, answer(body))
    assert caught.value.message.startswith("a [31m b c")
    assert len(caught.value.message) <= 300


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        ("3", None, 3.0),
        (" 0.5 ", None, 0.5),
        ("0", None, 0.0),
        ("-1", None, None),
        ("", None, None),
        ("soon", None, None),
        ("1e3", None, None),
        ("inf", None, None),
        ("nan", None, None),
        ("9" * 40, None, 1e40),
        ("Wed, 21 Oct 2015 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:27:30 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", None, None),
        ("Wed, 99 Oct 2015 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:30 -0000", "Wed, 21 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_forms(value: str, date: str | None, expected: float | None) -> None:
    """Seconds, fractions and dates are read; a date counts from the answer's own Date."""
    headers = {"Retry-After": value} | ({"Date": date} if date else {})
    assert retry_after_s(headers) == expected


def test_no_retry_after() -> None:
    """An absent header asks for nothing."""
    assert retry_after_s({}) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values, st.integers(200, 599))
def test_any_json_is_a_value_or_a_typed_error(body: object, http_status: int) -> None:
    """No JSON of the server raises anything but an error of this package."""
    raw = msgspec.json.encode(body)
    endpoints: tuple[Endpoint[Any], ...] = (BARE, ENVELOPED, LIST, FRIEND)
    for endpoint in endpoints:
        with suppress(errors.NcloudChatError):
            decode(endpoint, Response(http_status, {}, raw))


@given(st.binary(), st.integers(200, 599))
def test_any_bytes_are_a_value_or_a_typed_error(body: bytes, http_status: int) -> None:
    """No bytes of the server raise anything but an error of this package."""
    endpoints: tuple[Endpoint[Any], ...] = (BARE, ENVELOPED, LIST)
    for endpoint in endpoints:
        with suppress(errors.NcloudChatError):
            decode(endpoint, Response(http_status, {}, body))


HALVES = st.text(st.sampled_from('\ud83d\ude00\\"u\U0001f600 d방'), max_size=12)


@given(HALVES, st.booleans())
def test_half_a_character_costs_no_page(text: str, roomy: bool) -> None:
    """A lone surrogate escape becomes U+FFFD wherever it stands; all else is as it came."""
    row: dict[str, object] = {"id": "1", "name": text, "limit": 7, "unknown": {text: 10**40}}
    read = re.sub("[\ud800-\udfff]", "\ufffd", json.loads(json.dumps(text)))
    for endpoint, body in ((BARE, row), (ENVELOPED, {"channel": row, "status": 1})):
        channel = decode(endpoint, answer(body), roomy_stack=roomy)
        assert (channel.name, channel.limit) == (read, 7)
    rows = decode(LIST, answer([{"id": "0"}, row]), roomy_stack=roomy)
    assert [row.name for row in rows] == [None, read]


def test_rows_left_as_they_came_keep_all_but_half_characters() -> None:
    """What an export keeps has its numbers and repeated keys, and is JSON that others read."""
    raw = Endpoint("GET", "/channels", list[msgspec.Raw])
    body = rb'[{"id":"0","id":"1","n":1e2,"big":12345678901234567890123,"a":"\\\ud83d \uDE00x"}]'
    (row,) = decode(raw, answer(body))
    kept = body[1:-1].replace(rb"\uDE00", rb"\ufffd").replace(rb"\ud83d", rb"\ufffd")
    assert bytes(row) == kept


@pytest.mark.parametrize("http_status", [200, 400])
def test_half_a_character_hides_no_refusal(http_status: int) -> None:
    """A refusal keeps its kind and text, with U+FFFD for what is no character."""
    body = rb'{"status":-6,"message":"gone \ud83d"}'
    with pytest.raises(errors.ProjectNotFoundError) as caught:
        decode(BARE, answer(body, http_status))
    assert caught.value.message == "gone \ufffd"


@pytest.mark.parametrize(
    "body", [rb'{"id":"1","name":"\ud83d"', rb'{"id":"1","x":NaN,"name":"\ud83d"}', rb'"\ud8"']
)
def test_half_a_character_excuses_nothing_else(body: bytes) -> None:
    """What is no JSON for another reason stays refused."""
    with pytest.raises(errors.DecodeError):
        decode(BARE, answer(body))


CHANNEL = {
    "channel": {
        "id": "1",
        "name": '방 \\u0041 "quoted"',
        "members": ["a", None],
        "created_at": "2025-07-23T16:02:00+09:00",
        "user": {"id": "x", "name": None},
        "limit": 0,
    },
    "status": 1,
}


def test_an_answer_cut_anywhere_is_never_a_wrong_value() -> None:
    """Cut at every byte, an answer gives the whole value or a typed error."""
    raw = json.dumps(CHANNEL, ensure_ascii=False).encode()
    whole = decode(ENVELOPED, answer(raw))
    for end in range(len(raw)):
        with pytest.raises(errors.DecodeError):
            decode(ENVELOPED, answer(raw[:end]))
    assert decode(ENVELOPED, answer(raw + b"\n ")) == whole
