"""Simulate how often the report's intervals contain the true gain, and how often its tests raise a false alarm.

    python benchmarks/coverage.py [--pages 1000] [--out benchmarks/results/coverage.md]
    python benchmarks/coverage.py --smoke      # a few pages: only checks that it runs

A simulated page has several variants (arms) and one baseline, all trained with the same seeds and scored on test sets
in several languages. The accuracy of a model is the true accuracy of its arm plus a draw per seed. Rows have a
difficulty that all models share, parallel languages share rows, and three rows share a premise. The known true gain is
compared with the results of four procedures, all of them functions of the package:

- rows alone: the percentile interval of the bootstrap and approximate randomisation, which hold the seeds fixed;
- seeds alone: Student's t interval over the seeds' gains, which holds the rows fixed;
- two-way: rows and seeds together, with the arm's own variance over seeds;
- two-way, pooled: as before, with the variance over seeds pooled over the arms; the report's verdicts use this one;
- contrast: the difference between two arms, two-way, with its own variance over seeds;
- contrast, pooled: as before, with the variance over seeds from all arms as blocks; the report's contrasts use it.
"""

import argparse
import itertools
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import norm
from tqdm import tqdm

from adaptx.report.statistics.blocks import block_variance
from adaptx.report.statistics.bootstrap import ExampleRows, Floats, interval, resampled_sums
from adaptx.report.statistics.holm import holm
from adaptx.report.statistics.over_seeds import over_seeds
from adaptx.report.statistics.randomisation import exchanged_sums, p_value
from adaptx.report.statistics.two_way import pooled_variance, row_variance, two_way

PROCEDURES = ("rows alone", "seeds alone", "two-way", "two-way, pooled")
CONTRASTS = ("contrast", "contrast, pooled")
LANGUAGES = ("xa", "xb", "xc", "xd", "xe")
PER_PREMISE = 3
ALPHA = 0.05
BASELINE = 0.6
SHARED_SKILL = 0.5
"""Share of the variance of a row's difficulty that all models have in common."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The parameters of a simulated page.

    deviation: standard deviation of a gain over seeds, in points. correlation: of the difficulty of parallel rows.
    gain: true gain of every arm, in points. parallel: whether languages share their rows. alike: the share of the
    variance over seeds that every second arm has in common, because they start from the same intermediate training.
    unequal: the factor by which the first arm's deviation over seeds is larger than that of the others.
    """

    seeds: int
    deviation: float
    correlation: float
    gain: float = 0.0
    arms: int = 6
    rows: int = 150
    parallel: bool = True
    alike: float = 0.0
    unequal: float = 1.0


@dataclass(frozen=True)
class Verdict:
    """The result of one procedure for one arm: its interval, in points, and its p-value."""

    low: float
    high: float
    p: float


def page(setting: Setting, generator: np.random.Generator, resamples: int) -> dict[str, list[Verdict]]:
    """Return the verdict of each procedure on each arm of one simulated page."""
    gains, examples = _gains(setting, generator)
    seed = int(generator.integers(2**31))
    shape = (-1, setting.arms, setting.seeds)
    redrawn = _average(resampled_sums(gains, examples, resamples, seed), setting.rows).reshape(shape)
    whole = {lang: each.sum(axis=0) for lang, each in gains.items()}
    moved = exchanged_sums({lang: -2 * each for lang, each in gains.items()}, examples, resamples, seed)
    exchanged = _average({lang: whole[lang] + moved[lang] for lang in gains}, setting.rows).reshape(shape)
    observed = _average(whole, setting.rows).reshape(setting.arms, setting.seeds)
    pooled = pooled_variance(observed.tolist())
    found: dict[str, list[Verdict]] = {name: [] for name in PROCEDURES}
    for arm in range(setting.arms):
        low, high = interval(redrawn[:, arm].mean(axis=1))
        p = p_value(exchanged[:, arm].mean(axis=1), float(observed[arm].mean()))
        found["rows alone"].append(Verdict(low, high, p))
        seeds = over_seeds(list(observed[arm]))
        assert seeds.low is not None
        assert seeds.high is not None
        assert seeds.p is not None
        found["seeds alone"].append(Verdict(seeds.low, seeds.high, seeds.p))
        for name, variance in (("two-way", None), ("two-way, pooled", pooled)):
            both = two_way(list(observed[arm]), row_variance(redrawn[:, arm].T), variance)
            assert both is not None
            found[name].append(Verdict(*both.interval(), both.p))
    return found | _contrasts(observed, redrawn)


