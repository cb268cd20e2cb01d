"""Commands on friendships: requests and their answers."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from cyclopts import App

from ncloudchat_async.cli.common import CHANGE, COMMON, Change, Common, given
from ncloudchat_async.cli.inputs import Record, read_items, text_of
from ncloudchat_async.cli.options import Count, Source
from ncloudchat_async.cli.work import Noun, each, one
from ncloudchat_async.models import Friendship, FriendshipReceipt

__all__ = ["Pair", "app", "pair_of"]

app: Final = App(name="friends", help="Friend requests and their answers.")

_FRIENDSHIPS: Final = Noun(Friendship, "friendships", ("id", "status", "user_id", "friend_id"))
_RECEIPTS: Final = Noun(FriendshipReceipt, "requests", ("message",))

Pair = tuple[str, str]


@app.command
def request(
    user_id: str,
    friend_id: str,
    *,
    message: str | None = None,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Ask one member for friendship in the name of another.

    Example: `ncloudchat friends request user-1 user-2 --message "Hello"`

    Args:
        user_id: Who asks.
        friend_id: Who is asked.
        message: A text that goes with it.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    return one(
        lambda chat: chat.friends.request(user_id, friend_id, message=given(message)),
        _FRIENDSHIPS,
        common,
        change,
        about=f"{user_id} {friend_id}",
    )


@app.command
def accept(
    user_id: str, friend_id: str, *, change: Change = CHANGE, common: Common = COMMON
) -> int:
    """Accept a request.

    Example: `ncloudchat friends accept user-2 user-1 --dry-run`

    Args:
        user_id: Who accepts, that is who was asked.
        friend_id: Who had asked.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    return one(
        lambda chat: chat.friends.accept(user_id, friend_id),
        _FRIENDSHIPS,
        common,
        change,
        about=f"{user_id} {friend_id}",
    )


@app.command
def reject(
    user_id: str, friend_id: str, *, change: Change = CHANGE, common: Common = COMMON
) -> int:
    """Reject a request.

    Example: `ncloudchat friends reject user-2 user-1 --dry-run`

    Args:
        user_id: Who rejects, that is who was asked.
        friend_id: Who had asked.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    return one(
        lambda chat: chat.friends.reject(user_id, friend_id),
        _FRIENDSHIPS,
        common,
        change,
        about=f"{user_id} {friend_id}",
    )


@app.command
def request_many(
    source: Source,
    *,
    size: Count = 100,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Ask for many friendships, several in one call.

    The platform answers with a text and no more, and speaks of friends "added" where it
    means requests.

    Example: `ncloudchat friends request-many pairs.csv --dry-run`

    Args:
        source: CSV or JSON lines with user_id and friend_id, `-` for stdin.
        size: Pairs per call.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    return each(
        lambda chat, pairs: chat.friends.request_many(pairs),
        _batches(read_items(source, pair_of), size),
        _RECEIPTS,
        common,
        change=change,
    )


def pair_of(record: Record) -> Pair:
    """Read who asks and who is asked.

    Raises:
        Failure: One of them is missing.
    """
    return text_of(record, ("user_id",)), text_of(record, ("friend_id",))


def _batches(pairs: Iterable[Pair], size: int) -> Iterator[tuple[Pair, ...]]:
    iterator = iter(pairs)
    while batch := tuple(islice(iterator, size)):
        yield batch
