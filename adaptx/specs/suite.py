"""Suites: benchmarks of several tasks."""

from typing import Annotated

from adaptx.specs.checked import spec
from adaptx.specs.ranges import NotEmpty, Word
from adaptx.specs.task import Task


@spec
class Group:
    """Tasks whose scores a suite averages. `name` is their heading in the suite's paper."""

    name: Word
    tasks: Annotated[tuple[Task, ...], NotEmpty()]


@spec
class Suite:
    """A benchmark of several tasks. `adaptx.metrics.suites` averages its scores in a way that depends on `name`."""

    name: Word
    groups: Annotated[tuple[Group, ...], NotEmpty()]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks in the order of the groups, each once."""
        return tuple(dict.fromkeys(task for group in self.groups for task in group.tasks))
