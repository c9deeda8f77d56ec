"""The progress of a run: one live line per stage on a terminal, a table in a notebook, or plain lines elsewhere."""

import time
from typing import Protocol

from rich.console import Console
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

from adaptx.display.notebook import Notebook, notebook_display

PLAIN_SECONDS = 10.0
"""Minimum time between two plain lines about a running stage."""


class Watcher(Protocol):
    """A receiver of the progress of stages. It is an `adaptx.training.progress.Progress` that also has `close`."""

    def start(self, name: str, total: int, unit: str) -> None: ...

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None: ...

    def note(self, text: str) -> None: ...

    def end(self) -> None: ...

    def beside(self) -> "Watcher": ...

    def close(self) -> None: ...


def here() -> Watcher:
    """Return the watcher that suits where this process runs: in a notebook, on a terminal, or in neither."""
    display = notebook_display()
    return watcher(Console(stderr=True, emoji=False)) if display is None else Notebook(display)


def watcher(console: Console) -> "Live | Plain":
    """Return a watcher with live lines if the console is a terminal, else one with plain lines."""
    return Live(console) if console.is_terminal else Plain(console)


class Live:
    """A live line with a stage's name, bar, step, loss, examples/s and time left. It stays when the stage ends."""

    def __init__(self, console: Console, lines: Progress | None = None) -> None:
        self._console = console
        self._lines = lines or Progress(
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

    def close(self) -> None:
        self._lines.stop()


class Plain:
    """Plain lines of text: one when a stage begins, and then one every ten seconds while it runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name, self._total, self._unit = "", 0, ""
        self._began = self._last = time.perf_counter()

    def start(self, name: str, total: int, unit: str) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._began = self._last = time.perf_counter()
        self._line(f"{name}: {total} {unit}s")

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        now = time.perf_counter()
        if now - self._last < PLAIN_SECONDS and (done < self._total or loss is None):
            return
        self._last = now
        elapsed = now - self._began
        rate = examples_per_second or done / max(1e-9, elapsed)
        left = elapsed / max(1, done) * (self._total - done)
        shown = f" loss {loss:.3f}," if loss is not None else ""
        self._line(f"{self._name}: {self._unit} {done}/{self._total},{shown} {rate:.0f} examples/s, {left:.0f} s left")

    def note(self, text: str) -> None:
        self._line(text)

    def end(self) -> None:
        pass

    def beside(self) -> "Plain":
        return Plain(self._console)

    def close(self) -> None:
        pass

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
