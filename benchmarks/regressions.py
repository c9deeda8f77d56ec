"""Simulate the report's regressions, whose true slopes are known: gain over model size, and gain over languages.

    python benchmarks/regressions.py [--pages 1000] [--out benchmarks/results/regressions.md]
    python benchmarks/regressions.py --smoke      # a few pages: only checks that it runs

**Size.** Models of several sizes are trained with several seeds and scored on the same rows in low- and high-resource
languages. Each seed moves all languages of its model, and the low-resource languages once more. True gains may deviate
from a line over the logarithm of size. The slope has two truths: that of the line which the models were drawn from, and
that of the least-squares line through the true gains of these models. Procedures:

- rows and seeds: the report's interval and p-value (`Trend.test`), each size with a variance over seeds of its own;
- rows and seeds, pooled: as before, with one variance over seeds for all sizes;
- line over means: t interval of least squares over the models' means, which ignores seeds (`Trend.over_models`);
- random model term: a line with a random intercept per model, seeds as observations, fitted by REML (closed form);
- low minus high: `Trend.test` of the low-resource minus the high-resource gain of the same models;
- Welch over languages: t-test over the slopes of single languages, which takes languages of one model as independent.

**Languages.** Gains of several variants in several languages are regressed on attributes that change nothing.
Procedures: the report's (a mixed model; over means if it has no solution), over means alone, and least squares with
errors clustered by language.
"""

import argparse
import itertools
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from tqdm import tqdm

from adaptx.report.statistics.bootstrap import ExampleRows, Floats, resampled_sums
from adaptx.report.statistics.draws import Draws
from adaptx.report.statistics.mixed_regression import MIXED_MODEL, mixed_regression
from adaptx.report.statistics.trend import SizedModel, Trend, trend
from adaptx.report.statistics.two_way import row_variance

ALPHA = 0.05
LOW, HIGH = ("low 1", "low 2", "low 3", "low 4"), ("high 1", "high 2", "high 3", "high 4")
ROWS = 100


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The parameters of a simulated series, in points. The sizes span one decade.

    deviation: over seeds, of all languages of a model. small: the same for the smallest size, relative to the largest.
    low_deviation: over seeds, of the low-resource languages alone. models: deviation of models from the line.
    """

    sizes: int
    seeds: int
    deviation: float
    small: float = 1.0
    low_deviation: float = 1.5
    models: float = 0.0


@dataclass(frozen=True)
class Found:
    """A slope's interval and p-value, and the slope of the line through these models; the true slope is zero."""

    low: float
    high: float
    p: float
    models: float = 0.0


def series(setting: Sizes, generator: np.random.Generator, resamples: int) -> dict[str, Found]:
    """Return the result of each procedure on one simulated series. Its line has the slope zero."""
    log_M = np.linspace(7.0, 8.0, setting.sizes)
    true_M = generator.normal(0, setting.models, setting.sizes)
    gains = _gains(setting, true_M, generator)
    seed = int(generator.integers(2**31))
    shape = (setting.sizes, setting.seeds)
    redrawn = {
        language: (sums / ROWS).T.reshape(*shape, resamples)
        for language, sums in resampled_sums(
            {language: each.reshape(-1, ROWS).T for language, each in gains.items()},
            {language: ExampleRows(np.arange(ROWS), "parallel") for language in gains},
            resamples,
            seed,
        ).items()
    }

    def draws(languages: tuple[str, ...]) -> list[Draws]:
        by_seed_MS = np.mean([gains[language].mean(axis=2) for language in languages], axis=0)
        redrawn_MSR = np.mean([redrawn[language] for language in languages], axis=0)
        return [Draws(*each) for each in zip(by_seed_MS, redrawn_MSR, strict=True)]

    gain_of_models = draws((*LOW, *HIGH))
    whole = _trend(log_M, gain_of_models)
    apart = [one.minus(other) for one, other in zip(draws(LOW), draws(HIGH), strict=True)]
    of_models = float(np.polyfit(log_M, true_M, 1)[0])
    assert whole.test is not None
    assert whole.over_models is not None
    resources = _trend(log_M, apart).test
    assert resources is not None
    means_LM = {language: gains[language].mean(axis=(1, 2)) for language in gains}
    slopes = [[float(np.polyfit(log_M, means_LM[lang], 1)[0]) for lang in languages] for languages in (LOW, HIGH)]
    welch: Any = stats.ttest_ind(*slopes, equal_var=False)
    welch_low, welch_high = map(float, welch.confidence_interval(0.95))
    observed_MS = np.array([each.by_seed_S for each in gain_of_models])
    return {
        "rows and seeds": Found(*whole.test.interval(), whole.test.p, models=of_models),
        "rows and seeds, pooled": _pooled(whole, gain_of_models, setting, of_models),
        "line over means": Found(*whole.over_models.interval(), whole.over_models.p, models=of_models),
        "random model term": _random_term(log_M, observed_MS, of_models),
        "low minus high": Found(*resources.interval(), resources.p),
        "Welch over languages": Found(welch_low, welch_high, float(welch.pvalue)),
    }


