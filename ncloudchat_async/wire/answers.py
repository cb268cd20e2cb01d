"""Decides what value an answer holds, or that it is an error; never waits and never repeats."""

import re
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from ncloudchat_async.errors import DecodeError, NotFoundError, UnexpectedRedirectError
from ncloudchat_async.wire.auth import Secret
from ncloudchat_async.wire.bodies import (
    UNREADABLE,
    Response,
    parse,
    too_deep,
    without_lone_surrogates,
)
from ncloudchat_async.wire.endpoint import Endpoint
from ncloudchat_async.wire.refusals import STATUS_OK, describe, masked, refusal
from ncloudchat_async.wire.timestamps import with_sound_timestamps

__all__ = ["decode"]

T = TypeVar("T")
# msgspec quotes what came in these marks, and its own words in others.
_QUOTED: Final = re.compile(r"'.*'", re.S)


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
    if 200 <= response.status < 300 and (roomy_stack or not too_deep(body)):
        try:
            answer = endpoint.decoder.decode(body)
        except UNREADABLE:
            pass
        else:
            if endpoint.envelope:
                if (
                    answer.status == STATUS_OK
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
    answer, readable = parse(response.body)
    if not readable and (mended := without_lone_surrogates(response.body)) != response.body:
        again = Response(response.status, response.headers, mended)
        return decode(endpoint, again, secret=secret, sent=sent)
    mask = partial(masked, secret, sent)
    failure = refusal(endpoint, response, answer, mask)
    if failure is not None:
        raise failure
    if not readable:
        raise DecodeError(
            f"HTTP {response.status} with {describe(response, mask)}", applied="unknown"
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


def _follow(answer: Any, path: str) -> tuple[Any, bool]:
    """Find what is at a dotted path: None also where the way there ends in a null."""
    for depth, key in enumerate(path.split(".")):
        if depth and answer is None:
            break
        if not isinstance(answer, dict) or key not in answer:
            return None, False
        answer = answer[key]
    return answer, True
