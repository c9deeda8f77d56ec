"""Nothing a row gets depends on the rows beside it: embeddings, predictions and losses alone, in pairs and permuted.

Rows are empty, of one token, too long and anything between, in every format, family of models and framing.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from support import checkpoints, format_bench, text_bench, tiny

from adaptx.backbones.batching import encode_texts
from adaptx.catalog.models import from_config
from adaptx.data.examples import Examples
from adaptx.evaluation.evaluator import Evaluator
from adaptx.formats import behaviour
from adaptx.formats.interface import (
    AnswerLoss,
    HeadBase,
    SummedLoss,
    TrainedHead,
    piece_of,
    take,
)
from adaptx.formats.row_cache import RowCache
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Classification,
    Framing,
    Generate,
    Hidden,
    MaskedLanguageModel,
    ModelFamily,
    MultipleChoice,
    Pooling,
    Prompt,
    QuestionAnswering,
    Rank,
    SpanCorruption,
    Tagging,
    Task,
    TaskFormat,
    Text,
)
from adaptx.specs.architectures import architecture_of
from adaptx.training.gradients import Budget, Setting

CPU = torch.device("cpu")
TOLERANCE = 2e-4
LABELS = ("yes", "no", "maybe")
ENCODERS = ("bert", "xlm-roberta", "deberta-v2", "modernbert")
OTHERS = ("t5", "mbart", "llama", "qwen3", "gemma2", "bloom")
MAX_LENGTH = 40
LENGTHS = (5, 0, 1, 50, 12, 1, 0, 33)
"""Words of each row: two are empty, two of one word, one longer than what is read."""


def texts(name: str, lengths: tuple[int, ...] = LENGTHS) -> list[str]:
    draw = random.Random(name)
    return [" ".join(draw.choices(text_bench.WORDS, k=length)) for length in lengths]


def examples(**columns: list[Any]) -> Examples:
    count = len(next(iter(columns.values())))
    return Examples(rows=tuple(range(100, 100 + count)), columns=columns, languages=("xa",) * count)


def question_rows() -> Examples:
    contexts = texts("context", (5, 2, 1, 50, 12, 1, 3, 33))
    answers = [context.split()[:1] for context in contexts]
    answers[4] = []
    starts = [[0] * len(each) for each in answers]
    return examples(question=texts("question"), context=contexts, answers=answers, answer_starts=starts)


def tagged_rows(*lengths: int) -> Examples:
    words = [text.split() for text in texts("words", lengths)]
    return examples(tokens=words, tags=[[LABELS[len(word) % 3] for word in each] for each in words])


PAIRS = examples(text=texts("text"), pair=texts("pair", LENGTHS[::-1]), label=[LABELS[row % 3] for row in range(8)])
SINGLE = examples(text=texts("single"), label=[LABELS[row % 3] for row in range(8)])
CHOICES = examples(
    text=texts("text"),
    choices=[texts(f"choices{row}", (1, 3, 12, 60)[: 2 + row % 3]) for row in range(8)],
    label=[row % 2 for row in range(8)],
)
HIDDEN: dict[str, tuple[TaskFormat, Examples]] = {
    "pairs": (Classification(LABELS), PAIRS),
    "single texts": (Classification(LABELS), SINGLE),
    "multiple choice": (MultipleChoice(), CHOICES),
    "tagging": (Tagging(LABELS), tagged_rows(5, 2, 1, 50, 12, 1, 3, 33)),
    "question answering": (QuestionAnswering(unanswerable=True, question_tokens=8), question_rows()),
    "masked language model": (MaskedLanguageModel(), examples(text=texts("masked"))),
}
_NLI = Prompt("{text} question: {pair} answer:", tuple(zip(LABELS, ("yes", "never", "maybe"), strict=True)))
TEXT: dict[str, tuple[TaskFormat, Examples, Text]] = {
    "ranked pairs": (Classification(LABELS), PAIRS, Text(_NLI, Rank(end=True))),
    "written pairs": (Classification(LABELS), PAIRS, Text(_NLI, Generate(), answer_tokens=2)),
    "bare texts": (Classification(LABELS), SINGLE, Text(Prompt("{text}", _NLI.answers), Rank(end=False))),
    "ranked choices": (
        MultipleChoice(),
        replace(CHOICES, columns={**CHOICES.columns, "choices": [["yes", "never"], ["no", "maybe", "yes"]] * 4}),
        Text(Prompt("{text} answer:"), Rank(end=False)),
    ),
    "written answers": (
        QuestionAnswering(unanswerable=True),
        question_rows(),
        Text(Prompt("{question} context: {context} answer:"), Generate(), answer_tokens=2),
    ),
    "written tags": (Tagging(LABELS), tagged_rows(3, 1, 12, 2), Text(Prompt("{tokens} tags:"), Rank(end=True))),
    "span corruption": (SpanCorruption(), examples(text=texts("spans")), Text(Prompt("{text}"), Generate())),
}


@dataclass(frozen=True)
class Tried:
    """One checkpoint that reads rows of one format in one way."""

    bench: text_bench.Bench
    task_format: TaskFormat
    framing: Framing
    head: TrainedHead | None

    @property
    def reading(self) -> Any:
        return self.bench.reading(self.framing, MAX_LENGTH)

    def evaluator(self) -> Evaluator:
        return Evaluator(
            self.bench.backbone, self.reading, Setting(CPU, "fp32", Budget(None, None)), RowCache(Sources())
        )

    def predicted(self, rows: Examples) -> list[Any]:
        """What each row gets: its prediction, with whatever is told beside it."""
        found = self.evaluator().predict(rows, Task("tried", self.task_format), self.head)
        return list(zip(found.predictions, found.records or [None] * len(rows), strict=True))

    def loss(self, rows: Examples) -> float:
        """The sum over the rows' loss units."""
        training = behaviour(self.task_format, self.framing).training
        assert training is not None
        items = training.items(rows, self.task_format, self.reading)
        every = range(len(items))
        drawn = training.draw(items, every, self.task_format, self.reading, 7) if training.draw else take(items, every)
        piece = piece_of(drawn, every, CPU)
        with torch.no_grad():
            match training.loss:
                case SummedLoss(of):
                    return float(of(self.bench.backbone, self.head.module, piece, self.framing))
                case AnswerLoss(of):
                    return float(of(self.bench.backbone, piece))
        raise AssertionError


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tiny.World:
    return tiny.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def bench_of(world) -> Callable[[str], text_bench.Bench]:
    found: dict[str, text_bench.Bench] = {}

    def bench(architecture: str) -> text_bench.Bench:
        if architecture not in found:
            spec = world.models.get(architecture)
            if spec is None:
                folder = world.folder / "models/tiny" / f"alone-{architecture}"
                checkpoints.write_checkpoint(folder, architecture, text_bench.WORDS, text_bench.LETTERS)
                spec = from_config(f"tiny/alone-{architecture}", folder / "config.json")
            found[architecture] = text_bench.bench(world, spec)
        return found[architecture]

    return bench


