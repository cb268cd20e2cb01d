"""Decides the way of one request: host, route, quota, faults, access, operation, log."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import count

import msgspec
from aiohttp import web

from ncloudchat_async.emulator import rows
from ncloudchat_async.emulator.answers import (
    Answer,
    GatewayError,
    RefusedError,
    gateway,
    not_allowed,
)
from ncloudchat_async.emulator.auth import authenticate
from ncloudchat_async.emulator.faults import PAGING, Fault, FaultRule, Faults
from ncloudchat_async.emulator.hosts import HostRule
from ncloudchat_async.emulator.operations import OPERATIONS
from ncloudchat_async.emulator.project import Call, Caller, Project
from ncloudchat_async.emulator.quota import Quota
from ncloudchat_async.emulator.requests import LoggedRequest, RequestLog
from ncloudchat_async.emulator.routes import Route, allowed, find, nearest

__all__ = ["ListCall", "Server"]


class ListCall(msgspec.Struct, frozen=True):
    """A list request that is about to be answered, for `on_list`."""

    operation: str
    """Operation id, such as `listMessages`."""
    ids: tuple[str, ...]
    """Decoded ids of the path."""
    query: dict[str, str]
    """Decoded query: `filter`, `sort` and `option` as JSON texts."""


class _Connection(web.RequestHandler):
    """aiohttp's end of a connection, refusing what is no HTTP as the gateway does."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer 400 without a traceback in the log; any other status is a defect, and logged."""
        if status != 400:
            return super().handle_error(request, status, exc, message)
        # Below the first line stands what was sent, a key perhaps.
        reason = (message or "no HTTP").partition("\n")[0].rstrip(":")
        response = _response(gateway(400, 100, "Bad Request", details=reason))
        response.force_close()
        return response


