"""Profiles: named credentials in a file that only its owner can read."""

import getpass
import os
import shlex
import stat
import sys
from pathlib import Path
from typing import Final

import msgspec
from cyclopts import App

from ncloudchat_async.cli.exits import DONE, USAGE, Failure
from ncloudchat_async.cli.output import OUTPUT, Output
from ncloudchat_async.cli.streams import stdin
from ncloudchat_async.settings import DEFAULT_BASE_URL

__all__ = ["Profile", "app", "find_profile", "profiles_path"]

_PATH_VARIABLE: Final = "NCLOUDCHAT_PROFILES"
_NAME_VARIABLE: Final = "NCLOUDCHAT_PROFILE"
_PROJECT_VARIABLE: Final = "NCLOUDCHAT_PROJECT_ID"
_KEY_VARIABLE: Final = "NCLOUDCHAT_API_KEY"
_URL_VARIABLE: Final = "NCLOUDCHAT_BASE_URL"

app: Final = App(name="profile", help="Keep credentials under a name.")


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Credentials of one project."""

    project_id: str
    api_key: str
    base_url: str | None = None

    def __repr__(self) -> str:
        """Leave the key out."""
        return f"Profile(project_id={self.project_id!r})"


class _Profiles(msgspec.Struct, frozen=True, kw_only=True):
    current: str | None = None
    profiles: dict[str, Profile] = {}


def profiles_path() -> Path:
    """Return where profiles are kept: `NCLOUDCHAT_PROFILES`, else in the user's configuration."""
    told = os.environ.get(_PATH_VARIABLE)
    if told:
        return Path(told)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "ncloudchat" / "profiles.json"


def find_profile(name: str | None) -> Profile | None:
    """Return the profile to use, or None where the environment has the say.

    A name on the command line comes first, then `NCLOUDCHAT_PROFILE`, then credentials in
    the environment, then the profile chosen by `profile use`.

    Raises:
        Failure: There is no such profile, or others could read the file, or nobody chose it
            and the environment names another project without its key.
    """
    told = name or os.environ.get(_NAME_VARIABLE) or None
    if told is None and os.environ.get(_KEY_VARIABLE):
        return None
    kept = _load()
    name = told or kept.current
    if name is None:
        return None
    if name not in kept.profiles:
        raise Failure(f"there is no profile {name!r}; `ncloudchat profile list` shows all", USAGE)
    if told is None:
        _refuse_another(name, kept.profiles[name])
    return kept.profiles[name]


def _refuse_another(name: str, profile: Profile) -> None:
    """Refuse a profile that nobody named where the environment speaks of another project."""
    url = (profile.base_url or DEFAULT_BASE_URL).rstrip("/")
    for variable, own in ((_PROJECT_VARIABLE, profile.project_id), (_URL_VARIABLE, url)):
        if os.environ.get(variable, "").rstrip("/") not in {"", own}:
            raise Failure(
                f"{variable} is set without {_KEY_VARIABLE}, and the profile in use is of another "
                f"project: set {_KEY_VARIABLE} too, or give --profile {shlex.quote(name)}",
                USAGE,
            )


def _load() -> _Profiles:
    path = profiles_path()
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except FileNotFoundError:
        return _Profiles()
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}", USAGE) from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise Failure(f"others can read {path}, which holds keys: chmod 600 {path}", USAGE)
    try:
        return msgspec.json.decode(content, type=_Profiles)
    except msgspec.DecodeError:
        # The decoder's text is left out: it may quote a key.
        raise Failure(f"{path} is no profile file", USAGE) from None


def _store(kept: _Profiles) -> None:
    """Put a new file in the place of the old one; a reader sees one or the other, whole."""
    # Loaded when it is needed: with it comes SQLite.
    from ncloudchat_async.transfer.private import write_private

    path = profiles_path()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with write_private(fresh) as file:
            file.write(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
        fresh.replace(path)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}", USAGE) from None


@app.command
def add(name: str, *, project_id: str | None = None, base_url: str | None = None) -> int:
    """Keep a project's credentials under a name; the first one is used from then on.

    At a terminal the project is asked for, if it was not given, and the key. Otherwise the
    key is one line of stdin. It is never taken from the command line, where other users of
    the machine could see it.

    Example: `ncloudchat profile add work --project-id 7d4cb5e8 < key.txt`

    Args:
        name: What to call it; an existing one is replaced.
        project_id: The project; without it it is asked for at a terminal, and elsewhere that of
            NCLOUDCHAT_PROJECT_ID.
        base_url: Where the platform is, if not at the documented address.
    """
    from ncloudchat_async.client import Client

    project_id = _asked_project() if project_id is None else project_id
    key = getpass.getpass("API key: ") if stdin().isatty() else stdin().readline()
    if not key.strip():
        raise Failure("which key? It is asked for at a terminal, or one line of stdin", USAGE)
    profile = Profile(project_id=project_id, api_key=key.strip(), base_url=base_url)
    # A client refuses what cannot be used, before it is kept.
    Client(project_id, profile.api_key, base_url=base_url, allow_insecure=True)
    kept = _load()
    current = kept.current or name
    _store(_Profiles(current=current, profiles={**kept.profiles, name: profile}))
    sys.stderr.write(f"profile {name!r} kept in {profiles_path()}\n")
    return DONE


def _asked_project() -> str:
    if stdin().isatty():
        sys.stderr.write("Project id: ")
        sys.stderr.flush()
        told = stdin().readline()
    else:
        told = os.environ.get(_PROJECT_VARIABLE, "")
    if not told.strip():
        raise Failure(f"which project? Give --project-id, or set {_PROJECT_VARIABLE}", USAGE)
    return told.strip()


@app.command(name="list")
def list_(*, output: Output = OUTPUT) -> int:
    """List the profiles, without their keys.

    Example: `ncloudchat profile list --output table`

    Args:
        output: How they are written.
    """
    kept = _load()
    with output.open(_Listed, brief=_Listed.__struct_fields__) as rows:
        for name, profile in kept.profiles.items():
            current = name == kept.current
            rows.write(_Listed(name, profile.project_id, profile.base_url, current))
    return DONE


class _Listed(msgspec.Struct, frozen=True):
    """A profile, as it is shown."""

    name: str
    project_id: str
    base_url: str | None
    current: bool


@app.command
def use(name: str) -> int:
    """Choose the profile that is used when nothing else says which.

    Example: `ncloudchat profile use work`

    Args:
        name: The profile.
    """
    kept = _load()
    if name not in kept.profiles:
        raise Failure(f"there is no profile {name!r}; `ncloudchat profile list` shows all", USAGE)
    _store(msgspec.structs.replace(kept, current=name))
    return DONE
