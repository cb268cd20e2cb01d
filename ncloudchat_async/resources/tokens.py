"""Tokens that members log in with."""

from ncloudchat_async.checks import check_flag, check_whole
from ncloudchat_async.models import Token
from ncloudchat_async.resources.base import Resource
from ncloudchat_async.wire.endpoint import Endpoint, check_id

__all__ = ["Tokens"]

_MAX_DAYS = 90


class Tokens(Resource):
    """Log-in tokens, needed when the project has token authentication on."""

    _ISSUE = Endpoint("POST", "/v1/api/token", Token, repeatable=True, names_ids=True)

    async def issue(self, user_id: str, *, expire_days: int, in_body: bool = False) -> Token:
        """Issue a token for a member (`bizapp-token-issuance`).

        A token may be issued for an id that is not registered (D08). Repeating the
        call issues another token, and so may a cancelled one have done.

        Args:
            user_id: Whose token.
            expire_days: Validity in days, 1 to 90.
            in_body: Send the parameters as JSON, as some programs in the field do, and not
                in the query, as the documentation says (D06).

        Raises:
            ConfigError: The id or the number of days cannot be used; nothing was sent.
            NotFoundError: The project issues tokens to members only, and nobody has this id.
        """
        check_id("user_id", user_id)
        check_whole("expire_days", expire_days, 1, _MAX_DAYS)
        check_flag("in_body", in_body)
        if in_body:
            return await self._send(self._ISSUE(body={"id": user_id, "expireDay": expire_days}))
        return await self._send(self._ISSUE(query={"id": user_id, "expireDay": str(expire_days)}))
