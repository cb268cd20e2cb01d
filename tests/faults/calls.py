"""Calls of each method over each transport, and what holds of every error."""

import pickle
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import msgspec

from ncloudchat_async.errors import NcloudChatError
from ncloudchat_async.settings import CallOptions, Pool, Quota, Retry, Timeouts
from ncloudchat_async.wire.auth import KeyRing, Secret
from ncloudchat_async.wire.endpoint import Endpoint, Request
from ncloudchat_async.wire.observe import Observer, Stats
from ncloudchat_async.wire.semaphore import RateSemaphore
from ncloudchat_async.wire.session import Session
from ncloudchat_async.wire.transport import Transport, open_transport
from tests.faults.scenarios import KEY

__all__ = [
    "CALLS",
    "OPENERS",
    "PATIENT",
    "QUICK",
    "TWICE",
    "Opener",
    "Thing",
    "assert_secret",
    "chain_of",
    "opened",
    "options_of",
]

Opener = Callable[..., Coroutine[Any, Any, Transport]]
OPENERS: Final[dict[str, Opener]] = {
    "direct": open_transport,
    "aiohttp": partial(open_transport, public=True),
}
"""Every way to the server; all fault tests run over each."""


class Thing(msgspec.Struct, frozen=True):
    """The smallest answer with an id."""

    id: str
    size: int | None = None


CALLS: Final[dict[str, Request[Thing]]] = {
    "GET": Endpoint("GET", "/things/{thing_id}", Thing)(thing_id="1"),
    "PUT": Endpoint("PUT", "/things/{thing_id}", Thing, envelope=("thing",))(
        thing_id="1", body={"name": "x"}
    ),
    "DELETE": Endpoint("DELETE", "/things/{thing_id}", Thing, envelope=("thing",))(thing_id="1"),
    "POST": Endpoint("POST", "/things", Thing, envelope=("thing",))(body={"content": "hello"}),
}
"""One call of each method: only POST must not be repeated."""

PATIENT: Final = Timeouts(connect_s=5.0, read_s=5.0, deadline_s=10.0)
"""For faults that show at once, however busy the machine."""
QUICK: Final = Timeouts(connect_s=0.4, read_s=0.2, deadline_s=3.0)
"""For faults that show by a timeout only."""
TWICE: Final = Retry(max_attempts=2, base_s=0.001, max_sleep_s=0.002)
UNPACED: Final = Quota(adaptive=False)
ROOMY: Final = Pool(max_body_bytes=2**20)
"""Less than the default: a busy machine does not read 16 MiB within the bound of `QUICK`."""


@asynccontextmanager
async def opened(
    opener: Opener,
    base_url: str,
    *,
    timeouts: Timeouts = PATIENT,
    pool: Pool = ROOMY,
    quota: Quota = UNPACED,
    budget: float = 0.1,
    observer: Observer | None = None,
    grace_s: float = 0.0,
    keys: KeyRing | None = None,
    **options: Any,
) -> AsyncIterator[Session]:
    """Open a session to a base URL, and close it."""
    keys = keys or KeyRing(Secret(KEY))
    transport = await opener(
        base_url, "project", await keys.open(), timeouts=timeouts, pool=pool, **options
    )
    session = Session(
        transport,
        RateSemaphore(quota),
        keys,
        timeouts=timeouts,
        budget=budget,
        stats=Stats(),
        observer=observer,
    )
    try:
        yield session
    finally:
        await session.aclose(grace_s)


def options_of(timeouts: Timeouts = PATIENT, retry: Retry = TWICE) -> CallOptions:
    """The options a client would pass for these settings."""
    return CallOptions(deadline_s=timeouts.deadline_s, retry=retry)


def chain_of(error: BaseException | None) -> list[BaseException]:
    """An error with its causes and contexts."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def assert_secret(error: BaseException) -> None:
    """Look for the key in everything an error can show, and for strangers in its chain."""
    shown = [str(error), repr(error), f"{error}", f"{error!r:>20}", str(vars(error))]
    shown.append(
        "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    )
    shown.append(repr(pickle.dumps(error)))
    shown.append(repr(pickle.loads(pickle.dumps(error))))
    for text in shown:
        assert KEY[:12] not in text  # nor a part of it, where a text was cut
    assert all(isinstance(e, NcloudChatError) for e in chain_of(error))
