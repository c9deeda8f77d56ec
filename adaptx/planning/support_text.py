"""Which tasks a checkpoint cannot answer as text with a given prompt, and why."""

from collections.abc import Sequence

from adaptx.specs import ModelFamily, ModelSpec, Prompt, Rows, Task, TaskFormat, Text
from adaptx.specs.formats.facts import AsText, NotAsText


def text_refusal(model: ModelSpec, task: Task, text: Text, sets: Sequence[Rows]) -> str | None:
    """Return why a checkpoint cannot answer these rows of a task as text, or None."""
    kind, asked = type(task.format), task.format.as_text
    if isinstance(asked, NotAsText):
        return f"{task.name} is a {kind.__name__} task, which has no text framing: {asked.reason}; use Hidden(...)"
    if model.family is ModelFamily.ENCODER:
        return f"{model.hub_id} is an encoder, which writes no text; use Hidden(...), or a decoder or encoder-decoder"
    if model.family in asked.refused:
        return f"{model.hub_id} is a {model.family.value}: {asked.refused[model.family]}"
    if model.shape is not None and (reason := model.shape.architecture.text_refused) is not None:
        return f"{model.hub_id}: {reason}; use Hidden(...)"
    if type(text.decision) not in asked.decisions:
        fitting = " or ".join(f"{decision.__name__}()" for decision in asked.decisions)
        return f"the decision of Text(...) is not for a {kind.__name__} task; use Text(decision={fitting})"
    languages = dict.fromkeys(rows.language for rows in sets)
    for prompt in dict.fromkeys(text.prompt.in_language(language) for language in languages):
        behind = model.family is ModelFamily.DECODER and not text.chat
        if (reason := _prompt_refusal(prompt, task.format, asked, behind)) is not None:
            return f"the prompt {prompt.template!r} {reason}"
    shown = {role for prompt in (text.prompt.in_language(rows.language) for rows in sets) for role in prompt.roles}
    for rows in sets:
        missing = sorted(role for role in shown if rows.column(role) is None)
        if missing:
            return (
                f"the prompt shows {', '.join(missing)}, but the rows of {rows.address} do not have it; "
                "change the template"
            )
    return None


def _prompt_refusal(prompt: Prompt, task_format: TaskFormat, asked: AsText, behind: bool) -> str | None:
    """Return why a prompt does not fit a format, or None.

    behind: whether the answer directly follows the prompt, as in a decoder.
    """
    known = asked.roles
    unknown = [role for role in prompt.roles if role not in known]
    if unknown:
        return f"shows {', '.join(unknown)}, but rows of a {type(task_format).__name__} task have {', '.join(known)}"
    labels = task_format.labels
    if prompt.answers and labels:
        words = dict(prompt.answers)
        bare = [label for label in labels if label not in words]
        if bare:
            return f"has no words for the labels {', '.join(bare)}; give Prompt(answers=...) all of {', '.join(labels)}"
    if behind and not prompt.tail:
        return "ends with a text of the row, so a decoder cannot tell where to answer; add words such as `\\nAnswer:`"
    return None
