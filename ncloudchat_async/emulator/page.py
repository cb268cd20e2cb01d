"""Decides what people see at `/`; every value is escaped, and nothing is loaded or run."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from string import Template

import msgspec

from ncloudchat_async.emulator.answers import Answer
from ncloudchat_async.emulator.controls import Controls
from ncloudchat_async.emulator.requests import LoggedRequest
from ncloudchat_async.emulator.routes import ROUTES
from ncloudchat_async.emulator.settings import EmulatorSettings

__all__ = ["render"]

_SHOWN = 50
_PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Ncloud Chat emulator</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; margin-bottom: 2rem }
td, th { border-bottom: 1px solid #ddd; padding: .2rem .8rem .2rem 0; text-align: left }
code, td { overflow-wrap: anywhere }
</style>
<h1>Ncloud Chat emulator</h1>
<p>Send requests to <code>$base_url</code> with <code>x-project-id: $project_id</code> and the
API key that the emulator was started with. Controls: $controls.</p>
<h2>Counts</h2>$counts
<h2>Rows</h2>$rows
<h2>Settings that differ from the defaults</h2>$settings
<h2>Fault rules</h2>$faults
<h2>Last requests</h2>$requests
<h2>Operations</h2>$operations
</html>
""")


def render(emulator: Controls, controls: Iterable[str]) -> Answer:
    """Return the page as it is now. It does not show the API key.

    Args:
        emulator: What it shows.
        controls: Method and path of every control.
    """
    stats = emulator.stats
    counts = {
        "requests": stats.requests,
        "throttled (429)": stats.throttled,
        "most in any second": stats.peak_per_second,
        "most accepted in any second": stats.peak_accepted_per_second,
        "most at the same time": stats.peak_in_flight,
        "connections": stats.connections,
    }
    page = _PAGE.substitute(
        base_url=escape(emulator.base_url),
        project_id=escape(emulator.project_id),
        controls=", ".join(f"<code>{escape(control)}</code>" for control in controls),
        counts=_pairs(counts),
        rows=_pairs(stats.rows),
        settings=_pairs(_changed(emulator.settings)),
        faults=_table(
            ("operation", "action", "seen", "fired"),
            (
                (rule.fault.operation, rule.fault.action, rule.seen, rule.fired)
                for rule in emulator.faults
            ),
        ),
        requests=_table(
            ("time (UTC)", "operation", "request", "answer", "faults"),
            map(_request, reversed(emulator.requests[-_SHOWN:])),
        ),
        operations=_table(
            ("operation", "method", "path"),
            ((route.operation, route.method, route.path) for route in ROUTES),
        ),
    )
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options": "nosniff",
    }
    return Answer(200, page.encode(), headers, "text/html; charset=utf-8")


def _changed(settings: EmulatorSettings) -> dict[str, object]:
    plain: dict[str, object] = msgspec.structs.asdict(settings)
    usual = msgspec.structs.asdict(EmulatorSettings())
    return {name: value for name, value in plain.items() if value != usual[name]}


def _request(entry: LoggedRequest) -> tuple[object, ...]:
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%S.%f")[:-3]
    target = f"{entry.method} {entry.path}{'?' if entry.query else ''}{entry.query}"
    status = "dropped" if entry.status is None else entry.status
    return at, entry.operation or "no route", target[:300], status, ", ".join(entry.faults)


def _pairs(values: Mapping[str, object]) -> str:
    return _table((), values.items())


def _table(heads: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    body = "".join(f"<tr>{_cells(line, 'td')}</tr>" for line in lines)
    return f"<table><tr>{_cells(heads, 'th')}</tr>{body}</table>" if body else "<p>None.</p>"


def _cells(values: Iterable[object], tag: str) -> str:
    return "".join(f"<{tag}>{escape(str(value))}</{tag}>" for value in values)
