"""Commands on subscriptions: which member joined which channel."""

from typing import Final

from cyclopts import App

from ncloudchat_async.cli.common import COMMON, LISTING, Common, Listing
from ncloudchat_async.cli.options import Flag
from ncloudchat_async.cli.work import Noun, count_rows, list_rows
from ncloudchat_async.models import Subscription

__all__ = ["SUBSCRIPTIONS", "app"]

app: Final = App(name="subscriptions", help="Which member joined which channel.")

SUBSCRIPTIONS: Final = Noun(
    Subscription, "subscriptions", ("channel_id", "user_id", "user.name", "online", "created_at")
)


@app.command(name="list")
def list_(
    *,
    count: Flag = False,
    listing: Listing = LISTING,
    common: Common = COMMON,
) -> int:
    """List subscriptions.

    Example: `ncloudchat subscriptions list --filter user_id=user-1 --output csv`

    Args:
        count: Print only how many there are.
        listing: Which rows.
        common: Where to, and how results are written.
    """
    if count:
        return count_rows(lambda chat: chat.subscriptions.count(filter=listing.fields()), common)
    return list_rows(
        lambda chat: chat.subscriptions.list(
            filter=listing.fields(), sort=listing.sort, limit=listing.limit, window="auto"
        ),
        SUBSCRIPTIONS,
        common,
    )
