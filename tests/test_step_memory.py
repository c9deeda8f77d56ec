"""The closed form of a step's peak memory against the tracked step, and what plan and run say with it."""

import dataclasses
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import needs

from adaptx.catalog import E5_SMALL, QWEN3_600M, SNLI, XLMR_BASE
from adaptx.costs.memory_check import too_large, unpredicted
from adaptx.costs.room import CONTEXT_BYTES, RESERVE, context_bytes, fits, halvings, needed_bytes
from adaptx.costs.stages import cost, training_peak_bytes
from adaptx.costs.step_memory import PackedRow, StepSize, step_peak_bytes, weight_bytes
from adaptx.planning.identity import Identities
from adaptx.planning.plan import Node
from adaptx.profiling.cell import Cell
from adaptx.profiling.prediction import Prediction, predict
from adaptx.sources.sources import Sources
from adaptx.specs import Bottleneck, Full, Ia3, Lora, Method, ModelSpec, Resources, Shape, Train, TrainConfig
from adaptx.specs.linear_maps import SITES
from adaptx.specs.methods import METHODS as EVERY_METHOD

TOLERANCE = 0.1
NAMELESS = ModelSpec("owner/model")
METHODS = {
    "full": Full(),
    "lora": Lora(),
    "lora everywhere": Lora(rank=16, alpha=32, sites=SITES),
    "bottleneck": Bottleneck(),
    "ia3": Ia3(),
    "ia3 everywhere": Ia3(SITES),
}
SHAPES = {
    "bert": Shape("bert", 5, 192, 768, 6, 3_000, 512),
    "xlm-roberta": Shape("xlm-roberta", 4, 256, 1_024, 8, 2_000, 514),
    "xlm-roberta-xl": Shape("xlm-roberta-xl", 4, 192, 768, 6, 3_000, 514),
}
KINDS = [
    pytest.param(
        name, method, device, precision, gradient_checkpointing, marks=() if method != "bottleneck" else needs.adapters
    )
    for name in SHAPES
    for method in METHODS
    for device, precision, gradient_checkpointing in random.Random(f"{name}{method}").sample(
        [(d, p, c) for d in ("cuda", "cpu") for p in ("bf16", "fp32") for c in (False, True)], 3
    )
    if method != "bottleneck" or name != "xlm-roberta-xl"
]


def closed_form(cell: Cell, several: bool = False) -> int:
    prediction = predict(cell)
    head = 3 * (cell.shape.hidden_size + 1)
    step = StepSize(
        cell.shape, cell.method, cell.precision,
        PackedRow(cell.micro_batch * cell.sequence_length, cell.sequence_length),
        several, prediction.trainable_parameters + head, 0, cell.gradient_checkpointing, cell.device,
    )  # fmt: skip
    if not isinstance(cell.method, Full):
        assert prediction.trainable_parameters < cell.shape.parameters
    found = step_peak_bytes(step)
    assert found is not None
    return found


@pytest.mark.parametrize(("name", "method", "device", "precision", "gradient_checkpointing"), KINDS)
def test_the_closed_form_is_near_the_tracked_step(name, method, device, precision, gradient_checkpointing) -> None:
    model = ModelSpec(f"tiny/{name}", shape=SHAPES[name])
    cell = Cell(model, METHODS[method], 6, 64, precision, gradient_checkpointing, device=device)
    assert closed_form(cell) == pytest.approx(predict(cell).peak_memory_bytes, rel=TOLERANCE)


@pytest.mark.parametrize("kind", EVERY_METHOD)
def test_every_method_has_a_memory_prediction(kind: type[Method]) -> None:
    method = kind.of_size(8, 16)
    architectures = ("bert",) if isinstance(method, Bottleneck) else ("bert", "xlm-roberta-xl")
    for architecture, device, precision, recomputes in itertools.product(
        architectures, ("cpu", "cuda"), ("fp32", "bf16"), (False, True)
    ):
        step = StepSize(
            SHAPES[architecture], method, precision, PackedRow(512, 64), False, 1_000, 0, recomputes, device
        )
        found = step_peak_bytes(step)
        assert found is not None, (architecture, device, precision, recomputes)
        assert found > weight_bytes(step)


