"""The command that runs an emulator of the platform until it is told to stop."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from ncloudchat_async.cli.exits import DONE, USAGE, Failure
from ncloudchat_async.cli.options import Amount, Count, Flag, Words
from ncloudchat_async.cli.running import Interrupts, run_async

if TYPE_CHECKING:
    from ncloudchat_async.emulator import Emulator, EmulatorSettings

__all__ = ["emulator"]


def emulator(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    data: Path | None = None,
    quota: float | None = None,
    members: Amount = 0,
    channels: Amount = 0,
    messages: Amount = 0,
    drop_every: Count | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), show_default=False)] = (),
    allow_remote: Flag = False,
    name: Words = (),
) -> int:
    """Run a twin of the platform on this machine until Ctrl-C.

    The address comes as one JSON line on stdout, and on stderr what to set so that
    programs use it. `GET /` of the address shows its state, `/_emulator/` controls it.

    Example: `ncloudchat emulator --port 8787 --quota 100 --channels 10 --messages 200`

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        data: SQLite file that keeps the rows from run to run; without it they are gone at
            the end.
        quota: Requests per second that are allowed; without it, any number.
        members: Members to make up.
        channels: Channels to make up.
        messages: Messages to make up in each of these channels.
        drop_every: Lose the answer to one message in this many, after it was stored.
        set_: A setting of the emulator as `name=value`, such as `list_lag_s=2`; may be
            given several times.
        allow_remote: Permit a host that other machines can reach.
        name: A further name to answer for, such as a container's; may be given several
            times.
    """
    from ncloudchat_async.emulator import Emulator, Fault, serve

    try:
        twin = Emulator(
            settings=_settings(quota, set_),
            host=host,
            port=port,
            data=data,
            allow_remote=allow_remote,
            names=name,
        )
        if members or channels or messages:
            twin.seed(members=members, channels=channels, messages_per_channel=messages)
    except ValueError as error:
        text = str(error).replace("say allow_remote", "say --allow-remote")
        raise Failure(text, USAGE) from None
    if drop_every is not None:
        twin.faults.add(Fault("sendMessage", "drop_after", every=drop_every))

    async def run(interrupts: Interrupts) -> int:
        try:
            await serve(twin, lambda url: _announce(twin, url))
        except OSError as error:
            # asyncio's own text repeats the address as a tuple; a name's error is negative.
            code = error.errno or 0
            reason = os.strerror(code) if code > 0 else error.strerror
            raise Failure(f"cannot listen at {host}, port {port}: {reason}", USAGE) from None
        return DONE

    return run_async(run, endless=True)


def _settings(quota: float | None, words: tuple[str, ...]) -> "EmulatorSettings":
    from ncloudchat_async.emulator import EmulatorSettings

    fields: dict[str, object] = {}
    for word in words:
        key, given, text = word.partition("=")
        if not given:
            raise ValueError(f"--set takes name=value, not {word!r}")
        try:
            fields[key] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            fields[key] = text
    if quota is not None:
        fields["quota_rate"] = quota
    return EmulatorSettings.checked(fields)


def _announce(twin: "Emulator", base_url: str) -> None:
    where = {"base_url": base_url, "project_id": twin.project_id}
    sys.stdout.write(msgspec.json.encode(where).decode() + "\n")
    sys.stdout.flush()
    sys.stderr.write(
        f"emulator at {base_url}, ended by Ctrl-C\n"
        f"  export NCLOUDCHAT_BASE_URL={base_url}\n"
        f"  export NCLOUDCHAT_PROJECT_ID={twin.project_id}\n"
        f"  export NCLOUDCHAT_API_KEY={twin.api_key}\n"
    )
    sys.stderr.flush()
