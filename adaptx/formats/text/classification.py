"""Classification as text to text: the words of a label are ranked against those of the others, or written.

With T5's prompts labels are written (Raffel et al. 2020, arXiv:1910.10683, section 2.4); ranking them always gives a
label (Brown et al. 2020, arXiv:2005.14165, section 2.4).
"""

from collections.abc import Sequence

from adaptx.data.examples import Examples
from adaptx.formats.interface import Format, Forward, Items, Predicted, Reading, TrainedHead, Training
from adaptx.formats.text.answering import LOSS, answered
from adaptx.formats.text.prompting import Prompted, answer_tokens, encode_prompts, prompts_of, room_for_prompts
from adaptx.formats.text.ranking import Candidates, candidate_scores, counts_end
from adaptx.formats.text.writing import written_answers
from adaptx.specs import Classification, Prompt, Rank, Task


def items(examples: Examples, task_format: Classification, reading: Reading) -> Items:
    """The answer is the words of the row's label."""
    prompts, candidates = encode_labelled(examples, task_format.labels, reading, ended=True)
    place = {label: index for index, label in enumerate(task_format.labels)}
    labels = examples.columns["label"]
    return answered(prompts.encoded, [each.ids[place[label]] for each, label in zip(candidates, labels, strict=True)])


def predict(examples: Examples, task: Task, _head: TrainedHead | None, forward: Forward) -> Predicted:
    """The likeliest label; of written answers the label with these words, or "" where there is none."""
    assert isinstance(task.format, Classification)
    labels, decision = task.format.labels, forward.reading.text.decision
    ended = counts_end(decision) if isinstance(decision, Rank) else True
    prompts, candidates = encode_labelled(examples, labels, forward.reading, ended)
    if isinstance(decision, Rank):
        scores = candidate_scores(prompts.encoded, candidates, decision.normalisation, forward)
        shares = [scores_C.softmax(dim=-1) for scores_C in scores]
        predictions = [labels[int(scores_C.argmax())] for scores_C in scores]
        records = [{"probabilities": dict(zip(labels, share.tolist(), strict=True))} for share in shares]
        details = {}
    else:
        answers = written_answers(prompts.encoded, forward)
        variants = prompts_of(examples, forward.reading.text)
        predictions = [_matching(answer, prompt, labels) for answer, prompt in zip(answers, variants, strict=True)]
        records = [{"answer": answer} for answer in answers]
        details = {"without_label": predictions.count("")}
    return Predicted(
        predictions, examples.columns.get("label"), examples.rows, [prompts.encoded], prompts.texts, details, records
    )


def encode_labelled(
    examples: Examples, labels: Sequence[str], reading: Reading, ended: bool
) -> tuple[Prompted, list[Candidates]]:
    """Prompts, and the labels' words behind each, with the end of the answer where they are `ended`."""
    prompts = prompts_of(examples, reading.text)
    words = {prompt: [prompt.words(label) for label in labels] for prompt in dict.fromkeys(prompts)}
    behind = {prompt: Candidates(each, answer_tokens(prompt, each, reading, ended)) for prompt, each in words.items()}
    candidates = [behind[prompt] for prompt in prompts]
    room = room_for_prompts([each.longest for each in candidates], reading)
    columns = examples.columns
    pairs: Sequence[str] = columns.get("pair") or [""] * len(examples)
    fields = [{"text": text, "pair": pair} for text, pair in zip(columns["text"], pairs, strict=True)]
    return encode_prompts(prompts, fields, room, reading), candidates


def _matching(answer: str, prompt: Prompt, labels: Sequence[str]) -> str:
    """The label whose words an answer is, case and space at the ends aside."""
    found = answer.strip().casefold()
    return next((label for label in labels if prompt.words(label).strip().casefold() == found), "")


TEXT_CLASSIFICATION = Format(predict, Training(items, LOSS))
