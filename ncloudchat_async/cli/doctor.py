"""The command that finds out what keeps calls from succeeding, and says what to fix."""

import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from cyclopts import Parameter, validators

from ncloudchat_async.cli.common import COMMON, Common
from ncloudchat_async.cli.exits import DONE, USAGE, Failure, code_of
from ncloudchat_async.cli.running import Interrupts, run_async
from ncloudchat_async.cli.wording import MORE_TIME, worded
from ncloudchat_async.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineExceededError,
    NcloudChatError,
    NotFoundError,
    PermissionDeniedError,
    ProjectNotFoundError,
    QuotaExceededError,
    RateLimitedError,
    ResponseError,
    TransportError,
)

if TYPE_CHECKING:
    from ncloudchat_async import Client, Event

__all__ = ["advice", "doctor"]

_CALLS: Final = 5
_SLOW_S: Final = 1.0
_SKEW_S: Final = 5.0
"""Tokens and the reconciling of jobs bear a few seconds."""
_EXACT_RATE: Final = 10.0
"""A lower rate is shown with a tenth."""
_WAYS: Final = {
    "cannot be resolved": "correct the host of the base URL, or see whether DNS works here",
    "cannot connect": "see whether the address is right, and whether anything runs there",
    "took too long": "see whether a firewall or a proxy keeps connections from leaving",
    "certificate": "see whether the address is right, and this machine's certificates up to date",
}
"""What to do when nothing reached the server, by what the error says."""
_KEY: Final = "compare the key, its state, API access and allowed IPs with the dashboard's"
_ADVICE: Final[tuple[tuple[type[NcloudChatError], str], ...]] = (
    (ProjectNotFoundError, "compare the project id with the dashboard's"),
    (AuthenticationError, _KEY),
    (PermissionDeniedError, _KEY),
    (NotFoundError, "correct the base URL: this API is not there"),
    (DeadlineExceededError, f"see whether the network is slow, or {MORE_TIME}"),
    (TransportError, "see whether a proxy or the network cuts connections"),
    (ResponseError, "correct the base URL: what answers there is not this API"),
    (QuotaExceededError, "wait for the quota's next period, or have it raised: it is used up"),
    (RateLimitedError, "wait, or give --rate: the project's quota is in use"),
    (NcloudChatError, "try again; if it stays, ask the platform's support"),
)
"""What to do about an error; the first kind that fits."""


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
    """Check settings, address, clock, access and latency, and say what to fix.

    Each check is a row; the first that fails ends it. Nothing is changed: to see whether
    writing is allowed, a member with a random id that nobody has is withdrawn. Exit code 2
    means that a setting is missing or wrong, 3 that the platform refuses the key or the
    project, 1 that it cannot be reached.

    Example: `ncloudchat doctor --output table`

    Args:
        find_quota: Seconds to read the list of channels as fast as the platform lets, to see
            its quota. Other programs of the project may be throttled meanwhile.
        common: Where to, and how results are written.
    """

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        code = DONE
        with common.output.open(_Finding, brief=_Finding.__struct_fields__) as rows:
            async for finding, failed in _examine(common, find_quota):
                rows.write(finding)
                code = code or failed
        return code

    return run_async(run)


