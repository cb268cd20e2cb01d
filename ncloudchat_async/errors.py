"""Decides which exceptions a user can meet; never holds a key, a header or a message text.

Everything raised by this package is a `NcloudChatError`, except `TypeError` for calls
that no type checker would accept, `RuntimeError` for a job that is entered twice or read in
two tasks, `ValueError` of `models.decode_node_id`, what the docstrings of the emulator say, and
what is not ours: `asyncio.CancelledError`, what the input of a job or a function of the user's
raises, and what the callable of `api_key` raises when the client opens pass unchanged.
"""

from typing import Any, Literal, Self

__all__ = [
    "ApiError",
    "Applied",
    "ArchiveError",
    "AuthenticationError",
    "BadRequestError",
    "BodyTooLargeError",
    "ClientClosedError",
    "ConfigError",
    "ConflictError",
    "DeadlineExceededError",
    "DecodeError",
    "JournalCorruptError",
    "JournalError",
    "JournalLockedError",
    "JournalMismatchError",
    "NcloudChatError",
    "NoReplyError",
    "NotFoundError",
    "NotSentError",
    "OutcomeUnknownError",
    "PagingError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "ProjectNotFoundError",
    "QuotaExceededError",
    "RateLimitedError",
    "ResponseError",
    "ServerError",
    "TransportError",
    "UnexpectedRedirectError",
]

Applied = Literal["no", "unknown", "yes"]
"""Whether the platform carried the call out: surely not, in doubt, surely."""


class NcloudChatError(Exception):
    """Base of every error of this package.

    Attributes:
        operation: Name of the endpoint, such as `Channels.get`; None outside a call.
        method: HTTP method of the call.
        route: Path template of the call, without ids.
        attempts: Requests that may have reached the wire, 0 when none was begun.
        elapsed_s: Seconds from the call to this error, waits included.
        applied: Whether the platform carried the call out.
        cursor: Where to resume the iteration over a list that this error ended, after the
            last good item; None when there was none.
    """

    def __init__(
        self,
        text: str = "",
        *,
        operation: str | None = None,
        method: str | None = None,
        route: str | None = None,
        attempts: int = 0,
        elapsed_s: float = 0.0,
        applied: Applied = "no",
    ) -> None:
        super().__init__(text)
        self.operation = operation
        self.method = method
        self.route = route
        self.attempts: int = attempts
        self.elapsed_s: float = elapsed_s
        self.applied: Applied = applied
        self.cursor: str | None = None

    def __str__(self) -> str:
        """Say what happened, and in which call after how many attempts."""
        text = str(self.args[0]) if self.args else ""
        if self.operation is None:
            return text
        times = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"{self.operation}: {text} ({times}, {self.elapsed_s:.2f} s)"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state, so that keyword-only arguments survive; causes are left behind."""
        return _rebuild, (type(self), self.args, self.__dict__.copy())

    def located(
        self, operation: str, method: str, route: str, *, attempts: int, elapsed_s: float
    ) -> Self:
        """Write the call this error belongs to into it, and return it."""
        self.operation = operation
        self.method = method
        self.route = route
        self.attempts = attempts
        self.elapsed_s = elapsed_s
        return self


def _rebuild(
    kind: type[NcloudChatError], args: tuple[Any, ...], state: dict[str, Any]
) -> NcloudChatError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(NcloudChatError, ValueError):
    """Settings, an argument or an id cannot be used; nothing was sent for it."""


class ClientClosedError(NcloudChatError):
    """The client is closed, or was never opened with `async with`."""


class TransportError(NcloudChatError):
    """No complete HTTP answer came back."""


class NotSentError(TransportError):
    """Nothing reached the server: name lookup, connecting, TLS or waiting for a connection."""


class NoReplyError(TransportError):
    """The request left, in whole or in part, and no complete answer came.

    The connection was lost, the answer was not HTTP, or it took longer than
    `Timeouts.read_s`.
    """


class OutcomeUnknownError(NcloudChatError):
    """A write that must not be repeated left, and no answer says whether it was applied.

    Look before sending it again: `__cause__` tells what went wrong on the way.
    """


class DeadlineExceededError(NcloudChatError):
    """The call's deadline passed, or `Quota.max_wait_s` was too short for the queue."""


class ResponseError(NcloudChatError):
    """An answer came, and it is not one that this client can accept."""


class DecodeError(ResponseError):
    """The body of the answer is not the documented JSON."""


class BodyTooLargeError(ResponseError):
    """The decoded body of the answer is larger than `Pool.max_body_bytes`."""


class UnexpectedRedirectError(ResponseError):
    """The server answered with a redirect; following it would hand the key to another host."""


class ApiError(NcloudChatError):
    """The platform refused the call.

    Attributes:
        http_status: HTTP status of the answer, 200 for most failures of this platform.
        code: `status` of the body, or `errorCode` of the gateway; None when there is neither.
        message: The platform's text, cut to 300 characters, secrets masked.
        retry_after_s: Seconds the server asked to wait, None when it did not say.
    """

    def __init__(
        self,
        text: str = "",
        *,
        http_status: int = 0,
        code: int | None = None,
        message: str = "",
        retry_after_s: float | None = None,
        applied: Applied = "no",
    ) -> None:
        super().__init__(text or message, applied=applied)
        self.http_status = http_status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class BadRequestError(ApiError):
    """A parameter is missing or wrong (HTTP 400, gateway 100, unknown negative status)."""


class AuthenticationError(ApiError):
    """The key is unknown, wrong, deleted, disabled or expired (-1 to -5, HTTP 401)."""


class PermissionDeniedError(ApiError):
    """The key may not do this (HTTP 403, gateway 210)."""


class ProjectNotFoundError(ApiError):
    """No project has this id (-6)."""


class NotFoundError(ApiError):
    """No such object, or no such route (HTTP 404, gateway 300, an empty answer to a get)."""


class ConflictError(ApiError):
    """The object exists already, or is in a state that forbids this (HTTP 409)."""


class PayloadTooLargeError(ApiError):
    """The request body is too large (HTTP 413, gateway 430)."""


class RateLimitedError(ApiError):
    """Too many requests at once; later ones may pass (HTTP 429, gateway 410 and 420)."""


class QuotaExceededError(ApiError):
    """The quota of a longer period is used up; retrying soon is useless (gateway 400 in a 429)."""


class ServerError(ApiError):
    """The platform failed (HTTP 5xx, gateway 500, 510 and 900)."""


class PagingError(NcloudChatError):
    """A list cannot be paged through: the server repeats pages or never ends."""


class JournalError(NcloudChatError):
    """The journal of a job cannot be used; nothing was sent without an intent in it."""


class JournalLockedError(JournalError):
    """Another process works with this journal."""


class JournalMismatchError(JournalError):
    """The journal belongs to another project, base URL or input."""


class JournalCorruptError(JournalError):
    """The file is not a journal, is damaged, or was written by a newer version."""


class ArchiveError(NcloudChatError):
    """An archive cannot be used: not one, damaged, newer, of another project, or in use."""
