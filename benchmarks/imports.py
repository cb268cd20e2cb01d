"""What importing the package costs beside importing its dependencies: row 13.

In fresh interpreters in turn, CPU time beyond that of an interpreter that imports nothing.
Names of the package load when they are first used, so the first import of `Client`, and of
all that a first call needs, are shown too.
"""

import argparse
import resource
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from benchmarks.figures import Figure, Result
from benchmarks.measuring import percentile, ratio

__all__ = ["main"]

_NOTHING: Final = "pass"
_THEIRS: Final = "import aiohttp, anyio, backoff, msgspec"
_OURS: Final = "import ncloudchat_async"
_CLIENT: Final = "from ncloudchat_async import Client; Client('p', 'k')"


def _cpu_ms(program: str) -> float:
    """Run a program in an interpreter of its own, and return its CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def main(argv: Sequence[str] | None = None) -> Result:
    """Start interpreters."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args(argv).rounds
    millis: dict[str, list[float]] = {p: [] for p in (_NOTHING, _THEIRS, _OURS, _CLIENT)}
    for _ in range(rounds):
        for program, values in millis.items():
            values.append(_cpu_ms(program))
    idle = percentile(sorted(millis[_NOTHING]), 0.5)
    beyond = {p: [max(v - idle, 0.0) for v in values] for p, values in millis.items()}
    for program in (_THEIRS, _OURS, _CLIENT):
        print(f"  {percentile(sorted(beyond[program]), 0.5):6.1f} ms  {program}")
    whole, _ = ratio(beyond[_CLIENT], beyond[_THEIRS])
    value, spread = ratio(beyond[_OURS], beyond[_THEIRS])
    return Result(
        figures=[
            Figure(
                row=13,
                name="import ncloudchat_async / importing its four dependencies",
                value=value,
                must=1.15,
                target=0.35,
                spread=spread,
                note=f"with a Client made: {whole:.2f}",
            )
        ]
    )
