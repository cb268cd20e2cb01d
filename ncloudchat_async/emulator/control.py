"""Decides the controls over HTTP: `/_emulator/` for programs, `/` for people."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from ncloudchat_async.emulator.answers import Answer, gateway
from ncloudchat_async.emulator.audit import Audit
from ncloudchat_async.emulator.controls import Controls
from ncloudchat_async.emulator.faults import Fault, FaultRule
from ncloudchat_async.emulator.objects import encode
from ncloudchat_async.emulator.page import render
from ncloudchat_async.emulator.rows import Noun, Seeded
from ncloudchat_async.emulator.settings import EmulatorSettings

__all__ = ["Control"]


class _Seed(msgspec.Struct, forbid_unknown_fields=True):
    members: int = 0
    channels: int = 0
    messages_per_channel: int = 0
    subscriptions: int = 0
    seed: int = 0


class _Subscription(msgspec.Struct, forbid_unknown_fields=True):
    channel_id: str
    user_id: str
    online: bool = False
    push: bool = True
    mute: bool = False
    language: str | None = None


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    noun: Noun
    rows: list[dict[str, Any]]


class _Delivery(msgspec.Struct):
    channel_id: str
    content: str


_NEWEST = 1000
_FAULT = msgspec.json.Decoder(Fault)
_CHANGES = msgspec.json.Decoder(dict[str, Any])
_SEED = msgspec.json.Decoder(_Seed)
_SUBSCRIPTION = msgspec.json.Decoder(_Subscription)
_ROWS = msgspec.json.Decoder(_Rows)
_INTENDED = msgspec.json.Decoder(list[_Delivery])


class Control:
    """Serves the same controls that Python code has, as JSON."""

    def __init__(self, emulator: Controls) -> None:
        self._emulator = emulator
        self._controls: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "settings"): lambda _: emulator.settings,
            ("PATCH", "settings"): self._change_settings,
            ("GET", "faults"): lambda _: [_rule(rule) for rule in emulator.faults],
            ("POST", "faults"): lambda body: _rule(emulator.faults.add(_FAULT.decode(body))),
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "requests"): lambda _: emulator.requests[-_NEWEST:],
            ("GET", "stats"): lambda _: emulator.stats,
            ("POST", "seed"): self._seed,
            ("POST", "reset"): self._reset,
            ("POST", "subscriptions"): self._subscribe,
            ("POST", "rows"): self._add_rows,
            ("POST", "audit"): self._audit,
        }

    async def handle(self, request: web.BaseRequest) -> Answer:
        """Answer one request to `/` or `/_emulator/`."""
        if (request.method, request.path) == ("GET", "/"):
            return render(self._emulator)
        name = request.path.removeprefix("/_emulator/")
        control = self._controls.get((request.method, name))
        if control is None:
            known = ", ".join(f"{method} /_emulator/{path}" for method, path in self._controls)
            return gateway(404, 300, "Not Found", details=f"no such control; there are {known}")
        # Not `read()`, which stops at 1 MiB: an audit may name millions of deliveries.
        body = await request.content.read()
        try:
            return Answer(200, encode(control(body)))
        except (msgspec.DecodeError, ValueError) as error:
            return Answer(400, encode({"error": str(error)}))

    def _change_settings(self, body: bytes) -> EmulatorSettings:
        changes = _CHANGES.decode(body)
        self._emulator.settings = self._emulator.settings.but(**changes)
        return self._emulator.settings

    def _clear_faults(self, _: bytes) -> list[object]:
        self._emulator.faults.clear()
        return []

    def _seed(self, body: bytes) -> Seeded:
        return self._emulator.seed(**msgspec.structs.asdict(_SEED.decode(body or b"{}")))

    def _reset(self, _: bytes) -> dict[str, object]:
        self._emulator.reset()
        return {}

    def _subscribe(self, body: bytes) -> dict[str, str]:
        fields = msgspec.structs.asdict(_SUBSCRIPTION.decode(body))
        return {"id": self._emulator.add_subscription(**fields)}

    def _add_rows(self, body: bytes) -> dict[str, list[str]]:
        wanted = _ROWS.decode(body)
        return {"ids": self._emulator.add_rows(wanted.noun, wanted.rows)}

    def _audit(self, body: bytes) -> Audit:
        return self._emulator.audit((one.channel_id, one.content) for one in _INTENDED.decode(body))


def _rule(rule: FaultRule) -> dict[str, object]:
    return {"fault": rule.fault, "seen": rule.seen, "fired": rule.fired}
