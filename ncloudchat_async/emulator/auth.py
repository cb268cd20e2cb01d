"""Decides who may call: the two headers, the key's state, the dashboard's access settings."""

from ipaddress import ip_address, ip_network

from ncloudchat_async.emulator.answers import RefusedError
from ncloudchat_async.emulator.project import Call

__all__ = ["authenticate"]

_STATES = {"deleted": (-3, "API key deleted"), "disabled": (-4, "API key disabled")}
_EXPIRED = (-5, "API key expired")


def authenticate(call: Call) -> None:
    """Let a call pass or refuse it with the documented code.

    The order is the emulator's own: project, key, state of the key, address, access.

    Raises:
        RefusedError: With a code from -1 to -6.
    """
    project, settings = call.project, call.settings
    project_id, api_key, remote = call.caller
    if not project_id:
        raise RefusedError("auth", -1, "projectId is empty")
    if project_id != project.project_id:
        raise RefusedError("auth", -6, "project not found")
    if api_key != project.api_key:
        if api_key in project.replaced_keys:
            raise RefusedError("auth", settings.reissued_key_code, "API key was reissued")
        if api_key in settings.other_keys:
            raise RefusedError("auth", -2, "API key does not match")
        raise RefusedError("auth", -1, "API key not registered")
    if settings.key_state in _STATES:
        raise RefusedError("auth", *_STATES[settings.key_state])
    expires_at = settings.key_expires_at
    if settings.key_state == "expired" or (expires_at is not None and call.now >= expires_at):
        raise RefusedError("auth", *_EXPIRED)
    if settings.allowed_ips and not _allowed(settings.allowed_ips, remote):
        raise RefusedError("auth", -1, "IP address not allowed")
    if settings.api_access == "none" or (settings.api_access == "read" and call.route.writes):
        raise RefusedError("auth", -1, "API access not granted")


def _allowed(networks: tuple[str, ...], remote: str | None) -> bool:
    if remote is None:
        return False
    address = ip_address(remote)
    return any(address in ip_network(network, strict=False) for network in networks)
