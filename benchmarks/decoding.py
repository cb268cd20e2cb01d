"""What a page of 100 messages costs to decode, and to fetch and decode: row 5."""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

from benchmarks.contenders import HEADERS, PATH
from benchmarks.figures import Figure, Result
from benchmarks.loops import LOOPS, run
from benchmarks.measuring import in_turn, percentile, ratio
from benchmarks.server import PAGE, Server, serving
from ncloudchat_async import Client, Endpoint, Quota
from ncloudchat_async.models import Message
from ncloudchat_async.wire.answers import decode
from ncloudchat_async.wire.bodies import Response

__all__ = ["main"]

_LIST: Final = Endpoint("GET", "/v1/api/messages/{channel_id}", list[Message])
_TEXT: Final = json.loads(PAGE)[7]["content"]


def _decoders() -> dict[str, Callable[[], Any]]:
    """Return what turns a page into something to work with, ours first."""
    response = Response(200, {}, PAGE)
    bare = msgspec.json.Decoder(list[Message])
    decoders: dict[str, Callable[[], Any]] = {
        "ours": lambda: decode(_LIST, response, roomy_stack=True),
        "msgspec, bare": lambda: bare.decode(PAGE),
        "json": lambda: json.loads(PAGE),
    }
    if find_spec("orjson"):
        import orjson  # noqa: PLC0415 - optional

        decoders["orjson"] = lambda: orjson.loads(PAGE)
    if find_spec("pydantic"):
        decoders["pydantic"] = _pydantic()
    return decoders


def _pydantic() -> Callable[[], Any]:
    import pydantic  # noqa: PLC0415 - optional

    class Sender(pydantic.BaseModel):
        id: str
        name: str
        profile: str

    class Row(pydantic.BaseModel):
        id: str
        message_id: str
        channel_id: str
        sort_id: str
        message_type: str
        sender: Sender
        content: str
        sended_at: datetime | None
        created_at: datetime | None

    adapter = pydantic.TypeAdapter(list[Row])
    return lambda: adapter.validate_json(PAGE)


def _text_of(row: Any) -> str:
    text: str = row["content"] if isinstance(row, dict) else row.content
    return text


def decode_in_turn(count: int, rounds: int) -> Result:
    """Compare decoders of a page that is there."""
    decoders = _decoders()
    micros: dict[str, list[float]] = {name: [] for name in decoders}
    for name, decoder in decoders.items():
        assert [len(decoder()), _text_of(decoder()[7])] == [100, _TEXT], name
    for _ in range(rounds):
        for name, decoder in decoders.items():
            begun = time.process_time()
            for _ in range(count):
                decoder()
            micros[name].append((time.process_time() - begun) / count * 1e6)
    for name, values in micros.items():
        print(f"  {name:18s} {percentile(sorted(values), 0.5):7.1f} us a page of 100 messages")
    value, spread = ratio(micros["ours"], micros["msgspec, bare"])
    figure = Figure(
        row=5,
        name="decode a page / a bare msgspec decoder",
        value=value,
        must=1.10,
        target=1.03,
        spread=spread,
    )
    bars = {n: [(0.0, percentile(sorted(v), 0.5))] for n, v in micros.items()}
    return Result(figures=[figure], curves={"CPU per page decoded": bars})


async def _fetch_in_turn(server: Server, loop: str, count: int, rounds: int) -> Result:
    url = URL(server.base_url + PATH + "?option=%7B%22per_page%22%3A100%7D", encoded=True)
    bare = msgspec.json.Decoder(list[Message])
    request = _LIST(channel_id="channel-000001", query={"option": '{"per_page":100}'})
    quota = Quota(adaptive=False)
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        ) as session,
        Client("project", "key", base_url=server.base_url, quota=quota) as chat,
    ):

        async def tuned() -> list[Message]:
            async with session.get(url, headers=HEADERS) as answer:
                return bare.decode(await answer.read())

        async def ours() -> list[Message]:
            return await chat.send(request)

        assert await ours() == await tuned()
        calls = {"ours": ours, "tuned aiohttp": tuned}
        series = await in_turn(calls, count=count, workers=16, rounds=rounds, server=server)
    value, spread = ratio(series["ours"].cpu_us, series["tuned aiohttp"].cpu_us)
    for name, s in series.items():
        print(
            f"  {loop}: {name:18s} {percentile(sorted(s.cpu_us), 0.5):7.1f} us CPU a page fetched"
        )
    figure = Figure(
        row=5,
        name=f"fetch and decode a page / tuned aiohttp + msgspec, {loop}",
        value=value,
        must=1.05,
        target=0.80,
        spread=spread,
    )
    return Result(figures=[figure])


def main(argv: Sequence[str] | None = None) -> Result:
    """Measure decoding alone, then fetching on every event loop."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=400, help="pages a round")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args(argv)
    result = decode_in_turn(max(1, options.count // 4), options.rounds)
    with serving() as server:
        for loop in LOOPS:
            measured = _fetch_in_turn(server, loop, options.count, options.rounds)
            result.add(run(measured, uv=loop == "uvloop"))
    return result
