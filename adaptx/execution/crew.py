"""The crew of a run: the process or processes that carry out the run's groups of stages (by default this process)."""

from typing import Protocol

from adaptx.execution.execute import carry_out
from adaptx.execution.groups import StageGroup
from adaptx.execution.workshop import Workshop
from adaptx.training.progress import Progress


class Crew(Protocol):
    """The interface of a crew, which carries out groups of stages with `carry_out` in this process or in workers.

    has_room: whether another group can begin now. busy: whether some groups are not done yet.

    A crew needs nothing but the workshop, and leaves results in the workshop's store. If another process carried out
    a group, the crew calls `store.look_again()` in this process, because this process has not seen the results yet.
    """

    @property
    def has_room(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    def begin(self, group: StageGroup) -> None:
        """Start a group. Call this only if `has_room`."""
        ...

    def next_done(self, timeout_seconds: float | None = None) -> tuple[StageGroup, dict[str, Exception]] | None:
        """Wait until a group ends. Return the group and its errors by stage fingerprint, or None after the timeout."""
        ...

    def close(self) -> None:
        """End all work. A training that is running saves its state first."""
        ...


class ThisProcess:
    """A crew that carries out one group after the other in this process."""

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
