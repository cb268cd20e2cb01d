"""Every way to fail, for every method: which error, applied or not, how often on the wire."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest

from ncloudchat_async.errors import (
    AuthenticationError,
    BadRequestError,
    BodyTooLargeError,
    ConflictError,
    DeadlineExceededError,
    DecodeError,
    NcloudChatError,
    NoReplyError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    PermissionDeniedError,
    ProjectNotFoundError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    UnexpectedRedirectError,
)
from ncloudchat_async.settings import Timeouts
from tests.faults.calls import (
    CALLS,
    PATIENT,
    QUICK,
    Opener,
    Thing,
    assert_secret,
    opened,
    options_of,
)
from tests.faults.server import OWN_LISTENERS, SCENARIOS, FaultServer
from tests.support.starving import starving

Kind = type[NcloudChatError] | None


class End(NamedTuple):
    """How a call ends: its error or None, what that says, requests the server read."""

    error: Kind
    applied: str = "no"
    requests: int = 1


class Row(NamedTuple):
    """The ends of reads, of writes that may be repeated, and of those that may not."""

    get: End
    put: End
    post: End


FINE = Row(End(None), End(None), End(None))


def surely_not(kind: Kind, requests: int = 1) -> Row:
    """Nothing was applied, whatever the method."""
    end = End(kind, "no", requests)
    return Row(end, end, end)


def in_doubt(kind: Kind, requests: int = 1) -> Row:
    """A write may have been applied: one that must not be repeated says so at once."""
    return Row(
        End(kind, "no", requests),
        End(kind, "unknown", requests),
        End(OutcomeUnknownError, "unknown", 1),
    )


NEVER_SENT = surely_not(NotSentError, 0)
LOST_UNREAD = in_doubt(NoReplyError, 0)._replace(post=End(OutcomeUnknownError, "unknown", 0))
THEN_NEVER_SENT = in_doubt(NotSentError, 0)._replace(post=End(NotSentError, "no", 0))
LOST = in_doubt(NoReplyError, 2)
UNREADABLE = in_doubt(DecodeError)
TOO_LARGE = in_doubt(BodyTooLargeError)
TROUBLE = in_doubt(ServerError, 2)
FINAL_TROUBLE = in_doubt(ServerError)
THROTTLED = surely_not(RateLimitedError, 2)
REDIRECTED = surely_not(UnexpectedRedirectError)
REFUSED = surely_not(AuthenticationError)
BAD = surely_not(BadRequestError)
MISSING = surely_not(NotFoundError)
NOTHING_HERE = Row(End(NotFoundError), End(NotFoundError), End(OutcomeUnknownError, "unknown"))
"""An empty answer: nothing has the id of the path; a path without an id leaves doubt."""

TABLE: dict[str, Row | tuple[Row, ...]] = {
    # A reset while connecting is seen in the middle of it or right after: both are true.
    "reset_at_accept": (NEVER_SENT, LOST_UNREAD, THEN_NEVER_SENT),
    "closed_at_accept": (NEVER_SENT, LOST_UNREAD, THEN_NEVER_SENT),
    # What follows a complete answer may spoil it, or be thrown away with the connection.
    "stray_bytes": (FINE, LOST),
    "length_too_short": (LOST, UNREADABLE),
    "endless_headers": (LOST, TOO_LARGE),
    "endless_header_line": (LOST, TOO_LARGE),
    "corrupt_zip": (LOST, UNREADABLE),
    "truncated_zip": (LOST, UNREADABLE),
    "late_garbage_zip": (LOST, UNREADABLE),
    "not_zipped": (LOST, UNREADABLE),
    **dict.fromkeys(["refused", "black_hole", "tls", "tls_hang"], NEVER_SENT),
    **dict.fromkeys(
        [
            "fine", "closed_at_reuse", "closed_after_answer", "second_answer",
            "late_second_answer", "chunked", "interim", "until_closed", "set_cookie", "bom",
            "zipped", "deflated", "unknown_encoding", "lone_surrogate",
        ],
        FINE,
    ),
    **dict.fromkeys(
        [
            "reset_before_headers", "reset_in_headers", "reset_in_body",
            "closed_before_headers", "closed_in_headers", "closed_in_body", "hang",
            "hang_in_headers", "hang_in_body", "never_reads", "drip_headers", "drip_body",
            "late_bad_chunk", "length_too_long", "bad_chunk", "long_chunk", "missing_last_chunk",
            "endless_interim", "garbage", "garbage_closed", "http2", "http09", "http_9",
            "no_status", "status_of_letters", "length_negative", "length_of_letters",
            "two_lengths", "length_and_chunks", "header_without_colon",
        ],
        LOST,
    ),
    **dict.fromkeys(
        [
            "upgrade", "trailing_json", "truncated_json", "echoes_json", "html_200",
            "empty_200", "status_204", "number", "text", "true", "list_for_object", "no_id",
            "id_of_wrong_type", "bad_utf8", "bad_utf8_skipped", "deep", "deep_in_object",
            "deep_skipped", "huge_integer", "huge_exponent", "nan", "infinity",
            "half_escape", "nul", "many_quotes",
        ],
        UNREADABLE,
    ),
    **dict.fromkeys(["endless_chunks", "big_body", "zip_bomb"], TOO_LARGE),
    **dict.fromkeys(["null", "empty_object", "empty_list"], NOTHING_HERE),
    "gone_after_lost": Row(
        End(NotFoundError, "no", 2),
        End(NotFoundError, "unknown", 2),
        End(OutcomeUnknownError, "unknown"),
    ),
    **dict.fromkeys(
        ["redirect_elsewhere", "redirect_loop"]
        + [f"redirect_{status}" for status in (301, 302, 304, 307, 308)],
        REDIRECTED,
    ),
    # "See other" is the answer to a write that was carried out.
    "redirect_303": in_doubt(UnexpectedRedirectError),
    "echoes": REFUSED,
    **{f"status_{code}_in_{http}": REFUSED for code in range(-5, 0) for http in (200, 400)},
    **{f"status_-6_in_{http}": surely_not(ProjectNotFoundError) for http in (200, 400)},
    **{f"status_{c}_in_{http}": BAD for c in (-100, 0, 2, 10**12) for http in (200, 400)},
    "gateway_400_100": BAD,
    "gateway_401_200": REFUSED,
    "gateway_401_210": surely_not(PermissionDeniedError),
    "gateway_200_210": surely_not(PermissionDeniedError),
    "gateway_404_300": MISSING,
    "gateway_413_430": surely_not(PayloadTooLargeError),
    "gateway_429_400": surely_not(QuotaExceededError),
    **dict.fromkeys(
        ["gateway_503_500", "gateway_504_510", "gateway_500_900", "gateway_200_500"], TROUBLE
    ),
    "graphql": BAD,
    "http_401": REFUSED,
    "http_403": surely_not(PermissionDeniedError),
    "http_404": MISSING,
    "http_409": surely_not(ConflictError),
    "http_413": surely_not(PayloadTooLargeError),
    **{f"http_{s}": BAD for s in (400, 402, 405, 406, 410, 411, 414, 415, 418, 422, 431, 451)},
    **{f"http_{status}": in_doubt(BadRequestError, 2) for status in (408, 425)},
    **{f"http_{s}": TROUBLE for s in (500, 502, 503, 504, 507, 511, 599, 600, 999)},
    **{f"http_{status}": FINAL_TROUBLE for status in (501, 505)},
    **dict.fromkeys(["html_502", "echoes_html"], TROUBLE),
    "unavailable_for_a_day": FINAL_TROUBLE,
    **{
        f"throttle_{form}": THROTTLED
        for form in (
            "410_text", "420_number", "empty", "plain", "html", "in_200", "seconds",
            "fraction", "date", "garbage", "negative",
        )
    },
    "throttle_for_a_day": surely_not(RateLimitedError),
    "throttle_for_long": surely_not(RateLimitedError),
}  # fmt: skip

ROWS = {name: (row,) if isinstance(row, Row) else row for name, row in TABLE.items()}


STALLS = (
    "black_hole", "tls_hang", "hang", "hang_in_headers", "hang_in_body", "never_reads",
    "drip_headers", "drip_body",
)  # fmt: skip
"""Faults that show by a timeout only."""


async def end_of(
    opener: Opener,
    faulty: FaultServer,
    name: str,
    method: str,
    timeouts: Timeouts,
    *,
    expected: Sequence[End],
) -> End:
    """Make one call against a scenario, and look at everything that always holds.

    The server, in a thread of its own, may read what was sent after the call has ended: as
    many requests as any of the expected ends has are waited for.
    """
    case = f"{method}-{time.monotonic_ns()}"
    error: NcloudChatError | None = None
    begun = time.monotonic()
    async with (
        starving() as starved_s,
        opened(opener, faulty.url(name, case), timeouts=timeouts) as session,
    ):
        try:
            value = await session.send(CALLS[method], options_of(timeouts))
        except NcloudChatError as caught:
            error = caught
        else:
            assert value == Thing("1")
        elapsed_s = time.monotonic() - begun
        fed_s = elapsed_s - starved_s()
        stats = session.stats
    assert timeouts.deadline_s is not None
    # The promise is 0.25 s, which `python -m benchmarks faults` holds each call to; a busy
    # machine may take longer to look at the clock, and its loop be late for other processes.
    assert fed_s < timeouts.deadline_s + 1.0
    with contextlib.suppress(TimeoutError):
        await faulty.until_seen(name, case, requests=min(end.requests for end in expected))
    requests = 0 if name in OWN_LISTENERS else faulty.seen(name, case)
    if error is None:
        return End(None, "no", requests)
    assert_secret(error)
    assert (error.method, error.attempts) == (method, stats.attempts)
    assert stats.retries == stats.attempts - 1
    assert error.elapsed_s <= elapsed_s
    assert requests in (0, error.attempts)
    return End(type(error), error.applied, requests)


async def assert_ends(
    opener: Opener,
    faulty: FaultServer,
    name: str,
    timeouts: Timeouts,
    expected: Mapping[str, Sequence[End]],
) -> None:
    """Make one call of each method at once: each must end as one of those expected."""
    ends = await asyncio.gather(
        *(end_of(opener, faulty, name, m, timeouts, expected=expected[m]) for m in CALLS)
    )
    for method, end in zip(CALLS, ends, strict=True):
        assert end in expected[method], method


def test_every_scenario_has_a_row() -> None:
    """No way to fail is left without an expectation."""
    assert set(ROWS) == (set(SCENARIOS) | set(OWN_LISTENERS)) - {"mixed"}


@pytest.mark.parametrize("name", ROWS)
async def test_matrix(opener: Opener, faulty: FaultServer, name: str) -> None:
    """Each fault ends each method with the stated error after the stated requests."""
    timeouts = QUICK if name in STALLS else PATIENT

    expected = {
        method: [row[{"GET": 0, "POST": 2}.get(method, 1)] for row in ROWS[name]]
        for method in CALLS
    }
    await assert_ends(opener, faulty, name, timeouts, expected)


SLOW = Timeouts(connect_s=5.0, read_s=5.0, deadline_s=0.5)


@pytest.mark.parametrize("name", STALLS)
async def test_a_stall_ends_at_the_deadline(opener: Opener, faulty: FaultServer, name: str) -> None:
    """A server that takes its time meets the deadline, wherever it stalls."""
    unsent = name in OWN_LISTENERS
    expected = {}
    for method in CALLS:
        kind: Kind = DeadlineExceededError
        if method == "POST" and not unsent:
            kind = OutcomeUnknownError
        applied = "no" if unsent or method == "GET" else "unknown"
        expected[method] = [End(kind, applied, 0 if unsent else 1)]
    await assert_ends(opener, faulty, name, SLOW, expected)
