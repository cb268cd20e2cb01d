"""Pages of a list: what to ask for next, what is new in the answer, and where to resume."""

from ncloudchat_async.paging.count import count_from
from ncloudchat_async.paging.pages import Fetch, ItemIterator, Page, PageIterator, Pages
from ncloudchat_async.paging.seen import Row

__all__ = ["Fetch", "ItemIterator", "Page", "PageIterator", "Pages", "Row", "count_from"]
