"""What is installed works without the source tree beside it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import ncloudchat_async
from ncloudchat_async.emulator import Emulator

assert ncloudchat_async.__file__.startswith(sys.argv[1]), ncloudchat_async.__file__

async def main():
    async with Emulator() as twin:
        async with ncloudchat_async.Client(
            twin.project_id, twin.api_key, base_url=twin.base_url
        ) as chat:
            channel = await chat.channels.create("notice")
            await chat.messages.send(channel.id, "hello")
            assert [m.content async for m in chat.messages.list(channel.id)] == ["hello"]

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every module, the marker of types and the licence are in; tests are not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "ncloudchat_async"
    modules = {str(p.relative_to(ROOT)) for p in package.rglob("*.py")}
    assert modules | {"ncloudchat_async/py.typed"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"ncloudchat_async"}


def test_the_wheel_does_the_main_job(wheel: Path, tmp_path: Path) -> None:
    """A call, a list and the emulator run from the unpacked wheel alone."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    command = [sys.executable, "-I", "-W", "error", "-c", PROGRAM, str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
