"""Tokens: what a member logs in with when the project asks for it."""

from ncloudchat_async.models.base import Model

__all__ = ["Token"]


class Token(Model, frozen=True, kw_only=True):
    """A signed token for one member (`bizapp-token-issuance`)."""

    token: str
    """A JWT, HS256. It is a password: it is not in the struct's repr."""

    def __repr__(self) -> str:
        """Keep the token out of logs."""
        return "Token(token='***')"
