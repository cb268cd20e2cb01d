"""What observers are told, and how it is logged."""

import logging

import msgspec
import pytest

from ncloudchat_async.wire.observe import Event, LoggingObserver, Stats

ATTEMPT = Event(kind="attempt", operation="Channels.get", attempt=1, seconds=0.25, http_status=200)


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("attempt", logging.DEBUG),
        ("wait", logging.DEBUG),
        ("retry", logging.INFO),
        ("throttle", logging.INFO),
    ],
)
def test_events_are_logged(kind: str, level: int, caplog: pytest.LogCaptureFixture) -> None:
    """What needs attention is logged at INFO, the rest at DEBUG, one line each."""
    event = msgspec.structs.replace(ATTEMPT, kind=kind)
    with caplog.at_level(logging.DEBUG, "ncloudchat_async"):
        LoggingObserver()(event)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("ncloudchat_async", level)
    assert record.getMessage() == (
        f"{kind} Channels.get attempt=1 seconds=0.250 status=200 error=None"
    )


def test_a_logger_can_be_chosen(caplog: pytest.LogCaptureFixture) -> None:
    """Events go to the logger that is passed."""
    with caplog.at_level(logging.DEBUG, "mine"):
        LoggingObserver(logging.getLogger("mine"))(ATTEMPT)
    assert [record.name for record in caplog.records] == ["mine"]


def test_an_event_cannot_be_changed() -> None:
    """What one observer does with an event changes nothing for another."""
    with pytest.raises(AttributeError):
        ATTEMPT.attempt = 2  # type: ignore[misc]  # the point of this test


def test_totals_begin_at_nothing() -> None:
    """A new client has done nothing."""
    assert set(msgspec.structs.astuple(Stats())) == {0}
