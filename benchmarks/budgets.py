"""Simulate series over compute budgets whose true gains are known: slopes, and whether the largest budget lowers gain.

    python benchmarks/budgets.py [--pages 2000] [--out benchmarks/results/budgets.md]
    python benchmarks/budgets.py --smoke      # a few pages: only checks that it runs

Several budgets are trained with several seeds and scored on the same rows. Their gains are over one baseline per seed,
which moves all of them. Redrawn rows move all models alike, each budget, and each model.

True gains are flat, level off (they rise to the middle budget and stay), or fall (they rise to the middle budget, and
the largest is `fall` points below it). Procedures for the slope, in flat series:

- slope: the report's test (`Trend.test`), which sums the gains seed by seed;
- slope, independent: the same, if budgets are taken as independent.

Procedures for a fall. Each is counted if p < 0.05 and the difference is below zero:

- largest against best smaller: the report's (`steps_to_last`), corrected for all smaller budgets (Holm);
- the same, uncorrected: the best smaller budget is chosen from the scores, and its p-value is taken as it is;
- largest against middle: the contrast of two budgets that a recipe can declare;
- quadratic: the second-order coefficient over the logarithm of the budget.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from adaptx.report.statistics.bootstrap import Floats
from adaptx.report.statistics.draws import Draws, several_means
from adaptx.report.statistics.holm import holm
from adaptx.report.statistics.peak import best_smaller, steps_to_last
from adaptx.report.statistics.trend import SizedModel, trend
from adaptx.report.statistics.two_way import TwoWay

ALPHA = 0.05
REPORT, UNCORRECTED, MIDDLE, QUADRATIC = (
    "largest against best smaller",
    "the same, uncorrected",
    "largest against middle",
    "quadratic",
)


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """The parameters of a simulated series, in points. The budgets span 1.2 decades.

    shape: `flat`, `levels off` or `falls`. deviation: of each budget over seeds; of the largest one times `last`.
    baseline: deviation of the baseline over seeds. rows: the error from the rows, of each budget.
    """

    budgets: int
    seeds: int
    shape: str = "flat"
    deviation: float = 1.0
    last: float = 1.0
    baseline: float = 1.0
    rows: float = 0.5
    fall: float = 3.0


def series(setting: Budgets, generator: np.random.Generator, resamples: int) -> list[SizedModel]:
    """Return the budgets of one simulated series."""
    shape = (setting.budgets, setting.seeds)
    spread_M1 = np.ones((setting.budgets, 1))
    spread_M1[-1] = setting.last
    of_seed_MS = setting.deviation * spread_M1 * generator.normal(size=shape)
    baseline_S = setting.baseline * generator.normal(size=setting.seeds)
    # The first draw of the rows is the measured one. Gains over one baseline share how it responds to the rows.
    moved_MSR = setting.rows * (
        generator.normal(size=(setting.budgets, 1, resamples + 1))
        + 0.5 * generator.normal(size=(*shape, resamples + 1))
        + generator.normal(size=(1, setting.seeds, resamples + 1))
    )
    by_seed_MS = _true_gains(setting)[:, None] + of_seed_MS - baseline_S + moved_MSR[:, :, 0]
    redrawn_MSR = by_seed_MS[:, :, None] + moved_MSR[:, :, 1:]
    baselines = tuple(range(setting.seeds))
    sizes = np.geomspace(1.0, 16.0, setting.budgets)
    return [
        SizedModel(size, Draws(by_seed_S, redrawn_SR, baselines))
        for size, by_seed_S, redrawn_SR in zip(sizes, by_seed_MS, redrawn_MSR, strict=True)
    ]


def _true_gains(setting: Budgets) -> Floats:
    """Return the true gain of each budget, in points."""
    place_M = np.arange(setting.budgets)
    rising_M = 4.0 * np.minimum(place_M / (setting.budgets // 2), 1.0)
    if setting.shape == "flat":
        return np.zeros(setting.budgets)
    return rising_M - setting.fall * (place_M == setting.budgets - 1) * (setting.shape == "falls")


def slopes(models: list[SizedModel]) -> dict[str, TwoWay]:
    """Return the slope's test per procedure."""
    apart = [SizedModel(each.size, Draws(each.gain.by_seed_S, each.gain.redrawn_SR)) for each in models]
    found: dict[str, TwoWay] = {}
    for name, of_models in (("slope", models), ("slope, independent", apart)):
        line = trend(of_models)
        assert line is not None
        assert line.test is not None
        found[name] = line.test
    return found


