"""The framing with which a stage reads a task: `Hidden` (from hidden states) or `Text` (with a prompt).

A stage that names no framing takes it from its training or its checkpoint.
"""

from collections.abc import Iterable
from dataclasses import replace

from adaptx.planning.lineage import answering_training, head_of, task_used
from adaptx.specs import Evaluate, Framing, Merge, ModelSpec, ModuleStage, Task, Text, Train


def training_framing(train: Train, task: Task) -> Framing:
    """Return the framing with which a training reads one of its tasks: the training's own, or else the checkpoint's.

    If the answers are text, the training appends an end token to each. `Rank` therefore counts this token as part of
    every candidate answer, unless the framing says `Rank(end=False)`.

    Without a framing of its own, a training of a dual encoder reads the checkpoint's sentence embedding from the last
    layer. If an earlier layer were read, the layers above it would not train.
    """
    if (given := train.framing_of(task)) is not None:
        return given.with_end(taught=True) if isinstance(given, Text) else given
    if task.format.embeds:
        return replace(train.model.embedding, layer=None, centred=False)
    return train.model.framing


def evaluation_framing(evaluate: Evaluate) -> Framing:
    """Return the framing with which an evaluation reads its task.

    The evaluation's own framing comes first. Without one, it is the framing in which the model was trained on this
    task, or on another task whose head can answer it. Without such a training, it is the checkpoint's sentence
    embedding.
    """
    model = evaluate.model
    if (given := evaluate.framing) is not None:
        taught = not isinstance(model, ModelSpec) and _was_trained_on_text_answers(model)
        return given.with_end(taught) if isinstance(given, Text) else given
    if not isinstance(model, ModelSpec) and (trained := task_used(evaluate)) is not None:
        return training_framing(answering_training(model), trained)
    return evaluate.checkpoint.embedding


def _was_trained_on_text_answers(stage: ModuleStage) -> bool:
    # A training on text answers teaches the model to write an end token.
    trained = isinstance(stage, Train) and any(isinstance(training_framing(stage, t), Text) for t in stage.tasks)
    return trained or any(_was_trained_on_text_answers(earlier) for earlier in stage.inputs)


def search_framing(merge: Merge, task: Task) -> Framing:
    """Return the framing with which a search for merge weights reads its task.

    If the search uses a head, this is the framing of the trained task to which the head belongs. Without a head, it is
    the framing with which the merge's `answering_training` would read the task of the search.
    """
    return training_framing(answering_training(merge), head_of(merge, task) or task)


def read_in(framing: Framing, languages: Iterable[str]) -> Framing:
    # Prompts for other languages would change the stage's identity.
    return framing.read_in(languages) if isinstance(framing, Text) else framing


def has_head(train: Train, task: Task) -> bool:
    """Return whether a training trains a head for `task`. Tasks answered by text or by embeddings need none."""
    return not task.format.embeds and not isinstance(training_framing(train, task), Text)
