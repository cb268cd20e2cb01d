"""How well a hidden limit is found and followed: rows 8 and 9, in virtual time.

`python -m benchmarks.simulator [--quick]` runs the semaphore as it is used, behind 300
callers that always have something to send, against simulated servers that tell nothing but
429. Goodput is what the server accepted over what it would have accepted. Scenarios whose
figures steered the constants of `wire.pace` are printed apart from those that never did.
"""

import argparse
import asyncio
import multiprocessing
import random
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks import figures
from benchmarks.figures import Figure
from benchmarks.limiters import limiter
from benchmarks.virtual_time import VirtualLoop
from ncloudchat_async.settings import Quota
from ncloudchat_async.wire.semaphore import RateSemaphore

__all__ = ["CALLERS", "KINDS", "Result", "Scenario", "changing", "hidden", "judged", "simulate"]

KINDS = ("bucket", "sliding", "fixed", "jitter", "burst")
"""Token bucket of 10 ms; sliding and fixed window of 1 s; sliding window behind latency
that varies by half; token bucket of 0.5 s."""
TUNED = (20, 50, 200, 500, 1000, 2000)
HELD_OUT = (27, 80, 130, 350, 700, 1500)
CALLERS = 300


@dataclass(frozen=True)
class Scenario:
    """One server and one client in front of it."""

    kind: str
    limit: float
    retry_after: bool = False
    seed: int = 0
    duration_s: float = 120.0
    changes: tuple[tuple[float, float], ...] = ()
    """Moments, and the factor by which the limit changes there."""
    quota: Quota = field(default_factory=lambda: Quota(max_in_flight=256))
    jittered_retry: bool = False
    """Callers sleep a random time after a 429 and nothing learns: the usual program."""

    @property
    def latency_s(self) -> float:
        """Round trip and service: 5 to 50 ms, drawn by the seed."""
        return random.Random(self.seed).uniform(0.005, 0.05)

    @property
    def spread(self) -> float:
        """Width of the distribution of latency, as a share of its mean."""
        return 1.0 if self.kind in ("jitter", "in-flight") else 0.05

    @property
    def way_there(self) -> float:
        """Share of the latency before the server decides; it is busy for the rest."""
        return 0.2 if self.kind == "in-flight" else 0.5

    @property
    def allowed(self) -> float:
        """Requests the server would have accepted."""
        rate = self.limit
        if self.kind == "in-flight":
            rate /= self.latency_s * (1 - self.way_there)
        total, at = 0.5 * rate if self.kind == "burst" else 0.0, 0.0
        for moment, factor in (*self.changes, (self.duration_s, 1.0)):
            total += rate * (moment - at)
            rate, at = rate * factor, moment
        return total


