"""The demo: its account of every message, and a run with a killed worker."""

import re
import shlex
from collections.abc import Sequence

import msgspec
import pytest

from ncloudchat_async.bulk import Status
from ncloudchat_async.cli.demo_run import notes, settled, take_account
from ncloudchat_async.cli.demo_worker import Event, Made, Read, Went, deliveries
from ncloudchat_async.emulator import EmulatorThread
from tests.cli.conftest import EVERY, Cli, example


def told(statuses: Sequence[Status], times: Sequence[int]) -> list[Event]:
    """Make the events of a job whose messages were read back so many times."""
    ids = ["a", "b"]
    events: list[Event] = [Made(channel_id) for channel_id in ids]
    for item, status, count in zip(deliveries(ids, len(times)), statuses, times, strict=True):
        events.append(Went(item.ref or "", status))
        events.extend([Read(item.channel_id, item.content)] * count)
    return events


@pytest.mark.parametrize(
    ("statuses", "times", "code"),
    [
        (["sent", "sent"], [1, 1], 0),
        (["sent", "unknown"], [1, 1], 0),
        (["sent", "unknown"], [1, 0], 5),
        (["sent", "sent"], [1, 0], 1),
        (["sent", "sent"], [1, 2], 1),
        (["sent", "failed"], [1, 0], 1),
        (["sent", "failed"], [1, 1], 1),
        (["unknown", "unknown"], [2, 0], 1),
    ],
)
def test_the_exit_code_says_whether_each_came_once(
    statuses: list[Status], times: list[int], code: int
) -> None:
    """0 only if every message was read back exactly once; 5 when only doubt is left."""
    assert take_account(len(times), told(statuses, times)).exit_code == code


def test_a_foreign_message_is_no_part_of_the_account() -> None:
    """A message that nobody sent, or in another channel, makes the account wrong."""
    events = [*told(["sent", "sent"], [1, 1]), Read("b", "message 1 of 2")]
    account = take_account(2, events)
    assert (account.strange, account.exact, account.exit_code) == (1, False, 1)


def test_each_delivery_without_an_outcome_is_missed() -> None:
    """Outcomes that never came make the account wrong, even if nothing else is."""
    assert take_account(3, told(["sent", "sent"], [1, 1])).exit_code != 0


def test_a_killed_worker_loses_and_repeats_nothing(cli: Cli) -> None:
    """SIGKILL and lost answers in the middle of a job: each message arrives exactly once.

    This is the example of the help, at a higher quota; stderr tells of the kill.
    """
    done = cli(*shlex.split(example(EVERY["demo",]))[1:], "--quota", "1000")
    figures = [line.split() for line in done.out.splitlines() if line.strip()]
    assert ["sent", "500"] in figures
    assert ["messages", "read", "back", "500"] in figures
    assert ["missing", "0"] in figures
    assert ["duplicated", "0"] in figures
    assert done.code == 0
    assert "messages read: 500 of 500" in done.err
    (killed,) = re.findall(r"killed .* with SIGKILL .*: (\d+) messages in doubt", done.err)
    assert int(killed) > 0
    assert f"of {killed} messages in doubt {killed} are settled, 0 unknown" in done.err
    assert "rate reached: the kill" in done.out


def test_what_a_kill_left_is_counted_by_its_end() -> None:
    """What was in doubt is settled when an outcome came that is none of doubt."""
    events = told(["sent", "unknown", "failed"], [1, 1, 0])
    assert settled({"0", "1", "2", "3"}, events) == (
        "of 4 messages in doubt 2 are settled, 2 unknown"
    )


def test_figures_that_puzzle_are_explained(ncloudchat_emulator: EmulatorThread) -> None:
    """A 429 has a footnote, since a client that keeps to its pace should meet none."""
    assert list(notes(ncloudchat_emulator.stats, killed=False)) == []
    stats = msgspec.structs.replace(ncloudchat_emulator.stats, throttled=1)
    (note,) = notes(stats, killed=False)
    assert note.startswith("429: ")
