"""Friend requests of an import: what is wrong with one is told by its line."""

from pathlib import Path

import pytest

from ncloudchat_async.emulator import EmulatorThread
from tests.cli.conftest import Cli

CSV = """user_id,friend_id
kim-1,lee-1

kim-1,ghost
,lee-1
lee-1,lee-1
lee-1,""
lee-1,..
"""
JSON = """{"user_id":"kim-1","friend_id":"lee-1"}

{"user_id":"kim-1","friend_id":"ghost"}
{"user_id":null,"friend_id":"lee-1"}
{"user_id":"lee-1","friend_id":"lee-1"}
{"user_id":"lee-1","friend_id":""}
{"user_id":"lee-1","friend_id":".."}
"""


@pytest.fixture
def archive(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """An archive of two members."""
    fields = [{"id": "kim-1", "name": "Kim"}, {"id": "lee-1", "name": "Lee"}]
    ncloudchat_emulator.add_rows("members", fields)
    assert cli("export", "a.archive").code == 0


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(("name", "first"), [("p.csv", 4), ("p.jsonl", 3)])
def test_a_bad_pair_is_named_by_its_line(
    cli: Cli, other: EmulatorThread, tmp_path: Path, name: str, first: int
) -> None:
    """The forecast and the import tell the lines of the file, and go on with the others."""
    Path(tmp_path, name).write_text(CSV if name == "p.csv" else JSON)
    words = ["import", "a.archive", "--profile", "new", "--friends", name]
    forecast = cli(*words, "--dry-run")
    expected = {
        f"{name}, line {first}": "no such member: ghost",
        f"{name}, line {first + 1}": "no user_id",
        f"{name}, line {first + 2}": "asks itself for friendship",
        f"{name}, line {first + 3}": "no friend_id",
        f"{name}, line {first + 4}": "friend_id must not be empty, '.' or '..'",
    }
    for done, field in ((forecast, "problems"), (cli(*words), "failures")):
        (row,) = done.rows
        assert done.code == 1
        named = row[field]
        assert isinstance(named, list)
        assert {one["id"]: one["reason"] for one in named} == expected
        assert {one["noun"] for one in named} == {"friends"}
    assert (forecast.rows[0]["friends"], forecast.rows[0]["problem_count"]) == (1, 5)
    assert other.stats.rows["friendships"] == 1


@pytest.mark.usefixtures("archive", "other")
def test_a_file_without_the_columns_is_refused(cli: Cli, tmp_path: Path) -> None:
    """A wrong heading is a wrong file, and no problem of each of its lines."""
    Path(tmp_path, "p.csv").write_text("user,friend_id\nkim-1,lee-1\n")
    done = cli("import", "a.archive", "--profile", "new", "--friends", "p.csv")
    assert (done.code, done.out) == (2, "")
    assert done.err == "ncloudchat: p.csv, line 2: no user_id\n"
