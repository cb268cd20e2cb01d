"""The session manager: takes a request through quota, attempt and decision, over one pool.

A slot is held for an attempt only, never while sleeping; a connection is never held while
waiting for quota. No task is ever made: a call runs in the task of its caller.
"""

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import anyio

from ncloudchat_async.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ClientClosedError,
    ConflictError,
    DeadlineExceededError,
    NcloudChatError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitedError,
    TransportError,
)
from ncloudchat_async.settings import CallOptions, Timeouts
from ncloudchat_async.wire.answers import decode
from ncloudchat_async.wire.auth import AuthLatch, KeyRing
from ncloudchat_async.wire.call import Call, conclude, is_late, take_back
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.errand import AT_WORK, ERRAND, WithdrawnError
from ncloudchat_async.wire.observe import Event, Observer, Stats
from ncloudchat_async.wire.retry import RetryBudget, in_doubt, is_transient, sleep_s
from ncloudchat_async.wire.semaphore import RateSemaphore

if TYPE_CHECKING:
    # aiohttp comes with it, most of this package's import time.
    from ncloudchat_async.wire.transport import Transport

__all__ = ["Session"]

T = TypeVar("T")

_ACCEPTED: Final = (BadRequestError, NotFoundError, ConflictError, PayloadTooLargeError)
"""Refusals that only an accepted key gets; trouble, throttles and quotas prove nothing."""
_END_S: Final = 1.0
"""Longest that closing waits for calls it has ended, and then for the pool."""
_log: Final = logging.getLogger("ncloudchat_async")


