"""The page about the emulator names every control and fault, and its commands run."""

import inspect
import json
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_args

from ncloudchat_async.emulator import EmulatorSettings
from ncloudchat_async.emulator.faults import Action
from tests.emulator.raw import Api

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")
BASE = "$NCLOUDCHAT_BASE_URL"


class Command(NamedTuple):
    """A call of curl and the answer that the page shows, if any."""

    method: str
    path: str
    body: str | None
    answer: str | None


def commands() -> Iterator[Command]:
    """Read the page's calls of curl, which use `-X` and `-d` only."""
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.M | re.S):
        for text, answer in re.findall(r"^\$ curl (.*)\n((?:[^$].*)?)", block, re.M):
            words = shlex.split(text)
            (target,) = [word for word in words if word.startswith(BASE)]
            options = dict(pairwise(words))
            method = options.get("-X", "GET")
            yield Command(method, target.removeprefix(BASE), options.get("-d"), answer or None)


def form(value: Any) -> Any:
    """Reduce JSON to its keys and types; what a table of counts holds is not fixed."""
    if isinstance(value, dict):
        return {key: form(held) for key, held in value.items()}
    return [form(held) for held in value] if isinstance(value, list) else type(value)


def test_the_pages_commands_answer_what_it_shows(api: Api) -> None:
    """Run one after the other, each command succeeds, with an answer of the shown form."""
    for command in commands():
        if command.path.endswith("/requests"):
            api.send("GET", "/v1/api/members/nobody")
        body = None if command.body is None else command.body.encode()
        headers = {"x-api-key": "", "Content-Type": "application/x-www-form-urlencoded"}
        reply = api.send(command.method, command.path, raw=body, headers=headers)
        assert reply.status == 200, (command, reply)
        if command.answer is not None:
            assert form(reply.json) == form(json.loads(command.answer)), command


def test_the_page_has_every_control(api: Api) -> None:
    """The table and the commands name the controls that are there, and no other."""
    controls = sorted(api.send("GET", "/_emulator").json)
    assert sorted(re.findall(r"^\| `([A-Z]+ /_emulator/\w+)`", PAGE, re.M)) == controls
    assert sorted({f"{command.method} {command.path}" for command in commands()}) == controls


def test_the_page_names_what_no_setting_settles() -> None:
    """Each of the thirty contradictions has a field of the settings or is on the page."""
    settled = set(re.findall(r"\bD\d\d\b", inspect.getsource(EmulatorSettings)))
    named = set(re.findall(r"\bD\d\d\b", PAGE))
    assert settled.isdisjoint(named)
    assert settled | named == {f"D{number:02}" for number in range(1, 31)}


def test_the_page_has_every_fault() -> None:
    """The table of faults has a line for each action."""
    section = PAGE.partition("## Faults")[2].partition("## From")[0]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.M)))
    assert sorted(named) == sorted(get_args(Action))
