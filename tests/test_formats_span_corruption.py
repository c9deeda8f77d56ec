"""Span corruption as text to text: what is trained on, what is scored, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support import text_bench, tiny
from support.text_bench import add_models

from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.formats.text import span_corruption
from adaptx.planning.plan import make_plan
from adaptx.specs import Evaluate, Full, Generate, Lora, Prompt, Recipe, SpanCorruption, Task, Text, Train

FORMAT = SpanCorruption()
TEXT = Text(Prompt("{text}"), Generate())
ROWS = tiny.rows("nli", "en", "train", (("text", "premise"),))
TASK = Task(
    "spans", FORMAT, (ROWS,), development=(), evaluation=(replace(ROWS, split="test"),), metrics=("masked_accuracy",)
)
SENTENCES = [" ".join(tiny.word("en", index) for index in range(first, first + 9)) for first in range(6)]


@pytest.fixture(scope="module")
def models(world):
    return add_models(world)


@pytest.fixture(scope="module")
def bench(world, models):
    return text_bench.bench(world, models["mt5"])


def items(bench):
    examples = Examples(rows=tuple(range(len(SENTENCES))), columns={"text": SENTENCES})
    return span_corruption.items(examples, FORMAT, bench.reading(TEXT))


def drawn(bench, seed):
    plain = items(bench)
    return plain, span_corruption.draw(plain, range(len(plain)), FORMAT, bench.reading(TEXT), seed)


def test_source_and_answer_together_are_the_text(bench):
    plain, found = drawn(bench, 1)
    sentinels = span_corruption.sentinels_of(bench.tokenizer)
    end = bench.tokenizer.eos_token_id
    for whole, ids, target in zip(plain.encoded.ids, found.encoded.ids, found.targets, strict=True):
        source, answer = ids[: target.first], ids[target.first :]
        assert source[-1] == answer[-1] == end
        assert answer[0] == sentinels[0]
        assert sorted(token for token in [*source, *answer] if token not in sentinels) == sorted([*whole, end])
        assert target.learned == tuple(range(len(answer)))
    assert found.units == [len(target.learned) for target in found.targets]


def test_spans_are_drawn_anew_from_the_seed(bench):
    first, again, other = (drawn(bench, seed)[1].encoded.ids for seed in (1, 1, 2))
    assert first == again != other


def test_a_tokenizer_without_sentinels_is_refused(world, models):
    other = text_bench.bench(world, models["llama"])
    with pytest.raises(UserError, match="no <extra_id_0>"):
        span_corruption.sentinels_of(other.tokenizer)


def test_it_is_trained_and_scored(world, models, tmp_path):
    config = tiny.config(max_steps=80, batch_size=16, learning_rate=1e-2, max_length=64)
    train = Train(models["mt5"], TASK, Full(), config, framing=TEXT)
    bare, after = Evaluate(models["mt5"], TASK, "en", framing=TEXT), Evaluate(train, TASK, "en")
    plan, shop, summary = tiny.execute(world, tmp_path, (bare, after))
    assert not summary.failed, summary.failed
    results = [json.loads((tiny.folder_of(plan, shop, each) / "scores.json").read_text()) for each in (bare, after)]
    right = np.array([np.sum(result["predictions"], axis=0) for result in results])
    # Sentinels and the end, which are soon learned, are not counted.
    assert right[0, 1] == right[1, 1] > 30
    assert [result["metrics"]["masked_accuracy"] for result in results] == pytest.approx(right[:, 0] / right[:, 1])
    steps = (tiny.folder_of(plan, shop, train) / "steps.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in steps]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) / 2


@pytest.mark.parametrize(
    ("architecture", "framing", "reason"),
    [("llama", TEXT, "dropped spans are written by the decoder of an encoder-decoder"), ("mt5", None, "as text")],
)
def test_what_cannot_be_is_refused_when_planning(world, models, architecture, framing, reason):
    train = Train(models[architecture], TASK, Lora(), tiny.config(), framing=framing)
    with pytest.raises(UserError, match=reason):
        make_plan(Recipe("refused", (Evaluate(train, TASK, "en"),)), world.sources)
