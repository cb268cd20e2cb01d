"""An event loop whose clock jumps to the next timer, so that minutes take moments."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

__all__ = ["VirtualLoop"]

T = TypeVar("T")


class _Timer:
    __slots__ = ("args", "callback", "cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs callbacks, timers, futures and tasks without I/O and without waiting.

    Args:
        late: Gives the seconds by which the next timer fires late; None: never late.
    """

    def __init__(self, late: Callable[[], float] | None = None) -> None:
        self._now = 0.0
        self._late = late
        self._ready: deque[tuple[Context | None, Callable[..., object], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._count = 0
        self._closed = False
        self.errors: list[dict[str, Any]] = []

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True

    def call_soon(self, callback, *args, context=None):
        self._ready.append((context, callback, args))

    def call_at(self, when, callback, *args, context=None):
        timer = _Timer(callback, args)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def call_later(self, delay, callback, *args, context=None):
        late = 0.0 if self._late is None else self._late()
        return self.call_at(self._now + delay + late, callback, *args)

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, **kwargs):
        return asyncio.Task(coro, loop=self, **kwargs)

    def call_exception_handler(self, context):
        self.errors.append(context)

    def turn(self) -> bool:
        """Run what is ready, else jump to the next timer; False when there is nothing."""
        ready = self._ready
        if not ready:
            timers = self._timers
            while timers and timers[0][2].cancelled:
                heapq.heappop(timers)
            if not timers:
                return False
            self._now = max(self._now, timers[0][0])
            while timers and timers[0][0] <= self._now:
                timer = heapq.heappop(timers)[2]
                if not timer.cancelled:
                    ready.append((None, timer.callback, timer.args))
        for _ in range(len(ready)):
            context, callback, args = ready.popleft()
            if context is None:
                callback(*args)
            else:
                context.run(callback, *args)
        return True

    def run(self, until: float) -> None:
        """Go on until the clock shows `until`, or nothing is left to do."""
        asyncio._set_running_loop(self)
        try:
            while self._now < until and self.turn():
                pass
        finally:
            asyncio._set_running_loop(None)
