"""Micro-batches and rows: every sequence once, within its budgets, its tokens in their places."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from adaptx.backbones import batching
from adaptx.backbones.batching import ROW_STEP, Encoded, collate, cut
from adaptx.backbones.packed_attention import Group, PackedAttention

CPU = torch.device("cpu")
lengths = st.lists(st.integers(1, 40), min_size=1, max_size=30)
budget = st.none() | st.integers(1, 100)
steps = st.sampled_from([1, 4, 16])


@given(lengths, budget, budget)
def test_every_sequence_is_in_one_micro_batch_and_budgets_hold(lengths, most_tokens, most_items) -> None:
    batches = cut(lengths, most_tokens, most_items)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        tokens = sum(lengths[index] for index in batch)
        assert most_tokens is None or tokens <= most_tokens or len(batch) == 1
        assert most_items is None or len(batch) <= most_items
    order = [lengths[index] for batch in batches for index in batch]
    assert order == sorted(order, reverse=True), "memory peaks at the first, and equal lengths are neighbours"


def test_nothing_makes_no_batches() -> None:
    assert cut([], 10, 10) == []


@settings(max_examples=50)
@given(lengths, st.booleans(), steps, st.booleans())
def test_tokens_lie_where_the_batch_says(lengths, typed: bool, step: int, in_order: bool) -> None:
    pad = 1
    ids = [[100 * number + token + 2 for token in range(length)] for number, length in enumerate(lengths)]
    types = [[token % 2 for token in range(length)] for length in lengths] if typed else None
    encoded = Encoded(ids, types, pad, 0)
    assert (encoded.lengths, len(encoded)) == (lengths, len(lengths))
    sequences = list(range(len(lengths))) if in_order else cut(lengths, None, None)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(batching.LENGTH_STEPS, "cpu", step)
        batch = collate(encoded, sequences, CPU)
    size = len(batch.ids_T)
    assert size % ROW_STEP == 0
    assert size == batch.positions_T.numel() == sum(group.sequences * group.length for group in batch.groups)
    rooms = sum(-(-length // step) * step for length in lengths)
    assert rooms <= size < rooms + ROW_STEP
    padding = torch.ones(size, dtype=torch.bool)
    assert batch.lengths_N.tolist() == [lengths[index] for index in sequences]
    for index, first in zip(sequences, batch.first_N.tolist(), strict=True):
        cut_out = slice(first, first + lengths[index])
        assert batch.ids_T[cut_out].tolist() == ids[index]
        assert batch.positions_T[cut_out].tolist() == list(range(lengths[index]))
        if types is not None:
            assert batch.types_T[cut_out].tolist() == types[index]
        padding[cut_out] = False
    assert int(padding.sum()) == size - sum(lengths), "no two sequences overlap"
    assert (batch.ids_T[padding] == pad).all()
    assert (batch.types_T is None) is not typed
    inside = torch.cat([_inside(group) for group in batch.groups])[: int(batch.first_N[-1] + batch.lengths_N[-1])]
    assert torch.equal(inside, ~padding[: len(inside)]), "what the groups mask is the padding"


def _inside(group: Group) -> torch.Tensor:
    every = torch.ones(group.sequences, group.length, dtype=torch.bool)
    return (every if group.inside_GL is None else group.inside_GL).flatten()


@settings(max_examples=30, deadline=None)
@given(lengths, steps, st.booleans())
def test_attention_of_a_row_is_that_of_each_sequence_by_itself(lengths, step: int, causal: bool) -> None:
    encoded = Encoded([[5] * length for length in lengths], None, 0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(batching.LENGTH_STEPS, "cpu", step)
        batch = collate(encoded, cut(lengths, None, None)[0], CPU)
    if causal and any(group.inside_GL is not None for group in batch.groups):
        return
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, len(batch.ids_T), 4, requires_grad=True) for _ in range(3))
    with PackedAttention(batch.groups):
        packed = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    assert packed.shape == query.shape
    for first, length in zip(batch.first_N.tolist(), batch.lengths_N.tolist(), strict=True):
        here = (..., slice(first, first + length), slice(None))
        alone = functional.scaled_dot_product_attention(query[here], key[here], value[here], is_causal=causal)
        torch.testing.assert_close(packed[here], alone, atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(packed[..., : int(batch.lengths_N[0]), :].sum(), key)
    assert (gradient[..., int(batch.lengths_N[0]) :, :] == 0).all(), "no gradient reaches a neighbour"


def test_a_layer_with_a_mask_of_its_own_is_refused() -> None:
    row = torch.zeros(1, 1, 4, 2)
    with PackedAttention([Group(1, 4)]), pytest.raises(ValueError, match="knows where sequences end"):
        functional.scaled_dot_product_attention(row, row, row, attn_mask=torch.ones(1, 1, 4, 4))
