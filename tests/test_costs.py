"""Closed-form costs: steps, trainable parameters, and what is not known."""

import dataclasses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.identities import OneDigest

from adaptx.catalog import E5_MINI, LAREQA, MODELS, NLI, SIB200, SNLI, TASKS, TATOEBA, XLMR_BASE
from adaptx.costs.stages import cost, rows_read, tokens_per_example, trainable_parameters
from adaptx.planning.identity import Identities, evaluation_precision
from adaptx.specs import (
    Bottleneck,
    Evaluate,
    Full,
    Fuse,
    Linear,
    Lora,
    Merge,
    Mixture,
    ModelSpec,
    NoHead,
    Proportional,
    Sequential,
    Task,
    Temperature,
    Train,
    TrainConfig,
    Uniform,
    Weighted,
)

CONFIG = TrainConfig(learning_rate=1e-3, epochs=2, batch_size=32)


def trained(method=Lora(), model=XLMR_BASE, task=SNLI, config=CONFIG, **more) -> Train:  # noqa: B008
    return Train(model, task, method, config, **more)


@pytest.mark.parametrize(
    ("epochs", "max_steps", "rows", "steps"),
    [(2, None, 320, 20), (1, None, 33, 2), (0.5, None, 64, 1), (0.01, None, 10, 1), (None, 7, 10_000, 7)],
)
def test_steps(epochs, max_steps, rows: int, steps: int) -> None:
    config = TrainConfig(learning_rate=1e-3, epochs=epochs, max_steps=max_steps, batch_size=32)
    assert config.num_steps(rows) == steps


@given(
    rows=st.integers(1, 5_000),
    epochs=st.decimals("0.1", 5, places=1).map(float) | st.floats(0.01, 5),
    batch_size=st.integers(1, 64),
)
@example(rows=33, epochs=0.1, batch_size=3)
@example(rows=3_000, epochs=2.7, batch_size=3)
@example(rows=701, epochs=0.3, batch_size=3)
def test_planned_steps_are_the_loops_steps(rows: int, epochs: float, batch_size: int) -> None:
    from adaptx.training.sampling import Sampler

    train = trained(config=TrainConfig(1e-3, epochs=epochs, batch_size=batch_size), limit=rows)
    assert cost(train).examples == Sampler([rows], train.config).num_steps * batch_size


def test_a_mixtures_planned_steps_are_the_loops_steps() -> None:
    from adaptx.training.sampling import Sampler

    mixture = Mixture((SNLI, SIB200), Proportional())
    for limit in (1, 33, 300, 701, 5_000):
        train = trained(task=mixture, limit=limit)
        sizes = [min(limit, sum(rows.expected for rows in task.train)) for task in mixture.tasks]
        steps = Sampler(sizes, train.config, mixture.sampling).num_steps
        assert cost(train).examples == steps * train.config.batch_size, limit


def test_a_mixtures_tokens_lie_between_its_tasks() -> None:
    config = TrainConfig(learning_rate=1e-3, max_steps=100)
    pairs, texts, both = (
        cost(trained(task=task, config=config, limit=701)).tokens for task in (SNLI, SIB200, Mixture((SNLI, SIB200)))
    )
    assert pairs == 2 * texts
    assert both == pytest.approx((pairs + texts) / 2, rel=1e-6)
    uniform = cost(trained(task=Mixture((SNLI, SIB200), Uniform()), config=config))
    assert uniform.examples == 100 * config.batch_size


@pytest.mark.parametrize(("model", "millions"), [(XLMR_BASE, 277), (E5_MINI, 17)])
def test_parameters_are_those_of_the_checkpoint(model: ModelSpec, millions: int) -> None:
    assert round(model.shape.parameters / 1e6) == millions
    assert trainable_parameters(trained(Full(), model), model.shape) == model.shape.parameters


def test_trainable_parameters_by_method() -> None:
    shape = XLMR_BASE.shape  # 12 layers, 768 wide, 3072 inside
    assert trainable_parameters(trained(Lora(rank=8)), shape) == 12 * 2 * 8 * (768 + 768)
    assert trainable_parameters(trained(Lora(rank=4, sites=("up", "down"))), shape) == 12 * 2 * 4 * (768 + 3072)
    assert trainable_parameters(trained(Bottleneck(16)), shape) == 12 * (2 * 768 * 48 + 48 + 768)
    adapter = trained(Bottleneck())
    fused = trained(Bottleneck(), task=NLI, start=Fuse((adapter, trained(Bottleneck(), limit=9))))
    assert trainable_parameters(fused, shape) == 12 * (3 * 768 * 768 + 2 * 768)


def test_rows_under_a_limit() -> None:
    (rows,) = SNLI.train
    unknown = dataclasses.replace(rows, expected=None)
    assert [rows_read(rows, limit) for limit in (None, 10, 10**9)] == [549_367, 10, 549_367]
    assert [rows_read(unknown, limit) for limit in (None, 10)] == [None, 10]


