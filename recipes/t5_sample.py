"""Do intermediate tasks move what a small encoder-decoder learns from few rows, in words and in other languages?

    python recipes/t5_sample.py DIR --data MIRROR                # writes a random mT5 with its tokenizer, and rows
    adaptx run recipes/t5_sample.py --model DIR --data MIRROR    # some minutes on two CPU cores
    adaptx report recipes/t5_sample.py --model DIR --data MIRROR --out t5-report

A trial of the text-to-text way, not of mT5: the network has mT5's architecture and about a million random weights, and
all it ever reads are NTREX's news sentences in ten languages. There are two intermediate trainings: T5's pretraining,
span corruption, and copying the words between two marks. The targets have few rows: copying the word behind a single
mark (English rows, scored in six languages), and writing the name of the language that some words are in. Each is
trained from random weights, and after either.
"""

import argparse
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from adaptx import (
    Classification,
    Evaluate,
    Full,
    Generate,
    ModelSpec,
    Pretrained,
    Prompt,
    QuestionAnswering,
    Rank,
    Recipe,
    Sequential,
    Start,
    Task,
    TaskFormat,
    Text,
    Train,
    TrainConfig,
)
from adaptx.catalog import local_task, ntrex_spans

NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "nl": "Dutch",
    "it": "Italian", "pt": "Portuguese", "id": "Indonesian", "sw": "Swahili", "tr": "Turkish",
}  # fmt: skip
"""The languages, and the words that the second target is answered in."""
SCORED = ("en", "de", "es", "id", "sw", "tr")
MARKS = ("<extra_id_99>", "<extra_id_98>")
SEED = 0
LONGEST_ARTICLE = 3

RANDOM = Pretrained()
SPANS = Text(Prompt("{text}"), Generate())
COPY = Text(Prompt("{context}"), Generate(), answer_tokens=16)
NAME = Text(Prompt("{text}"), Rank())


def build(
    model: ModelSpec,
    seed: int = 1,
    span_epochs: float = 1,
    copying_epochs: float = 1.25,
    target_rows: int = 600,
    target_epochs: float = 6,
    test_rows: int = 200,
) -> Recipe:
    """Span corruption, copying, and two targets each from random weights and after either.

    model: a folder that this file has written.
    """
    rows = Path(model.hub_id) / "rows"

    def files(name: str, split: str, languages: Iterable[str]) -> dict[str, Path]:
        return {language: rows / f"{name}.{split}.{language}.jsonl" for language in languages}

    def task(name: str, task_format: TaskFormat, trained: Iterable[str]) -> Task:
        metrics = ("exact_match",) if isinstance(task_format, QuestionAnswering) else None
        test = files(name, "test", SCORED)
        return local_task(name, task_format, files(name, "train", trained), evaluation=test, metrics=metrics)

    def train(task: Task, framing: Text, epochs: float, limit: int | None = None, start: Start = RANDOM) -> Train:
        config = TrainConfig(learning_rate=2e-3, epochs=epochs, batch_size=64, seed=seed, max_length=40)
        return Train(model, task, Full(), config, start, framing=framing, limit=limit)

    copying = task("copying", QuestionAnswering(), NAMES)
    following = task("following", QuestionAnswering(), ["en"])
    naming = task("naming", Classification(tuple(NAMES.values())), NAMES)
    corruption = train(spans(*NAMES), SPANS, span_epochs)
    copier = train(copying, COPY, copying_epochs)
    trained = [
        train(target, framing, target_epochs, target_rows, start)
        for target, framing in ((following, COPY), (naming, NAME))
        for start in (RANDOM, Sequential(corruption), Sequential(copier))
    ]
    return Recipe(
        "t5-sample",
        tuple(
            Evaluate(each, task, language, limit=test_rows)
            for each in (*trained, copier)
            for task in each.tasks
            for language in SCORED
        )
        + tuple(Evaluate(corruption, spans(*SCORED), language, framing=SPANS, limit=test_rows) for language in SCORED),
        title="A small mT5 from random weights: span corruption or copying before targets of few rows",
        question="Do intermediate tasks move what a small encoder-decoder learns from few rows, in words and in other "
        "languages?",
        notes=("The network begins with random weights and reads news sentences alone: nothing here speaks of mT5.",),
    )


