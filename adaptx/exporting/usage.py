"""Instructions for loading an exported folder and using it as adaptx does, shown in the terminal and the model card."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.exporting.holding import Library
from adaptx.exporting.own_model import CODE_FILE
from adaptx.exporting.reading_tokenizer import empty_is_same
from adaptx.exporting.script import Read
from adaptx.exporting.transformers_folder import HeadClass
from adaptx.formats.tagging import words_stand_alone
from adaptx.specs import (
    Classification,
    MaskedLanguageModel,
    ModelFamily,
    ModelSpec,
    MultipleChoice,
    QuestionAnswering,
    Tagging,
)


@dataclass(frozen=True, kw_only=True)
class ExportContents:
    """The contents of an exported folder.

    head: the class that loads the head; None if there is no head, or if predict.py reads it from a separate file.
    base: hub id or path of the checkpoint, as the folder records it.
    own_base: path, inside the folder, of a full set of weights; None if the folder has none.
    base_digest: digest of the checkpoint.
    """

    library: Library
    head: HeadClass | None
    base: str
    own_base: str | None
    base_digest: str


def notes(written: ExportContents) -> tuple[str, ...]:
    """Return what a user must know to load the folder, one sentence per item."""
    found: list[str] = []
    if written.head is not None and written.head.own:
        found.append(
            f"No class of transformers has such a head, so the folder contains the code of one in {CODE_FILE}: load "
            f"the folder with {written.head.auto_class}.from_pretrained(DIR, trust_remote_code=True). It does not load "
            "otherwise."
        )
    elif written.head is not None:
        found.append(f"The weights include the head: load them with {written.head.auto_class}.from_pretrained(DIR).")
    else:
        found.append(
            "Predict with `python predict.py ROWS.tsv`. If you load the folder with a class for a task, such as "
            "AutoModelForSequenceClassification, its head is random."
        )
    if written.own_base is None and Path(written.base).is_absolute():
        found.append(
            f"The base checkpoint is not on the hub, so the folder refers to it as {written.base}. On another machine, "
            "change this path in adapter_config.json and predict.py."
        )
    return tuple(found)


def usage(written: ExportContents, read: Read, model: ModelSpec, tokenizer: Any) -> list[str]:
    """Return instructions for using a transformers folder with a head, one per topic. Other folders have none."""
    if written.head is None:
        return []
    prefix, tagging = read.framing.prefix, isinstance(read.task.format, Tagging)
    lines = _asked(written.head, read, model, tokenizer.is_fast and words_stand_alone(tokenizer))
    if prefix:
        lines.append(f"The tokenizer puts {prefix!r} before each text; do not write it yourself.")
    if prefix and not tagging and not empty_is_same(tokenizer, prefix):
        lines.append("An empty text is read without the token that adaptx makes from the prefix's last space.")
    lines.append("Pad the rows of a batch on the right, as the tokenizer does by default (`padding=True`).")
    return lines


def _asked(head: HeadClass, read: Read, model: ModelSpec, words_stand_alone: bool) -> list[str]:
    trust = ", trust_remote_code=True" if head.own else ""
    length = read.max_length
    match read.task.format:
        case Classification():
            return [
                f'`pipeline("text-classification", model="DIR", truncation=True{trust})` takes a text, or a pair as '
                '`{"text": ..., "text_pair": ...}`.',
                f"Keep `truncation=True`: it cuts texts at {length} tokens, as adaptx does.",
            ]
        case MultipleChoice():
            return [
                "Give the model the choices of one question as tensors `[1, choices, tokens]`: `tokenizer([text] * "
                'len(choices), [f"{question} {choice}" for choice in choices], truncation=True, padding=True, '
                'return_tensors="pt")`, with `unsqueeze(0)` on each tensor. Without a question, only the choice is the '
                "second text. The highest logit is the answer. The library has no pipeline for this task.",
            ]
        case Tagging():
            split = (
                "For words that are already split, use `tokenizer(words, is_split_into_words=True)`, and for each word "
                "the logits of its first token (`word_ids()`)."
                if words_stand_alone
                else "If words are already split, join them with spaces, and use for each word the logits of the first "
                "token that covers it or the space before it. A single word would be split into other tokens."
            )
            return [
                f'`pipeline("token-classification", model="DIR", aggregation_strategy="first"{trust})` gives each word '
                "the tag of its first token, and joins neighbouring words with the same tag.",
                split,
                f"Words beyond the first {length} tokens get no tag from the pipeline; adaptx reads such a sentence in "
                "pieces, cut between words. A word that the tokenizer drops gets no tag from the pipeline; adaptx tags "
                "it as an unknown word.",
            ]
        case QuestionAnswering(answer_tokens=answer_tokens):
            return _answers_asked(trust, length, answer_tokens, model.family)
        case MaskedLanguageModel():
            return [f'Use `pipeline("fill-mask", model="DIR"{trust})`; adaptx reads at most {length} tokens of a text.']
        case _:
            return []


def _answers_asked(trust: str, length: int, answer_tokens: int, family: ModelFamily) -> list[str]:
    unanswered = (
        "In this model the last token, not the first, stands for no answer: do not set `handle_impossible_answer`."
        if family is ModelFamily.DECODER
        else "With `handle_impossible_answer=True`, the first token stands for no answer, as in adaptx."
    )
    return [
        f'`pipeline("question-answering", model="DIR"{trust})` (transformers 4; version 5 has none) with '
        f"`max_seq_len={length}, max_answer_len={answer_tokens}, align_to_words=False` gives the same answer "
        "(except for spaces around it) if question and context fit into one window.",
        "For longer contexts adaptx chooses the span with the highest sum of logits over all windows; the "
        f"pipeline compares probabilities within each window. {unanswered}",
    ]
