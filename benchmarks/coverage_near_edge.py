"""Simulate how often the report's intervals contain the true gain if a variant and its baseline differ on few rows.

    python benchmarks/coverage_near_edge.py [--pages 1000] [--out benchmarks/results/coverage_near_edge.md]
    python benchmarks/coverage_near_edge.py --smoke      # a few pages: only checks that it runs

Two models of 97 to 98 % accuracy, or two models that answer almost alike at 40 %, are scored on test sets of 50 or 150
rows, in one or several languages. Rows have a difficulty that both models share, parallel languages share rows, and
rows can share a premise. The true gain is known. It is compared with the interval of the bootstrap and with the one
that the report uses (`adaptx/report/statistics/near_edge.py`). With fewer than three seeds both hold the seeds fixed;
from three seeds on they are two-way intervals.
"""

import argparse
import itertools
import os
import platform
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import norm
from tqdm import tqdm

from adaptx.report.statistics.bootstrap import ExampleRows, Floats, interval, resampled_sums
from adaptx.report.statistics.near_edge import LanguageGain, near_edge
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.two_way import row_variance, two_way

PROCEDURES = ("bootstrap", "near the edge")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The parameters of a simulated comparison.

    accuracy: of the baseline. gain: true gain, in points. premise: number of rows that share a premise. alike: share of
    the variance of a row's difficulty that both models have in common. seeds, deviation: number of seeds, and standard
    deviation of an accuracy over seeds, in points.
    """

    accuracy: float
    rows: int
    languages: int = 1
    premise: int = 1
    gain: float = 0.0
    alike: float = 0.5
    seeds: int = 1
    deviation: float = 0.0
    parallel: bool = True


def covered(setting: Setting, generator: np.random.Generator, resamples: int) -> dict[str, tuple[bool, float]]:
    """Return, for each procedure, whether its interval contains the true gain, and its width in points."""
    right = _models(setting, generator)
    names = [f"x{number}" for number in range(setting.languages)]
    cluster_N = np.arange(setting.rows) // setting.premise
    examples = {name: ExampleRows(cluster_N, "parallel" if setting.parallel else None) for name in names}
    difference = {name: (right[0, :, number] - right[1, :, number]).T for number, name in enumerate(names)}
    sums = resampled_sums(difference, examples, resamples, int(generator.integers(2**31)))
    redrawn = {name: (each / setting.rows).T for name, each in sums.items()}
    mean_SR = np.mean(list(redrawn.values()), axis=0)
    edge = near_edge(
        [
            LanguageGain(
                weight=1 / setting.languages,
                ours_SN=right[0, :, number],
                theirs_SN=right[1, :, number],
                cluster_N=cluster_N,
                redrawn_SR=redrawn[name],
            )
            for number, name in enumerate(names)
        ]
    )
    by_seed = [float(gain) for gain in np.mean([each.mean(axis=0) for each in difference.values()], axis=0)]
    plain = interval(mean_SR.mean(axis=0))
    found = {"bootstrap": plain, "near the edge": edge.interval() if edge is not None else plain}
    if setting.seeds >= LEAST_SEEDS:
        rows = row_variance(mean_SR)
        wider = replace(rows, mean=max(rows.mean, edge.variance)) if edge is not None else rows
        for name, variance in zip(PROCEDURES, (rows, wider), strict=True):
            both = two_way(by_seed, variance)
            found[name] = both.interval() if both is not None else (by_seed[0], by_seed[0])
    truth = setting.gain / 100
    return {name: (low <= truth <= high, 100 * (high - low)) for name, (low, high) in found.items()}


def _models(setting: Setting, generator: np.random.Generator) -> Floats:
    """Return which rows variant and baseline answer correctly: [model, seed, language, row]."""
    languages, rows = setting.languages, setting.rows
    shared = generator.normal(size=(1, rows)) if setting.parallel else 0.0
    row = np.sqrt(0.5) * shared + np.sqrt(0.5 if setting.parallel else 1.0) * generator.normal(size=(languages, rows))
    if setting.premise > 1:
        of_premise = generator.normal(size=(languages, -(-rows // setting.premise)))
        row = np.sqrt(0.7) * row + np.sqrt(0.3) * np.repeat(of_premise, setting.premise, axis=1)[:, :rows]
    latent = np.sqrt(setting.alike) * row
    latent = latent + np.sqrt(1 - setting.alike) * generator.normal(size=(2, setting.seeds, languages, rows))
    accuracy = setting.accuracy + generator.normal(0, setting.deviation / 100, size=(2, setting.seeds))
    accuracy[0] += setting.gain / 100
    return (latent < norm.ppf(np.clip(accuracy, 0.001, 0.999))[:, :, None, None]).astype(np.float64)


def coverage(setting: Setting, pages: int, resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return, for each procedure, the share of intervals that contain the true gain, and the mean width in points."""
    generator = np.random.default_rng(seed)
    drawn = [covered(setting, generator, resamples) for _ in range(pages)]
    return {
        name: (float(np.mean([each[name][0] for each in drawn])), float(np.mean([each[name][1] for each in drawn])))
        for name in PROCEDURES
    }


