"""The crew of a run: whoever carries out its groups of stages, by default this process."""

from typing import Protocol

from adaptx.execution.execute import carry_out
from adaptx.execution.groups import StageGroup
from adaptx.execution.workshop import Workshop
from adaptx.training.progress import Progress


class Crew(Protocol):
    """Whoever carries out groups of stages, by `carry_out`. has_room: another may begin. busy: some are not done.

    A group needs the workshop and nothing else, and leaves its results in the workshop's store. A crew that carries out
    groups in another process calls `store.look_again()` in this one once a group is done.
    """

    @property
    def has_room(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    def begin(self, group: StageGroup) -> None:
        """Take on a group; only where there is room."""
        ...

    def next_done(self, timeout_seconds: float | None = None) -> tuple[StageGroup, dict[str, Exception]] | None:
        """Wait for one of those taken on to end; with what failed in it, by fingerprint. None: the time is over."""
        ...

    def close(self) -> None:
        """End all work; a running training saves its state first."""
        ...


class ThisProcess:
    """Carries out one group after the other, here."""

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
        del timeout_seconds  # nothing else could begin meanwhile
        group = self._taken
        assert group is not None
        failed = carry_out(group, self._shop, self._progress)
        self._progress.end()
        self._taken = None
        return group, failed

    def close(self) -> None:
        pass
