"""Options: refused when they make no sense, before anything is opened."""

from collections.abc import Callable

import msgspec
import pytest

from ncloudchat_async import Pool, Quota, Retry, Timeouts
from ncloudchat_async.core import _bounded
from ncloudchat_async.errors import ConfigError
from ncloudchat_async.settings import CallOptions, check_base_url


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Quota(rate=0), "Quota.rate"),
        (lambda: Quota(rate=-1), "Quota.rate"),
        (lambda: Quota(rate=float("nan")), "Quota.rate"),
        (lambda: Quota(rate=float("inf")), "Quota.rate"),
        (lambda: Quota(burst=0), "Quota.burst"),
        (lambda: Quota(max_in_flight=0), "Quota.max_in_flight"),
        (lambda: Quota(max_wait_s=-1), "Quota.max_wait_s"),
        (lambda: Retry(max_attempts=0), "Retry.max_attempts"),
        (lambda: Retry(base_s=-0.1), "Retry.base_s"),
        (lambda: Retry(budget=-1), "Retry.budget"),
        (lambda: Retry(max_sleep_s=float("nan")), "Retry.max_sleep_s"),
        (lambda: Retry(max_retry_after_s=-1), "Retry.max_retry_after_s"),
        (lambda: Timeouts(connect_s=0), "Timeouts.connect_s"),
        (lambda: Timeouts(read_s=0), "Timeouts.read_s"),
        (lambda: Timeouts(deadline_s=-5), "Timeouts.deadline_s"),
        (lambda: Pool(max_connections=0), "Pool.max_connections"),
        (lambda: Pool(max_body_bytes=0), "Pool.max_body_bytes"),
        (lambda: Pool(keepalive_s=-1), "Pool.keepalive_s"),
        (lambda: Pool(dns_cache_s=-1), "Pool.dns_cache_s"),
        (lambda: CallOptions(deadline_s=0), "deadline_s"),
        (lambda: CallOptions(priority="urgent"), "priority"),  # type: ignore[arg-type]  # the mistake
    ],
)
def test_senseless_limits_are_refused(make: Callable[[], object], name: str) -> None:
    """The error names the option and what it takes."""
    with pytest.raises(ConfigError, match=name):
        make()


def test_the_limits_that_nobody_sets() -> None:
    """What users rely on without naming it does not move unnoticed."""
    retry, pool = Retry(), Pool()
    assert (retry.max_retry_after_s, retry.budget) == (60.0, 0.1)
    assert (pool.keepalive_s, pool.max_body_bytes) == (10.0, 16_777_216)


def test_fewer_connections_mean_fewer_slots() -> None:
    """A pool smaller than the quota bounds what is in flight, and changes nothing else."""
    quota = Quota(rate=7, burst=3, max_in_flight=9, max_wait_s=1.0, adaptive=False)
    fewer = msgspec.structs.replace(quota, max_in_flight=4)
    assert _bounded(quota, Pool(max_connections=4)) == fewer


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://host", "https://host"),
        ("https://host/", "https://host"),
        ("https://host:8443/a/b/", "https://host:8443/a/b"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("http://localhost/x", "http://localhost/x"),
        ("http://[::1]:9/", "http://[::1]:9"),
    ],
)
def test_base_urls(url: str, kept: str) -> None:
    """A prefix and a port stay, a trailing slash goes, plain http is for this machine."""
    assert check_base_url(url, allow_insecure=False) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "ftp://host",
        "https://",
        "https://user:sesame@host",
        "https://host?x=1",
        "https://host/#f",
        "https://host:port",
        "https://host:99999",
        "https://ho st",
        "https://host/a\n",
        "https://호스트",
        "https://[::1",
        "https://host/a/../b",
        "http://host",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "javascript:alert(1)",
    ],
)
def test_unusable_base_urls(url: str) -> None:
    """What is refused is told without repeating it: it may hold credentials."""
    with pytest.raises(ConfigError, match="base_url") as caught:
        check_base_url(url, allow_insecure=False)
    assert "sesame" not in str(caught.value)


def test_plain_http_can_be_allowed() -> None:
    """Whoever says so may send the key in the clear."""
    assert check_base_url("http://10.0.0.1", allow_insecure=True) == "http://10.0.0.1"