class _Latencies:
    """How long attempts took, without the waits for quota."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, event: "Event") -> None:
        if event.kind == "attempt":
            self.seconds.append(event.seconds)


async def _examine(common: Common, find_quota: float) -> AsyncIterator[tuple[_Finding, int]]:
    """Give one finding after another, with the exit code it means; a failure ends them."""
    import asyncio

    latencies = _Latencies()
    try:
        client = common.connection.client(latencies)
    except (ConfigError, Failure) as unusable:
        yield _unusable(unusable), USAGE
        return
    yield _Finding("settings", "ok", f"project {client.project_id} at {client.base_url}"), DONE
    async with client as chat:
        error = await _read(chat)
        yield _server(error), DONE if error is None or _reached(error) else code_of(error)
        if error is not None and not _reached(error):
            return
        yield await asyncio.to_thread(_clock, chat.base_url), DONE
        if error is not None:
            yield _Finding("reading", "fail", worded(error), advice(error)), code_of(error)
            return
        yield _reading(latencies), DONE
        yield await _writing(chat), DONE
        yield await _quota(chat, find_quota), DONE


def _unusable(error: ConfigError | Failure) -> _Finding:
    """Tell of a setting that no call can be made with."""
    text = worded(error) if isinstance(error, ConfigError) else str(error)
    found, _, fix = text.partition(": ")
    return _Finding("settings", "fail", found, fix or "correct it")


async def _read(chat: "Client") -> NcloudChatError | None:
    """Read a little, several times; the first call also connects."""
    try:
        for _ in range(_CALLS):
            await chat.channels.list(limit=1).first()
    except NcloudChatError as error:
        return error
    return None


def _reached(error: NcloudChatError) -> bool:
    """Say whether the platform itself answered, if only to refuse."""
    return not isinstance(error, TransportError | ResponseError | DeadlineExceededError)


def _server(error: NcloudChatError | None) -> _Finding:
    if error is None or _reached(error):
        return _Finding("server", "ok", "it answers")
    return _Finding("server", "fail", worded(error), advice(error))


def _reading(latencies: _Latencies) -> _Finding:
    import statistics

    first, *others = latencies.seconds
    usual = statistics.median(others)
    found = f"{usual * 1000:,.0f} ms a call, the first {first * 1000:,.0f} ms"
    if usual > _SLOW_S:
        return _Finding("reading", "warn", found, "see whether the network is slow")
    return _Finding("reading", "ok", found)


async def _writing(chat: "Client") -> _Finding:
    """Withdraw a member that does not exist: it changes nothing and shows the right to write."""
    try:
        await chat.members.delete(f"doctor-{uuid4().hex}")
    except NotFoundError:
        return _Finding("writing", "ok", "the key may write")
    except (AuthenticationError, PermissionDeniedError) as error:
        fix = "set API access to read and write in the dashboard, if this key is to write"
        return _Finding("writing", "warn", f"the key may only read: {error}", fix)
    except NcloudChatError as error:
        return _Finding("writing", "warn", worded(error), advice(error))
    return _Finding("writing", "ok", "the key may write")


async def _quota(chat: "Client", seconds: float) -> _Finding:
    """Read as fast as the client finds out it may, and tell what that was."""
    import asyncio

    if not seconds:
        throttles = chat.stats.throttles
        if throttles:
            fix = "other programs use the project's quota: give --rate"
            return _Finding("quota", "warn", f"{throttles} answers 429 to a few calls", fix)
        return _Finding("quota", "ok", "not exhausted; --find-quota 20 looks for its rate")
    before, begun = chat.stats.throttles, time.monotonic()
    steady, passed = begun + seconds / 2, 0

    async def read(_: int) -> None:
        await chat.channels.list(limit=1).first()

    # In the first half the client finds the rate. What is under way at the end is given up:
    # with a small quota it would take many times as long as was asked for.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), chat.run_many(read, itertools.repeat(0)) as results:
            async for result in results:
                passed += result.error is None and time.monotonic() >= steady
    rate = passed / (time.monotonic() - steady)
    throttles = chat.stats.throttles - before
    shown = f"{rate:,.0f}" if rate >= _EXACT_RATE else f"{rate:,.1f}"
    found = f"{shown} requests/s passed, {throttles:,} answers 429"
    if not throttles:
        found += ": the limit, if there is one, is above that"
    return _Finding("quota", "ok", found)


def _clock(base_url: str) -> _Finding:
    """Compare the own clock with the server's, as any answer dates itself; without the key."""
    import http.client
    from email.utils import parsedate_to_datetime

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


def advice(error: NcloudChatError) -> str:
    """Say what to do about an error."""
    if isinstance(error, TransportError):
        for text, way in _WAYS.items():
            if text in str(error):
                return way
    return next(way for kind, way in _ADVICE if isinstance(error, kind))
