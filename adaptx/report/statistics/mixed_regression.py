"""Regression of gains on attributes of languages: least squares over the languages' means, or a mixed model.

The model is: gain = predictors + variant + random intercept of the language + noise. The random intercept (Laird and
Ware 1982) is needed because the gains of all variants in one language depend on one another.

Usually, every variant is measured in every language. Each language's mean over variants is then one observation of
ordinary least squares. This gives the estimates and errors of the mixed model (REML), and its t test is exact.
Otherwise, statsmodels fits the mixed model, and the means are regressed if it has no solution.

Attributes belong to languages, so the number of observations is the number of languages. Intervals are t intervals
whose degrees of freedom are the number of languages minus the number of predictors minus one. Least squares over all
gains would raise too many false alarms (`benchmarks/regressions.py`).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adaptx.report.statistics.bootstrap import LEVEL, Floats

MIXED_MODEL = "mixed model with a random intercept for each language"
MEANS = "least squares over the languages' means"
LEAST_FREE = 3
"""Minimum degrees of freedom: number of languages minus number of predictors minus one."""
_NO_VARIANCE = 1e-6
"""A random intercept counts as absent if its variance is below this share of the noise's variance."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The change of the gain when a predictor rises by one and all other predictors are held fixed."""

    name: str
    estimate: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A fitted regression.

    Attributes:
        effects: one per predictor, in their order.
        method: `MIXED_MODEL` or `MEANS`.
        groups: number of languages.
        observations: number of gains.
        left_out: predictors that are constant or determined by the others.
    """

    effects: tuple[Effect, ...]
    method: str
    groups: int
    observations: int
    left_out: tuple[str, ...]


def mixed_regression(
    values: Sequence[float],
    predictors: Mapping[str, Sequence[float]],
    groups: Sequence[str],
    within: Sequence[str],
) -> Regression | None:
    """Regress values on predictors of their groups.

    Args:
        values: one value (gain) per observation.
        predictors: name -> the predictor's value for each observation.
        groups: the language of each observation.
        within: the variant of each observation. Each variant has its own coefficient.

    Returns:
        The regression; None if there are too few groups, or if no predictor varies.
    """
    value_N = np.asarray(values, dtype=np.float64)
    dummies_NV = np.array([[each == name for name in dict.fromkeys(within)] for each in within], dtype=np.float64)
    kept, design_NK = _independent(dummies_NV, predictors)
    count = len(set(groups))
    free = count - len(kept) - 1
    if not kept or free < LEAST_FREE:
        return None
    codes_N = np.unique(np.asarray(groups), return_inverse=True)[1]
    variants = dummies_NV.shape[1]
    fitted = None if _is_balanced(design_NK, codes_N, variants) else _mixed(value_N, design_NK, codes_N, variants)
    fitted = fitted or _over_means(value_N, design_NK, codes_N, variants)
    if fitted is None:
        return None
    estimates, errors, method = fitted
    effects = tuple(
        _effect(name, float(estimate), float(error), free)
        for name, estimate, error in zip(kept, estimates, errors, strict=True)
    )
    left_out = tuple(name for name in predictors if name not in kept)
    return Regression(effects=effects, method=method, groups=count, observations=len(value_N), left_out=left_out)


def _independent(dummies_NV: Floats, predictors: Mapping[str, Sequence[float]]) -> tuple[list[str], Floats]:
    """Return the predictors that neither variants nor earlier predictors determine, and the design matrix with them."""
    # Add one predictor at a time. A column that does not raise the rank is constant within the design, or a linear
    # combination of earlier columns, and would make the coefficients ambiguous.
    kept: list[str] = []
    design_NK = dummies_NV
    for name, column in predictors.items():
        wider_NK = np.column_stack([design_NK, np.asarray(column, dtype=np.float64)])
        if np.linalg.matrix_rank(wider_NK) > np.linalg.matrix_rank(design_NK):
            kept.append(name)
            design_NK = wider_NK
    return kept, design_NK


def _is_balanced(design_NK: Floats, codes_N: Any, variants: int) -> bool:
    """Return whether each variant is measured once in each language, and no predictor differs within a language."""
    cells = {(int(code), *row) for code, row in zip(codes_N, design_NK[:, :variants].tolist(), strict=True)}
    of_languages = {(int(code), *row) for code, row in zip(codes_N, design_NK[:, variants:].tolist(), strict=True)}
    count = int(codes_N.max()) + 1
    return len(cells) == len(codes_N) == count * variants and len(of_languages) == count


def _mixed(value_N: Floats, design_NK: Floats, codes_N: Any, variants: int) -> tuple[Floats, Floats, str] | None:
    """Return the predictors' estimates, their standard errors and `MIXED_MODEL`; None if the model cannot be fitted.

    variants: number of variants, whose columns are the first ones of the design matrix.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    # statsmodels checks for a variance at its bound with an absolute threshold, so scale the values to unit deviation.
    size = float(value_N.std()) or 1.0
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            # The library is untyped; the result's fields are arrays.
            fitted: Any = MixedLM(value_N / size, design_NK, groups=codes_N).fit(reml=True, method="bfgs")
        except (np.linalg.LinAlgError, ValueError):
            return None
    variance = float(fitted.cov_re[0, 0])
    errors: Floats = np.asarray(fitted.bse_fe, dtype=np.float64)
    if said or not fitted.converged or variance < _NO_VARIANCE * float(fitted.scale) or not np.isfinite(errors).all():
        return None
    estimates: Floats = np.asarray(fitted.fe_params, dtype=np.float64)
    return size * estimates[variants:], size * errors[variants:], MIXED_MODEL


def _over_means(value_N: Floats, design_NK: Floats, codes_N: Any, variants: int) -> tuple[Floats, Floats, str] | None:
    """Return what `_mixed` returns, from the languages' means, and `MEANS`; None if the means determine no estimate.

    In a language that lacks some variants, the mean is estimated as if it had all of them: it is the language's
    coefficient in a regression on variants and languages.
    """
    languages_NG = np.eye(codes_N.max() + 1)[codes_N]
    both = np.column_stack([design_NK[:, :variants], languages_NG])
    # Variants and languages share a constant, which only shifts all means. The solution of least norm picks one shift.
    mean_G = np.linalg.lstsq(both, value_N, rcond=None)[0][variants:]
    predictors_GK = (languages_NG.T @ design_NK[:, variants:]) / languages_NG.sum(axis=0)[:, None]
    design_GK = np.column_stack([np.ones(len(mean_G)), predictors_GK])
    if np.linalg.matrix_rank(design_GK) < design_GK.shape[1]:
        return None
    estimates: Floats = np.asarray(np.linalg.lstsq(design_GK, mean_G, rcond=None)[0], dtype=np.float64)
    rest_G = mean_G - design_GK @ estimates
    variance = float(rest_G @ rest_G) / (len(mean_G) - design_GK.shape[1])
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design_GK.T @ design_GK)))
    return estimates[1:], np.asarray(errors[1:], dtype=np.float64), MEANS


def _effect(name: str, estimate: float, error: float, free: int) -> Effect:
    from scipy import stats

    half = float(stats.t.ppf(0.5 + LEVEL / 2, free)) * error
    p = float(2 * stats.t.sf(abs(estimate) / error, free)) if error > 0 else float(estimate == 0)
    return Effect(name=name, estimate=estimate, low=estimate - half, high=estimate + half, p=p)
