"""Channels from records: what the documented columns and the own lists give."""

from pathlib import Path

import msgspec
import pytest

from ncloudchat_async.emulator import EmulatorThread
from tests.cli.conftest import Cli

ROW = {
    "name": "N",
    "type": "PRIVATE",
    "unique_id": "u-1",
    "members": ["user-1", "user-2"],
    "push": False,
}


@pytest.mark.parametrize("members", [["a", "b"], "a;b", ["a", None, "b"], '["a","b"]'])
def test_members_may_be_a_list(cli: Cli, members: object) -> None:
    """A list of JSON lines, as `channels list` writes it, is understood like a text."""
    line = msgspec.json.encode({"name": "N", "type": "PRIVATE", "members": members}).decode()
    done = cli("channels", "create", "--from", "-", stdin=line + "\n")
    assert (done.code, done.rows[0]["members"]) == (0, ["a", "b"])


@pytest.mark.parametrize(
    "cells", ['"type":["x"]', '"members":{"a":1}', '"push":{}', '"members":[["a"]]']
)
def test_a_cell_of_the_wrong_kind_is_named(cli: Cli, tmp_path: Path, cells: str) -> None:
    """A list or object where none belongs is refused with its line."""
    Path(tmp_path, "new.jsonl").write_text(f'{{"name":"N"}}\n{{"name":"M",{cells}}}\n')
    done = cli("channels", "create", "--from", "new.jsonl")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("ncloudchat: new.jsonl, line 2: ")


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_listed_channels_are_records(
    cli: Cli, ncloudchat_emulator: EmulatorThread, form: str
) -> None:
    """`channels list | channels update --from -` gives every channel what it has."""
    ncloudchat_emulator.add_rows("channels", [ROW, {"name": "M"}])
    listed = cli("channels", "list", "--output", form)
    done = cli("channels", "update", "--from", "-", stdin=listed.out)
    assert (done.code, len(done.rows)) == (0, 2)
    kept = {str(row["name"]): row for row in cli("channels", "list").rows}
    assert {name: kept["N"][name] for name in ROW} == ROW
    assert kept["M"]["members"] == []
