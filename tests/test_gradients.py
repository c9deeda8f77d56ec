"""A step's gradient is that of the whole batch at once, however the batch is cut up (GradCache: Gao et al. 2021)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import format_bench, small_world
from torch.nn import functional

from adaptx.backbones.batching import Encoding
from adaptx.backbones.cpu_kernels import CpuKernels
from adaptx.formats import behaviour
from adaptx.formats.interface import Items, SummedLoss
from adaptx.specs import Classification, Hidden, Retrieval
from adaptx.training.gradients import Budget, Setting, backward_joint, backward_sum, pieces

QUERIES = ["tree sea", "stone", "river wolf bread night house", "iron bird snow", "glass glass tree", "night night"]
CANDIDATES = ["wolf", "sea sea stone iron", "bird", "house glass", "snow river tree", "bread stone wolf tree sea iron"]
FORMAT = Retrieval(0.1)
LABELS = Classification(("first", "second"))
each_architecture = pytest.mark.parametrize("architecture", small_world.ARCHITECTURES)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> small_world.Models:
    return small_world.make_models(tmp_path_factory.mktemp("models"))


def pairs(bench: format_bench.Bench, candidates: list[str] = CANDIDATES) -> Items:
    return format_bench.drawn_items(bench, format_bench.examples(query=QUERIES, candidate=candidates), FORMAT)


def in_one_graph(bench, drawn: Items, setting: Setting, share: float) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients with every micro-batch's graph kept: no vector is embedded twice. The loss is written out."""
    bench.encoder.train()
    bench.encoder.zero_grad(set_to_none=True)
    vector_of: dict[int, torch.Tensor] = {}
    for piece in pieces(drawn, setting):
        with CpuKernels():
            vectors = bench.encoder.pooled(piece.batch, bench.reading.framing)
        vector_of.update(zip(piece.sequences, vectors, strict=True))
    sides = [
        functional.normalize(torch.stack([vector_of[members[side]] for members in drawn.members]), dim=-1)
        for side in (0, 1)
    ]
    cosines = sides[0] @ sides[1].T
    losses = [
        torch.logsumexp(
            torch.stack(
                [
                    cosines[row, column] / FORMAT.temperature
                    for column in range(len(drawn))
                    if column == row or drawn.targets[column] != drawn.targets[row]
                ]
            ),
            dim=0,
        )
        - cosines[row, row] / FORMAT.temperature
        for row in range(len(drawn))
    ]
    value = share * torch.stack(losses).mean()
    value.backward()
    found = {f"backbone.{name}": p.grad.clone() for name, p in bench.encoder.named_parameters() if p.grad is not None}
    bench.encoder.zero_grad(set_to_none=True)
    return value.item(), found


@each_architecture
@pytest.mark.parametrize(
    "budget", [Budget(None, 1), Budget(None, 2), Budget(30, None), Budget(None, None)], ids=lambda b: f"{b}"
)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_joint_gradients_are_those_of_one_graph_under_the_same_dropout(models, architecture, budget, dropout):
    bench = format_bench.make(models, architecture, dropout=dropout)
    drawn = pairs(bench, [*CANDIDATES[:4], CANDIDATES[1], CANDIDATES[0]])
    torch.manual_seed(11)
    wanted, gradients = in_one_graph(bench, drawn, Setting(format_bench.CPU, "fp32", budget), share=0.5)
    after = torch.get_rng_state()
    torch.manual_seed(11)
    value, found = format_bench.loss_and_gradients(bench, drawn, FORMAT, budget, 0.5, training=True)
    assert torch.equal(torch.get_rng_state(), after), "what is drawn next depends on the cutting"
    assert value == pytest.approx(wanted, abs=1e-6)
    assert found.keys() == gradients.keys()
    scale = max(gradient.abs().max().item() for gradient in gradients.values())
    assert scale > 1e-2
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name] / scale, gradient / scale, atol=2e-6, rtol=1e-6, msg=name)


def test_dropout_is_on_in_the_test_above(models):
    bench = format_bench.make(models, "bert", dropout=0.3)
    values = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        values.append(
            format_bench.loss_and_gradients(bench, pairs(bench), FORMAT, format_bench.ONE_ITEM, training=True)[0]
        )
    assert abs(values[0] - values[1]) > 1e-3


@each_architecture
@pytest.mark.parametrize("budget", [Budget(None, 1), Budget(None, 3), Budget(None, None)], ids=lambda b: f"{b}")
def test_an_item_that_is_drawn_twice_counts_twice(models, architecture, budget):
    bench = format_bench.make(models, architecture)
    once = pairs(bench)
    order = [0, 3, 1, 0, 3, 4]
    drawn = Items(
        encoded=once.encoded,
        members=[once.members[index] for index in order],
        targets=[once.targets[index] for index in order],
        units=[once.units[index] for index in order],
    )
    setting = Setting(format_bench.CPU, "fp32", Budget(None, None))
    wanted, gradients = in_one_graph(bench, drawn, setting, share=1.0)
    value, found = format_bench.loss_and_gradients(bench, drawn, FORMAT, budget)
    assert value == pytest.approx(wanted, abs=1e-5)
    format_bench.close(found, gradients)


