"""When stages are carried out: after those they need, and those that another run is at work on after it has ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean

from adaptx.costs.stages import cost
from adaptx.errors import told
from adaptx.execution.crew import Crew
from adaptx.execution.groups import StageGroup
from adaptx.planning.plan import Node, Plan
from adaptx.store.claim import Busy

RETRY_SECONDS = 1.0
"""Time between two looks at a stage that another run is at work on."""


@dataclass
class Summary:
    """What a run did: stages finished, those that another run finished meanwhile, and failed or skipped ones with
    their cause.
    """

    finished: list[Node] = field(default_factory=list[Node])
    elsewhere: list[Node] = field(default_factory=list[Node])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    errors: dict[str, Exception] = field(default_factory=dict[str, Exception])

    def __repr__(self) -> str:
        others = f" ({len(self.elsewhere)} by another run)" if self.elsewhere else ""
        failed = f"{len(self.failed)} failed or skipped" if self.failed else "none failed"
        return f"<Summary: {len(self.finished)} stages run{others}, {failed}>"

    @property
    def complete(self) -> bool:
        return not self.failed


class StageSchedule:
    """Hands groups of stages to a crew, and sums up what comes back.

    in_order: as planned; else those first that begin the longest chains, so that no chain is left to the end.
    still_to_do: fingerprints of what the store lacks by now, whoever filled it; None: nobody else does.
    """

    def __init__(
        self,
        groups: list[StageGroup],
        plan: Plan,
        in_order: bool,
        still_to_do: Callable[[], frozenset[str]] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.summary = Summary()
        self._plan, self._still_to_do, self._note = plan, still_to_do, note
        self._waiting = list(groups)
        self._pending = {key for group in groups for key in group.fingerprints}
        self._chains = dict.fromkeys(groups, 0.0) if in_order else _chains(groups)
        # Groups that another run is at work on, and when they are tried again.
        self._retries: dict[StageGroup, float] = {}
        self._told: set[str] = set()

    def carry_out(self, crew: Crew, after: Callable[[list[Node]], None] | None) -> None:
        """Carry out all groups; `after` is called with the nodes that were stored together."""
        while True:
            self._skip_blocked()
            while crew.has_room and (chosen := self._next_ready()) is not None:
                self._begin(chosen, crew)
            if crew.busy:
                # With room for more, a group that was busy is tried again in the meantime.
                ended = crew.next_done(self._seconds_to_retry() if crew.has_room else None)
                stored = self._sum_up(*ended) if ended is not None else []
                if after is not None and stored:
                    after(stored)
            elif self._waiting:
                self._wait()
            else:
                return

    def _skip_blocked(self) -> None:
        failed = self.summary.failed
        for group in list(self._waiting):
            if (blocked := next((key for key in group.inputs if key in failed), None)) is not None:
                self._waiting.remove(group)
                self._pending -= group.fingerprints
                name = next(node.name for node in self._plan.nodes if node.fingerprint == blocked)
                for key in group.fingerprints:
                    failed[key] = f"skipped: {name}, which it needs, failed"

    def _next_ready(self) -> StageGroup | None:
        now = time.monotonic()
        ready = [
            group
            for group in self._waiting
            if not group.inputs & self._pending and self._retries.get(group, now) <= now
        ]
        # The first as planned among equals.
        return max(ready, key=self._chains.__getitem__, default=None)

    def _begin(self, group: StageGroup, crew: Crew) -> None:
        """Hand over what is still to do of a group: another run may have done it, weights that went included."""
        self._waiting.remove(group)
        self._retries.pop(group, None)
        to_do = group.fingerprints if self._still_to_do is None else self._still_to_do()
        left = [node for node in group.nodes if node.fingerprint in to_do]
        self.summary.elsewhere += [node for node in group.nodes if node.fingerprint not in to_do]
        self._pending -= group.fingerprints - to_do
        if left:
            part = StageGroup(tuple(left))
            self._chains[part] = self._chains[group]
            crew.begin(part)

    def _sum_up(self, group: StageGroup, failed: dict[str, Exception]) -> list[Node]:
        """Note what became of a group; returns the nodes that were stored."""
        busy = [node for node in group.nodes if isinstance(failed.get(node.fingerprint), Busy)]
        if busy:
            again = StageGroup(tuple(busy))
            self._chains[again] = self._chains[group]
            self._retries[again] = time.monotonic() + RETRY_SECONDS
            self._waiting.append(again)
        stored = [node for node in group.nodes if node.fingerprint not in failed]
        self._pending -= group.fingerprints - {node.fingerprint for node in busy}
        self.summary.finished += stored
        for key, error in failed.items():
            if not isinstance(error, Busy):
                self.summary.failed[key] = told(error)
                self.summary.errors[key] = error
        return stored

    def _seconds_to_retry(self) -> float | None:
        return max(0.0, min(self._retries.values()) - time.monotonic()) if self._retries else None

    def _wait(self) -> None:
        """Nothing but what other runs are at work on is left."""
        seconds = self._seconds_to_retry()
        assert seconds is not None, "what waits for nothing was handed to the crew"
        for node in (node for group in self._retries for node in group.nodes):
            if self._note is not None and node.name not in self._told:
                self._note(f"{node.name}: another run is at work on it in this store; this one waits for its result")
            self._told.add(node.name)
        time.sleep(seconds)


def _chains(groups: list[StageGroup]) -> dict[StageGroup, float]:
    """Operations from each group's beginning to the end of the longest chain of groups that need one another.

    A stage whose cost is not known counts as the mean of the others.
    """
    counted = {node.fingerprint: cost(node.stage) for group in groups for node in group.nodes}
    known = {key: each.flops for key, each in counted.items() if each is not None}
    usual = mean(known.values()) if known else 1.0
    found: dict[StageGroup, float] = {}
    for group in reversed(groups):
        own = sum(known.get(node.fingerprint, usual) for node in group.nodes)
        behind = (chain for later, chain in found.items() if later.inputs & group.fingerprints)
        found[group] = own + max(behind, default=0.0)
    return found
