"""The command that calls any path of the platform, with quota, retries and typed errors."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

import msgspec

from ncloudchat_async.cli.common import CHANGE, COMMON, Change, Common
from ncloudchat_async.cli.exits import DONE, USAGE, Failure
from ncloudchat_async.cli.inputs import open_text
from ncloudchat_async.cli.options import Source, Words
from ncloudchat_async.cli.running import IN_DOUBT, Interrupts, run_async

if TYPE_CHECKING:
    from ncloudchat_async.wire.endpoint import Request

__all__ = ["api"]

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_SAFE: Final = "/-._~!$&'()*+,;=:@%"
"""What a path may hold as it is (RFC 3986 section 3.3), its percent signs included."""


def api(
    method: Method,
    path: str,
    *,
    query: Words = (),
    body_from: Source | None = None,
    change: Change = CHANGE,
    common: Common = COMMON,
) -> int:
    """Call any path, such as one that has no command yet, and write what it answers as it is.

    POST, PATCH and the DELETE that restores a member are not repeated when an answer is
    lost: exit code 5 says so.

    Example: `ncloudchat api GET /v1/api/members --query filter={} --query option={}`

    Args:
        method: HTTP method.
        path: Path from the slash on, ids percent-encoded; parameters go into --query.
        query: A parameter as name=value; may be given several times.
        body_from: File that holds the JSON to send, `-` for stdin.
        change: How careful to be.
        common: Where to, and how results are written.
    """
    request = _request(method, path, query, body_from)

    async def run(interrupts: Interrupts) -> int:
        from ncloudchat_async.cli.dry import DryClient, PlannedError

        client = DryClient() if change.dry_run else common.connection.client()
        async with client as chat:
            interrupts.left_behind = "" if method == "GET" else IN_DOUBT
            try:
                answer = await chat.send(request)
            except PlannedError as planned:
                answer = planned.row
        items = answer if isinstance(answer, list) else [answer]
        found = [item if isinstance(item, dict) else {"value": item} for item in items]
        with common.output.open(rows=found) as rows:
            for row in found:
                rows.write(row)
        return DONE

    return run_async(run)


def _request(
    method: str, path: str, query: Sequence[str], body_from: Path | None
) -> "Request[Any]":
    from ncloudchat_async.wire.endpoint import Endpoint, Request

    if not path.startswith("/") or {".", ".."} & set(path.split("/")):
        raise Failure("the path begins with / and has no . or .. in it", USAGE)
    if "?" in path:
        raise Failure("parameters go into --query name=value; in a path, ? is %3F", USAGE)
    words = [word.partition("=") for word in query]
    if any(not equals for _, equals, _ in words):
        raise Failure("--query takes name=value", USAGE)
    target = quote(path, safe=_SAFE)
    if words:
        target += "?" + "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, _, v in words)
    # The path is a name here, and not a template: braces mean nothing in it.
    name = f"{method} {target}"
    restores = method == "DELETE" and path.rstrip("/").endswith("/restore")
    endpoint: Endpoint[Any] = Endpoint(
        method, "/", object, name=name, repeatable=False if restores else None
    )
    return Request(endpoint, target, _body(body_from))


def _body(source: Path | None) -> bytes | None:
    if source is None:
        return None
    with open_text(source) as stream:
        text = stream.read()
    try:
        return msgspec.json.encode(msgspec.json.decode(text))
    except msgspec.DecodeError as error:
        raise Failure(f"the body is no JSON: {error}", USAGE) from None
