"""A kill at any moment costs nothing but time: real processes, ended with SIGKILL."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ncloudchat_async import Client, Quota
from ncloudchat_async.emulator import EmulatorThread
from ncloudchat_async.transfer import Verification, describe, export_project, verify
from tests.transfer.conftest import content
from tests.transfer.test_export import names

ROOT = Path(__file__).parents[2]


@contextmanager
def worker(task: str, emulator: EmulatorThread, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process at work; killed in the end if it still is."""
    place = (emulator.base_url, emulator.project_id, emulator.api_key, str(path))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.transfer.worker", task, *place],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def kill_after(task: str, emulator: EmulatorThread, path: Path, dots: int) -> bool:
    """Kill a process after some progress; False when it came to its end before."""
    with worker(task, emulator, path) as process:
        assert process.stdout is not None
        return len(process.stdout.read(dots)) == dots


def finish(task: str, emulator: EmulatorThread, path: Path) -> int:
    """Let a process come to its end, and count its progress."""
    with worker(task, emulator, path) as process:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        return len(out)


def client(emulator: EmulatorThread) -> Client:
    """A client of an emulator."""
    return Client(
        emulator.project_id,
        emulator.api_key,
        base_url=emulator.base_url,
        quota=Quota(rate=100_000, burst=1_000),
    )


def export(emulator: EmulatorThread, path: Path) -> None:
    """Export without being killed."""

    async def work() -> None:
        async with client(emulator) as chat:
            await export_project(chat, path)

    asyncio.run(work())


def compared(path: Path, emulator: EmulatorThread) -> Verification:
    """Compare an archive and a project."""

    async def work() -> Verification:
        async with client(emulator) as chat:
            return await verify(path, chat)

    return asyncio.run(work())


def kill_exports(tmp_path: Path, kills: int, seed: int) -> None:
    """Kill an export some times, finish it, and compare it with one that was left alone."""
    chance = random.Random(seed)
    with EmulatorThread() as emulator:
        emulator.seed(members=500, channels=12, messages_per_channel=400, subscriptions=300)
        export(emulator, tmp_path / "whole")
        path = tmp_path / "killed"
        killed = [
            kill_after("export", emulator, path, chance.randrange(1, 25)) for _ in range(kills)
        ]
        assert killed[0]
        finish("export", emulator, path)
        assert content(path) == content(tmp_path / "whole")
        assert not describe(path).interrupted
        assert sorted(names(tmp_path)) == [path, tmp_path / "whole"]


def kill_imports(tmp_path: Path, kills: int, seed: int) -> None:
    """Kill an import some times, finish it, and hold the new project against the archive."""
    chance = random.Random(seed)
    with (
        EmulatorThread(project_id="old") as old,
        EmulatorThread(project_id="new") as new,
    ):
        # Without the platform's help against channels with the same unique_id.
        new.settings = new.settings.but(repeat_unique_id="allow")
        old.seed(members=30, channels=6, messages_per_channel=30)
        path = tmp_path / "archive"
        export(old, path)
        sizes = (1, 30, 40, 90, 150)
        for number in range(kills):
            kill_after("import", new, path, chance.choice(sizes[number % 5 :]) + number)
        finish("import", new, path)
        found = compared(path, new)
        assert found.equal, found
        assert (new.stats.rows["channels"], new.stats.rows["messages"]) == (6, 180)
        assert names(tmp_path) == [path]


def test_a_killed_export_ends_with_the_same_archive(tmp_path: Path) -> None:
    """Killed and resumed, an export is the same as one that was left alone."""
    kill_exports(tmp_path, kills=4, seed=1)


def test_a_killed_import_neither_doubles_nor_loses_anything(tmp_path: Path) -> None:
    """Killed and resumed, an import carries each row over once and in order."""
    kill_imports(tmp_path, kills=5, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_many_killed_exports(tmp_path: Path, seed: int) -> None:
    """As above, at many more moments."""
    kill_exports(tmp_path, kills=12, seed=100 + seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_many_killed_imports(tmp_path: Path, seed: int) -> None:
    """As above, at many more moments."""
    kill_imports(tmp_path, kills=12, seed=100 + seed)
