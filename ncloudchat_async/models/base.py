"""Decides what every struct on the wire has in common; never decodes anything itself."""

from datetime import datetime
from typing import Annotated

import msgspec

__all__ = ["Model", "Timestamp"]

Timestamp = Annotated[datetime, msgspec.Meta(tz=True)] | None
"""An aware moment with the offset the platform sent (its project time zone), or None."""


class Model(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answer of the platform.

    Unknown fields are ignored, unknown words of an enumeration kept, and an absent field
    is None like a null one: the platform may grow. `gc=False` because a frozen tree of
    strings and numbers cannot form a cycle.
    """


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A request body: camelCase on the wire, fields left out unless they were set."""
