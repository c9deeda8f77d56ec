"""Which attributes of languages go with larger gains: a mixed model, or least squares with clustered errors.

gain = predictors + variants + (a random intercept of each language) + noise. The same language is measured with every
variant, so its gains are not independent: a random intercept (Laird and Ware 1982, fitted by statsmodels) accounts for
what a language shares. Where that model cannot be fitted (no variance is left between languages, or the fit does not
converge), ordinary least squares with errors clustered by language (Liang and Zeger 1986) stands in. Attributes vary
between languages only, so intervals are t intervals with the number of languages less the coefficients between them as
degrees of freedom.
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
"""Languages beyond the coefficients between them that a regression needs."""
_NO_VARIANCE = 1e-6
"""A random intercept whose variance is below this share of the noise's is none."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How much the value changes when the predictor rises by one, other predictors held fixed."""

    name: str
    estimate: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Regression:
    """effects: one a predictor, in their order. method: `MIXED_MODEL` or `CLUSTERED`. left_out: predictors that do not
    vary, or that the others determine.
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
        values: one an observation.
        predictors: name -> its value of each observation.
        groups: the language of each observation.
        within: the variant of each observation, which has a coefficient of its own.

    Returns:
        None where there are too few groups, or no predictor varies.
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
    """Predictors that add something to the variants and to those before them, and the design of them all."""
    kept: list[str] = []
    design_NK = dummies_NV
    for name, column in predictors.items():
        wider_NK = np.column_stack([design_NK, np.asarray(column, dtype=np.float64)])
        if np.linalg.matrix_rank(wider_NK) > np.linalg.matrix_rank(design_NK):
            kept.append(name)
            design_NK = wider_NK
    return kept, design_NK


def _mixed(value_N: Floats, design_NK: Floats, codes_N: Any) -> tuple[Floats, Floats, str] | None:
    """Estimates and their errors; None where the model has no solution inside its bounds."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    # Its test of being at a bound is absolute, so values are brought to a usual size first.
    size = float(value_N.std()) or 1.0
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            # Untyped library: the result's fields are arrays.
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
