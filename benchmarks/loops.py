"""Which event loops there are to measure on."""

import asyncio
import importlib.util
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

__all__ = ["LOOPS", "run"]

T = TypeVar("T")

HAS_UVLOOP: Final = importlib.util.find_spec("uvloop") is not None
LOOPS: Final = ("asyncio", "uvloop") if HAS_UVLOOP else ("asyncio",)
"""Names of the event loops, the stock one first; uvloop where it is installed."""


def run(main: Coroutine[Any, Any, T], *, uv: bool) -> T:
    """Run a coroutine on a new event loop: uvloop's if asked for and there, else the stock one."""
    if uv and HAS_UVLOOP:
        import uvloop  # noqa: PLC0415 - optional

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    return asyncio.run(main)
