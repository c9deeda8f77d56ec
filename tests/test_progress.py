"""What a watched run shows: a line a stage, also of several at once."""

import io

import pytest
from rich.console import Console

from adaptx.display import progress
from adaptx.display.progress import watcher


def test_lines_of_stages_that_run_at_once() -> None:
    screen = io.StringIO()
    first = watcher(Console(file=screen, force_terminal=True, width=120, color_system=None))
    second = first.beside()
    first.start("e5.snli", 4, "step")
    second.start("e5.[nli]", 2, "step")
    first.advance(1, loss=1.5, examples_per_second=16.0)
    second.advance(2, loss=0.25, examples_per_second=8.0)
    first.note("a note [in brackets]")
    second.end()
    second.end()
    second.start("e5.[nli].en", 3, "sequence")
    first.close()
    shown = screen.getvalue()
    assert "a note [in brackets]" in shown
    # What has ended stays above what moves.
    last = shown[shown.rindex("2/2") - 60 :]
    assert "e5.[nli]" in last
    assert last.index("loss 0.250 8 examples/s") < last.rindex("e5.snli") < last.rindex("e5.[nli].en")
    assert "loss 1.500 16 examples/s" in last


def test_the_whole_run_is_below_the_lines_of_stages_and_goes_at_the_end() -> None:
    screen = io.StringIO()
    first = watcher(Console(file=screen, force_terminal=True, width=120, color_system=None))
    first.start("e5.snli", 4, "step")
    first.beside().overall("stage 7 of 45, about 12 min left")
    first.advance(1, loss=1.5, examples_per_second=16.0)
    first.note("a note")
    shown = screen.getvalue()
    assert shown.rindex("e5.snli") < shown.rindex("stage 7 of 45, about 12 min left")
    before = len(shown)
    first.close()
    assert "stage 7 of 45" not in screen.getvalue()[before:]


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def perf_counter(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def test_plain_lines_name_their_stage_and_the_whole_run(clock: Clock) -> None:
    page = io.StringIO()
    first = watcher(Console(file=page, width=120))
    second = first.beside()
    first.overall("stage 1 of 3")
    first.start("e5.snli", 20, "step")
    second.start("e5.nli", 2, "step")
    second.advance(2, loss=0.25, examples_per_second=8.0)
    clock.seconds += 10
    first.overall("stage 2 of 3, about 12 min left")
    first.advance(10, loss=1.5, examples_per_second=16.0)
    first.note("a note")
    clock.seconds += 5
    first.advance(19, loss=1.25, examples_per_second=16.0)
    first.advance(20, loss=1.0, examples_per_second=16.0)
    first.close()
    assert page.getvalue().splitlines() == [
        "stage 1 of 3: e5.snli: 20 steps",
        "stage 2 of 3, about 12 min left: e5.snli: step 10/20, loss 1.500, 16 examples/s, 10 s left",
        "a note",
        "stage 2 of 3, about 12 min left: e5.snli: step 20/20, loss 1.000, 16 examples/s, 0 s left",
    ]


def test_an_hour_of_short_evaluations_is_one_plain_line_in_ten_seconds(clock: Clock) -> None:
    page = io.StringIO()
    plain = watcher(Console(file=page, width=120))
    for number in range(3600):
        plain.overall(f"stage {number} of 3600")
        plain.start(f"e5.nli.{number}", 8, "sequence")
        plain.advance(8)
        clock.seconds += 1
    assert len(page.getvalue().splitlines()) == 360
