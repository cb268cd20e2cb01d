"""A dry run of bulk work says of every item what the real run would."""

import pytest

from ncloudchat_async.emulator import EmulatorThread
from tests.cli.conftest import Cli


@pytest.mark.parametrize("words", [["a/../b", "..", "c", "."], ["c", ".."]])
def test_every_bad_item_is_named(
    cli: Cli, ncloudchat_emulator: EmulatorThread, words: list[str]
) -> None:
    """A bad item does not end the run, dry or not; both name it and end alike."""
    ncloudchat_emulator.add_rows("channels", [{"id": one, "name": "N"} for one in ("a/../b", "c")])
    dry = cli("channels", "delete", *words, "--yes", "--dry-run")
    real = cli("channels", "delete", *words, "--yes")
    bad = {word for word in words if word in {".", ".."}}
    assert (dry.code, real.code) == (1, 1)
    assert len(dry.rows) == len(real.rows) == len(words) - len(bad)
    named = [{line for line in done.err.splitlines() if line[0] == "."} for done in (dry, real)]
    assert named[0] == named[1]
    assert {line.partition(": ")[0] for line in named[0]} == bad


def test_every_bad_record_is_named(cli: Cli) -> None:
    """The same holds for records."""
    records = "user_id,name\nuser-1,A\nx,B\nuser-2,C\ny,D\n"
    dry = cli("members", "register", "--from", "-", "--dry-run", stdin=records)
    real = cli("members", "register", "--from", "-", stdin=records)
    assert (dry.code, real.code) == (1, 1)
    assert len(dry.rows) == len(real.rows) == 2
    assert {line[:3] for line in dry.err.splitlines()} == {"x: ", "y: "}


def test_one_bad_item_ends_alike(cli: Cli) -> None:
    """A single item named on the command line is a usage error, dry or not."""
    assert cli("channels", "delete", "..", "--dry-run").code == 2
    assert cli("channels", "delete", "..").code == 2