def settings(smoke: bool) -> list[Setting]:
    """Return the settings of the table."""
    if smoke:
        return [Setting(accuracy=0.975, rows=50)]
    found = [
        Setting(accuracy=accuracy, rows=rows, gain=gain, premise=premise, languages=languages)
        for accuracy, rows, gain, premise, languages in itertools.product(
            (0.97, 0.98), (50, 150), (0.0, 1.0), (1, 3), (1, 5)
        )
    ]
    found += [
        Setting(accuracy=0.975, rows=rows, languages=5, parallel=False, premise=premise, gain=1.0)
        for rows, premise in itertools.product((50, 150), (1, 3))
    ]
    found += [
        Setting(accuracy=0.4, rows=rows, alike=0.999, languages=languages, premise=premise, gain=gain)
        for rows, languages, premise, gain in itertools.product((50, 150), (1, 5), (1, 3), (0.0, 1.0))
    ]
    found += [
        Setting(accuracy=0.975, rows=rows, seeds=seeds, deviation=deviation, languages=languages, gain=1.0)
        for rows, seeds, deviation, languages in itertools.product((50, 150), (3, 5), (0.0, 0.5), (1, 5))
    ]
    found += [
        Setting(accuracy=0.4, rows=rows, alike=0.999, seeds=3, languages=languages, gain=gain)
        for rows, languages, gain in itertools.product((50, 150), (1, 5), (0.0, 1.0))
    ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--pages", type=int, default=1000, help="simulated comparisons per setting (default 1000)")
    parser.add_argument("--resamples", type=int, default=1000, help="resamples of rows per comparison (default 1000)")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--smoke", action="store_true", help="ten comparisons of one setting")
    given = parser.parse_args()
    pages = 10 if given.smoke else given.pages
    lines = [
        f"{pages:,} comparisons per setting, {given.resamples:,} resamples. {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, numpy {np.__version__}.",
        "",
        "`coverage`: share of 95% intervals that contain the true gain. `width`: mean width, in points. `alike`: share "
        "of a row's difficulty that variant and baseline have in common. `deviation`: standard deviation of an "
        "accuracy over seeds, in points. Five languages are parallel (difficulties correlate with 0.5) or share no "
        "rows.",
        "",
        "| accuracy, % | rows | rows per premise | languages | alike | true gain | seeds | deviation |"
        " coverage, bootstrap | coverage, near the edge | width, bootstrap | width, near the edge |",
        "|--:|--:|--:|:--|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for number, setting in enumerate(tqdm(settings(given.smoke), desc="settings", disable=None)):
        found = coverage(setting, pages, given.resamples, number)
        languages = (
            "1" if setting.languages == 1 else f"{setting.languages}{'' if setting.parallel else ', not parallel'}"
        )
        held = " | ".join(f"{found[name][0]:.3f}" for name in PROCEDURES)
        wide = " | ".join(f"{found[name][1]:.1f}" for name in PROCEDURES)
        lines.append(
            f"| {100 * setting.accuracy:g} | {setting.rows} | {setting.premise} | {languages} | {setting.alike:g} | "
            f"{setting.gain:g} | {setting.seeds} | {setting.deviation:g} | {held} | {wide} |"
        )
    print("\n".join(lines))
    if given.out:
        title = "# Coverage of intervals where variant and baseline differ on few rows"
        given.out.write_text(f"{title}\n\n`" + " ".join(["python", *sys.argv]) + "`\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
