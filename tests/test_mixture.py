"""Mixtures: how often each task is drawn, what a step adds up, whose head answers, and resuming."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from support import small_world, tiny

from adaptx.backbones.batching import collate
from adaptx.catalog import ANLI_PLUS, BUCC, COMMONSENSEQA, MEWSLIX, MNLI, NTREX_MLM, SNLI, SQUAD, UDPOS
from adaptx.data.reading import read_rows
from adaptx.errors import UserError
from adaptx.execution import train as training_stage
from adaptx.execution.building import finished_model
from adaptx.execution.evaluate import make_evaluator
from adaptx.formats import behaviour
from adaptx.formats.heads import LinearHead
from adaptx.formats.interface import JointLoss, TrainedHead, piece_of, take
from adaptx.planning.plan import make_plan
from adaptx.specs import (
    Best,
    Classification,
    Evaluate,
    Full,
    Lora,
    Mixture,
    Proportional,
    Recipe,
    Resources,
    Task,
    Temperature,
    Train,
    Uniform,
    Weighted,
)
from adaptx.training.loop import Training
from adaptx.training.progress import Silent
from adaptx.training.sampling import Sampler, task_shares

LORA = Lora(2, 4)
sizes_of_tasks = st.lists(st.integers(1, 5_000), min_size=2, max_size=6)
RULES = {
    "uniform": (Uniform(), lambda sizes: [1 for _ in sizes]),
    "in proportion": (Proportional(), lambda sizes: sizes),
    "with a cap": (Proportional(100), lambda sizes: [min(size, 100) for size in sizes]),
    "by temperature": (Temperature(3.0), lambda sizes: [size ** (1 / 3) for size in sizes]),
}
each_rule = pytest.mark.parametrize("rule", RULES)


def few(task: Task) -> Task:
    return replace(task, train=task.train[:2], evaluation=task.evaluation[:1], development=task.development[:2])


# One of each kind of loss: summed over examples, words, masked tokens and questions, and one over the whole batch.
FIVE = tuple(few(task) for task in (SNLI, UDPOS, NTREX_MLM, COMMONSENSEQA, MEWSLIX))
ENGLISH = tuple(replace(task, evaluation=SNLI.evaluation) for task in (SNLI, MNLI))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tiny.World:
    models = small_world.make_models(tmp_path_factory.mktemp("models"))
    folder = tmp_path_factory.mktemp("mirror")
    small_world.mirror(folder, (*FIVE, *ENGLISH, few(ANLI_PLUS), few(SQUAD), tiny.TATOEBA))
    return small_world.world(folder, models)


def mixed(world: tiny.World, tasks: tuple[Task, ...], method: Any = LORA, **more: Any) -> Train:
    setting = {"max_length": 64, "batch_size": 16, **more.pop("config", {})}
    return tiny.train(world.bert, Mixture(tasks, **more), method, setting=tiny.config(**setting), limit=40)


@each_rule
@given(sizes=sizes_of_tasks)
def test_each_rules_shares(rule, sizes):
    sampling, weigh = RULES[rule]
    weights = weigh(sizes)
    assert task_shares(sizes, sampling) == pytest.approx([weight / sum(weights) for weight in weights])


@given(sizes=sizes_of_tasks, data=st.data())
def test_given_weights_and_rules_that_coincide(sizes, data):
    weights = data.draw(st.lists(st.floats(0.01, 100), min_size=len(sizes), max_size=len(sizes)))
    assert task_shares(sizes, Weighted(tuple(weights))) == pytest.approx([each / sum(weights) for each in weights])
    proportional = task_shares(sizes, Proportional())
    assert task_shares(sizes, Temperature(1)) == pytest.approx(proportional)
    assert task_shares(sizes, Proportional(5_000)) == pytest.approx(proportional)
    assert task_shares(sizes, Proportional(1)) == pytest.approx(task_shares(sizes, Uniform()))
    assert task_shares(sizes, Temperature(1e9)) == pytest.approx(task_shares(sizes, Uniform()))


@each_rule
@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 400), min_size=2, max_size=5), seed=st.integers(0, 1_000))
def test_tasks_are_drawn_by_their_shares(rule, sizes, seed):
    sampling = RULES[rule][0]
    steps, size = 150, 16
    sampler = Sampler(sizes, tiny.config(max_steps=steps, batch_size=size, seed=seed), sampling)
    drawn: Counter[int] = Counter()
    for step in range(steps):
        batch = sampler.batch(step)
        assert sum(len(items) for _, items in batch) == size
        assert len({task for task, _ in batch}) == len(batch)
        assert all(items for _, items in batch)
        for task, items in batch:
            assert all(0 <= item < sizes[task] for item in items)
            drawn[task] += len(items)
    for task, share in enumerate(task_shares(sizes, sampling)):
        deviation = math.sqrt(steps * size * share * (1 - share))
        assert abs(drawn[task] - steps * size * share) <= 6 * deviation + 1


@each_rule
@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=5),
    seed=st.integers(0, 1_000),
    begin=st.integers(0, 40),
)
def test_a_resumed_sampler_goes_on_as_one_that_was_never_stopped(rule, sizes, seed, begin):
    config = tiny.config(max_steps=50, batch_size=8, seed=seed)
    whole = Sampler(sizes, config, RULES[rule][0])
    batches = [whole.batch(step) for step in range(50)]
    resumed = Sampler(sizes, config, RULES[rule][0])
    assert [resumed.batch(step) for step in range(begin, 50)] == batches[begin:]
    assert [resumed.batch(step) for step in range(begin)] == batches[:begin]


@each_rule
@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 25), min_size=2, max_size=4), seed=st.integers(0, 1_000))
def test_every_task_goes_through_all_of_its_items_before_any_comes_again(rule, sizes, seed):
    sampler = Sampler(sizes, tiny.config(max_steps=60, batch_size=8, seed=seed), RULES[rule][0])
    streams: list[list[int]] = [[] for _ in sizes]
    for step in range(60):
        for task, items in sampler.batch(step):
            streams[task] += items
    orders = []
    for size, stream in zip(sizes, streams, strict=True):
        epochs = [stream[first : first + size] for first in range(0, len(stream), size)]
        assert all(sorted(epoch) == list(range(size)) for epoch in epochs if len(epoch) == size)
        assert len(set(epochs[-1])) == len(epochs[-1])
        orders.append(epochs[0])
    if min(sizes) > 12 and len(set(sizes)) == 1:
        assert orders[0] != orders[1], "two tasks go through their items in one order"


@pytest.mark.parametrize(
    ("sampling", "steps"), [(Proportional(), 38), (Proportional(20), 15), (Uniform(), 38), (Temperature(2), 38)]
)
def test_an_epoch_is_as_long_as_the_tasks_together_up_to_the_cap(sampling, steps):
    config = tiny.config(max_steps=None, epochs=2, batch_size=8)
    assert Sampler([100, 30, 20], config, sampling).num_steps == steps


def test_many_tasks_and_large_seeds():
    sampler = Sampler([5] * 60, tiny.config(max_steps=9, batch_size=240, seed=2**31), Uniform())
    assert {task for step in range(9) for task, _ in sampler.batch(step)} == set(range(60))


def first_step(training: Training) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of the first step, as the optimiser sees them."""
    found: dict[str, torch.Tensor] = {}

    def look(*_: Any) -> None:
        found.update({n: p.grad.clone() for n, p in training.model.named_parameters() if p.grad is not None})

    training.optimizer.register_step_pre_hook(look)
    return training.run(Silent()).history.steps[0].loss, found


