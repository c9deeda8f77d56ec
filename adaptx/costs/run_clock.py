"""The clock of a run: which stages are done, and how long the others will take at the speed measured so far."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from adaptx.costs.makespan import TimedGroup, makespan
from adaptx.costs.speeds import Speeds
from adaptx.planning.plan import Node


@dataclass(frozen=True)
class StagesAhead:
    """The stages of a plan that a run still has to carry out.

    Attributes:
        total: number of stages of the whole plan, with those that are stored and those in `later`.
        groups: stages that can run now; one worker carries out each group.
        later: groups that begin once all of `groups` are done, because they wait for a search.
        operations: number of operations of each stage, by fingerprint; None if it is unknown.
    """

    total: int
    groups: Sequence[Sequence[Node]]
    later: Sequence[Sequence[Node]]
    operations: Mapping[str, float | None]


@dataclass(frozen=True)
class _Running:
    """A stage that runs.

    began: when. resumed_at: the share that an earlier run had done. first, last: times of the first and last report,
    each with the share done.
    """

    began: float
    resumed_at: float = 0.0
    first: tuple[float, float] | None = None
    last: tuple[float, float] | None = None


class RunClock:
    """Counts the stages of a run and estimates the remaining seconds. Times are those of any one clock, in seconds.

    workers: number of stages that run at the same time. earlier: the speeds of stages that are stored.
    """

    def __init__(self, workers: int, earlier: Speeds | None = None) -> None:
        self._workers = workers
        self._speeds = Speeds().after(earlier) if earlier is not None else Speeds()
        self._ahead = StagesAhead(0, (), (), {})
        self._nodes: dict[str, Node] = {}
        self._left: set[str] = set()
        self._running: dict[str, _Running] = {}
        self._usual = 1.0

    def expect(self, ahead: StagesAhead) -> None:
        """Begin with these stages. Called again when a finished search has added stages to the plan."""
        self._ahead = ahead
        self._nodes = {node.fingerprint: node for group in ahead.groups for node in group}
        self._left, self._running = set(self._nodes), {}
        self._usual = mean([each for each in ahead.operations.values() if each is not None] or [1.0])

    @property
    def total(self) -> int:
        return self._ahead.total

    @property
    def begun(self) -> int:
        """Number of stages that are done or running."""
        waiting = len(self._left) + sum(map(len, self._ahead.later)) - len(self._running)
        return self.total - waiting

    def begin(self, fingerprint: str, now: float) -> None:
        if fingerprint in self._left:
            self._running[fingerprint] = _Running(now)

    def advance(self, fingerprint: str, done: int, total: int, now: float) -> None:
        """Note how many steps of a running training are done. The first report of a resumed one is not about step 1."""
        if (stage := self._running.get(fingerprint)) is not None:
            report = now, done / total
            if stage.first is None:
                stage = replace(stage, first=report, resumed_at=(done - 1) / total)
            self._running[fingerprint] = replace(stage, last=report)

    def finish(self, fingerprint: str, now: float) -> None:
        """Note that a running stage is stored, and learn from it."""
        if (stage := self._running.pop(fingerprint, None)) is not None:
            node = self._nodes[fingerprint]
            self._speeds.learn(node.stage, self._operations(node) * (1 - stage.resumed_at), now - stage.began)
            self._left.discard(fingerprint)

    def leave(self, fingerprints: Iterable[str]) -> None:
        """Note that there is nothing left to do for these stages: they are stored, failed, or done by another run."""
        for key in fingerprints:
            self._left.discard(key)
            self._running.pop(key, None)

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds until the run ends, or None if no speed was measured yet."""
        speeds = self._speeds_with_running()
        works, later = self._works(self._ahead.groups, speeds, now), self._works(self._ahead.later, speeds, now)
        if works is None or later is None:
            return None
        return makespan(works, self._workers) + makespan(later, self._workers)

    def _speeds_with_running(self) -> Speeds:
        found = self._speeds.copy()
        for key, stage in self._running.items():
            if stage.first is not None and stage.last is not None and stage.last[1] > stage.first[1]:
                (began, before), (now, share) = stage.first, stage.last
                node = self._nodes[key]
                found.learn(node.stage, self._operations(node) * (share - before), now - began)
        return found

    def _works(self, groups: Sequence[Sequence[Node]], speeds: Speeds, now: float) -> list[TimedGroup] | None:
        works: list[TimedGroup] = []
        for group in groups:
            nodes = [node for node in group if node.fingerprint in self._left or node.fingerprint not in self._nodes]
            times = [self._seconds(node, speeds, now) for node in nodes]
            known = [each for each in times if each is not None]
            if len(known) < len(times):
                return None
            if nodes:
                running = any(node.fingerprint in self._running for node in nodes)
                inputs = frozenset(key for node in nodes for key in node.inputs)
                works.append(TimedGroup(sum(known), frozenset(node.fingerprint for node in nodes), inputs, running))
        return works

    def _seconds(self, node: Node, speeds: Speeds, now: float) -> float | None:
        seconds = speeds.seconds(node.stage, self._operations(node))
        running = self._running.get(node.fingerprint)
        if seconds is None or running is None:
            return seconds
        if running.last is None:
            return max(0.0, seconds - (now - running.began))
        when, share = running.last
        return max(0.0, seconds * (1 - share) - (now - when))

    def _operations(self, node: Node) -> float:
        """Return the stage's number of operations. If it is unknown, return the mean of the others."""
        known = self._ahead.operations.get(node.fingerprint)
        return self._usual if known is None else known