def tried(bench: text_bench.Bench, task_format: TaskFormat, framing: Framing) -> Tried:
    training = behaviour(task_format, framing).training
    head = None
    if training is not None and training.new_head is not None:
        with torch.random.fork_rng():
            torch.manual_seed(4)
            config = bench.network.config
            module = training.new_head(task_format, HeadBase(config.hidden_size, 0.0, bench.network, lambda: None))
        if isinstance(linear := getattr(module, "linear", None), torch.nn.Linear):
            linear.weight.data *= 50
        head = TrainedHead(module.eval(), task_format)
    return Tried(bench, task_format, framing, head)


def hold(each: Tried, rows: Examples) -> None:
    """Rows alone, in pairs and permuted get what they get among all."""
    draw = random.Random(5)
    count = len(rows)
    whole, total = each.predicted(rows), each.loss(rows)
    writes = isinstance(each.framing, Text) and isinstance(each.framing.decision, Generate)
    assert writes or len({str(found) for found in whole}) > 1, "one answer for all shows nothing"
    assert np.isfinite(total)
    alone = [each.loss(rows.take([row])) if trained(each, rows.take([row])) else 0.0 for row in range(count)]
    assert sum(alone) == pytest.approx(total, rel=TOLERANCE, abs=TOLERANCE)
    order = draw.sample(range(count), count)
    pairs = [order[place : place + 2] for place in range(0, count, 2)]
    for chosen in ([row] for row in range(count)), pairs, [order]:
        for places in chosen:
            for row, found in zip(places, each.predicted(rows.take(places)), strict=True):
                same(found, whole[row])
    assert each.loss(rows.take(order)) == pytest.approx(total, rel=TOLERANCE, abs=TOLERANCE)


