"""Decides what a test can do to an emulator, whichever thread it runs in."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from ncloudchat_async.emulator import rows
from ncloudchat_async.emulator.audit import Audit, compare
from ncloudchat_async.emulator.faults import Faults
from ncloudchat_async.emulator.requests import RequestLog
from ncloudchat_async.emulator.rows import Noun, Seeded
from ncloudchat_async.emulator.server import ListCall, Server
from ncloudchat_async.emulator.settings import EmulatorSettings
from ncloudchat_async.emulator.store import TABLES

__all__ = ["Controls", "Stats"]

_T = TypeVar("_T")


class Stats(msgspec.Struct, frozen=True):
    """What came so far, and what the store holds."""

    requests: int
    """Requests since the start or the last reset, those of no known route included."""
    by_operation: dict[str, int]
    by_status: dict[str, int]
    throttled: int
    """Requests answered 429."""
    peak_per_second: int
    """Most requests in any second, as a sliding window, throttled ones included."""
    peak_accepted_per_second: int
    """Most requests in any second that were not throttled."""
    peak_in_flight: int
    """Most requests worked on at once."""
    connections: int
    """Connections accepted since the start."""
    rows: dict[str, int]
    """Rows per table, deleted channels included."""


class Controls(ABC):
    """Everything about an emulator except its start and its end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._first_settings = server.project.settings
        self._first_key = server.project.api_key

    @abstractmethod
    def _run(self, work: Callable[[], _T]) -> _T:
        """Do some work where the emulator's own code runs, and return what it returns."""

    @property
    @abstractmethod
    def base_url(self) -> str:
        """Address for clients, without a slash at the end."""

    @property
    def project_id(self) -> str:
        """What `x-project-id` must say."""
        return self._server.project.project_id

    @property
    def api_key(self) -> str:
        """What `x-api-key` must say."""
        return self._server.project.api_key

    @property
    def token_secret(self) -> str:
        """What user tokens are signed with."""
        return self._server.project.token_secret

    @property
    def settings(self) -> EmulatorSettings:
        """How the platform behaves; assigning replaces it for the next request."""
        return self._server.project.settings

    @settings.setter
    def settings(self, settings: EmulatorSettings) -> None:
        self._server.project.settings = settings.but()

    @property
    def faults(self) -> Faults:
        """The fault rules at work."""
        return self._server.faults

    @property
    def requests(self) -> RequestLog:
        """The requests that came."""
        return self._server.requests

    @property
    def on_list(self) -> Callable[[ListCall], None] | None:
        """Called in the emulator's loop before a list is read; it may add and remove rows."""
        return self._server.on_list

    @on_list.setter
    def on_list(self, hook: Callable[[ListCall], None] | None) -> None:
        self._server.on_list = hook

    @property
    def stats(self) -> Stats:
        """Counts of requests, and of rows."""

        def work() -> Stats:
            server, log, quota = self._server, self._server.requests, self._server.quota
            return Stats(
                log.total,
                dict(log.by_operation),
                dict(log.by_status),
                quota.throttled,
                quota.total.peak,
                quota.accepted.peak,
                quota.peak_in_flight,
                server.connections,
                {table.name: server.project.store.count(table) for table in TABLES},
            )

        return self._run(work)

    def seed(
        self,
        *,
        members: int = 0,
        channels: int = 0,
        messages_per_channel: int = 0,
        subscriptions: int = 0,
        seed: int = 0,
    ) -> Seeded:
        """Add many rows at once, dated from 2025-07-01 on.

        Args:
            members: Members to add.
            channels: Public channels to add.
            messages_per_channel: Messages in each of these channels, a second apart.
            subscriptions: Subscriptions of these members to these channels, all together.
            seed: What ids begin with; equal seeds on equally full stores give equal rows.

        Raises:
            ValueError: Messages without a channel, more subscriptions than pairs, or a
                negative count.
        """
        return self._run(
            lambda: rows.seed_rows(
                self._server.project,
                member_count=members,
                channel_count=channels,
                messages_per_channel=messages_per_channel,
                subscription_count=subscriptions,
                seed=seed,
            )
        )

    def add_rows(
        self, noun: Noun, fields: Iterable[Mapping[str, object]], *, orphans: bool = False
    ) -> list[str]:
        """Add rows by their documented fields, past every rule of REST, and return their ids.

        What is left out takes the value that a fresh object has; `created_at` may be a
        timestamp or seconds of Unix time.

        Args:
            noun: What they are rows of.
            fields: The fields of each row, spelled as in answers.
            orphans: Permit messages and subscriptions of channels and members that are not
                there, since that is more often a slip than meant.

        Raises:
            ValueError: The noun or a field is unknown, a field is wrong or missing, an id
                exists, or a row is an orphan. Nothing is stored then.
        """
        return self._run(lambda: rows.add_rows(self._server.project, noun, fields, orphans=orphans))

    def add_subscription(
        self,
        channel_id: str,
        user_id: str,
        *,
        online: bool = False,
        push: bool = True,
        mute: bool = False,
        language: str | None = None,
    ) -> str:
        """Let a member join a channel, which REST cannot do, and return the subscription's id.

        Args:
            channel_id: Channel to join.
            user_id: Member who joins.
            online: Whether the member is connected to it.
            push: Whether its messages are pushed.
            mute: Whether the member has muted it.
            language: Language its messages are translated to.

        Raises:
            ValueError: Channel or member are not there, the channel is private and does not
                name the member, it is full, or the member has joined it. `add_rows` asks
                less.
        """
        row = {
            "channel_id": channel_id,
            "user_id": user_id,
            "online": online,
            "push": push,
            "mute": mute,
            "language": language,
        }
        return self._run(lambda: rows.join(self._server.project, row))

    def remove_row(self, noun: Noun, row_id: str) -> None:
        """Delete a row as if it had never been; an unknown id is no error.

        Raises:
            ValueError: The noun is unknown.
        """
        self._run(lambda: rows.remove_row(self._server.project, noun, row_id))

    def reissue_key(self) -> str:
        """Replace the API key, as the dashboard does, and return the new one."""

        def work() -> str:
            project = self._server.project
            project.replaced_keys.add(project.api_key)
            project.api_key = f"{self._first_key}-{len(project.replaced_keys)}"
            return project.api_key

        return self._run(work)

    def audit(self, intended: Iterable[tuple[str, str]]) -> Audit:
        """Compare intended deliveries (channel id, content) with the messages held.

        Writes that a `late` rule put off count once they are due. Messages of deleted
        channels are still held.
        """

        def work() -> Audit:
            self._server.settle()
            return compare(intended, self._server.project.store.contents())

        return self._run(work)

    def reset(self) -> None:
        """Go back to the start: no rows, rules, requests or hooks, first settings and key."""

        def work() -> None:
            project = self._server.project
            project.clear()
            project.settings = self._first_settings
            project.api_key = self._first_key
            project.replaced_keys.clear()
            self._server.reset()

        self._run(work)
