"""Decides how long work ends in order before its time: nothing more begins, what began ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

__all__ = ["Stop"]


class Stop:
    """Asks an import to end in order; make it where the import runs.

    ```python
    stop = Stop()
    loop.add_signal_handler(signal.SIGTERM, stop.ask)
    report = await import_project(chat, path, stop=stop)
    ```
    """

    def __init__(self) -> None:
        self._asked = anyio.Event()
        self._under_way: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        """Whether it was asked for."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Have nothing more begin; call it in the event loop, as often as you like."""
        self._asked.set()
        if self._under_way is not None:
            self._under_way()

    @contextmanager
    def reaches(self, stop: Callable[[], None]) -> Iterator[None]:
        """Hand the wish on to a piece of work while it runs, also one from before."""
        self._under_way = stop
        try:
            if self.asked:
                stop()
            yield
        finally:
            self._under_way = None

    async def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until it is asked for."""
        with anyio.move_on_after(seconds):
            await self._asked.wait()
