"""The languages and seeds in which a contrast compares its terms."""

from collections.abc import Iterator, Sequence

from adaptx.planning.naming import factors
from adaptx.planning.zero_shot import source_languages
from adaptx.specs import Contrast, Evaluate, ModelSpec, ModuleStage, Recipe, Term

Languages = dict[str, tuple[str, ...]]
"""The name of a task -> the languages that a term's mean is over."""


def compared_languages(contrast: Contrast) -> tuple[Languages, ...]:
    """Return, for each term of a contrast, the languages of each task over which its mean is taken.

    A term that names its languages keeps them. All other terms share the languages in which each of their models has a
    zero-shot score.
    """
    shared: dict[str, list[set[str]]] = {}
    for term in contrast.terms:
        if term.languages is None:
            for task, by_model in _by_task_and_model(term).items():
                shared.setdefault(task, []).extend(_zero_shot(same) for same in by_model.values())
    common = {task: set[str].intersection(*found) for task, found in shared.items()}
    return tuple(_of_term(term, common) for term in contrast.terms)


def compared_seeds(evaluations: Sequence[Sequence[Evaluate]]) -> tuple[int, ...]:
    """Return the seeds that all terms have. evaluations: those of each term.

    Untrained checkpoints have no seed. Their one score is compared with the score of every seed.
    """
    found = [{seed for each in group if (seed := factors(each).seed) is not None} for group in evaluations]
    trained = [seeds for seeds in found if seeds]
    return tuple(sorted(set[int].intersection(*trained))) if trained else ()


def contrast_reasons(recipe: Recipe) -> Iterator[str]:
    """Yield an error message for each contrast of a recipe that cannot be computed."""
    for contrast in recipe.contrasts:
        for term, languages in zip(contrast.terms, compared_languages(contrast), strict=True):
            if empty := [task for task, found in languages.items() if not found]:
                yield (
                    f"the contrast {contrast.name!r} has no language for {empty[0]} in which all of its terms are "
                    "scored and zero-shot; add evaluations, or name the languages: difference(..., languages=(...))"
                )
                break
            missing = _not_in_all_languages(term, languages)
            if missing is not None:
                yield (
                    f"the contrast {contrast.name!r} averages over {', '.join(languages[missing.task.name])}, but one "
                    f"of its models is not scored in all of them; add its evaluations ({missing!r} is one of them)"
                )
                break
        groups = [term.evaluations for term in contrast.terms]
        if any(factors(each).seed is not None for group in groups for each in group) and not compared_seeds(groups):
            yield (
                f"the contrast {contrast.name!r} has no seed with which all of its terms are trained; train them with "
                "the same seeds, because scores are compared seed by seed"
            )


def _zero_shot(same: Sequence[Evaluate]) -> set[str]:
    """Return the languages in which one model has a zero-shot score.

    The languages of its training path are found once per task and not once per evaluation.
    """
    one_per_task = {each.task: each for each in same}
    sources = {task: source_languages(each) for task, each in one_per_task.items()}
    return {each.language for each in same if each.language not in sources[each.task]}


def _of_term(term: Term, common: dict[str, set[str]]) -> Languages:
    found: Languages = {}
    for task, by_model in _by_task_and_model(term).items():
        evaluated = dict.fromkeys(each.language for same in by_model.values() for each in same)
        chosen = common[task] if term.languages is None else set(term.languages)
        found[task] = tuple(language for language in evaluated if language in chosen)
    return found


def _not_in_all_languages(term: Term, languages: Languages) -> Evaluate | None:
    for task, by_model in _by_task_and_model(term).items():
        for same in by_model.values():
            if not set(languages[task]) <= {each.language for each in same}:
                return same[0]
    return None


def _by_task_and_model(term: Term) -> dict[str, dict[ModelSpec | ModuleStage, list[Evaluate]]]:
    found: dict[str, dict[ModelSpec | ModuleStage, list[Evaluate]]] = {}
    for each in term.evaluations:
        found.setdefault(each.task.name, {}).setdefault(each.model, []).append(each)
    return found
