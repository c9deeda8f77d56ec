"""Tiny checkpoints with a language-model head and a mask token, and mirrors made from any task's own rows.

A mirror has, for every set of a task, the hub's columns in the hub's shapes, with a few rows that a reader keeps and a
few that it must leave out. Everything is the same in every process.
"""

import dataclasses
import random
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from adaptx.catalog.models import from_config
from adaptx.specs import (
    Bitext,
    BitextMining,
    Classification,
    Evaluate,
    MaskedLanguageModel,
    ModelSpec,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Rows,
    Tagging,
    Task,
    TaskFormat,
)
from support import checkpoints, tiny

ARCHITECTURES = tiny.ARCHITECTURES
WORDS = ("tree", "sea", "stone", "river", "wolf", "bread", "night", "house", "iron", "bird", "snow", "glass")
DROPPED_CHARACTER = "\u200b"
"""A word that the BERT-like tokenizer drops, as real tokenizers drop zero-width characters."""
KEPT = 5
"""Number of rows of each set that pass its filters and are in its slice."""
LONG = 60
"""Number of words of every third context: more than the tests' models read at once."""


@dataclass(frozen=True)
class Models:
    """One checkpoint per architecture, read in place, and the same networks without their language-model head."""

    folder: Path
    specs: dict[str, ModelSpec] = field(hash=False)
    headless: dict[str, ModelSpec] = field(hash=False)


def make_models(folder: Path, others: Sequence[str] = (), width: int = 1) -> Models:
    """Write the checkpoints.

    others: architectures of `checkpoints`, written with their language-model head only. width: factor for the sizes.
    """
    whole, bare = {}, {}
    for architecture in others:
        checkpoints.write_checkpoint(folder / architecture, architecture, WORDS[::2], _letters(), width=width)
        whole[architecture] = _spec(folder / architecture)
    for architecture in ARCHITECTURES:
        _write_model(folder / architecture, folder / f"{architecture}-headless", architecture, width)
        whole[architecture] = _spec(folder / architecture)
        bare[architecture] = _spec(folder / f"{architecture}-headless")
    return Models(folder, whole, bare)


def mirror(folder: Path, tasks: Iterable[Task]) -> dict[Rows, int]:
    """Write a mirror of all sets of these tasks; return the number of rows of each set that a reader keeps."""
    by_file: dict[str, list[tuple[Rows, TaskFormat]]] = {}
    for task in tasks:
        for rows in dict.fromkeys((*task.train, *task.development, *task.evaluation, *task.pool)):
            if not rows.hub_id.startswith("file:"):
                by_file.setdefault(rows.address, []).append((rows, task.format))
    counts: dict[Rows, int] = {}
    for address, readings in by_file.items():
        length = max(rows.first for rows, _ in readings) + 2 * KEPT * len({rows.starts_with for rows, _ in readings})
        mining = isinstance(readings[0][1], BitextMining)
        records = [_record(readings, row) for row in range(1 if mining else length)]
        path = folder / f"{address}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(records), path)
        for rows, task_format in readings:
            passing = [record for record in records if _passes(record, rows, task_format)]
            counts[rows] = len(passing[rows.first : rows.stop])
            assert mining or counts[rows] >= KEPT, f"{rows} would hold {counts[rows]} rows"
    return counts


def world(folder: Path, models: Models) -> tiny.World:
    """Return a world for running stages with `tiny`, with these checkpoints and the mirror in `folder`."""
    return tiny.World(folder, models.specs)


def evaluations(model: Any, task: Task) -> tuple[Evaluate, ...]:
    """Return evaluations in every language of the task."""
    return tuple(Evaluate(model, task, language) for language in task.languages)


def sentence(draw: random.Random, least: int, most: int) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(least, most)))


def _record(readings: Sequence[tuple[Rows, TaskFormat]], row: int) -> dict[str, Any]:
    """Return a row of a file, with the columns of every set that is read from it."""
    record: dict[str, Any] = {}
    for rows, task_format in readings:
        values = _values(rows, task_format, row)
        for role, column in rows.columns:
            for name, value in (
                [(column, values[role])] if isinstance(column, str) else zip(column, values[role], strict=True)
            ):
                _put(record, name.split("."), value)
    prefixes = [rows.starts_with for rows, _ in readings if rows.starts_with is not None]
    if prefixes:
        # One row in every round belongs to a language that no task has.
        names = [*dict.fromkeys(prefix for _, prefix in prefixes), "elsewhere-"]
        record[prefixes[0][0]] = f"{names[row % len(names)]}{row}"
    return record


