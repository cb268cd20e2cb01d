"""Each benchmark of the wire, with sizes too small to measure anything: its checks, its rows."""

from collections.abc import Sequence
from importlib import import_module

import pytest

from benchmarks import instructions
from benchmarks.contenders import HEADERS, PATH
from benchmarks.fairness import jain
from benchmarks.figures import Result
from benchmarks.server import serving
from ncloudchat_async import Client, Quota
from ncloudchat_async.errors import RateLimitedError
from ncloudchat_async.settings import Retry


@pytest.mark.parametrize(
    ("name", "argv", "rows"),
    [
        ("calls", ["--count", "5", "--rounds", "1"], {1, 2}),
        ("session", ["--calls", "10", "--rounds", "1"], {3}),
        ("fairness", ["--callers", "8", "--slots", "4", "--seconds", "0.1"], {4}),
        ("decoding", ["--count", "4", "--rounds", "1"], {5}),
        ("memory", ["--count", "50"], {12}),
        ("pacing", ["--seconds", "0.1", "--shorter", "80"], {8, 9}),
        ("imports", ["--rounds", "1"], {13}),
        ("outage", ["--calls", "50"], {14}),
    ],
)
def test_a_benchmark_checks_its_answers_and_fills_its_rows(
    name: str, argv: Sequence[str], rows: set[int]
) -> None:
    """Every subject runs, its contenders read the right answers, and its rows come out."""
    result: Result = import_module(f"benchmarks.{name}").main(argv)
    assert {f.row for f in result.figures} == rows
    assert len({f.name for f in result.figures}) == len(result.figures)


async def test_the_server_keeps_a_limit_and_tells_its_load() -> None:
    """Beyond the limit it answers 429 in the gateway's form, and counts what it did."""
    quota = Quota(adaptive=False)
    with serving(limit=1.0) as server:
        async with Client(
            HEADERS["x-project-id"],
            HEADERS["x-api-key"],
            base_url=server.base_url,
            quota=quota,
            retry=Retry(max_attempts=1),
        ) as chat:
            assert (await chat.messages.send(PATH.rpartition("/")[2], "hello")).content
            with pytest.raises(RateLimitedError) as caught:
                await chat.messages.send("channel-000001", "hello")
        load = server.load()
    assert caught.value.code == 410
    assert (load.served, load.refused) == (2, 1)
    assert load.cpu_s > 0.0


@pytest.mark.parametrize(("shares", "index"), [([3, 3, 3], 1.0), ([9, 0, 0], 1 / 3), ([0, 0], 0.0)])
def test_fairness_is_one_for_equals(shares: list[float], index: float) -> None:
    """Jain's index is 1 when all get the same, and 1/n when one gets all."""
    assert jain(shares) == pytest.approx(index)


def test_bytecodes_are_counted_the_same_every_time() -> None:
    """The gate can be exact because the count is."""
    first = instructions.bytecodes(3)
    assert first == instructions.bytecodes(3)
    assert first["wire.session.Session.send"] > 10


def test_growth_names_the_function_that_grew() -> None:
    """A hundredth more is let pass; beyond that the functions are named."""
    before = instructions.Counts({"a": 1000, "b": 100}, 10_000)
    assert instructions.grown(instructions.Counts({"a": 1005, "b": 100}, 10_050), before) == []
    assert instructions.grown(instructions.Counts({"a": 1000, "b": 150}, 10_200), before) == [
        "machine instructions of one send grew from 10,000 to 10,200",
        "bytecodes of one send grew from 1,100 to 1,150",
        "  b: +50 bytecodes",
    ]
