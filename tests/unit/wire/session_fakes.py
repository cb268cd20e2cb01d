"""A transport that answers what it is told, and a clock that moves when it is told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from ncloudchat_async.errors import NcloudChatError
from ncloudchat_async.settings import CallOptions, Quota, Retry, Timeouts
from ncloudchat_async.wire.auth import KeyRing, KeySource, Secret
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.endpoint import Endpoint, Request
from ncloudchat_async.wire.observe import Observer, Stats
from ncloudchat_async.wire.semaphore import RateSemaphore
from ncloudchat_async.wire.session import Session

__all__ = ["CALLS", "FINE", "Clock", "Scripted", "Thing", "options", "refused", "session_over"]


class Thing(msgspec.Struct, frozen=True):
    """The smallest answer with an id."""

    id: str


CALLS: dict[str, Request[Thing]] = {
    "GET": Endpoint("GET", "/things/{thing_id}", Thing)(thing_id="1"),
    "PUT": Endpoint("PUT", "/things/{thing_id}", Thing)(thing_id="1", body={}),
    "DELETE": Endpoint("DELETE", "/things/{thing_id}", Thing)(thing_id="1", absent=Thing("gone")),
    "POST": Endpoint("POST", "/things", Thing)(body={}),
}
FINE = Response(200, {}, b'{"id":"1"}')

Step = Response | NcloudChatError | Callable[[], Awaitable[Response]]


def refused(status: int = -2, http_status: int = 200, text: str = "no") -> Response:
    """An answer that says no in its body."""
    body = {"status": status, "message": text}
    return Response(http_status, {}, msgspec.json.encode(body))


class Clock:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Tell the time."""
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


class Scripted:
    """Plays its steps one after another, and the last one for ever."""

    connections = 0

    def __init__(self, steps: Iterable[Step] = (FINE,)) -> None:
        self.steps = list(steps)
        self.sent: list[str] = []
        """Keys, one for each attempt."""
        self.timeouts: list[float | None] = []
        self.key = "?"
        self.closed = False

    def use_key(self, key: Secret) -> None:
        """Send this key from now on."""
        self.key = str.__str__(key.reveal())

    async def perform(self, request: Request[Any], timeout_s: float | None) -> Response:
        """Play the next step."""
        self.sent.append(self.key)
        self.timeouts.append(timeout_s)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Response):
            return step
        if isinstance(step, NcloudChatError):
            raise step
        return await step()

    async def aclose(self) -> None:
        """Close."""
        self.closed = True


async def session_over(
    transport: Scripted,
    *,
    clock: Clock | None = None,
    key: str | KeySource = "first",
    quota: Quota | None = None,
    timeouts: Timeouts | None = None,
    budget: float = 0.1,
    observer: Observer | None = None,
    semaphore: RateSemaphore | None = None,
) -> Session:
    """Open a session over a scripted transport."""
    keys = KeyRing(Secret(key) if isinstance(key, str) else key)
    transport.use_key(await keys.open())
    time = {} if clock is None else {"now": clock.now, "sleep": clock.sleep}
    return Session(
        transport,
        semaphore or RateSemaphore(quota or Quota(adaptive=False), **_now_of(clock)),
        keys,
        timeouts=timeouts or Timeouts(),
        budget=budget,
        stats=Stats(),
        observer=observer,
        **time,  # type: ignore[arg-type]  # the two of one clock
    )


def _now_of(clock: Clock | None) -> dict[str, Any]:
    return {} if clock is None else {"now": clock.now}


def options(deadline_s: float | None = 60.0, **retry: Any) -> CallOptions:
    """The options of a call, with these of its retries."""
    return CallOptions(deadline_s=deadline_s, retry=Retry(**retry))
