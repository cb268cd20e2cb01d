"""The command that sends a file of messages: checks, forecast, journal, progress, resuming."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from cyclopts import Group, Parameter, validators

from ncloudchat_async.cli.common import CHANGE, COMMON, Change, Common
from ncloudchat_async.cli.connect import BULK
from ncloudchat_async.cli.exits import (
    DONE,
    FAILED,
    UNKNOWN,
    USAGE,
    Failure,
    code_of,
    drop_stdout,
    is_hopeless,
)
from ncloudchat_async.cli.inputs import CHANNEL_IDS, STDIN, Record, open_text, read_records, text_of
from ncloudchat_async.cli.options import Count, Flag, Mode, Source
from ncloudchat_async.cli.output import Rows
from ncloudchat_async.cli.progress import Progress
from ncloudchat_async.cli.running import Interrupts, run_async
from ncloudchat_async.cli.template import Template
from ncloudchat_async.cli.text import printable
from ncloudchat_async.cli.wording import worded
from ncloudchat_async.errors import (
    ConfigError,
    JournalError,
    JournalLockedError,
    JournalMismatchError,
    NcloudChatError,
)

if TYPE_CHECKING:
    from ncloudchat_async import Client, Delivery, Job, Outcome, Report

__all__ = ["HANDLING", "Handling", "deliver", "forecast", "send"]

_SAMPLES: Final = 3
_PROBLEMS: Final = 20
"""Bad lines that a dry run names; a file that is wrong is mostly wrong everywhere."""
_BRIEF: Final = ("ref", "channel_id", "status", "message_id", "error")


@Parameter(name="*", group=Group("Delivery", sort_key=5))
@dataclass(frozen=True, kw_only=True)
class Handling:
    """How messages are delivered.

    Args:
        mode: What to do when nobody knows whether a message arrived. `reconcile` (the default
            with a journal) looks for it and sends it again when it is surely not there;
            `at_most_once` (the default without one) names it unknown; `at_least_once` sends
            it again until an answer comes, ten times at most in a run: it may arrive as often,
            and is unknown after that.
        ordered: Keep the order within each channel.
        settle: Seconds after which a message that was stored at all is in its channel's list.
        max_failures: Stop after so many that failed or are unknown.
    """

    mode: Mode | None = None
    ordered: Flag = False
    settle: Annotated[float, Parameter(validator=validators.Number(gte=0))] = 90.0
    max_failures: Count | None = None


HANDLING: Final = Handling()


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message, as it is shown."""

    ref: str | None
    channel_id: str
    status: str
    message_id: str | None
    attempts: int
    error: str | None


