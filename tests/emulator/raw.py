"""Plain HTTP towards the emulator, written from the platform's documentation."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from ncloudchat_async.emulator import EmulatorSettings, EmulatorThread

TEN_MINUTES_PAST = 1_753_254_600.0
"""A fixed moment, 2025-07-23T16:10:00+09:00, for emulators with a clock of their own."""


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.at = TEN_MINUTES_PAST

    def __call__(self) -> float:
        """Return the time."""
        return self.at


class Api:
    """Sends requests with the two documented headers."""

    def __init__(self, emulator: EmulatorThread) -> None:
        self.emulator = emulator

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Reply:
        """Send one request on a connection of its own; query values become JSON unless text."""
        target = urlsplit(self.emulator.base_url)
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in (query or {}).items()}
        sent = {
            "x-project-id": self.emulator.project_id,
            "x-api-key": self.emulator.api_key,
            "Content-Type": "application/json",
            **(headers or {}),
        }
        content = raw if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=10)
        try:
            url = f"{path}?{urlencode(texts)}" if texts else path
            connection.request(method, url, content, sent)
            answer = connection.getresponse()
            kept = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, kept, answer.read())
        finally:
            connection.close()

    def ok(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """Send one request to an operation and return the JSON of its 200."""
        reply = self.send(method, f"/v1/api{path}", body, query=query)
        assert reply.status == 200, reply
        return reply.json

    def set(self, **changes: object) -> EmulatorSettings:
        """Change settings of the emulator."""
        self.emulator.settings = self.emulator.settings.but(**changes)
        return self.emulator.settings

    def member(self, user_id: str = "user-1", **fields: object) -> Any:
        """Register a member."""
        return self.ok("POST", "/members", {"userId": user_id, "name": user_id, **fields})["member"]

    def channel(self, name: str = "notice", **fields: object) -> Any:
        """Create a channel."""
        return self.ok("POST", "/channels", {"name": name, "type": "PUBLIC", **fields})["channel"]

    def message(self, channel_id: str, content: str = "hello") -> Any:
        """Send a message."""
        return self.ok("POST", f"/messages/{quote(channel_id)}", {"content": content})["message"]

    def contents(self, channel_id: str, **query: object) -> list[str]:
        """Return what the messages of a channel say."""
        listed = self.ok("GET", f"/messages/{channel_id}", **{"filter": {}, **query})
        return [message["content"] for message in listed]


@contextmanager
def clocked(clock: Clock) -> Iterator[Api]:
    """Run an emulator on a clock of its own."""
    with EmulatorThread(now=clock) as emulator:
        yield Api(emulator)
