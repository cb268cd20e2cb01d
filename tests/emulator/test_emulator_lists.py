"""filter, sort and option, against a plain Python model and case by case."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncloudchat_async.emulator import EmulatorSettings
from ncloudchat_async.emulator.project import Project, steady_clock
from ncloudchat_async.emulator.query import parse
from ncloudchat_async.emulator.rows import add_rows
from ncloudchat_async.emulator.store import MEMBERS, MESSAGES, Table
from tests.emulator.raw import Api, Clock

SECOND = 1_753_254_600
ABSENT = object()

scalars = st.sampled_from([None, True, False, 0, 1, 1.0, "", "1", "true", "a", "b", "A", "é", "한"])
texts = st.sampled_from(["", "a", "b", "A", "ab", "é", "한", "1"])
members = st.lists(
    st.fixed_dictionaries(
        {
            "name": texts,
            "online": st.booleans(),
            "deleted": st.booleans(),
            "memo": st.none() | texts,
            "customField": st.none() | texts,
            "notifications": st.fixed_dictionaries({"push": st.none() | st.booleans()}),
            "device_type": st.lists(texts, max_size=2),
            "created_at": st.integers(SECOND, SECOND + 3),
        }
    ),
    max_size=12,
)
KEYS = ["id", "member_id", "name", "online", "deleted", "memo", "customField", "unknown"]
member_keys = st.sampled_from([*KEYS, "notifications.push", "notifications.none", "name.x"])
nested = st.lists(texts, max_size=2) | st.fixed_dictionaries({"push": st.none() | st.booleans()})
filters = st.dictionaries(member_keys | st.just("notifications"), scalars | nested, max_size=3)
sorts = st.none() | st.tuples(
    st.sampled_from([*KEYS, "created_at", "createdAt", "updated_at", "device_type"]),
    st.sampled_from(["1", "-1", 1, -1]),
)


def found_at(row: Any, key: str) -> Any:
    """Descend along a dotted key."""
    for part in key.split("."):
        if not isinstance(row, dict) or part not in row:
            return ABSENT
        row = row[part]
    return row


def same(one: Any, other: Any) -> bool:
    """Compare as JSON: types count, except that 1 and 1.0 are one number."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def expected(
    rows: list[dict[str, Any]], wanted: dict[str, Any], order: Any, *, lenient: bool
) -> list[Any]:
    """Say which ids a list has, in which order."""

    def meets(row: dict[str, Any]) -> bool:
        for key, value in wanted.items():
            found = found_at(row, key)
            if not (lenient if found is ABSENT else same(found, value)):
                return False
        return True

    def rank(row: dict[str, Any]) -> tuple[int, Any]:
        value = found_at(row, order[0].replace("createdAt", "created_at"))
        if value is ABSENT or value is None or isinstance(value, list):
            return (0, 0)
        return (2, value) if isinstance(value, str) else (1, value)

    kept = list(filter(meets, rows))
    if order is not None:
        kept.sort(key=rank, reverse=int(order[1]) < 0)
    return [row["id"] for row in kept]


def listed(
    project: Project, table: Table, wanted: object, order: Any, option: dict[str, object]
) -> list[str]:
    """Ask the emulator's query and store for ids."""
    query = {"filter": json.dumps(wanted), "option": json.dumps(option)}
    if order is not None:
        query["sort"] = json.dumps({order[0]: order[1]})
    listing = parse(query, table, project.settings)
    return project.store.ids(table, listing, listing.per_page, listing.offset)


def project_with(mode: Literal["standard", "lenient"] = "standard") -> Project:
    """Make a project without a server."""
    return Project("p", "k", EmulatorSettings(mode=mode), None, steady_clock())


@settings(deadline=None, max_examples=150)
@given(
    rows=members,
    wanted=filters,
    order=sorts,
    mode=st.sampled_from(["standard", "lenient"]),
    page=st.tuples(st.integers(0, 14), st.integers(1, 14)),
)
def test_lists_agree_with_a_plain_model(
    rows: list[dict[str, Any]],
    wanted: dict[str, Any],
    order: Any,
    mode: Literal["standard", "lenient"],
    page: tuple[int, int],
) -> None:
    """All keys must match with JSON types, dots descend, ties keep insertion, then the page."""
    project = project_with(mode)
    try:
        add_rows(project, "members", ({"id": f"m{n}", **row} for n, row in enumerate(rows)))
        plain = [
            json.loads(body) for body in project.store.page(MEMBERS, parse_all(project), 99, 0)
        ]
        option: dict[str, object] = dict(zip(("offset", "per_page"), page, strict=True))
        ids = expected(plain, wanted, order, lenient=mode == "lenient")
        assert listed(project, MEMBERS, wanted, order, option) == ids[page[0] : sum(page)]
    finally:
        project.store.close()


