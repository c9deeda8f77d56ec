"""Regression of gains on attributes of languages: a mixed model, or least squares with clustered errors.

gain = predictors + variant + random intercept of the language + noise. Every variant is measured in the same languages,
so the gains in one language are not independent of one another. A random intercept per language (Laird and Ware 1982,
fitted by statsmodels) accounts for this dependence.

The mixed model cannot always be fitted: there may be no variance between languages, or the fit may not converge.
Ordinary least squares with errors clustered by language (Liang and Zeger 1986) is then used.

Attributes vary only between languages, never within one. Intervals are therefore t intervals whose degrees of freedom
are the number of languages minus the number of predictors minus one.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adaptx.report.statistics.bootstrap import LEVEL, Floats

MIXED_MODEL = "mixed model with a random intercept for each language"
CLUSTERED = "least squares with errors clustered by language"
LEAST_FREE = 3
"""Minimum degrees of freedom: number of languages minus number of predictors minus one."""
_NO_VARIANCE = 1e-6
"""A random intercept counts as absent if its variance is below this share of the noise's variance."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The change in value when a predictor rises by one and all other predictors are held fixed."""

    name: str
    estimate: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A fitted regression.

    effects: one per predictor, in their order. method: `MIXED_MODEL` or `CLUSTERED`. groups: number of languages.
    observations: number of gains. left_out: predictors that are constant or determined by the others.
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
    estimates, errors, method = _mixed(value_N, design_NK, codes_N) or _clustered(value_N, design_NK, codes_N)
    effects = tuple(
        _effect(name, float(estimates[place]), float(errors[place]), free)
        for place, name in enumerate(kept, start=dummies_NV.shape[1])
    )
    left_out = tuple(name for name in predictors if name not in kept)
    return Regression(effects=effects, method=method, groups=count, observations=len(value_N), left_out=left_out)


def _independent(dummies_NV: Floats, predictors: Mapping[str, Sequence[float]]) -> tuple[list[str], Floats]:
    """Return the predictors that are linearly independent of variants and earlier predictors, and the design matrix."""
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


def _mixed(value_N: Floats, design_NK: Floats, codes_N: Any) -> tuple[Floats, Floats, str] | None:
    """Return the estimates, their standard errors and `MIXED_MODEL`, or None if the mixed model cannot be fitted."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    # statsmodels checks for a variance at its bound with an absolute threshold, so scale the values to unit deviation.
    size = float(value_N.std()) or 1.0
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            # The library is untyped; the result's fields are arrays.
            fitted: Any = MixedLM(value_N / size, design_NK, groups=codes_N).fit(reml=True)
        except (np.linalg.LinAlgError, ValueError):
            return None
    variance = float(fitted.cov_re[0, 0])
    errors: Floats = np.asarray(fitted.bse_fe, dtype=np.float64)
    if said or not fitted.converged or variance < _NO_VARIANCE * float(fitted.scale) or not np.isfinite(errors).all():
        return None
    return size * np.asarray(fitted.fe_params, dtype=np.float64), size * errors, MIXED_MODEL


def _clustered(value_N: Floats, design_NK: Floats, codes_N: Any) -> tuple[Floats, Floats, str]:
    from statsmodels.regression.linear_model import OLS

    fitted: Any = OLS(value_N, design_NK).fit(cov_type="cluster", cov_kwds={"groups": codes_N})
    return np.asarray(fitted.params, dtype=np.float64), np.asarray(fitted.bse, dtype=np.float64), CLUSTERED


def _effect(name: str, estimate: float, error: float, free: int) -> Effect:
    from scipy import stats

    half = float(stats.t.ppf(0.5 + LEVEL / 2, free)) * error
    p = float(2 * stats.t.sf(abs(estimate) / error, free)) if error > 0 else float(estimate == 0)
    return Effect(name=name, estimate=estimate, low=estimate - half, high=estimate + half, p=p)
