"""Arguments: what cannot work is refused at the call, in words, before anything is sent or read."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from ncloudchat_async import Client, Delivery, Endpoint, Event, Pool, Quota, Retry, Timeouts
from ncloudchat_async.bulk import Outcome, send_many
from ncloudchat_async.errors import ClientClosedError, ConfigError
from ncloudchat_async.models import NotificationPatch
from ncloudchat_async.paging.cursor import Cursor, encode_cursor
from ncloudchat_async.resources.base import query_json
from ncloudchat_async.resources.channels import Channels
from ncloudchat_async.resources.members import Members
from ncloudchat_async.settings import CallOptions
from ncloudchat_async.wire.endpoint import Request
from tests.unit.bulk_fakes import Platform

KEY = "open-sesame"
THING = Endpoint("POST", "/new/thing", dict[str, object])


HALF = "\ud83d"
"""Half a character, as a text cut by UTF-16 units ends in."""


def unopened(**options: Any) -> Client:
    """A client that sends nothing: a call that is not refused says that it is closed."""
    return Client("project", KEY, base_url="https://host", **options)


OPTIONS: list[tuple[Callable[[Any], object], str, list[object]]] = [
    (lambda v: Quota(rate=v), "Quota.rate must be a finite number", ["5", True, 0, -1.0, [5]]),
    (lambda v: Quota(burst=v), "Quota.burst must be a whole number", [1.5, "1", True, None]),
    (lambda v: Quota(max_in_flight=v), "Quota.max_in_flight must be a whole", [1.5, "9", False]),
    (lambda v: Quota(max_wait_s=v), "Quota.max_wait_s must be a finite", ["1", float("inf")]),
    (lambda v: Quota(adaptive=v), "Quota.adaptive must be True or False", ["no", 0, None]),
    (lambda v: Retry(max_attempts=v), "Retry.max_attempts must be a whole", [2.0, "4", None]),
    (lambda v: Retry(base_s=v), "Retry.base_s must be a finite", ["1", None, float("nan")]),
    (lambda v: Timeouts(read_s=v), "Timeouts.read_s must be a finite", ["15", float("inf"), 0]),
    (lambda v: Pool(max_connections=v), "Pool.max_connections must be a whole", [0.5, "8"]),
    (lambda v: Pool(dns_cache_s=v), "Pool.dns_cache_s must be a finite", [None, "300"]),
    (lambda v: Pool(max_body_bytes=v), "Pool.max_body_bytes must be a whole", [1e6, "1"]),
    (lambda v: unopened(quota=v), r"quota takes a Quota\(\.\.\.\)", [5, None, Quota]),
    (lambda v: unopened(allow_insecure=v), "allow_insecure must be True or False", ["false", 1]),
    (lambda v: unopened(trust_env=v), "trust_env must be True or False", ["no"]),
    (lambda v: unopened(observer=v), "observer takes", [5, "print"]),
    (lambda v: unopened(session=v), "session takes an open aiohttp.ClientSession", [object(), 1]),
    (lambda v: Client("p", v), "api_key takes a string, or an async callable", [b"key", 5, []]),
    (lambda v: Client(v, KEY), "project_id must be a string", [5, b"p", ["p"]]),
    (lambda v: Client("p", KEY, base_url=v), "base_url must be a string", [5, 0, b"https://host"]),
    (lambda v: unopened().with_options(deadline_s=v), "deadline_s must be a finite", ["5", True]),
    (lambda v: unopened().with_options(priority=v), "priority must be", ["x", None, 1]),
    (lambda v: unopened().with_options(retry=v), r"retry takes a Retry\(", [4, None, "no"]),
]


@pytest.mark.parametrize(
    ("make", "words", "value"), [(make, words, v) for make, words, vs in OPTIONS for v in vs]
)
def test_an_option_of_the_wrong_kind_says_what_it_takes(
    make: Callable[[Any], object], words: str, value: object
) -> None:
    """Each option is refused where it is made, named, with what to pass instead."""
    with pytest.raises(ConfigError, match=words) as caught:
        make(value)
    assert isinstance(caught.value, ValueError)


async def _of_an_event(event: Event) -> None: ...


def test_an_async_observer_is_refused() -> None:
    """What nobody would await is told at once."""
    with pytest.raises(ConfigError, match="observer takes a plain function"):
        unopened(observer=_of_an_event)


LISTS: list[tuple[str, str, list[object]]] = [
    ("filter", "filter takes a mapping", ["x", 5, ["type"], ""]),
    (
        "filter",
        "what JSON can hold",
        [
            {"a": float("nan")},
            {"a": [1, float("-inf")]},
            {"a": {"x"}},
            {"a": frozenset()},
            {"a": b"x"},
            {"a": Decimal(1)},
            {"a": datetime.now(UTC)},
            {"a": object()},
            {"a": "\ud800"},
            {("a", "b"): 1},
        ],
    ),
    ("sort", "what JSON can hold", [{"a": float("inf")}, {"a": b"1"}, {"a": {1}}]),
    ("sort", "sort takes a field", [5, ["-created_at"], True]),
    ("per_page", "per_page must be a whole number, from 1 to 100", ["10", 1.0, True, 0, 101]),
    ("offset", "offset must be a whole number, from 0 to", ["0", -1, 1.5, None]),
    ("window", "window must be a whole number, 1 or more, or 'auto'", ["many", 0, 1.5, True]),
    ("limit", "limit must be a whole number, 0 or more, or None", [-1, "5", 2.5, False]),
    ("cursor", "cursor must be a string", [5, b"AAAA", ["x"]]),
    ("cursor", "cursor", ["garbage", "", "é", "AAAA", "x" * 5000]),
    ("cursor", "another list", [encode_cursor(Cursor(0, 0, ()), "elsewhere")]),
]


@pytest.mark.parametrize(("name", "words", "value"), [(n, w, v) for n, w, vs in LISTS for v in vs])
def test_a_list_refuses_at_the_call(name: str, words: str, value: object) -> None:
    """Nothing needs to be awaited or iterated to learn that a parameter cannot work."""
    chat = unopened()
    for listed in (chat.channels.list, partial(chat.messages.list, "channel-1")):
        with pytest.raises(ConfigError, match=words):
            listed(**{name: value})  # type: ignore[arg-type]  # the mistake


def test_a_filter_is_sent_as_json_has_it() -> None:
    """What JSON can hold is sent as it is: nested, in any script, and as short as it can be."""
    asked = {"name": "김/\u0001", "a.b": [1, 2.5, None, True], "c": {"d": {}}, "e": (10**20,)}
    text = '{"name":"김/\\u0001","a.b":[1,2.5,null,true],"c":{"d":{}},"e":[100000000000000000000]}'
    assert query_json(asked) == text


def find(chat: Client, *, content: Any = "hi", **options: Any) -> Awaitable[object]:
    """Ask what became of a message."""
    return chat.messages.find_sent("1", content, since=datetime.now(UTC), **options)


def register(chat: Client, check_rule: Any) -> Awaitable[object]:
    """Register a member whose id breaks the documented rule."""
    return chat.members.register("a@b.example", "n", check_rule=check_rule)


CALLS: list[tuple[Callable[[Client, Any], Awaitable[object]], str, list[object]]] = [
    (lambda c, v: c.messages.send("1", v), "content must be a string", [None, b"x", 5, ["x"]]),
    (lambda c, v: c.messages.send("1", v), "needs content", [""]),
    (lambda c, v: c.messages.send(v, "x"), "channel_id must be a string", [None, 5, b"1"]),
    (lambda c, v: find(c, content=v), "content must be a string", [None, b"x", 5]),
    (lambda c, v: find(c, content=v), "needs content", [""]),
    (lambda c, v: find(c, content=v), "content holds a lone surrogate", [HALF, f"hi {HALF}"]),
    (lambda c, v: find(c, sender_id=v), "sender_id must", [5, "", HALF]),
    (lambda c, v: c.tokens.issue("user", expire_days=v), "expire_days must be", ["5", 1.5, 91]),
    (lambda c, v: c.messages.list("1").to_list(v), "limit must be a whole", ["5", -1, 1.5]),
    (lambda c, v: c.friends.request_many(v), "pairs", [5, ["ab"], [("a",)], [("a", "b", "c")]]),
    (lambda c, v: c.channels.create(v), "name must be a string", [5, None, b"n"]),
    (lambda c, v: c.channels.create("n", members=v), "members", ["user-1", 5, ["a", 5], [b"a"]]),
    (lambda c, v: c.channels.create("n", limit=v), "limit: Expected `int`", ["5", 1.5, True]),
    (lambda c, v: c.channels.update("1", push=v), "push: Expected `bool`", ["no", 0]),
    (lambda c, v: c.members.register("user", v), "name: Expected `str`", [5, b"n", ["n"]]),
    (lambda c, v: c.members.register("user", "n", custom_field=v), "custom_field: ", [{"a": 1}]),
    (register, "check_rule must be True or False", ["false", None, 5, []]),
    (lambda c, v: c.members.update("user", notifications=v), "notif", [5, {"push": "yes"}]),
    (lambda c, v: c.members.update("user", notifications=v), "push", [NotificationPatch(push=5)]),  # type: ignore[arg-type]  # the mistake
    (lambda c, v: c.members.update("user", profile=v), "profile: Expected `str`", [5]),
    (lambda c, v: c.members.set_notification("u", token=v), "token: Expected `str", [5, b"t"]),
    (lambda c, v: c.friends.request("u", "f", message=v), "message: Expected `str`", [5]),
    (lambda c, v: c.send(THING(body=v)), "what JSON cannot: .*object", [object(), [object()]]),
    (lambda c, v: c.send(v), r"Endpoint\(\.\.\.\)\(\), not", [THING, None, 5, "GET /x", Endpoint]),
    (lambda c, v: c.aclose(grace_s=v), "grace_s must be a finite number", ["1", -1, None]),
]


@pytest.mark.parametrize(
    ("call", "words", "value"), [(call, words, v) for call, words, vs in CALLS for v in vs]
)
async def test_a_call_refuses_what_it_cannot_send(
    call: Callable[[Client, Any], Awaitable[object]], words: str, value: object
) -> None:
    """Before quota, connection or any other I/O; a client that is not open would say so."""
    with pytest.raises(ConfigError, match=words):
        await call(unopened(), value)


WRITES: list[tuple[str, str, tuple[str, ...]]] = [
    ("channels", "create", ("name",)),
    ("channels", "update", ("channel-1",)),
    ("members", "register", ("user-1", "name")),
    ("members", "update", ("user-1",)),
    ("members", "set_notification", ("user-1",)),
]


@pytest.mark.parametrize(("noun", "verb", "given"), WRITES)
async def test_half_a_character_is_no_argument_of_any_type(
    noun: str, verb: str, given: tuple[str, ...]
) -> None:
    """Where a number or a truth value is wanted too it is a ConfigError, with none behind it."""
    call = getattr(getattr(unopened(), noun), verb)
    options = [p.name for p in signature(call).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert options
    for option in options:
        with pytest.raises(ConfigError, match=rf"^{option}|the request holds") as caught:
            await call(*given, **{option: HALF})
        assert caught.value.__context__ is None


class Kept:
    """A caller that keeps the body of a request and sends nothing."""

    project_id, base_url = "project", "https://host"
    quota, options = Quota(), CallOptions()
    body: bytes | None = None

    async def send(self, request: Request[Any]) -> Any:
        """Keep it."""
        self.body = request.body
        raise ClientClosedError

    def with_options(self, *, priority: str) -> "Kept":
        """Return itself."""
        return self


NONE: Any = None
NULLS: list[tuple[Callable[[Kept], Awaitable[object]], bytes]] = [
    (lambda c: Channels(c).create("n", unique_id=NONE), b'"uniqueId":null'),
    (lambda c: Channels(c).update("1", limit=NONE), b'{"limit":null}'),
    (lambda c: Members(c).register("user", "n", profile=NONE), b'"profile":null'),
    (lambda c: Members(c).update("user", custom_field=NONE), b'{"customField":null}'),
    (lambda c: Members(c).set_notification("user", token=NONE), b'{"token":null}'),
]


@pytest.mark.parametrize(("call", "sent"), NULLS)
async def test_none_is_sent_as_null(call: Callable[[Kept], Awaitable[object]], sent: bytes) -> None:
    """What null means is the platform's to say: it is neither refused nor left out."""
    kept = Kept()
    with pytest.raises(ClientClosedError):
        await call(kept)
    assert sent in (kept.body or b"")


