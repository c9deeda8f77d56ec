"""Suites: benchmarks of several tasks, with the groups that their papers average over."""

from typing import Annotated

from adaptx.specs.checked import spec
from adaptx.specs.ranges import NotEmpty, Word
from adaptx.specs.task import Task


@spec
class Group:
    """Tasks that a suite averages together, under the heading its paper gives them."""

    name: Word
    tasks: Annotated[tuple[Task, ...], NotEmpty()]


@spec
class Suite:
    """A benchmark. `name` also selects the aggregation rule of `adaptx.metrics.suites`."""

    name: Word
    groups: Annotated[tuple[Group, ...], NotEmpty()]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Every task once, in the order of the groups."""
        return tuple(dict.fromkeys(task for group in self.groups for task in group.tasks))
