"""Losses over a vocabulary in chunks, against the plain computation whose scores exist whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from adaptx.backbones import bf16_products, vocabulary_loss
from adaptx.backbones.vocabulary_loss import OutputMatrix, likeliest, log_probabilities, scores, summed_cross_entropy
from adaptx.profiling.measurement import most_allocated

SIZES = {"states": st.integers(0, 9), "vocabulary": st.integers(1, 40), "hidden": st.integers(1, 12)}
SETTINGS = {
    "rows": st.integers(1, 10),
    "bias": st.booleans(),
    "scale": st.sampled_from([1.0, 0.37]),
    "softcap": st.sampled_from([None, 3.0]),
    "trained": st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
}


class Case:
    """Random states, output matrix and golds; the same twice, as leaves of their own."""

    def __init__(self, states, vocabulary, hidden, rows, bias, scale, softcap, trained, seed=0):
        self.random = torch.Generator().manual_seed(seed)
        sizes = [(states, hidden), (vocabulary, hidden), (vocabulary,)]
        values = [torch.randn(size, generator=self.random) * 2 for size in sizes]
        self.values = [value.requires_grad_(train) for value, train in zip(values, trained, strict=True)]
        if not bias:
            self.values.pop()
        self.gold = torch.randint(vocabulary, (states,), generator=self.random)
        self.weights = torch.rand(states, generator=self.random)
        self.scale, self.softcap, self.chunk_bytes = scale, softcap, 4 * vocabulary * rows

    @property
    def output(self):
        return OutputMatrix(*self.values[1:], scale=self.scale, softcap=self.softcap)

    def plain(self, dtype=torch.float32):
        """log p of all tokens [M, V]."""
        states, weight, *bias = self.values
        logits = functional.linear((states * self.scale).to(dtype), weight.to(dtype)).float()
        if bias:
            logits = logits + bias[0]
        if self.softcap is not None:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        return logits.log_softmax(dim=-1)

    def chosen(self, dtype=torch.float32):
        return self.plain(dtype).gather(1, self.gold.unsqueeze(1)).squeeze(1)

    def gradients(self, value):
        """Of everything that trains, 0 where the value does not depend on it."""
        for each in self.values:
            each.grad = None
        if value.requires_grad:
            value.backward()
        return [torch.zeros_like(v) if v.grad is None else v.grad.clone() for v in self.values if v.requires_grad]


def close(found, wanted, **tolerance):
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, **(tolerance or {"rtol": 1e-5, "atol": 1e-5}))


@settings(max_examples=150, deadline=None)
@given(**SIZES, **SETTINGS, weighted=st.booleans())
def test_loss_and_gradients_are_those_of_the_plain_loss(weighted, **options):
    case = Case(**options)
    weights = case.weights if weighted else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary_loss, "CHUNK_BYTES", case.chunk_bytes)
        loss = summed_cross_entropy(case.values[0], case.output, case.gold, weights)
        found = case.gradients(loss / 3)
        with torch.no_grad():
            again = summed_cross_entropy(case.values[0], case.output, case.gold, weights)
    wanted = -(case.chosen() * (case.weights if weighted else 1)).sum()
    assert torch.equal(again, loss.detach())
    assert loss.dtype is torch.float32
    close([loss], [wanted])
    close(found, case.gradients(wanted / 3))


@settings(max_examples=100, deadline=None)
@given(**SIZES, **SETTINGS)
def test_log_probabilities_and_what_is_made_of_them(**options):
    case = Case(**options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary_loss, "CHUNK_BYTES", case.chunk_bytes)
        found = log_probabilities(case.values[0], case.output, case.gold)
        gradients = case.gradients(found.exp().square().sum())
        rows = list(scores(case.values[0], case.output))
        tokens = likeliest(case.values[0], case.output)
    close([found], [case.chosen()])
    close(gradients, case.gradients(case.chosen().exp().square().sum()))
    whole = torch.cat([torch.zeros(0, options["vocabulary"]), *rows])
    assert all(len(each) <= options["rows"] for each in rows)
    close([whole.log_softmax(dim=-1)], [case.plain().detach()])
    assert torch.equal(tokens, whole.argmax(dim=-1))


def test_a_tied_matrix_gets_both_gradients():
    random = torch.Generator().manual_seed(4)
    embeddings = torch.randn(30, 8, generator=random, requires_grad=True)
    ids, gold = torch.tensor([1, 5, 29, 5]), torch.tensor([3, 29, 1, 0])
    summed_cross_entropy(embeddings[ids].tanh(), OutputMatrix(embeddings), gold).backward()
    found, embeddings.grad = embeddings.grad, None
    functional.cross_entropy(embeddings[ids].tanh() @ embeddings.T, gold, reduction="sum").backward()
    close([found], [embeddings.grad])


@pytest.mark.parametrize("emulated", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("softcap", [None, 3.0])
def test_bf16_products(emulated, frozen, softcap, monkeypatch):
    """Both sum in fp32 what was rounded to bf16; sums over chunks are then rounded elsewhere than whole ones."""
    case = Case(20, 50, 16, 6, True, 0.37, softcap, (True, not frozen, True))
    monkeypatch.setattr(vocabulary_loss, "CHUNK_BYTES", case.chunk_bytes)
    monkeypatch.setattr(vocabulary_loss, "WEIGHT_ROWS", 16)
    if frozen:
        case.values[1] = case.values[1].bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        if emulated:
            with bf16_products.Bf16Products():
                loss = summed_cross_entropy(case.values[0], case.output, case.gold)
                single = log_probabilities(case.values[0], case.output, case.gold)
        else:
            loss = summed_cross_entropy(case.values[0], case.output, case.gold)
            single = log_probabilities(case.values[0], case.output, case.gold)
    found = case.gradients(loss)
    wanted = -case.chosen(torch.bfloat16)
    close([loss], [wanted.sum()], rtol=1e-4, atol=1e-3)
    # A score next to the middle of two bf16 numbers may be rounded to either.
    close([single], [-wanted], rtol=2e-2, atol=2e-2)
    assert [each.dtype for each in found] == [torch.float32] * (2 if frozen else 3)
    plain = case.gradients(wanted.sum())
    for ours, theirs in zip(found, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2 * float(theirs.abs().max()))


def test_nothing_frozen_gets_a_gradient_and_the_weights_one_is_not_copied():
    case = Case(6, 40, 8, 2, True, 1.0, None, (True, False, False))
    summed_cross_entropy(case.values[0], case.output, case.gold).backward()
    assert [each.grad is None for each in case.values] == [False, True, True]
    case = Case(6, 40, 8, 2, True, 1.0, None, (True, True, False))
    loss = summed_cross_entropy(case.values[0], case.output, case.gold)
    made = [each.data_ptr() for each in loss.grad_fn.gradients[:2]]
    loss.backward()
    assert [each.grad.data_ptr() for each in case.values[:2]] == made


def test_a_second_backward_pass_is_refused():
    case = Case(6, 40, 8, 2, True, 1.0, None, (True, True, True))
    loss = summed_cross_entropy(case.values[0], case.output, case.gold)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="can run only once"):
        loss.backward()


def test_a_token_outside_the_vocabulary_is_an_error():
    case = Case(3, 40, 8, 2, False, 1.0, None, (True, True, True))
    with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
        summed_cross_entropy(case.values[0], case.output, torch.tensor([1, -100, 2]))


@pytest.mark.parametrize("trained", [True, False])
def test_of_a_large_vocabulary_memory_is_a_third_of_the_plain_losss(trained):
    """256 states of 32, a vocabulary of 250,000: whole scores take 244 MiB, three times."""
    random = torch.Generator().manual_seed(5)
    states = torch.randn(256, 32, generator=random, requires_grad=True)
    weight = torch.randn(250_000, 32, generator=random, requires_grad=trained)
    gold = torch.randint(250_000, (256,), generator=random)

    def plain():
        functional.cross_entropy(states @ weight.T, gold, reduction="sum").backward()

    def ours():
        summed_cross_entropy(states, OutputMatrix(weight), gold).backward()

    peaks, gradients = [], []
    for loss in (plain, ours):
        states.grad = weight.grad = None
        peaks.append(most_allocated(loss))
        gradients.append([each.grad for each in (states, weight) if each.requires_grad])
    assert peaks[0] > 3 * peaks[1]
    close(*gradients, rtol=1e-4, atol=1e-4)
