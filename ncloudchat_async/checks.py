"""Decides what an argument may be; the rest is refused with words that say what to pass.

Called before anything is sent or read. A wrong value is shown when it is a number; text and
objects are named by their type only, since they may be somebody's words or a key.
"""

import contextlib
import math

from ncloudchat_async.errors import ConfigError

__all__ = [
    "check_callable",
    "check_flag",
    "check_number",
    "check_text",
    "check_type",
    "check_unicode",
    "check_whole",
]


def check_type(name: str, value: object, kinds: type | tuple[type, ...], takes: str) -> None:
    """Refuse what is of none of these types.

    Args:
        name: What the argument is called, for the error.
        value: What was passed.
        kinds: What it must be an instance of.
        takes: The same in words, such as `a Quota(...)`.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(value, kinds):
        raise ConfigError(f"{name} takes {takes}, not {_shown(value)}")


def check_callable(name: str, value: object, takes: str, *, optional: bool = False) -> None:
    """Refuse what cannot be called, or None unless `optional`; `takes` says what is wanted."""
    if not (callable(value) or (optional and value is None)):
        raise ConfigError(f"{name} takes {takes}, not {_shown(value)}")


def check_text(name: str, value: object, *, optional: bool = False) -> None:
    """Refuse what is not a string, or None where that is `optional`."""
    if not (isinstance(value, str) or (optional and value is None)):
        raise ConfigError(f"{name} must be a string, not {_shown(value)}")


def check_unicode(name: str, value: object, *, optional: bool = False) -> None:
    """Refuse what is no string, or holds half a character, which no file and no call takes."""
    check_text(name, value, optional=optional)
    if isinstance(value, str) and any("\ud800" <= one <= "\udfff" for one in value):
        raise ConfigError(f"{name} holds a lone surrogate, which is no valid Unicode: mend it")


def check_flag(name: str, value: object) -> None:
    """Refuse what is not a bool: `"false"` from an environment would count as true."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, not {_shown(value)}")


def check_number(name: str, value: object, *, zero: bool = False, optional: bool = False) -> None:
    """Refuse what is not a finite number above 0.

    Args:
        name: What the argument is called, for the error.
        value: What was passed; a bool is no number.
        zero: Whether 0 will do as well.
        optional: Whether None will do as well.

    Raises:
        ConfigError: It is something else.
    """
    if optional and value is None:
        return
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            number = float(value)
    if not (0 < number < math.inf or (zero and number == 0)):
        least = "0 or more" if zero else "more than 0"
        none = ", or None" if optional else ""
        raise ConfigError(f"{name} must be a finite number, {least}{none}, not {_shown(value)}")


def check_whole(
    name: str,
    value: object,
    least: int,
    most: int | None = None,
    *,
    optional: bool = False,
    otherwise: str = "",
) -> None:
    """Refuse what is not a whole number in a range.

    Args:
        name: What the argument is called, for the error.
        value: What was passed; a bool or a float is no whole number.
        least: The least it may be.
        most: The most it may be; None: any.
        optional: Whether None will do as well.
        otherwise: What else the argument takes, in words; the caller has tested for it.

    Raises:
        ConfigError: It is something else.
    """
    if optional and value is None:
        return
    whole = value if isinstance(value, int) and not isinstance(value, bool) else None
    if whole is None or whole < least or (most is not None and whole > most):
        range_ = f"{least} or more" if most is None else f"from {least} to {most}"
        words = otherwise or (", or None" if optional else "")
        raise ConfigError(f"{name} must be a whole number, {range_}{words}, not {_shown(value)}")


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return type(value).__name__
