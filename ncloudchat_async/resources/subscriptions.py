"""Subscriptions of members to channels."""

from ncloudchat_async.models import Subscription
from ncloudchat_async.paging import Pages
from ncloudchat_async.resources.base import Filter, Resource, Sort, Window
from ncloudchat_async.wire.endpoint import Endpoint

__all__ = ["Subscriptions"]


class Subscriptions(Resource):
    """Who joined which channel; made by the platform's SDKs, only listed here."""

    _LIST = Endpoint("GET", "/v1/api/subscriptions", list[Subscription])
    _COUNT: Endpoint[object] = Endpoint("GET", "/v1/api/subscriptions", object)

    def list(
        self,
        *,
        filter: Filter | None = None,  # noqa: A002 - the platform's word
        sort: Sort | None = None,
        per_page: int = 100,
        offset: int = 0,
        window: Window = 1,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Pages[Subscription]:
        """List subscriptions (`bizapp-ncloudchat-subscription`).

        Args:
            filter: Documented keys: `channel_id`, `user_id`, `online`; None: all.
            sort: A field, `-` before it for descending; None: `created_at`.
            per_page: Rows per request, 1 to 100; 100 needs the fewest requests.
            offset: Rows to skip at the beginning; 0 with a cursor.
            window: Pages in flight, or `"auto"`; 1 asks for a page when its rows are wanted.
            limit: Rows to stop after, 0 or more; None: all.
            cursor: Where an earlier iteration with this filter and sort stopped: of a page,
                an iterator or an error.

        Returns:
            An async iterable of rows that asks for nothing before it is iterated over.

        Raises:
            ConfigError: A parameter is of the wrong type or range; nothing was sent.
        """
        return self._pages(
            lambda query: self._LIST(query=query),
            filter=filter,
            sort=sort,
            per_page=per_page,
            offset=offset,
            window=window,
            limit=limit,
            cursor=cursor,
        )

    async def count(self, *, filter: Filter | None = None) -> int:  # noqa: A002 - as in list
        """Count subscriptions, by asking or, where the platform ignores that, by paging (D03).

        Args:
            filter: As in `list`.

        Returns:
            Their number, 0 or more.

        Raises:
            ConfigError: The filter is no mapping; nothing was sent.
            DecodeError: The answer is neither a number nor rows.
        """
        return await self._count(self._COUNT, self.list(filter=filter), filter)
