"""Decides what an exception of aiohttp says of the request: whether it can have left."""

import asyncio
import errno
import ssl
from typing import Final

import aiohttp

from ncloudchat_async.errors import NoReplyError, NotSentError, TransportError

__all__ = ["failure_of", "is_cancelled"]

# Looked through in order, since the types inherit from one another.
_FAILURES: Final[tuple[tuple[type[Exception], type[TransportError], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, NotSentError, "connecting took too long"),
    (aiohttp.ClientConnectorDNSError, NotSentError, "the host name cannot be resolved"),
    (aiohttp.ClientConnectorCertificateError, NotSentError, "the certificate is not accepted"),
    (aiohttp.ClientConnectorError, NotSentError, "cannot connect"),
    (aiohttp.ServerFingerprintMismatch, NotSentError, "the certificate is another one"),
    (aiohttp.ClientHttpProxyError, NotSentError, "the proxy refuses to connect"),
    (aiohttp.InvalidURL, NotSentError, "the address is not valid"),
    (aiohttp.ServerDisconnectedError, NoReplyError, "the connection was closed unanswered"),
    (aiohttp.ClientPayloadError, NoReplyError, "the answer's body is cut short or broken"),
    (TimeoutError, NoReplyError, "no complete answer in time"),
    (OSError, NoReplyError, "the connection was lost"),
    (Exception, NoReplyError, "the answer is not valid HTTP"),
)
_UNSENT: Final = "no connection was to be had"


def failure_of(error: Exception, *, left: bool = True) -> TransportError:
    """Tell by the type of an aiohttp error whether the request can have left.

    Args:
        error: What ended the attempt.
        left: Whether a connection was there to write the request to; without one it surely
            did not leave.
    """
    if isinstance(error, TransportError):
        return type(error)(*error.args)
    kind, text = next((k, text) for known, k, text in _FAILURES if isinstance(error, known))
    if not left and kind is NoReplyError:
        kind, text = NotSentError, _UNSENT
    return kind(f"{text} ({_reason(error)})")


def _reason(error: Exception) -> str:
    """Name the cause without its text, which may repeat headers or addresses."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    number = getattr(cause, "errno", None)
    return (
        f"{type(cause).__name__} {errno.errorcode.get(number, number)}"
        if number
        else (type(cause).__name__)
    )


def is_cancelled() -> bool:
    """Tell a cancellation from the CancelledError of a pool that others closed."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
