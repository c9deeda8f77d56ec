"""What a watched run shows: a line a stage, also of several at once."""

import io

from rich.console import Console

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


def test_plain_lines_name_their_stage() -> None:
    page = io.StringIO()
    first = watcher(Console(file=page, width=120))
    second = first.beside()
    first.start("e5.snli", 2, "step")
    second.start("e5.nli", 2, "step")
    first.advance(2, loss=1.5, examples_per_second=16.0)
    second.advance(2, loss=0.25, examples_per_second=8.0)
    first.close()
    assert page.getvalue().splitlines() == [
        "e5.snli: 2 steps",
        "e5.nli: 2 steps",
        "e5.snli: step 2/2, loss 1.500, 16 examples/s, 0 s left",
        "e5.nli: step 2/2, loss 0.250, 8 examples/s, 0 s left",
    ]
