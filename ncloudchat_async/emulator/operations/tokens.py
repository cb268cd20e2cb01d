"""Decides what a user token is: a JWT signed with HS256, which REST itself never asks for."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

import msgspec

from ncloudchat_async.emulator.answers import RefusedError, missing
from ncloudchat_async.emulator.objects import encode
from ncloudchat_async.emulator.operations import members
from ncloudchat_async.emulator.project import Call

__all__ = ["issue"]


class _Wanted(msgspec.Struct):
    id: str | None = None
    expire_days: int | str | None = msgspec.field(default=None, name="expireDay")


_DIGITS = re.compile(r"[0-9]{1,9}")
_WANTED = msgspec.json.Decoder(_Wanted)


def issue(call: Call) -> bytes:
    """Issue a token for an id; query parameters win over a JSON body (D06)."""
    given = call.read(_WANTED)
    user_id = call.query.get("id", given.id)
    if not user_id:
        raise RefusedError.parameter("id is required")
    days = _days(call, call.query.get("expireDay", given.expire_days))
    if call.settings.tokens_for_members_only:
        member = members.find(call, user_id)
        if member is None or member.deleted:
            return missing(call.settings, "member", b'{"status":1,"token":null,"message":""}')
    issued_at = int(call.now)
    claims = {
        "project_ids": [call.project.project_id],
        "id": user_id,
        "projectTimezones": [call.settings.time_zone],
        "iat": issued_at,
        "exp": issued_at + days * 86_400,
    }
    token = _signed(claims, call.project.token_secret)
    return encode({"status": 1, "token": token, "message": ""})


def _days(call: Call, asked: int | str | None) -> int:
    limit = call.settings.max_expire_days
    bounds = "at least 1" if limit is None else f"1 to {limit}"
    text = str(asked)
    days = int(text) if _DIGITS.fullmatch(text) else 0
    if days < 1 or (limit is not None and days > limit):
        raise RefusedError.parameter(f"expireDay must be {bounds}")
    return days


def _signed(claims: Mapping[str, object], secret: str) -> str:
    head = f"{_part(encode({'alg': 'HS256', 'typ': 'JWT'}))}.{_part(encode(claims))}"
    mark = hmac.digest(secret.encode(), head.encode(), hashlib.sha256)
    return f"{head}.{_part(mark)}"


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
