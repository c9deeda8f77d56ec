"""Multiple choice as text to text: the model ranks the choices of a row as answers to its prompt.

Brown et al. 2020, arXiv:2005.14165, section 2.4.
"""

from collections.abc import Sequence

from adaptx.data.examples import Examples
from adaptx.errors import UserError
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
from adaptx.formats.text.ranking import Candidates, candidate_scores, counts_end, ranking
from adaptx.specs import MultipleChoice, Rank


def items(examples: Examples, _format: MultipleChoice, reading: Reading) -> Items:
    """Return one item per row; its answer is the right choice. Choices are cut to `Text.answer_tokens` tokens."""
    most = reading.text.answer_tokens
    candidates = _choices(examples, reading, ended=True)
    cut = sum(any(len(each) > most for each in row.ids) for row in candidates)
    candidates = [_shortened(row, each, most) for row, each in zip(examples.rows, candidates, strict=True)]
    prompts = with_cut(_prompts(examples, candidates, reading), cut)
    labels = examples.columns["label"]
    return answered(prompts.encoded, [each.ids[label] for each, label in zip(candidates, labels, strict=True)])


def encode(examples: Examples, _format: MultipleChoice, reading: Reading) -> Inputs:
    """Encode the prompts and their choices, which are then ranked. Unlike in training, choices are not cut."""
    decision = reading.text.decision
    assert isinstance(decision, Rank)
    candidates = _choices(examples, reading, counts_end(decision))
    prompts = _prompts(examples, candidates, reading)
    return Inputs((ranking(prompts.encoded, candidates),), [prompts.encoded], prompts.texts)


def decode(answers: Answers) -> Predictions:
    """Predict, for each row, the index of the likeliest choice (the first one if several are equal).

    The records hold the probability of each choice.
    """
    decision, examples = answers.reading.text.decision, answers.examples
    assert isinstance(decision, Rank)
    scores = candidate_scores(answers, 0, decision.normalisation)
    predictions = [int(scores_C.argmax()) for scores_C in scores]
    records = [{"probabilities": scores_C.softmax(dim=-1).tolist()} for scores_C in scores]
    return Predictions(
        predictions=predictions,
        golds=examples.columns.get("label"),
        rows=examples.rows,
        inputs=answers.inputs,
        records=records,
    )


def _choices(examples: Examples, reading: Reading, ended: bool) -> list[Candidates]:
    """Return the choices of each row, uncut, as candidate answers to its prompt.

    ended: whether candidates include the end token.
    """
    prompts, choices = prompts_of(examples, reading.text), examples.columns["choices"]
    return [
        Candidates(texts, answer_tokens(prompt, texts, reading, ended))
        for prompt, texts in zip(prompts, choices, strict=True)
    ]


def _shortened(row: int, candidates: Candidates, most: int) -> Candidates:
    """Return the choices of a row, each cut to at most `most` tokens.

    Raises:
        UserError: two different choices are equal after cutting.
    """
    texts, ids = candidates.texts, [each[:most] for each in candidates.ids]
    if len({tuple(each) for each in ids}) < len(ids) and len(set(texts)) == len(texts):
        raise UserError(
            f"row {row}: two of its choices have the same first {most} tokens ({texts}), and choices are cut to that "
            "length in training; raise Text(answer_tokens=...)"
        )
    return Candidates(texts, ids)


def _prompts(examples: Examples, candidates: Sequence[Candidates], reading: Reading) -> EncodedPrompts:
    columns = examples.columns
    questions: Sequence[str] = columns.get("question") or [""] * len(examples)
    fields = [{"text": text, "question": question} for text, question in zip(columns["text"], questions, strict=True)]
    room = room_for_prompts([each.longest for each in candidates], reading)
    return encode_prompts(prompts_of(examples, reading.text), fields, room, reading)


TEXT_MULTIPLE_CHOICE = Format(encode, decode, FormatTraining(items, LOSS))
