"""What a running stage tells: its progress to whoever watches, and notes worth keeping to the log as well."""

import logging
from collections.abc import Callable
from typing import Protocol

SHOWN = {"shown": True}
"""`extra` of log records that are notes too: a terminal that shows the notes leaves these records out."""


class Progress(Protocol):
    """A live line per stage; every method is cheap enough to be called at each step."""

    def start(self, name: str, total: int, unit: str) -> None:
        """A stage begins; `total` units of work are ahead."""
        ...

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        """So many units are done in all."""
        ...

    def note(self, text: str) -> None:
        """A line worth keeping: a warning, a result."""
        ...

    def end(self) -> None:
        """The stage is over."""
        ...

    def beside(self) -> "Progress":
        """Another line, for stages that run at the same time."""
        ...


class Silent:
    """Nobody watches."""

    def start(self, name: str, total: int, unit: str) -> None:
        pass

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def end(self) -> None:
        pass

    def beside(self) -> "Silent":
        return self


def noting(progress: Progress, log: logging.Logger, level: int = logging.INFO) -> Callable[[str], None]:
    """Return a function that tells a note to whoever watches, and logs it."""

    def note(text: str) -> None:
        log.log(level, text, extra=SHOWN)
        progress.note(text)

    return note
