"""Question answering as text to text: the answer is written (Raffel et al. 2020, arXiv:1910.10683, section 2.4).

What is written need not stand in the context. A context that does not fit loses its end: there are no windows, so an
answer that stands there cannot be found, and the share of such rows is reported as truncated.
"""

from typing import Any

from adaptx.data.examples import Examples
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
from adaptx.formats.text.writing import written_answers
from adaptx.specs import Normalisation, QuestionAnswering, Task


def items(examples: Examples, _format: QuestionAnswering, reading: Reading) -> Items:
    """The answer is the first gold one, or what stands for none; a longer one than is written loses its end."""
    prompts, most = _encode(examples, reading), reading.text.answer_tokens
    variants = prompts_of(examples, reading.text)
    golds = [
        answers[0].strip() if answers else prompt.no_answer
        for answers, prompt in zip(examples.columns["answers"], variants, strict=True)
    ]
    answers = [answer_tokens(prompt, [gold], reading)[0] for prompt, gold in zip(variants, golds, strict=True)]
    cut = sum(len(answer) > most for answer in answers)
    return answered(with_cut(prompts, cut).encoded, [answer[:most] for answer in answers])


def predict(examples: Examples, task: Task, _head: TrainedHead | None, forward: Forward) -> Predicted:
    """A text for each question; where some have no answer also the probability of just that being written."""
    assert isinstance(task.format, QuestionAnswering)
    prompts, columns = _encode(examples, forward.reading), examples.columns
    answers = written_answers(prompts.encoded, forward)
    records: list[dict[str, Any]] = [{"answer": answer} for answer in answers]
    predictions: list[Any] = list(answers)
    if task.format.unanswerable:
        variants = prompts_of(examples, forward.reading.text)
        none = [
            Candidates([prompt.no_answer], answer_tokens(prompt, [prompt.no_answer], forward.reading))
            for prompt in variants
        ]
        scores = candidate_scores(prompts.encoded, none, Normalisation.NONE, forward)
        shares = [float(scores_C.exp()) for scores_C in scores]
        predictions = [
            {"text": "" if answer == prompt.no_answer else answer, "no_answer": share}
            for answer, prompt, share in zip(answers, variants, shares, strict=True)
        ]
        records = [{"answer": each["text"], "no_answer": each["no_answer"]} for each in predictions]
    return Predicted(
        predictions, columns.get("answers"), examples.rows, [prompts.encoded], prompts.texts, records=records
    )


def _encode(examples: Examples, reading: Reading) -> Prompted:
    prompts, columns = prompts_of(examples, reading.text), examples.columns
    fields = [
        {"question": question, "context": context}
        for question, context in zip(columns["question"], columns["context"], strict=True)
    ]
    room = room_for_prompts([reading.text.answer_tokens] * len(prompts), reading)
    return encode_prompts(prompts, fields, room, reading)


TEXT_QUESTION_ANSWERING = Format(predict, Training(items, LOSS))