def _gains(setting: Sizes, true_M: Floats, generator: np.random.Generator) -> dict[str, Floats]:
    """Return the gain on each row, in points, by language: [sizes, seeds, rows]."""
    shape = (setting.sizes, setting.seeds)
    spread_M1 = np.linspace(setting.small, 1.0, setting.sizes)[:, None]
    of_seed_MS = true_M[:, None] + setting.deviation * spread_M1 * generator.normal(size=shape)
    of_low_MS = setting.low_deviation * spread_M1 * generator.normal(size=shape)
    # Gains on single rows are -100, 0 or 100 points, with a deviation of about 50. Each row here stands for six of
    # them, so its deviation is about 20. All models share part of it.
    row_N = generator.normal(0, 10, ROWS)
    return {
        language: (of_seed_MS + of_low_MS * (language in LOW))[:, :, None]
        + row_N
        + generator.normal(0, 10, ROWS)
        + generator.normal(0, 14, (*shape, ROWS))
        for language in (*LOW, *HIGH)
    }


def _trend(log_M: Floats, draws: list[Draws]) -> Trend:
    found = trend([SizedModel(10**log, gain) for log, gain in zip(log_M, draws, strict=True)])
    assert found is not None
    return found


def _pooled(found: Trend, models: list[Draws], setting: Sizes, of_models: float) -> Found:
    """Return the slope with one variance over seeds for all sizes."""
    log_M = found.log_M
    weight_M = (log_M - log_M.mean()) / ((log_M - log_M.mean()) ** 2).sum()
    of_seeds = np.mean([np.var(each.by_seed_S, ddof=1) for each in models]) / setting.seeds
    seeds = float(of_seeds) * float(weight_M @ weight_M)
    rows = float(np.var(np.tensordot(weight_M, [each.redrawn_SR.mean(axis=0) for each in models], axes=1)))
    by_seed = float(weight_M**2 @ [row_variance(each.redrawn_SR).by_seed for each in models])
    variance = max(rows + seeds - by_seed, rows, seeds)
    degrees = setting.sizes * (setting.seeds - 1) * (variance / seeds) ** 2
    half = float(stats.t.ppf(1 - ALPHA / 2, degrees)) * variance**0.5
    p = float(2 * stats.t.sf(abs(found.change) / variance**0.5, degrees))
    return Found(found.change - half, found.change + half, p, models=of_models)


def _random_term(log_M: Floats, observed_MS: Floats, of_models: float) -> Found:
    """Return the slope in a balanced line with a random intercept per model, fitted by REML.

    REML equals the analysis of variance here. The slope's error comes from the mean square of the models around the
    line, or from both mean squares together if that between models is not the larger one.
    """
    sizes, seeds = observed_MS.shape
    weight_M = (log_M - log_M.mean()) / ((log_M - log_M.mean()) ** 2).sum()
    mean_M = observed_MS.mean(axis=1)
    slope = float(weight_M @ mean_M)
    rest_M = mean_M - mean_M.mean() - slope * (log_M - log_M.mean())
    between, within = seeds * float(rest_M @ rest_M), float(((observed_MS - mean_M[:, None]) ** 2).sum())
    free, free_within = sizes - 2, sizes * (seeds - 1)
    square, degrees = between / free, float(free)
    if square <= within / free_within:
        square, degrees = (between + within) / (free + free_within), float(free + free_within)
    error = (square / seeds * float(weight_M @ weight_M)) ** 0.5
    half = float(stats.t.ppf(1 - ALPHA / 2, degrees)) * error
    p = float(2 * stats.t.sf(abs(slope) / error, degrees))
    return Found(slope - half, slope + half, p, models=of_models)