def test_equal_candidates_are_no_negatives(models):
    bench = format_bench.make(models, "bert")
    alike = pairs(bench, ["wolf"] * len(QUERIES))
    value, _ = format_bench.loss_and_gradients(bench, alike, FORMAT, format_bench.WHOLE)
    assert value == pytest.approx(0, abs=1e-6)
    apart, _ = format_bench.loss_and_gradients(bench, pairs(bench), FORMAT, format_bench.WHOLE)
    assert apart > 0.1
    # The context tells equal sentences of two passages apart.
    columns = {"query": QUERIES, "candidate": ["wolf"] * len(QUERIES), "candidate_context": CANDIDATES}
    drawn = format_bench.drawn_items(bench, format_bench.examples(**columns), FORMAT)
    assert format_bench.loss_and_gradients(bench, drawn, FORMAT, format_bench.WHOLE)[0] > 0.1


@pytest.mark.parametrize("budget", [Budget(None, 1), Budget(40, None), Budget(None, None)], ids=lambda b: f"{b}")
def test_a_share_of_the_batch_scales_loss_and_gradient(models, budget):
    bench = format_bench.make(models, "xlm-roberta")
    rows = format_bench.examples(text=QUERIES, label=[LABELS.labels[row % 2] for row in range(len(QUERIES))])
    summed = format_bench.drawn_items(bench, rows, LABELS)
    for drawn, task_format in ((summed, LABELS), (pairs(bench), FORMAT)):
        whole, gradients = format_bench.loss_and_gradients(bench, drawn, task_format, budget)
        part, found = format_bench.loss_and_gradients(bench, drawn, task_format, budget, share=0.25)
        assert part == pytest.approx(0.25 * whole, rel=1e-5)
        format_bench.close(found, {name: 0.25 * gradient for name, gradient in gradients.items()})


def test_gradients_are_added_to_those_of_other_tasks(models):
    bench = format_bench.make(models, "bert")
    setting = Setting(format_bench.CPU, "fp32", Budget(None, 2))
    rows = format_bench.examples(text=QUERIES, label=[LABELS.labels[row % 2] for row in range(len(QUERIES))])
    head, drawn = bench.head(LABELS), format_bench.drawn_items(bench, rows, LABELS)
    _, first = format_bench.loss_and_gradients(bench, drawn, LABELS, setting.budget)
    _, second = format_bench.loss_and_gradients(bench, pairs(bench), FORMAT, setting.budget)
    loss = behaviour(LABELS).training.loss
    assert isinstance(loss, SummedLoss)
    backward_sum(loss, bench.encoder, head.module, drawn, Hidden(), 1.0, setting)
    joint = behaviour(FORMAT).training.loss
    backward_joint(joint, bench.encoder, pairs(bench), FORMAT, Hidden(), 1.0, setting)
    found = {f"backbone.{name}": p.grad for name, p in bench.encoder.named_parameters() if p.grad is not None}
    zero = torch.zeros(())
    format_bench.close(found, {name: first.get(name, zero) + second.get(name, zero) for name in found})


def test_without_units_nothing_is_added(models):
    bench = format_bench.make(models, "bert")
    nothing = Items(encoded=pairs(bench).encoded, members=[[0]], targets=[([], [])], units=[0])
    loss = SummedLoss(lambda *_: pytest.fail("there is nothing to compute"))
    setting = Setting(format_bench.CPU, "fp32", Budget(None, None))
    assert backward_sum(loss, bench.encoder, torch.nn.Identity(), nothing, Hidden(), 1.0, setting) == 0


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=4), min_size=1, max_size=12),
    tokens=st.none() | st.integers(1, 80),
    most=st.none() | st.integers(1, 5),
)
def test_micro_batches_hold_every_sequence_once_and_keep_items_together(lengths, tokens, most):
    flat = [length for item in lengths for length in item]
    encoded = Encoding([[7] * length for length in flat], None, 0, 0)
    numbers = iter(range(len(flat)))
    members = [[next(numbers) for _ in item] for item in lengths]
    items = Items(encoded=encoded, members=members, targets=list(range(len(lengths))), units=[1] * len(lengths))
    found = list(pieces(items, Setting(format_bench.CPU, "fp32", Budget(tokens, most))))
    assert sorted(item for piece in found for item in piece.targets) == list(range(len(lengths)))
    for piece in found:
        assert sorted(piece.sequences) == sorted(s for item in piece.targets for s in items.members[item])
        assert [[piece.sequences[n] for n in each] for each in piece.members] == [members[i] for i in piece.targets]
        assert most is None or len(piece.targets) <= most
        total = sum(items.tokens(item) for item in piece.targets)
        assert tokens is None or total <= tokens or len(piece.targets) == 1
        assert piece.batch.lengths_N.tolist() == [flat[s] for s in piece.sequences]
        for sequence, first in zip(piece.sequences, piece.batch.first_N, strict=True):
            assert (piece.batch.ids_T[first : first + flat[sequence]] == 7).all()
