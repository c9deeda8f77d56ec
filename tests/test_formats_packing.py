"""No format's predictions, loss or gradients depend on how sequences are laid out and cut into micro-batches."""

import random
from typing import Any

import pytest
from support import format_bench, small_world

from adaptx.data.examples import Examples
from adaptx.formats import FORMATS, behaviour
from adaptx.specs import (
    Bitext,
    BitextMining,
    Classification,
    Hidden,
    MaskedLanguageModel,
    MultipleChoice,
    Pooling,
    QuestionAnswering,
    Retrieval,
    Tagging,
    Task,
    TaskFormat,
)

TOLERANCE = 1e-5
LENGTHS = (9, 1, 14, 2, 5, 3, 8, 2, 4, 11)
each_architecture = pytest.mark.parametrize("architecture", small_world.ARCHITECTURES)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> small_world.Models:
    return small_world.make_models(tmp_path_factory.mktemp("models"))


def texts(name: str, lengths: tuple[int, ...] = LENGTHS) -> list[str]:
    draw = random.Random(name)
    return [small_world.sentence(draw, length, length) for length in lengths]


def choices() -> list[list[str]]:
    return [texts(f"choices{row}", (1, 3, 2, 5)[: 2 + row % 3]) for row in range(len(LENGTHS))]


def answers() -> tuple[list[str], list[list[str]], list[list[int]]]:
    """Contexts of which most need several windows, with their second and third word as the answer."""
    contexts = texts("context", tuple(3 * length + 3 for length in LENGTHS))
    words = [context.split() for context in contexts]
    return contexts, [[f"{each[1]} {each[2]}"] for each in words], [[len(each[0]) + 1] for each in words]


def cases() -> dict[str, tuple[TaskFormat, Examples]]:
    make, labels = format_bench.examples, ("first", "second", "third")
    gold = [labels[row % 3] for row in range(len(LENGTHS))]
    contexts, found, starts = answers()
    questions = texts("question", (2,) * len(LENGTHS))
    words = [text.split() for text in texts("words", tuple(2 * length for length in LENGTHS))]
    tags = [[labels[len(word) % 3] for word in each] for each in words]
    candidates = texts("candidate")
    pair = make(query=texts("query"), candidate=candidates)
    return {
        "classification": (Classification(labels), make(text=texts("text"), pair=texts("pair"), label=gold)),
        "multiple choice": (
            MultipleChoice(),
            make(text=texts("text"), choices=choices(), label=[row % 2 for row in range(len(LENGTHS))]),
        ),
        "tagging": (Tagging(labels), make(tokens=words, tags=tags)),
        "question answering": (
            QuestionAnswering(unanswerable=True, stride=6),
            make(question=questions, context=contexts, answers=found, answer_starts=starts),
        ),
        "masked language model": (MaskedLanguageModel(), make(text=texts("text"))),
        "retrieval": (Retrieval(), pair),
        "bitext": (Bitext(), pair),
        "mining": (
            BitextMining(2, 2),
            make(source=[texts("query")], target=[candidates], gold=[[[row, row] for row in range(1, 8)]]),
        ),
    }


CASES = cases()
POOLED = ("classification", "multiple choice", "retrieval")
TRAINED = [
    (name, pooling)
    for name, (task_format, _) in CASES.items()
    if behaviour(task_format).training is not None
    for pooling in ((Pooling.FIRST, Pooling.LAST, Pooling.MEAN) if name in POOLED else (Pooling.MEAN,))
]


def test_every_format_is_tried():
    assert {type(task_format) for task_format, _ in CASES.values()} == set(FORMATS)


@each_architecture
@pytest.mark.parametrize(("name", "pooling"), TRAINED)
def test_loss_and_gradients(models, architecture, name, pooling):
    task_format, rows = CASES[name]
    bench = format_bench.make(models, architecture, 32, Hidden(pooling=pooling))
    drawn = format_bench.drawn_items(bench, rows, task_format)
    with format_bench.group_tokens(0):
        loss, gradients = format_bench.loss_and_gradients(bench, drawn, task_format, format_bench.ONE_ITEM)
    for budget in (format_bench.WHOLE, format_bench.ONE_ITEM, format_bench.FEW_TOKENS):
        for count in (0, 1_000):
            with format_bench.group_tokens(count):
                value, found = format_bench.loss_and_gradients(bench, drawn, task_format, budget)
            assert value == pytest.approx(loss, abs=TOLERANCE, rel=TOLERANCE), (budget, count)
            format_bench.close(found, gradients, 3 * TOLERANCE)


@each_architecture
@pytest.mark.parametrize("name", [name for name in CASES if name != "retrieval"])
def test_predictions(models, architecture, name):
    task_format, rows = CASES[name]
    bench = format_bench.make(models, architecture, 32)
    head, task = bench.head(task_format), Task("tried", task_format)

    def predicted(budget) -> tuple[list[Any], list[Any]]:
        found = bench.evaluator(budget).predict(rows, task, head)
        return found.predictions, [found.records, found.details]

    with format_bench.group_tokens(0):
        wanted, more = predicted(format_bench.ONE_ITEM)
    assert len({str(each) for each in more[0] or wanted}) > 1, "one answer for all shows nothing"
    for budget in (format_bench.WHOLE, format_bench.ONE_ITEM, format_bench.FEW_TOKENS):
        for count in (0, 1_000):
            with format_bench.group_tokens(count):
                found, of_these = predicted(budget)
            same(found, wanted)
            same(of_these, more)


def same(found: Any, wanted: Any) -> None:
    """Equal, numbers to the tolerance."""
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        found, wanted = list(found.values()), list(wanted.values())
    if isinstance(wanted, list):
        for pair in zip(found, wanted, strict=True):
            same(*pair)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, abs=TOLERANCE, rel=TOLERANCE)
    else:
        assert found == wanted