async def test_strings_of_other_kinds_are_strings() -> None:
    """A subclass of str is text: it gets past the check, to a client that is not open."""

    class Text(str):
        __slots__ = ()

    with pytest.raises(ClientClosedError):
        await unopened().messages.send("1", Text("hello"))


JOBS: list[tuple[str, str, list[object]]] = [
    ("mode", "mode must be one of", ["reconcil", 1, ""]),
    ("settle_s", "settle_s must be a finite number, 0 or more", ["1", -1, float("nan"), None]),
    ("max_failures", "max_failures must be a whole number, 1 or more", [-1, 0, "3", 1.5, True]),
    ("max_in_flight", "max_in_flight must be a whole number, 1 or more", [0, -1, "8", 1.5]),
    ("journal", "journal takes the path of a file", [5, b"job.journal", True]),
    ("input_id", "input_id must be a string", [5, b"x"]),
    ("ordered", "ordered must be True or False", ["yes", 1]),
    ("fail_fast", "fail_fast must be True or False", ["yes", 0]),
    ("plan_first", "plan_first must be True or False", ["no"]),
]


@pytest.mark.parametrize(("name", "words", "value"), [(n, w, v) for n, w, vs in JOBS for v in vs])
def test_a_job_refuses_its_options_before_it_reads(name: str, words: str, value: object) -> None:
    """No row of the input is taken for a job that cannot begin."""
    rows = iter([Delivery("1", "hello")])
    with pytest.raises(ConfigError, match=words):
        unopened().messages.send_many(rows, **{name: value})  # type: ignore[arg-type]  # the mistake
    assert next(rows) == Delivery("1", "hello")


