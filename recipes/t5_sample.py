"""Do intermediate tasks help a small encoder-decoder learn text-to-text targets from few rows, and in other languages?

    python benchmarks/small_mt5.py DIR --data MIRROR             # writes a random mT5 with its tokenizer, and rows
    adaptx run recipes/t5_sample.py --model DIR --data MIRROR    # some minutes on two CPU cores
    adaptx report recipes/t5_sample.py --model DIR --data MIRROR --out t5-report

This recipe tries out training as text to text. It says nothing about mT5: the network has mT5's architecture, but only
about a million weights, which begin at random, and it reads nothing but NTREX's news sentences in ten languages. There
are two intermediate trainings: span corruption, which is T5's pretraining task, and copying the words between two
marks. Two targets have few rows: copying the word after a single mark (English rows, scored in six languages), and
naming the language of some words. Each target is trained from random weights and after each intermediate training.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from adaptx import (
    Classification, Full, Generate, ModelSpec, Pretrained, Prompt, QuestionAnswering, Rank, Recipe, Sequential, Start,
    Task, TaskFormat, Text, Train, TrainConfig, evaluations,
)  # fmt: skip
from adaptx.catalog import local_task, ntrex_spans

NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "nl": "Dutch",
    "it": "Italian", "pt": "Portuguese", "id": "Indonesian", "sw": "Swahili", "tr": "Turkish",
}  # fmt: skip
"""Language code -> the language's name, which is the answer of the second target."""
SCORED = ("en", "de", "es", "id", "sw", "tr")

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
    """Return a recipe with two intermediate trainings, and two targets from random weights and after each of them.

    model: a folder that benchmarks/small_mt5.py has written.
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
    corruption = train(replace(ntrex_spans(*NAMES), name="spans"), SPANS, span_epochs)
    copier = train(copying, COPY, copying_epochs)
    measured = []
    for target, framing in ((following, COPY), (naming, NAME)):
        for start in (RANDOM, Sequential(corruption), Sequential(copier)):
            trained = train(target, framing, target_epochs, target_rows, start)
            measured += evaluations(trained, target, limit=test_rows)
    measured += evaluations(copier, copying, limit=test_rows)
    measured += evaluations(corruption, replace(ntrex_spans(*SCORED), name="spans"), limit=test_rows, framing=SPANS)
    return Recipe(
        "t5-sample",
        tuple(measured),
        title="A small mT5 from random weights: span corruption or copying before targets of few rows",
        question="Do intermediate tasks help a small encoder-decoder learn text-to-text targets from few rows, and in "
        "other languages?",
        notes=("The network begins with random weights and reads only news sentences: it says nothing about mT5.",),
    )
