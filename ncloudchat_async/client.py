"""The client: settings in, resources out; owns the life of the session, sends nothing itself."""

import inspect
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from msgspec import UNSET, UnsetType

from ncloudchat_async.bulk import Result, Run, run_many
from ncloudchat_async.checks import check_callable, check_flag, check_number, check_type
from ncloudchat_async.core import Core
from ncloudchat_async.errors import ConfigError
from ncloudchat_async.resources.channels import Channels
from ncloudchat_async.resources.friends import Friends
from ncloudchat_async.resources.members import Members
from ncloudchat_async.resources.messages import Messages
from ncloudchat_async.resources.subscriptions import Subscriptions
from ncloudchat_async.resources.tokens import Tokens
from ncloudchat_async.settings import (
    DEFAULT_BASE_URL,
    CallOptions,
    Pool,
    Priority,
    Quota,
    Retry,
    Timeouts,
    check_base_url,
)
from ncloudchat_async.wire.auth import NOT_TEXT, KeySource, Secret
from ncloudchat_async.wire.endpoint import Request, check_id
from ncloudchat_async.wire.observe import Observer, Stats

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Client"]

T = TypeVar("T")
Item = TypeVar("Item")
Value = TypeVar("Value")

_PROJECT_VARIABLE: Final = "NCLOUDCHAT_PROJECT_ID"
_KEY_VARIABLE: Final = "NCLOUDCHAT_API_KEY"
_URL_VARIABLE: Final = "NCLOUDCHAT_BASE_URL"
_GRACE_S: Final = 5.0
"""Seconds that running calls get to end, longer than most take."""


