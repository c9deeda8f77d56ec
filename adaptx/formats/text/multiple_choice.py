"""Multiple choice as text to text: the choices of a row are ranked behind its prompt (Brown et al. 2020,
arXiv:2005.14165, section 2.4).
"""

from collections.abc import Sequence

from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.formats.interface import Format, Forward, Items, Predicted, Reading, TrainedHead, Training
from adaptx.formats.text.answering import LOSS, answered
from adaptx.formats.text.prompting import (
    Prompted,
    answer_tokens,
    encode_prompts,
    prompts_of,
    room_for_prompts,
    with_cut,
)
from adaptx.formats.text.ranking import Candidates, candidate_scores
from adaptx.specs import MultipleChoice, Rank, Task


def items(examples: Examples, _format: MultipleChoice, reading: Reading) -> Items:
    """The answer is the right choice."""
    prompts, candidates = _encode(examples, reading)
    labels = examples.columns["label"]
    return answered(prompts.encoded, [each.ids[label] for each, label in zip(candidates, labels, strict=True)])


def predict(examples: Examples, _task: Task, _head: TrainedHead | None, forward: Forward) -> Predicted:
    """Index of the likeliest choice, the first of equal ones; the records hold each choice's probability."""
    decision = forward.reading.text.decision
    assert isinstance(decision, Rank)
    prompts, candidates = _encode(examples, forward.reading)
    shares = [scores_C.softmax(dim=-1) for scores_C in candidate_scores(prompts.encoded, candidates, decision, forward)]
    predictions = [int(share.argmax()) for share in shares]
    records = [{"probabilities": share.tolist()} for share in shares]
    golds = examples.columns.get("label")
    return Predicted(predictions, golds, examples.rows, [prompts.encoded], prompts.texts, records=records)


def _encode(examples: Examples, reading: Reading) -> tuple[Prompted, list[Candidates]]:
    """Prompts, and the choices behind each; choices beyond the framing's longest answer lose their ends."""
    prompts, columns, most = prompts_of(examples, reading.text), examples.columns, reading.text.answer_tokens
    candidates: list[Candidates] = []
    cut = 0
    for prompt, row, choices in zip(prompts, examples.rows, columns["choices"], strict=True):
        ids = answer_tokens(prompt, choices, reading)
        cut += any(len(each) > most for each in ids)
        shortened = [each[:most] for each in ids]
        if len({tuple(each) for each in shortened}) < len(shortened) and len(set(choices)) == len(choices):
            raise UserError(
                f"row {row}: two of its choices are alike in their first {most} tokens ({choices}); raise "
                "Text(answer_tokens=...)"
            )
        candidates.append(Candidates(choices, shortened))
    questions: Sequence[str] = columns.get("question") or [""] * len(examples)
    fields = [{"text": text, "question": question} for text, question in zip(columns["text"], questions, strict=True)]
    room = room_for_prompts([each.longest for each in candidates], reading)
    return with_cut(encode_prompts(prompts, fields, room, reading), cut), candidates


TEXT_MULTIPLE_CHOICE = Format(predict, Training(items, LOSS))
