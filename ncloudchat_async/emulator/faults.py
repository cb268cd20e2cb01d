"""Decides which requests go wrong and how; carrying it out is the server's part."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, Self, overload

import msgspec

from ncloudchat_async.emulator.names import nearest_name, refuse_unknown
from ncloudchat_async.emulator.routes import ROUTES, Route

__all__ = ["PAGING", "Action", "Fault", "FaultRule", "Faults"]

Action = Literal[
    "status",
    "delay",
    "drop_before",
    "drop_after",
    "cut",
    "stall",
    "malformed",
    "hang_up",
    "throttle",
    "late",
    "twice",
    "lag",
    "cap",
    "short",
    "repeat",
    "endless",
    "insert",
    "delete",
]
"""What goes wrong.

- `status`: nothing is applied; `status`, `body` and `headers` come back.
- `delay`: the request is worked on after `delay_s`, plus up to `jitter_s`.
- `drop_before`: nothing is applied; the connection closes without an answer.
- `drop_after`: it is applied; the connection closes without an answer.
- `cut`: it is applied; the connection closes in the middle of the body.
- `stall`: it is applied; the second half of the body comes after `delay_s`.
- `malformed`: it is applied; the body is cut, though its length says that it is whole.
- `hang_up`: it is applied and answered; then the connection closes unannounced.
- `throttle`: nothing is applied; 429 as the settings write it, after `retry_after_s` if given.
- `late`: the connection closes without an answer; it is applied `delay_s` later.
- `twice`: a write is applied twice; the first answer comes back.
- `lag`: a list does not show rows younger than `delay_s`.
- `cap`: a list has at most `rows` rows.
- `short`: a list has fewer rows than it could, at random, but at least one.
- `repeat`: a list past its end shows its last page again.
- `endless`: a list past its end begins anew.
- `insert`, `delete`: before the list is read, `rows` rows are inserted or deleted at `where`.
"""

PAGING: frozenset[str] = frozenset({"lag", "cap", "short", "repeat", "endless", "insert", "delete"})
"""Actions that concern lists only; requests to other operations never match them.

Likewise `twice` concerns only what writes.
"""

_USES: dict[Action, tuple[str, ...]] = {
    "status": ("status", "body", "headers", "content_type"),
    "delay": ("delay_s", "jitter_s"),
    "stall": ("delay_s",),
    "throttle": ("error_code", "retry_after_s"),
    "late": ("delay_s",),
    "lag": ("delay_s",),
    "cap": ("rows",),
    "insert": ("rows", "where"),
    "delete": ("rows", "where"),
}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHOOSING = ("operation", "action", "nth", "every", "probability", "seed", "times")

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]
_NAMES = {name for route in ROUTES for name in (route.operation, f"{route.method} {route.path}")}


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule: which requests, which of them, and what goes wrong.

    Of `nth`, `every` and `probability` at most one is given; none means each request.

    Raises:
        ValueError: The operation is unknown, or never concerned by the action; two of the
            three are given; a field that the action does not use is; or a header is none.
    """

    operation: str
    """Operation id (`sendMessage`), method and route (`POST /v1/api/messages/{channelId}`),
    a method (`POST`), or `*` for all."""
    action: Action
    nth: _Count | None = None
    """Only the nth matching request, from 1."""
    every: _Count | None = None
    """Each nth matching request."""
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Share of matching requests, drawn with `seed`."""
    seed: int = 0
    """What random choices of this rule begin with; the same seed, the same choices."""
    times: _Count | None = None
    """How often the rule fires at most."""
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 503
    """HTTP status of `status`."""
    body: str = '{"error":{"errorCode":"500","message":"Endpoint Connection Error"}}'
    """Body of `status`."""
    headers: dict[str, str] = {}
    """Headers of `status`."""
    content_type: str = "application/json"
    """Content type of `status`."""
    delay_s: _Seconds = 0.0
    """Seconds of `delay`, `stall`, `late` and `lag`."""
    jitter_s: _Seconds = 0.0
    """Seconds that `delay` may take longer, at random."""
    error_code: Literal[400, 410, 420] | None = None
    """`errorCode` of `throttle`; None takes the settings'."""
    retry_after_s: _Seconds | None = None
    """Retry-After of `throttle`; None takes the settings'."""
    rows: _Count = 1
    """Rows of `cap`, `insert` and `delete`."""
    where: Literal["first", "last", "random"] = "last"
    """Where rows come and go, in the order of creation."""

    def __post_init__(self) -> None:
        """Refuse a rule that could never fire, could fire in two ways, or says too much."""
        methods = {route.method for route in ROUTES}
        if self.operation not in _NAMES | methods | {"*"}:
            near = nearest_name(self.operation, _NAMES)
            raise ValueError(f"No operation {self.operation!r}; the nearest is {near!r}")
        if not any(map(self.concerns, ROUTES)):
            able = ", ".join(route.operation for route in ROUTES if _acts_on(self.action, route))
            raise ValueError(f"{self.action!r} does nothing to {self.operation}, only to {able}")
        if [self.nth, self.every, self.probability].count(None) < 2:
            raise ValueError("A fault takes one of nth, every and probability")
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name) or not value.isprintable():
                raise ValueError(f"{name!r} with this value is no header")
        uses = _USES.get(self.action, ())
        for name, default in _DEFAULTS.items():
            if name not in uses and getattr(self, name) != default:
                known = " and ".join(uses) or "none of these fields"
                raise ValueError(f"{self.action!r} does not use {name}; it uses {known}")

    def concerns(self, route: Route) -> bool:
        """Say whether requests of a route match at all."""
        names = {"*", route.operation, route.method, f"{route.method} {route.path}"}
        return self.operation in names and _acts_on(self.action, route)

    @classmethod
    def checked(cls, fields: Mapping[str, object]) -> Self:
        """Build a rule from plain values, as the control API receives them.

        Raises:
            ValueError: A field is unknown, or a value is not one it can take.
        """
        refuse_unknown("field of a fault", fields, cls.__struct_fields__)
        try:
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            raise ValueError(f"Fault refused: {error}") from error