class Client:
    """Everything a program does with one project of Ncloud Chat.

        async with Client(project_id="...", api_key="...") as chat:
            channel = await chat.channels.create("notice")
            await chat.messages.send(channel.id, "hello")

    Making one does no I/O and needs no running loop; `async with` opens the pool, and it may
    be opened again later, also in another event loop.

    Calls raise `NcloudChatError` and its children, as `errors` documents; each method names
    those that are particular to it. A cancelled call gives back what it holds and repeats
    nothing: a read leaves no trace, a write that was on its way may have been applied.

    Args:
        project_id: The project; None: `NCLOUDCHAT_PROJECT_ID` of the environment.
        api_key: Its key, or an async callable that returns it: called when the client
            opens, and again when the platform refuses the key (rotation); what it raises
            when the client opens comes out as it is. None: `NCLOUDCHAT_API_KEY`.
        base_url: Where the platform is, maybe with a path prefix; None:
            `NCLOUDCHAT_BASE_URL`, else the documented address.
        quota: How much may be sent, and how fast; the default finds the server's limit.
        retry: When failed attempts are repeated; the default makes 4 attempts.
        timeouts: How long to wait for what; the default gives a call 60 s.
        pool: How connections are kept; the default has one for each call in flight.
        session: An open `aiohttp.ClientSession` to borrow; it is not closed. Its connector,
            proxy, traces and `trust_env` are used, not its headers, cookies, timeouts or
            middlewares; `pool` then has no say over its connections.
        observer: A plain function that is told of attempts, retries, throttles and waits.
        allow_insecure: Accept plain http beyond this machine: the key travels in the clear.
        trust_env: Use the proxies of the environment.

    Raises:
        ConfigError: Something is missing, of the wrong type or cannot be used.
    """

    def __init__(
        self,
        project_id: str | None = None,
        api_key: str | KeySource | None = None,
        *,
        base_url: str | None = None,
        quota: Quota = Quota(),  # noqa: B008 - frozen
        retry: Retry = Retry(),  # noqa: B008 - frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        pool: Pool = Pool(),  # noqa: B008 - frozen
        session: "aiohttp.ClientSession | None" = None,
        observer: Observer | None = None,
        allow_insecure: bool = False,
        trust_env: bool = False,
    ) -> None:
        key = _key_of(api_key)
        # From here on no frame of ours holds the key in the clear.
        del api_key
        for name, option, kind in (
            ("quota", quota, Quota),
            ("retry", retry, Retry),
            ("timeouts", timeouts, Timeouts),
            ("pool", pool, Pool),
        ):
            check_type(name, option, kind, f"a {kind.__name__}(...)")
        check_flag("allow_insecure", allow_insecure)
        check_flag("trust_env", trust_env)
        if observer is not None:
            check_callable("observer", observer, "a function of one Event")
            if inspect.iscoroutinefunction(observer):
                raise ConfigError("observer takes a plain function: nobody awaits an async one")
        if session is not None:
            # Whoever has a session has loaded aiohttp, so this costs no import.
            from ncloudchat_async.wire.transport import check_session  # noqa: PLC0415

            check_session(session)
        self._core: Final = Core(
            project_id=_checked_project(project_id),
            key=_checked_key(key),
            base_url=check_base_url(
                os.environ.get(_URL_VARIABLE) or DEFAULT_BASE_URL
                if base_url in (None, "")
                else base_url,
                allow_insecure=allow_insecure,
            ),
            quota=quota,
            timeouts=timeouts,
            pool=pool,
            budget=retry.budget,
            borrowed=session,
            observer=observer,
            trust_env=trust_env,
        )
        self._use(CallOptions(deadline_s=timeouts.deadline_s, retry=retry))

    def _use(self, options: CallOptions) -> None:
        self.options: CallOptions = options
        self.channels: Channels = Channels(self)
        """Rooms that members subscribe to."""
        self.friends: Friends = Friends(self)
        """Friend requests and their answers."""
        self.members: Members = Members(self)
        """Users of the project."""
        self.messages: Messages = Messages(self)
        """What is said in channels."""
        self.subscriptions: Subscriptions = Subscriptions(self)
        """Which member joined which channel."""
        self.tokens: Tokens = Tokens(self)
        """Tokens that members log in with."""

    @property
    def project_id(self) -> str:
        """The project that calls go to."""
        return self._core.project_id

    @property
    def base_url(self) -> str:
        """The address that calls go to, without a trailing slash."""
        return self._core.base_url

    @property
    def quota(self) -> Quota:
        """The limits in force."""
        return self._core.quota

    @property
    def stats(self) -> Stats:
        """Totals of this client and its views since it was made."""
        return self._core.count_connections()

    def with_options(
        self,
        *,
        deadline_s: float | UnsetType | None = UNSET,
        priority: Priority | UnsetType = UNSET,
        retry: Retry | UnsetType = UNSET,
    ) -> "Client":
        """Return a view with other options that shares pool, quota and lifetime.

        Args:
            deadline_s: Seconds a whole call may take; None: without a bound.
            priority: `interactive` calls overtake `bulk` ones.
            retry: When failed attempts are repeated; the budget stays that of the client.

        Raises:
            ConfigError: A value makes no sense.
        """
        old = self.options
        view = Client.__new__(Client)
        view._core = self._core  # type: ignore[misc]  # the one other place that makes a client
        view._use(
            CallOptions(
                deadline_s=old.deadline_s if isinstance(deadline_s, UnsetType) else deadline_s,
                priority=old.priority if isinstance(priority, UnsetType) else priority,
                retry=old.retry if isinstance(retry, UnsetType) else retry,
            )
        )
        return view

    def send(self, request: Request[T]) -> Awaitable[T]:
        """Send a request of any `Endpoint`, with quota, retries and typed errors.

        Args:
            request: What calling an `Endpoint` gives.

        Returns:
            An awaitable of the endpoint's value; nothing is sent before it is awaited.

        Raises:
            ConfigError: It is no request, such as an endpoint that was not called.
            ClientClosedError: The client is not open in this event loop.
            NcloudChatError: What `errors` documents.
        """
        if type(request) is not Request:  # every call comes by here: isinstance costs more
            check_type("send", request, Request, "what calling an endpoint gives: Endpoint(...)()")
        return self._core.session().send(request, self.options)

    def run_many(
        self,
        function: Callable[[Item], Awaitable[Value]],
        items: Iterable[Item] | AsyncIterable[Item],
        *,
        max_in_flight: int | None = None,
    ) -> Run[Item, Result[Item, Value]]:
        """Await `function(item)` for every item, a bounded number at once.

            bulk = chat.with_options(priority="bulk")
            async with chat.run_many(lambda u: bulk.members.register(*u), users) as results:
                async for result in results:
                    if result.error is not None:
                        print(result.item, result.error)

        Args:
            function: Any call of this client, or what is made of some. A `NcloudChatError`
                that it raises is the `error` of its item; anything else ends the run: the
                calls in flight are cancelled, and it comes out of the block as it is.
            items: Read no further ahead than needed, so it may be endless.
            max_in_flight: Calls at once; None: the quota's.

        Returns:
            An async context manager and async iterator of results as they come, each with
            `item`, `value` and `error`; leaving its block early cancels what is in flight.
            `stop()` lets it finish, but an item that still waits for the quota, and has
            changed nothing yet, gives no result: its call ends with `applied == "no"`.

        Raises:
            ConfigError: `function` cannot be called, `items` cannot be iterated over, or
                `max_in_flight` is less than 1. Reading the run raises it when `function`
                turns out not to be async: after it was called for the first items.
        """
        if max_in_flight is None:
            max_in_flight = self.quota.max_in_flight
        return run_many(function, items, max_in_flight=max_in_flight)

    async def __aenter__(self) -> Self:
        """Open the pool in the running event loop.

        Raises:
            ConfigError: The callable is not async, or gave something that cannot be a key.
            DeadlineExceededError: It gave none within `Timeouts.deadline_s`.
            ClientClosedError: The client is open already, or the borrowed session is closed
                or of another event loop.
        """
        await self._core.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the pool; after an error running calls are not waited for."""
        await self.aclose(grace_s=_GRACE_S if error is None else 0.0)

    async def aclose(self, *, grace_s: float = _GRACE_S) -> None:
        """Close the pool for all views; once closed, calling it again does nothing.

        Calls that wait for quota end with `ClientClosedError`. While another task closes the
        client, this waits until it has. Cancelled, it ends the calls that run at once and
        closes the pool all the same; a write that was on its way may have been applied.

        Args:
            grace_s: Seconds that running calls get to end; 5 is longer than most of them take.

        Raises:
            ClientClosedError: The client was opened in another event loop that still runs.
            ConfigError: The grace is no number of seconds.
        """
        check_number("grace_s", grace_s, zero=True)
        await self._core.close(grace_s)

    def __repr__(self) -> str:
        """Show where calls go, and how; never the key."""
        options = getattr(self, "options", None)
        if options is None:  # a traceback shows one that refused its arguments
            return "<Client not made>"
        return (
            f"<Client {'open' if self._core.is_open else 'closed'} project_id={self.project_id!r} "
            f"base_url={self.base_url!r} priority={options.priority!r} "
            f"deadline_s={options.deadline_s} rate={self.quota.rate} "
            f"max_in_flight={self.quota.max_in_flight}>"
        )

    def __reduce__(self) -> str:
        """Refuse to be pickled: connections and keys stay in their process."""
        raise TypeError("a Client cannot be pickled: make one in each process")


def _key_of(api_key: str | KeySource | None) -> Secret | KeySource:
    """Wrap the key before anything can fail, so that no traceback shows it."""
    if api_key is None:
        return Secret(os.environ.get(_KEY_VARIABLE, ""))
    # Bytes, or whatever else is no key, may still be one to whoever reads it.
    return Secret(api_key) if isinstance(api_key, str) or not callable(api_key) else api_key


def _checked_key(key: Secret | KeySource) -> Secret | KeySource:
    problem = key.problem() if isinstance(key, Secret) else None
    if problem == NOT_TEXT:
        raise ConfigError("api_key takes a string, or an async callable that returns one")
    if problem:
        raise ConfigError(f"api_key {problem} (pass it, or set {_KEY_VARIABLE})")
    return key


def _checked_project(project_id: str | None) -> str:
    value = project_id if project_id is not None else os.environ.get(_PROJECT_VARIABLE, "")
    problem = Secret(check_id("project_id", value or " ")).problem()
    if problem:
        raise ConfigError(f"project_id {problem} (pass it, or set {_PROJECT_VARIABLE})")
    return value
