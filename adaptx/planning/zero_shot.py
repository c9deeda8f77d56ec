"""Find zero-shot scores: those in a language in which the model was trained on no task like the evaluated one."""

from collections.abc import Iterable, Sequence

from adaptx.catalog.language_facts import same_language
from adaptx.planning.lineage import alike
from adaptx.planning.naming import merges, training_path
from adaptx.specs import Evaluate


def source_languages(evaluate: Evaluate) -> frozenset[str]:
    """Return the languages in which the evaluated model has no zero-shot score on the evaluated task.

    These are the languages of three kinds of rows: the task's own training rows, even if the model was not trained on
    them; the training rows of every similar task that the model was trained on; and the development rows of similar
    tasks on which merge weights were searched.
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
    # Data sets use several codes for one language: a model trained on `swa` has no zero-shot score in `sw`.
    measured = {language for language in evaluate.task.languages if any(same_language(language, one) for one in found)}
    return found | measured


def is_zero_shot(evaluate: Evaluate) -> bool:
    """Return whether the evaluation's language is not among its `source_languages`."""
    return evaluate.language not in source_languages(evaluate)


def zero_shot_weights(evaluations: Iterable[Evaluate]) -> dict[str, float]:
    """Return the weight of each language in the average of a model's zero-shot scores on one task.

    All weights are equal, however many rows a language has. Empty if no score is zero-shot.
    """
    return equal_weights([each.language for each in evaluations if is_zero_shot(each)])


def equal_weights(languages: Sequence[str]) -> dict[str, float]:
    """Return an equal weight for each language: of three languages, each has 1/3."""
    return {language: 1 / len(languages) for language in languages}
