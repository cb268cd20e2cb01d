"""The exception tree: what users catch, and what survives a process border."""

import pickle

import pytest

from ncloudchat_async import errors

KINDS = [
    kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, errors.NcloudChatError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_survives_pickling(kind: type[errors.NcloudChatError]) -> None:
    """Errors cross process borders with all that they know."""
    error = kind("text").located("Channels.get", "GET", "/x/{id}", attempts=3, elapsed_s=1.5)
    error.applied = "unknown"
    if isinstance(error, errors.ApiError):
        error.http_status, error.code, error.retry_after_s = 429, 410, 2.0
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error) == "Channels.get: text (3 attempts, 1.50 s)"
    assert vars(copy) == vars(error)


def test_the_tree() -> None:
    """The families that callers catch are those promised."""
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.NotSentError, errors.TransportError)
    assert issubclass(errors.NoReplyError, errors.TransportError)
    families: dict[type[Exception], set[type[Exception]]] = {
        errors.ResponseError: {
            errors.DecodeError,
            errors.BodyTooLargeError,
            errors.UnexpectedRedirectError,
        },
        errors.ApiError: {errors.RateLimitedError, errors.QuotaExceededError, errors.ServerError},
        errors.JournalError: {errors.JournalLockedError, errors.JournalMismatchError},
    }
    for family, kinds in families.items():
        assert all(issubclass(kind, family) for kind in kinds)
    assert not issubclass(errors.OutcomeUnknownError, errors.TransportError)


def test_an_error_outside_of_a_call_says_just_its_text() -> None:
    """Only what happened in a call names one."""
    assert str(errors.ConfigError("bad")) == "bad"
