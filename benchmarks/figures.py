"""What a benchmark reports: figures with their verdicts, and curves for the plots."""

import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import msgspec

__all__ = ["Figure", "Result", "Verdict", "environment", "load", "save", "table"]

Verdict = Literal["target", "must", "missed"]


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One quantity of the table in docs/benchmarks.md, as measured."""

    row: int
    """Its row in that table."""
    name: str
    """What was measured, against what, and on which event loop."""
    value: float
    must: float | None
    """None where anything will do."""
    target: float
    unit: str = "x"
    """`x` for a ratio."""
    least: bool = False
    """Whether the bounds are the least that will do, not the most."""
    spread: tuple[float, float] | None = None
    """Quartiles of the value over the rounds."""
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Which bound the value keeps."""
        if self._keeps(self.target):
            return "target"
        return "must" if self.must is None or self._keeps(self.must) else "missed"

    def _keeps(self, bound: float) -> bool:
        return self.value >= bound if self.least else self.value <= bound


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one benchmark, or several of them, found."""

    figures: list[Figure] = []
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    """Points by plot and line; a bar is a line of one point."""
    environment: dict[str, str] = {}

    def add(self, other: "Result") -> None:
        """Take over what another benchmark found."""
        self.figures += other.figures
        self.curves.update(other.curves)

    def renew(self, other: "Result") -> None:
        """Take over what another run found, in place of what is known of the same."""
        names = {f.name for f in other.figures}
        self.figures = [f for f in self.figures if f.name not in names]
        self.add(other)


def environment() -> dict[str, str]:
    """Tell what a measurement depends on: machine, interpreter and versions."""
    words = {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "python": sys.version.split()[0],
        "load of the machine in the last minutes": f"{os.getloadavg()[2]:.1f}",
    }
    for name in ("aiohttp", "msgspec", "anyio", "uvloop"):
        try:
            words[name] = version(name)
        except PackageNotFoundError:
            words[name] = "not installed"
    return words


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def table(figures: Iterable[Figure]) -> str:
    """Format figures as a Markdown table, in the order of their rows."""
    lines = [
        "| row | what | measured | spread | must | target | meets |",
        "|--:|---|--:|---|--:|--:|---|",
    ]
    for f in sorted(figures, key=lambda f: f.row):
        sign = ">=" if f.least else "<="
        spread = f"{_number(f.spread[0])} to {_number(f.spread[1])}" if f.spread else ""
        name = f"{f.name} ({f.note})" if f.note else f.name
        lines.append(
            f"| {f.row} | {name} | {_number(f.value)} {f.unit} | {spread} "
            f"| {'' if f.must is None else f'{sign} {_number(f.must)}'} "
            f"| {sign} {_number(f.target)} | {f.verdict} |"
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def save(path: Path, result: Result) -> None:
    """Write a result as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


def load(path: Path) -> Result:
    """Read a result that `save` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Result)
