"""Classification as text to text: the model ranks the words of all labels, or writes the words of one.

T5 writes labels (Raffel et al. 2020, arXiv:1910.10683, section 2.4), and the written text need not be a label. Ranking
always gives a label (Brown et al. 2020, arXiv:2005.14165, section 2.4).
"""

from collections.abc import Sequence

from adaptx.data.examples import Examples
from adaptx.formats.interface import Answers, Format, FormatTraining, Inputs, Items, Predictions, Reading
from adaptx.formats.text.answering import LOSS, answered
from adaptx.formats.text.prompting import EncodedPrompts, answer_tokens, encode_prompts, prompts_of, room_for_prompts
from adaptx.formats.text.ranking import Candidates, candidate_scores, counts_end, ranking
from adaptx.formats.text.writing import writing
from adaptx.specs import Classification, Prompt, Rank


def items(examples: Examples, task_format: Classification, reading: Reading) -> Items:
    """Return one item per row. Its answer is the words for the row's label, such as "yes" for `entailment`."""
    prompts, candidates = encode_labelled(examples, task_format.labels, reading, ended=True)
    place = {label: index for index, label in enumerate(task_format.labels)}
    labels = examples.columns["label"]
    return answered(prompts.encoded, [each.ids[place[label]] for each, label in zip(candidates, labels, strict=True)])


def encode(examples: Examples, task_format: Classification, reading: Reading) -> Inputs:
    """Encode the prompts. For each, the model then ranks the labels or writes an answer, as the framing says."""
    decision = reading.text.decision
    ended = counts_end(decision) if isinstance(decision, Rank) else True
    prompts, candidates = encode_labelled(examples, task_format.labels, reading, ended)
    ranked = isinstance(decision, Rank)
    one = ranking(prompts.encoded, candidates) if ranked else writing(prompts.encoded, reading)
    return Inputs((one,), [prompts.encoded], prompts.texts)


def decode(answers: Answers) -> Predictions:
    """Predict the likeliest label or, if the model writes answers, the label whose words it wrote.

    The prediction is "" if the model wrote the words of no label.
    """
    labels, examples, text = answers.model.format.labels, answers.examples, answers.reading.text
    if isinstance(text.decision, Rank):
        scores = candidate_scores(answers, 0, text.decision.normalisation)
        shares = [scores_C.softmax(dim=-1) for scores_C in scores]
        predictions = [labels[int(scores_C.argmax())] for scores_C in scores]
        records = [{"probabilities": dict(zip(labels, share.tolist(), strict=True))} for share in shares]
        details = {}
    else:
        (written,) = answers.values
        variants = prompts_of(examples, text)
        predictions = [_label_of(answer, prompt, labels) for answer, prompt in zip(written, variants, strict=True)]
        records = [{"answer": answer} for answer in written]
        details = {"without_label": predictions.count("")}
    golds = examples.columns.get("label")
    return Predictions(
        predictions=predictions,
        golds=golds,
        rows=examples.rows,
        inputs=answers.inputs,
        details=details,
        records=records,
    )


def encode_labelled(
    examples: Examples, labels: Sequence[str], reading: Reading, ended: bool
) -> tuple[EncodedPrompts, list[Candidates]]:
    """Return the prompts and, for each, the words of all labels as candidate answers.

    ended: whether candidates include the end token.
    """
    prompts = prompts_of(examples, reading.text)
    words = {prompt: [prompt.words(label) for label in labels] for prompt in dict.fromkeys(prompts)}
    behind = {prompt: Candidates(each, answer_tokens(prompt, each, reading, ended)) for prompt, each in words.items()}
    candidates = [behind[prompt] for prompt in prompts]
    room = room_for_prompts([each.longest for each in candidates], reading)
    columns = examples.columns
    pairs: Sequence[str] = columns.get("pair") or [""] * len(examples)
    fields = [{"text": text, "pair": pair} for text, pair in zip(columns["text"], pairs, strict=True)]
    return encode_prompts(prompts, fields, room, reading), candidates


def _label_of(answer: str, prompt: Prompt, labels: Sequence[str]) -> str:
    """Return the label whose words equal an answer, ignoring case and surrounding space, or ""."""
    found = answer.strip().casefold()
    return next((label for label in labels if prompt.words(label).strip().casefold() == found), "")


TEXT_CLASSIFICATION = Format(encode, decode, FormatTraining(items, LOSS))
