"""How many instructions one `messages.send()` takes on a transport that answers at once.

Counted, not timed: by valgrind's callgrind where it is installed (machine instructions, the
same to 0.1 % on every run) and by the interpreter (bytecodes of each function, exactly). With
`--update` the counts are stored for this Python version, otherwise compared with what is
stored: a count that grew by more than 1 % fails, and the functions that grew are named.
"""

import argparse
import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec

from benchmarks.figures import Result
from benchmarks.instant import Instant
from ncloudchat_async.resources.messages import Messages

__all__ = ["main"]

BASELINES: Final = Path(__file__).with_name("baselines.json")
TOLERANCE: Final = 0.01
_SENDS: Final = 500
_VERSION: Final = f"{sys.version_info[0]}.{sys.version_info[1]}"


class Counts(msgspec.Struct):
    """What one send takes."""

    bytecodes: dict[str, int]
    """By function, those of generators and coroutines included."""
    instructions: int | None = None
    """None where callgrind is not installed."""


async def _send(count: int) -> None:
    messages = Messages(Instant())
    assert (await messages.send("channel-000001", "hello")).channel_id == "channel-000001"
    for _ in range(count):
        await messages.send("channel-000001", "hello")


def bytecodes(count: int = 20) -> dict[str, int]:
    """Count the bytecodes of each function of the package in one send."""
    counter: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if "ncloudchat_async" not in frame.f_code.co_filename:
            return None
        if event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        elif event == "opcode":
            module = frame.f_globals["__name__"].removeprefix("ncloudchat_async.")
            counter[f"{module}.{frame.f_code.co_qualname}"] += 1
        return trace

    async def counted() -> None:
        # Which way a branch takes must not hang on how long a send took by the real clock.
        messages = Messages(Instant(now=itertools.count(0.0, 2**-20).__next__))
        await messages.send("channel-000001", "hello")
        # Python 3.12 asks for opcodes only where the frame that begins to trace does.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(trace)
        for _ in range(count):
            await messages.send("channel-000001", "hello")
        sys.settrace(None)

    asyncio.run(counted())
    return {name: n // count for name, n in counter.most_common() if n >= count}


def instructions() -> int | None:
    """Count the machine instructions of one send: of so many sends less those of none."""
    if shutil.which("valgrind") is None:
        return None
    none, some = (_under_callgrind(n) for n in (0, _SENDS))
    return (some - none) // _SENDS


def _under_callgrind(count: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        words = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable]
        subprocess.run(
            [*words, "-m", "benchmarks.instructions", "--send", str(count)],
            check=True,
            capture_output=True,
            # Where objects lie decides how dicts collide: neither may differ between runs.
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        lines = out.read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(("summary:", "totals:"))).split()[1])


def grown(now: Counts, before: Counts) -> list[str]:
    """Name what grew by more than the tolerance, and in which functions."""
    found = []
    pairs = [
        ("machine instructions", now.instructions, before.instructions),
        ("bytecodes", sum(now.bytecodes.values()), sum(before.bytecodes.values())),
    ]
    for name, new, old in pairs:
        if new and old and new > old * (1 + TOLERANCE):
            found.append(f"{name} of one send grew from {old:,} to {new:,}")
    if found:
        changes = {n: c - before.bytecodes.get(n, 0) for n, c in now.bytecodes.items()}
        found += [f"  {n}: {c:+d} bytecodes" for n, c in changes.items() if c > 0]
    return found


def main(argv: Sequence[str] | None = None) -> Result | None:
    """Count and compare, or store with `--update`; SystemExit when a count grew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--update", action="store_true", help="store the counts")
    parser.add_argument("--send", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.send is not None:
        asyncio.run(_send(options.send))
        return None
    now = Counts(bytecodes(), instructions())
    stored = msgspec.json.decode(BASELINES.read_bytes(), type=dict[str, Counts])
    print(f"Python {_VERSION}: {now.instructions or 0:,} machine instructions", end=", ")
    print(f"{sum(now.bytecodes.values()):,} bytecodes a send")
    for name, count in now.bytecodes.items():
        print(f"  {count:5d} {name}")
    if options.update:
        stored[_VERSION] = now
        text = msgspec.json.format(msgspec.json.encode(stored, order="sorted"), indent=1)
        BASELINES.write_bytes(text + b"\n")
    elif _VERSION not in stored:
        print("nothing is stored for this Python version: --update does it")
    elif found := grown(now, stored[_VERSION]):
        raise SystemExit("\n".join(found))
    return None


if __name__ == "__main__":
    main()