GOOD = Delivery("1", "hello")
MISTAKES: list[tuple[object, str]] = [
    (("1", "hello"), r"element 1 of the deliveries is tuple: make it a Delivery\("),
    ("hello", "is str"),
    ({"channel_id": "1", "content": "x"}, "is dict"),
    (None, "is NoneType"),
    (Delivery("1", None), "content of delivery 1 must be a string, not None"),  # type: ignore[arg-type]  # the mistake
    (Delivery(7, "x"), "channel_id of delivery 1 must be a string, not 7"),  # type: ignore[arg-type]  # the mistake
    (Delivery("1", "x", ref=7), "ref of delivery 1 must be a string, not 7"),  # type: ignore[arg-type]  # the mistake
]


@pytest.mark.parametrize(("wrong", "words"), MISTAKES)
def test_a_list_of_deliveries_is_checked_as_a_whole(wrong: object, words: str) -> None:
    """What is in memory is looked through at the call: nothing is sent for half of a list."""
    for deliveries in ([GOOD, wrong, GOOD], (GOOD, wrong)):
        with pytest.raises(ConfigError, match=words):
            unopened().messages.send_many(deliveries)  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize("field", ["channel_id", "content", "ref"])
async def test_half_a_character_is_named_before_a_journal_meets_it(
    field: str, tmp_path: Path
) -> None:
    """No file can hold it: the delivery is named, and those before it are sent."""
    platform = Platform()
    half = Delivery(**{"channel_id": "1", "content": "x", field: HALF})
    many = partial(send_many, platform.send, platform.newest, journal=tmp_path / "job.journal")
    with pytest.raises(ConfigError, match="delivery 1 holds a lone surrogate"):
        many([GOOD, half])
    async with many(rows_of(GOOD, half), max_in_flight=1) as job:
        assert (await anext(job)).status == "sent"
        with pytest.raises(ConfigError, match="delivery 1 holds a lone surrogate"):
            await anext(job)


