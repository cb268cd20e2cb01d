"""Profiles: kept for their owner only, chosen in a known order, never shown."""

import stat
from pathlib import Path

import pytest

from ncloudchat_async.cli.connect import Connection
from ncloudchat_async.emulator import EmulatorThread
from ncloudchat_async.settings import DEFAULT_BASE_URL
from tests.cli.conftest import Cli


def add(cli: Cli, emulator: EmulatorThread, name: str, key: str) -> None:
    """Keep a profile of the emulator."""
    words = ["--project-id", emulator.project_id, "--base-url", emulator.base_url]
    done = cli("profile", "add", name, *words, stdin=key + "\n")
    assert done.code == 0
    assert key not in done.out + done.err


def test_a_profile_file_is_for_its_owner_only(
    cli: Cli, ncloudchat_emulator: EmulatorThread, tmp_path: Path
) -> None:
    """The file has mode 0600 whatever the umask, also after changes, and no copy stays behind."""
    add(cli, ncloudchat_emulator, "one", "key-1")
    add(cli, ncloudchat_emulator, "two", "key-2")
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed = cli("profile", "list")
    assert [(row["name"], row["current"]) for row in listed.rows] == [("one", True), ("two", False)]
    assert "key-1" not in listed.out


def test_a_folder_made_for_profiles_is_for_its_owner_only(
    cli: Cli, ncloudchat_emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the folder of the file is not there yet, it is made with mode 0700."""
    monkeypatch.setenv("NCLOUDCHAT_PROFILES", str(tmp_path / "new" / "profiles.json"))
    add(cli, ncloudchat_emulator, "one", "key-1")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_link_is_replaced_and_not_followed(
    cli: Cli, ncloudchat_emulator: EmulatorThread, tmp_path: Path
) -> None:
    """A link in the place of the profile file does not make its target hold a key."""
    target = tmp_path / "target"
    target.write_text('{"profiles":{}}')
    target.chmod(0o600)
    (tmp_path / "profiles.json").symlink_to(target)
    add(cli, ncloudchat_emulator, "one", "key-1")
    assert "key-1" not in target.read_text()
    assert not (tmp_path / "profiles.json").is_symlink()


def test_a_file_that_others_can_read_is_refused(
    cli: Cli, ncloudchat_emulator: EmulatorThread, tmp_path: Path
) -> None:
    """Keys that others could have read are not used; the remedy is told."""
    add(cli, ncloudchat_emulator, "one", "key-1")
    (tmp_path / "profiles.json").chmod(0o640)
    done = cli("--profile", "one", "members", "list")
    assert done.code == 2
    assert "chmod 600" in done.err


def test_profiles_are_chosen_in_order(
    cli: Cli,
    ncloudchat_emulator: EmulatorThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command line comes before NCLOUDCHAT_PROFILE, then credentials, then the one in use."""
    add(cli, ncloudchat_emulator, "bad", "wrong-key")
    add(cli, ncloudchat_emulator, "good", ncloudchat_emulator.api_key)
    assert cli("members", "list").code == 0
    assert cli("members", "list", "--profile", "bad").code == 3
    assert cli("--profile=bad", "members", "list").code == 3
    assert cli("members", "list", "--profile", "none").code == 2
    monkeypatch.setenv("NCLOUDCHAT_PROFILE", "bad")
    assert cli("members", "list").code == 3
    monkeypatch.setenv("NCLOUDCHAT_PROFILE", "")
    assert cli("members", "list").code == 0
    monkeypatch.setenv("NCLOUDCHAT_API_KEY", "")
    assert cli("members", "list").code == 3
    assert cli("profile", "use", "good").code == 0
    assert cli("members", "list").code == 0
    assert cli("profile", "use", "none").code == 2


def test_a_profile_without_a_url_is_for_the_documented_host(cli: Cli) -> None:
    """The environment's URL is not for the key of a profile, which would go to another host."""
    assert cli("profile", "add", "live", "--project-id", "p", stdin="key\n").code == 0
    assert Connection(profile="live").client().base_url == DEFAULT_BASE_URL


def test_a_project_may_come_from_the_environment(
    cli: Cli, ncloudchat_emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal NCLOUDCHAT_PROJECT_ID names the project; else it must be given."""
    assert cli("profile", "add", "one", stdin="key-1").code == 0
    assert cli("profile", "list").rows[0]["project_id"] == ncloudchat_emulator.project_id
    monkeypatch.setenv("NCLOUDCHAT_PROJECT_ID", " ")
    done = cli("profile", "add", "two", stdin="key-1")
    assert done.code == 2
    assert "Give --project-id, or set NCLOUDCHAT_PROJECT_ID" in done.err
    assert len(cli("profile", "list").rows) == 1


@pytest.mark.parametrize("key", ["", " ", "ключ", "a\x07b"])
def test_an_unusable_key_is_not_kept(cli: Cli, tmp_path: Path, key: str) -> None:
    """A key that no header can carry is refused at once, and is not repeated."""
    done = cli("profile", "add", "x", "--project-id", "p", stdin=key + "\n")
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []
    assert not key.strip() or key not in done.err
    assert key.strip() or "one line of stdin" in done.err


def test_a_damaged_file_is_not_quoted(cli: Cli, tmp_path: Path) -> None:
    """What cannot be read as profiles may hold keys: it is named, not shown."""
    path = tmp_path / "profiles.json"
    path.write_text('{"profiles": {"x": {"api_key": "key-1"')
    path.chmod(0o600)
    done = cli("members", "list", "--profile", "x")
    assert done.code == 2
    assert "key-1" not in done.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NCLOUDCHAT_PROJECT_ID", "emulated-project-2"),
        ("NCLOUDCHAT_BASE_URL", "http://127.0.0.1:1"),
    ],
)
def test_half_of_the_environment_is_no_reason_to_take_a_profile(
    cli: Cli,
    ncloudchat_emulator: EmulatorThread,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    """Where the environment names another project without a key, no command acts on the profile's.

    What the profile in use says as well is no other project, and a profile that was named has
    the say.
    """
    add(cli, ncloudchat_emulator, "work", ncloudchat_emulator.api_key)
    monkeypatch.setenv("NCLOUDCHAT_API_KEY", "")
    assert cli("channels", "list").code == 0
    monkeypatch.setenv(variable, value)
    before = ncloudchat_emulator.stats.requests
    done = cli("channels", "create", "N")
    assert (done.code, done.out) == (2, "")
    assert f"{variable} is set without NCLOUDCHAT_API_KEY" in done.err
    assert "give --profile work" in done.err
    assert ncloudchat_emulator.stats.requests == before
    assert cli("doctor").rows[0]["state"] == "fail"
    monkeypatch.delenv("NCLOUDCHAT_API_KEY")
    assert cli("channels", "list").code == 2
    assert cli("channels", "list", "--profile", "work").code == 0
    monkeypatch.setenv("NCLOUDCHAT_PROFILE", "work")
    assert cli("channels", "list").code == 0