def _put(record: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        record = record.setdefault(name, {})
    record[path[-1]] = value


def _passes(record: dict[str, Any], rows: Rows, task_format: TaskFormat) -> bool:
    label = rows.column("label")
    if isinstance(label, str) and record[label] in rows.dropped_labels:
        return False
    if rows.starts_with is not None and not record[rows.starts_with[0]].startswith(rows.starts_with[1]):
        return False
    return not (isinstance(task_format, MaskedLanguageModel) and not record[str(rows.column("text"))].strip())


def _values(rows: Rows, task_format: TaskFormat, row: int) -> dict[str, Any]:
    """Return raw values for all roles of a format, as the hub has them."""
    # The `hash` of a text differs between processes.
    draw = random.Random(zlib.crc32(f"{rows.address}/{row}".encode()))
    match task_format:
        case Classification(labels):
            return _classified(rows, labels, row, draw)
        case MultipleChoice():
            return _choice(rows, row, draw)
        case Tagging(labels):
            words = sentence(draw, *((LONG // 4, LONG // 3) if row % 3 == 0 else (3, 9))).split()
            tags = [draw.randrange(len(labels)) for _ in words]
            return {"tokens": words, "tags": tags if rows.label_names else [labels[tag] for tag in tags]}
        case QuestionAnswering(unanswerable=unanswerable):
            return _question(row, draw, unanswerable and row % 3 == 1)
        case Retrieval():
            values = _question(row, draw, False)
            return {**values, "cluster": values["passage"], "candidate": sentence(draw, 3, 6)}
        case Bitext():
            return {"query": sentence(draw, 2, 6), "candidate": sentence(draw, 2, 6)}
        case BitextMining():
            sentences = [[f"{sentence(draw, 3, 5)} {number}" for number in range(16)] for _ in range(2)]
            return {
                "source": sentences[0],
                "target": sentences[1],
                "gold": [[number, 17 - number] for number in range(1, 12)],
            }
        case MaskedLanguageModel():
            return {"text": "" if row == 1 else sentence(draw, 4, 9)}


def _classified(rows: Rows, labels: tuple[str, ...], row: int, draw: random.Random) -> dict[str, Any]:
    label: Any = draw.randrange(len(labels))
    if rows.dropped_labels and row in (1, 3):
        label = rows.dropped_labels[0]
    elif not rows.label_names:
        label = labels[label]
    return {"text": sentence(draw, 2, 8), "pair": sentence(draw, 2, 8), "label": label}


def _choice(rows: Rows, row: int, draw: random.Random) -> dict[str, Any]:
    column = rows.column("choices")
    count = len(column) if isinstance(column, tuple) else len(rows.choice_keys) or draw.randint(2, 4)
    right = draw.randrange(count)
    wording = dict(rows.wording).get("question")
    return {
        "text": sentence(draw, 3, 8),
        "question": wording[row % len(wording)][0] if wording else f"{sentence(draw, 2, 4)}?",
        "choices": [sentence(draw, 1, 4) for _ in range(count)],
        "label": rows.choice_keys[right] if rows.choice_keys else right,
    }


def _question(row: int, draw: random.Random, unanswerable: bool) -> dict[str, Any]:
    """Return two sentences as a context (span answers) or passage (retrieval), with two words of one as the answer."""
    length = (LONG // 2, LONG) if row % 3 == 0 else (4, 7)
    first, second = f"{sentence(draw, *length)}.", f"{sentence(draw, *length)}."
    passage = f"{first} {second}"
    breaks = [[0, len(first)], [len(first) + 1, len(passage)]]
    begin, end = breaks[row % 2]
    words = passage[begin : end - 1].split()
    at = draw.randrange(len(words) - 1)
    start = begin + len(" ".join([*words[:at], ""]))
    question = f"{sentence(draw, 2, 4)}?"
    return {
        "question": question,
        "query": question,
        "context": passage,
        "passage": passage,
        "sentence_breaks": breaks,
        "answers": [] if unanswerable else [" ".join(words[at : at + 2])],
        "answer_starts": [] if unanswerable else [start],
        "id": f"Q{row}",
        "gold": f"Q{row}",
    }


def _spec(folder: Path) -> ModelSpec:
    spec = from_config(str(folder), folder / "config.json")
    return dataclasses.replace(spec, embedding=dataclasses.replace(spec.embedding, layer=1))


def _write_model(folder: Path, headless: Path, architecture: str, width: int) -> None:
    from transformers import BertConfig, BertForMaskedLM, XLMRobertaConfig, XLMRobertaForMaskedLM

    tokenizer = (_word_piece if architecture == "bert" else _unigram)()
    shared = {
        # A few rows without a token, as many checkpoints have.
        "vocab_size": len(tokenizer) + 3,
        "hidden_size": tiny.HIDDEN_SIZE,
        "num_hidden_layers": tiny.LAYERS,
        "num_attention_heads": tiny.HEADS,
        "intermediate_size": 2 * tiny.HIDDEN_SIZE,
        "initializer_range": tiny.INITIALISATION,
        "pad_token_id": tokenizer.pad_token_id,
    }
    shared = checkpoints.widened(shared, width)
    with torch.random.fork_rng():
        network: Any
        if architecture == "bert":
            network = BertForMaskedLM(BertConfig(max_position_embeddings=tiny.POSITIONS, **shared))
        else:
            extra = {"max_position_embeddings": tiny.POSITIONS + 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
            network = XLMRobertaForMaskedLM(XLMRobertaConfig(**extra, **shared))
        # Drawn here, because versions of transformers draw in different orders. Initial norms and biases would hide
        # that they were lost.
        torch.manual_seed(2)
        for _, tensor in sorted(network.state_dict().items()):
            noise = torch.randn(tensor.shape)
            tensor.copy_(tensor + 0.1 * noise if tensor.ndim == 1 else tiny.INITIALISATION * noise)
    for part, place in ((network, folder), (network.base_model, headless)):
        part.save_pretrained(place)
        tokenizer.save_pretrained(place)


def _letters() -> list[str]:
    return list("abcdefghijklmnopqrstuvwxyz0123456789.?")


def _word_piece() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [prefix + letter for letter in _letters() for prefix in ("", "##")]
    # Half of the words are single tokens; the others are spelled out in letters.
    vocabulary = {token: index for index, token in enumerate([*special, *WORDS[::2], *letters])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
             "mask_token": "[MASK]"}  # fmt: skip
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def _unigram() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(token, 0.0) for token in special]
    pieces += [(f"▁{word}", -4.0) for word in WORDS[::2]] + [(letter, -6.0) for letter in ["▁", *_letters()]]
    tokenizer = Tokenizer(models.Unigram([*pieces, ("<mask>", 0.0)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "bos_token": "<s>",
             "eos_token": "</s>", "mask_token": "<mask>"}  # fmt: skip
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **names)