def falls(models: list[SizedModel]) -> dict[str, bool]:
    """Return per procedure whether it finds that the largest budget lowers the gain."""
    line = trend(models)
    assert line is not None
    steps = steps_to_last(line)
    best, middle = best_smaller(steps), len(models) // 2
    assert best is not None
    place = steps.index(best)
    tests = [step.test for step in steps if step.test is not None]
    corrected = holm([test.p for test in tests])
    log_M = np.log([each.size for each in models])
    curved_M = np.linalg.pinv(np.vander(log_M, 3))[0]
    quadratic = several_means([each.gain for each in models]).weighted(curved_M)
    assert quadratic is not None
    return {
        REPORT: corrected[place] < ALPHA and tests[place].mean < 0,
        UNCORRECTED: _is_below(tests[place]),
        MIDDLE: _is_below(tests[middle]),
        QUADRATIC: _is_below(quadratic),
    }


def _is_below(test: TwoWay) -> bool:
    return test.p < ALPHA and test.mean < 0


def slope_summary(setting: Budgets, pages: int, resamples: int, seed: int) -> Iterator[tuple[str, float, float]]:
    """Yield per procedure: the share of p < 0.05, and the mean width of the interval. True slopes are zero."""
    generator = np.random.default_rng(seed)
    drawn = [slopes(series(setting, generator, resamples)) for _ in range(pages)]
    for name in drawn[0]:
        widths = [high - low for low, high in (each[name].interval() for each in drawn)]
        yield name, float(np.mean([each[name].p < ALPHA for each in drawn])), float(np.mean(widths))


def fall_summary(setting: Budgets, pages: int, resamples: int, seed: int) -> dict[str, float]:
    """Return per procedure the share of series in which it finds a fall."""
    generator = np.random.default_rng(seed)
    drawn = [falls(series(setting, generator, resamples)) for _ in range(pages)]
    return {name: float(np.mean([each[name] for each in drawn])) for name in drawn[0]}


def fall_settings(smoke: bool) -> list[Budgets]:
    """Return shapes x budgets x seeds, then a largest budget that varies three times as much as the others."""
    if smoke:
        return [Budgets(budgets=3, seeds=3)]
    found = [Budgets(budgets=budgets, seeds=seeds, shape=shape)
             for shape in ("flat", "levels off", "falls") for budgets in (3, 5) for seeds in (3, 5)]  # fmt: skip
    return found + [Budgets(budgets=5, seeds=seeds, last=3.0) for seeds in (3, 5)]


def _slope_lines(pages: int, resamples: int, smoke: bool) -> Iterator[str]:
    yield "| budgets | seeds | of the largest budget | of the baseline | procedure | false alarms | mean width |"
    yield "|--:|--:|--:|--:|:--|--:|--:|"
    flat = [each for each in fall_settings(smoke) if each.shape == "flat"]
    varied = [] if smoke else [Budgets(budgets=4, seeds=5, baseline=baseline) for baseline in (0.0, 3.0)]
    for number, setting in enumerate(tqdm([*flat, *varied], desc="slopes", disable=None)):
        where = f"{setting.budgets} | {setting.seeds} | {setting.last:g} | {setting.baseline:g}"
        for name, alarms, width in slope_summary(setting, pages, resamples, number):
            yield f"| {where} | {name} | {alarms:.3f} | {width:.1f} |"


def _fall_lines(pages: int, resamples: int, smoke: bool) -> Iterator[str]:
    names = (REPORT, UNCORRECTED, MIDDLE, QUADRATIC)
    yield f"| true gains | budgets | seeds | of the largest budget | {' | '.join(names)} |"
    yield f"|:--|--:|--:|--:|{'--:|' * len(names)}"
    for number, setting in enumerate(tqdm(fall_settings(smoke), desc="falls", disable=None)):
        shares = fall_summary(setting, pages, resamples, 100 + number)
        where = f"{setting.shape} | {setting.budgets} | {setting.seeds} | {setting.last:g}"
        yield f"| {where} | {' | '.join(f'{shares[name]:.3f}' for name in names)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--pages", type=int, default=2000, help="simulated series per setting (default 2000)")
    parser.add_argument("--resamples", type=int, default=100, help="redraws of the rows per series (default 100)")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    parser.add_argument("--smoke", action="store_true", help="ten pages of one setting")
    given = parser.parse_args()
    pages = 10 if given.smoke else given.pages
    lines = [
        f"{pages:,} series per setting, {given.resamples:,} redraws of the rows. {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, numpy {np.__version__}. Each budget's gain varies by 1 point over seeds; "
        "the columns `of the largest budget` and `of the baseline` have the deviations of these.",
        "",
        "## Slopes in flat series",
        "",
        "`false alarms`: share of p < 0.05.",
        "",
        *_slope_lines(pages, given.resamples, given.smoke),
        "",
        "## How often a fall is found",
        "",
        "In flat series and in those that level off, a fall is a false alarm. Where gains fall, the largest budget is "
        "3 points below the middle one.",
        "",
        *_fall_lines(pages, given.resamples, given.smoke),
    ]
    print("\n".join(lines))
    if given.out:
        title = "# False alarms and finds of series over compute budgets"
        given.out.write_text(f"{title}\n\n`" + " ".join(["python", *sys.argv]) + "`\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
