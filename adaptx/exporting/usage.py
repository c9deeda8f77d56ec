"""How an exported folder is loaded and asked so that it answers as adaptx does: for the terminal and the model card."""

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
    """What an export wrote.

    head: the class that holds the head; None: predict.py does, or there is none. base: the checkpoint below, by what
    the folder calls it. own_base: where in the folder whole weights lie, if they do. base_digest: of the checkpoint.
    """

    library: Library
    head: HeadClass | None
    base: str
    own_base: str | None
    base_digest: str


def notes(written: ExportContents) -> tuple[str, ...]:
    """Return what must be known to load the folder, a sentence each: for the terminal and the card."""
    found: list[str] = []
    if written.head is not None and written.head.own:
        found.append(
            f"No class of transformers holds this head, so {CODE_FILE} in the folder does: load it with "
            f"{written.head.auto_class}.from_pretrained(DIR, trust_remote_code=True); without that it does not load."
        )
    elif written.head is not None:
        found.append(f"The head is in the weights: {written.head.auto_class}.from_pretrained(DIR) answers.")
    else:
        found.append("`python predict.py ROWS.tsv` answers; classes of the library for a task would have random heads.")
    if written.own_base is None and Path(written.base).is_absolute():
        found.append(
            f"The base is not on the hub: the folder names {written.base}. Elsewhere, write that checkpoint's place "
            "into adapter_config.json and predict.py."
        )
    return tuple(found)


def usage(written: ExportContents, read: Read, model: ModelSpec, tokenizer: Any) -> list[str]:
    """Return how a transformers folder with a head is asked, a sentence or two each; nothing for other folders."""
    if written.head is None:
        return []
    prefix, tagging = read.framing.prefix, isinstance(read.task.format, Tagging)
    lines = _asked(written.head, read, model, tokenizer.is_fast and words_stand_alone(tokenizer))
    if prefix:
        lines.append(f"The tokenizer itself puts {prefix!r} before each text: do not write it.")
    if prefix and not tagging and not empty_is_same(tokenizer, prefix):
        lines.append("An empty text is read without the token that adaptx makes of the prefix's last space.")
    lines.append("Rows of a batch are padded on the right, as the tokenizer does by itself (`padding=True`).")
    return lines


def _asked(head: HeadClass, read: Read, model: ModelSpec, words_stand_alone: bool) -> list[str]:
    trust = ", trust_remote_code=True" if head.own else ""
    length = read.max_length
    match read.task.format:
        case Classification():
            return [
                f'`pipeline("text-classification", model="DIR", truncation=True{trust})` takes a text, or a pair as '
                '`{"text": ..., "text_pair": ...}`.',
                f"Without `truncation=True` texts beyond {length} tokens are read whole, which adaptx never does.",
            ]
        case MultipleChoice():
            return [
                "Give the model the choices of one question as `[1, choices, tokens]`: `tokenizer([text] * "
                'len(choices), [f"{question} {choice}" for choice in choices], truncation=True, padding=True, '
                'return_tensors="pt")`, each tensor with `unsqueeze(0)`. Without a question, the choice alone is the '
                "second text. The highest logit is the answer. The library has no pipeline for this.",
            ]
        case Tagging():
            split = (
                "Words that are split already: `tokenizer(words, is_split_into_words=True)`, and of each word the "
                "logits of its first token (`word_ids()`)."
                if words_stand_alone
                else "Words that are split already: join them with spaces, and of each take the logits of the first "
                "token that covers it or the space before it; alone, a word has other tokens."
            )
            return [
                f'`pipeline("token-classification", model="DIR", aggregation_strategy="first"{trust})` gives each word '
                "the tag of its first token and joins neighbours with one tag.",
                split,
                f"The pipeline leaves words beyond {length} tokens without a tag; adaptx reads such a sentence in "
                "pieces, cut between words. A word that the tokenizer drops has no tag here, and that of an unknown "
                "word in adaptx.",
            ]
        case QuestionAnswering(answer_tokens=answer_tokens):
            return _answers_asked(trust, length, answer_tokens, model.family)
        case MaskedLanguageModel():
            return [f'`pipeline("fill-mask", model="DIR"{trust})`; adaptx reads at most {length} tokens of a text.']
        case _:
            return []


def _answers_asked(trust: str, length: int, answer_tokens: int, family: ModelFamily) -> list[str]:
    unanswered = (
        "The token that stands for no answer is the last one here, not the first: do not set "
        "`handle_impossible_answer`."
        if family is ModelFamily.DECODER
        else "`handle_impossible_answer=True` compares with the first token, as adaptx does."
    )
    return [
        f'`pipeline("question-answering", model="DIR"{trust})` (transformers 4; version 5 has none) with '
        f"`max_seq_len={length}, max_answer_len={answer_tokens}, align_to_words=False` gives the same answer "
        "where question and context fit into one window, but for spaces around it.",
        "Of longer contexts adaptx takes the span with the highest sum of logits over all windows; the "
        f"pipeline compares probabilities within each window. {unanswered}",
    ]
