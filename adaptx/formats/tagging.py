"""Tagging: one tag per word, read from its first sub-word (Devlin et al. 2019, section 5.3). Loss unit: the word.

A sentence that is longer than the model can read is cut between words into parts. The parts are tagged separately and
joined again.

Suffixes of tensor and array names, one letter per dimension: N sequences, W words, C labels, D hidden size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoding, TokenBatch, padding_id
from adaptx.backbones.finite import check_finite
from adaptx.data.examples import Examples
from adaptx.formats.heads import LinearHead
from adaptx.formats.interface import (
    Answers,
    Format,
    FormatTraining,
    HeadBase,
    Inputs,
    Items,
    Model,
    Pass,
    Piece,
    Predictions,
    Reading,
    SummedLoss,
    one_sequence_each,
)
from adaptx.specs import Hidden, Tagging


class SentenceParts:
    """Sentences cut into sequences that the model can read.

    encoded: the sequences. sentence: for each sequence, the index of its sentence. first_word: for each sequence, the
    position of its first word in the sentence. first_tokens: for each word of a sequence, the position of the word's
    first sub-word in the sequence.
    """

    def __init__(self, sentences: Sequence[Sequence[str]], reading: Reading) -> None:
        tokenizer = reading.tokenizer
        before, after, types = _surroundings(tokenizer, reading.hidden.prefix)
        room = reading.max_length - len(before) - len(after)
        ids: list[list[int]] = []
        self.sentence: list[int] = []
        self.first_word: list[int] = []
        self.first_tokens: list[list[int]] = []
        cut = 0
        for number, subwords in enumerate(_subwords(tokenizer, sentences)):
            word = 0
            while word < len(subwords) or word == 0:
                tokens: list[int] = []
                first: list[int] = []
                begin = word
                while word < len(subwords) and (len(tokens) + len(subwords[word]) <= room or not tokens):
                    first.append(len(before) + len(tokens))
                    # A word that is longer than the model can read is cut. Its first sub-word, which is tagged, stays.
                    tokens += subwords[word][: room - len(tokens)]
                    word += 1
                ids.append([*before, *tokens, *after])
                self.sentence.append(number)
                self.first_word.append(begin)
                self.first_tokens.append(first)
                cut += begin > 0
                if not subwords:
                    break
        self.encoded = Encoding(ids, [[types] * len(each) for each in ids] if types is not None else None,
                               padding_id(tokenizer), cut)  # fmt: skip


def new_head(task_format: Tagging, base: HeadBase) -> nn.Module:
    return LinearHead(base.hidden_size, len(task_format.labels), base.dropout)


def items(examples: Examples, task_format: Tagging, reading: Reading) -> Items:
    """Return one item per sentence, with one sequence for each of its parts.

    An item's target is a list with one pair per part: the positions of the words' first sub-words, and the tag ids.
    """
    place = {label: index for index, label in enumerate(task_format.labels)}
    pieces = SentenceParts(examples.columns["tokens"], reading)
    members: list[list[int]] = [[] for _ in range(len(examples))]
    targets: list[list[tuple[list[int], list[int]]]] = [[] for _ in range(len(examples))]
    for index, (number, first) in enumerate(zip(pieces.sentence, pieces.first_word, strict=True)):
        tokens = pieces.first_tokens[index]
        tags = examples.columns["tags"][number][first : first + len(tokens)]
        members[number].append(index)
        targets[number].append((tokens, [place[tag] for tag in tags]))
    return Items(
        encoded=pieces.encoded, members=members, targets=targets, units=[len(tags) for tags in examples.columns["tags"]]
    )


def loss_sum(backbone: Backbone, head: nn.Module, piece: Piece, framing: Hidden) -> Tensor:
    """Return the cross-entropy, summed over words."""
    of_sequences = [target for targets in piece.targets for target in targets]
    gold_W = [tag for _, tags in of_sequences for tag in tags]
    logits_WC = _word_logits(backbone, head, piece.batch, [first for first, _ in of_sequences], framing)
    return nn.functional.cross_entropy(logits_WC, torch.tensor(gold_W, device=logits_WC.device), reduction="sum")


def encode(examples: Examples, _format: Tagging, reading: Reading) -> Inputs:
    """Encode the sentences. A sentence that is too long is cut, and each part is one item.

    An item's target is (index of its sentence, positions of the words' first sub-words).
    """
    sentences: list[list[str]] = examples.columns["tokens"]
    pieces = SentenceParts(sentences, reading)
    items = one_sequence_each(pieces.encoded, list(zip(pieces.sentence, pieces.first_tokens, strict=True)))
    return Inputs((Pass(items, tags),), [pieces.encoded], [" ".join(tokens) for tokens in sentences])


def tags(model: Model, piece: Piece) -> list[list[int]]:
    """Return, for each sequence, the most probable tag of each word, as an index into the labels."""
    assert model.head is not None
    firsts = [first for _, first in piece.targets]
    logits_WC = _word_logits(model.backbone, model.head, piece.batch, firsts, model.reading.hidden)
    chosen = check_finite(logits_WC, "scores of tags").argmax(dim=-1)
    return [part.tolist() for part in chosen.cpu().split([len(first) for first in firsts])]


def decode(answers: Answers) -> Predictions:
    """Predict the most probable tag of each word, as a list of tag names per sentence."""
    labels, examples, (tags_of,) = answers.model.format.labels, answers.examples, answers.values
    sentences: list[list[str]] = examples.columns["tokens"]
    predictions: list[list[str]] = [[] for _ in sentences]
    # The parts of a sentence are in order, so appending their tags joins them again.
    for (number, _), chosen in zip(answers.inputs.passes[0].items.targets, tags_of, strict=True):
        predictions[number] += [labels[tag] for tag in chosen]
    records: list[dict[str, Any]] = [
        {"tokens": tokens, "tags": named} for tokens, named in zip(sentences, predictions, strict=True)
    ]
    return Predictions(
        predictions=predictions,
        golds=examples.columns.get("tags"),
        rows=examples.rows,
        inputs=answers.inputs,
        records=records,
    )


def _word_logits(
    backbone: Backbone, head: nn.Module, batch: TokenBatch, firsts: Sequence[Sequence[int]], framing: Hidden
) -> Tensor:
    """Return the logits [W, C] at the first token of each word, for the words of all sequences in order."""
    hidden_TD = backbone.hidden(batch, framing.layer, framing.bidirectional)
    counts = torch.tensor([len(first) for first in firsts], device=hidden_TD.device)
    within_W = torch.tensor([place for first in firsts for place in first], device=hidden_TD.device, dtype=torch.long)
    at_W = batch.first_N.repeat_interleave(counts) + within_W
    return head(hidden_TD[at_W])


def _subwords(tokenizer: Any, sentences: Sequence[Sequence[str]]) -> list[list[list[int]]]:
    """Return the token ids of each word of each sentence. A word that the tokenizer drops becomes the unknown token."""
    words = [list(words) for words in sentences]
    if not words_stand_alone(tokenizer):
        return [_subwords_with_spaces(tokenizer, sentence) for sentence in words]
    output: Any = tokenizer(words, is_split_into_words=True, add_special_tokens=False, verbose=False) if words else None
    found: list[list[list[int]]] = []
    for number, sentence in enumerate(words):
        parts: list[list[int]] = [[] for _ in sentence]
        if sentence:
            for token, word in zip(output["input_ids"][number], output.word_ids(number), strict=True):
                parts[word].append(token)
        found.append([part or [_unknown(tokenizer)] for part in parts])
    return found


def words_stand_alone(tokenizer: Any) -> bool:
    """Return whether words have the same tokens with and without a space before them. This is false for byte-level
    tokenizers, which give "dog" and " dog" different tokens.
    """
    alone, both = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a", "a a"))
    return both == alone + alone


def _subwords_with_spaces(tokenizer: Any, sentence: list[str]) -> list[list[int]]:
    """Return the token ids of each word, with a space before every word except the first."""
    texts = [word if place == 0 else f" {word}" for place, word in enumerate(sentence)]
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []
    return [each or [_unknown(tokenizer)] for each in ids]


def _unknown(tokenizer: Any) -> int:
    return tokenizer.unk_token_id if tokenizer.unk_token_id is not None else padding_id(tokenizer)


def _surroundings(tokenizer: Any, prefix: str) -> tuple[list[int], list[int], int | None]:
    """Return the tokens before and after every text, and the type id of a text (None if the tokenizer has no type ids).

    These are the tokenizer's special tokens and, before the text, the tokens of the framing's prefix.
    """
    output: Any = tokenizer(prefix + "a", return_special_tokens_mask=True)
    special = output["special_tokens_mask"]
    first = special.index(0)
    last = len(special) - special[::-1].index(0)
    head = tokenizer(prefix, add_special_tokens=False)["input_ids"] if prefix else []
    ids, types = output["input_ids"], output.get("token_type_ids")
    return [*ids[:first], *head], ids[last:], types[first] if types is not None else None


TAGGING = Format(encode, decode, FormatTraining(items, SummedLoss(loss_sum), new_head))
