"""What README, docs and examples show, runs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ncloudchat_async.emulator import EmulatorThread

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def blocks() -> Iterator[tuple[str, str]]:
    """Every Python block of README and docs, named by file and position."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for number, code in enumerate(FENCE.findall(path.read_text(encoding="utf-8")), 1):
            yield f"{path.name} {number}", code


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The three variables, pointing at an emulator."""
    with EmulatorThread() as emulator:
        yield os.environ | {
            "NCLOUDCHAT_BASE_URL": emulator.base_url,
            "NCLOUDCHAT_PROJECT_ID": emulator.project_id,
            "NCLOUDCHAT_API_KEY": emulator.api_key,
            "PYTHONPATH": str(ROOT),
        }


def run(arguments: list[str], environment: dict[str, str], folder: Path) -> str:
    """Run Python in a process of its own, where warnings are errors."""
    command = [sys.executable, "-X", "dev", "-W", "error", *arguments]
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("name", "code"), list(blocks()), ids=lambda v: v.split("\n")[0])
def test_blocks(name: str, code: str, environment: dict[str, str], tmp_path: Path) -> None:
    """A block is a whole program, or a test file when its first line names one."""
    first = re.match(r"# (test_\w+\.py)\n", code)
    path = tmp_path / (first[1] if first else "block.py")
    path.write_text(code, encoding="utf-8")
    if first:
        assert "1 passed" in run(["-m", "pytest", "-q", str(path)], environment, tmp_path)
    else:
        run([str(path)], environment, tmp_path)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_examples(path: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """Each example runs as it stands, with its defaults."""
    if path.name.startswith("test_"):
        assert "passed" in run(["-m", "pytest", "-q", str(path)], environment, tmp_path)
    else:
        assert run([str(path)], environment, tmp_path)


def test_links_lead_somewhere() -> None:
    """Relative links of README and docs name files that exist."""
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), f"{path.name}: {link}"
