"""Decides every knob, its default, unit and reason; never reads a file or opens anything."""

import math
from typing import Literal

import msgspec

from ncloudchat_async.errors import ConfigError

__all__ = ["Pool", "Priority", "Quota", "Retry", "Timeouts"]

Priority = Literal["interactive", "bulk"]
"""`interactive` calls overtake `bulk` ones, which still get at least a tenth of the grants."""


def _positive(name: str, value: float | None, *, zero: bool = False) -> None:
    if value is None:
        return
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        raise ConfigError(f"{name} must be a finite number, {least}, not {value!r}")


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests may be sent, and how fast.

    Raises:
        ConfigError: A limit makes no sense.
    """

    rate: float | None = None
    """Requests per second; None lets the client find the server's limit by itself
    (the platform states none: NOTES D05)."""
    burst: int = 1
    """Requests that may start at the same moment after a pause; 1 keeps any window of
    w seconds at `rate * w + 1`."""
    max_in_flight: int = 64
    """Requests on the wire at once; 64 saturates a core at 20 ms latency."""
    max_wait_s: float | None = None
    """Longest a call may queue for its turn before `DeadlineExceededError`; None: until
    its deadline."""
    adaptive: bool = True
    """Slow down on 429 and climb back, never above `rate`; False keeps the pace fixed."""

    def __post_init__(self) -> None:
        """Refuse limits that make no sense."""
        _positive("Quota.rate", self.rate)
        _positive("Quota.max_wait_s", self.max_wait_s, zero=True)
        if self.burst < 1:
            raise ConfigError(f"Quota.burst must be 1 or more, not {self.burst!r}")
        if self.max_in_flight < 1:
            raise ConfigError(f"Quota.max_in_flight must be 1 or more, not {self.max_in_flight!r}")


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """When and how often a failed attempt is repeated.

    Sleeps are drawn between 0 and `min(max_sleep_s, base_s * 2**n)` (full jitter, AWS
    Architecture Blog 2015), at least what Retry-After asks for.

    Raises:
        ConfigError: A value makes no sense.
    """

    max_attempts: int = 4
    """Requests per call, the first included; 1 switches retries off."""
    base_s: float = 0.25
    """First ceiling of the sleep; a throttled attempt starts from at least 1 s."""
    max_sleep_s: float = 20.0
    """Highest ceiling of the sleep."""
    max_retry_after_s: float = 60.0
    """A Retry-After above this is not waited for: the error is raised with it."""
    budget: float = 0.1
    """Retries allowed per first attempt, so that an outage is not amplified; a reserve of
    10 retries is there from the start."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        if self.max_attempts < 1:
            raise ConfigError(f"Retry.max_attempts must be 1 or more, not {self.max_attempts!r}")
        _positive("Retry.base_s", self.base_s, zero=True)
        _positive("Retry.max_sleep_s", self.max_sleep_s, zero=True)
        _positive("Retry.max_retry_after_s", self.max_retry_after_s, zero=True)
        _positive("Retry.budget", self.budget, zero=True)


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for what, in seconds; None: without a bound of its own.

    Raises:
        ConfigError: A bound is not a finite positive number.
    """

    connect_s: float | None = 3.0
    """Name lookup, TCP and TLS of one connection."""
    read_s: float | None = 15.0
    """One attempt, from the request written to the last byte of the answer."""
    deadline_s: float | None = 60.0
    """The whole call: queueing, attempts and the sleeps between them."""

    def __post_init__(self) -> None:
        """Refuse bounds that are no bounds."""
        _positive("Timeouts.connect_s", self.connect_s)
        _positive("Timeouts.read_s", self.read_s)
        _positive("Timeouts.deadline_s", self.deadline_s)


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
    """How long a name lookup is reused."""
    max_body_bytes: int = 16 * 2**20
    """Largest decoded answer that is read; a page of 100 messages is about 80 kB."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        if self.max_connections is not None and self.max_connections < 1:
            raise ConfigError(
                f"Pool.max_connections must be 1 or more, or None, not {self.max_connections!r}"
            )
        _positive("Pool.keepalive_s", self.keepalive_s, zero=True)
        _positive("Pool.dns_cache_s", self.dns_cache_s, zero=True)
        if self.max_body_bytes < 1:
            raise ConfigError(f"Pool.max_body_bytes must be 1 or more, not {self.max_body_bytes!r}")
