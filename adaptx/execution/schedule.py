"""The order of stages: each runs after its inputs. A stage that another run is working on is tried again later."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from statistics import mean

from adaptx.costs.stages import cost
from adaptx.display.run_summary import stages_run
from adaptx.errors import told
from adaptx.execution.crew import Crew
from adaptx.execution.groups import StageGroup
from adaptx.planning.plan import Node, Plan
from adaptx.store.claim import Busy

RETRY_SECONDS = 1.0
"""Time between two attempts at a stage that another run is working on."""


@dataclass(kw_only=True)
class Summary:
    """The outcome of a run.

    finished: stages that this run carried out. elsewhere: stages that another run finished in the meantime. failed:
    why stages failed or were skipped, by fingerprint. errors: the errors of failed stages, by fingerprint. seconds: how
    long the run took. verdicts: computes a line per task or primary contrast that says what gained.
    """

    finished: list[Node] = field(default_factory=list[Node])
    elsewhere: list[Node] = field(default_factory=list[Node])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    errors: dict[str, Exception] = field(default_factory=dict[str, Exception])
    seconds: float = 0.0
    verdicts: Callable[[], Sequence[str]] = field(default=tuple, repr=False, compare=False)

    def __repr__(self) -> str:
        failed = f"{len(self.failed)} failed or skipped" if self.failed else "none failed"
        return f"<Summary: {self.text}, {failed}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what ran, and what gained."""
        lines = [self.text, *self.verdicts(), "Next: study.report() writes the report"]
        return "".join(f"<div>{escape(line)}</div>" for line in lines)

    @property
    def text(self) -> str:
        """The number of stages and their time, such as `14 stages run in 11 min (6 trainings, 8 evaluations)`."""
        return stages_run(self.finished, self.elsewhere, self.seconds)

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(
            finished=[*self.finished, *other.finished],
            elsewhere=[*self.elsewhere, *other.elsewhere],
            failed={**self.failed, **other.failed},
            errors={**self.errors, **other.errors},
            seconds=self.seconds + other.seconds,
            verdicts=other.verdicts,
        )

    @property
    def complete(self) -> bool:
        return not self.failed


class StageSchedule:
    """Gives groups of stages to a crew in a suitable order, and collects the outcome in `summary`.

    in_order: whether groups run in the order of the plan. Otherwise the group with the most expensive chain of groups
        that depend on it starts first, so that no long chain is left to the end.
    still_to_do: returns the fingerprints of stages that the store still lacks; None if no other run uses the store.
    leave: called with the fingerprints of stages for which there is nothing left to do, whatever the reason.
    """

    def __init__(
        self,
        groups: list[StageGroup],
        plan: Plan,
        in_order: bool,
        still_to_do: Callable[[], frozenset[str]] | None = None,
        note: Callable[[str], None] | None = None,
        leave: Callable[[Iterable[str]], None] | None = None,
    ) -> None:
        self.summary = Summary()
        self._plan, self._still_to_do, self._note, self._tell_left = plan, still_to_do, note, leave
        self._waiting = list(groups)
        self._pending = {key for group in groups for key in group.fingerprints}
        self._costs_of_chains = dict.fromkeys(groups, 0.0) if in_order else _costs_of_chains(groups)
        # Groups that another run is working on, with the time at which they are tried again.
        self._retries: dict[StageGroup, float] = {}
        self._told: set[str] = set()

    def carry_out(self, crew: Crew, after: Callable[[list[Node]], None] | None) -> None:
        """Carry out all groups. After each group, call `after` with the nodes that were stored."""
        while True:
            self._skip_blocked()
            while crew.has_room and (chosen := self._next_ready()) is not None:
                self._begin_unfinished_part(chosen, crew)
            if crew.busy:
                # If there is room, stop waiting in time to try a group again that another run was working on.
                ended = crew.next_done(self._seconds_to_retry() if crew.has_room else None)
                stored = self._record_outcome(*ended) if ended is not None else []
                if after is not None and stored:
                    after(stored)
            elif self._waiting:
                self._sleep_until_retry()
            else:
                return

    def _skip_blocked(self) -> None:
        failed = self.summary.failed
        for group in list(self._waiting):
            if (blocked := next((key for key in group.inputs if key in failed), None)) is not None:
                self._waiting.remove(group)
                self._leave(group.fingerprints)
                name = next(node.name for node in self._plan.nodes if node.fingerprint == blocked)
                for key in group.fingerprints:
                    failed[key] = f"skipped, because it needs {name}, which failed"

    def _next_ready(self) -> StageGroup | None:
        now = time.monotonic()
        ready = [
            group
            for group in self._waiting
            if not group.inputs & self._pending and self._retries.get(group, now) <= now
        ]
        # Groups with equally long chains keep the order of the plan: max returns the first.
        return max(ready, key=self._costs_of_chains.__getitem__, default=None)

    def _begin_unfinished_part(self, group: StageGroup, crew: Crew) -> None:
        self._waiting.remove(group)
        self._retries.pop(group, None)
        to_do = group.fingerprints if self._still_to_do is None else self._still_to_do()
        left = [node for node in group.nodes if node.fingerprint in to_do]
        self.summary.elsewhere += [node for node in group.nodes if node.fingerprint not in to_do]
        self._leave(group.fingerprints - to_do)
        if left:
            part = StageGroup(tuple(left))
            self._costs_of_chains[part] = self._costs_of_chains[group]
            crew.begin(part)

    def _record_outcome(self, group: StageGroup, failed: dict[str, Exception]) -> list[Node]:
        busy = [node for node in group.nodes if isinstance(failed.get(node.fingerprint), Busy)]
        if busy:
            again = StageGroup(tuple(busy))
            self._costs_of_chains[again] = self._costs_of_chains[group]
            self._retries[again] = time.monotonic() + RETRY_SECONDS
            self._waiting.append(again)
        stored = [node for node in group.nodes if node.fingerprint not in failed]
        self._leave(group.fingerprints - {node.fingerprint for node in busy})
        self.summary.finished += stored
        for key, error in failed.items():
            if not isinstance(error, Busy):
                self.summary.failed[key] = told(error)
                self.summary.errors[key] = error
        return stored

    def _leave(self, fingerprints: Iterable[str]) -> None:
        self._pending -= set(fingerprints)
        if self._tell_left is not None:
            self._tell_left(fingerprints)

    def _seconds_to_retry(self) -> float | None:
        return max(0.0, min(self._retries.values()) - time.monotonic()) if self._retries else None

    def _sleep_until_retry(self) -> None:
        seconds = self._seconds_to_retry()
        assert seconds is not None, "the crew was not given a group that could start"
        for node in (node for group in self._retries for node in group.nodes):
            if self._note is not None and node.name not in self._told:
                self._note(f"{node.name}: another run is working on this stage; this run waits for its result")
            self._told.add(node.name)
        time.sleep(seconds)


def _costs_of_chains(groups: list[StageGroup]) -> dict[StageGroup, float]:
    """Return, for each group, the cost of the most expensive chain of dependent groups that begins with it.

    The cost is a number of floating-point operations. A stage without a known cost gets the mean cost of the others.
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