def trained(each: Tried, rows: Examples) -> bool:
    """Whether anything of a row is learned (an empty text has nothing to mask)."""
    training = behaviour(each.task_format, each.framing).training
    assert training is not None
    items = training.items(rows, each.task_format, each.reading)
    if training.draw is not None:
        items = training.draw(items, range(len(items)), each.task_format, each.reading, 7)
    return sum(items.units) > 0


def same(found: Any, wanted: Any) -> None:
    """Equal, numbers to the tolerance."""
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        found, wanted = list(found.values()), list(wanted.values())
    if isinstance(wanted, list | tuple):
        for pair in zip(found, wanted, strict=True):
            same(*pair)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, abs=TOLERANCE, rel=TOLERANCE)
    else:
        assert found == wanted


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("architecture", ["bert", "deberta-v2", "modernbert", "mbart", "qwen3", "gemma2"])
def test_a_row_read_through_hidden_states_is_alone(bench_of, architecture, name) -> None:
    task_format, rows = HIDDEN[name]
    bench = bench_of(architecture)
    if isinstance(task_format, MaskedLanguageModel) and bench.tokenizer.mask_token_id is None:
        pytest.skip("no mask token")
    hold(tried(bench, task_format, Hidden(pooling=Pooling.MEAN)), rows)


@pytest.mark.parametrize("pooling", [Pooling.FIRST, Pooling.LAST, Pooling.MEAN, Pooling.START])
@pytest.mark.parametrize("architecture", [*ENCODERS, *OTHERS])
def test_an_embedding_is_of_its_text_alone(bench_of, architecture, pooling) -> None:
    if (pooling is Pooling.START) and architecture_of(architecture).family is not ModelFamily.ENCODER_DECODER:
        pytest.skip("there is no second stack")
    bench = bench_of(architecture)
    each = Tried(bench, Classification(LABELS), Hidden(pooling=pooling), None)
    given = [*texts("text"), " ", text_bench.WORDS[0]]

    def vectors(chosen: list[str]) -> torch.Tensor:
        return format_bench.vectors(
            each.evaluator(), encode_texts(each.reading.tokenizer, chosen, None, "", MAX_LENGTH)
        )

    whole = vectors(given)
    assert torch.isfinite(whole).all()
    order = random.Random(3).sample(range(len(given)), len(given))
    torch.testing.assert_close(vectors([given[row] for row in order]), whole[order], atol=TOLERANCE, rtol=TOLERANCE)
    for row, text in enumerate(given):
        torch.testing.assert_close(vectors([text])[0], whole[row], atol=TOLERANCE, rtol=TOLERANCE)
        beside = vectors([given[3], text])[1]
        torch.testing.assert_close(beside, whole[row], atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("architecture", ["t5", "llama", "qwen3"])
def test_a_row_asked_as_text_is_alone(bench_of, architecture, name) -> None:
    if name == "span corruption" and architecture != "t5":
        pytest.skip("not asked so")
    task_format, rows, text = TEXT[name]
    hold(tried(bench_of(architecture), task_format, text), rows)
