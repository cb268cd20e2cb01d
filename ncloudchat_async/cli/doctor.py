"""The command that finds out what keeps calls from succeeding, and says what to fix."""

import asyncio
import http.client
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from cyclopts import Parameter, validators

from ncloudchat_async import Client, Event
from ncloudchat_async.cli.exits import DONE, code_of
from ncloudchat_async.cli.running import Interrupts, run_async
from ncloudchat_async.cli.work import COMMON, Common
from ncloudchat_async.errors import (
    AuthenticationError,
    NcloudChatError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    ProjectNotFoundError,
    RateLimitedError,
)

__all__ = ["doctor"]

_CALLS: Final = 5
_SLOW_S: Final = 1.0
_SKEW_S: Final = 5.0
"""Tokens and the reconciling of jobs bear a few seconds."""


class _Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    check: str
    state: Literal["ok", "warn", "fail"]
    found: str
    fix: str | None = None


def doctor(
    *,
    find_quota: Annotated[float, Parameter(validator=validators.Number(gte=0))] = 0.0,
    common: Common = COMMON,
) -> int:
    """Check credentials, access, clock and latency, and say what to fix.

    Nothing is changed: to see whether writing is allowed, a member with a random id that
    nobody has is withdrawn. Exit code 3 means that the key is not accepted.

    Example: `ncloudchat doctor --output table`

    Args:
        find_quota: Seconds to read the list of channels as fast as the platform lets, to see
            its quota. Other programs of the project may be throttled meanwhile.
        common: Where to, and how results are written.
    """

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        latencies = _Latencies()
        async with common.connection.client(latencies) as chat:
            with common.output.open(brief=("check", "state", "found", "fix")) as rows:
                code = DONE
                async for finding, error in _examine(chat, latencies, find_quota):
                    rows.write(finding)
                    if error is not None:
                        code = code or code_of(error)
        return code

    return run_async(run)


class _Latencies:
    """How long attempts took, without the waits for quota."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, event: Event) -> None:
        if event.kind == "attempt":
            self.seconds.append(event.seconds)


async def _examine(
    chat: Client, latencies: _Latencies, find_quota: float
) -> AsyncIterator[tuple[_Finding, NcloudChatError | None]]:
    """Give one finding after another; a key that is refused ends it."""
    yield _Finding("credentials", "ok", f"project {chat.project_id} at {chat.base_url}"), None
    yield await asyncio.to_thread(_clock, chat.base_url), None
    reading, error = await _reading(chat, latencies)
    yield reading, error
    if error is not None:
        return
    yield await _writing(chat)
    yield await _quota(chat, find_quota), None


async def _reading(chat: Client, latencies: _Latencies) -> tuple[_Finding, NcloudChatError | None]:
    """Read a little, several times; the first call also connects."""
    try:
        for _ in range(_CALLS):
            await chat.channels.list(limit=1).first()
    except NcloudChatError as error:
        return _Finding("reading", "fail", str(error), _advice(error)), error
    first, *others = latencies.seconds
    usual = statistics.median(others)
    found = f"{usual * 1000:,.0f} ms a call, the first {first * 1000:,.0f} ms"
    if usual > _SLOW_S:
        return _Finding("reading", "warn", found, "see whether the network is slow"), None
    return _Finding("reading", "ok", found), None


async def _writing(chat: Client) -> tuple[_Finding, NcloudChatError | None]:
    """Withdraw a member that does not exist: it changes nothing and shows the right to write."""
    try:
        await chat.members.delete(f"doctor-{uuid4().hex}")
    except NotFoundError:
        return _Finding("writing", "ok", "the key may write"), None
    except (AuthenticationError, PermissionDeniedError) as error:
        fix = "set API access to read and write in the dashboard, if this key is to write"
        return _Finding("writing", "warn", f"the key may only read: {error}", fix), None
    except NcloudChatError as error:
        return _Finding("writing", "warn", str(error), _advice(error)), None
    return _Finding("writing", "ok", "the key may write"), None


async def _quota(chat: Client, seconds: float) -> _Finding:
    """Read as fast as the client finds out it may, and tell what that was."""
    if not seconds:
        throttles = chat.stats.throttles
        if throttles:
            fix = "other programs use the project's quota: give --rate"
            return _Finding("quota", "warn", f"{throttles} answers 429 to a few calls", fix)
        return _Finding("quota", "ok", "not exhausted; --find-quota 20 looks for its rate")
    before, end = chat.stats.throttles, time.monotonic() + seconds
    passed = 0

    async def read(_: int) -> None:
        await chat.channels.list(limit=1).first()

    def until_then() -> Iterator[int]:
        while time.monotonic() < end:
            yield 0

    async with chat.run_many(read, until_then()) as results:
        async for result in results:
            passed += result.error is None
    throttles = chat.stats.throttles - before
    found = f"{passed / seconds:,.0f} requests/s passed, {throttles:,} answers 429"
    if not throttles:
        found += ": the limit, if there is one, is above that"
    return _Finding("quota", "ok", found)


def _clock(base_url: str) -> _Finding:
    """Compare the own clock with the server's, as any answer dates itself; without the key."""
    parts = urlsplit(base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        with closing(kind(parts.hostname or "", parts.port, timeout=5)) as connection:
            connection.request("HEAD", "/")
            answer = connection.getresponse()
            now = datetime.now(UTC)
        server = parsedate_to_datetime(answer.headers["Date"])
    except (OSError, http.client.HTTPException, TypeError, ValueError) as error:
        return _Finding("clock", "warn", f"the server's time is not known: {error}")
    # A date has whole seconds: half of one is the best guess.
    skew = (now - server).total_seconds() - 0.5
    if abs(skew) < _SKEW_S:
        return _Finding("clock", "ok", f"within {max(abs(skew), 1):.0f} s of the server's")
    way = "ahead of" if skew > 0 else "behind"
    fix = "set the clock (NTP): tokens and reconciling depend on it"
    return _Finding("clock", "warn", f"{abs(skew):,.0f} s {way} the server's", fix)


def _advice(error: NcloudChatError) -> str:
    """Say what to do about an error."""
    match error:
        case ProjectNotFoundError():
            return "compare the project id with the dashboard's"
        case AuthenticationError() | PermissionDeniedError():
            return "compare the key, its state, API access and allowed IPs with the dashboard's"
        case NotSentError():
            return "see whether the address is right and the network lets it through"
        case RateLimitedError():
            return "wait, or give --rate: the project's quota is in use"
        case _:
            return "try again; if it stays, ask the platform's support"
