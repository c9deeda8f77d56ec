"""In which languages a score is zero-shot: those in which nothing like the measured task was trained on."""

from collections.abc import Iterable, Sequence

from adaptx.catalog.language_facts import same_language
from adaptx.planning.lineage import alike
from adaptx.planning.naming import merges, training_path
from adaptx.specs import Evaluate


def source_languages(evaluate: Evaluate) -> frozenset[str]:
    """Return the languages in which the measured kind of task was trained on, so that a score there is not zero-shot.

    Besides the task's own, those of every training on the way that is alike: few-shot rows of a target language
    count, and so does an intermediate task of the same kind, and development rows that weights of a merge were
    searched on.
    """
    trained = (
        task for train in training_path(evaluate) for task in train.tasks if alike(task.format, evaluate.task.format)
    )
    searches = (search for merge in merges(evaluate) if (search := merge.rule.search) is not None)
    chosen = {
        rows.language
        for search in searches
        if alike(search.task.format, evaluate.task.format)
        for rows in search.task.development
    }
    found = frozenset(chosen) | frozenset(
        language for task in (evaluate.task, *trained) for language in task.source_languages
    )
    # Data sets write one language in several codes: what was trained on as `swa` is no zero-shot score in `sw`.
    measured = {language for language in evaluate.task.languages if any(same_language(language, one) for one in found)}
    return found | measured


def is_zero_shot(evaluate: Evaluate) -> bool:
    """Return whether nothing like the measured task was trained on in the measured language."""
    return evaluate.language not in source_languages(evaluate)


def zero_shot_weights(evaluations: Iterable[Evaluate]) -> dict[str, float]:
    """Return the weight of each language in the zero-shot average of one model on one task; none if none is zero-shot.

    Every zero-shot language counts the same, however many rows it has.
    """
    return equal_weights([each.language for each in evaluations if is_zero_shot(each)])


def equal_weights(languages: Sequence[str]) -> dict[str, float]:
    """Return the weight of each language in the plain average of several."""
    return {language: 1 / len(languages) for language in languages}
