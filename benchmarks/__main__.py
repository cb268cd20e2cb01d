"""Runs benchmarks: `python -m benchmarks [NAME | all | instructions | plots]`."""

import argparse
import ast
import contextlib
import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

from benchmarks import SUBJECTS
from benchmarks.figures import Figure, Result, environment, load, save, table

__all__ = ["available", "main"]

_HERE: Final = Path(__file__).parent
_TOOLS: Final = ("instructions", "plots")
"""Modules that are run by name and are no part of `all`."""


def available() -> Iterator[tuple[str, str]]:
    """Yield the subjects that are there, each with what it measures, without importing them."""
    for name in (*SUBJECTS, *_TOOLS):
        path = _HERE / f"{name}.py"
        if path.exists():
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            yield name, docstring.partition("\n")[0]


def run_one(name: str, argv: Sequence[str]) -> Result:
    """Run one subject, and show its figures."""
    module: ModuleType = importlib.import_module(f"benchmarks.{name}")
    run: Callable[[Sequence[str]], Result | None] = module.main
    print(f"\n== {name}", flush=True)
    result = run(argv) or Result()
    if result.figures:
        print(table(result.figures), flush=True)
    return result


def run_all(names: Sequence[str], argv: Sequence[str], result: Result) -> list[str]:
    """Run subjects one after another, also after one that broke, and return those that did."""
    broken = []
    for name in names:
        try:
            result.add(run_one(name, argv))
        except Exception:  # noqa: BLE001 - whatever is wrong with one subject, others are not
            traceback.print_exc()
            broken.append(name)
    print(f"\n{table(result.figures)}")
    if broken:
        print(f"broken: {', '.join(broken)}")
    return broken


def compare(now: Sequence[Figure], before: Sequence[Figure]) -> str:
    """Show how figures of the same name changed, the most changed first."""
    old = {f.name: f.value for f in before}
    changes = [(f.value / old[f.name] - 1.0, f) for f in now if old.get(f.name)]
    changes.sort(key=lambda c: -abs(c[0]))
    return "\n".join(
        f"{change:+7.1%}  {f.name}: {old[f.name]:.3g} -> {f.value:.3g}" for change, f in changes
    )


def main(argv: Sequence[str] | None = None) -> int:
    """List, or run one benchmark or all; 1 when a figure misses what it must be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="a benchmark, or `all`; without one: list them")
    parser.add_argument(
        "--json", type=Path, help="write the figures here; one benchmark replaces its own"
    )
    parser.add_argument("--compare", type=Path, help="show what changed since an earlier --json")
    options, rest = parser.parse_known_args(argv)
    names = dict(available())
    if options.name is None:
        print("\n".join(f"{name:14s} {text}" for name, text in names.items()))
        return 0
    if options.name != "all" and options.name not in names:
        parser.error(f"no benchmark is called {options.name!r}")
    result = Result()
    broken = []
    if options.name == "all":
        broken = run_all([n for n in names if n not in _TOOLS], rest, result)
    else:
        result.add(run_one(options.name, rest))
    if options.json:
        known = options.name != "all" and options.json.exists()
        whole = load(options.json) if known else Result()
        whole.renew(result)
        whole.environment = environment()
        save(options.json, whole)
    if options.compare:
        print(compare(result.figures, load(options.compare).figures))
    return int(bool(broken) or any(f.verdict == "missed" for f in result.figures))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
