"""Decides what is written to a journal together, and in which order."""

from collections.abc import Collection, Iterator

from ncloudchat_async.journal.view import State

__all__ = ["Batch"]

Plan = tuple[int, str, str, str | None, State, int, int | None]
"""(seq, channel_id, content, ref, state, attempts, begun_ms)"""


class Batch:
    """Changes that are written in one transaction, in the order of these fields."""

    def __init__(self) -> None:
        self.plans: dict[int, Plan] = {}
        """What was read from the input, by number; perhaps about to be sent already."""
        self.withdrawn: list[tuple[int]] = []
        """(seq,) of intents that came to nothing; what becomes of them is recorded as well."""
        self.records: list[tuple[State, str | None, str | None, str | None, int]] = []
        """(state, message_id, error, reason, seq) of what came of a send."""
        self.doubts: list[tuple[int, str, float, int, int]] = []
        """(seq, channel_id, due_s, absent, looks) of what is to be looked for."""
        self.settled: list[tuple[int]] = []
        """(seq,) of what need not be looked for any more."""
        self.intents: list[tuple[int, int]] = []
        """(begun_ms, seq) of what is about to be sent."""
        self.learnt: list[tuple[bool | None, str | None, int | None]] = []
        """(complete, sender_id, skew_ms); None leaves what is there."""

    def __bool__(self) -> bool:
        return any(rows for _, rows in self.statements())

    def intend(self, seq: int, begun_ms: int) -> None:
        """Note that a delivery is about to be sent."""
        plan = self.plans.get(seq)
        if plan is None:
            self.intents.append((begun_ms, seq))
        else:  # written for the first time: one statement instead of two
            self.plans[seq] = (*plan[:4], "sending", 1, begun_ms)

    def take_back(self, later: "Batch") -> None:
        """Give up the intents, of which nothing came, and append a later batch."""
        self.intents.clear()
        for seq, plan in self.plans.items():
            self.plans[seq] = (*plan[:4], "planned", 0, None)
        self.plans |= later.plans
        self.withdrawn += later.withdrawn
        self.records += later.records
        self.doubts += later.doubts
        self.settled += later.settled
        self.intents += later.intents
        self.learnt += later.learnt

    def statements(self) -> Iterator[tuple[str, Collection[tuple[object, ...]]]]:
        """Give the statements with their rows."""
        yield (
            "INSERT INTO delivery (seq, channel_id, content, ref, state, attempts, begun_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            self.plans.values(),
        )
        yield (
            "UPDATE delivery SET attempts = attempts - 1,"
            " begun_ms = CASE attempts WHEN 1 THEN NULL ELSE begun_ms END WHERE seq = ?",
            self.withdrawn,
        )
        yield (
            "UPDATE delivery SET state = ?, message_id = ?, error = ?, reason = ? WHERE seq = ?",
            self.records,
        )
        yield "INSERT OR REPLACE INTO doubt VALUES (?, ?, ?, ?, ?)", self.doubts
        yield "DELETE FROM doubt WHERE seq = ?", self.settled
        yield (
            "UPDATE delivery SET state = 'sending', attempts = attempts + 1,"
            " begun_ms = coalesce(begun_ms, ?) WHERE seq = ?",
            self.intents,
        )
        yield (
            "UPDATE job SET complete = coalesce(?, complete),"
            " sender_id = coalesce(?, sender_id), skew_ms = coalesce(?, skew_ms)",
            self.learnt,
        )
