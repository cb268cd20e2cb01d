"""Decides which number a list's answer to `count` means; never asks for one."""

from typing import cast

from ncloudchat_async.errors import DecodeError

__all__ = ["count_from"]

# The pages say "number of results instead of the list" and show no sample.
_NAMES = ("count", "totalCount", "total")


def count_from(answer: object) -> int | None:
    """Read the number of rows from the decoded JSON of an answer to `option.count`.

    Accepted are a number, a numeric string, an object with `count`, `totalCount` or `total`,
    and an array of one of those.

    Returns:
        The number, or None when rows came back: the option was ignored, and the caller counts
        by paging. An empty array is such an answer.

    Raises:
        DecodeError: The answer is neither a number of rows nor rows.
    """
    if not isinstance(answer, list):
        return _number(answer)
    items = cast("list[object]", answer)
    if len(items) == 1 and not _is_row(items[0]):
        return _number(items[0])
    if all(_is_row(item) for item in items):
        return None
    raise DecodeError("the answer to count is an array of neither rows nor one number")


def _is_row(item: object) -> bool:
    return isinstance(item, dict) and "id" in item


def _number(answer: object) -> int:
    if isinstance(answer, dict):
        named = cast("dict[str, object]", answer)
        answer = next((named[name] for name in _NAMES if name in named), None)
    if isinstance(answer, str) and answer.isascii() and answer.isdecimal():
        return int(answer)
    if isinstance(answer, int) and not isinstance(answer, bool) and answer >= 0:
        return answer
    raise DecodeError("the answer to count holds no number of rows")
