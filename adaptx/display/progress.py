"""The progress of a run: one live line per stage on a terminal, a table in a notebook, or plain lines elsewhere."""

import time
from collections.abc import Iterable
from typing import Protocol

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from adaptx.display.durations import duration
from adaptx.display.notebook import Notebook, notebook_display

PLAIN_SECONDS = 10.0
"""Minimum time between two plain lines about running stages."""


class Watcher(Protocol):
    """A receiver of the progress of a run: of its stages, one line each, and of the whole.

    The methods are those of `adaptx.training.progress.Progress`, and two more. `overall` receives a text such as
    `stage 7 of 45, about 12 min left`, or an empty text.
    """

    def start(self, name: str, total: int, unit: str) -> None: ...

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None: ...

    def note(self, text: str) -> None: ...

    def end(self) -> None: ...

    def beside(self) -> "Watcher": ...

    def overall(self, text: str) -> None: ...

    def close(self) -> None: ...


def here() -> Watcher:
    """Return the watcher that suits where this process runs: in a notebook, on a terminal, or in neither."""
    display = notebook_display()
    return watcher(Console(stderr=True, emoji=False)) if display is None else Notebook(display)


def watcher(console: Console) -> "Live | Plain":
    """Return a watcher with live lines if the console is a terminal, else one with plain lines."""
    return Live(console) if console.is_terminal else Plain(console)


class _Lines(Progress):
    """The live lines of all running stages. Below them is a line about the whole run."""

    overall = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.overall:
            yield Text(self.overall, style="bold")


class Live:
    """A live line with a stage's name, bar, step, loss, examples/s and time left. It stays when the stage ends."""

    def __init__(self, console: Console, lines: _Lines | None = None) -> None:
        self._console = console
        self._lines = lines or _Lines(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}s {task.fields[detail]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
        )
        self._task: TaskID | None = None
        self._began = time.perf_counter()

    def start(self, name: str, total: int, unit: str) -> None:
        self.end()
        self._lines.start()
        self._began = time.perf_counter()
        self._task = self._lines.add_task(escape(name), total=total, unit=unit, detail="")

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        if self._task is None:
            return
        rate = examples_per_second or done / max(1e-9, time.perf_counter() - self._began)
        detail = f"{f'loss {loss:.3f} ' if loss is not None else ''}{rate:.0f} examples/s"
        self._lines.update(self._task, completed=done, detail=detail)

    def note(self, text: str) -> None:
        self._console.print(f"  [dim]{escape(text)}[/dim]")

    def end(self) -> None:
        """Move the stage's line above the lines of running stages."""
        if self._task is not None:
            ended = [task for task in self._lines.tasks if task.id == self._task]
            self._lines.remove_task(self._task)
            self._console.print(self._lines.make_tasks_table(ended))
            self._task = None

    def beside(self) -> "Live":
        return Live(self._console, self._lines)

    def overall(self, text: str) -> None:
        self._lines.overall = text
        self._lines.refresh()

    def close(self) -> None:
        self._lines.overall = ""
        self._lines.stop()


class Plain:
    """Plain lines of text: at most one every ten seconds, whatever runs, and one when a long training ends.

    Each line begins with the progress of the whole run: `stage 7 of 45, about 12 min left: e5.nli: step 3/8, ...`.
    Notes are printed at once.
    """

    def __init__(self, console: Console, page: "_Page | None" = None) -> None:
        self._page = page or _Page(console)
        self._name, self._total, self._unit = "", 0, ""
        self._began = 0.0

    def start(self, name: str, total: int, unit: str) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._began = time.perf_counter()
        if self._page.is_due(self._began):
            self._page.print_status(f"{name}: {total} {unit}s", self._began)

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        now = time.perf_counter()
        elapsed = now - self._began
        ends = loss is not None and done == self._total and elapsed >= PLAIN_SECONDS
        if not (ends or self._page.is_due(now)):
            return
        rate = examples_per_second or done / max(1e-9, elapsed)
        left = elapsed / max(1, done) * (self._total - done)
        shown = f" loss {loss:.3f}," if loss is not None else ""
        status = f"{self._unit} {done}/{self._total},{shown} {rate:.0f} examples/s, {duration(left)} left"
        self._page.print_status(f"{self._name}: {status}", now)

    def note(self, text: str) -> None:
        self._page.print(text)

    def end(self) -> None:
        pass

    def beside(self) -> "Plain":
        return Plain(self._page.console, self._page)

    def overall(self, text: str) -> None:
        self._page.overall = text

    def close(self) -> None:
        pass


class _Page:
    """The plain lines of a run. overall: the text about the whole run, with which its lines begin."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.overall = ""
        self._last = float("-inf")

    def is_due(self, now: float) -> bool:
        """Return whether the last line about a stage is at least ten seconds old."""
        return now - self._last >= PLAIN_SECONDS

    def print_status(self, text: str, now: float) -> None:
        self._last = now
        self.print(f"{self.overall}: {text}" if self.overall else text)

    def print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
