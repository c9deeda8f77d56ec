"""Simulate how often the report finds a gain that `adaptx power` calls detectable: it should be 4 of 5 times.

    python benchmarks/power.py [--pages 500] [--out benchmarks/results/power.md]
    python benchmarks/power.py --smoke      # a few pages: only checks that it runs

Pages are simulated as in `coverage.py`: variants and a baseline with the same seeds, five languages, three rows per
premise. A pilot of many pages without a gain measures the deviations over rows and seeds. The gain that is detectable
with these deviations is then the true gain of further pages, on which the report's test is made.
"""

import argparse
import itertools
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from coverage import ALPHA, Setting, drawn_gains, page
from tqdm import tqdm

from adaptx.report.power.design import Design
from adaptx.report.power.detecting import detectable
from adaptx.report.power.deviations import Deviations
from adaptx.report.statistics.two_way import pooled_variance, row_variance

PROCEDURE = "two-way, pooled"


def pilot(setting: Setting, pages: int, resamples: int, generator: np.random.Generator) -> Deviations:
    """Return the deviations that pages without a gain show on average, as shares."""
    shared, own, seeds = [], [], []
    for _ in range(pages):
        observed_AS, redrawn_RAS = drawn_gains(setting, generator, resamples)
        pooled = pooled_variance(observed_AS.tolist())
        assert pooled is not None
        for arm in range(setting.arms):
            rows = row_variance(redrawn_RAS[:, arm].T)
            shared.append(rows.mean - rows.by_seed)
            own.append(rows.by_seed * setting.seeds)
        seeds.append(pooled.variance)
    by_row, by_seed = float(np.mean(shared)), float(np.mean(own))
    net = max(float(np.mean(seeds)) - by_seed, 0.0)
    return Deviations(shared=by_row / 1e4, own=by_seed / 1e4, seeds=net / 1e4, of_rows="measured", of_seeds="measured")


def stated_and_found(
    setting: Setting, tests: int, pages: int, resamples: int, generator: np.random.Generator
) -> tuple[float, float]:
    """Return the detectable gain in points, and the share of tests that find a true gain of this size.

    tests: the number of comparisons for which p is corrected.
    """
    design = Design(
        comparison="arm",
        task="simulated",
        metric="accuracy",
        quantity="zero-shot average",
        family="simulated",
        languages=(),
        sets=(),
        seeds=setting.seeds,
        arms=(setting.seeds,) * setting.arms,
    )
    deviations = pilot(setting, max(pages // 5, 5), resamples, generator)
    gain = 100 * detectable(design, deviations, level=1 - ALPHA / tests)
    tested = [
        verdict.p < ALPHA / tests
        for _ in range(pages)
        for verdict in page(replace(setting, gain=gain), generator, resamples)[PROCEDURE]
    ]
    return gain, float(np.mean(tested))


def rows_of_table(pages: int, resamples: int, smoke: bool) -> Iterator[str]:
    """Yield one line of the table per setting and number of comparisons."""
    grid = [(3, 2, 6)] if smoke else list(itertools.product((3, 5), (0, 2, 4), (1, 6)))
    for number, (seeds, deviation, arms) in enumerate(tqdm(grid, desc="settings", disable=None)):
        setting = Setting(seeds=seeds, deviation=deviation, correlation=0.5, arms=arms)
        for tests in (1, arms) if arms > 1 else (1,):
            found = stated_and_found(setting, tests, pages, resamples, np.random.default_rng(number))
            yield f"| {seeds} | {deviation} | {arms} | {tests} | {found[0]:.1f} | {found[1]:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--pages", type=int, default=500, help="simulated pages per setting (default 500)")
    parser.add_argument("--resamples", type=int, default=300, help="resamples of rows per page (default 300)")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--smoke", action="store_true", help="ten pages of one setting")
    given = parser.parse_args()
    pages = 10 if given.smoke else given.pages
    lines = [
        f"{pages:,} pages per line, {given.resamples:,} resamples. {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, numpy {np.__version__}.",
        "",
        "Five languages of 150 rows (50 premises of 3). `detectable`: the gain, in points, that `adaptx power` states "
        "for the deviations of a pilot. `found`: the share of tests that find a true gain of this size, with p < 0.05 "
        "divided by the number of comparisons. It should be 0.8.",
        "",
        "| seeds | deviation over seeds | arms | comparisons | detectable | found |",
        "|--:|--:|--:|--:|--:|--:|",
        *rows_of_table(pages, given.resamples, given.smoke),
    ]
    print("\n".join(lines))
    if given.out:
        command = " ".join(["python", *sys.argv])
        given.out.write_text(
            f"# Detectable gains, and how often they are found\n\n`{command}`\n\n" + "\n".join(lines) + "\n"
        )


if __name__ == "__main__":
    main()
