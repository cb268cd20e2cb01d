"""Progress: lines by time for logs, nothing when quiet."""

import io
import re

from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async.cli.progress import Progress
from ncloudchat_async.emulator import EmulatorThread
from tests.cli.conftest import Cli
from tests.cli.test_text import HOSTILE, is_safe


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_lines_come_every_other_second_and_at_the_end() -> None:
    """A log gets a line per 2 s and one at the end, with rate and time left."""
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock=clock) as progress:
        progress.stage("messages", 100)
        for _ in range(5):
            clock.now += 1.0
            progress.advance(10, note="1 answers 429")
        progress.stage("rows")
    assert stream.getvalue().splitlines() == [
        "messages: 20 of 100, 10/s, 8 s left, 1 answers 429",
        "messages: 40 of 100, 10/s, 6 s left, 1 answers 429",
        "messages: 50 of 100, 10/s, 5 s left, 1 answers 429",
    ]


def test_a_note_is_safe() -> None:
    """What stands behind the numbers is shown like any text of others."""
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.stage("messages")
        progress.advance(note=HOSTILE)
    assert is_safe(stream.getvalue().replace("\n", ""))


@given(st.lists(st.floats(0, 10), max_size=30))
def test_quiet_is_silent(steps: list[float]) -> None:
    """Nothing is written when the rows themselves show the progress."""
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, quiet=True, clock=clock) as progress:
        progress.stage("messages", 3)
        for step in steps:
            clock.now += step
            progress.advance()
    assert stream.getvalue() == ""


def test_what_was_done_before_is_no_speed() -> None:
    """Rows that an earlier run sent count as done, and tell nothing of the time left."""
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock=clock) as progress:
        progress.stage("messages", 100)
        for _ in range(60):
            progress.advance(earlier=True)
        for _ in range(4):
            clock.now += 1.0
            progress.advance(5)
    assert stream.getvalue().splitlines()[-1] == "messages: 80 of 100, 5/s, 4 s left"


def test_each_project_has_one_last_line(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """How many channels were read is said once for each project that is read."""
    ncloudchat_emulator.seed(members=3, channels=3, messages_per_channel=4, subscriptions=2)
    done = cli("export", "a.archive")
    assert len(re.findall("channels read: 3 of 3", done.err)) == 1
    assert re.search(r"channels read: 3 of 3, .* 23 rows\n$", done.err)
    ncloudchat_emulator.seed(channels=1, messages_per_channel=1)
    done = cli("verify", "a.archive")
    assert len(re.findall("channels read: 4 of 4", done.err)) == 1
