"""Micro-batches and rows: every sequence once, within its budgets, its tokens in their places."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from adaptx.backbones import batching
from adaptx.backbones.batching import ROW_STEP, Encoding, TokenBatch, collate, cut, lay_out
from adaptx.backbones.packed_attention import AttentionGroup, PackedAttention

CPU = torch.device("cpu")
lengths = st.lists(st.integers(1, 40), min_size=1, max_size=30)
budget = st.none() | st.integers(1, 100)
FREE, DEAR = 0, 1_000
group_tokens = st.sampled_from([FREE, 25, DEAR])


def batch_of(encoded: Encoding, sequences: Sequence[int], group_tokens: int) -> TokenBatch:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(batching.GROUP_TOKENS, "cpu", group_tokens)
        return collate(encoded, sequences, CPU)


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


@given(lengths, group_tokens)
def test_a_layout_holds_every_sequence_once_at_no_more_than_the_plain_cost(lengths, group_tokens: int) -> None:
    layout = lay_out(lengths, group_tokens)
    assert sorted(number for pieces in layout for members in pieces.members for number in members) == list(
        range(len(lengths))
    )
    for pieces in layout:
        assert all(sum(lengths[number] for number in members) <= pieces.length for members in pieces.members)
    tokens = sum(pieces.length * len(pieces.members) for pieces in layout)
    assert tokens % ROW_STEP == 0
    groups = [pieces for pieces in layout if any(pieces.members)]
    assert len(groups) == len(set(lengths)) or len(groups) == 1
    if group_tokens == FREE:
        assert tokens < sum(lengths) + ROW_STEP, "where groups cost nothing there is no padding"


def test_many_lengths_share_pieces_where_groups_are_dear() -> None:
    (pieces,) = lay_out([60, 50, 40, 30, 24, 14, 10, 4], DEAR)
    assert (pieces.length, pieces.members) == (64, [[0, 7], [1, 5], [2, 4], [3, 6]])
    assert [(each.length, len(each.members)) for each in lay_out([30, 30, 20, 20], FREE)] == [(30, 2), (20, 2), (28, 1)]


@settings(max_examples=50)
@given(lengths, st.booleans(), group_tokens)
def test_tokens_lie_where_the_batch_says(lengths, typed: bool, group_tokens: int) -> None:
    pad = 1
    ids = [[100 * number + token + 2 for token in range(length)] for number, length in enumerate(lengths)]
    types = [[token % 2 for token in range(length)] for length in lengths] if typed else None
    encoded = Encoding(ids, types, pad, 0)
    assert (encoded.lengths, len(encoded)) == (lengths, len(lengths))
    sequences = list(range(len(lengths)))[::-1]
    batch = batch_of(encoded, sequences, group_tokens)
    size = len(batch.ids_T)
    assert size == batch.positions_T.numel() == sum(group.tokens for group in batch.groups)
    padding = torch.ones(size, dtype=torch.bool)
    assert batch.lengths_N.tolist() == [lengths[index] for index in sequences]
    members = batch.members
    for number, (index, first) in enumerate(zip(sequences, batch.first_N.tolist(), strict=True)):
        place = slice(first, first + lengths[index])
        assert batch.ids_T[place].tolist() == ids[index]
        assert batch.positions_T[place].tolist() == list(range(lengths[index]))
        if types is not None:
            assert batch.types_T[place].tolist() == types[index]
        assert members[number].nonzero().flatten().tolist() == list(range(place.start, place.stop))
        padding[place] = False
    assert int(padding.sum()) == size - sum(lengths), "no two sequences overlap"
    assert (batch.ids_T[padding] == pad).all()
    assert (batch.types_T is None) is not typed


@settings(max_examples=30, deadline=None)
@given(lengths, group_tokens, st.booleans())
def test_attention_of_a_row_is_that_of_each_sequence_by_itself(lengths, group_tokens: int, causal: bool) -> None:
    batch = batch_of(Encoding([[5] * length for length in lengths], None, 0, 0), range(len(lengths)), group_tokens)
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, len(batch.ids_T), 4, requires_grad=True) for _ in range(3))
    with PackedAttention(batch.groups):
        packed = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    assert packed.shape == query.shape
    assert torch.isfinite(packed).all()
    for first, length in zip(batch.first_N.tolist(), batch.lengths_N.tolist(), strict=True):
        here = (..., slice(first, first + length), slice(None))
        alone = functional.scaled_dot_product_attention(query[here], key[here], value[here], is_causal=causal)
        torch.testing.assert_close(packed[here], alone, atol=1e-5, rtol=1e-5)
    own = batch.members[0]
    (gradient,) = torch.autograd.grad(packed[:, :, own].sum(), key)
    assert (gradient[:, :, ~own] == 0).all(), "no gradient reaches a neighbour"


def test_a_layer_with_a_mask_of_its_own_is_refused() -> None:
    row = torch.zeros(1, 1, 4, 2)
    with PackedAttention([AttentionGroup(1, 4)]), pytest.raises(ValueError, match="knows where sequences end"):
        functional.scaled_dot_product_attention(row, row, row, attn_mask=torch.ones(1, 1, 4, 4))
