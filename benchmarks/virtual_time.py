"""An event loop whose clock jumps to the next timer, so that minutes take moments.

It knows callbacks, timers, futures and tasks, and no I/O: what a semaphore, its callers and
a simulated server need. The same program and the same seed give the same run.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, cast

__all__ = ["VirtualLoop"]

T = TypeVar("T")
Callback = Callable[..., object]


class Timer:
    """A callback to come, as `call_later` returns it."""

    __slots__ = ("args", "callback", "cancelled")

    def __init__(self, callback: Callback, args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        """Never call back."""
        self.cancelled = True


class VirtualLoop:
    """The part of an asyncio loop that runs without I/O, on a clock of its own.

    Args:
        late: Gives the seconds by which the next timer fires late; None: never late.
    """

    def __init__(self, late: Callable[[], float] | None = None) -> None:
        self.now = 0.0
        self.errors: list[dict[str, Any]] = []
        self._late = late
        self._closed = False
        self._ready: deque[tuple[Context | None, Callback, tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """This loop, as asyncio's functions want it."""
        return cast("asyncio.AbstractEventLoop", self)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.now

    def get_debug(self) -> bool:
        """Never: asked by futures and tasks."""
        return False

    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Refuse further callbacks, like a loop of which the program let go."""
        self._closed = True

    def call_soon(self, callback: Callback, *args: Any, context: Context | None = None) -> None:
        """Call back in the next turn."""
        if self._closed:
            raise RuntimeError("the loop is closed")
        self._ready.append((context, callback, args))

    def call_at(self, when: float, callback: Callback, *args: Any) -> Timer:
        """Call back at a moment of this clock, exactly."""
        timer = Timer(callback, args)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def call_later(self, delay: float, callback: Callback, *args: Any) -> Timer:
        """Call back after a delay, and as late as timers are on this loop."""
        late = 0.0 if self._late is None else self._late()
        return self.call_at(self.now + delay + late, callback, *args)

    def create_future(self) -> "asyncio.Future[Any]":
        """Make a future that wakes its waiter on this loop."""
        return asyncio.Future(loop=self.loop)

    def create_task(self, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start a coroutine in the next turn."""
        return asyncio.Task(coroutine, loop=self.loop)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what a callback or an abandoned task complained of."""
        self.errors.append(context)

    def settle(self) -> None:
        """Run what is ready, and what that makes ready, without moving the clock."""
        asyncio._set_running_loop(self.loop)
        try:
            while self._ready:
                self._turn()
        finally:
            asyncio._set_running_loop(None)

    def run(self, until: float) -> None:
        """Run all that happens up to a moment, and leave the clock there."""
        asyncio._set_running_loop(self.loop)
        timers = self._timers
        try:
            while True:
                while self._ready:
                    self._turn()
                if not timers or timers[0][0] > until:
                    break
                when, _, timer = heapq.heappop(timers)
                if not timer.cancelled:
                    self.now = max(self.now, when)
                    self._ready.append((None, timer.callback, timer.args))
        finally:
            asyncio._set_running_loop(None)
        self.now = max(self.now, until)

    def _turn(self) -> None:
        for _ in range(len(self._ready)):
            context, callback, args = self._ready.popleft()
            if context is None:
                callback(*args)
            else:
                context.run(callback, *args)
