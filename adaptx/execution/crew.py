"""A crew carries out a run's groups of stages. It is this process, or a set of worker processes."""

from typing import Protocol

from adaptx.execution.execute import carry_out
from adaptx.execution.groups import StageGroup
from adaptx.execution.workshop import Workshop
from adaptx.training.progress import Progress


class Crew(Protocol):
    """The interface through which a run gives its groups of stages to this process or to worker processes.

    has_room: whether another group can begin now. busy: whether some groups are not done yet.

    Results go to the workshop's store. If another process carried out a group, the crew calls `store.look_again()`, so
    that this process sees the new results.
    """

    @property
    def has_room(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    def begin(self, group: StageGroup) -> None:
        """Start a group. The caller checks `has_room` first."""
        ...

    def next_done(self, timeout_seconds: float | None = None) -> tuple[StageGroup, dict[str, Exception]] | None:
        """Wait until a group ends. Return the group and its errors by stage fingerprint, or None after the timeout."""
        ...

    def close(self) -> None:
        """End all work. A training that is running saves its state first."""
        ...


class ThisProcess:
    """A crew that carries out each group in this process, one after the other."""

    def __init__(self, shop: Workshop, progress: Progress) -> None:
        self._shop, self._progress = shop, progress
        self._taken: StageGroup | None = None

    @property
    def has_room(self) -> bool:
        return self._taken is None

    @property
    def busy(self) -> bool:
        return self._taken is not None

    def begin(self, group: StageGroup) -> None:
        self._taken = group

    def next_done(self, timeout_seconds: float | None = None) -> tuple[StageGroup, dict[str, Exception]]:
        del timeout_seconds  # this process is busy with the group, so it could start nothing else earlier
        group = self._taken
        assert group is not None
        failed = carry_out(group, self._shop, self._progress)
        self._progress.end()
        self._taken = None
        return group, failed

    def close(self) -> None:
        pass
