"""Decides which error a refusal is, and what of the server's words the error may repeat.

Failures of this platform arrive under any HTTP status (D01), so the body is judged
first: an integer `status` other than 1, then the gateway's `error.errorCode`, then a
GraphQL `errors` array, and only then the HTTP status.
"""

import html
import json
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, quote_plus

import msgspec

from ncloudchat_async.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    ProjectNotFoundError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from ncloudchat_async.wire.auth import Secret, escaped
from ncloudchat_async.wire.bodies import Response
from ncloudchat_async.wire.endpoint import Endpoint

__all__ = ["STATUS_OK", "Mask", "describe", "masked", "refusal", "retry_after_s"]

Mask = Callable[[str], str]

_MAX_TEXT: Final = 300
_SAID: Final = ("content", "message", "token")
"""Fields of a request that hold what people say to each other, and their push tokens."""
_LEAST_SAID: Final = 3
STATUS_OK: Final = 1
_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    -1: AuthenticationError,
    -2: AuthenticationError,
    -3: AuthenticationError,
    -4: AuthenticationError,
    -5: AuthenticationError,
    -6: ProjectNotFoundError,
}
_BY_GATEWAY_CODE: Final[dict[int, type[ApiError]]] = {
    100: BadRequestError,
    200: AuthenticationError,
    210: PermissionDeniedError,
    300: NotFoundError,
    400: QuotaExceededError,
    410: RateLimitedError,
    420: RateLimitedError,
    430: PayloadTooLargeError,
    500: ServerError,
    510: ServerError,
    900: ServerError,
}
_BY_HTTP: Final[dict[int, type[ApiError]]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    429: RateLimitedError,
}
# The codes of a missing and of an existing object are not documented (D04, D11):
# where the code says nothing, the words of the text decide.
_SAYS_MISSING: Final = re.compile(
    r"not (?:be )?(?:found|registered)|not exist|no such|존재하지 않|찾을 수 없", re.I
)
_SAYS_TAKEN: Final = re.compile(
    r"already|duplicate|exists|is registered|is taken|in use|belongs to|이미|중복", re.I
)
_SPEAKS_OF_ACCESS: Final = re.compile(
    r"(?<![a-z])(?:(?:api|secret|access).?)?key(?![a-z])|(?<![a-z])project(?:.?id)?(?![a-z])"
    r"|permission|access",
    re.I,
)
# Ids that a text quotes, and where something was looked for: neither is what it speaks of.
_ASIDE: Final = re.compile(
    r"""'[^']*'|"[^"]*"|`[^`]*`|\b(?:in|of|from|within) (?:(?:the|this|your) )?project\b""", re.I
)
_HINTS: Final = {
    -1: "the key is unknown or has no access: check it and the API access setting",
    -2: "the key differs from the dashboard's: was it issued anew?",
    -3: "the key was deleted",
    -4: "the key is disabled in the dashboard",
    -5: "the key has expired",
    -6: "no project has this id",
}


def refusal(
    endpoint: Endpoint[Any], response: Response, answer: Any, mask: Mask
) -> ApiError | None:
    """Find the failure an answer reports, in the order of D01."""
    code: int | None = None
    text = ""
    kind: type[ApiError] | None = None
    if isinstance(answer, dict):
        status = answer.get("status")
        error = answer.get("error")
        errors = answer.get("errors")
        if isinstance(status, int) and not isinstance(status, bool) and status != STATUS_OK:
            code, text = status, _words(answer.get("message"))
            kind = _kind_of_status(endpoint, response.status, status, text)
            text = text or _HINTS.get(status, "")
        elif isinstance(error, dict) and "errorCode" in error:
            code, text = _integer(error["errorCode"]), _words(error.get("message"))
            kind = _kind_of_gateway(response.status, code)
        elif isinstance(errors, list) and errors:
            first = errors[0]
            text = _words(first.get("message") if isinstance(first, dict) else first)
            kind = _kind_of_text(text) or BadRequestError
        else:
            text = _words(answer.get("message"))
    if kind is None and response.status >= 400:
        kind = _kind_of_http(response.status)
    if kind is None:
        return None
    # Only now: what people say must not decide what the platform says.
    text = _text(text, mask)
    return kind(
        f"{text or 'refused without a text'} (HTTP {response.status}"
        + (f", code {code})" if code is not None else ")"),
        http_status=response.status,
        code=code,
        message=text,
        retry_after_s=retry_after_s(response.headers),
    )


def _kind_of_status(
    endpoint: Endpoint[Any], http_status: int, status: int, text: str
) -> type[ApiError]:
    """Choose by `status`; -1 with an id in the path may also mean that nothing has it (D04)."""
    kind = _BY_STATUS.get(status)
    if kind is None:
        return _kind_of_text(text) or _kind_of_http(max(http_status, 400))
    if status == -1 and endpoint.names_ids and _SAYS_MISSING.search(text):
        return kind if _SPEAKS_OF_ACCESS.search(_ASIDE.sub("", text)) else NotFoundError
    return kind


def _kind_of_gateway(http_status: int, code: int | None) -> type[ApiError]:
    kind = _BY_GATEWAY_CODE.get(code) if code is not None else None
    return kind or _kind_of_http(max(http_status, 400))


def _kind_of_http(status: int) -> type[ApiError]:
    return ServerError if status >= 500 else _BY_HTTP.get(status, BadRequestError)


def _kind_of_text(text: str) -> type[ApiError] | None:
    if _SAYS_MISSING.search(text):
        return NotFoundError
    return ConflictError if _SAYS_TAKEN.search(text) else None


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text(words: str, mask: Mask) -> str:
    """Cut the server's words to what a log can bear: one line, no control characters, no key."""
    line = "".join(c if c.isprintable() else " " for c in mask(words)[:_MAX_TEXT])
    return line.strip()


def masked(secret: Secret | None, sent: bytes | None, text: str) -> str:
    """Put *** in the place of the key and of what the request said, if the server repeats them."""
    if secret is not None:
        text = secret.masked(text)
    if sent is not None:
        body = msgspec.json.decode(sent)
        for said in (body.get(name) for name in _SAID) if isinstance(body, dict) else ():
            if isinstance(said, str):
                text = _without(text, said)
    return text


def _without(text: str, said: str) -> str:
    """Put *** in the place of a text as people, JSON, HTML and URLs write it."""
    ascii_json = json.dumps(said)[1:-1]
    for form in (said, escaped(said), ascii_json, html.escape(said), quote(said), quote_plus(said)):
        if len(form) >= _LEAST_SAID:
            text = text.replace(form, "***")
        elif form:
            # Shorter ones stand in any text: only as a word of their own.
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "***", text)
    return text


def _integer(value: object) -> int | None:
    """Read the gateway's code: an integer in its table, a string in its sample."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,6}\s*", value):
        return int(value)
    return None


def describe(response: Response, mask: Mask) -> str:
    """Say what came instead of JSON, without quoting it."""
    if not response.body:
        return "an empty body"
    kind = response.headers.get("Content-Type", "no content type").split(";")[0]
    return f"{len(response.body)} bytes that are not the documented JSON ({_text(kind, mask)})"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After as seconds from the moment of the answer (RFC 9110, 10.2.3).

    Whole and fractional seconds are read; a date is measured against the answer's own Date,
    so that a wrong clock on either side does no harm. None when absent, unreadable,
    not finite, or a date without a Date beside it.
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    if re.fullmatch(r"\s*[0-9]{1,300}(?:\.[0-9]{0,9})?\s*", value):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        sent = parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
