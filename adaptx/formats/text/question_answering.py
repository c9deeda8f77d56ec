"""Question answering as text to text: the answer is written (Raffel et al. 2020, arXiv:1910.10683, section 2.4).

The written answer need not occur in the context. A context that does not fit loses its end. There are no windows, so an
answer in the lost part cannot be found. The share of such rows is reported as truncated.
"""

from typing import Any

from adaptx.data.examples import Examples
from adaptx.formats.interface import Answers, Format, FormatTraining, Inputs, Items, Predictions, Reading
from adaptx.formats.text.answering import LOSS, answered
from adaptx.formats.text.prompting import (
    EncodedPrompts,
    answer_tokens,
    encode_prompts,
    prompts_of,
    room_for_prompts,
    with_cut,
)
from adaptx.formats.text.ranking import Candidates, candidate_scores, ranking
from adaptx.formats.text.writing import writing
from adaptx.specs import Normalisation, QuestionAnswering


def items(examples: Examples, _format: QuestionAnswering, reading: Reading) -> Items:
    """Return one item per question.

    Its answer is the first gold answer or, if there is none, the prompt's `no_answer` text. Answers are cut to
    `Text.answer_tokens` tokens.
    """
    prompts, most = _encode(examples, reading), reading.text.answer_tokens
    variants = prompts_of(examples, reading.text)
    golds = [
        answers[0].strip() if answers else prompt.no_answer
        for answers, prompt in zip(examples.columns["answers"], variants, strict=True)
    ]
    answers = [answer_tokens(prompt, [gold], reading)[0] for prompt, gold in zip(variants, golds, strict=True)]
    cut = sum(len(answer) > most for answer in answers)
    return answered(with_cut(prompts, cut).encoded, [answer[:most] for answer in answers])


def encode(examples: Examples, task_format: QuestionAnswering, reading: Reading) -> Inputs:
    """Encode the prompts. The model then writes an answer to each.

    If the task has unanswerable questions, a second pass computes the likelihood of the prompt's `no_answer` text.
    """
    prompts = _encode(examples, reading)
    passes = (writing(prompts.encoded, reading),)
    if task_format.unanswerable:
        none = [
            Candidates([prompt.no_answer], answer_tokens(prompt, [prompt.no_answer], reading))
            for prompt in prompts_of(examples, reading.text)
        ]
        passes = (*passes, ranking(prompts.encoded, none))
    return Inputs(passes, [prompts.encoded], prompts.texts)


def decode(answers: Answers) -> Predictions:
    """Predict the written text for each question.

    If the task has unanswerable questions, a prediction also has the probability that the model gives to the prompt's
    `no_answer` text.
    """
    examples, written = answers.examples, answers.values[0]
    records: list[dict[str, Any]] = [{"answer": answer} for answer in written]
    predictions: list[Any] = list(written)
    if answers.model.format.unanswerable:
        variants = prompts_of(examples, answers.reading.text)
        shares = [float(scores_C.exp()) for scores_C in candidate_scores(answers, 1, Normalisation.NONE)]
        predictions = [
            {"text": "" if answer == prompt.no_answer else answer, "no_answer": share}
            for answer, prompt, share in zip(written, variants, shares, strict=True)
        ]
        records = [{"answer": each["text"], "no_answer": each["no_answer"]} for each in predictions]
    return Predictions(
        predictions=predictions,
        golds=examples.columns.get("answers"),
        rows=examples.rows,
        inputs=answers.inputs,
        records=records,
    )


def _encode(examples: Examples, reading: Reading) -> EncodedPrompts:
    prompts, columns = prompts_of(examples, reading.text), examples.columns
    fields = [
        {"question": question, "context": context}
        for question, context in zip(columns["question"], columns["context"], strict=True)
    ]
    room = room_for_prompts([reading.text.answer_tokens] * len(prompts), reading)
    return encode_prompts(prompts, fields, room, reading)


TEXT_QUESTION_ANSWERING = Format(encode, decode, FormatTraining(items, LOSS))
