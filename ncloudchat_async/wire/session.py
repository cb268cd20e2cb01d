"""The session manager: takes a request through quota, attempt and decision, over one pool.

A slot is held for an attempt only, never while sleeping; a connection is never held while
waiting for quota.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from ncloudchat_async.errors import (
    ApiError,
    AuthenticationError,
    DeadlineExceededError,
    NcloudChatError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    TransportError,
)
from ncloudchat_async.settings import CallOptions, Timeouts
from ncloudchat_async.wire.answers import decode
from ncloudchat_async.wire.auth import AuthLatch, KeyRing, Secret
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.observe import Event, Observer, Stats
from ncloudchat_async.wire.retry import RetryBudget, in_doubt, is_transient, sleep_s
from ncloudchat_async.wire.semaphore import RateSemaphore
from ncloudchat_async.wire.transport import Transport

__all__ = ["Session"]

T = TypeVar("T")

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Session:
    """Sends requests within one event loop, as long as it is open.

    Args:
        transport: The way to the server.
        semaphore: The quota, shared by all views of a client.
        keys: Where the key comes from.
        timeouts: Bounds of an attempt; the deadline comes with each call.
        budget: Retries allowed per successful call.
        stats: Totals to count in.
        observer: Is told of every event; None: nobody.
        now: Monotonic clock in seconds.
        sleep: How to wait between attempts.
    """

    def __init__(
        self,
        transport: Transport,
        semaphore: RateSemaphore,
        keys: KeyRing,
        *,
        timeouts: Timeouts,
        budget: float,
        stats: Stats,
        observer: Observer | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._transport: Final = transport
        self._semaphore: Final = semaphore
        self._keys: Final = keys
        self._read_s: Final = _attempt_s(timeouts)
        self._budget: Final = RetryBudget(budget)
        self._latch: Final = AuthLatch()
        self._observer: Final = observer
        self._now: Final = now
        self._sleep: Final = sleep
        self._running = 0
        self._idle: asyncio.Event | None = None
        # Only a main thread's stack is known to bear the decoder's deepest recursion.
        self._roomy_stack: Final = threading.current_thread() is threading.main_thread()
        self.stats: Final = stats

    async def send(self, request: Request[T], options: CallOptions) -> T:
        """Send a request until it succeeds, or must not or need not be repeated.

        A cancelled call gives back what it holds; whether its last attempt was applied is
        then not known.

        Raises:
            NcloudChatError: What `errors` documents, with the call written into it.
        """
        call = _Call(request, options, self._now())
        self.stats.calls += 1
        self._running += 1
        try:
            while True:
                try:
                    value = await self._attempt(call)
                except NcloudChatError as error:
                    failure = error
                else:
                    self._budget.deposit()
                    return value
                gone = isinstance(failure, NotFoundError) and call.attempts > 1
                if gone and request.absent is not None:
                    return request.absent  # the attempt whose answer was lost deleted it
                wait_s = await self._wait_before_next(call, failure)
                if wait_s is None:
                    break
                self._tell("retry", call, wait_s, failure)
                self.stats.retries += 1
                await self._sleep(wait_s)
        finally:
            self._running -= 1
            if self._idle is not None and not self._running:
                self._idle.set()
        final = _conclude(call, failure, self._now())
        raise final from (failure if final is not failure else None)

    async def aclose(self, grace_s: float) -> None:
        """Let running calls end, then close the pool under those that did not.

        Calls that wait for quota end at once with `ClientClosedError`.

        Args:
            grace_s: Longest to wait for running calls, in seconds.
        """
        self._semaphore.close()
        if self._running:
            self._idle = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._idle.wait()
        await self._transport.aclose()

    async def _attempt(self, call: "_Call[T]") -> T:
        """Wait for quota, send once, and read what the answer means."""
        refusal = self._latch.refusal(self._now())
        if refusal is not None:
            raise refusal
        await self._take_slot(call)
        started = self._now()
        timeout_s = self._read_s
        if call.deadline is not None:
            left = call.deadline - started
            timeout_s = left if timeout_s is None else min(timeout_s, left)
        call.attempts += 1
        call.key = self._keys.key
        self.stats.attempts += 1
        try:
            response = await self._transport.perform(call.request, timeout_s)
        except NcloudChatError as error:
            self._tell("attempt", call, self._now() - started, error)
            raise
        finally:
            self._semaphore.release()
        try:
            value = decode(call.request.endpoint, response, roomy_stack=self._roomy_stack)
        except NcloudChatError as error:
            self._judge(call, started, error)
            raise
        self._semaphore.succeeded(started)
        self._latch.record(None, started)
        self._tell("attempt", call, self._now() - started, None, response.status)
        return value

    async def _take_slot(self, call: "_Call[Any]") -> None:
        priority = call.options.priority
        if self._semaphore.try_acquire(priority):
            return
        before = self._now()
        try:
            await self._semaphore.acquire(priority, deadline=call.deadline)
        finally:
            waited_s = self._now() - before
            self.stats.waited_s += waited_s
            self._tell("wait", call, waited_s, None)

    def _judge(self, call: "_Call[Any]", started: float, error: NcloudChatError) -> None:
        """Let quota and latch learn from an answer that was no success."""
        now = self._now()
        if isinstance(error, ApiError):
            self._latch.record(error, now)
        if isinstance(error, RateLimitedError):
            self.stats.throttles += 1
            self._semaphore.throttled(started, error.retry_after_s)
            self._tell("throttle", call, now - started, error)
            return
        self._semaphore.succeeded(started)
        self._tell("attempt", call, now - started, error)

    async def _wait_before_next(self, call: "_Call[Any]", error: NcloudChatError) -> float | None:
        """Return the sleep before another attempt, None when there is to be none."""
        if isinstance(error, AuthenticationError) and call.attempts:
            return await self._renew_key(call)
        repeatable = call.request.endpoint.repeatable
        call.doubt = call.doubt or in_doubt(error)
        if not is_transient(error, repeatable=repeatable):
            return None
        wait_s = sleep_s(call.options.retry, error, call.attempts)
        if wait_s is None:
            return None
        if call.deadline is not None and self._now() + wait_s >= call.deadline:
            return None
        if not isinstance(error, RateLimitedError) and not self._budget.withdraw():
            return None
        return wait_s

    async def _renew_key(self, call: "_Call[Any]") -> float | None:
        """Ask for another key, once a call: a refused request was surely not applied."""
        if call.renewed:
            return None
        call.renewed = True
        if not await self._keys.renew(call.key):
            return None
        self._transport.use_key(self._keys.key)
        return 0.0

    def _tell(
        self,
        kind: Any,
        call: "_Call[Any]",
        seconds: float,
        error: NcloudChatError | None,
        http_status: int | None = None,
    ) -> None:
        if self._observer is None:
            return
        status = error.http_status if isinstance(error, ApiError) else http_status
        self._observer(
            Event(
                kind=kind,
                operation=call.request.endpoint.name,
                attempt=max(call.attempts, 1),
                seconds=seconds,
                http_status=status,
                error=type(error).__name__ if error is not None else None,
            )
        )


class _Call(Generic[T]):
    """What is known of one call while it runs."""

    __slots__ = ("attempts", "deadline", "doubt", "key", "options", "renewed", "request", "started")

    def __init__(self, request: Request[T], options: CallOptions, started: float) -> None:
        self.request: Final = request
        self.options: Final = options
        self.started: Final = started
        self.deadline: Final = None if options.deadline_s is None else started + options.deadline_s
        self.attempts = 0
        self.doubt = False
        self.renewed = False
        self.key: Secret | None = None


def _attempt_s(timeouts: Timeouts) -> float | None:
    """Bound an attempt by its two parts; without a bound for one there is none for both."""
    if timeouts.read_s is None or timeouts.connect_s is None:
        return None
    return timeouts.connect_s + timeouts.read_s


def _conclude(call: _Call[Any], failure: NcloudChatError, now: float) -> NcloudChatError:
    """Choose the error a call ends with, and write the call into it."""
    endpoint = call.request.endpoint
    writes = endpoint.method not in _READS
    final = failure
    if writes and not endpoint.repeatable and in_doubt(failure):
        final = OutcomeUnknownError(
            "whether it was applied is not known: look before sending it again "
            f"({type(failure).__name__}: {failure})"
        )
    elif (
        isinstance(failure, TransportError) and call.deadline is not None and (now >= call.deadline)
    ):
        final = DeadlineExceededError(f"the deadline passed ({failure})")
    final.applied = "unknown" if writes and (call.doubt or in_doubt(failure)) else "no"
    return final.located(
        endpoint.name,
        endpoint.method,
        endpoint.path,
        attempts=call.attempts,
        elapsed_s=now - call.started,
    )