def spans(*languages: str) -> Task:
    return replace(ntrex_spans(*languages), name="spans")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the checkpoint and its rows are written")
    parser.add_argument("--data", type=Path, required=True, help="local mirror of the hub, with davidstap/NTREX")
    options = parser.parse_args()
    write_checkpoint(options.folder, options.data)
    write_rows(options.folder / "rows", options.data)


def sentences(mirror: Path, language: str, split: str) -> list[str]:
    """Those of the slice that `ntrex_spans` trains on, or scores."""
    from pyarrow.parquet import read_table

    task = ntrex_spans(language)
    (slice_,) = task.train if split == "train" else task.evaluation
    return read_table(mirror / f"{slice_.address}.parquet")["text"].to_pylist()[slice_.first : slice_.stop]


def write_checkpoint(folder: Path, mirror: Path, size: int = 128, layers: int = 2, vocabulary: int = 2_000) -> None:
    """A random mT5, and a tokenizer of sentence pieces learned from the training sentences."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import MT5Config, MT5ForConditionalGeneration, PreTrainedTokenizerFast

    sentinels = [f"<extra_id_{number}>" for number in range(100)]
    pieces = Tokenizer(models.Unigram())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    pieces.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=vocabulary, special_tokens=["<pad>", "</s>", "<unk>", *sentinels],
                                      unk_token="<unk>", show_progress=False)  # fmt: skip
    pieces.train_from_iterator(
        (text for language in NAMES for text in sentences(mirror, language, "train")[::2]), trainer
    )
    pieces.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    torch.manual_seed(SEED)
    config = MT5Config(vocab_size=len(tokenizer), d_model=size, d_kv=32, d_ff=2 * size, num_layers=layers,
                       num_decoder_layers=layers, num_heads=size // 32, tie_word_embeddings=False, dropout_rate=0.0,
                       decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)  # fmt: skip
    network = MT5ForConditionalGeneration(config)
    with torch.no_grad():
        # mT5's own matrix of scores is not tied. Drawn apart, each of its rows would have to be learned before a token
        # can be copied, for which this text is too short; so it begins as the embeddings, divided as tied ones are.
        network.lm_head.weight.copy_(network.shared.weight * size**-0.5)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_rows(folder: Path, mirror: Path) -> None:
    """One file a task, split and language."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, name in NAMES.items():
        for split in ("train", "test"):
            draw = random.Random(f"{SEED} {language} {split}")
            pieces = [piece for text in sentences(mirror, language, split) for piece in _pieces(text.split())]
            rows = {
                "copying": [_marked(piece, draw, draw.randint(1, 2), MARKS) for piece in pieces],
                "following": [_marked(piece, draw, 1, (MARKS[0], "")) for piece in pieces if _long(piece)],
                "naming": [{"text": " ".join(piece[:3]), "label": name} for piece in pieces],
            }
            for task, each in rows.items():
                draw.shuffle(each)
                lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in each)
                (folder / f"{task}.{split}.{language}.jsonl").write_text(lines, encoding="utf-8")


def _long(words: Iterable[str]) -> list[int]:
    """Places of words that no scorer takes for an article."""
    return [place for place, word in enumerate(words) if len(word) > LONGEST_ARTICLE]


def _pieces(words: list[str], size: int = 5) -> Iterable[list[str]]:
    """Whole pieces of so many words."""
    return (words[first : first + size] for first in range(0, len(words) - size + 1, size))


def _marked(words: list[str], draw: random.Random, count: int, marks: tuple[str, str]) -> dict[str, object]:
    """Some of the words are the answer, and stand between the marks; one alone is a long one."""
    first = draw.choice(_long(words) if count == 1 and _long(words) else range(len(words) - count + 1))
    answer = " ".join(words[first : first + count])
    before = " ".join((*words[:first], marks[0], ""))
    context = " ".join(filter(None, (before + answer, marks[1], *words[first + count :])))
    return {"question": "", "context": context, "answers": [answer], "answer_starts": [len(before)]}


if __name__ == "__main__":
    main()
