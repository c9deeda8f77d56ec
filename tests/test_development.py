"""The score on development rows is one, whether it selects a training's step or a merge's weights."""

import dataclasses
from types import SimpleNamespace

import pytest
from support import tiny

from adaptx.execution.development import development_score
from adaptx.specs import Best, Evaluate, GreedySoup, KeptHeadOf, Linear, Lora, Merge, WeightSearch
from adaptx.store.records import SearchStep

SELECTING = tiny.config(learning_rate=2e-2, max_steps=4, batch_size=16, selection=Best(every=4))


def test_it_is_the_mean_over_tasks_of_their_means_over_languages() -> None:
    small = dataclasses.replace(tiny.NLI, name="small")
    shares = {("nli", "xa"): 0.5, ("nli", "xb"): 1.0, ("small", "xa"): 0.0}
    tasks = {"nli": tiny.NLI, "small": small}
    sets = [(tasks[name], language, share) for (name, language), share in shares.items()]

    def predict(task, share):
        return SimpleNamespace(predictions=["yes"] * 4, golds=["yes"] * int(4 * share) + ["no"] * int(4 - 4 * share))

    assert development_score(sets, predict) == ((0.5 + 1.0) / 2 + 0.0) / 2


@pytest.mark.parametrize("method", [Lora(4, 8)])
def test_a_search_over_one_training_scores_what_the_training_was_selected_by(world, tmp_path, method) -> None:
    train = dataclasses.replace(tiny.train(world.bert, tiny.NLI, method, setting=SELECTING), keep=True)
    merge = Merge((train,), Linear(WeightSearch(tiny.NLI, GreedySoup())), KeptHeadOf(0))
    stages = tuple(Evaluate(each, tiny.NLI, "xa") for each in (train, merge))
    _, shop, summary = tiny.execute(world, tmp_path, stages, keep=True)
    assert summary.complete, summary.failed
    (selected,) = shop.entry(train).train_result.development
    (tried,) = shop.entry(merge).merge_result.search
    assert tried == SearchStep((1.0,), selected.score)
