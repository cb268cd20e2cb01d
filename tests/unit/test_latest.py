"""The newest messages of a channel, whatever the server's page cap and the ties of a second."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ncloudchat_async import Quota
from ncloudchat_async.models import Message
from ncloudchat_async.resources.messages import Messages
from ncloudchat_async.settings import CallOptions
from ncloudchat_async.wire.endpoint import Request

BEGIN_S = 1_751_328_000
"""A second of 2025, as `created_at` and the first digits of `sort_id` tell it."""


class Channel:
    """A caller that answers one list, sorted by whole seconds, a page of at most `cap` rows."""

    project_id, base_url = "project", "https://host"
    quota, options = Quota(), CallOptions()

    def __init__(self, sort_ids: Sequence[int], cap: int) -> None:
        seconds_back = sorted(sort_ids, key=lambda ms: -(ms // 1000))
        self.rows = [_message(ms) for ms in seconds_back]
        self.cap = cap
        self.calls = 0

    async def send(self, request: Request[Any]) -> Any:
        """Answer a page."""
        self.calls += 1
        query = parse_qs(urlsplit(request.target).query)
        assert query["sort"] == ['{"created_at":"-1"}']
        option = json.loads(query["option"][0])
        return self.rows[option["offset"] :][: min(option["per_page"], self.cap)]

    def with_options(self, *, priority: str) -> "Channel":
        """Return itself."""
        return self


def _message(sort_ms: int) -> Message:
    at = datetime.fromtimestamp(BEGIN_S + sort_ms // 1000, UTC)
    return Message(id=f"m{sort_ms}", sort_id=str(BEGIN_S * 1000 + sort_ms), created_at=at)


async def latest(channel: Channel, n: int) -> Sequence[Message]:
    """Read the one channel there is."""
    async with Messages(channel).latest(["channel"], n=n) as results:
        (found,) = [result.value async for result in results]
    assert found is not None
    return found


MOMENTS = st.one_of(
    st.lists(st.integers(0, 999), unique=True, max_size=60),  # all in one second
    st.lists(st.integers(0, 5_999), unique=True, max_size=120),
    st.lists(st.integers(0, 200).map(lambda s: s * 1000), unique=True, max_size=120),
)


@settings(max_examples=300)
@given(MOMENTS, st.integers(1, 130), st.integers(1, 30) | st.just(100))
@example(list(range(8)), 1, 3)
@example(list(range(8)), 1, 1)
@example(list(range(25)), 3, 20)
def test_the_newest_are_those_of_a_sort_of_all(moments: list[int], n: int, cap: int) -> None:
    """Where a page ends, by a cap or as asked, decides nothing; ties come in any order."""
    channel = Channel(moments, cap)
    found = asyncio.run(latest(channel, n))
    newest = sorted(moments, reverse=True)[:n]
    assert [message.id for message in found] == [f"m{ms}" for ms in newest]
    if cap > 1:  # a page of one row cannot repeat one and bring another
        assert channel.calls <= most_calls(channel, n)


def most_calls(channel: Channel, n: int) -> int:
    """Pages up to a message older than the n-th, each with a row of the one before, or to the end.

    Two more make sure of an end, three where pages were cut, one where a lone row is all.
    """
    rows, size = channel.rows, min(channel.cap, max(n + 1, 20), 100)
    for at in range(n, len(rows)):
        if rows[at].created_at != rows[n - 1].created_at:
            return 1 + max(0, -((size - at - 1) // (size - 1)))
    more = max(0, -((size - len(rows)) // (size - 1)))
    return 1 + more + (3 if more else min(len(rows), 2))
