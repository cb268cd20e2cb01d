"""Keys that do not show, rings that renew them, and the latch behind refusals."""

import pickle

import pytest

from ncloudchat_async.errors import AuthenticationError, ConfigError
from ncloudchat_async.wire.auth import AuthLatch, KeyRing, Secret

KEY = "sentinel-key"


def test_a_secret_shows_nothing() -> None:
    """No way to write a secret down writes it down, alone or within something else."""
    secret = Secret(KEY)
    header = {"x-api-key": secret.reveal()}
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>9}",
        f"{secret:>9}",
        "%s %r" % (secret, secret),  # noqa: UP031 - this way too
        repr([secret]),
        repr(header),
        pickle.dumps(secret).decode("latin-1"),
        repr(pickle.loads(pickle.dumps(secret))),
    ]
    assert not any(KEY in text for text in shown)
    assert secret.reveal() == KEY


def test_secrets_are_compared_by_value() -> None:
    """A rotated key is told from the same one."""
    assert Secret(KEY) == Secret(KEY) != Secret("other")
    assert len({Secret(KEY), Secret(KEY), Secret("other")}) == 2
    assert Secret(KEY) != KEY


def test_a_secret_is_masked_in_a_text() -> None:
    """Wherever the server repeats the key, three stars stand instead."""
    assert Secret(KEY).masked(f"{KEY}: no {KEY}.") == "***: no ***."
    assert Secret("").masked("nothing to hide") == "nothing to hide"


@pytest.mark.parametrize("echo", ['se"s/me +', 'se\\"s/me +', "se%22s%2Fme%20%2B"])
def test_a_secret_is_masked_as_json_and_urls_write_it(echo: str) -> None:
    """However a server repeats a key, it does not come out of an error."""
    assert Secret('se"s/me +').masked(f"no {echo}.") == "no ***."


async def test_a_fixed_key_cannot_be_renewed() -> None:
    """Without a source there is nobody to ask."""
    secret = Secret(KEY)
    ring = KeyRing(secret)
    assert await ring.open() is secret
    assert not await ring.renew(secret)
    assert not ring.renewing


@pytest.mark.parametrize("given", ["", " ", "key\n", "열쇠"])
async def test_a_source_that_gives_no_key(given: str) -> None:
    """What no header can carry is refused, without being shown."""

    async def source() -> str:
        return given

    with pytest.raises(ConfigError, match="that the callable returned"):
        await KeyRing(source).open()


def refusal(code: int = -3) -> AuthenticationError:
    """A refusal as the platform words it."""
    return AuthenticationError("no (HTTP 200)", http_status=200, code=code, message="no")


def test_the_latch_shuts_at_its_limit() -> None:
    """Two refusals in a row are let pass, three shut it, an accepted call sets them back."""
    latch = AuthLatch()
    for _ in range(2):
        latch.record(refusal(), 10)
    latch.open()
    for _ in range(AuthLatch.LIMIT):
        assert not latch.shut
        latch.record(refusal(), 10)
    assert latch.shut


def test_a_shut_latch_lets_one_probe_at_a_time() -> None:
    """The pause begins with the latest refusal; after it one call passes, not two."""
    latch = AuthLatch()
    for _ in range(AuthLatch.LIMIT):
        latch.record(refusal(), 10)
    early = latch.knock(10 + AuthLatch.PAUSE_S - 0.1)
    assert early is not None
    assert (early.code, early.message) == (-3, "no")
    assert latch.knock(10 + AuthLatch.PAUSE_S) is None
    waiting = latch.knock(11 + AuthLatch.PAUSE_S)
    assert "until a probe is answered" in str(waiting)
    latch.unprobed()
    assert latch.knock(11 + AuthLatch.PAUSE_S) is None
    latch.record(refusal(), 12 + AuthLatch.PAUSE_S)
    assert latch.knock(13 + AuthLatch.PAUSE_S) is not None
    latch.open()
    assert not latch.shut


def test_each_refused_call_gets_an_error_of_its_own() -> None:
    """An error that is raised twice would mix the tracebacks of two calls."""
    latch = AuthLatch()
    for _ in range(AuthLatch.LIMIT):
        latch.record(refusal(), 10)
    assert latch.knock(11) is not latch.knock(11)
