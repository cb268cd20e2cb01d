"""Decides which values of an answer are timestamps: by the type they are to have, not by name.

A timestamp that cannot be read must not fail the whole object it stands in.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import inspect

__all__ = ["with_sound_timestamps"]

_SEQUENCES = (inspect.ListType, inspect.VarTupleType, inspect.SetType, inspect.FrozenSetType)


def with_sound_timestamps(value: Any, kind: Any) -> Any:
    """Read the timestamps of a value that is to become a `kind`, and make None of bad ones.

    Only what is to be an aware `datetime` or None is touched: `models.base.Timestamp`.
    """
    return _sound(value, inspect.type_info(kind))


def _sound(value: Any, kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.UnionType):
        if _is_timestamp(kind):
            return _moment(value)
        for member in kind.types:
            value = _sound(value, member)
    elif isinstance(kind, inspect.StructType) and isinstance(value, dict):
        kinds = {field.encode_name: field.type for field in kind.fields}
        return {k: _sound(v, kinds[k]) if k in kinds else v for k, v in value.items()}
    elif isinstance(kind, inspect.DictType) and isinstance(value, dict):
        return {k: _sound(v, kind.value_type) for k, v in value.items()}
    elif isinstance(kind, _SEQUENCES) and isinstance(value, list):
        return [_sound(item, kind.item_type) for item in value]
    return value


def _is_timestamp(kind: inspect.UnionType) -> bool:
    moments = [m for m in kind.types if isinstance(m, inspect.DateTimeType) and m.tz]
    return len(moments) == 1 and kind.includes_none and len(kind.types) == 2


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        # As the decoder reads it where all timestamps of an answer are good.
        moment = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
    # Without an offset the moment is not known: the project's time zone is not ours.
    return moment if moment.tzinfo else None
