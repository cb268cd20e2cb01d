"""Decides which project a command talks to, and with which limits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cyclopts import Group, Parameter

from ncloudchat_async.cli.options import Flag
from ncloudchat_async.cli.profiles import find_profile
from ncloudchat_async.settings import DEFAULT_BASE_URL, Quota, Retry, Timeouts

if TYPE_CHECKING:
    from ncloudchat_async.client import Client
    from ncloudchat_async.wire.observe import Observer

__all__ = ["BULK", "CONNECTION", "Connection"]

BULK: Final = Retry(max_retry_after_s=900.0)
"""A job may wait a quarter of an hour when the platform asks for it."""

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

    def client(self, observer: "Observer | None" = None) -> "Client":
        """Make the client, not yet open.

        Args:
            observer: Is told of every attempt.

        Raises:
            Failure: The profile cannot be used.
            ConfigError: Credentials are missing or cannot be used.
        """
        from ncloudchat_async.client import Client

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
