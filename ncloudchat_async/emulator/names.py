"""Decides what is said about a name that does not exist: which known one is nearest."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["nearest_name", "refuse_unknown"]


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that looks most like another."""
    return get_close_matches(name, sorted(known), 1, cutoff=0.0)[0]


def refuse_unknown(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that are not known.

    Raises:
        ValueError: Names the first unknown one, and the nearest known one.
    """
    held = frozenset(known)
    for name in names:
        if name not in held:
            raise ValueError(f"No {what} {name!r}; the nearest is {nearest_name(name, held)!r}")
