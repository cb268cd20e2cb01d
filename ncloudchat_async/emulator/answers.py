"""Decides the bodies around an object: envelopes, refusals, the gateway's errors."""

from typing import Literal, Self

import msgspec

from ncloudchat_async.emulator.objects import encode
from ncloudchat_async.emulator.settings import EmulatorSettings

__all__ = [
    "Answer",
    "GatewayError",
    "RefusedError",
    "enveloped",
    "gateway",
    "missing",
    "not_allowed",
]

Kind = Literal["auth", "parameter", "conflict", "missing"]
_BAD_PARAMETER = -100
_CONFLICT = -101


class Answer(msgspec.Struct):
    """What goes back: HTTP status, body and extra headers."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    content_type: str = "application/json"


class RefusedError(Exception):
    """The platform says no; `answer` writes it in the form the settings ask for."""

    def __init__(self, kind: Kind, code: int, text: str) -> None:
        super().__init__(text)
        self.kind: Kind = kind
        self.code = code
        self.text = text

    @classmethod
    def parameter(cls, text: str) -> Self:
        """A parameter is missing or wrong (-100, the code of a sibling product)."""
        return cls("parameter", _BAD_PARAMETER, text)

    @classmethod
    def conflict(cls, text: str) -> Self:
        """The object's state forbids the call (-101, the emulator's own code)."""
        return cls("conflict", _CONFLICT, text)

    def answer(self, settings: EmulatorSettings) -> Answer:
        """Write `{"status": -n, "message": text}`."""
        status = {
            "auth": settings.auth_http_status,
            "parameter": settings.refusal_http_status,
            "conflict": settings.conflict_http_status,
            "missing": settings.refusal_http_status,
        }[self.kind]
        return Answer(status, encode({"status": self.code, "message": self.text}))


class GatewayError(Exception):
    """The gateway in front of the platform says no."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def gateway(status: int, code: int, text: str, *, details: str | None = None) -> Answer:
    """Write the shared gateway's error body; `errorCode` is a string in the sample."""
    error: dict[str, str] = {"errorCode": str(code), "message": text}
    if details is not None:
        error["details"] = details
    return Answer(status, encode({"error": error}))


def not_allowed(method: str, methods: str) -> Answer:
    """Answer a method that a path does not know, or the question which ones it does.

    The gateway's table has no code for this, so it is that of an unknown route.
    """
    if method == "OPTIONS":
        return Answer(204, b"", {"Allow": methods})
    answer = gateway(405, 300, "Method Not Allowed", details=f"this path takes {methods}")
    answer.headers = {"Allow": methods}
    return answer


def enveloped(name: str, body: bytes) -> bytes:
    """Put an object under its name, with the status of success."""
    return b'{"%s":%s,"status":1}' % (name.encode(), body)


def missing(settings: EmulatorSettings, what: str, null: bytes = b"null") -> bytes:
    """Answer for an unknown id (D04), `null` being the usual envelope around nothing.

    Raises:
        RefusedError: The settings want `{"status": -1}`.
        GatewayError: The settings want the gateway's 404.
    """
    if settings.missing == "status":
        raise RefusedError("missing", -1, f"{what} not found")
    if settings.missing == "404":
        raise GatewayError(gateway(404, 300, "Not Found", details=f"{what} not found"))
    return b"{}" if settings.missing == "empty" else null
