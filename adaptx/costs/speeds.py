"""Measured speeds: how long a stage will take, judged by similar stages of this run and of the store."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

from adaptx.costs.stages import cost
from adaptx.errors import UserError
from adaptx.planning.plan import Plan, stored_entry
from adaptx.specs import Evaluate, Merge, Stage
from adaptx.store.entry import Entry
from adaptx.store.store import Store

MOST_SCORES = 100
"""Maximum number of stored evaluations that are read. Each holds its predictions, so reading thousands takes long."""

Group = tuple[str, ...]


def groups_of(stage: Stage) -> tuple[Group, ...]:
    """Return the groups of stages that a stage belongs to, from the most general to the most particular.

    A group is a beginning of (kind, model, task). The most general group holds all stages.
    """
    kind = type(stage).__name__
    model = stage.checkpoint if isinstance(stage, Evaluate) else stage.model
    names = (kind, model.name, "" if isinstance(stage, Merge) else stage.task.name)
    return tuple(names[:length] for length in range(len(names) + 1))


class Speeds:
    """The operations and seconds of finished stages, by group.

    A formula counts a stage's operations without knowing its texts, so a task with long texts seems slow. This is why
    seconds per operation are learned for each kind, model and task. A group with few stages is pulled towards the more
    general group: the latter's rate counts as much as one stage.
    """

    def __init__(self) -> None:
        self._operations: defaultdict[Group, float] = defaultdict(float)
        self._seconds: defaultdict[Group, float] = defaultdict(float)
        self._earlier: Speeds | None = None

    def after(self, earlier: "Speeds") -> "Speeds":
        """Return these speeds with those of earlier runs, which count at most as much as one stage in each group."""
        found = self.copy()
        found._earlier = earlier
        return found

    def copy(self) -> "Speeds":
        found = Speeds()
        found._operations, found._seconds = self._operations.copy(), self._seconds.copy()
        found._earlier = self._earlier
        return found

    def learn(self, stage: Stage, operations: float, seconds: float) -> None:
        """Add a finished stage, or the finished part of a stage."""
        for group in groups_of(stage):
            self._operations[group] += operations
            self._seconds[group] += seconds

    def seconds(self, stage: Stage, operations: float) -> float | None:
        """Return how many seconds the operations of a stage will take, or None if nothing was measured yet."""
        rate: float | None = None
        for group in groups_of(stage):
            done, took = self._measured(group, operations)
            if rate is not None:
                done, took = done + operations, took + rate * operations
            rate = took / done if done else rate
        return None if rate is None else rate * operations

    def _measured(self, group: Group, operations: float) -> tuple[float, float]:
        done, took = self._operations.get(group, 0.0), self._seconds.get(group, 0.0)
        if self._earlier is not None and (known := self._earlier._operations.get(group)):
            weight = min(1.0, operations / known)
            done, took = done + weight * known, took + weight * self._earlier._seconds[group]
        return done, took


def stored_speeds(plan: Plan, store: Store) -> Speeds:
    """Return the speeds of the stages in a store. Of the evaluations, those of the plan are read first."""
    found = Speeds()
    for entry in _entries(plan, store):
        # Skip a stage that is damaged, or that another version of adaptx wrote.
        with contextlib.suppress(UserError):
            stage = entry.stage
            if (known := cost(stage)) is not None:
                found.learn(stage, known.flops, entry.result.seconds)
    return found


def _entries(plan: Plan, store: Store) -> Iterator[Entry]:
    every = store.entries().values()
    yield from (entry for entry in every if entry.kind != "evaluate")
    own = (entry for node in plan.nodes if (entry := stored_entry(node, store)) is not None)
    scores = {entry.folder: entry for entry in (*own, *every) if entry.kind == "evaluate"}
    yield from islice(scores.values(), MOST_SCORES)