@dataclass
class Result:
    """What a scenario came to."""

    scenario: Scenario
    sent: int = 0
    per_second: list[int] = field(default_factory=list)
    refused_per_second: list[int] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Requests that were no 429."""
        return sum(self.per_second)

    @property
    def goodput(self) -> float:
        """Accepted over allowed."""
        return self.accepted / self.scenario.allowed

    @property
    def throttled(self) -> float:
        """Share of 429 in what was sent."""
        return (self.sent - self.accepted) / max(self.sent, 1)

    def settled_s(self, change: int) -> int:
        """Seconds from a change until a whole second brought nine tenths of the new limit."""
        limit = self.scenario.limit
        for _, factor in self.scenario.changes[: change + 1]:
            limit *= factor
        moment = int(self.scenario.changes[change][0])
        for second, accepted in enumerate(self.per_second[moment:]):
            if 0.9 * limit <= accepted <= 1.1 * limit:
                return second + 1
        return len(self.per_second) - moment


class _Run:
    """One scenario under way."""

    def __init__(self, scenario: Scenario) -> None:
        rng = random.Random(scenario.seed)
        self.draw = rng.random
        self.scenario = scenario
        self.loop = VirtualLoop(late=lambda: rng.random() * 0.001)
        self.server = limiter(scenario.kind, scenario.limit, rng.random())
        self.semaphore = RateSemaphore(scenario.quota, now=self.loop.time)
        seconds = int(scenario.duration_s)
        self.result = Result(scenario, 0, [0] * seconds, [0] * seconds)
        self.latency_s = scenario.latency_s
        self.spread = scenario.spread
        self.way_there = scenario.way_there

    def request(self) -> "asyncio.Future[float | None]":
        """Send one request; its answer is None, or the Retry-After of a 429."""
        loop = self.loop
        self.result.sent += 1
        total_s = self.latency_s * (1 + (self.draw() - 0.5) * self.spread)
        there_s = total_s * self.way_there
        answer = loop.create_future()
        loop.call_at(loop.now + there_s, self.arrive, total_s - there_s, answer)
        return answer

    def arrive(self, back_s: float, answer: "asyncio.Future[float | None]") -> None:
        verdict = self.server.admit(self.loop.now)
        self.loop.call_at(self.loop.now + back_s, self.leave, verdict, answer)

    def leave(self, verdict: float | None, answer: "asyncio.Future[float | None]") -> None:
        if verdict is None:
            self.server.leave()
        if not answer.cancelled():
            answer.set_result(verdict)

    async def call(self, semaphore: RateSemaphore) -> bool:
        """Send one request when it is due; tell whether it was accepted."""
        if not semaphore.try_acquire():
            await semaphore.acquire()
        started = self.loop.now
        try:
            retry_after_s = await self.request()
        finally:
            semaphore.release()
        if retry_after_s is None:
            self.result.per_second[int(self.loop.now)] += 1
            semaphore.succeeded(started)
        else:
            self.result.refused_per_second[int(self.loop.now)] += 1
            told = retry_after_s if self.scenario.retry_after else None
            semaphore.throttled(started, told)
        return retry_after_s is None

    async def caller(self) -> None:
        failures = 0
        while True:
            failures = 0 if await self.call(self.semaphore) else failures + 1
            if failures and self.scenario.jittered_retry:
                pause = self.loop.create_future()
                sleep_s = self.draw() * min(20.0, 2.0**failures / 2)
                self.loop.call_at(self.loop.now + sleep_s, pause.set_result, None)
                await pause


def simulate(scenario: Scenario) -> Result:
    """Run one scenario to its end."""
    run = _Run(scenario)
    for _ in range(CALLERS):
        run.loop.create_task(run.caller())
    for moment, factor in scenario.changes:
        run.loop.run(moment)
        run.server.limit *= factor
    run.loop.run(scenario.duration_s - 1e-6)
    return run.result


def hidden(limits: Iterable[float], seed: int, kinds: Sequence[str] = KINDS) -> list[Scenario]:
    """List the scenarios of row 8: a limit that nobody told, without and with Retry-After."""
    return [
        Scenario(kind, limit, retry_after, seed + int(limit))
        for limit in limits
        for kind in kinds
        for retry_after in (False, True)
    ]


def changing(limits: Iterable[float], seed: int, kinds: Sequence[str] = KINDS) -> list[Scenario]:
    """List the scenarios of row 9: 240 s, the limit halved and doubled, or the other way round."""
    return [
        replace(scenario, duration_s=240.0, changes=((80.0, factor), (160.0, 1 / factor)))
        for scenario in hidden(limits, seed, kinds)
        for factor in (0.5, 2.0)
    ]


def _run(title: str, scenarios: Sequence[Scenario]) -> list[Result]:
    """Run and print one table, a line per limit and kind."""
    started = time.monotonic()
    with multiprocessing.Pool() as pool:
        results = pool.map(simulate, scenarios, chunksize=1)
    print(f"\n{title} ({time.monotonic() - started:.0f} s)")
    lines: dict[tuple[float, str], list[Result]] = {}
    for result in results:
        lines.setdefault((result.scenario.limit, result.scenario.kind), []).append(result)
    print(f"{'limit':>6} {'kind':10} goodput and 429s, without Retry-After ... with it ...")
    for (limit, kind), group in lines.items():
        group.sort(key=lambda r: r.scenario.retry_after)
        cells = [f"{r.goodput:6.3f} {r.throttled:7.2%}" for r in group]
        print(f"{limit:6g} {kind:10}", " ".join(cells))
    goodputs = [r.goodput for r in results]
    throttled = [r.throttled for r in results]
    print(
        f"goodput mean {statistics.fmean(goodputs):.4f} least {min(goodputs):.3f}; "
        f"429s mean {statistics.fmean(throttled):.2%} most {max(throttled):.2%}"
    )
    return results


def judged(row: int, what: str, results: Sequence[Result]) -> list[Figure]:
    """Judge what the scenarios of row 8 or 9 came to, each and in the mean."""
    least, mean = (0.90, 0.965) if row == 8 else (0.85, 0.92)
    goodputs = [r.goodput for r in results]
    throttled = [r.throttled * 100 for r in results]
    wanted = (0.93, 0.6) if row == 8 else (least, 0.9)
    found = [
        Figure(
            row=row,
            name=f"{what}: goodput, {kind}",
            value=value,
            unit="",
            must=least,
            target=target,
            least=True,
        )
        for kind, value, target in (
            ("least", min(goodputs), wanted[0]),
            ("mean", statistics.fmean(goodputs), mean),
        )
    ] + [
        Figure(
            row=row, name=f"{what}: 429s, {kind}", value=value, unit="%", must=2.0, target=target
        )
        for kind, value, target in (
            ("most", max(throttled), 2.0),
            ("mean", statistics.fmean(throttled), wanted[1]),
        )
    ]
    for how, target, halved in (("halved", 5.0, True), ("doubled", 20.0, False)):
        times = [
            r.settled_s(number)
            for r in results
            for number, (_, factor) in enumerate(r.scenario.changes)
            if (factor < 1) is halved
        ]
        if times:
            found.append(
                Figure(
                    row=row,
                    name=f"{what}: to nine tenths of a limit that was {how}, median",
                    value=statistics.median(times),
                    unit="s",
                    must=None,
                    target=target,
                    note=f"most {max(times)} s",
                )
            )
    return found


def _course(results: Sequence[Result]) -> dict[str, list[tuple[float, float]]]:
    """Draw what was accepted and refused each second, where the limit halves, then doubles."""
    result = next(
        r for r in results if r.scenario.kind == "sliding" and r.scenario.changes[0][1] < 1
    )
    limit, line = result.scenario.limit, [(0.0, result.scenario.limit)]
    for moment, factor in result.scenario.changes:
        line += [(moment, limit), (moment, limit * factor)]
        limit *= factor
    return {
        "the server's limit": [*line, (result.scenario.duration_s, limit)],
        "accepted": [(float(t), float(n)) for t, n in enumerate(result.per_second)],
        "429s": [(float(t), float(n)) for t, n in enumerate(result.refused_per_second)],
    }


def main(argv: Sequence[str] | None = None) -> figures.Result:
    """Run the tables, print them, and judge those that steered no constant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small limits only, no controls")
    quick = parser.parse_args(argv).quick
    most = 130 if quick else 2000
    _run("Row 8, tuned: a hidden limit", hidden([x for x in TUNED if x <= most], 1))
    held_out = _run(
        "Row 8, held out: a hidden limit", hidden([x for x in HELD_OUT if x <= most], 7001)
    )
    _run("Row 9, tuned: halved and doubled", changing([50] if quick else [50, 200], 1))
    changed = _run(
        "Row 9, held out: halved and doubled", changing([80] if quick else [80, 350], 7001)
    )
    _run("A hidden limit of requests in flight", hidden((8, 20, 50), 1, ("in-flight",)))
    if not quick:
        control = Quota(max_in_flight=64, adaptive=False)
        _run(
            "Control: 64 slots, no pace, full jitter from 1 s",
            [replace(s, quota=control, jittered_retry=True) for s in hidden((50, 500), 1)],
        )
    return figures.Result(
        figures=[
            *judged(8, "hidden limit, simulated", held_out),
            *judged(9, "hidden limit halved and doubled, simulated", changed),
        ],
        curves={"requests per second while a hidden limit halves and doubles": _course(changed)},
    )


if __name__ == "__main__":
    main()
