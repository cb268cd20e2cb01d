"""Decides how an emulator starts and ends: inside a loop, in a thread, or until cancelled."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from ncloudchat_async.emulator.control import Control
from ncloudchat_async.emulator.controls import Controls
from ncloudchat_async.emulator.hosts import HostRule, is_loopback
from ncloudchat_async.emulator.project import Project, steady_clock
from ncloudchat_async.emulator.server import Server
from ncloudchat_async.emulator.settings import EmulatorSettings

__all__ = ["Emulator", "EmulatorThread", "serve"]

_T = TypeVar("_T")
_PROJECT_ID = "emulated-project"
_API_KEY = "emulated-key"
_ONCE = "An emulator runs once, so make another"
_HAS = {"new": "is starting", "running": "is running", "ended": "has ended"}


class Emulator(Controls):
    """An independent twin of the platform's REST interface, with state, quotas and faults.

    Use it as `async with Emulator() as emulator`, once. It answers from the loop it was
    entered in; its methods are called from there too. Leaving cuts off requests being worked
    on and gives the rows back; rules, settings and the request log can still be read.

    Args:
        settings: How the platform behaves.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        data: SQLite file that keeps the rows from run to run; None keeps them in memory.
        project_id: What `x-project-id` must say.
        api_key: What `x-api-key` must say.
        allow_remote: Permit a host that other machines can reach.
        names: Further names that `Host` may say, such as a container's.
        now: Clock of Unix time in seconds that never steps back, for key expiry, quotas,
            list lag and late writes; `delay` and `stall` rules wait in real time.

    Raises:
        ValueError: The host is not a loopback one, the port is none, a setting makes no
            sense, or `data` is a file of something else, or another emulator's at the moment.
        OSError: On entering it, the port is in use or `data` cannot be written.
        RuntimeError: On entering it twice, on asking for its address before the start or for
            its rows after the end.
    """

    def __init__(
        self,
        *,
        settings: EmulatorSettings | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        data: str | PathLike[str] | None = None,
        project_id: str = _PROJECT_ID,
        api_key: str = _API_KEY,
        allow_remote: bool = False,
        names: Iterable[str] = (),
        now: Callable[[], float] | None = None,
    ) -> None:
        if not allow_remote and not is_loopback(host):
            raise ValueError(f"{host} can be reached by others; say allow_remote if you mean it")
        if not 0 <= port <= 65_535:
            raise ValueError(f"{port} is no port; ports go from 0, a free one, to 65535")
        checked = (settings or EmulatorSettings()).but()
        project = Project(project_id, api_key, checked, data, now or steady_clock())
        super().__init__(Server(project, HostRule(allow_remote=allow_remote, names=names)))
        self._server.control = Control(self).handle
        self._host = host
        self._port = port
        self._state: Literal["new", "running", "ended"] = "new"

    def __repr__(self) -> str:
        return f"<Emulator {self._standing()}>"

    @property
    def base_url(self) -> str:
        """Address for clients, without a slash at the end; a free port is known once started."""
        if not self._port:
            raise RuntimeError("The emulator has no address before it is entered with `with`")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - shown
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise RuntimeError(f"{_ONCE}; this one {_HAS[self._state]}")
        self._state = "running"
        try:
            self._port = await self._server.start(self._host, self._port)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        self._state = "ended"
        try:
            await self._server.stop()
        finally:
            self._server.project.store.close()

    def _run(self, work: Callable[[], _T]) -> _T:
        if self._state == "ended":
            raise RuntimeError("The emulator has ended, and its rows with it; ask while it runs")
        return work()

    def _standing(self) -> str:
        # Counts that no other thread need be asked for, so that a debugger may show them.
        where = self.base_url if self._port else f"{self._host}, port not chosen"
        project, rules = self.project_id, len(self.faults)
        asked = self.requests.total
        return f"{self._state} at {where}: project {project!r}, {asked} requests, {rules} faults"


class EmulatorThread(Controls):
    """An emulator with a loop and a thread of its own, for synchronous tests.

    Use it as `with EmulatorThread() as emulator`, once. It takes the arguments of `Emulator`
    and raises as it does; its methods may be called from any thread.
    """

    def __init__(
        self,
        *,
        settings: EmulatorSettings | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        data: str | PathLike[str] | None = None,
        project_id: str = _PROJECT_ID,
        api_key: str = _API_KEY,
        allow_remote: bool = False,
        names: Iterable[str] = (),
        now: Callable[[], float] | None = None,
    ) -> None:
        self._emulator = Emulator(
            settings=settings,
            host=host,
            port=port,
            data=data,
            project_id=project_id,
            api_key=api_key,
            allow_remote=allow_remote,
            names=names,
            now=now,
        )
        super().__init__(self._emulator._server)
        self._thread = threading.Thread(target=self._live, name="emulator", daemon=True)
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._ended: Future[None] = Future()

    def __repr__(self) -> str:
        return f"<EmulatorThread {self._emulator._standing()}>"

    @property
    def base_url(self) -> str:
        """Address for clients, without a slash at the end."""
        return self._emulator.base_url

    def __enter__(self) -> Self:
        if self._thread.ident is not None:
            raise RuntimeError(f"{_ONCE}; this one {_HAS[self._emulator._state]}")
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        loop, stop = self._started.result()
        loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    def _live(self) -> None:
        async def main() -> None:
            stop = asyncio.Event()
            async with self._emulator:
                self._started.set_result((asyncio.get_running_loop(), stop))
                await stop.wait()

        try:
            asyncio.run(main())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)
        finally:
            self._ended.set_result(None)

    def _run(self, work: Callable[[], _T]) -> _T:
        # Before the start nobody else runs, and a hook already runs in the thread.
        if threading.get_ident() == self._thread.ident or not self._thread.is_alive():
            return self._emulator._run(work)
        done: Future[_T] = Future()

        def carry_out() -> None:
            try:
                done.set_result(self._emulator._run(work))
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                done.set_exception(error)

        loop, _ = self._started.result()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(carry_out)
        # The loop may close with the work still in its queue.
        either: list[Future[Any]] = [done, self._ended]
        wait(either, return_when=FIRST_COMPLETED)
        return done.result() if done.done() else self._emulator._run(work)


async def serve(emulator: Emulator, on_ready: Callable[[str], None]) -> None:
    """Run an emulator until cancelled.

    Args:
        emulator: What to run; it is closed afterwards.
        on_ready: Told the base URL once requests are answered, to print it for instance.
    """
    async with emulator:
        on_ready(emulator.base_url)
        await asyncio.Event().wait()
