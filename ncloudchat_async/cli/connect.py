"""Decides which project a command talks to, and with which limits; a dry run talks to none."""

from dataclasses import dataclass
from typing import Any, Final, Never, Self

import msgspec
from cyclopts import Group, Parameter
from msgspec import UNSET, UnsetType

from ncloudchat_async.cli.options import Flag
from ncloudchat_async.cli.profiles import find_profile
from ncloudchat_async.client import Client
from ncloudchat_async.settings import DEFAULT_BASE_URL, Priority, Quota, Retry, Timeouts
from ncloudchat_async.wire.endpoint import Request
from ncloudchat_async.wire.observe import Observer

__all__ = ["CONNECTION", "Connection", "DryClient", "PlannedError"]

_GROUP: Final = Group("Connection", sort_key=30)


@Parameter(name="*", group=_GROUP)
@dataclass(frozen=True, kw_only=True)
class Connection:
    """Which project, and how fast.

    Args:
        profile: Profile to take credentials from; without it NCLOUDCHAT_PROFILE, then
            NCLOUDCHAT_PROJECT_ID and NCLOUDCHAT_API_KEY, then the profile in use.
        rate: Most requests per second; without it the client finds the platform's limit.
        max_in_flight: Most requests at once.
        deadline: Seconds that the command may take; then no further call begins, and the exit
            code is 4.
        allow_insecure: Accept plain http to another machine: the key travels in the clear.
    """

    profile: str | None = None
    rate: float | None = None
    max_in_flight: int = Quota().max_in_flight
    deadline: float | None = None
    allow_insecure: Flag = False

    def client(self, observer: Observer | None = None) -> Client:
        """Make the client, not yet open.

        Args:
            observer: Is told of every attempt.

        Raises:
            Failure: The profile cannot be used.
            ConfigError: Credentials are missing or cannot be used.
        """
        profile = find_profile(self.profile)
        quota = Quota(rate=self.rate, max_in_flight=self.max_in_flight)
        # A single write in doubt at the deadline is then an unknown outcome, and no mere end.
        timeouts = Timeouts() if self.deadline is None else Timeouts(deadline_s=self.deadline)
        if profile is None:
            return Client(
                quota=quota,
                timeouts=timeouts,
                observer=observer,
                allow_insecure=self.allow_insecure,
            )
        return Client(
            profile.project_id,
            profile.api_key,
            # Not the environment's: a profile's key goes to the profile's host only.
            base_url=profile.base_url or DEFAULT_BASE_URL,
            quota=quota,
            timeouts=timeouts,
            observer=observer,
            allow_insecure=self.allow_insecure,
        )


CONNECTION: Final = Connection()


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
