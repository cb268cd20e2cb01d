"""The run of the demo: emulator, fan-out and reading back, with an account of each message."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from ncloudchat_async.bulk import Status
from ncloudchat_async.cli.demo_worker import Event, Made, Phase, Read, Went, Work, deliveries
from ncloudchat_async.cli.exits import DONE, FAILED, UNKNOWN, Failure
from ncloudchat_async.cli.output import print_table
from ncloudchat_async.cli.progress import Progress
from ncloudchat_async.emulator import Emulator, EmulatorSettings, Fault, Stats
from ncloudchat_async.journal import JournalView

__all__ = ["Account", "notes", "run_demo", "settled", "take_account"]

_EVENT: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)


async def run_demo(work: Work, drop_every: int | None, *, kill: bool) -> int:
    """Run the whole demo, print its figures and return the exit code they mean."""
    settings = EmulatorSettings(quota_rate=work.rate)
    async with Emulator(settings=settings) as emulator:
        if drop_every is not None:
            emulator.faults.add(Fault("sendMessage", "drop_after", every=drop_every))
        with Progress() as progress:
            watch = _Watch(work, progress)
            in_doubt = set[str]()
            if kill:
                # Somewhere in the middle, with sends on their way.
                await _run_worker(emulator, work, watch, kill_after=work.messages * 2 // 5)
                work = msgspec.structs.replace(work, channel_ids=tuple(watch.channel_ids))
                in_doubt = _in_doubt(work, watch.outcomes)
            await _run_worker(emulator, work, watch)
            if kill:
                sys.stderr.write(settled(in_doubt, watch.events) + "\n")
        stats = emulator.stats
    account = take_account(work.messages, watch.events)
    rows = _rows(account, watch.seconds, stats, work)
    print_table(("figure", "value"), rows, sys.stdout)
    sys.stdout.writelines(f"{note}\n" for note in notes(stats, killed=kill))
    return account.exit_code


def _in_doubt(work: Work, outcomes: int) -> set[str]:
    """Say on stderr what a kill left behind, and return the refs of what is in doubt."""
    with JournalView(work.journal) as view:
        refs = {entry.ref or "" for entry in view.entries("sending")}
    sys.stderr.write(
        f"killed the sending process with SIGKILL after {outcomes:,} outcomes: {len(refs):,} "
        f"messages in doubt; another goes on with the journal\n"
    )
    return refs


def settled(in_doubt: Collection[str], events: Iterable[Event]) -> str:
    """Say what became of the deliveries that a kill left in doubt."""
    status: dict[str, Status] = {e.ref: e.status for e in events if isinstance(e, Went)}
    said = Counter(status.get(ref, "unknown") for ref in in_doubt)
    return (
        f"of {len(in_doubt):,} messages in doubt {said['sent'] + said['failed']:,} are settled, "
        f"{said['unknown']:,} unknown"
    )


def notes(stats: Stats, *, killed: bool) -> Iterator[str]:
    """Explain figures of the table that look wrong and are not."""
    if stats.throttled:
        yield (
            "429: a busy machine delays some requests and not others, so that what left evenly "
            "arrives in clusters;\nthe emulator refuses what exceeds the quota in any second, "
            "counted above with the rest, and the client sends it again."
        )
    if killed:
        yield (
            "rate reached: the kill, the start of another process and its settling of doubts "
            "are part of the time."
        )


async def _run_worker(
    emulator: Emulator, work: Work, watch: "_Watch", *, kill_after: int | None = None
) -> None:
    """Run a worker to its end, or kill it when so many outcomes have come.

    Raises:
        Failure: It ended with an error.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ncloudchat_async.cli.demo_worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C is for the demo, which ends its worker itself.
        start_new_session=True,
        env={
            **os.environ,
            "NCLOUDCHAT_BASE_URL": emulator.base_url,
            "NCLOUDCHAT_PROJECT_ID": emulator.project_id,
            "NCLOUDCHAT_API_KEY": emulator.api_key,
        },
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(work) + b"\n")
        async for line in process.stdout:
            watch.take(_EVENT.decode(line))
            if kill_after is not None and watch.outcomes >= kill_after:
                return
        if await process.wait():
            raise Failure(f"the demo's worker ended with exit code {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class _Watch:
    """Takes the worker's events, shows them as progress and times the phases."""

    _LABELS: Final = {Made: "channels created", Went: "messages sent", Read: "messages read"}

    def __init__(self, work: Work, progress: Progress) -> None:
        self._totals = {Made: work.channels, Went: work.messages, Read: work.messages}
        self._progress = progress
        self._kind: type[Event] | None = None
        self._since = time.monotonic()
        self._refs: set[str] = set()
        self.events: list[Event] = []
        self.channel_ids: list[str] = []
        self.seconds: dict[str, float] = {}
        """How long each phase took, a killed worker and the start of the next included."""

    @property
    def outcomes(self) -> int:
        """Deliveries of which an outcome is known."""
        return len(self._refs)

    def take(self, event: Event) -> None:
        """Take one event."""
        self.events.append(event)
        match event:
            case Phase():
                # A second worker ends the first phase again, at once.
                now = time.monotonic()
                if event.name not in self.seconds:
                    self.seconds[event.name] = now - self._since
                    self._since = now
                return
            case Made():
                self.channel_ids.append(event.channel_id)
            case Went():
                if event.ref in self._refs:
                    return
                self._refs.add(event.ref)
            case Read():
                pass
        self._show(type(event))

    def _show(self, kind: type[Event]) -> None:
        if kind is not self._kind:
            self._kind = kind
            self._progress.stage(self._LABELS[kind], self._totals[kind])
        self._progress.advance()


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the demo's messages."""

    sent: int
    failed: int
    unknown: int
    unknown_arrived: int
    """Unknown, and read back all the same."""
    read_back: int
    missing: int
    """Said to be sent, and not read back."""
    duplicated: int
    """Copies beyond the first."""
    strange: int
    """Read back without being sent, or said to have failed."""
    exact: bool
    """Whether each message was read back exactly once, and nothing else."""

    @property
    def exit_code(self) -> int:
        """0 when every message was read back exactly once, 5 when only doubt is left."""
        if self.exact and not self.failed:
            return DONE
        wrong = self.failed or self.missing or self.duplicated or self.strange
        return FAILED if wrong else UNKNOWN


def take_account(messages: int, events: list[Event]) -> Account:
    """Compare what was to be sent, what was said of it, and what was read back."""
    channel_ids = [event.channel_id for event in events if isinstance(event, Made)]
    status: dict[str, Status] = {e.ref: e.status for e in events if isinstance(e, Went)}
    read = Counter((e.channel_id, e.content) for e in events if isinstance(e, Read))
    wanted = {
        (item.channel_id, item.content): status.get(item.ref or "")
        for item in deliveries(channel_ids, messages)
    }
    said = Counter(status.values())
    return Account(
        sent=said["sent"],
        failed=said["failed"],
        unknown=said["unknown"],
        unknown_arrived=sum(wanted[key] == "unknown" for key in read if key in wanted),
        read_back=read.total(),
        missing=sum(what == "sent" and key not in read for key, what in wanted.items()),
        duplicated=sum(times - 1 for times in read.values()),
        strange=sum(wanted.get(key) in {None, "failed", "skipped"} for key in read),
        exact=read == dict.fromkeys(wanted, 1),
    )


def _rows(
    account: Account, seconds: Mapping[str, float], stats: Stats, work: Work
) -> Iterator[tuple[str, str]]:
    """Say each figure in words."""
    sending = seconds["send"]
    rate = (account.sent + account.unknown_arrived) / sending
    yield "sent", f"{account.sent:,}"
    yield "failed", f"{account.failed:,}"
    arrived = f" ({account.unknown_arrived:,} of them read back)" if account.unknown else ""
    yield "unknown", f"{account.unknown:,}{arrived}"
    yield "seconds", f"{sending:.2f} to send, {sum(seconds.values()):.2f} in all"
    yield "rate reached", f"{rate:,.1f}/s of {work.rate:,.0f}/s, {rate / work.rate:.1%}"
    yield "most requests in any second", f"{stats.peak_per_second:,}"
    yield "answers 429", f"{stats.throttled:,}"
    yield "messages read back", f"{account.read_back:,}"
    yield "missing", f"{account.missing:,}"
    yield "duplicated", f"{account.duplicated:,}"