def by_hand(training: Training) -> tuple[float, dict[str, torch.Tensor]]:
    """Each drawn item by itself: its loss over its task's units, times the task's share of the batch's examples."""
    model, batch = training.model, training.sampler.batch(0)
    model.zero_grad(set_to_none=True)
    total = torch.zeros(())
    for number, indices in batch:
        part = training.parts[number]
        kind = behaviour(part.format).training
        share = len(indices) / training.config.batch_size
        drawn = training._draw(part, indices) if kind.draw is not None else take(part.items, indices)
        framing = part.reading.framing
        if isinstance(kind.loss, JointLoss):
            vectors = [
                model.backbone.pooled(collate(drawn.encoded, [s], training.device), framing)
                for members in drawn.members
                for s in members
            ]
            value = kind.loss.of(torch.cat(vectors), drawn, part.format)
        else:
            value = torch.zeros(())
            for item in range(len(drawn)):
                alone = piece_of(drawn, [item], training.device)
                value = value + kind.loss.of(model.backbone, model.heads[part.head], alone, framing)
        total = total + share * value / sum(drawn.units)
    total.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return total.item(), found


@pytest.mark.parametrize("budget", [Resources("cpu"), Resources("cpu", micro_batch_size=2)], ids=["whole", "cut"])
def test_a_steps_gradient_is_the_tasks_weighted_by_their_examples(world, tmp_path, budget):
    train = mixed(
        world, FIVE, Full(), sampling=Weighted((3, 2, 2, 2, 3)), config={"max_steps": 1, "max_gradient_norm": 1e9}
    )
    training, _ = tiny.begin(world, train, tmp_path, budget)
    drawn = training.sampler.batch(0)
    assert len(drawn) == 5
    assert len({len(items) for _, items in drawn}) > 1
    training.model.train()
    wanted, gradients = by_hand(training)
    loss, found = first_step(training)
    assert loss == pytest.approx(wanted, abs=1e-5)
    assert found.keys() == gradients.keys()
    assert sum(name.startswith("heads") for name in found) > 8
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_a_task_that_is_not_drawn_leaves_its_head_alone(world, tmp_path):
    train = mixed(world, FIVE[:2], sampling=Weighted((1, 1e-9)), config={"weight_decay": 0.0})
    training, _ = tiny.begin(world, train, tmp_path)
    before = {name: value.clone() for name, value in training.model.heads.state_dict().items()}
    training.run(Silent())
    after = training.model.heads.state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {training.parts[0].head}


