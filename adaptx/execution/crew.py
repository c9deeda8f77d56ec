"""The crew of a run, which carries out its groups of stages. By default the crew is this process."""

from typing import Protocol

from adaptx.execution.execute import carry_out
from adaptx.execution.groups import StageGroup
from adaptx.execution.workshop import Workshop
from adaptx.training.progress import Progress


class Crew(Protocol):
    """The interface of a crew, which carries out groups of stages with `carry_out` in this process or in workers.

    has_room: whether another group can begin now. busy: whether some groups are not done yet.

    Carrying out a group needs nothing but the workshop, and leaves its results in the workshop's store. A crew that
    carries out groups in another process calls `store.look_again()` in this process once a group is done.
    """

    @property
    def has_room(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    def begin(self, group: StageGroup) -> None:
        """Start a group. Call this only if `has_room`."""
        ...

    def next_done(self, timeout_seconds: float | None = None) -> tuple[StageGroup, dict[str, Exception]] | None:
        """Wait until a group ends. Return it and its errors by stage fingerprint, or None after `timeout_seconds`."""
        ...

    def close(self) -> None:
        """End all work; a running training saves its state first."""
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
