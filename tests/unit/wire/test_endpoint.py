"""Requests, as they will be sent."""

from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ncloudchat_async.errors import ConfigError
from ncloudchat_async.models import Channel
from ncloudchat_async.wire.endpoint import Endpoint, quote_id

GET = Endpoint("GET", "/v1/api/channels/{channel_id}", Channel)


@given(st.text())
@example("a/b")
@example("..")
@example("%2e%2e")
@example("a?b#c")
@example("사용자@예.한국")
@example("\ud800")
@example("a\x85b")
def test_any_string_is_refused_or_one_path_segment(value: str) -> None:
    """An id comes back whole from one segment of the path, or is refused before any I/O."""
    try:
        target = GET(channel_id=value).target
    except ConfigError:
        return
    path = urlsplit("https://host" + target)
    assert path.query == path.fragment == ""
    assert [unquote(s, errors="strict") for s in path.path.split("/")] == [
        "",
        "v1",
        "api",
        "channels",
        value,
    ]
    assert target.isascii()
    assert path.path.split("/")[-1] not in {".", ".."}


@pytest.mark.parametrize("value", ["", ".", "..", "a\nb", "a\x00", "\x7f", "x" * 257, "가" * 86])
def test_what_cannot_be_an_id_is_refused(value: str) -> None:
    """Empty, dot segments, control characters and over 256 bytes of UTF-8 are no ids."""
    with pytest.raises(ConfigError, match="user_id"):
        quote_id("user_id", value)


@pytest.mark.parametrize("value", ["x" * 256, "가" * 85, "...", "a b", "user@example.com"])
def test_ids_against_the_rule_for_new_ones_are_sent(value: str) -> None:
    """The platform's own examples break its rule, so only impossible ids are refused."""
    assert unquote(quote_id("user_id", value)) == value


def test_an_at_sign_is_encoded() -> None:
    """Gateways that take `@` for the end of credentials see none."""
    assert quote_id("user_id", "user@example.com") == "user%40example.com"


def test_ids_must_be_strings() -> None:
    """A number is no id, also where no type checker looks."""
    with pytest.raises(ConfigError, match="must be a string"):
        quote_id("user_id", 7)  # type: ignore[arg-type]  # the mistake under test


def test_a_missing_or_foreign_id_is_a_type_error() -> None:
    """The ids given are exactly those of the path."""
    with pytest.raises(TypeError, match="channel_id"):
        GET()
    with pytest.raises(TypeError, match="channel_id"):
        GET(channel_id="1", user_id="2")


def test_query_values_are_percent_encoded() -> None:
    """JSON in the query survives as one value."""
    request = GET(channel_id="1", query={"filter": '{"name":"a&b=c+ d"}'})
    assert request.target == "/v1/api/channels/1?filter=%7B%22name%22%3A%22a%26b%3Dc%2B%20d%22%7D"


@pytest.mark.parametrize("query", ["filter=x", 5, [("a", "b")], {"a": 5}, {"a": b"b"}, {5: "b"}])
def test_a_query_is_a_mapping_of_texts(query: Any) -> None:
    """Nothing else is made into text, or ends in an error from within."""
    with pytest.raises(ConfigError, match="query takes a mapping of text") as caught:
        GET(channel_id="1", query=query)
    assert caught.value.__context__ is None


def test_lone_surrogates_are_refused_in_query_and_body() -> None:
    """What UTF-8 cannot carry is refused before any I/O."""
    with pytest.raises(ConfigError, match="surrogate"):
        GET(channel_id="1", query={"filter": "\ud800"})
    with pytest.raises(ConfigError, match="surrogate"):
        GET(channel_id="1", body={"content": "\udfff"})


def test_names_come_from_where_an_endpoint_stands() -> None:
    """`Resource.verb` in a class, method and path elsewhere."""

    class Things:
        _GET_ALL = Endpoint("GET", "/things", Channel)

    assert Things._GET_ALL.name == "Things.get_all"
    assert Endpoint("GET", "/things", Channel).name == "GET /things"


def test_what_may_be_repeated_follows_the_method_unless_stated() -> None:
    """GET, PUT and DELETE may; POST may not; both can be overruled."""
    repeatable = {m: Endpoint(m, "/x", Channel).repeatable for m in ("GET", "PUT", "DELETE")}
    assert repeatable == {"GET": True, "PUT": True, "DELETE": True}
    assert not Endpoint("POST", "/x", Channel).repeatable
    assert Endpoint("POST", "/x", Channel, repeatable=True).repeatable
    assert not Endpoint("DELETE", "/x", Channel, repeatable=False).repeatable


def test_a_request_shows_neither_ids_nor_body() -> None:
    """Requests end in logs and tracebacks: they name the operation only."""
    request = GET(channel_id="secret-id", body={"content": "secret text"})
    assert repr(request) == "<Request GET /v1/api/channels/{channel_id}>"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/a b"), ("GET", "/a\r\nx-api-key: b"), ("GET", "a"), ("GET /x", "/a"), ("GET", "/é")],
)
def test_what_cannot_stand_in_a_request_line_is_no_endpoint(method: str, path: str) -> None:
    """A path or method can bring no header, and no second request, into what is sent."""
    with pytest.raises(ConfigError, match="printable ASCII"):
        Endpoint(method, path, Channel)


def test_names_of_parameters_are_encoded_too() -> None:
    """A parameter's name can end neither the query nor the request line."""
    assert GET(channel_id="a", query={"a b&c\n": "d"}).target.endswith("?a%20b%26c%0A=d")


@pytest.mark.parametrize("path", ["/{a", "/a}", "/{}", "/{a-b}", "/{{a}}", "/{a}/{", "/{a.b}/{c}"])
def test_braces_of_a_path_stand_around_names(path: str) -> None:
    """A slip in a name is told, not sent: no path has braces of its own (RFC 3986)."""
    with pytest.raises(ConfigError, match="braces"):
        Endpoint("GET", path, Channel)


def test_a_decoder_is_for_answers_without_an_envelope() -> None:
    """Of the two only one could be heeded, so both together are refused."""
    decoder = msgspec.json.Decoder(Channel)
    assert Endpoint("GET", "/x", Channel, decoder=decoder).decoder is decoder
    with pytest.raises(ConfigError, match="an envelope or a decoder"):
        Endpoint("GET", "/x", Channel, envelope=("channel",), decoder=decoder)


def test_the_envelope_is_a_tuple_of_names() -> None:
    """A text would be read as one name per letter."""
    with pytest.raises(ConfigError, match="envelope takes a tuple of names"):
        Endpoint("GET", "/x", Channel, envelope="channel")  # type: ignore[arg-type]  # the mistake
