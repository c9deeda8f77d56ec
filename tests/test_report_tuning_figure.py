"""The figure of the searches for learning rates: it is drawn from two scores on."""

from pathlib import Path

from adaptx.report.figures.tuning import rate_plot
from adaptx.report.tables.tuning import RateCurve


def test_a_search_is_drawn_once_two_rates_are_scored(tmp_path: Path) -> None:
    file = tmp_path / "learning_rates.png"
    waiting = RateCurve("nli.lora-r8", ((1e-4, 0.4, (0.39, 0.41)), (1e-3, None, (None, 0.5))), None)
    assert rate_plot([], file) is None
    assert rate_plot([waiting], file) is None
    assert not file.exists()
    scored = RateCurve("nli.lora-r8", ((1e-4, 0.4, (0.39, 0.41)), (1e-3, 0.5, (0.49, 0.51))), 1e-3)
    assert rate_plot([waiting, scored], file) == file
    assert file.stat().st_size > 0
