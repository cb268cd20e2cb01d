"""What a slip of the fingers leads to: a line that says what to give."""

import csv
import io
import stat
from pathlib import Path

import pytest

from ncloudchat_async.emulator import EmulatorThread, Fault
from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("convert a.archive -o csv", "--format gives the form of the table"),
        ("convert a.archive --fields id", "--format gives the form of the table"),
        ("import a.archive --template {content!r}", "a field stands alone in braces"),
        ("import a.archive --template {content:>9}", "a field stands alone in braces"),
        ("api GET /v1/api/members?x=1", "--query name=value"),
        ("members update user-1", "--name, --picture or --custom-field"),
        ("channels update channel-1", "such as --name"),
        ("notifications set user-1", "such as --no-night"),
        ("channels list --fields zzzzzz", "there is no zzzzzz; there are id, "),
        ("channels list --fields nam", "did you mean name? There are id, "),
        ("send guests.csv --template x --journal link", "ncloudchat: link is not a plain file\n"),
        ("jobs resume link", "ncloudchat: link is not a plain file\n"),
    ],
)
@pytest.mark.usefixtures("project", "other")
def test_a_slip_is_told(cli: Cli, tmp_path: Path, line: str, told: str) -> None:
    """Nothing is done, and the exit code is that of misuse."""
    assert cli("export", "a.archive").code == 0
    words = ["guests.csv", "--template", "x", "--journal", "real"]
    assert cli("send", *words).code == 0
    (tmp_path / "link").symlink_to("real")
    argv = line.split()
    done = cli(*argv, *(["--profile", "new"] if argv[0] == "import" else []))
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("form", ["csv", "table"])
def test_rows_of_any_path_have_all_their_columns(
    cli: Cli, ncloudchat_emulator: EmulatorThread, form: str
) -> None:
    """What only a later row has is not lost."""
    ncloudchat_emulator.add_rows("channels", [{"name": "a"}, {"name": "b"}])
    body = b'[{"id":1,"a":{"x":2}},{"id":3,"b":"late"},7]'
    ncloudchat_emulator.faults.add(Fault("*", "status", status=200, body=body.decode()))
    done = cli("api", "GET", "/v1/api/channels", "--output", form)
    assert done.code == 0
    if form == "csv":
        found = list(csv.DictReader(io.StringIO(done.out)))
        assert [row["b"] for row in found] == ["", "late", ""]
        assert [row["value"] for row in found] == ["", "", "7"]
    assert "late" in done.out
    assert "a.x" in done.out


def test_an_archive_that_others_may_read_is_closed_to_them(cli: Cli, tmp_path: Path) -> None:
    """What is written into an archive is for its owner, whoever could read what was there."""
    assert cli("export", "a.archive").code == 0
    (tmp_path / "a.archive").chmod(0o644)
    assert cli("export", "a.archive").code == 0
    assert stat.S_IMODE((tmp_path / "a.archive").stat().st_mode) == 0o600
