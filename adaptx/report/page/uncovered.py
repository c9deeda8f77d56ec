"""What no interval of a report covers, however many rows and seeds it has."""

from collections.abc import Sequence

from adaptx.planning.naming import training_path
from adaptx.report.gains.gain import Gain
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.specs import Recipe


def uncovered(recipe: Recipe, gains: Sequence[Gain]) -> tuple[str, ...]:
    """Return phrases that name the choices which a recipe could have made differently and no interval covers."""
    compared = [gain for gain in gains if gain.holm_p is not None]
    if not compared:
        return ()
    languages = {language for gain in compared for language in gain.languages}
    named = f"the {len(languages)} here are" if len(languages) > 1 else "the one here is"
    found = [f"other languages ({named} fixed)"]
    over_seeds = all(gain.over_seeds for gain in compared)
    if not over_seeds:
        found.append(f"other seeds (fewer than {LEAST_SEEDS} were trained)")
    if not over_seeds or not _rows_vary(recipe):
        found.append("other training rows" + (" (the seeds of a variant read the same rows)" if over_seeds else ""))
    found.append("other hyper-parameters (learning rates, epochs and batch sizes are the recipe's)")
    if len(compared) > 1:
        found.append("the choice of the best: the largest of several gains is too large on average")
    return tuple(found)


def _rows_vary(recipe: Recipe) -> bool:
    """Return whether every training draws its rows by its seed, so that seeds also stand for other training rows."""
    return all(
        each.limit is not None and each.limit_seed is None
        for evaluate in recipe.evaluations
        for each in training_path(evaluate)
    )
