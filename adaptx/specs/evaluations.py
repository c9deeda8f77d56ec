"""A shorthand for recipes: the evaluations of one model on one task in several languages."""

from collections.abc import Iterable

from adaptx.errors import UserError
from adaptx.specs.model import ModelSpec
from adaptx.specs.stage import Evaluate, ModuleStage
from adaptx.specs.task import Task
from adaptx.specs.text import Framing
from adaptx.specs.training import Precision


def evaluations(
    model: ModelSpec | ModuleStage,
    task: Task,
    languages: Iterable[str] | None = None,
    limit: int | None = None,
    *,
    precision: Precision | None = None,
    framing: Framing | None = None,
) -> tuple[Evaluate, ...]:
    """Return one `Evaluate` of the model on the task per language.

    Args:
        model: a checkpoint, a training or a merge.
        task: the task that the model is scored on.
        languages: language codes of the task; None is every language in which the task has evaluation rows.
        limit: maximum number of rows per language; None reads all.
        precision: as in `Evaluate`.
        framing: as in `Evaluate`.

    Raises:
        UserError: the task has no evaluation rows in a language, or `languages` is a string.
    """
    if isinstance(languages, str):
        raise UserError(f"evaluations(languages={languages!r}) takes a tuple of languages; write ({languages!r},)")
    chosen = task.languages if languages is None else languages
    return tuple(
        Evaluate(model, task, language, precision=precision, framing=framing, limit=limit) for language in chosen
    )
