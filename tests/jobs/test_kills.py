"""Jobs whose process is killed at random moments, and that go on afterwards."""

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.abc
import msgspec
import pytest

from ncloudchat_async.emulator import Emulator, EmulatorSettings, Fault
from ncloudchat_async.journal import JournalView
from tests.jobs.host import Task, deliveries

LAG_S = 0.2
LATE_S = 0.2
SETTLE_S = 0.8
"""Twice the time after which the emulator shows a message whose answer it lost."""


class Host:
    """Starts jobs in processes of their own and learns how they end."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        self._started: list[tuple[anyio.Event, list[int]]] = []
        self._ended: dict[int, tuple[anyio.Event, list[int]]] = {}

    async def listen(self) -> None:
        """Read what the host says."""
        assert self._process.stdout is not None
        rest = b""
        async for chunk in self._process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                pid, word = line.split()
                if word == b"started":
                    event, box = self._started.pop(0)
                    self._ended[int(pid)] = anyio.Event(), []
                    box.append(int(pid))
                else:
                    event, box = self._ended[int(pid)]
                    box.append(int(word))
                event.set()

    async def run(self, task: Task, kill_after_s: float | None) -> int:
        """Run a job, perhaps kill it on the way, and give its exit status."""
        assert self._process.stdin is not None
        event, box = anyio.Event(), list[int]()
        self._started.append((event, box))
        await self._process.stdin.send(msgspec.json.encode(task) + b"\n")
        await event.wait()
        ended, status = self._ended[box[0]]
        with anyio.move_on_after(kill_after_s):
            await ended.wait()
        if not status:
            with suppress(ProcessLookupError):
                os.kill(box[0], signal.SIGKILL)
        await ended.wait()
        return status[0]


@asynccontextmanager
async def hosted() -> AsyncIterator[Host]:
    """Keep a host running."""
    command = [sys.executable, "-m", "tests.jobs.host"]
    async with await anyio.open_process(command, stderr=None) as process:
        host = Host(process)
        async with anyio.create_task_group() as group:
            group.start_soon(host.listen)
            yield host
            assert process.stdin is not None
            await process.stdin.aclose()


@asynccontextmanager
async def platform(seed: int, *, lag_s: float = LAG_S) -> AsyncIterator[Emulator]:
    """An emulator that loses answers, applies late, drops, and shows rows late."""
    async with Emulator(settings=EmulatorSettings(list_lag_s=lag_s)) as emulator:
        for action, probability, delay_s in (
            ("delay", 1.0, 0.01),
            ("drop_after", 0.08, 0.0),
            ("drop_before", 0.04, 0.0),
            ("late", 0.04, LATE_S),
        ):
            emulator.faults.add(
                Fault(
                    "sendMessage",
                    action,  # type: ignore[arg-type] # one of its literals
                    probability=probability,
                    delay_s=delay_s,
                    jitter_s=0.05 if action == "delay" else 0.0,
                    seed=seed,
                )
            )
        yield emulator


async def kill_jobs(
    tmp_path: Path, emulator: Emulator, *, jobs: int, seed: int, settle_s: float = SETTLE_S
) -> Counter[str]:
    """Kill so many jobs one to three times each, let them end, and hold them against the store."""
    totals: Counter[str] = Counter()
    limit = anyio.CapacityLimiter(8)

    async def one(host: Host, number: int) -> None:
        draw = random.Random(f"{seed} {number}")
        task = Task(
            base_url=emulator.base_url,
            project_id=emulator.project_id,
            api_key=emulator.api_key,
            journal=str(tmp_path / f"{number}.journal"),
            name=f"job{number}",
            count=draw.randint(20, 120),
            channels=draw.choice([1, 5, 40]),
            different=draw.choice([3, 1000]),
            settle_s=settle_s,
            ordered=draw.random() < 0.3,
        )
        ids = [{"id": f"{task.name}-{channel}", "name": "n"} for channel in range(task.channels)]
        emulator.add_rows("channels", ids)
        async with limit:
            for _ in range(draw.randint(1, 3)):
                status = await host.run(task, draw.uniform(0.0, 1.2))
                totals["killed"] += status == signal.SIGKILL
            assert await host.run(task, None) == 0
        totals.update(judge(emulator, task))

    async with hosted() as host, anyio.create_task_group() as group:
        for number in range(jobs):
            group.start_soon(one, host, number)
    return totals


def judge(emulator: Emulator, task: Task) -> Counter[str]:
    """Count what a finished job reported, and what of that is not so."""
    own = [(item.channel_id, item.content) for item in deliveries(task)]
    with JournalView(task.journal) as view:
        status = view.status()
        doubts = {(entry.channel_id, entry.content) for entry in view.entries("unknown")}
    assert status.total == len(own)
    assert status.planned == status.sending == 0
    audit = emulator.audit(own)
    lost = [line for line in audit.missing if (line.channel_id, line.content) not in doubts]
    twice = [line for line in audit.duplicated if (line.channel_id, line.content) not in doubts]
    return Counter(
        jobs=1,
        sent=status.sent,
        unknown=status.unknown,
        not_exact=len(audit.missing) + len(audit.duplicated),
        failed=status.failed,
        lost=len(lost),
        twice=len(twice),
    )


async def test_killed_jobs_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """However often a job is killed, in the end every message is there once."""
    async with platform(1) as emulator:
        totals = await kill_jobs(tmp_path, emulator, jobs=6, seed=1)
    sys.stdout.write(f"{dict(totals)}\n")
    assert (totals["lost"], totals["twice"], totals["failed"]) == (0, 0, 0)
    assert totals["killed"] >= 6
    assert totals["unknown"] <= totals["sent"] / 20


@pytest.mark.soak
@pytest.mark.parametrize(("jobs", "seed"), [(50, 2), (200, 3)])
async def test_many_killed_jobs(tmp_path: Path, jobs: int, seed: int) -> None:
    """The same for many jobs."""
    async with platform(seed) as emulator:
        totals = await kill_jobs(tmp_path, emulator, jobs=jobs, seed=seed)
    sys.stdout.write(f"{dict(totals)}\n")
    assert (totals["lost"], totals["twice"], totals["failed"]) == (0, 0, 0)
    assert totals["killed"] >= jobs


async def test_lag_beyond_the_settle_time_is_named(tmp_path: Path) -> None:
    """When rows show later than they may, messages are sent twice, and each is called unknown."""
    async with platform(4, lag_s=30.0) as emulator:
        totals = await kill_jobs(tmp_path, emulator, jobs=3, seed=4, settle_s=0.2)
    assert (totals["lost"], totals["twice"], totals["failed"]) == (0, 0, 0)
    assert totals["unknown"] >= totals["not_exact"] > 0


async def test_without_settle_time_nothing_holds(tmp_path: Path) -> None:
    """Control: looking at once repeats messages whose rows do not show yet."""
    async with platform(5) as emulator:
        totals = await kill_jobs(tmp_path, emulator, jobs=2, seed=5, settle_s=0.0)
    assert totals["not_exact"] > 0
