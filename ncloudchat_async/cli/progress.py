"""Decides how progress looks on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

from ncloudchat_async.cli.text import printable

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["Progress"]

_LINE_EVERY_S: Final = 2.0
"""Pause between plain lines: an hour's job leaves a log one can read."""


class Progress:
    """Tell people how far work has come, one stage after another.

        with Progress() as progress:
            progress.stage("messages sent", total=5000)
            progress.advance(10)

    Args:
        stream: Where to; None: stderr.
        quiet: Show nothing.
        clock: Monotonic seconds; for tests.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream: Final = sys.stderr if stream is None else stream
        self._clock: Final = clock
        bar = self._stream.isatty() and not quiet
        self._view: Final = _Bar(self._stream) if bar else _Lines(None if quiet else self._stream)
        self._begun = clock()
        self._shown = 0.0
        self._label = ""
        self._done = self._first = 0
        self._total: int | None = None
        self._note = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        self._view.close()

    def stage(self, label: str, total: int | None = None, *, done: int = 0) -> None:
        """Begin a stage; the one before it ends.

        Args:
            label: What is counted, in the plural: "messages sent".
            total: How many there will be; None: nobody knows.
            done: How many were done before.
        """
        self.end()
        self._label, self._total, self._note = label, total, ""
        self._done = self._first = done
        self._begun = self._shown = self._clock()
        self._view.begin(label, total, done)

    def advance(self, count: int = 1, note: str | None = None, *, earlier: bool = False) -> None:
        """Count some more, and maybe change what stands behind the numbers.

        Args:
            count: How many more are done.
            note: What stands behind the numbers from now on; None: what stands there.
            earlier: They were done before: they tell nothing of how long the rest takes.
        """
        self._done += count
        if earlier:
            self._first += count
        if note is not None:
            self._note = printable(note)
        self._view.move(self._done, self._total, self._note, earlier=earlier)
        now = self._clock()
        if now - self._shown >= _LINE_EVERY_S:
            self._shown = now
            self._view.line(self._summary(now))

    def reach(self, label: str, done: int, total: int | None, note: str) -> None:
        """Say how far a stage is, beginning it if another one was under way."""
        counts = done > 0 or total is not None
        if self._label and self._total is not None and not counts:
            # What is read beside a stage that is counted has no end to tell of.
            self.advance(0, note)
            return
        if label != self._label:
            self.stage(label, total)
        self._total = total
        self.advance(done - self._done, note)

    def end(self) -> None:
        """End the stage, if one is open, with a last line; one in which nothing came has none."""
        if self._label and self._done > self._first:
            self._view.line(self._summary(self._clock()))
        self._label = ""

    def drop(self) -> None:
        """Forget the stage without a last line: what it counted was no progress."""
        self._label = ""

    def _summary(self, now: float) -> str:
        passed = now - self._begun
        rate = (self._done - self._first) / passed if passed > 0 else 0.0
        of = "" if self._total is None else f" of {self._total:,}"
        parts = [f"{self._label}: {self._done:,}{of}", f"{rate:,.0f}/s"]
        if self._total is not None and rate > 0 and self._done < self._total:
            parts.append(f"{(self._total - self._done) / rate:,.0f} s left")
        if self._note:
            parts.append(self._note)
        return ", ".join(parts)


class _Lines:
    """Progress for logs and pipes, or for nobody."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def begin(self, label: str, total: int | None, done: int) -> None:
        """Say nothing yet: the first line tells how far it came."""

    def move(self, done: int, total: int | None, note: str, *, earlier: bool) -> None:
        """Say nothing: lines come by time."""

    def line(self, text: str) -> None:
        """Print one line."""
        if self._stream is not None:
            self._stream.write(text + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Leave the lines where they are."""


class _Bar:
    """Progress for terminals; rich is loaded here, since only terminals need it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console  # slow to import
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(file=stream),
        )
        self._task: TaskID | None = None
        self._bars.start()

    def begin(self, label: str, total: int | None, done: int) -> None:
        """Draw a bar of its own for the stage."""
        self._task = self._bars.add_task(label, total=total, completed=done, rate="", note="")

    def move(self, done: int, total: int | None, note: str, *, earlier: bool) -> None:
        """Move the bar of the stage."""
        if self._task is None:
            return
        if earlier:
            self._bars.reset(self._task, completed=done)
        speed = self._bars.tasks[-1].speed
        rate = f"{speed:,.0f}/s" if speed else ""
        self._bars.update(self._task, completed=done, total=total, rate=rate, note=note)

    def line(self, text: str) -> None:
        """Say nothing: the bar says it."""

    def close(self) -> None:
        """Leave the bars as they are and give the cursor back."""
        self._bars.stop()