class Session:
    """Sends requests within the event loop it is made in, as long as it is open.

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
        transport: "Transport",
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
        self._attempt_s: Final = _attempt_s(timeouts)
        self._budget: Final = RetryBudget(budget)
        self._latch: Final = AuthLatch()
        self._observer: Final = observer
        self._observer_failed = False
        self._now: Final = now
        self._sleep: Final = sleep
        self._loop: Final = asyncio.get_running_loop()
        self._running: Final[set[Call]] = set()
        self._idle: asyncio.Future[None] | None = None
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
        started = self._now()
        deadline = math.inf if options.deadline_s is None else started + options.deadline_s
        task = asyncio.current_task()
        asked = 0 if task is None else task.cancelling()
        call = Call(request, options, started, deadline, task, asked)
        if AT_WORK and (errand := ERRAND.get()) is not None:
            errand.enter(call)
        self.stats.calls += 1
        self._running.add(call)
        failure: NcloudChatError
        try:
            while True:
                try:
                    value: T = await self._attempt(call)
                except NcloudChatError as error:
                    failure = error
                else:
                    self._budget.deposit()
                    return value
                if self._is_gone(call, failure):
                    return request.absent  # type: ignore[return-value]  # not None: see _is_gone
                if not await self._rest(call, failure):
                    break
        except asyncio.CancelledError:
            if not take_back(call):
                raise
            call.doubt = call.doubt or call.sent_at is not None
            failure = ClientClosedError("the client was closed while the call was running")
            if call.withdrawn:
                failure = WithdrawnError()
        finally:
            self._leave(call)
        try:
            raise conclude(call, failure, self._now())
        finally:
            del failure  # its traceback will hold this frame: no cycle

    async def aclose(self, grace_s: float) -> None:
        """Let running calls end, then end those that did not, and close the pool.

        Calls that wait for quota end at once with `ClientClosedError`, calls between two
        attempts with the error that they were about to repeat. After the grace a call that
        is still on the wire ends with `ClientClosedError`, or with `OutcomeUnknownError`
        where that matters. Once its event loop is closed, only the pool is given up.

        Args:
            grace_s: Longest to wait for running calls, in seconds.
        """
        if self._loop.is_closed():
            await self._transport.aclose()
            return
        self._semaphore.close()
        try:
            self._end([call for call in self._running if call.resting])
            await self._until_idle(grace_s)
        finally:
            with anyio.CancelScope(shield=True):
                self._end(self._running)
                await self._until_idle(_END_S)
                await self._transport.aclose()

    async def _attempt(self, call: Call) -> Any:
        """Wait for quota, send once, and read what the answer means."""
        call.sent_at = None
        if call.errand is not None and call.withdrawn:
            raise WithdrawnError
        if self._latch.shut:
            self._pass_latch(call)
        semaphore = self._semaphore
        if not semaphore.try_acquire(call.options.priority):
            await self._queue(call)
        try:
            call.sent_at = now = self._now()
            timeout_s = self._bound(call, now)
            call.key = key = self._keys.key
            self.stats.attempts += 1
            if call.attempts:
                self.stats.retries += 1
            call.attempts += 1
            response = await self._transport.perform(call.request, timeout_s)
            value = decode(
                call.request.endpoint,
                response,
                roomy_stack=self._roomy_stack,
                secret=key,
                sent=call.request.body,
            )
            semaphore.succeeded(now)
        except NcloudChatError as error:
            # Before the slot goes to the next call, which a throttle must hold back.
            self._learn(call, error)
            raise
        finally:
            semaphore.release()
        if self._latch.refusals and key == self._keys.key:
            self._latch.open()
        if self._observer is not None:
            self._tell("attempt", call, self._now() - now, http_status=response.status)
        return value

    def _bound(self, call: Call, now: float) -> float | None:
        """Return the seconds that an attempt may take, None for any time.

        Raises:
            DeadlineExceededError: There are none left.
        """
        left = call.deadline - now
        if left <= 0:
            call.sent_at = None
            raise DeadlineExceededError("the deadline passed before the request was sent")
        most = self._attempt_s
        if left < most:
            return left
        return None if most == math.inf else most

    async def _queue(self, call: Call) -> None:
        """Wait for a slot, and refuse the call if the latch shut meanwhile."""
        before = self._now()
        try:
            await self._semaphore.acquire(
                call.options.priority,
                deadline=None if call.deadline == math.inf else call.deadline,
            )
        finally:
            waited_s = self._now() - before
            self.stats.waited_s += waited_s
            self._tell("wait", call, waited_s)
        try:
            self._pass_latch(call)
        except AuthenticationError:
            self._semaphore.release()
            raise

    def _pass_latch(self, call: Call) -> None:
        """Let a call past the latch, refuse it, or make it the probe of a shut one."""
        if call.probing or not self._latch.shut:
            return
        refusal = self._latch.knock(self._now())
        if refusal is not None:
            raise refusal
        call.probing = True

    def _learn(self, call: Call, error: NcloudChatError) -> None:
        """Let quota, latch, totals and observer know how an attempt failed."""
        started = call.sent_at
        if started is None:
            return
        call.failure = error
        call.doubt = call.doubt or in_doubt(error)
        now = self._now()
        # What is said of a key that was replaced meanwhile says nothing of the new one.
        if call.key == self._keys.key:
            if isinstance(error, AuthenticationError):
                self._latch.record(error, now)
                call.probing = False
            elif isinstance(error, _ACCEPTED):
                self._latch.open()
        if isinstance(error, RateLimitedError):
            self.stats.throttles += 1
            asked = error.retry_after_s
            # What nobody would wait for must not shut the client for everybody.
            most = call.options.retry.max_retry_after_s
            self._semaphore.throttled(started, None if asked is None else min(asked, most))
        elif not isinstance(error, TransportError):
            self._semaphore.succeeded(started)
        elif is_late(call, now):
            self._semaphore.unanswered(started)
        kind: Literal["throttle", "attempt"]
        kind = "throttle" if isinstance(error, RateLimitedError) else "attempt"
        self._tell(kind, call, now - started, error)

    def _is_gone(self, call: Call, error: NcloudChatError) -> bool:
        """Tell whether a repeated DELETE finds that the lost attempt deleted the object."""
        lost = isinstance(error, NotFoundError) and call.doubt
        return lost and call.request.absent is not None

    async def _rest(self, call: Call, error: NcloudChatError) -> bool:
        """Wait until another attempt may be made; False when there is to be none."""
        if self._semaphore.closed:
            return False
        call.resting = True
        try:
            if isinstance(error, AuthenticationError):
                return await self._renew_key(call, error)
            wait_s = self._wait_before_next(call, error)
            if wait_s is None:
                return False
            if not call.withdrawn:  # else there is nothing to wait for: see `_attempt`
                self._tell("retry", call, wait_s, error)
                await self._sleep(wait_s)
        except asyncio.CancelledError:
            if not take_back(call):
                raise
            return call.withdrawn
        finally:
            call.resting = False
        return True

    def _wait_before_next(self, call: Call, error: NcloudChatError) -> float | None:
        """Return the sleep before another attempt, None when there is to be none."""
        if not is_transient(error, repeatable=call.request.endpoint.repeatable):
            return None
        wait_s = sleep_s(call.options.retry, error, call.attempts)
        if wait_s is None or self._now() + wait_s >= call.deadline:
            return None
        if not isinstance(error, RateLimitedError) and not self._budget.withdraw():
            return None
        return wait_s

    async def _renew_key(self, call: Call, error: AuthenticationError) -> bool:
        """Ask for another key, once a call: a refused request was surely not applied.

        A call that only met the shut latch joins a renewal under way and begins none.
        """
        refused = self._keys.key if call.sent_at is None or call.key is None else call.key
        if call.renewed or (call.sent_at is None and not self._keys.renewing):
            return False
        call.renewed = True
        left = call.deadline - self._now()
        try:
            async with asyncio.timeout(None if left == math.inf else left):
                renewed = await self._keys.renew(refused)
        except Exception as problem:  # noqa: BLE001 - it is the user's code, and may raise anything
            error.__cause__ = problem
            return False
        if renewed:
            self._transport.use_key(self._keys.key)
            self._latch.open()
        if not renewed or call.attempts >= call.options.retry.max_attempts:
            return False
        self._tell("retry", call, 0.0, error)
        return True

    def _leave(self, call: Call) -> None:
        """Forget a call that ends, whichever way."""
        if call.probing:
            self._latch.unprobed()
        if call.errand is not None:
            call.errand.leave(call)
        if call.ended:
            take_back(call)  # the call ended by itself all the same
        self._running.discard(call)
        if self._idle is not None and not self._running and not self._idle.done():
            self._idle.set_result(None)

    def _end(self, calls: Iterable[Call]) -> None:
        """Cancel the tasks of calls, each of which then raises an error of ours."""
        for call in list(calls):
            call.end()

    async def _until_idle(self, timeout_s: float) -> None:
        """Wait until no call runs, but not longer than this."""
        if not self._running:
            return
        if self._idle is None or self._idle.done():
            self._idle = self._loop.create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle

    def _tell(
        self,
        kind: Literal["attempt", "retry", "throttle", "wait"],
        call: Call,
        seconds: float,
        error: NcloudChatError | None = None,
        *,
        http_status: int | None = None,
    ) -> None:
        """Tell the observer, whose failure must cost nobody a message."""
        if self._observer is None:
            return
        event = Event(
            kind=kind,
            operation=call.request.endpoint.name,
            attempt=max(call.attempts, 1),
            seconds=seconds,
            http_status=error.http_status if isinstance(error, ApiError) else http_status,
            error=None if error is None else type(error).__name__,
        )
        try:
            self._observer(event)
        except Exception:  # noqa: BLE001 - it is the user's code, and may raise anything
            if not self._observer_failed:
                _log.exception("the observer raised; only its first failure is logged")
            self._observer_failed = True


def _attempt_s(timeouts: Timeouts) -> float:
    """Bound an attempt by its two parts; without a bound for one there is none for both."""
    if timeouts.read_s is None or timeouts.connect_s is None:
        return math.inf
    return timeouts.connect_s + timeouts.read_s
