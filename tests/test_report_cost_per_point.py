"""The cost of a point gained, with the gain's interval inverted."""

import dataclasses

import pytest

from adaptx.report.gains.gain import ZERO_SHOT, Gain
from adaptx.report.tables.cost_per_point import CostPerPoint, cost_per_point, cost_text

GAIN = Gain(
    task="nli", metric="accuracy", model="m", method="lora", start="Sequential", intermediate="snli", target="nli",
    variant="after snli", is_baseline=False, seeds=3, quantity=ZERO_SHOT, languages=("ko",), examples=100, score=0.5,
    baseline="baseline", baseline_score=0.45, gain=0.05, low=0.02, high=0.10, p=0.01, holm_p=0.01,
)  # fmt: skip


def test_the_interval_is_that_of_the_gain_inverted() -> None:
    # 30 operations more for 5 points: 6 a point; for 10 points 3, for 2 points 15.
    assert cost_per_point(GAIN, 30.0) == CostPerPoint(pytest.approx(6.0), pytest.approx(3.0), pytest.approx(15.0))
    open_ended = dataclasses.replace(GAIN, low=-0.01)
    assert cost_per_point(open_ended, 30.0).high is None, "the gain may be zero, so no cost is too large"
    assert cost_per_point(dataclasses.replace(GAIN, gain=-0.05, low=-0.1, high=-0.01), 30.0) == CostPerPoint(
        None, None, None
    )


@pytest.mark.parametrize(
    ("changed", "costs", "text"),
    [
        ({}, {"after snli": 40e12, "baseline": 10e12}, "6.0 [3.0, 15.0]"),
        ({"low": -0.01, "holm_p": 0.2}, {"after snli": 40e12, "baseline": 10e12}, "at least 3.0"),
        ({"holm_p": 0.2}, {"after snli": 40e12, "baseline": 10e12}, "at least 3.0"),
        ({"gain": -0.05, "low": -0.1, "high": -0.01}, {"after snli": 40e12, "baseline": 10e12}, "no gain"),
        ({}, {"after snli": 5e12, "baseline": 10e12}, "no extra cost"),
        ({}, {"after snli": 40e12, "baseline": None}, "–"),
        ({}, {"after snli": 40e12}, "–"),
        ({"gain": None, "low": None}, {"after snli": 40e12, "baseline": 10e12}, "–"),
        ({"baseline": None}, {"after snli": 40e12}, "–"),
    ],
)
def test_cells_say_what_is_known(changed: dict[str, float], costs: dict[str, float | None], text: str) -> None:
    assert cost_text(dataclasses.replace(GAIN, **changed), costs, 1e12) == text