def parse_all(project: Project) -> Any:
    """Return the list of everything in order of insertion."""
    return parse({"filter": "{}"}, MEMBERS, project.settings)


@settings(deadline=None, max_examples=60)
@given(
    contents=st.lists(st.text(alphabet="ab*%_é한\\'\"", min_size=1, max_size=5), max_size=8),
    part=st.text(alphabet="ab*%_é한\\'\"", max_size=2),
    order=st.sampled_from([None, ("sort_id", "-1"), ("created_at", "-1"), ("content", 1)]),
)
def test_content_is_searched_literally(contents: list[str], part: str, order: Any) -> None:
    """D22: a part of the content matches as it is, without wildcards, case by case."""
    project = project_with()
    try:
        rows = [
            {"id": f"m{n}", "channel_id": "c", "content": text, "created_at": SECOND + n // 3}
            for n, text in enumerate(contents)
        ]
        add_rows(project, "messages", rows, orphans=True)
        kept = [(n, text) for n, text in enumerate(contents) if part in text]
        if order is not None:
            keys: dict[str, Any] = {
                "sort_id": lambda pair: pair[0],
                "created_at": lambda pair: pair[0] // 3,
                "content": lambda pair: pair[1],
            }
            kept.sort(key=keys[order[0]], reverse=int(order[1]) < 0)
        ids = listed(project, MESSAGES, {"content": part}, order, {"per_page": 20})
        assert ids == [f"m{n}" for n, _ in kept]
    finally:
        project.store.close()


@pytest.mark.parametrize("spelling", ["createdAt", "created_at"])
@pytest.mark.parametrize("direction", ["-1", -1])
def test_both_spellings_of_the_sort_key(
    timed: Api, clock: Clock, spelling: str, direction: object
) -> None:
    """D28: createdAt and created_at are one key on every list; values are text or number."""
    for name in ("a", "b", "c"):
        timed.channel(name)
        clock.at += 1
    for order in ({spelling: direction}, {spelling: 1}):
        listed = timed.ok("GET", "/channels", filter={}, sort=order)
        names = "".join(channel["name"] for channel in listed)
        assert names == ("cba" if order[spelling] == direction else "abc")


def test_pages_are_bounded(api: Api) -> None:
    """D02: 20 rows unless asked, 100 at most; above that clamped or refused."""
    api.emulator.seed(members=130)

    def rows(**option: object) -> Any:
        return api.ok("GET", "/members", filter={}, option=option)

    assert [len(rows()), len(rows(per_page=7)), len(rows(per_page=500))] == [20, 7, 100]
    assert [len(rows(per_page=100, offset=100)), len(rows(offset=130))] == [30, 0]
    api.set(over_max="reject")
    assert rows(per_page=101)["status"] == -100
    api.set(default_per_page=3, max_per_page=50)
    assert [len(rows()), len(rows(per_page=50))] == [3, 50]
    api.set(default_per_page=20, max_per_page=10)
    assert len(rows()) == 10


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("count", {"count": 3}),
        ("totalCount", {"totalCount": 3}),
        ("total", {"total": 3}),
        ("number", 3),
        ("text", "3"),
        ("array", [3]),
    ],
)
def test_count_wins_over_the_page(api: Api, shape: str, body: object) -> None:
    """D03: count true answers the number of matching rows in one of the guessed shapes."""
    api.emulator.seed(members=5)
    api.ok("PUT", "/members/member-000000", {"name": "other"})
    api.ok("PUT", "/members/member-000001", {"name": "other"})
    api.set(count_shape=shape, mode="lenient")
    option = {"count": True, "offset": 1, "per_page": 1}
    named = [f"Member {number}" for number in range(2, 5)]
    assert api.ok("GET", "/members", filter={"online": False}, option=option) != body
    for name in named:
        api.ok("PUT", f"/members/member-00000{name[-1]}", {"name": "same"})
    assert api.ok("GET", "/members", filter={"name": "same"}, option=option) == body