def test_cost_grows_with_rows_and_shrinks_with_the_rate() -> None:
    small, large = cost(trained(limit=320)), cost(trained(limit=3200))
    assert small.examples == 640
    assert large.flops == pytest.approx(10 * small.flops)
    assert cost(trained(limit=320), rate=2e11).seconds == pytest.approx(small.seconds / 2)
    assert cost(trained(Full(), limit=320)).flops > small.flops
    assert cost(trained(Full(), limit=320)).peak_memory_bytes > small.peak_memory_bytes
    half = dataclasses.replace(CONFIG, precision="bf16")
    assert cost(trained(limit=320, config=half)).peak_memory_bytes < small.peak_memory_bytes


def test_an_evaluation_costs_a_forward_pass() -> None:
    evaluation = cost(Evaluate(trained(), NLI, "en", limit=100))
    assert (evaluation.examples, evaluation.trainable_parameters) == (100, 0)
    assert evaluation.flops == 2 * evaluation.tokens * XLMR_BASE.shape.encoder_parameters
    assert cost(Evaluate(XLMR_BASE, TATOEBA, "es")).examples == 1000


def test_an_evaluation_is_priced_in_the_precision_that_identifies_it() -> None:
    for precision in ("fp32", "bf16"):
        train = trained(config=dataclasses.replace(CONFIG, precision=precision))
        for model in (train, Merge((train, dataclasses.replace(train, limit=9)), Linear(), NoHead()), XLMR_BASE):
            for given_precision in (None, "fp32", "bf16"):
                evaluate = Evaluate(model, NLI, "en", precision=given_precision, limit=100)
                same = dataclasses.replace(evaluate, precision=evaluation_precision(evaluate))
                assert cost(evaluate) == cost(same)
                assert Identities(OneDigest()).of(evaluate).fingerprint == Identities(OneDigest()).of(same).fingerprint
    memory = {cost(Evaluate(trained(), NLI, "en", precision=each)).peak_memory_bytes for each in ("fp32", "bf16")}
    assert len(memory) == 2


def test_every_language_pays_its_share_of_a_pool() -> None:
    languages = len(LAREQA.evaluation)
    without = dataclasses.replace(LAREQA, pool=())
    assert cost(Evaluate(XLMR_BASE, without, "ar")).tokens == 1_190 * tokens_per_example(LAREQA)
    pool = sum(rows.expected for rows in LAREQA.pool)
    expected = (1_190 + pool / languages) * tokens_per_example(LAREQA)
    assert cost(Evaluate(XLMR_BASE, LAREQA, "ar")).tokens == pytest.approx(expected)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_every_task_of_the_catalog_has_a_cost(task: Task) -> None:
    if task.format.is_trained and task.train:
        counted = trained(task=task, limit=100)
        assert cost(counted).seconds > 0
    for language in task.languages:
        assert cost(Evaluate(XLMR_BASE, task, language, limit=100)).seconds > 0


def test_what_is_not_known_has_no_cost() -> None:
    unknown = ModelSpec("owner/model")
    assert cost(trained(model=unknown)) is None
    assert cost(Evaluate(unknown, TATOEBA, "es")) is None
    uncounted = dataclasses.replace(SNLI, train=(dataclasses.replace(SNLI.train[0], expected=None),))
    assert cost(trained(task=uncounted)) is None
    assert cost(trained(task=uncounted, limit=5)) is not None


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_every_model_of_the_catalog_has_a_cost(model: ModelSpec) -> None:
    stage = trained(Lora(), model, NLI, start=Sequential(trained(model=model)))
    assert cost(stage).seconds > 0


def test_a_mixtures_cost_follows_its_sampling() -> None:
    """As many examples as the loop draws, in the shares that it draws them."""
    from adaptx.training.sampling import Sampler

    config = dataclasses.replace(CONFIG, epochs=1)
    (snli_rows,), (topic_rows,) = SNLI.train, SIB200.train
    sizes = [snli_rows.expected, topic_rows.expected]
    tokens: dict[object, float] = {}
    for sampling in (Proportional(), Proportional(most=5_000), Uniform(), Temperature(2.0), Weighted((1.0, 3.0))):
        train = trained(task=Mixture((SNLI, SIB200), sampling), config=config)
        estimate = cost(train)
        assert estimate.examples == Sampler(sizes, config, sampling).num_steps * config.batch_size, sampling
        tokens[sampling] = estimate.tokens / estimate.examples
    # A pair has two texts, a topic's sentence one: the more pairs are drawn, the more tokens an example has.
    assert tokens[Proportional()] > tokens[Proportional(most=5_000)] > tokens[Uniform()] > tokens[Weighted((1.0, 3.0))]
