"""Decides every knob, its default, unit and reason; never reads a file or opens anything."""

import ipaddress
import re
from typing import Final, Literal, get_args
from urllib.parse import SplitResult, urlsplit

import msgspec

from ncloudchat_async.checks import check_flag, check_number, check_text, check_type, check_whole
from ncloudchat_async.errors import ConfigError

__all__ = [
    "DEFAULT_BASE_URL",
    "CallOptions",
    "Pool",
    "Priority",
    "Quota",
    "Retry",
    "Timeouts",
    "check_base_url",
]

DEFAULT_BASE_URL: Final = "https://dashboard-api.ncloudchat.naverncp.com"
"""The only address of this API that the documentation gives (Korea)."""

Priority = Literal["interactive", "bulk"]
"""`interactive` calls overtake `bulk` ones, which still get at least a tenth of the grants."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests may be sent, and how fast.

    Raises:
        ConfigError: A limit makes no sense.
    """

    rate: float | None = None
    """Requests per second; None lets the client find the server's limit by itself
    (the platform states none: D05)."""
    burst: int = 1
    """Requests that may start at the same moment after a pause. Any window of w seconds holds
    at most `burst + rate * (w + 0.004)`: what a late timer held up is made up for, up to 4 ms
    of it."""
    max_in_flight: int = 64
    """Requests on the wire at once; 64 carry 3,200 requests a second at 20 ms latency."""
    max_wait_s: float | None = None
    """Longest a call may queue for its turn before `DeadlineExceededError`; None: until
    its deadline."""
    adaptive: bool = True
    """Slow down on 429 and climb back, never above `rate`; False keeps the pace fixed."""

    def __post_init__(self) -> None:
        """Refuse limits that make no sense."""
        check_number("Quota.rate", self.rate, optional=True)
        check_whole("Quota.burst", self.burst, 1)
        check_whole("Quota.max_in_flight", self.max_in_flight, 1)
        check_number("Quota.max_wait_s", self.max_wait_s, zero=True, optional=True)
        check_flag("Quota.adaptive", self.adaptive)


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """When and how often a failed attempt is repeated.

    Sleeps are drawn between 0 and `min(max_sleep_s, base_s * 2**n)` (full jitter, AWS
    Architecture Blog 2015), at least what Retry-After asks for.

    Raises:
        ConfigError: A value makes no sense.
    """

    max_attempts: int = 4
    """Requests per call, the first included; 1 switches retries off. Four are over within 2 s
    of sleep, 7 s when throttled: what lasts longer is an outage, and the caller's to decide."""
    base_s: float = 0.25
    """First ceiling of the sleep, some round trips long: enough for a connection that was lost
    or a server that hands over. A throttled attempt starts from at least 1 s."""
    max_sleep_s: float = 20.0
    """Highest ceiling of the sleep: a third of the default deadline, so that a long series
    of attempts still fits several in."""
    max_retry_after_s: float = 60.0
    """A Retry-After above this is not waited for: the error is raised with it. The default is
    the default deadline, which no single call outlasts."""
    budget: float = 0.1
    """Retries allowed per successful call, beyond a reserve of 1,000 times this, so that an
    outage is not amplified: with 0.1 the server sees at most 1.1 times the usual requests.
    Throttled attempts are paced instead and do not count."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        check_whole("Retry.max_attempts", self.max_attempts, 1)
        check_number("Retry.base_s", self.base_s, zero=True)
        check_number("Retry.max_sleep_s", self.max_sleep_s, zero=True)
        check_number("Retry.max_retry_after_s", self.max_retry_after_s, zero=True)
        check_number("Retry.budget", self.budget, zero=True)


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for what, in seconds; None: without a bound of its own.

    Raises:
        ConfigError: A bound is not a finite positive number.
    """

    connect_s: float | None = 3.0
    """Name lookup, TCP and TLS of one connection. TCP repeats a lost first packet after 1 s:
    3 s outlast that, and tell soon that nobody is there."""
    read_s: float | None = 15.0
    """One attempt, from the request written to the last byte of the answer. A quarter of the
    default deadline, so that an attempt that hangs leaves time for others; a page of 100
    messages usually takes less than a second."""
    deadline_s: float | None = 60.0
    """The whole call: queueing, attempts and the sleeps between them. A minute is what proxies
    and people commonly wait."""

    def __post_init__(self) -> None:
        """Refuse bounds that are no bounds."""
        check_number("Timeouts.connect_s", self.connect_s, optional=True)
        check_number("Timeouts.read_s", self.read_s, optional=True)
        check_number("Timeouts.deadline_s", self.deadline_s, optional=True)


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """How connections are kept.

    Raises:
        ConfigError: A value makes no sense.
    """

    max_connections: int | None = None
    """None: as many as `Quota.max_in_flight`, so that no request waits for a connection."""
    keepalive_s: float = 10.0
    """Idle time after which a connection is closed; below the usual 15 s and more of
    servers, so that a request rarely meets a connection that is being closed."""
    dns_cache_s: float = 300.0
    """How long a name lookup is reused. Addresses seldom change, and a lookup for each new
    connection may cost more than connecting; a host that moved is found after 5 minutes."""
    max_body_bytes: int = 16 * 2**20
    """Largest decoded answer that is read; a page of 100 messages is about 80 kB."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        check_whole("Pool.max_connections", self.max_connections, 1, optional=True)
        check_number("Pool.keepalive_s", self.keepalive_s, zero=True)
        check_number("Pool.dns_cache_s", self.dns_cache_s, zero=True)
        check_whole("Pool.max_body_bytes", self.max_body_bytes, 1)


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `Client.with_options` can change for a view of the client."""

    deadline_s: float | None = Timeouts().deadline_s
    priority: Priority = "interactive"
    retry: Retry = Retry()

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        check_number("deadline_s", self.deadline_s, optional=True)
        if self.priority not in get_args(Priority):
            raise ConfigError(f"priority must be 'interactive' or 'bulk', not {self.priority!r}")
        check_type("retry", self.retry, Retry, "a Retry(...)")


def check_base_url(url: str, *, allow_insecure: bool) -> str:
    """Return a base URL without its trailing slash, or refuse it.

    Args:
        url: `https://host[:port][/prefix]`; plain http only for this machine.
        allow_insecure: Accept plain http to any host: the key then travels in the clear.

    Raises:
        ConfigError: It cannot be a base URL. The text never repeats it, since it may hold
            credentials.
    """
    check_text("base_url", url)
    try:
        parts = urlsplit(url)
        problem = _problem_of(parts, url, allow_insecure=allow_insecure)
    except ValueError:
        problem = "is not a URL"
    if problem:
        raise ConfigError(f"base_url {problem}")
    return url.rstrip("/")


def _problem_of(parts: SplitResult, url: str, *, allow_insecure: bool) -> str | None:
    checks = (
        (not re.fullmatch(r"[!-~]+", url), "must be printable ASCII (punycode for other hosts)"),
        (parts.scheme not in ("http", "https"), "must begin with https:// (or http://)"),
        ("@" in parts.netloc, "must not hold credentials: they go into project_id and api_key"),
        (not parts.hostname, "names no host"),
        (parts.port == 0, "has port 0"),
        ("?" in url or "#" in url, "must not hold a query or a fragment"),
        (
            bool({".", ".."} & set(parts.path.split("/"))) or "\\" in url,
            "must not hold dot segments or backslashes",
        ),
        (
            parts.scheme == "http" and not allow_insecure and not _is_loopback(parts.hostname),
            "would send the key in the clear: use https, or allow_insecure=True",
        ),
    )
    return next((text for wrong, text in checks if wrong), None)


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
