"""The architecture, as imports: data flows one way, and each library has one home."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ncloudchat_async

ROOT = Path(ncloudchat_async.__file__).parent
NAME = "ncloudchat_async"

LAYERS = (
    ("cli",),
    ("transfer",),
    ("client",),
    ("core",),
    ("resources",),
    ("paging", "bulk"),
    ("journal",),
    ("wire",),
    ("settings",),
    ("models",),
    ("checks",),
    ("errors", "about"),
)
"""From the top down: a module imports from its own layer or from one below."""
SIDEWAYS = {"resources": {"base"}, "models": {"base", "members", "friends"}}
"""Packages whose modules do not import each other, and those that all may import."""
WIRE = (
    ("session",),
    ("semaphore", "retry", "transport"),
    ("direct", "public"),
    ("lines",),
    ("sockets",),
    ("answers", "call", "failures", "pace", "store"),
    ("refusals",),
    ("bodies", "endpoint", "auth", "errand", "observe", "timestamps"),
)
LIBRARIES = {
    "aiohttp": {
        f"wire.{name}" for name in ("transport", "direct", "public", "lines", "sockets", "failures")
    },
    "yarl": {"wire.direct", "wire.public"},
    "backoff": {"wire.retry"},
    "sqlite3": {"journal", "transfer"},
    "cyclopts": {"cli"},
    "rich": {"cli"},
}
"""Libraries with a home; the emulator is a program of its own and may use what it likes."""


def imports(source: str) -> Iterator[str]:
    """Every module a source text imports when it runs, also inside functions."""
    tree = ast.parse(source)
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            if node.module == NAME:
                yield from (f"{NAME}.{_home_of(alias.name)}" for alias in node.names)


def _home_of(name: str) -> str:
    """The module that a name of the package's top is, or the highest that a public name needs."""
    module = (ROOT / name).is_dir() or (ROOT / f"{name}.py").exists()
    return name if module else "client"


def layer_of(module: str, layers: tuple[tuple[str, ...], ...]) -> int | None:
    """Position of a module from the top; None for one that stands in no layer."""
    head = module.split(".", maxsplit=1)[0]
    return next((i for i, names in enumerate(layers) if head in names), None)


def violations(module: str, source: str) -> list[str]:
    """What a module of the package imports against the rules; `module` without the package."""
    found = []
    for name in imports(source):
        if name.startswith("."):
            found.append(f"{module}: relative import {name}")
            continue
        library = name.split(".", maxsplit=1)[0]
        if library != NAME:
            homes = LIBRARIES.get(library)
            home = module.startswith("emulator") or any(
                module == h or module.startswith(h + ".") for h in homes or ()
            )
            if homes is not None and not home:
                found.append(f"{module}: {library} has its home in {sorted(homes)}")
            continue
        found.extend(_inside(module, name.removeprefix(NAME).lstrip(".")))
    return found


def _inside(module: str, target: str) -> list[str]:
    """Judge an import of the package's own `target`."""
    if not target or module in ("", "pytest_plugin", "__main__"):
        return []
    rules = (_emulator_rule, _layer_rule, _package_rule)
    return [found for rule in rules if (found := rule(module, target))][:1]


def _emulator_rule(module: str, target: str) -> str | None:
    twin = module.startswith("emulator")
    if twin and not target.startswith(("emulator", "about")):
        return f"{module}: the emulator imports nothing of the package ({target})"
    if target.startswith("emulator") and not twin and module.split(".", 1)[0] != "cli":
        return f"{module}: only cli and the pytest plugin import the emulator"
    return None


def _layer_rule(module: str, target: str) -> str | None:
    if "emulator" in (module.split(".", maxsplit=1)[0], target.split(".", maxsplit=1)[0]):
        return None
    here, there = layer_of(module, LAYERS), layer_of(target, LAYERS)
    if here is None or there is None:
        return f"{module}: {module if here is None else target} stands in no layer"
    return f"{module}: upward import of {target}" if there < here else None


def _package_rule(module: str, target: str) -> str | None:
    package, _, inner = module.partition(".")
    if not inner or not target.startswith(package + "."):
        return None
    other = target.removeprefix(package + ".")
    if package == "wire":
        up, down = layer_of(inner, WIRE), layer_of(other, WIRE)
        if up is None or down is None or down < up:
            return f"{module}: {target} does not stand below it in wire"
    if package in SIDEWAYS and other not in SIDEWAYS[package]:
        return f"{module}: sideways import of {target}"
    return None


def modules() -> Iterator[tuple[str, str]]:
    """Every module of the package and its source."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, path.read_text(encoding="utf-8")


def test_every_module_keeps_the_import_rules() -> None:
    """Imports point down, sideways ones are named, and libraries stay in their homes."""
    assert [v for module, source in modules() for v in violations(module, source)] == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("errors", "from ncloudchat_async.models import Channel"),
        ("wire.endpoint", "from ncloudchat_async.wire.session import Session"),
        ("wire.retry", "import aiohttp"),
        ("wire.session", "import backoff"),
        ("settings", "from ncloudchat_async import client"),
        ("resources.channels", "from ncloudchat_async.resources.members import Members"),
        ("emulator.store", "from ncloudchat_async.models import Channel"),
        ("client", "from ncloudchat_async.emulator import Emulator"),
        ("client", "def f():\n    from ncloudchat_async.cli import main"),
        ("paging", "from . import errors"),
        ("bulk", "import sqlite3"),
        ("wire.session", "from ncloudchat_async import Client"),
        ("strange", "from ncloudchat_async.errors import ApiError"),
    ],
)
def test_a_planted_violation_is_found(module: str, line: str) -> None:
    """The rules have teeth: each kind of violation is told."""
    assert violations(module, line)