def stored(world: tiny.World, store: Path, stages: tuple[Evaluate, ...], resources: Resources | None = None) -> Any:
    plan, shop, summary = tiny.execute(world, store, stages, resources)
    assert summary.complete, summary.failed
    return plan, shop


def head_weights(folder: Path) -> dict[str, torch.Tensor]:
    """By the head's name, the weight of its linear layer."""
    return {
        name.split("/")[0]: tensor
        for name, tensor in load_file(folder / "head.safetensors").items()
        if name.endswith("linear.weight")
    }


def test_tasks_of_one_format_share_a_head_where_that_is_asked_for(world, tmp_path):
    turned = replace(ENGLISH[1], name="turned", format=Classification(SNLI.format.labels[::-1]))
    shared = mixed(world, (*ENGLISH, turned), shared_heads=True)
    apart = mixed(world, (*ENGLISH, turned))
    stages = tuple(Evaluate(train, task, "en") for train in (shared, apart) for task in (*ENGLISH, turned))
    plan, shop = stored(world, tmp_path, stages)
    of_shared, of_apart = (head_weights(tiny.folder_of(plan, shop, train)) for train in (shared, apart))
    # Labels in another order are another format.
    assert len(of_shared) == 2
    assert len(of_apart) == 3
    first, second, _ = of_apart.values()
    assert not torch.equal(first, second)
    results = [shop.store.find(plan.fingerprint_of(stage)).scores.predictions for stage in stages]
    assert results[0] == results[1], "one head over the same rows"


def test_a_mixtures_tasks_are_answered_by_their_own_heads(world, tmp_path):
    train = mixed(world, ENGLISH, config={"learning_rate": 0.1})
    stages = tuple(Evaluate(train, task, "en") for task in ENGLISH)
    plan, shop = stored(world, tmp_path, stages)
    folder = tiny.folder_of(plan, shop, train)
    model = finished_model(train, shop, "fp32")
    weights = load_file(folder / "head.safetensors")
    answers = []
    for place, stage in enumerate(stages):
        # Both tasks have the same rows here, so what differs is the head.
        head = LinearHead(tiny.HIDDEN_SIZE, 3, 0.0)
        prefix = f"{place}/"
        head.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
        evaluator = make_evaluator(stage, model, shop, Silent(), "by hand")
        examples = read_rows(stage.task.rows_in("en"), stage.task.format, world.sources)
        predicted = evaluator.predict(examples, stage.task, TrainedHead(head, stage.task.format))
        answers.append([record["probabilities"] for record in predicted.records])
        kept = shop.store.find(plan.fingerprint_of(stage)).scores.predictions
        assert kept == predicted.predictions
    assert answers[0] != answers[1]


def refused(world: tiny.World, *stages: Evaluate) -> str:
    with pytest.raises(UserError) as caught:
        make_plan(Recipe("refused", stages), world.sources)
    return str(caught.value)


def test_what_no_head_or_two_heads_could_answer_is_refused_when_planning(world):
    train = mixed(world, ENGLISH)
    other = replace(ENGLISH[0], name="other")
    said = refused(world, Evaluate(train, other, "en"))
    assert "other can be answered by several heads of snli_mnli (snli, mnli)" in said
    assert "Mixture(shared_heads=True)" in said
    # A shared head is one, so nothing is left open.
    make_plan(Recipe("shared", (Evaluate(mixed(world, ENGLISH, shared_heads=True), other, "en"),)), world.sources)
    assert "cannot answer squad (QuestionAnswering)" in refused(world, Evaluate(train, few(SQUAD), "en"))