def test_half_a_character_in_the_name_of_an_input_is_refused() -> None:
    """It is told at the call, by the name of the argument."""
    with pytest.raises(ConfigError, match="input_id holds a lone surrogate"):
        unopened().messages.send_many([GOOD], journal="job.journal", input_id="\ud83d")


@pytest.mark.parametrize("deliveries", [5, GOOD, "ab", {"1": "hello"}, object()])
def test_deliveries_that_are_none(deliveries: object) -> None:
    """One delivery, a text or a mapping is told at the call."""
    with pytest.raises(ConfigError, match="deliveries"):
        unopened().messages.send_many(deliveries)  # type: ignore[arg-type]  # the mistake


def rows_of(*items: Any) -> Iterator[Any]:
    """An input that is read once."""
    yield from items


async def later_rows_of(*items: Any) -> AsyncIterator[Any]:
    """An input that is waited for."""
    for item in items:
        yield item


@pytest.mark.parametrize("source", [rows_of, later_rows_of])
@pytest.mark.parametrize("journalled", [True, False])
@pytest.mark.parametrize(("wrong", "words"), MISTAKES)
async def test_a_wrong_element_ends_a_job_in_order(
    wrong: object, words: str, journalled: bool, source: Any, tmp_path: Path
) -> None:
    """What came before it is sent and told, then the error is; a journal goes on from there."""
    platform = Platform()
    journal = tmp_path / "job.journal" if journalled else None
    many = partial(send_many, platform.send, platform.newest, journal=journal, max_in_flight=1)
    outcomes: list[Outcome] = []
    async with many(source(GOOD, wrong, Delivery("2", "never read"))) as job:
        outcomes.append(await anext(job))
        with pytest.raises(ConfigError, match=words):
            await anext(job)
    assert [outcome.status for outcome in outcomes] == ["sent"]
    assert [row.content for row in platform.rows] == ["hello"]
    if journalled:
        async with many(source(GOOD, Delivery("1", "mended"))) as job:
            assert [outcome.status async for outcome in job] == ["skipped", "sent"]