def drawn_gains(setting: Setting, generator: np.random.Generator, resamples: int) -> tuple[Floats, Floats]:
    """Return each arm's gain with each seed, [A, S], and under redrawn rows, [R, A, S], in points, on one new page."""
    gains, examples = _gains(setting, generator)
    redrawn = _average(resampled_sums(gains, examples, resamples, int(generator.integers(2**31))), setting.rows)
    observed = _average({lang: each.sum(axis=0) for lang, each in gains.items()}, setting.rows)
    return observed.reshape(setting.arms, setting.seeds), redrawn.reshape(-1, setting.arms, setting.seeds)


def _gains(setting: Setting, generator: np.random.Generator) -> tuple[dict[str, Floats], dict[str, ExampleRows]]:
    """Return the gains of one page by language, in points per row, and the rows.

    There is one column per arm and seed: the arm's correctness minus that of the baseline with the same seed.
    """
    correct = _models(setting, generator)
    baseline, arms = correct[0], correct[1:]
    rows = np.arange(setting.rows) // PER_PREMISE * PER_PREMISE
    examples = {lang: ExampleRows(rows, "parallel" if setting.parallel else None) for lang in LANGUAGES}
    gains = {
        lang: 100 * (arms[:, :, number] - baseline[None, :, number]).reshape(-1, setting.rows).T
        for number, lang in enumerate(LANGUAGES)
    }
    return gains, examples


def _contrasts(observed_AS: Floats, redrawn_RAS: Floats) -> dict[str, list[Verdict]]:
    """Return the verdicts on the differences between the first arm and each of every second other, such as the fourth.

    The first arm shares its intermediate training with the third and fifth, and not with these.
    """
    found: dict[str, list[Verdict]] = {name: [] for name in CONTRASTS if len(observed_AS) > 1}
    pooled = block_variance(observed_AS, (1, -1))
    for other in range(1, len(observed_AS), 2):
        rows = row_variance((redrawn_RAS[:, 0] - redrawn_RAS[:, other]).T)
        for name, variance in zip(CONTRASTS, (None, pooled), strict=True):
            both = two_way(list(observed_AS[0] - observed_AS[other]), rows, variance)
            assert both is not None
            found[name].append(Verdict(*both.interval(), both.p))
    return found


