"""Decides the controls over HTTP: `/_emulator/` for programs, `/` for people."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
from aiohttp import web

from ncloudchat_async.emulator.answers import Answer, gateway, not_allowed
from ncloudchat_async.emulator.audit import Audit
from ncloudchat_async.emulator.controls import Controls
from ncloudchat_async.emulator.faults import Fault, FaultRule
from ncloudchat_async.emulator.names import refuse_unknown
from ncloudchat_async.emulator.objects import encode
from ncloudchat_async.emulator.page import render
from ncloudchat_async.emulator.routes import allow
from ncloudchat_async.emulator.rows import Noun, Seeded
from ncloudchat_async.emulator.settings import EmulatorSettings

__all__ = ["Control"]


class _Seed(msgspec.Struct):
    members: int = 0
    channels: int = 0
    messages_per_channel: int = 0
    subscriptions: int = 0
    seed: int = 0


class _Subscription(msgspec.Struct):
    channel_id: str
    user_id: str
    online: bool = False
    push: bool = True
    mute: bool = False
    language: str | None = None


class _Rows(msgspec.Struct):
    noun: str
    rows: list[dict[str, Any]]
    orphans: bool = False


class _Row(msgspec.Struct):
    noun: str
    id: str


class _Delivery(msgspec.Struct):
    channel_id: str
    content: str


_T = TypeVar("_T", bound=msgspec.Struct)
_PREFIX = "/_emulator/"
_NEWEST = 1000
_FIELDS = msgspec.json.Decoder(dict[str, Any])
_INTENDED = msgspec.json.Decoder(list[_Delivery])


class Control:
    """Serves the controls that Python code has, as JSON, but for hooks and secrets."""

    def __init__(self, emulator: Controls) -> None:
        self._emulator = emulator
        self._controls: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "settings"): lambda _: emulator.settings,
            ("PATCH", "settings"): self._change_settings,
            ("GET", "faults"): lambda _: [_rule(rule) for rule in emulator.faults],
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "requests"): lambda _: emulator.requests[-_NEWEST:],
            ("GET", "stats"): lambda _: emulator.stats,
            ("POST", "seed"): self._seed,
            ("POST", "reset"): self._reset,
            ("POST", "subscriptions"): self._subscribe,
            ("POST", "rows"): self._add_rows,
            ("DELETE", "rows"): self._remove_row,
            ("POST", "key"): self._reissue_key,
            ("POST", "audit"): self._audit,
        }

    @property
    def routes(self) -> list[str]:
        """Method and path of every control."""
        return [f"{method} {_PREFIX}{name}" for method, name in self._controls]

    async def handle(self, request: web.BaseRequest, path: str) -> Answer:
        """Answer one request to `/` or `/_emulator/`."""
        name = path.removeprefix(_PREFIX)
        method = "GET" if request.method == "HEAD" else request.method
        control = self._controls.get((method, name))
        if control is None:
            return self._without_control(request.method, path)
        # Not `read()`, which stops at 1 MiB: an audit may name millions of deliveries.
        body = await request.content.read()
        try:
            return Answer(200, encode(control(body)))
        except (ValueError, RecursionError) as error:
            return Answer(400, encode({"error": str(error)}))

    def _without_control(self, asked: str, path: str) -> Answer:
        name = path.removeprefix(_PREFIX)
        index = name in {"/", "", "/_emulator"}
        methods = [method for method, known in self._controls if known == name or index]
        if not methods:
            hint = f"no such control; there are {', '.join(self.routes)}"
            return gateway(404, 300, "Not Found", details=hint)
        if not index or asked not in {"GET", "HEAD"}:
            return not_allowed(asked, allow(["GET"] if index else methods))
        return (
            render(self._emulator, self.routes) if path == "/" else Answer(200, encode(self.routes))
        )

    def _change_settings(self, body: bytes) -> EmulatorSettings:
        changes = _FIELDS.decode(body)
        self._emulator.settings = self._emulator.settings.but(**changes)
        return self._emulator.settings

    def _add_fault(self, body: bytes) -> dict[str, object]:
        return _rule(self._emulator.faults.add(Fault.checked(_FIELDS.decode(body))))

    def _clear_faults(self, _: bytes) -> list[object]:
        self._emulator.faults.clear()
        return []

    def _seed(self, body: bytes) -> Seeded:
        return self._emulator.seed(**msgspec.structs.asdict(_read(_Seed, body or b"{}")))

    def _reset(self, _: bytes) -> dict[str, object]:
        self._emulator.reset()
        return {}

    def _subscribe(self, body: bytes) -> dict[str, str]:
        fields = msgspec.structs.asdict(_read(_Subscription, body))
        return {"id": self._emulator.add_subscription(**fields)}

    def _add_rows(self, body: bytes) -> dict[str, list[str]]:
        wanted = _read(_Rows, body)
        noun = cast("Noun", wanted.noun)  # others are refused there, with the nearest
        return {"ids": self._emulator.add_rows(noun, wanted.rows, orphans=wanted.orphans)}

    def _remove_row(self, body: bytes) -> dict[str, object]:
        row = _read(_Row, body)
        self._emulator.remove_row(cast("Noun", row.noun), row.id)
        return {}

    def _reissue_key(self, _: bytes) -> dict[str, str]:
        return {"api_key": self._emulator.reissue_key()}

    def _audit(self, body: bytes) -> Audit:
        return self._emulator.audit((one.channel_id, one.content) for one in _INTENDED.decode(body))


def _read(form: type[_T], body: bytes) -> _T:
    fields = _FIELDS.decode(body)
    refuse_unknown("field", fields, (field.name for field in msgspec.structs.fields(form)))
    return msgspec.convert(fields, form)


def _rule(rule: FaultRule) -> dict[str, object]:
    return {"fault": rule.fault, "seen": rule.seen, "fired": rule.fired}
