"""Decides for which names the emulator answers, so that no web page can reach it by rebinding.

A page in a browser can point a name of its own at 127.0.0.1; its requests then carry that
name in `Host`, and the page's address in `Origin`.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

__all__ = ["HostRule", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Say whether a name or address is this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class HostRule:
    """Which `Host` and `Origin` headers are the emulator's own.

    Args:
        allow_remote: Take any IP address as `Host`; a rebound name is never one.
        names: Further names to answer for, such as a container's.
    """

    def __init__(self, *, allow_remote: bool, names: Iterable[str] = ()) -> None:
        self._allow_remote = allow_remote
        self._names = frozenset(name.lower() for name in names)
        self._known: dict[str, bool] = {}

    def accepts(self, request: web.BaseRequest) -> bool:
        """Say whether a request was meant for the emulator."""
        host = request.headers.get("Host", "")
        known = self._known.get(host)
        if known is None:
            known = self._own(host)
            if len(self._known) < 100:
                self._known[host] = known
        origin = request.headers.get("Origin")
        return known and (origin is None or self._own(urlsplit(origin).netloc))

    def _own(self, netloc: str) -> bool:
        try:
            host = urlsplit(f"//{netloc}").hostname or ""
        except ValueError:
            return False
        if is_loopback(host) or host in self._names:
            return True
        if not self._allow_remote:
            return False
        try:
            ip_address(host)
        except ValueError:
            return False
        return True
