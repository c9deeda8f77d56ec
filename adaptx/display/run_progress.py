"""The progress of a whole run next to that of its stages: `stage 7 of 45, about 12 min left`."""

import time
from collections.abc import Callable, Iterable, Sequence

from adaptx.costs.row_counts import RowCounts
from adaptx.costs.run_clock import RunClock, StagesAhead
from adaptx.costs.stages import cost
from adaptx.display.durations import MINUTE, duration
from adaptx.display.progress import Watcher
from adaptx.planning.plan import Node, Plan

LEAST_SECONDS = 1.0
"""Minimum time between two estimates of the remaining time."""
SHARE_FOR_ESTIMATES = 0.01
"""Maximum share of a run's time that its estimates may take. A plan of thousands of stages is estimated less often."""


class RunProgress:
    """A progress that passes everything on to a watcher, and also tells it how far the whole run is."""

    def __init__(self, watcher: Watcher, run: "OverallLine") -> None:
        self._watcher, self._run = watcher, run
        self._stage: str | None = None
        self._total = 0

    def expect(self, plan: Plan, groups: Sequence[Sequence[Node]], later: Sequence[Sequence[Node]]) -> None:
        """Begin with these groups of stages. later: groups that begin once a search has chosen a learning rate."""
        nodes = (node for group in (*groups, *later) for node in group)
        count = RowCounts(plan.identities.sources)
        estimates = {node.fingerprint: cost(node.stage, count=count) for node in nodes}
        operations = {key: each.flops if each is not None else None for key, each in estimates.items()}
        self._run.expect(StagesAhead(len(plan.nodes) + len(plan.later), groups, later, operations))

    def leave(self, fingerprints: Iterable[str]) -> None:
        """Note that there is nothing left to do for these stages."""
        self._run.clock.leave(fingerprints)
        self._run.tell(soon=True)

    def begin_stage(self, fingerprint: str) -> None:
        self._stage, self._total = fingerprint, 0
        self._run.clock.begin(fingerprint, self._run.now())
        self._run.tell(soon=True)

    def finish_stage(self, fingerprint: str) -> None:
        self._run.clock.finish(fingerprint, self._run.now())
        self._run.tell(soon=True)

    def start(self, name: str, total: int, unit: str) -> None:
        # Only a training knows its steps. An evaluation reads its rows in several passes, and does not know how many.
        self._total = total if unit == "step" else 0
        self._watcher.start(name, total, unit)

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        if self._stage is not None and self._total:
            self._run.clock.advance(self._stage, done, self._total, self._run.now())
        self._run.tell()
        self._watcher.advance(done, loss, examples_per_second)

    def note(self, text: str) -> None:
        self._watcher.note(text)

    def end(self) -> None:
        self._watcher.end()

    def beside(self) -> "RunProgress":
        return RunProgress(self._watcher.beside(), self._run)


class OverallLine:
    """The text about a whole run, which all lines of its stages share. It is told to a watcher when it changes.

    now: returns the time in seconds.
    """

    def __init__(self, watcher: Watcher, clock: RunClock, now: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.now = clock, now
        self._watcher = watcher
        self._told, self._left = "", ""
        self._next_estimate = float("-inf")

    def expect(self, ahead: StagesAhead) -> None:
        self.clock.expect(ahead)
        self.tell(soon=True)

    def tell(self, soon: bool = False) -> None:
        """Tell the watcher how far the run is, if that has changed. soon: whether a stage has begun or ended."""
        now = self.now()
        if now >= self._next_estimate:
            began = time.perf_counter()
            seconds = self.clock.seconds_left(now)
            took = time.perf_counter() - began
            self._next_estimate = now + max(LEAST_SECONDS, took / SHARE_FOR_ESTIMATES)
            self._left = "" if seconds is None else f", {left_text(seconds)}"
        elif not soon:
            return
        text = f"stage {self.clock.begun} of {self.clock.total}{self._left}" if self.clock.begun else ""
        if text != self._told:
            self._told = text
            self._watcher.overall(text)


def left_text(seconds: float) -> str:
    """Return the remaining time of a run in words: `about 12 min left`."""
    return "less than a minute left" if seconds < MINUTE else f"about {duration(seconds)} left"