def test_mixtures_that_make_no_sense_are_refused(world):
    with pytest.raises(UserError, match=r"Weighted\(weights=\(1, 2, 3\)\): the mixture has 2 tasks \(snli, mnli\)"):
        Mixture(ENGLISH, Weighted((1, 2, 3)))
    with pytest.raises(UserError, match="at least two tasks"):
        Mixture(ENGLISH[:1])
    with pytest.raises(UserError, match="each once"):
        Mixture((ENGLISH[0], ENGLISH[0]))
    for bad in (Weighted, Temperature, Proportional):
        with pytest.raises(UserError, match=bad.__name__):
            bad((1, 0) if bad is Weighted else 0)
    stage = Evaluate(mixed(world, (ENGLISH[0], BUCC)), ENGLISH[0], "en")
    assert "bucc is a BitextMining task, which can only be evaluated" in refused(world, stage)
    bare = tuple(replace(task, development=()) for task in ENGLISH)
    stage = Evaluate(mixed(world, bare, config={"selection": Best(1)}), bare[0], "en")
    assert "needs development rows, and there are none for snli, mnli" in refused(world, stage)


def test_best_selects_by_the_mean_over_tasks_of_the_mean_over_their_sets(world, tmp_path, monkeypatch):
    tasks = (few(ANLI_PLUS), ENGLISH[0], few(SQUAD))
    values = {"anli_plus": [[0.2, 0.6], [0.1, 0.1], [0.9, 0.3]], "snli": [[0.5], [0.9], [0.8]],
              "squad": [[0.1], [0.9], [0.2]]}  # fmt: skip
    asked: Counter[str] = Counter()

    def scores(task: Task, predicted: Any, language: str) -> dict[str, float]:
        assert predicted.golds is not None
        sets = values[task.name][0]
        step, place = divmod(asked[task.name], len(sets))
        asked[task.name] += 1
        return {task.metrics[0]: values[task.name][step][place]}

    train = mixed(world, tasks, config={"selection": Best(1), "max_steps": 3})
    with monkeypatch.context() as patch:
        patch.setattr("adaptx.execution.development.scores", scores)
        plan, shop = tiny.workshop(world, tmp_path, (Evaluate(train, tasks[1], "en"),))
        (node,) = (node for node in plan.nodes if node.kind == "train")
        training_stage.execute_train(node, shop, Silent())
    result = shop.store.find(node.fingerprint).result
    wanted = [(0.4 + 0.5 + 0.1) / 3, (0.1 + 0.9 + 0.9) / 3, (0.6 + 0.8 + 0.2) / 3]
    assert [entry.score for entry in result.development] == pytest.approx(wanted)
    assert result.selected_step == 2


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_killed_mixture_ends_with_the_weights_of_an_undisturbed_one(world, tmp_path, monkeypatch, architecture):
    train = replace(
        mixed(world, FIVE, Lora(2, 4, dropout=0.1), config={"max_steps": 7, "dropout": 0.2}),
        model=world.models[architecture],
    )
    stages = tuple(Evaluate(train, task, task.languages[0]) for task in FIVE)
    plan, undisturbed = stored(world, tmp_path / "undisturbed", stages)
    always = Resources("cpu", saved_state_seconds=0)
    step = Training._one_step
    for killed_at in (2, 5):

        def killed(training: Training, at: int = killed_at) -> tuple[float, float]:
            if training.step == at:
                # The generator is left elsewhere, as in a new process.
                torch.manual_seed(at)
                raise KeyboardInterrupt
            return step(training)

        with monkeypatch.context() as patch:
            patch.setattr(Training, "_one_step", killed)
            with pytest.raises(KeyboardInterrupt):
                tiny.execute(world, tmp_path / "killed", stages, always)
    _, resumed = stored(world, tmp_path / "killed", stages, always)
    folders = [shop.store.find(plan.fingerprint_of(train)).folder for shop in (undisturbed, resumed)]
    for name in ("module.safetensors", "head.safetensors"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    for stage in stages:
        results = [shop.store.find(plan.fingerprint_of(stage)).result for shop in (undisturbed, resumed)]
        assert results[0].predictions == results[1].predictions
        assert results[0].metrics == results[1].metrics
    result = resumed.store.find(plan.fingerprint_of(train)).result
    assert result.steps == 7
    assert set(result.items_by_task) == {task.name for task in FIVE}