class _Listener(web.Server):
    """aiohttp's server, counting connections."""

    opened = 0

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler)
        self._home = asyncio.get_running_loop()

    def __call__(self) -> web.RequestHandler:
        """Make the end of a new connection."""
        return _Connection(
            self,
            loop=self._home,
            access_log=None,  # type: ignore[arg-type] # aiohttp's own way to log no access
            # Filters travel in the request line, so it may be long.
            max_line_size=65_536,
            # A packed body is one that is not JSON.
            auto_decompress=False,
        )

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection."""
        self.opened += 1
        super().connection_made(handler, transport)


class Server:
    """What stands between the sockets and the operations."""

    def __init__(self, project: Project, hosts: HostRule) -> None:
        self.project = project
        self.faults: Faults = Faults()
        self.requests: RequestLog = RequestLog()
        self.quota: Quota = Quota()
        self.on_list: Callable[[ListCall], None] | None = None
        self.control: Callable[[web.BaseRequest, str], Awaitable[Answer]] | None = None
        """Serves `/` and `/_emulator/`, given the path."""
        self._hosts = hosts
        self._late: list[tuple[float, int, Call]] = []
        self._late_order = count()
        self._listener: _Listener | None = None
        self._runner: web.ServerRunner | None = None

    @property
    def connections(self) -> int:
        """Connections accepted since the start."""
        return self._listener.opened if self._listener else 0

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port."""
        self._listener = _Listener(self.handle)
        self._runner = web.ServerRunner(self._listener, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, backlog=1024).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the socket and every connection; requests being worked on are cut off."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def reset(self) -> None:
        """Forget rules, counts, hooks and writes that are still to come."""
        self.faults.clear()
        self.requests.clear()
        self.quota = Quota()
        self.on_list = None
        self._late.clear()

    def settle(self) -> None:
        """Carry out writes that a `late` rule put off and that are due by now."""
        now = self.project.now()
        while self._late and self._late[0][0] <= now:
            due, _, call = heapq.heappop(self._late)
            call.now = due
            self._carry_out(call)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if not self._hosts.accepts(request):
            return _response(gateway(421, 300, "Misdirected Request", details="foreign host"))
        path, _, query = _target(request).partition("?")
        if self.control is not None and (path == "/" or f"{path}/".startswith("/_emulator/")):
            return _response(await self.control(request, path))
        self.settle()
        project = self.project
        now = project.now()
        found = _operation(request.method, path, lenient=project.settings.mode == "lenient")
        if isinstance(found, Answer):
            self.requests.add(LoggedRequest(None, request.method, path, query, found.status, now))
            return _response(found)
        route, ids = found
        quota = self.quota
        refusal = quota.enter(now, project.settings)
        if refusal is not None:
            self.requests.add(
                LoggedRequest(route.operation, request.method, path, query, refusal.status, now)
            )
            return _response(refusal)
        try:
            return await self._serve(request, Call(project, route, ids, query), path, now)
        finally:
            quota.leave()

    async def _serve(
        self, request: web.BaseRequest, call: Call, path: str, now: float
    ) -> web.StreamResponse:
        operation = call.route.operation
        fired: Sequence[FaultRule] = ()
        body = await _read(request, self.project.settings.max_body_bytes)
        if body is None or call.stale:
            reply = _Reply(None)
        elif isinstance(body, Answer):
            reply = _Reply(body)
        else:
            call.body = body
            call.caller = Caller(
                request.headers.get("x-project-id", ""),
                request.headers.get("x-api-key", ""),
                request.remote,
            )
            if self.faults:
                fired = self.faults.fire(call.route)
            if self.on_list is not None and operation.startswith("list"):
                with suppress(GatewayError):  # an unreadable query is answered below
                    self.on_list(ListCall(operation, tuple(call.ids), call.query))
            reply = await self._go_wrong(call, fired) if fired else _Reply(self._carry_out(call))
        status = None if reply.answer is None else reply.answer.status
        faults = tuple(rule.fault.action for rule in fired)
        if not call.stale:
            self.requests.add(
                LoggedRequest(operation, request.method, path, call.query_text, status, now, faults)
            )
        return await _send(request, reply)

    def _carry_out(self, call: Call) -> Answer:
        settings = self.project.settings
        try:
            authenticate(call)
            return Answer(200, OPERATIONS[call.route.operation](call))
        except RefusedError as refusal:
            return refusal.answer(settings)
        except GatewayError as refusal:
            return refusal.answer

    async def _go_wrong(self, call: Call, fired: Sequence[FaultRule]) -> "_Reply":
        deciding: Fault | None = None
        for rule in fired:
            fault = rule.fault
            if fault.action == "delay":
                await asyncio.sleep(fault.delay_s + fault.jitter_s * rule.random.random())
                if call.stale:
                    return _Reply(None)
                call.now = self.project.now()
            elif fault.action in PAGING:
                self._disturb(call, rule)
            else:
                deciding = deciding or fault
        return _Reply(self._carry_out(call)) if deciding is None else self._decide(call, deciding)

    def _decide(self, call: Call, fault: Fault) -> "_Reply":
        """Carry out, or not, what a rule decides, and say what the caller gets to see."""
        if fault.action == "status":
            body = fault.body.encode()
            return _Reply(Answer(fault.status, body, fault.headers, fault.content_type))
        if fault.action == "throttle":
            code, wait_s = fault.error_code, fault.retry_after_s
            refusal = self.quota.refuse(call.now, call.settings, code=code, retry_after_s=wait_s)
            return _Reply(refusal)
        if fault.action == "late":
            due = call.now + fault.delay_s
            heapq.heappush(self._late, (due, next(self._late_order), call))
        if fault.action in {"late", "drop_before"}:
            return _Reply(None)
        answer = self._carry_out(call)
        reply = _Reply(answer)
        match fault.action:
            case "drop_after":
                reply.answer = None
            case "cut":
                reply.halved = True
            case "stall":
                reply.halved, reply.rest_after_s = True, fault.delay_s
            case "malformed":
                answer.body = answer.body[: len(answer.body) // 2]
            case "hang_up":
                reply.hang_up = True
            case _:  # twice, which only writes get here with
                self._carry_out(call)
        return reply

    def _disturb(self, call: Call, rule: FaultRule) -> None:
        """Do to a page, or to the rows under it, what a paging rule asks for."""
        fault, paging = rule.fault, call.paging
        changes: dict[str, object] = {}
        match fault.action:
            case "lag":
                changes["lag_s"] = max(paging.lag_s, fault.delay_s)
            case "cap":
                changes["at_most"] = min(paging.at_most or fault.rows, fault.rows)
            case "short":
                changes["shorten_to"] = rule.random.random()
            case "repeat" | "endless":
                changes["after_end"] = fault.action
            case _:
                rows.churn(
                    self.project,
                    call.route.operation,
                    call.ids,
                    insert=fault.action == "insert",
                    count=fault.rows,
                    where=fault.where,
                    chance=rule.random,
                )
        call.paging = msgspec.structs.replace(paging, **changes)


class _Reply(msgspec.Struct):
    """An answer and how it reaches the caller."""

    answer: Answer | None
    """None closes the connection without one."""
    halved: bool = False
    """Send half of the body first."""
    rest_after_s: float | None = None
    """Seconds until the other half; None closes the connection instead."""
    hang_up: bool = False
    """Close the connection after the answer, without saying so in it."""


def _target(request: web.BaseRequest) -> str:
    """Return path and query as sent; a proxy's caller puts scheme and host before them."""
    target = request.raw_path
    if target.startswith("http://"):
        target = f"/{target[7:].partition('/')[2]}"
    return target


def _operation(method: str, path: str, *, lenient: bool) -> tuple[Route, list[str]] | Answer:
    """Return the operation that a request asks for and its ids, or why there is none."""
    try:
        found = find(method, path, lenient=lenient)
    except UnicodeDecodeError:
        return gateway(400, 100, "Bad Request", details="the path is not UTF-8")
    if found is not None:
        return found
    methods = allowed(path, lenient=lenient)
    if not methods:
        hint = f"no such route; the nearest is {nearest(method, path)}"
        return gateway(404, 300, "Not Found", details=hint)
    return not_allowed(method, methods)


async def _read(request: web.BaseRequest, limit: int) -> bytes | Answer | None:
    """Return the request body, or the refusal of one that is too large; None if it broke off."""
    if not request.can_read_body:
        return b""
    if (request.content_length or 0) > limit:
        return _too_large()
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return _too_large()
    except ConnectionError:
        return None
    return body if len(body) <= limit else _too_large()


def _too_large() -> Answer:
    return gateway(413, 430, "Request Entity Too Large")


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": answer.content_type, **answer.headers},
    )


async def _send(request: web.BaseRequest, reply: _Reply) -> web.StreamResponse:
    answer = reply.answer
    if answer is None:
        _close(request)
        return web.Response()
    if reply.halved and request.method != "HEAD":
        return await _send_halved(request, answer, reply.rest_after_s)
    response = _response(answer)
    if reply.hang_up:
        await response.prepare(request)
        await response.write_eof()
        _close(request)
    return response


async def _send_halved(
    request: web.BaseRequest, answer: Answer, rest_after_s: float | None
) -> web.StreamResponse:
    half = len(answer.body) // 2
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = answer.content_type
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[:half])
    if rest_after_s is None:
        _close(request)
    else:
        await asyncio.sleep(rest_after_s)
        await response.write(answer.body[half:])
    return response


def _close(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()
