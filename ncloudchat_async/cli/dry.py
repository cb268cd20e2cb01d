"""Decides what a dry run does instead of calls: it checks everything, and talks to nobody."""

from typing import Any, Final, Never, Self

import msgspec
from msgspec import UNSET, UnsetType

from ncloudchat_async.client import Client
from ncloudchat_async.settings import Priority, Retry
from ncloudchat_async.wire.endpoint import Request

__all__ = ["DryClient", "PlannedError"]


class PlannedError(Exception):
    """Carries the request that a dry run would have sent."""

    def __init__(self, request: Request[Any]) -> None:
        super().__init__(request.endpoint.name)
        body = None if request.body is None else msgspec.json.decode(request.body)
        self.row: Final[dict[str, Any]] = {
            "method": request.endpoint.method,
            "path": request.target,
            "body": body,
        }
        """The request, for people and programs to read."""


class DryClient(Client):
    """A client that checks everything and sends nothing: each call raises `PlannedError`."""

    def __init__(self) -> None:
        super().__init__("dry-run", "dry-run", base_url="http://127.0.0.1")

    def send(self, request: Request[Any]) -> Never:
        """Refuse to send, and say what would have been sent."""
        raise PlannedError(request)

    def with_options(
        self,
        *,
        deadline_s: float | UnsetType | None = UNSET,
        priority: Priority | UnsetType = UNSET,
        retry: Retry | UnsetType = UNSET,
    ) -> Self:
        """Return itself: options make no difference."""
        return self
