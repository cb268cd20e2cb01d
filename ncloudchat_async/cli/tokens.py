"""Commands on tokens: what members log in with."""

from typing import Annotated, Final

from cyclopts import App, Parameter, validators

from ncloudchat_async.cli.common import CHANGE, COMMON, Change, Common
from ncloudchat_async.cli.work import Noun, one
from ncloudchat_async.models import Token

__all__ = ["app"]

app: Final = App(name="tokens", help="Tokens that members log in with.")

_TOKENS: Final = Noun(Token, "tokens", ("token",))


@app.command
def issue(
    user_id: str,
    *,
    expire_days: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=90))] = 1,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Issue a token for a member. It is a password: mind where stdout goes.

    Example: `ncloudchat tokens issue user-1 --expire-days 7`

    Args:
        user_id: Whose token.
        expire_days: Validity in days, 1 to 90.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    return one(
        lambda chat: chat.tokens.issue(user_id, expire_days=expire_days),
        _TOKENS,
        common,
        change,
        about=user_id,
    )
