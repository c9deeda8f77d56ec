"""Suites: benchmarks of several tasks, with the groups that their papers average over."""

from dataclasses import dataclass

from adaptx.specs.task import Task


@dataclass(frozen=True)
class Group:
    """Tasks that a suite averages together, under the heading its paper gives them."""

    name: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Suite:
    """A benchmark. `name` also selects the aggregation rule of `adaptx.metrics.suites`."""

    name: str
    groups: tuple[Group, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Every task once, in the order of the groups."""
        return tuple(dict.fromkeys(task for group in self.groups for task in group.tasks))
