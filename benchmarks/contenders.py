"""Who sends the same message: ours, and what people use instead, each as its own docs show.

Every contender sends a text to a channel and returns what its caller would work with; `text`
takes the text that was sent out of that, so that answers are checked before anything is timed.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

from benchmarks.measuring import Call
from ncloudchat_async import Client, Quota
from ncloudchat_async.models import Message

__all__ = ["HEADERS", "PATH", "SENDERS", "Sender"]

PATH: Final = "/v1/api/messages/channel-000001"
HEADERS: Final = {
    "x-project-id": "project",
    "x-api-key": "key",
    "Content-Type": "application/json",
    "Accept": "application/json",
}
_BODY: Final = b'{"content":"hello"}'

Text = Callable[[Any], str]
Sender = Callable[[str, int], AbstractAsyncContextManager[tuple[Call, Text]]]
"""Opens a contender on a base URL for a number of calls in flight."""


@contextlib.asynccontextmanager
async def ours(base_url: str, in_flight: int) -> AsyncIterator[tuple[Call, Text]]:
    """Send with this package, with all it does by default but a pace."""
    quota = Quota(adaptive=False, max_in_flight=in_flight)
    async with Client("project", "key", base_url=base_url, quota=quota) as chat:
        send = chat.messages.send
        yield lambda: send("channel-000001", "hello"), lambda message: message.content


class _Envelope(msgspec.Struct):
    message: Message


@contextlib.asynccontextmanager
async def tuned_aiohttp(base_url: str, in_flight: int) -> AsyncIterator[tuple[Call, Text]]:
    """Send with aiohttp as fast as its public interface allows."""
    url = URL(base_url + PATH)
    decoder = msgspec.json.Decoder(_Envelope)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:

        async def call() -> Message:
            async with session.post(url, data=_BODY, headers=HEADERS) as answer:
                return decoder.decode(await answer.read()).message

        yield call, lambda message: message.content


@contextlib.asynccontextmanager
async def plain_aiohttp(base_url: str, in_flight: int) -> AsyncIterator[tuple[Call, Text]]:
    """Send with aiohttp as its documentation shows."""
    async with aiohttp.ClientSession(base_url, headers=HEADERS) as session:

        async def call() -> Any:
            async with session.post(PATH, json={"content": "hello"}) as answer:
                return await answer.json()

        yield call, lambda answer: answer["message"]["content"]


@contextlib.asynccontextmanager
async def httpx_pydantic(base_url: str, in_flight: int) -> AsyncIterator[tuple[Call, Text]]:
    """Send with httpx and read the answer with pydantic."""
    import httpx  # noqa: PLC0415 - optional
    import pydantic  # noqa: PLC0415 - optional

    class Sent(pydantic.BaseModel):
        id: str
        channel_id: str
        content: str

    class Answer(pydantic.BaseModel):
        message: Sent

    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx.AsyncClient(base_url=base_url, headers=HEADERS, limits=limits) as client:

        async def call() -> Sent:
            answer = await client.post(PATH, json={"content": "hello"})
            return Answer.model_validate_json(answer.content).message

        yield call, lambda message: message.content


@contextlib.asynccontextmanager
async def stream_chat(base_url: str, in_flight: int) -> AsyncIterator[tuple[Call, Text]]:
    """Send with the async client of Stream, the nearest product with one."""
    from stream_chat import StreamChatAsync  # noqa: PLC0415 - optional

    async with StreamChatAsync("key", "secret" * 8, base_url=base_url) as client:
        channel = client.channel("messaging", "channel-000001")

        async def call() -> Any:
            return await channel.send_message({"text": "hello"}, "member-000007")

        yield call, lambda answer: answer["message"]["content"]


@contextlib.asynccontextmanager
async def slack(base_url: str, in_flight: int) -> AsyncIterator[tuple[Call, Text]]:
    """Send with Slack's async client over one session: its default opens one for each call."""
    from slack_sdk.web.async_client import AsyncWebClient  # noqa: PLC0415 - optional

    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient("token", base_url=base_url + "/api/", session=session)

        async def call() -> Any:
            return await client.chat_postMessage(channel="channel-000001", text="hello")

        yield call, lambda answer: answer["message"]["content"]


SENDERS: Final[dict[str, Sender]] = {
    "ours": ours,
    "tuned aiohttp": tuned_aiohttp,
    "plain aiohttp": plain_aiohttp,
    "stream-chat": stream_chat,
    "slack_sdk": slack,
    "httpx + pydantic": httpx_pydantic,
}
