"""Suites: benchmarks of several tasks. The tasks lie in groups, and the benchmark's paper averages over each group."""

from typing import Annotated

from adaptx.specs.checked import spec
from adaptx.specs.ranges import NotEmpty, Word
from adaptx.specs.task import Task


@spec
class Group:
    """Tasks over which a suite averages. `name` is the heading that the suite's paper gives them."""

    name: Word
    tasks: Annotated[tuple[Task, ...], NotEmpty()]


@spec
class Suite:
    """A benchmark of several tasks. `name` also selects the way of averaging in `adaptx.metrics.suites`."""

    name: Word
    groups: Annotated[tuple[Group, ...], NotEmpty()]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks in the order of the groups, each once."""
        return tuple(dict.fromkeys(task for group in self.groups for task in group.tasks))
