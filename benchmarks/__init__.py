"""Benchmarks: `python -m benchmarks` lists them, each finds the figures of one subject.

A subject is a module whose docstring begins with what it measures, and whose
`main(argv) -> Result` prints what it sees and returns figures and curves. It checks the
answers of its contenders before it times them, and takes them in turn. `SUBJECTS` names them
all in the order in which `python -m benchmarks all` runs them.
"""

from typing import Final

__all__ = ["SUBJECTS"]

SUBJECTS: Final = (
    "calls",
    "session",
    "fairness",
    "decoding",
    "semaphore",
    "simulator",
    "pacing",
    "paging",
    "fanout",
    "memory",
    "imports",
    "outage",
    "faults",
    "transfer",
    "emulator",
)
