"""Commands on the push settings of members."""

from typing import Any, Final

from cyclopts import App

from ncloudchat_async.cli.common import CHANGE, COMMON, DESTRUCTION, Change, Common, Destruction
from ncloudchat_async.cli.exits import USAGE, Failure
from ncloudchat_async.cli.inputs import From, open_text, read_ids
from ncloudchat_async.cli.members import USER_IDS
from ncloudchat_async.cli.options import Source
from ncloudchat_async.cli.work import Noun, each
from ncloudchat_async.models import MemberNotification

__all__ = ["app"]

app: Final = App(name="notifications", help="Push settings of members.")

_SETTINGS: Final = Noun(
    MemberNotification,
    "members",
    ("id", "notifications.device", "notifications.push", "notifications.timezone"),
)


@app.command
def get(*user_ids: str, source: From = None, common: Common = COMMON) -> int:
    """Fetch the push settings of members.

    Example: `ncloudchat notifications get user-1`

    Args:
        user_ids: Which members.
        source: File of ids, `-` for stdin: one per line, CSV or JSON lines.
        common: Where to, and how results are written.
    """
    ids = read_ids(user_ids, source, USER_IDS)
    return each(lambda chat, one: chat.members.get_notification(one), ids, _SETTINGS, common)


@app.command(name="set")
def set_(
    *user_ids: str,
    token_from: Source | None = None,
    device: str | None = None,
    os: str | None = None,
    push: bool | None = None,
    ad: bool | None = None,
    night: bool | None = None,
    timezone: str | None = None,
    source: From = None,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Change the push settings of members; what is not named stays as it is.

    Example: `ncloudchat notifications set user-1 --no-night --timezone Asia/Seoul`

    Args:
        user_ids: Which members.
        token_from: File that holds the device's push token, `-` for stdin.
        device: FCM or APNS.
        os: The device's system.
        push: Pushes at all.
        ad: Consent to advertising pushes.
        night: Consent to pushes at night.
        timezone: Time zone that decides what night is, such as Asia/Seoul.
        source: File of ids, `-` for stdin: one per line, CSV or JSON lines.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    said: dict[str, Any] = {
        "device": device,
        "os": os,
        "push": push,
        "ad": ad,
        "night": night,
        "timezone": timezone,
    }
    if token_from is not None:
        with open_text(token_from) as stream:
            said["token"] = stream.read().strip()
    settings = {name: value for name, value in said.items() if value is not None}
    if not settings:
        raise Failure("say what to change, such as --no-night or --timezone", USAGE)
    return each(
        lambda chat, one: chat.members.set_notification(one, **settings),
        read_ids(user_ids, source, USER_IDS),
        _SETTINGS,
        common,
        change=change,
    )


@app.command
def clear(
    *user_ids: str,
    source: From = None,
    destruction: Destruction = DESTRUCTION,
    common: Common = COMMON,
) -> int:
    """Clear the push settings of members, their tokens too.

    Example: `ncloudchat notifications clear user-1`

    Args:
        user_ids: Which members.
        source: File of ids, `-` for stdin: one per line, CSV or JSON lines.
        destruction: How careful to be.
        common: Where to, and how results are written.
    """
    ids = destruction.allow(
        "Clear the push settings of", "members", read_ids(user_ids, source, USER_IDS)
    )
    return each(
        lambda chat, one: chat.members.delete_notification(one),
        ids,
        _SETTINGS,
        common,
        change=destruction,
    )