class _Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a job would do, as it is shown."""

    messages: int
    problems: int
    seconds: float | None
    """At the rate, if one was told."""
    samples: Sequence[Mapping[str, object]]
    """The first requests."""


def send(
    source: Source,
    *,
    template: str | None = None,
    journal: Path | None = None,
    handling: Handling = HANDLING,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Send a message for every line of a file, at the pace of the quota.

    With a journal the whole input is recorded and checked first, nothing is lost when the
    job ends early, and `ncloudchat jobs resume` sends the rest. Ctrl-C lets what is on its
    way finish; a second one does not: what it leaves in doubt is counted on stderr and has
    no row; only a journal knows it, and resuming looks for it. Any other message has a row.
    Exit code 5 means that for some nobody knows: `ncloudchat jobs unknown` names them.

    Example: `ncloudchat send guests.csv --template "Hello {name}" --journal guests.journal`

    Args:
        source: CSV with a header or JSON lines, `-` for stdin, with channel_id and content,
            and maybe ref, a name of your own for the message.
        template: The text, with `{column}` where a column's value goes; without it the text
            is the column content. `{ref}` is the line's number where there is no such column.
        journal: File that records the job, made when it is not there. It holds the texts.
        handling: How messages are delivered.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    made = None if template is None else Template(template)
    if change.dry_run:
        return forecast(_deliveries(source, made), common)
    if source != STDIN:
        open_text(source).close()
    total = None
    if journal is None and source != STDIN:
        # Without a journal nothing else would find a bad last line before the first is sent.
        total = sum(1 for _ in _deliveries(source, made))
    return deliver(_deliveries(source, made), handling, common, journal=journal, total=total)


def _deliveries(source: Path, template: Template | None) -> "Iterator[Delivery]":
    for number, record in enumerate(read_records(source), 1):
        yield _delivery(record, template, number)


def _delivery(record: Record, template: Template | None, number: int) -> "Delivery":
    from ncloudchat_async.bulk import Delivery

    channel_id = text_of(record, CHANNEL_IDS)
    ref = record.cells.get("ref")
    ref = str(number) if ref is None or ref == "" else str(ref)
    if template is None:
        return Delivery(channel_id, text_of(record, ("content",)), ref)
    try:
        return Delivery(channel_id, template.render({**record.cells, "ref": ref}), ref)
    except KeyError as error:
        raise Failure(f"{record.where}: no {error.args[0]} for the template", USAGE) from None


def forecast(deliveries: "Iterable[Delivery]", common: Common) -> int:
    """Check every delivery, count, and show what would be sent."""
    from ncloudchat_async.cli.dry import DryClient, PlannedError

    common.output.asked(_Line)
    dry, samples, count, problems = DryClient(), list[Mapping[str, object]](), 0, 0
    for delivery in deliveries:
        count += 1
        try:
            # It ends where it would wait, so no event loop is needed.
            dry.messages.send(delivery.channel_id, delivery.content).send(None)
        except PlannedError as planned:
            if len(samples) < _SAMPLES:
                samples.append(planned.row)
        except ConfigError as error:
            problems += 1
            if problems <= _PROBLEMS:
                sys.stderr.write(printable(f"message {count}: {worded(error)}") + "\n")
    rate = common.connection.rate
    seconds = None if rate is None else round(count / rate, 1)
    with replace(common.output, fields=None).open(_Forecast) as rows:
        rows.write(_Forecast(messages=count, problems=problems, seconds=seconds, samples=samples))
    when = "give --rate for the time" if rate is None else f"{seconds:,} s at {rate:g}/s"
    sys.stderr.write(f"{count:,} messages, {problems:,} problems, {when}; nothing was sent\n")
    return FAILED if problems else DONE


def deliver(
    deliveries: "Iterator[Delivery] | None",
    handling: Handling,
    common: Common,
    *,
    journal: Path | None,
    total: int | None,
) -> int:
    """Run a job and say what came of it; None for deliveries goes on with the journal."""
    if journal is not None and (journal.is_symlink() or journal.exists() > journal.is_file()):
        raise Failure(f"{journal} is not a plain file", USAGE)

    async def run(interrupts: Interrupts) -> int:
        interrupts.expire_after(common.connection.deadline)
        async with common.connection.client() as chat:
            # A key that is refused would mark messages as failed that could be sent later.
            await chat.channels.list(limit=1).first()
            job = chat.with_options(deadline_s=None, retry=BULK).messages.send_many(
                deliveries,
                journal=journal,
                mode=handling.mode,
                ordered=handling.ordered,
                settle_s=handling.settle,
                max_failures=handling.max_failures,
                plan_first=journal is not None and deliveries is not None,
            )
            ended = False
            try:
                with common.output.open(_Line, brief=_BRIEF) as rows:
                    code = await _Sending(chat, job, rows, interrupts).run(total, journal)
                ended = True
            except JournalError as error:
                raise _refusal(journal, error, chat) from error
            except OSError as error:
                if not job.report.unknown:
                    raise
                # Rows that nobody can read are the lesser evil: the doubt has the say.
                drop_stdout()
                text = f"the system refuses: {error.strerror or error}"
                raise Failure(text, UNKNOWN) from error
            finally:
                # What was refused before it began has no totals, and nothing to go on with.
                if ended or job.report.attempts:
                    _conclude(job.report, interrupts, handling, common, journal)
        return code

    return run_async(run)


def _refusal(journal: Path | None, error: JournalError, chat: "Client") -> Failure:
    """Say which journal is meant, what differs, and what to do."""
    from ncloudchat_async.journal import Binding, JournalView

    text = f"{journal}: {error}"
    if isinstance(error, JournalLockedError):
        where = shlex.quote(str(journal))
        text += f": wait for its end; `ncloudchat jobs status {where}` tells how far it is"
    elif isinstance(error, JournalMismatchError) and journal is not None:
        with JournalView(journal) as view:
            owner = view.status().binding
        if owner == Binding(chat.project_id, chat.base_url):
            text += (
                ": go on with the file and the --template that the job was begun with, "
                "or give new input a new --journal"
            )
        else:
            text += ": choose its project with --profile or the environment, or another --journal"
    return Failure(text, code_of(error))


class _Sending:
    """A job under way, as a person at a terminal sees it."""

    def __init__(self, chat: "Client", job: "Job", rows: Rows, interrupts: Interrupts) -> None:
        self._chat = chat
        self._job = job
        self._rows = rows
        self._interrupts = interrupts
        self._fatal: NcloudChatError | None = None

    async def run(self, total: int | None, journal: Path | None) -> int:
        """Work through the job; the total is looked up in the journal when nobody knows it."""
        with Progress(quiet=sys.stdout.isatty()) as progress:
            progress.stage("messages", total)
            try:
                await self._work(total, journal, progress)
            except JournalMismatchError:
                progress.drop()
                raise
        return self._code()

    async def _work(self, total: int | None, journal: Path | None, progress: Progress) -> None:
        from ncloudchat_async.journal import JournalView

        async with self._job as job:
            self._interrupts.on_first(job.stop)
            async for outcome in job:
                if total is None and journal is not None:
                    # The first outcome comes when the whole input is recorded.
                    with JournalView(journal) as view:
                        total = view.status().total
                    progress.stage("messages", total)
                self._take(outcome)
                skipped = outcome.status == "skipped"
                # What a stopped job did not touch is no progress.
                untouched = skipped and outcome.message_id is None
                progress.advance(0 if untouched else 1, note=self._note(), earlier=skipped)

    def _take(self, outcome: "Outcome") -> None:
        error = outcome.error
        if error is not None and is_hopeless(error):
            self._fatal = error
            self._job.stop()
        self._rows.write(
            _Line(
                ref=outcome.ref,
                channel_id=outcome.channel_id,
                status=outcome.status,
                message_id=outcome.message_id,
                attempts=outcome.attempts,
                error=None if error is None else worded(error),
            )
        )

    def _note(self) -> str:
        """Tell of throttles, and how much of its time a slot spent waiting for quota."""
        stats, seconds = self._chat.stats, self._job.report.seconds
        room = seconds * self._chat.quota.max_in_flight
        waiting = min(stats.waited_s / room, 1.0) if room > 0 else 0.0
        return f"{stats.throttles} answers 429, waiting {waiting:.0%}"

    def _code(self) -> int:
        report = self._job.report
        if self._interrupts.code is not None:
            return self._interrupts.code
        if self._fatal is not None:
            return code_of(self._fatal)
        return UNKNOWN if report.unknown else FAILED if report.failed else DONE


def _conclude(
    report: "Report",
    interrupts: Interrupts,
    handling: Handling,
    common: Common,
    journal: Path | None,
) -> None:
    """Say on stderr how it ended and what to do next."""
    from ncloudchat_async.journal import JournalView

    say = sys.stderr.write
    say(
        f"sent {report.sent:,}, failed {report.failed:,}, unknown {report.unknown:,}, "
        f"skipped {report.skipped:,} in {report.seconds:,.1f} s ({report.rate:,.0f}/s)\n"
    )
    if journal is None and interrupts.code is not None:
        say("there is no journal to go on with: --journal keeps one\n")
    if journal is None or not journal.exists():
        return
    with JournalView(journal) as view:
        status = view.status()
    where = shlex.quote(str(journal))
    if status.unknown:
        say(f"{status.unknown:,} unknown: ncloudchat jobs unknown {where}\n")
    # A job that ended by itself has looked for what is in doubt; one that was ended has not.
    unsettled = status.unknown and interrupts.code is not None and handling.mode != "at_most_once"
    if not status.complete:
        say("not all of the input was recorded: run the same command again to go on\n")
    elif status.planned or status.sending or unsettled:
        say(f"go on with: ncloudchat jobs resume {where}{_options(handling, common)}\n")


def _options(handling: Handling, common: Common) -> str:
    """Write the options that differ from their defaults as a command line has them."""
    words: list[str] = []
    for options in (handling, common.connection):
        for field in fields(options):
            value = getattr(options, field.name)
            if value == field.default or field.name == "deadline":
                continue
            words.append("--" + field.name.replace("_", "-"))
            if value is not True:
                words.append(f"{value:g}" if isinstance(value, float) else str(value))
    return "".join(" " + shlex.quote(word) for word in words)
