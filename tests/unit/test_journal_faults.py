"""SQLite failing at each of the first hundred operations of a job."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ncloudchat_async.bulk import Job, Outcome
from ncloudchat_async.errors import JournalCorruptError, JournalError
from ncloudchat_async.journal import JournalView
from tests.unit.bulk_fakes import Platform, Row, drawn, judge, texts

OPERATIONS = 100

FAULTS = {
    "full": (sqlite3.SQLITE_FULL, "database or disk is full"),
    "io": (sqlite3.SQLITE_IOERR, "disk I/O error"),
    "read-only": (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
    "busy": (sqlite3.SQLITE_BUSY, "database is locked"),
    "corrupt": (sqlite3.SQLITE_CORRUPT, "database disk image is malformed"),
}


class Faults:
    """Opens databases whose statements fail from a certain one on."""

    def __init__(self, code: int, text: str, fail_at: int, *, once: bool) -> None:
        self.error = sqlite3.OperationalError(text)
        self.error.sqlite_errorcode = code
        self.fail_at = fail_at
        self.once = once
        self.operations = 0

    def connect(self, name: str) -> sqlite3.Connection:
        """Open a database that counts its statements."""
        faults = self

        class Failing(sqlite3.Connection):
            def execute(self, *args: Any) -> sqlite3.Cursor:
                faults.step()
                return super().execute(*args)

            def executemany(self, *args: Any) -> sqlite3.Cursor:
                faults.step()
                return super().executemany(*args)

        return sqlite3.connect(name, isolation_level=None, check_same_thread=False, factory=Failing)

    def step(self) -> None:
        """Fail, if it is time to."""
        self.operations += 1
        due = self.operations == self.fail_at if self.once else self.operations >= self.fail_at
        if due:
            raise self.error


async def attempt(platform: Platform, job: Job, outcomes: list[Outcome]) -> JournalError | None:
    """Run a job on a failing disk and say how it ended."""
    try:
        async with platform.time.running(), job:
            async for outcome in job:
                outcomes.append(outcome)
    except JournalError as error:
        return error
    return None


@pytest.mark.parametrize("once", [True, False], ids=["once", "for good"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failing_disk_never_sends_without_an_intent(
    tmp_path: Path, fault: str, once: bool
) -> None:
    """Whenever SQLite fails, the job ends with a journal error and the next run makes it good."""
    # A few of them, others for each fault; all of them take minutes, in the soak run.
    first = 1 + 2 * list(FAULTS).index(fault) + once
    for fail_at in range(first, OPERATIONS + 1, 25):
        await one_fault(tmp_path / str(fail_at), fault, fail_at, once=once)


@pytest.mark.soak
@pytest.mark.parametrize("once", [True, False], ids=["once", "for good"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_disk_failing_at_any_operation(tmp_path: Path, fault: str, once: bool) -> None:
    """The same at each of the first hundred operations."""
    for fail_at in range(1, OPERATIONS + 1):
        await one_fault(tmp_path / str(fail_at), fault, fail_at, once=once)


async def one_fault(path: Path, fault: str, fail_at: int, *, once: bool) -> None:
    """Run a job whose disk fails once, then resume it on a sound one."""
    platform = Platform(fate=drawn(fail_at, ok=8, lost=1, dropped=1))
    seen: list[tuple[str, str]] = []
    send = platform.send

    async def watched(channel_id: str, content: str) -> Row:
        with JournalView(path) as view:
            assert content in {entry.content for entry in view.entries("sending")}
        seen.append((channel_id, content))
        return await send(channel_id, content)

    platform.send = watched  # type: ignore[method-assign] # a fake that looks into the file
    code, text = FAULTS[fault]
    faults = Faults(code, text, fail_at, once=once)
    outcomes: list[Outcome] = []
    job = platform.job(texts(24), journal=path, connect=faults.connect, max_in_flight=3)
    error = await attempt(platform, job, outcomes)
    assert faults.operations >= fail_at
    if error is not None:
        assert fault != "corrupt" or isinstance(error, JournalCorruptError)
    told = {outcome.ref: outcome.status for outcome in outcomes}
    assert len(told) == len(outcomes)
    again = await platform.run(texts(24), journal=path)
    judge(platform, texts(24), again)
    assert max(platform.copies().values()) == 1
    assert Counter(outcome.status for outcome in again)["unknown"] <= 2
    for outcome in again:
        assert told.get(outcome.ref) != "sent" or outcome.status in ("sent", "skipped")


async def test_a_full_disk_ends_the_job_and_room_lets_it_go_on(tmp_path: Path) -> None:
    """SQLite itself runs out of pages: what was sent is told, the rest waits for room."""

    def small(name: str) -> sqlite3.Connection:
        db = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA max_page_count = 12")
        return db

    platform = Platform()
    outcomes: list[Outcome] = []
    job = platform.job(texts(2000), journal=tmp_path / "job", connect=small, max_in_flight=8)
    error = await attempt(platform, job, outcomes)
    assert "full" in str(error)
    assert len(outcomes) == len(platform.calls) > 50
    await platform.run(texts(2000), journal=tmp_path / "job")
    assert set(platform.copies().values()) == {1}
    assert len(platform.copies()) == 2000
