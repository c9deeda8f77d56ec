"""Ranking candidates with and without the end of the answer, held against the lm-evaluation-harness."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support import lm_eval_cases
from support.text_bench import EVERY, add_models, bench

from adaptx.catalog import MNLI, QWEN3_600M, SNLI
from adaptx.planning.framings import evaluation_framing, training_framing
from adaptx.planning.identity import Identities
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Evaluate,
    Hidden,
    KeptHeadOf,
    Linear,
    Lora,
    Merge,
    MultipleChoice,
    NoHead,
    Normalisation,
    Prompt,
    Rank,
    Sequential,
    Task,
    Text,
    Train,
    TrainConfig,
)

ROWS = lm_eval_cases.rows()
CHOICES = ROWS.columns["choices"]
TASK = Task("choice", MultipleChoice())
ASKED = Text(Prompt(lm_eval_cases.TEMPLATE), Rank(end=False))
RECORDED = json.loads(lm_eval_cases.CASES.read_text(encoding="utf-8"))["log_likelihoods"]
PROMPT = Prompt("{text} {pair} Answer:")
CONFIG = TrainConfig(learning_rate=1e-3, max_steps=1)


def reference(model) -> list[list[float]]:
    return [
        [lm_eval_cases.log_likelihood(model.network, model.tokenizer, *pair) for pair in pairs]
        for pairs in lm_eval_cases.requests(ROWS)
    ]


@pytest.mark.parametrize("architecture", lm_eval_cases.RECORDED)
def test_the_harness_s_recorded_scores_are_those_of_plain_transformers(world, architecture) -> None:
    found = reference(bench(world, add_models(world)[architecture]))
    for ours, recorded in zip(found, RECORDED[architecture], strict=True):
        assert ours == pytest.approx(recorded, abs=2e-3)


@pytest.mark.parametrize("architecture", EVERY)
def test_without_the_end_predictions_are_the_harness_s_acc_and_acc_norm(world, architecture) -> None:
    model = bench(world, add_models(world)[architecture])
    wanted = RECORDED.get(architecture) or reference(model)
    for normalisation, place in ((Normalisation.NONE, 0), (Normalisation.CHARACTERS, 1)):
        text = replace(ASKED, decision=Rank(normalisation, end=False))
        found = model.evaluator(world, text).predict(ROWS, TASK, None)
        assert found.predictions == [
            lm_eval_cases.chosen(scores, choices)[place] for scores, choices in zip(wanted, CHOICES, strict=True)
        ]
        for record, scores, choices in zip(found.records, wanted, CHOICES, strict=True):
            sizes = np.array([1.0 if place == 0 else float(len(choice)) for choice in choices])
            shares = np.exp(np.array(scores) / sizes)
            assert record["probabilities"] == pytest.approx(list(shares / shares.sum()), abs=2e-3)


def test_the_end_of_an_answer_changes_what_a_bare_checkpoint_prefers(world) -> None:
    model = bench(world, add_models(world)["qwen3"])
    told = {
        end: model.evaluator(world, replace(ASKED, decision=Rank(end=end))).predict(ROWS, TASK, None).predictions
        for end in (True, False)
    }
    assert told[True] != told[False]


def test_choices_are_ranked_whole_and_trained_within_the_longest_answer(world) -> None:
    model = bench(world, add_models(world)["qwen3"])
    short = replace(ASKED, answer_tokens=3)
    found = model.evaluator(world, short).predict(ROWS, TASK, None)
    assert found.predictions == model.evaluator(world, ASKED).predict(ROWS, TASK, None).predictions
    assert [each.truncated for each in found.inputs.encoded] == [0]


def train(framing: Text | Hidden, **start) -> Train:
    return Train(QWEN3_600M, MNLI, Lora(), CONFIG, framing=framing, **start)


def test_the_end_counts_where_training_taught_it() -> None:
    asked = Text(PROMPT)
    assert asked.decision == Rank(end=None)
    written, hidden = train(asked), train(Hidden())
    later = train(Hidden(), start=Sequential(written))
    merged = Merge((written, train(asked)), Linear(), KeptHeadOf(0))
    by_head = Merge((hidden, replace(hidden, config=replace(CONFIG, seed=2))), Linear(), NoHead())
    told = {
        "bare": evaluation_framing(Evaluate(QWEN3_600M, MNLI, "en", framing=asked)),
        "hidden states": evaluation_framing(Evaluate(hidden, MNLI, "en", framing=asked)),
        "merged hidden states": evaluation_framing(Evaluate(by_head, MNLI, "en", framing=asked)),
        "text": evaluation_framing(Evaluate(written, MNLI, "en")),
        "text, asked again": evaluation_framing(Evaluate(written, SNLI, "en", framing=asked)),
        "text, then hidden states": evaluation_framing(Evaluate(later, MNLI, "en", framing=asked)),
        "merged text": evaluation_framing(Evaluate(merged, MNLI, "en")),
        "training": training_framing(written, MNLI),
    }
    ends = {name: framing.decision.end for name, framing in told.items()}
    assert {name for name, end in ends.items() if end is False} == {"bare", "hidden states", "merged hidden states"}


@pytest.mark.parametrize("end", [True, False])
def test_what_is_given_is_kept_and_the_same_stage_as_what_it_stands_for(end: bool) -> None:
    given, identities = Text(PROMPT, Rank(end=end)), Identities(Sources(None))
    assert evaluation_framing(Evaluate(QWEN3_600M, MNLI, "en", framing=given)).decision.end is end
    assert training_framing(train(given), MNLI).decision.end is end
    same = identities.of(train(given)).nominal == identities.of(train(Text(PROMPT))).nominal
    assert same is end
    bare = identities.of(Evaluate(QWEN3_600M, MNLI, "en", framing=given)).nominal
    assert (bare == identities.of(Evaluate(QWEN3_600M, MNLI, "en", framing=Text(PROMPT))).nominal) is not end
