"""The progress of a run as a table in a notebook. The table is plain HTML, redrawn in place, and needs no widgets."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

REDRAW_SECONDS = 0.2
MOST_ENDED = 30
"""Maximum number of finished stages in the table. If there are more, the latest are shown."""


def notebook_display() -> Callable[..., Any] | None:
    """Return IPython's `display` if this code runs in a notebook's kernel, else None."""
    # A notebook's kernel has always imported IPython, so there is no need to import it here.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        return None
    return sys.modules["IPython.display"].display


@dataclass(kw_only=True)
class _ProgressLine:
    name: str
    total: int
    unit: str
    began: float
    done: int = 0
    detail: str = ""
    ended: bool = False

    def html(self) -> str:
        bar = f'<progress value="{self.done}" max="{max(1, self.total)}"></progress>'
        count = f"{self.done}/{self.total} {self.unit}s"
        return f"<tr><td>{escape(self.name)}</td><td>{bar}</td><td>{count}</td><td>{escape(self.detail)}</td></tr>"

    def text(self) -> str:
        return f"{self.name}: {self.done}/{self.total} {self.unit}s {self.detail}".rstrip()


class _Board:
    """The table that a notebook shows for a run: notes, a line about the whole run, and one line per stage."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self.lines: list[_ProgressLine] = []
        self.notes: list[str] = []
        self.overall = ""
        self._drawn = time.monotonic()
        self._handle = display(self, display_id=True)

    def draw(self, soon: bool = False) -> None:
        """Redraw the table, but at most five times per second. soon: redraw at once in any case."""
        now = time.monotonic()
        if soon or now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            self._handle.update(self)

    def shown(self) -> list[_ProgressLine]:
        ended = [line for line in self.lines if line.ended][-MOST_ENDED:]
        return [*ended, *(line for line in self.lines if not line.ended)]

    def _repr_html_(self) -> str:
        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        overall = f"<div><b>{escape(self.overall)}</b></div>" if self.overall else ""
        lines = "".join(line.html() for line in self.shown())
        return notes + overall + (f"<table><tbody>{lines}</tbody></table>" if lines else "")

    def __repr__(self) -> str:
        overall = [self.overall] if self.overall else []
        return "\n".join([*self.notes, *overall, *(line.text() for line in self.shown())])


class Notebook:
    """A watcher with one line in a run's table. `beside` returns another watcher, whose line is in the same table."""

    def __init__(self, display: Callable[..., Any], board: _Board | None = None) -> None:
        self._display = display
        self._board = board or _Board(display)
        self._line: _ProgressLine | None = None

    def start(self, name: str, total: int, unit: str) -> None:
        self.end()
        self._line = _ProgressLine(name=name, total=total, unit=unit, began=time.monotonic())
        self._board.lines.append(self._line)
        self._board.draw()

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        line = self._line
        if line is None:
            return
        rate = examples_per_second or done / max(1e-9, time.monotonic() - line.began)
        line.done = done
        line.detail = f"{f'loss {loss:.3f}, ' if loss is not None else ''}{rate:.0f} examples/s"
        self._board.draw()

    def note(self, text: str) -> None:
        self._board.notes.append(text)
        self._board.draw(soon=True)

    def end(self) -> None:
        if self._line is not None:
            self._line.ended = True
            self._line = None
            self._board.draw()

    def beside(self) -> "Notebook":
        return Notebook(self._display, self._board)

    def overall(self, text: str) -> None:
        self._board.overall = text
        self._board.draw()

    def close(self) -> None:
        self._board.overall = ""
        self._board.draw(soon=True)
