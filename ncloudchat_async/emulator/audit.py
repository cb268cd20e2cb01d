"""Decides what became of intended deliveries, by comparing them with what the store holds."""

from collections import Counter
from collections.abc import Iterable

import msgspec

__all__ = ["Audit", "AuditLine", "compare"]


class AuditLine(msgspec.Struct, frozen=True):
    """A message that is not there as often as intended."""

    channel_id: str
    content: str
    intended: int
    held: int


class Audit(msgspec.Struct, frozen=True):
    """Intended deliveries against held messages, as multisets of channel and content."""

    intended: int
    """Deliveries intended, repetitions included."""
    held: int
    """Messages held, repetitions included."""
    missing: tuple[AuditLine, ...]
    """Held less often than intended."""
    duplicated: tuple[AuditLine, ...]
    """Intended, and held more often than that."""
    extra: tuple[AuditLine, ...]
    """Held without being intended at all."""

    @property
    def exact(self) -> bool:
        """Whether every delivery is held exactly as often as intended, and nothing else is."""
        return not (self.missing or self.duplicated or self.extra)


def compare(intended: Iterable[tuple[str, str]], held: Iterable[tuple[str, str]]) -> Audit:
    """Compare pairs of channel id and content."""
    wanted, found = Counter(intended), Counter(held)
    lines = [
        AuditLine(*pair, wanted[pair], found[pair])
        for pair in wanted | found
        if wanted[pair] != found[pair]
    ]
    return Audit(
        wanted.total(),
        found.total(),
        tuple(line for line in lines if line.held < line.intended),
        tuple(line for line in lines if 0 < line.intended < line.held),
        tuple(line for line in lines if not line.intended),
    )
