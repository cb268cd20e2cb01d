"""Decides what an answer means: a value, or which error; never waits and never repeats.

Failures of this platform arrive under any HTTP status (D01), so the body is judged
first: an integer `status` other than 1, then the gateway's `error.errorCode`, then a
GraphQL `errors` array, and only then the HTTP status.
"""

import codecs
import html
import json
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import accumulate
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

from ncloudchat_async.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DecodeError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    ProjectNotFoundError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    UnexpectedRedirectError,
)
from ncloudchat_async.wire.auth import Secret, escaped
from ncloudchat_async.wire.endpoint import Endpoint
from ncloudchat_async.wire.timestamps import with_sound_timestamps

__all__ = ["Response", "decode", "retry_after_s", "without_lone_surrogates"]

T = TypeVar("T")
Mask = Callable[[str], str]

MAX_DEPTH: Final = 64
"""Nesting accepted from the server; documented answers have 4 levels."""
_MAX_TEXT: Final = 300
_SAID: Final = ("content", "message", "token")
"""Fields of a request that hold what people say to each other, and their push tokens."""
_LEAST_SAID: Final = 3
_STATUS_OK: Final = 1
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What the decoder raises; ValueError for invalid UTF-8 and for numbers of 4,301 digits."""
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
# Possessive, and content with an unclosed string: no text takes more than one pass.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.S)
# msgspec quotes what came in these marks, and its own words in others.
_QUOTED: Final = re.compile(r"'.*'", re.S)
# A pair of surrogate escapes, or a lone one (group 2), behind a whole number of escaped
# backslashes. Tried only where a backslash run begins, so no body takes more than one pass.
_SURROGATES: Final = re.compile(
    rb"(?<!\\)((?:\\\\)*+)(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""Each bracket as a signed byte: how many levels it goes down."""
_STRIDE: Final = 4096


