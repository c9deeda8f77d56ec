"""With which framing a stage reads a task: given, or that of what it starts from."""

from collections.abc import Iterable
from dataclasses import replace

from adaptx.planning.lineage import answering_training, head_of, task_used
from adaptx.specs import Evaluate, Framing, Merge, ModelSpec, ModuleStage, Task, Text, Train


def training_framing(train: Train, task: Task) -> Framing:
    """The framing a training reads one of its tasks with: given, else the checkpoint's for that format.

    Answers are trained with their end, so a ranking counts it unless told otherwise.

    A dual encoder begins with the checkpoint's way of embedding sentences, but from the last layer, since the layers
    above another one would not train.
    """
    if (given := train.framing_of(task)) is not None:
        return given.with_end(taught=True) if isinstance(given, Text) else given
    if task.format.embeds:
        return replace(train.model.embedding, layer=None, centred=False)
    return train.model.framing


def evaluation_framing(evaluate: Evaluate) -> Framing:
    """The framing an evaluation reads with: given, else that of the training it uses, else the checkpoint's way of
    embedding.
    """
    model = evaluate.model
    if (given := evaluate.framing) is not None:
        taught = not isinstance(model, ModelSpec) and _was_taught_to_end(model)
        return given.with_end(taught) if isinstance(given, Text) else given
    if not isinstance(model, ModelSpec) and (trained := task_used(evaluate)) is not None:
        return training_framing(answering_training(model), trained)
    return evaluate.checkpoint.embedding


def _was_taught_to_end(stage: ModuleStage) -> bool:
    """Whether a stage, or one that it rests on, was trained to write answers with their end."""
    trained = isinstance(stage, Train) and any(isinstance(training_framing(stage, t), Text) for t in stage.tasks)
    return trained or any(_was_taught_to_end(earlier) for earlier in stage.inputs)


def search_framing(merge: Merge, task: Task) -> Framing:
    """The framing a search for weights reads its task with: that of the training whose head or way it uses."""
    return training_framing(answering_training(merge), head_of(merge, task) or task)


def read_in(framing: Framing, languages: Iterable[str]) -> Framing:
    """What of a framing bears on rows of these languages: an identity holds no more."""
    return framing.read_in(languages) if isinstance(framing, Text) else framing


def has_head(train: Train, task: Task) -> bool:
    """Whether a training leaves a head for one of its tasks: text is answered by the checkpoint's own scores."""
    return not task.format.embeds and not isinstance(training_framing(train, task), Text)
