"""Micro-batches and packing: every sequence once, within its budgets, its tokens in their places."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.backbones.batching import WIDTH_STEP, Encoded, collate, micro_batches, pack

CPU = torch.device("cpu")
lengths = st.lists(st.integers(1, 40), min_size=1, max_size=30)
budget = st.none() | st.integers(1, 100)


@given(lengths, budget, budget, st.integers(1, 60))
def test_every_sequence_is_in_one_place_and_budgets_hold(lengths, most_tokens, most_examples, row_tokens) -> None:
    batches = micro_batches(lengths, most_tokens, most_examples, row_tokens)
    assert sorted(index for batch in batches for row in batch for index in row) == list(range(len(lengths)))
    for batch in batches:
        members = [index for row in batch for index in row]
        tokens = sum(lengths[index] for index in members)
        assert most_tokens is None or tokens <= most_tokens or len(members) == 1
        assert most_examples is None or len(members) <= most_examples
        width = max(row_tokens, *(lengths[index] for index in members), 0)
        assert all(sum(lengths[index] for index in row) <= width for row in batch)
        assert all(batch), "no row is empty"
    longest = [max(lengths[index] for row in batch for index in row) for batch in batches]
    assert longest == sorted(longest, reverse=True), "memory peaks at the first"


@given(lengths)
def test_one_token_a_row_means_one_sequence_a_row(lengths) -> None:
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    longest = lengths[order[0]]
    rows = pack(order, lengths.__getitem__, 1)
    assert all(sum(lengths[index] for index in row) <= longest for row in rows)
    assert len(pack(order, lengths.__getitem__, sum(lengths))) == 1


def test_nothing_makes_no_batches() -> None:
    assert micro_batches([], 10, 10, 10) == []


@settings(max_examples=50)
@given(lengths, st.booleans(), st.integers(1, 60))
def test_tokens_lie_where_the_batch_says(lengths, typed: bool, row_tokens: int) -> None:
    pad = 1
    ids = [[100 * number + token + 2 for token in range(length)] for number, length in enumerate(lengths)]
    types = [[token % 2 for token in range(length)] for length in lengths] if typed else None
    encoded = Encoded(ids, types, pad, 0)
    assert (encoded.lengths, len(encoded)) == (lengths, len(lengths))
    (rows,) = micro_batches(lengths, None, None, row_tokens)
    batch = collate(encoded, rows, CPU)
    order = [index for row in rows for index in row]
    width = batch.ids_BT.shape[1]
    assert batch.ids_BT.shape == (len(rows), width) == batch.positions_BT.shape == batch.slots_BT.shape
    fullest = max(sum(lengths[index] for index in row) for row in rows)
    assert fullest <= width < fullest + WIDTH_STEP
    assert width % WIDTH_STEP == 0
    places = zip(order, batch.row_N.tolist(), batch.slot_N.tolist(), batch.first_N.tolist(), strict=True)
    for index, row, slot, first in places:
        cut = slice(first, first + lengths[index])
        assert batch.ids_BT[row, cut].tolist() == ids[index]
        assert batch.positions_BT[row, cut].tolist() == list(range(lengths[index]))
        assert (batch.slots_BT[row] == slot).nonzero().flatten().tolist() == list(range(cut.start, cut.stop))
        if types is not None:
            assert batch.types_BT[row, cut].tolist() == types[index]
    padding = batch.slots_BT == -1
    assert int(padding.sum()) == len(rows) * width - sum(lengths)
    assert (batch.ids_BT[padding] == pad).all()
    assert (batch.types_BT is None) is not typed


@given(lengths, st.integers(1, 60))
def test_attention_stays_inside_each_sequence(lengths, row_tokens: int) -> None:
    encoded = Encoded([[5] * length for length in lengths], None, 0, 0)
    (rows,) = micro_batches(lengths, None, None, row_tokens)
    batch = collate(encoded, rows, CPU)
    if len(rows) == len(lengths):
        assert batch.mask.sum(1).tolist() == [lengths[row[0]] for row in rows]
        return
    slots = batch.slots_BT
    assert torch.equal(batch.mask.bool(), slots[:, :, None] == slots[:, None, :])
    assert batch.mask.sum(-1).min() >= 1, "a row of the attention that is empty would be NaN"
