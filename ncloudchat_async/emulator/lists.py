"""Decides how a list is answered: count or page, list lag, and what paging faults do to it."""

from collections.abc import Callable

from ncloudchat_async.emulator.objects import encode
from ncloudchat_async.emulator.project import Call
from ncloudchat_async.emulator.query import Listing, parse
from ncloudchat_async.emulator.store import Table

__all__ = ["answer_list"]


def answer_list(
    call: Call,
    table: Table,
    narrow: Callable[[Listing], None] | None = None,
    *,
    counts: bool = True,
) -> bytes:
    """Answer a list request; `narrow` adds what the path or the noun implies."""
    listing = parse(call.query, table, call.settings, counts=counts)
    if narrow is not None:
        narrow(listing)
    lag_s = max(call.settings.list_lag_s, call.paging.lag_s)
    if lag_s:
        listing.require("at_ms <= ?", int((call.now - lag_s) * 1000))
    shape = call.settings.count_shape
    if listing.count and shape != "ignored":
        return _counted(call.store.count(table, listing), shape)
    return b"[%s]" % b",".join(_page(call, table, listing))


def _counted(count: int, shape: str) -> bytes:
    bare: dict[str, object] = {"number": count, "text": str(count), "array": [count]}
    return encode(bare.get(shape, {shape: count}))


def _page(call: Call, table: Table, listing: Listing) -> list[bytes]:
    paging = call.paging
    limit, offset = listing.per_page, listing.offset
    if paging.at_most is not None:
        limit = min(limit, paging.at_most)
    rows = call.store.page(table, listing, limit, offset)
    if paging.shorten_to is not None:
        rows = rows[: max(1, int(len(rows) * paging.shorten_to))]
    if paging.after_end is None or len(rows) == limit:
        return rows
    total = call.store.count(table, listing)
    if paging.after_end == "repeat":
        return rows or call.store.page(table, listing, limit, max(0, total - limit))
    while total and len(rows) < limit:
        rows += call.store.page(table, listing, limit - len(rows), (offset + len(rows)) % total)
    return rows