def test_count_can_be_ignored(api: Api) -> None:
    """D03: a server may answer the list although a count was asked."""
    api.emulator.seed(members=5)
    api.set(count_shape="ignored")
    assert len(api.ok("GET", "/members", filter={}, option={"count": True})) == 5


def test_state_means_not_deleted(api: Api) -> None:
    """D29: state true or "1" matches what is not deleted, anything else what is."""
    api.channel()
    api.member("user-1")
    api.member("user-2")
    api.ok("DELETE", "/members/user-1")
    for value, channels, members in (
        (True, 1, ["user-2"]),
        ("1", 1, ["user-2"]),
        (False, 0, ["user-1"]),
    ):
        assert len(api.ok("GET", "/channels", filter={"state": value})) == channels
        listed = api.ok("GET", "/members", filter={"state": value})
        assert [member["id"] for member in listed] == members


def test_filters_compare_types(api: Api) -> None:
    """A boolean is neither a number nor a text; whole and fractional numbers are one kind."""
    channel = api.channel(limit=1)["id"]
    for wanted, rows in (
        ({"disabled": False}, 1),
        ({"disabled": 0}, 0),
        ({"disabled": "false"}, 0),
        ({"limit": 1}, 1),
        ({"limit": 1.0}, 1),
        ({"limit": True}, 0),
        ({"limit": "1"}, 0),
        ({"id": channel, "limit": 1}, 1),
        ({"id": channel, "limit": 2}, 0),
    ):
        assert len(api.ok("GET", "/channels", filter=wanted)) == rows, wanted


def test_the_filter_is_required_unless_lenient(api: Api) -> None:
    """A missing filter is refused, and means {} in lenient mode."""
    for path in ("/members", "/channels", "/subscriptions"):
        assert api.ok("GET", path)["status"] == -100
    api.set(mode="lenient")
    for path in ("/members", "/channels", "/subscriptions"):
        assert api.ok("GET", path) == []


@pytest.mark.parametrize(
    "query",
    [
        {"filter": "{"},
        {"filter": "[]"},
        {"filter": "null"},
        {"filter": "[" * 10_000},
        {"filter": '{"a":' * 600 + "1" + "}" * 600},
        {"filter": '{"members":' + "[" * 65 + "]" * 65 + "}"},
        {"filter": '{"a":"\\ud800"}'},
        {"filter": "{}", "sort": '{"a":"1","b":"1"}'},
        {"filter": "{}", "sort": '{"a":"2"}'},
        {"filter": "{}", "sort": '{"a":true}'},
        {"filter": "{}", "option": '{"offset":-1}'},
        {"filter": "{}", "option": '{"per_page":0}'},
        {"filter": "{}", "option": '{"per_page":"10"}'},
        {"filter": "{}", "option": '{"count":1}'},
        {"filter": "{}", "option": '{"offset":99999999999999999999}'},
    ],
)
def test_malformed_parameters_are_refused(api: Api, query: dict[str, str]) -> None:
    """What is not JSON of the documented form answers -100 and never fails the server."""
    answer = api.ok("GET", "/members", **query)
    assert answer["status"] == -100
    assert answer["message"]


def test_hostile_keys_and_values_stay_values(api: Api) -> None:
    """A key or value of a request never becomes part of a statement."""
    api.emulator.seed(members=2)
    hostile = "id' OR 1=1; DROP TABLE members --"
    assert api.ok("GET", "/members", filter={hostile: 1}) == []
    assert api.ok("GET", "/members", filter={"name": hostile}) == []
    assert len(api.ok("GET", "/members", filter={}, sort={hostile: -1})) == 2
    assert api.ok("GET", "/members", filter={"name": 2**80}) == []


def test_list_lag_hides_fresh_rows(timed: Api, clock: Clock) -> None:
    """With list lag a new row can be fetched at once, and is listed and counted later."""
    timed.set(list_lag_s=2.0)
    channel = timed.channel()["id"]
    clock.at += 2
    message = timed.message(channel)
    assert timed.ok("GET", f"/messages/{channel}/{message['id']}") == message
    assert timed.contents(channel) == []
    clock.at += 1.5
    assert timed.contents(channel) == []
    clock.at += 0.5
    assert timed.contents(channel) == ["hello"]