def size_summary(
    setting: Sizes, pages: int, resamples: int, seed: int
) -> Iterator[tuple[str, float, float, float, float]]:
    """Yield per procedure: p < 0.05, coverage of the line's slope, of the slope through these models, mean width."""
    generator = np.random.default_rng(seed)
    drawn = [series(setting, generator, resamples) for _ in range(pages)]
    for name in drawn[0]:
        every = [each[name] for each in drawn]
        yield (
            name,
            float(np.mean([each.p < ALPHA for each in every])),
            float(np.mean([each.low <= 0.0 <= each.high for each in every])),
            float(np.mean([each.low <= each.models <= each.high for each in every])),
            float(np.mean([each.high - each.low for each in every])),
        )


@dataclass(frozen=True, kw_only=True)
class Languages:
    """The parameters of a simulated table of gains, in points. between: deviation of languages."""

    languages: int
    attributes: int
    variants: int
    between: float
    noise: float = 2.0
    missing: float = 0.0


def language_summary(setting: Languages, tables: int, seed: int) -> Iterator[tuple[str, float, float]]:
    """Yield per procedure: the share of attributes with p < 0.05, none of which has an effect, and the mean width.

    The last line is the share of tables for which the report uses the mixed model.
    """
    generator = np.random.default_rng(seed)
    found: dict[str, list[tuple[float, float]]] = {"report": [], "over means": [], "clustered": []}
    mixed: list[bool] = []
    while len(mixed) < tables:
        language_N, variant_N = np.indices((setting.languages, setting.variants)).reshape(2, -1)
        kept_N = generator.random(len(language_N)) >= setting.missing
        language_N, variant_N = language_N[kept_N], variant_N[kept_N]
        if len(set(language_N)) < setting.languages or len(set(variant_N)) < setting.variants:
            continue
        attributes_LK: Floats = np.column_stack(
            [generator.uniform(0, 1, setting.languages)]
            + [(generator.permutation(setting.languages) % 2).astype(np.float64) for _ in range(setting.attributes - 1)]
        )
        value_N = generator.normal(0, setting.between, setting.languages)[language_N] + generator.normal(
            0, setting.noise, len(language_N)
        )
        predictors = {f"attribute {place}": list(column[language_N]) for place, column in enumerate(attributes_LK.T)}
        names = [str(each) for each in language_N], [str(each) for each in variant_N]
        report = mixed_regression(list(value_N), predictors, *names)
        if report is None or len(report.effects) < setting.attributes:
            continue
        mixed.append(report.method == MIXED_MODEL)
        found["report"] += [(effect.p, effect.high - effect.low) for effect in report.effects]
        free = setting.languages - setting.attributes - 1
        found["over means"] += _over_means(value_N, language_N, attributes_LK, free)
        found["clustered"] += _clustered(value_N, language_N, variant_N, attributes_LK, free)
    for name, every in found.items():
        yield name, float(np.mean([p < ALPHA for p, _ in every])), float(np.mean([width for _, width in every]))
    yield "mixed model", float(np.mean(mixed)), float("nan")


def _over_means(value_N: Floats, language_N: Any, attributes_LK: Floats, free: int) -> list[tuple[float, float]]:
    from statsmodels.regression.linear_model import OLS

    mean_L = [value_N[language_N == language].mean() for language in range(len(attributes_LK))]
    fitted: Any = OLS(mean_L, np.column_stack([np.ones(len(mean_L)), attributes_LK])).fit()
    return _p_and_width(fitted.params[1:], fitted.bse[1:], free)


def _clustered(
    value_N: Floats, language_N: Any, variant_N: Any, attributes_LK: Floats, free: int
) -> list[tuple[float, float]]:
    from statsmodels.regression.linear_model import OLS

    dummies_NV = np.eye(variant_N.max() + 1)[variant_N]
    design = np.column_stack([dummies_NV, attributes_LK[language_N]])
    fitted: Any = OLS(value_N, design).fit(cov_type="cluster", cov_kwds={"groups": language_N})
    variants = dummies_NV.shape[1]
    return _p_and_width(fitted.params[variants:], fitted.bse[variants:], free)


