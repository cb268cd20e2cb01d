"""A client over a transport that answers at once, always the same."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from benchmarks.server import MESSAGE
from ncloudchat_async import Quota, Stats, Timeouts
from ncloudchat_async.settings import CallOptions, Priority
from ncloudchat_async.wire.auth import KeyRing, Secret
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.semaphore import RateSemaphore
from ncloudchat_async.wire.session import Session

__all__ = ["Instant"]

T = TypeVar("T")
SENT: Final = Response(200, {}, MESSAGE)


class Instant:
    """Transport and client in one: everything between the two is what is measured.

    Sleeps between attempts pass at once.

    Args:
        response: What every request is answered with.
        now: Monotonic clock in seconds.
    """

    connections = 0
    project_id = "project"
    base_url = "http://127.0.0.1"
    quota = Quota(adaptive=False)
    options = CallOptions()

    def __init__(
        self, response: Response = SENT, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.requests = 0
        self._response: Final = response
        self.stats: Final = Stats()
        self._session: Final = Session(
            self,
            RateSemaphore(self.quota, now=now),
            KeyRing(Secret("key")),
            timeouts=Timeouts(),
            budget=0.1,
            stats=self.stats,
            now=now,
            sleep=lambda _: asyncio.sleep(0),
        )

    def use_key(self, key: Secret) -> None:
        """Keep no key."""

    async def perform(self, request: Request[Any], timeout_s: float | None) -> Response:
        """Answer at once."""
        self.requests += 1
        return self._response

    async def aclose(self) -> None:
        """Close nothing."""

    def send(self, request: Request[T]) -> Awaitable[T]:
        """Send as `Client.send` does."""
        return self._session.send(request, self.options)

    def with_options(self, *, priority: Priority) -> "Instant":
        """Return itself."""
        return self