def _models(setting: Setting, generator: np.random.Generator) -> Floats:
    """Return which rows each model answers correctly: [baseline and arms, seeds, languages, rows]."""
    models, languages = setting.arms + 1, len(LANGUAGES)
    shared = generator.normal(size=(1, setting.rows)) if setting.parallel else 0.0
    own = generator.normal(size=(languages, setting.rows))
    row_difficulty = np.sqrt(setting.correlation) * shared + np.sqrt(1 - setting.correlation) * own
    premise = np.repeat(generator.normal(size=(languages, setting.rows // PER_PREMISE)), PER_PREMISE, axis=1)
    difficulty = np.sqrt(0.7) * row_difficulty + np.sqrt(0.3) * premise
    shape = (models, setting.seeds, languages, setting.rows)
    latent = np.sqrt(SHARED_SKILL) * difficulty + np.sqrt(1 - SHARED_SKILL) * generator.normal(size=shape)
    # The variant and the baseline contribute equal parts to the variance of the gain.
    of_seed = generator.normal(0, setting.deviation / 100 / np.sqrt(2), size=(models, setting.seeds))
    if setting.alike:
        of_seed[1::2] = np.sqrt(setting.alike) * of_seed[1] + np.sqrt(1 - setting.alike) * of_seed[1::2]
    of_seed[1] *= setting.unequal
    accuracy = BASELINE + of_seed
    accuracy[1:] += setting.gain / 100
    return (latent < norm.ppf(np.clip(accuracy, 0.01, 0.99))[:, :, None, None]).astype(np.float64)


def _average(sums: dict[str, Floats], rows: int) -> Floats:
    return np.mean([each / rows for each in sums.values()], axis=0)


def summary(
    setting: Setting, pages: int, resamples: int, seed: int
) -> Iterator[tuple[str, float, float, float, float]]:
    """Yield per procedure: false alarms per arm and per page (after Holm) if the gain is zero, coverage, mean width."""
    generator = np.random.default_rng(seed)
    drawn = [page(setting, generator, resamples) for _ in range(pages)]
    for name in drawn[0]:
        truth = 0.0 if name in CONTRASTS else setting.gain
        every = [verdict for each in drawn for verdict in each[name]]
        alarms = float(np.mean([verdict.p < ALPHA for verdict in every]))
        after_holm = float(np.mean([min(holm([v.p for v in each[name]])) < ALPHA for each in drawn]))
        held = float(np.mean([verdict.low <= truth <= verdict.high for verdict in every]))
        yield name, alarms, after_holm, held, float(np.mean([verdict.high - verdict.low for verdict in every]))


def settings(smoke: bool) -> list[Setting]:
    """Return the settings of the table: seeds x deviations x correlations, without and with a gain."""
    if smoke:
        return [Setting(seeds=3, deviation=4, correlation=0.5)]
    grid = itertools.product((3, 5), (0, 2, 4, 6))
    found = [
        Setting(seeds=seeds, deviation=deviation, correlation=correlation)
        for seeds, deviation in grid
        for correlation in (0.0, 0.8)
    ]
    return [
        *found,
        *(Setting(seeds=seeds, deviation=4, correlation=0.5, gain=5.0) for seeds in (3, 5)),
        *(Setting(seeds=seeds, deviation=4, correlation=0.5, parallel=False) for seeds in (3, 5)),
        *(Setting(seeds=seeds, deviation=4, correlation=0.5, arms=1) for seeds in (3, 5)),
        *(Setting(seeds=n, deviation=4, correlation=0.5, alike=share) for n in (3, 5) for share in (0.5, 0.8)),
        *(Setting(seeds=n, deviation=4, correlation=0.5, unequal=factor) for n in (3, 5) for factor in (1.5, 3.0)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--pages", type=int, default=1000, help="simulated pages per setting (default 1000)")
    parser.add_argument("--resamples", type=int, default=1000, help="resamples of rows per page (default 1000)")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--smoke", action="store_true", help="ten pages of one setting")
    given = parser.parse_args()
    pages = 10 if given.smoke else given.pages
    lines = [
        f"{pages:,} pages per setting, {given.resamples:,} resamples. {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, numpy {np.__version__}.",
        "",
        f"Five languages of 150 rows (50 premises of {PER_PREMISE}), a baseline of {BASELINE:.0%} accuracy. `false "
        "alarms`: share of arms with p < 0.05 if no arm gains. `per page`: share of pages with such an arm after "
        "Holm's correction. `coverage`: share of 95% intervals that contain the true gain.",
        "",
        "| seeds | deviation over seeds | correlation of languages, and exceptions | arms | true gain | procedure |"
        " false alarms | per page | coverage | mean width |",
        "|--:|--:|--:|--:|--:|:--|--:|--:|--:|--:|",
    ]
    for number, setting in enumerate(tqdm(settings(given.smoke), desc="settings", disable=None)):
        for name, alarms, after_holm, held, width in summary(setting, pages, given.resamples, number):
            correlation = f"{setting.correlation:g}" if setting.parallel else "none shared"
            correlation += f", arms alike {setting.alike:g}" if setting.alike else ""
            correlation += f", first arm x {setting.unequal:g}" if setting.unequal != 1 else ""
            where = f"{setting.seeds} | {setting.deviation:g} | {correlation} | {setting.arms} | {setting.gain:g}"
            alarm_cells = f"{alarms:.3f} | {after_holm:.3f}" if not setting.gain or name in CONTRASTS else "- | -"
            lines.append(f"| {where} | {name} | {alarm_cells} | {held:.3f} | {width:.1f} |")
    print("\n".join(lines))
    if given.out:
        title = "# Coverage of intervals and false alarms of tests"
        given.out.write_text(f"{title}\n\n`" + " ".join(["python", *sys.argv]) + "`\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
