"""Decides which method and path is which operation, as data; never what an operation does."""

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

import msgspec

__all__ = ["ROUTES", "Route", "allow", "allowed", "find", "nearest"]


class Route(msgspec.Struct, frozen=True):
    """One operation of the platform's documentation."""

    operation: str
    """The documentation's operation id, such as `sendMessage`."""
    method: str
    path: str
    """Path template; a segment in braces is an id."""
    writes: bool
    """Whether it changes something, so that read-only API access refuses it."""


def _route(operation: str, method: str, path: str) -> Route:
    return Route(operation, method, f"/v1/api{path}", method != "GET")


ROUTES: Sequence[Route] = (
    _route("issueToken", "POST", "/token"),
    _route("listMembers", "GET", "/members"),
    _route("registerMember", "POST", "/members"),
    _route("getMember", "GET", "/members/{userId}"),
    _route("updateMember", "PUT", "/members/{userId}"),
    _route("deleteMember", "DELETE", "/members/{userId}"),
    _route("restoreMember", "DELETE", "/members/{userId}/restore"),
    _route("setMemberNotification", "POST", "/members/{userId}/notification"),
    _route("getMemberNotification", "GET", "/members/{userId}/notification"),
    _route("deleteMemberNotification", "DELETE", "/members/{userId}/notification"),
    _route("requestFriend", "POST", "/friendship/request"),
    _route("requestFriendsBulk", "POST", "/friendship/bulk"),
    _route("acceptFriend", "POST", "/friendship/accept"),
    _route("rejectFriend", "POST", "/friendship/reject"),
    _route("sendMessage", "POST", "/messages/{channelId}"),
    _route("listMessages", "GET", "/messages/{channelId}"),
    _route("getMessage", "GET", "/messages/{channelId}/{messageId}"),
    _route("deleteMessage", "DELETE", "/messages/{channelId}/{messageId}"),
    _route("createChannel", "POST", "/channels"),
    _route("listChannels", "GET", "/channels"),
    _route("getChannel", "GET", "/channels/{channelId}"),
    _route("updateChannel", "PUT", "/channels/{channelId}"),
    _route("deleteChannel", "DELETE", "/channels/{channelId}"),
    _route("listSubscriptions", "GET", "/subscriptions"),
)
"""All 24 operations, in the order of the documentation."""

_RESTORE = next(route for route in ROUTES if route.operation == "restoreMember")
_ALSO_RESTORE = frozenset({"POST", "PUT"})
"""Methods that restore a member too, in lenient mode (D12)."""


class _Node:
    """A segment of the path tree: fixed children, one child for an id, operations that end here."""

    __slots__ = ("any", "fixed", "routes")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.routes: dict[str, Route] = {}


def _tree() -> _Node:
    root = _Node()
    for route in ROUTES:
        node = root
        for segment in route.path.split("/")[1:]:
            if segment.startswith("{"):
                node.any = node = node.any or _Node()
            else:
                node = node.fixed.setdefault(segment, _Node())
        node.routes[route.method] = route
    return root


_TREE = _tree()


def find(method: str, path: str, *, lenient: bool = False) -> tuple[Route, list[str]] | None:
    """Return the operation of a request and the decoded ids of its path.

    `path` is as sent: an encoded slash stays inside its segment, and an empty segment is
    no id. HEAD asks what GET does. `lenient` lets POST and PUT restore a member as well (D12).

    Raises:
        UnicodeDecodeError: An id is not UTF-8.
    """
    place = _walk(path)
    if place is None:
        return None
    node, ids = place
    route = node.routes.get("GET" if method == "HEAD" else method)
    if route is None and lenient and method in _ALSO_RESTORE and _RESTORE in node.routes.values():
        route = _RESTORE
    return (route, [unquote(part, errors="strict") for part in ids]) if route else None


def _walk(path: str) -> tuple[_Node, list[str]] | None:
    node = _TREE
    ids: list[str] = []
    for segment in path.split("/")[1:]:
        child = node.fixed.get(segment)
        if child is None:
            child = node.any
            if child is None or not segment:
                return None
            ids.append(segment)
        node = child
    return node, ids


def allowed(path: str, *, lenient: bool = False) -> str:
    """Name the methods of a path as `Allow` does; empty when it has no operation."""
    if path == "*":
        return allow(route.method for route in ROUTES)
    place = _walk(path)
    if not place or not place[0].routes:
        return ""
    routes = place[0].routes
    return allow({*routes, *_ALSO_RESTORE} if lenient and _RESTORE in routes.values() else routes)


def allow(methods: Iterable[str]) -> str:
    """Write the value of an `Allow` header; where GET is served, HEAD is."""
    served = {*methods, "OPTIONS"}
    return ", ".join(sorted(served | {"HEAD"} if "GET" in served else served))


def nearest(method: str, path: str) -> str:
    """Name the known route that looks most like a request nobody serves."""
    from difflib import SequenceMatcher  # noqa: PLC0415 - only wrong requests need it

    segments = path.split("/")

    def likeness(route: Route) -> float:
        known = route.path.split("/")
        if len(known) == len(segments):
            # Ids say nothing about likeness, so the request's stand in for the template's.
            pairs = zip(known, segments, strict=True)
            known = [asked if part.startswith("{") else part for part, asked in pairs]
        name = f"{route.method} {'/'.join(known)}"
        return SequenceMatcher(None, f"{method} {path}", name).ratio()

    best = max(ROUTES, key=likeness)
    return f"{best.method} {best.path}"