def _p_and_width(estimates: Any, errors: Any, free: int) -> list[tuple[float, float]]:
    quantile = float(stats.t.ppf(1 - ALPHA / 2, free))
    return [
        (float(2 * stats.t.sf(abs(estimate) / error, free)), 2 * quantile * error)
        for estimate, error in zip(estimates, errors, strict=True)
    ]


def size_settings(smoke: bool) -> list[Sizes]:
    """Return the settings of the first table: sizes x seeds x deviations, then unequal seeds and deviating models."""
    if smoke:
        return [Sizes(sizes=3, seeds=3, deviation=2)]
    found = [Sizes(sizes=sizes, seeds=seeds, deviation=deviation)
             for sizes, seeds, deviation in itertools.product((3, 4), (3, 5), (0, 2, 4))]  # fmt: skip
    found += [Sizes(sizes=3, seeds=seeds, deviation=2, small=3.0) for seeds in (3, 5)]
    return found + [Sizes(sizes=sizes, seeds=3, deviation=2, models=2.0) for sizes in (3, 4, 6)]


def language_settings(smoke: bool) -> list[Languages]:
    """Return the settings of the second table: languages x attributes, without and with differences of languages."""
    if smoke:
        return [Languages(languages=8, attributes=2, variants=3, between=0)]
    grid = [(7, 2), (12, 4), (15, 4), (40, 4)]
    found = [Languages(languages=languages, attributes=attributes, variants=6, between=between)
             for (languages, attributes), between in itertools.product(grid, (0.0, 0.5, 2.0))]  # fmt: skip
    return [*found, Languages(languages=15, attributes=4, variants=6, between=0.5, missing=0.3)]


def _size_lines(pages: int, resamples: int, smoke: bool) -> Iterator[str]:
    yield (
        "Eight languages of 100 parallel clusters of six rows, sizes over one decade, a true slope of 0. `false "
        "alarms`: share of p < 0.05. `line`: share of 95% intervals with the slope of the line from which models "
        "deviate. `these models`: share with the slope through the true gains of the models."
    )
    yield ""
    yield (
        "| sizes | seeds | deviation over seeds | of the smallest size | of models from the line | procedure | "
        "false alarms | line | these models | mean width |"
    )
    yield "|--:|--:|--:|--:|--:|:--|--:|--:|--:|--:|"
    for number, setting in enumerate(tqdm(size_settings(smoke), desc="sizes", disable=None)):
        where = (
            f"{setting.sizes} | {setting.seeds} | {setting.deviation:g} | {setting.deviation * setting.small:g} | "
            f"{setting.models:g}"
        )
        for name, alarms, line, models, width in size_summary(setting, pages, resamples, number):
            yield f"| {where} | {name} | {alarms:.3f} | {line:.3f} | {models:.3f} | {width:.1f} |"


def _language_lines(tables: int, smoke: bool) -> Iterator[str]:
    yield (
        "Gains of six variants, noise of 2 points. No attribute has an effect. Shown is the share of attributes with "
        "p < 0.05. `mixed`: share of tables for which the report uses the mixed model, which it fits if gains are "
        "missing."
    )
    yield ""
    yield (
        "| languages | attributes | deviation of languages | missing gains | report | over means | clustered | mixed |"
    )
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|"
    for number, setting in enumerate(tqdm(language_settings(smoke), desc="languages", disable=None)):
        alarms = " | ".join(f"{share:.3f}" for _, share, _ in language_summary(setting, tables, number))
        where = f"{setting.languages} | {setting.attributes} | {setting.between:g} | {setting.missing:.0%}"
        yield f"| {where} | {alarms} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--pages", type=int, default=1000, help="simulated series and tables per setting (default 1000)"
    )
    parser.add_argument("--resamples", type=int, default=500, help="resamples of rows per series (default 500)")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    parser.add_argument("--smoke", action="store_true", help="ten pages of one setting each")
    given = parser.parse_args()
    pages = 10 if given.smoke else given.pages
    lines = [
        f"{pages:,} pages per setting, {given.resamples:,} resamples. {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, numpy {np.__version__}.",
        "",
        "## Gain over model size",
        "",
        *_size_lines(pages, given.resamples, given.smoke),
        "",
        "## Gain over attributes of languages",
        "",
        *_language_lines(pages, given.smoke),
    ]
    print("\n".join(lines))
    if given.out:
        title = "# False alarms and coverage of regressions"
        given.out.write_text(f"{title}\n\n`" + " ".join(["python", *sys.argv]) + "`\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