class Response(msgspec.Struct, frozen=True, gc=False):
    """A complete HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        """Show the size, not the body: it holds what people wrote to each other."""
        return f"<Response {self.status}, {len(self.body)} bytes>"


def decode(
    endpoint: Endpoint[T],
    response: Response,
    *,
    roomy_stack: bool = False,
    secret: Secret | None = None,
    sent: bytes | None = None,
) -> T:
    """Turn an answer into the value of its endpoint, or raise what it means.

    Args:
        endpoint: What was called.
        response: The complete answer.
        roomy_stack: Whether the thread's stack can take any nesting the decoder accepts
            (a main thread's can); otherwise nesting is checked first, at 1 ns a byte.
        secret: What the request was signed with: masked where the server repeats it.
        sent: The body of the request, whose text is masked likewise.

    Raises:
        ApiError: The platform refused, in one of its four ways.
        DecodeError: The body is not what the documentation promises.
        UnexpectedRedirectError: HTTP 3xx.
    """
    body = response.body
    if 200 <= response.status < 300 and (roomy_stack or not _too_deep(body)):
        try:
            answer = endpoint.decoder.decode(body)
        except _UNREADABLE:
            pass
        else:
            if endpoint.envelope:
                if (
                    answer.status == _STATUS_OK
                    and answer.error is answer.errors is msgspec.UNSET
                    and (value := _inner(answer, endpoint.envelope[0])) is not None
                ):
                    return value  # type: ignore[no-any-return]  # typed by the endpoint
            elif answer is not None and (
                body[:1] == b"[" or (b'"status"' not in body and b'"error' not in body)
            ):
                # A bare object may still say status -1 beside an id: only one without
                # these keys is taken without a second look.
                return answer  # type: ignore[no-any-return]  # typed by the endpoint
    return _decode_slowly(endpoint, response, secret, sent)


def _inner(answer: Any, envelope: str) -> Any:
    """Take the value out of the structs that the endpoint built for its envelope."""
    for _ in range(envelope.count(".") + 1):
        if answer is None:
            break
        answer = answer.value
    return answer


def _decode_slowly(
    endpoint: Endpoint[T], response: Response, secret: Secret | None, sent: bytes | None
) -> T:
    """Judge an answer that the typed decoder did not take, piece by piece."""
    if 300 <= response.status < 400:
        raise UnexpectedRedirectError(
            f"HTTP {response.status}: redirects are not followed, they would hand the key "
            "to another address; check base_url",
            applied="unknown" if response.status == 303 else "no",
        )
    answer, readable = _parse(response.body)
    if not readable and (mended := without_lone_surrogates(response.body)) != response.body:
        again = Response(response.status, response.headers, mended)
        return decode(endpoint, again, secret=secret, sent=sent)
    mask = partial(_masked, secret, sent)
    failure = _failure(endpoint, response, answer, mask)
    if failure is not None:
        raise failure
    if not readable:
        raise DecodeError(
            f"HTTP {response.status} with {_describe(response, mask)}", applied="unknown"
        )
    # A write tells what it did in its envelope; nothing at all tells nothing.
    value = _unwrap(endpoint, answer) if answer or not endpoint.repeatable else answer
    if value in (None, {}, []) or _is_empty_envelope(endpoint, value):
        return _empty(endpoint, response, value)
    try:
        sound = with_sound_timestamps(value, endpoint.returns)
        return msgspec.convert(sound, endpoint.returns, strict=False)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        reason = _QUOTED.sub("'…'", str(error))
    raise DecodeError(f"the answer does not fit: {reason}", applied="unknown")


def _unwrap(endpoint: Endpoint[Any], answer: Any) -> Any:
    """Take the value out of its envelope, None if that is empty; without one it is nonsense."""
    for path in endpoint.envelope:
        value, found = _follow(answer, path)
        if found:
            return value
    if endpoint.envelope:
        names = " or ".join(endpoint.envelope)
        raise DecodeError(f"the answer does not fit: it has no {names}", applied="unknown")
    return answer


def _is_empty_envelope(endpoint: Endpoint[Any], value: Any) -> bool:
    """Tell whether a bare answer is `{"message": null}` or so, as writes say it (D04)."""
    if endpoint.envelope or not isinstance(value, dict) or "id" in value:
        return False
    said = [item for key, item in value.items() if key != "status"]
    return None in said and all(item in (None, "") for item in said)


def _empty(endpoint: Endpoint[T], response: Response, value: object) -> T:
    """Judge an answer without a value: an empty list, an absent object, or nonsense."""
    try:
        return msgspec.convert(value, endpoint.returns)
    except msgspec.ValidationError:
        pass
    # Of a bare write nothing at all tells nothing, as where an envelope is missing.
    if endpoint.names_ids and (value or endpoint.envelope or endpoint.repeatable):
        raise NotFoundError(
            "nothing has this id (the answer is empty)", http_status=response.status
        )
    raise DecodeError("the answer is empty", applied="unknown")


def _parse(body: bytes) -> tuple[Any, bool]:
    if _too_deep(body):
        return None, False
    try:
        # RFC 8259 lets a reader ignore a byte order mark.
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8)), True
    except _UNREADABLE:
        return None, False


def without_lone_surrogates(body: bytes) -> bytes:
    r"""Put U+FFFD in the place of each escape that is half a character, such as `\ud83d` alone.

    Platforms that cut texts by UTF-16 units send these (RFC 8259 section 8.2 lets them), and
    the decoder refuses the whole page for one. Nothing else is touched: neither numbers,
    nor repeated keys, nor the place where anything stands.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _SURROGATES.sub(lambda m: m[1] + b"\\ufffd" if m[2] else m[0], body)


def _follow(answer: Any, path: str) -> tuple[Any, bool]:
    """Find what is at a dotted path: None also where the way there ends in a null."""
    for depth, key in enumerate(path.split(".")):
        if depth and answer is None:
            break
        if not isinstance(answer, dict) or key not in answer:
            return None, False
        answer = answer[key]
    return answer, True


def _failure(
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
        if isinstance(status, int) and not isinstance(status, bool) and status != _STATUS_OK:
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


def _masked(secret: Secret | None, sent: bytes | None, text: str) -> str:
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


def _describe(response: Response, mask: Mask) -> str:
    """Say what came instead of JSON, without quoting it."""
    if not response.body:
        return "an empty body"
    kind = response.headers.get("Content-Type", "no content type").split(";")[0]
    return f"{len(response.body)} bytes that are not the documented JSON ({_text(kind, mask)})"


def _too_deep(body: bytes) -> bool:
    """Tell whether brackets nest deeper than `MAX_DEPTH`, without recursion.

    The decoder recurses on the C stack, also through fields it skips, and Python 3.12 and
    later let it go 10,000 levels down, more than a small thread stack holds.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    steps = memoryview(_STRINGS.sub(b"", body).translate(_STEPS, _NOT_BRACKETS)).cast("b")
    depth = 0
    for start in range(0, len(steps), _STRIDE):
        part = steps[start : start + _STRIDE]
        if max(accumulate(part, initial=depth)) > MAX_DEPTH:
            return True
        depth += sum(part)
    return False


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