@pytest.mark.parametrize("method", [Full(), Lora(), Ia3()], ids=["full", "lora", "ia3"])
@pytest.mark.parametrize("model", [E5_SMALL, XLMR_BASE], ids=lambda model: model.name)
def test_it_holds_for_real_sizes(model, method) -> None:
    cell = Cell(model, method, 16, 128, "bf16", device="cuda")
    assert closed_form(cell) == pytest.approx(predict(cell).peak_memory_bytes, rel=TOLERANCE)


def test_several_micro_batches_have_gradients_beside_activations() -> None:
    model = ModelSpec("tiny/bert", shape=SHAPES["bert"])
    cell = Cell(model, Full(), 12, 64, "bf16", micro_batch_size=6, device="cuda")
    assert closed_form(cell, several=True) == pytest.approx(predict(cell).peak_memory_bytes, rel=TOLERANCE)
    assert closed_form(cell, several=True) > closed_form(dataclasses.replace(cell, batch_size=6, micro_batch_size=None))


def trained(method=Full(), model=XLMR_BASE, **config) -> Train:  # noqa: B008
    values = {"learning_rate": 1e-4, "epochs": 1, "batch_size": 32, "max_length": 128, **config}
    return Train(model, SNLI, method, TrainConfig(**values))


def test_a_stages_peak_grows_with_what_it_reads() -> None:
    cuda = Resources(device="cuda")
    peak = cost(trained(), resources=cuda).peak_memory_bytes
    assert cost(trained(max_length=64), resources=cuda).peak_memory_bytes < peak
    assert cost(trained(Lora()), resources=cuda).peak_memory_bytes < peak
    assert cost(trained(precision="bf16"), resources=cuda).peak_memory_bytes < peak
    fewer = dataclasses.replace(cuda, micro_batch_tokens=512)
    assert (
        cost(trained(Lora()), resources=fewer).peak_memory_bytes
        < cost(trained(Lora()), resources=cuda).peak_memory_bytes
    )
    again = dataclasses.replace(cuda, gradient_checkpointing=True)
    assert cost(trained(), resources=again).peak_memory_bytes < peak


def test_a_family_without_a_closed_form_has_no_prediction() -> None:
    assert training_peak_bytes(trained(model=QWEN3_600M), 1_000, 128, Resources()) is None
    assert training_peak_bytes(trained(model=ModelSpec("owner/model")), 1_000, 128, Resources()) is None


def test_a_training_over_uncounted_rows_is_checked_too() -> None:
    uncounted = dataclasses.replace(SNLI, train=(dataclasses.replace(SNLI.train[0], expected=None),))
    known, strange = (dataclasses.replace(trained(model=model), task=uncounted) for model in (XLMR_BASE, NAMELESS))
    assert cost(known) is None
    nodes = [Node(stage, Identities(Sources(None)).of(trained()), ()) for stage in (known, strange)]
    assert [each.node.stage for each in too_large(nodes, Resources("cuda"), 2**30)] == [known]
    assert [node.stage for node in unpredicted(nodes, Resources("cuda"))] == [strange]


def test_a_gpu_holds_a_context_and_loses_some_memory() -> None:
    assert fits(needed_bytes(2**30, "cpu"), int(2**30 / 0.96))
    assert not fits(needed_bytes(2**30, "cuda"), int(2**30 / 0.96))
    assert fits(needed_bytes(2**30, "cuda"), int((2**30 + CONTEXT_BYTES) / 0.96))


@given(allocated=st.integers(0, 2**41), memory_bytes=st.integers(0, 2**41), device=st.sampled_from(("cpu", "cuda")))
def test_stages_and_cells_need_and_fit_the_same(allocated: int, memory_bytes: int, device: str) -> None:
    """`adaptx plan --gpu` and `adaptx memory` give one answer for one peak."""
    cell = Prediction(allocated, context_bytes(device), {}, "backward", 1, 0.0)
    needed = needed_bytes(allocated, device)
    assert cell.needed_bytes == needed
    assert fits(needed, memory_bytes) == (needed <= memory_bytes * (1 - RESERVE))


@given(size=st.integers(1, 2**20), least=st.integers(1, 64))
def test_halvings_end_at_the_least(size: int, least: int) -> None:
    tried = list(halvings(size, least))
    assert all(each >= least for each in tried)
    assert tried == [size // 2**power for power in range(len(tried))]
    assert size // 2 ** len(tried) < least
