"""Progress: lines by time for logs, nothing when quiet."""

import io

from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async.cli.progress import Progress
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