_DEFAULTS = {
    field.name: {} if field.default is msgspec.NODEFAULT else field.default
    for field in msgspec.structs.fields(Fault)
    if field.name not in _CHOOSING
}


def _acts_on(action: Action, route: Route) -> bool:
    """Say whether an action can do anything to a route."""
    if action == "twice":
        return route.writes
    return action not in PAGING or route.operation.startswith("list")


class FaultRule:
    """A fault at work."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen: int = 0
        """Matching requests so far."""
        self.fired: int = 0
        """How often it went wrong so far."""
        self.random: random.Random = random.Random(fault.seed)

    def fires(self, route: Route) -> bool:
        """Count a request and say whether this one goes wrong."""
        fault = self.fault
        if not fault.concerns(route):
            return False
        self.seen += 1
        if fault.times is not None and self.fired >= fault.times:
            return False
        if fault.nth is not None:
            due = self.seen == fault.nth
        elif fault.every is not None:
            due = self.seen % fault.every == 0
        elif fault.probability is not None:
            due = self.random.random() < fault.probability
        else:
            due = True
        self.fired += due
        return due


class Faults(Sequence[FaultRule]):
    """The rules at work, in the order they were added.

    A request that the quota turns away reaches no rule. All rules that fire apply; of
    several that decide the answer (`status`, `throttle`, `drop_after`, `cut`, ...) the
    first does.
    """

    def __init__(self) -> None:
        self._rules: tuple[FaultRule, ...] = ()

    def add(self, fault: Fault) -> FaultRule:
        """Set a rule to work, and return it with its counters.

        Raises:
            ValueError: A field has a value that it cannot take.
        """
        rule = FaultRule(Fault.checked(msgspec.structs.asdict(fault)))
        # Rules are replaced as a whole, so that another thread may add one.
        self._rules = (*self._rules, rule)
        return rule

    def clear(self) -> None:
        """Take all rules back."""
        self._rules = ()

    def fire(self, route: Route) -> list[FaultRule]:
        """Return the rules that fire for a request."""
        return [rule for rule in self._rules if rule.fires(route)]

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[FaultRule]:
        return iter(self._rules)

    @overload
    def __getitem__(self, index: int) -> FaultRule: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FaultRule]: ...
    def __getitem__(self, index: int | slice) -> FaultRule | Sequence[FaultRule]:
        return self._rules[index]
