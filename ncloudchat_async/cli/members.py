"""Commands on members: the users of a project."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, Literal

from cyclopts import App
from msgspec import UNSET

from ncloudchat_async.cli.common import (
    CHANGE,
    COMMON,
    DESTRUCTION,
    LISTING,
    Change,
    Common,
    Destruction,
    Listing,
    given,
)
from ncloudchat_async.cli.exits import USAGE, Failure
from ncloudchat_async.cli.inputs import From, Record, cell, read_ids, read_items, text_of
from ncloudchat_async.cli.options import Flag
from ncloudchat_async.cli.work import Noun, count_rows, each, list_rows, one
from ncloudchat_async.models import Member

if TYPE_CHECKING:
    from ncloudchat_async import Client

__all__ = ["USER_IDS", "app"]

app: Final = App(name="members", help="Users of the project.")

MEMBERS: Final = Noun(Member, "members", ("id", "name", "online", "deleted", "created_at"))
USER_IDS: Final = ("user_id", "id", "member_id")
"""Columns that may hold a member's id."""
_Said = tuple[str, dict[str, Any]]
"""The id of a member, and what is said of it."""


@app.command(name="list")
def list_(
    *,
    count: Flag = False,
    listing: Listing = LISTING,
    common: Common = COMMON,
) -> int:
    """List members, withdrawn ones too.

    Example: `ncloudchat members list --filter online=false --limit 10 --output table`

    Args:
        count: Print only how many there are.
        listing: Which rows.
        common: Where to, and how results are written.
    """
    if count:
        return count_rows(lambda chat: chat.members.count(filter=listing.fields()), common)
    return list_rows(
        lambda chat: chat.members.list(
            filter=listing.fields(), sort=listing.sort, limit=listing.limit, window="auto"
        ),
        MEMBERS,
        common,
    )


@app.command
def get(
    *user_ids: str,
    source: From = None,
    common: Common = COMMON,
) -> int:
    """Fetch members by their ids.

    Example: `ncloudchat members get user-1 user-2`

    Args:
        user_ids: Which members.
        source: File of ids, `-` for stdin: one per line, CSV or JSON lines.
        common: Where to, and how results are written.
    """
    ids = read_ids(user_ids, source, USER_IDS)
    return each(lambda chat, one: chat.members.get(one), ids, MEMBERS, common)


@app.command
def register(
    user_id: str | None = None,
    name: str | None = None,
    *,
    picture: str | None = None,
    custom_field: str | None = None,
    any_id: Flag = False,
    source: From = None,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Register a member, or those of a file.

    Example: `ncloudchat members register user-9 "Kim Minji" --dry-run`

    Args:
        user_id: 4 to 128 of A-Z, a-z, 0-9, - and _.
        name: Shown name.
        picture: URL of a picture.
        custom_field: Free text.
        any_id: Send ids that break the documented rule, such as e-mail addresses.
        source: CSV or JSON lines with user_id, name, profile and custom_field, `-` for stdin.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    if source is None:
        if user_id is None or name is None:
            raise Failure("name an id and a name, or a file with --from", USAGE)
        return one(
            lambda chat: chat.members.register(
                user_id,
                name,
                profile=given(picture),
                custom_field=given(custom_field),
                check_rule=not any_id,
            ),
            MEMBERS,
            common,
            change,
            about=user_id,
        )

    def parse(record: Record) -> _Said:
        return text_of(record, USER_IDS), {**_said(record), "name": text_of(record, ("name",))}

    def add(chat: "Client", said: _Said) -> Awaitable[Member]:
        return chat.members.register(said[0], **said[1], check_rule=not any_id)

    return each(add, read_items(source, parse), MEMBERS, common, change=change)


@app.command
def update(
    user_id: str | None = None,
    *,
    name: str | None = None,
    picture: str | None = None,
    custom_field: str | None = None,
    source: From = None,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Change a member, or those of a file; what is not named stays as it is.

    Example: `ncloudchat members update user-1 --name "Lee Jiho"`

    Args:
        user_id: Which member.
        name: Shown name.
        picture: URL of a picture.
        custom_field: Free text.
        source: CSV or JSON lines with user_id and any of name, profile and custom_field,
            `-` for stdin; empty cells change nothing.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    if source is None:
        if user_id is None:
            raise Failure("name a member, or a file with --from", USAGE)
        if name is None and picture is None and custom_field is None:
            raise Failure("say what to change: --name, --picture or --custom-field", USAGE)
        return one(
            lambda chat: chat.members.update(
                user_id,
                name=given(name),
                profile=given(picture),
                custom_field=given(custom_field),
            ),
            MEMBERS,
            common,
            change,
            about=user_id,
        )

    def parse(record: Record) -> _Said:
        return text_of(record, USER_IDS), _said(record)

    def patch(chat: "Client", said: _Said) -> Awaitable[Member]:
        return chat.members.update(said[0], **said[1])

    return each(patch, read_items(source, parse), MEMBERS, common, change=change)


@app.command
def withdraw(
    *user_ids: str,
    source: From = None,
    destruction: Destruction = DESTRUCTION,
    common: Common = COMMON,
) -> int:
    """Withdraw members; `restore` undoes it.

    Example: `ncloudchat members withdraw user-1 user-2 --yes`

    Args:
        user_ids: Which members.
        source: File of ids, `-` for stdin: one per line, CSV or JSON lines.
        destruction: How careful to be.
        common: Where to, and how results are written.
    """
    ids = destruction.allow("Withdraw", "members", read_ids(user_ids, source, USER_IDS))
    return each(
        lambda chat, one: chat.members.delete(one), ids, MEMBERS, common, change=destruction
    )


@app.command
def restore(
    *user_ids: str,
    source: From = None,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Restore withdrawn members.

    The platform has a page for it, but does not list it in its overview.

    Example: `ncloudchat members restore user-1 --dry-run`

    Args:
        user_ids: Which members.
        source: File of ids, `-` for stdin: one per line, CSV or JSON lines.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    ids = read_ids(user_ids, source, USER_IDS)
    return each(lambda chat, one: chat.members.restore(one), ids, MEMBERS, common, change=change)


@app.command
def search(
    text: str,
    *,
    by: Literal["any", "id", "name", "memo", "custom_field"] = "any",
    listing: Listing = LISTING,
    common: Common = COMMON,
) -> int:
    """Find members by a part of their id, name, memo or custom field, whatever the case.

    The platform compares whole values only, so all members are read.

    Example: `ncloudchat members search kim --by name --output table`

    Args:
        text: What to look for.
        by: Where to look.
        listing: Which rows, before they are looked at; the limit counts those found.
        common: Where to, and how results are written.
    """
    wanted = text.casefold()

    def matches(member: Member) -> bool:
        fields = {
            "id": member.id,
            "name": member.name,
            "memo": member.memo,
            "custom_field": member.custom_field,
        }
        found = fields.values() if by == "any" else (fields[by],)
        return any(wanted in (field or "").casefold() for field in found)

    return list_rows(
        lambda chat: chat.members.list(filter=listing.fields(), sort=listing.sort, window="auto"),
        MEMBERS,
        common,
        keep=matches,
        limit=listing.limit,
    )


def _said(record: Record) -> dict[str, Any]:
    """Return the arguments of the client that a record gives, its id aside."""
    cells = {name: cell(record, name) for name in ("name", "profile", "custom_field")}
    return {name: value for name, value in cells.items() if value is not UNSET}
