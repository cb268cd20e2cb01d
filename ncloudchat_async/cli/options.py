"""Kinds of options that several commands have."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

__all__ = ["Amount", "Count", "Flag", "Mode", "Source", "TableForm", "TableNoun", "Words"]

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
"""Something that is off unless it is named."""
Words = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]
"""An option that may be given several times."""
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Amount = Annotated[int, Parameter(validator=validators.Number(gte=0))]
Source = Annotated[Path, Parameter(allow_leading_hyphen=True)]
"""A file, or `-` for stdin, which looks like an option but is none."""

# As the library has them, which the help would otherwise have to load.
Mode = Literal["reconcile", "at_most_once", "at_least_once"]
TableForm = Literal["jsonl", "csv", "parquet"]
TableNoun = Literal["members", "channels", "subscriptions", "messages"]