async def _double(number: int) -> int:
    return 2 * number


FANS: list[tuple[dict[str, Any], str]] = [
    ({"function": 5}, "function takes an async function of one item"),
    ({"items": 5}, "items takes an iterable"),
    ({"items": None}, "items takes an iterable"),
    ({"max_in_flight": 0}, "max_in_flight must be a whole number, 1 or more"),
    ({"max_in_flight": "8"}, "max_in_flight must be a whole number, 1 or more"),
    ({"max_in_flight": 1.5}, "max_in_flight must be a whole number, 1 or more"),
]


@pytest.mark.parametrize(("wrong", "words"), FANS)
def test_a_fan_out_refuses_at_the_call(wrong: dict[str, Any], words: str) -> None:
    """What cannot be called, iterated or counted is told before any item is read."""
    with pytest.raises(ConfigError, match=words):
        unopened().run_many(**{"function": _double, "items": [1], **wrong})


async def test_a_function_that_is_not_async_ends_the_run() -> None:
    """It is no failure of its item: the first result shows that all would fail."""
    asked: list[int] = []
    run = unopened().run_many(asked.append, [1, 2, 3], max_in_flight=1)  # type: ignore[arg-type,var-annotated]  # the mistake
    with pytest.raises(ConfigError, match="function must be async, it returned NoneType"):
        async with run:
            await anext(run)
    assert asked == [1]


async def test_a_function_that_passes_on_what_is_awaited() -> None:
    """A lambda around an async call will do."""
    async with unopened().run_many(lambda n: _double(n + 1), [1, 2]) as results:
        assert {result.value async for result in results} == {4, 6}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n must be a whole number, 1 or more"),
        ({"n": "3"}, "n must be a whole number"),
        ({"max_in_flight": 0}, "max_in_flight must be a whole number"),
        ({"channel_ids": "channel-1"}, "channel_ids takes the ids of several channels"),
        ({"channel_ids": 5}, "channel_ids takes an iterable"),
    ],
)
def test_latest_refuses_at_the_call(options: dict[str, Any], words: str) -> None:
    """One id is not taken for a list of letters."""
    with pytest.raises(ConfigError, match=words):
        unopened().messages.latest(**{"channel_ids": ["1"], **options})


def _future(value: object) -> "asyncio.Future[object]":
    future = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future


async def _answer(value: object) -> object:
    return value


@pytest.mark.parametrize("wrong", [KEY.encode(), (KEY,), [KEY], {"key": KEY}, f" {KEY}", None])
@pytest.mark.parametrize("wrap", [_answer, _future, lambda v: v])
async def test_a_key_that_does_not_come(wrong: Any, wrap: Callable[[object], object]) -> None:
    """A source that gives no key, or not asynchronously, is told without a word of what came."""
    key: Any = lambda: wrap(wrong)  # noqa: E731 - a name would stand for the client's argument
    with pytest.raises(ConfigError, match=r"must be async|that the callable returned") as caught:
        await Client("project", key).__aenter__()
    assert KEY not in _locals(caught.value)


@pytest.mark.parametrize("wrong", [KEY.encode(), (KEY,), [KEY], {"key": KEY}, f"{KEY}\n"])
def test_a_key_of_another_kind_is_not_shown(wrong: Any) -> None:
    """No frame of ours shows what was passed as a key, whatever it is."""
    with pytest.raises(ConfigError, match="api_key") as caught:
        Client("project", wrong)
    assert KEY not in _locals(caught.value)
    assert KEY not in str(caught.value)


def _locals(error: BaseException) -> str:
    """What the frames of a traceback hold, but for that of the test itself."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(str(frame.locals) for frame in shown.stack[1:])
