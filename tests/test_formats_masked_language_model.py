"""Masked language modelling: the checkpoint's own tied head, masks that depend on the step alone, a loss in chunks."""

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import format_bench, small_world
from torch.nn import functional

from adaptx.backbones import vocabulary_loss
from adaptx.errors import UserError
from adaptx.formats.heads import load_head, save_heads
from adaptx.formats.interface import Items
from adaptx.formats.masked_language_model import draw, items
from adaptx.specs import MaskedLanguageModel, Task

FORMAT = MaskedLanguageModel()
TASK = Task("masked", FORMAT, metrics=("masked_accuracy",))
each_architecture = pytest.mark.parametrize("architecture", small_world.ARCHITECTURES)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> small_world.Models:
    return small_world.make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def benches(models) -> dict[str, format_bench.Bench]:
    return {architecture: format_bench.make(models, architecture) for architecture in small_world.ARCHITECTURES}


def texts(lengths: tuple[int, ...] = (9, 1, 14, 2, 5)) -> Any:
    source = random.Random("masked")
    return format_bench.examples(text=[small_world.sentence(source, length, length) for length in lengths])


def reference(bench: format_bench.Bench) -> Any:
    """transformers' own model of the checkpoint, head and all."""
    from transformers import AutoModelForMaskedLM

    return AutoModelForMaskedLM.from_pretrained(bench.folder).eval()


def reference_logits(model: Any, drawn: Items) -> torch.Tensor:
    """Logits [M, V] at the masked places of all texts, one text at a time."""
    found = []
    for number, (places, _) in enumerate(drawn.targets):
        ids = torch.tensor([drawn.encoded.ids[number]])
        found.append(model(input_ids=ids).logits[0, places])
    return torch.cat(found)


def logits(head: Any, states: torch.Tensor) -> torch.Tensor:
    """Of our head, [M, V]."""
    return torch.cat(list(vocabulary_loss.scores(head(states), head.output)))


def golds(drawn: Items) -> torch.Tensor:
    return torch.tensor([token for _, tokens in drawn.targets for token in tokens])


@each_architecture
def test_the_head_is_the_checkpoints_own(benches, architecture):
    bench = benches[architecture]
    drawn = format_bench.drawn_items(bench, texts(), FORMAT)
    wanted = reference_logits(reference(bench), drawn)
    states = torch.cat([bench.states(ids)[p] for ids, (p, _) in zip(drawn.encoded.ids, drawn.targets, strict=True)])
    found = logits(bench.head(FORMAT).module, states)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert wanted.std() > 0.1


@each_architecture
def test_a_checkpoint_without_a_head_meets_its_embeddings_nearly_as_they_are(models, architecture):
    bench = format_bench.make(models, architecture, headless=True)
    assert bench.base.pretrained() is None
    head = bench.head(FORMAT).module
    states = torch.randn(5, bench.base.hidden_size, generator=torch.Generator().manual_seed(1))
    shaped = functional.layer_norm(functional.gelu(states), states.shape[-1:], eps=head.norm.eps)
    wanted = shaped @ bench.network.get_input_embeddings().weight.T
    torch.testing.assert_close(logits(head, states), wanted, atol=1e-5, rtol=1e-5)


@each_architecture
@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_loss_and_gradients_are_those_of_transformers_model(benches, architecture, chunk, monkeypatch):
    bench = benches[architecture]
    monkeypatch.setattr(vocabulary_loss, "CHUNK_BYTES", 4 * bench.network.config.vocab_size * chunk)
    drawn = format_bench.drawn_items(bench, texts(), MaskedLanguageModel(0.4))
    theirs = reference(bench)
    wanted = functional.cross_entropy(reference_logits(theirs, drawn), golds(drawn))
    wanted.backward()
    loss, found = format_bench.loss_and_gradients(bench, drawn, FORMAT, format_bench.WHOLE)
    assert loss == pytest.approx(wanted.item(), abs=1e-5)
    prefix = "bert." if architecture == "bert" else "roberta."
    # Both names of tied weights: which of them comes first depends on the version of transformers.
    named = theirs.named_parameters(remove_duplicate=False)
    gradients = {name: p.grad for name, p in named if p.grad is not None}
    of_backbone = {
        f"backbone.network.{n.removeprefix(prefix)}": g for n, g in gradients.items() if n.startswith(prefix)
    }
    names = ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias")
    if architecture != "bert":
        names = ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias")
    head = {
        f"head.{ours}{stored.removeprefix(name)}": gradient
        for name, ours in zip(names, ("dense", "norm", "bias"), strict=True)
        for stored, gradient in gradients.items()
        if stored.startswith(name)
    }
    assert len(head) == 5
    # Embeddings are tied: their gradient has a part from the decoder.
    format_bench.close(found, {**of_backbone, **head})


@each_architecture
def test_predictions_count_the_right_tokens(benches, architecture):
    bench, theirs = benches[architecture], reference(benches[architecture])
    task_format = MaskedLanguageModel(0.5)
    task = Task("masked", task_format, metrics=("masked_accuracy",))
    # None of the replaced tokens is padding, from which transformers' RoBERTa would count positions.
    rows = texts((29, 25, 20, 3))
    head = bench.head(task_format)
    words = bench.reading.tokenizer(" ".join(small_world.WORDS), add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        # A random network is never right; words are made more likely than the rest of the vocabulary.
        for bias in (head.module.bias, theirs.get_output_embeddings().bias):
            bias[words] += 6
    found = bench.evaluator().predict(rows, task, head)
    drawn = draw(items(rows, task_format, bench.reading), range(4), task_format, bench.reading, 0)
    chosen = iter(reference_logits(theirs, drawn).argmax(dim=-1).tolist())
    wanted = [[sum(next(chosen) == token for token in tokens), len(tokens)] for _, tokens in drawn.targets]
    assert found.predictions == wanted
    assert 0 < sum(right for right, _ in wanted) < sum(count for _, count in wanted)
    again = bench.evaluator(format_bench.ONE_ITEM).predict(rows, task, head)
    assert again.predictions == found.predictions


@each_architecture
@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    share=st.floats(0.01, 0.9),
    seed=st.integers(0, 2**40),
)
def test_masks(benches, architecture, lengths, share, seed):
    bench, task_format = benches[architecture], MaskedLanguageModel(share)
    tokenizer = bench.reading.tokenizer
    plain = items(texts(tuple(lengths)), task_format, bench.reading)
    order = [*range(len(plain))][::-1]
    drawn = draw(plain, order, task_format, bench.reading, seed)
    again = draw(plain, order, task_format, bench.reading, seed)
    assert (drawn.encoded.ids, drawn.targets) == (again.encoded.ids, again.targets)
    assert drawn.units == [len(places) for places, _ in drawn.targets]
    special = set(tokenizer.all_special_ids)
    for index, ids, (places, tokens) in zip(order, drawn.encoded.ids, drawn.targets, strict=True):
        original = plain.encoded.ids[index]
        assert len(ids) == len(original)
        assert places == sorted(set(places))
        open_tokens = sum(token not in special for token in original)
        assert len(places) == max(1, round(share * open_tokens))
        assert tokens == [original[place] for place in places]
        assert special.isdisjoint(tokens)
        assert [token for place, token in enumerate(ids) if place not in places] == [
            token for place, token in enumerate(original) if place not in places
        ]
        assert all(0 <= token < len(tokenizer) for token in ids)


def test_other_seeds_mask_other_tokens(benches):
    bench = benches["bert"]
    plain = items(texts((20, 20)), FORMAT, bench.reading)
    found = [draw(plain, [0, 1], FORMAT, bench.reading, seed).targets for seed in range(6)]
    assert all(one != other for one, other in itertools.combinations(found, 2))


def test_of_ten_tokens_eight_are_masked_and_one_is_replaced(benches):
    bench = benches["bert"]
    plain = items(texts((12,) * 400), MaskedLanguageModel(0.9), bench.reading)
    drawn = draw(plain, range(400), MaskedLanguageModel(0.9), bench.reading, 1)
    kinds = {"masked": 0, "kept": 0, "other": 0}
    for ids, (places, tokens) in zip(drawn.encoded.ids, drawn.targets, strict=True):
        for place, token in zip(places, tokens, strict=True):
            masked = ids[place] == bench.reading.tokenizer.mask_token_id
            kinds["masked" if masked else "kept" if ids[place] == token else "other"] += 1
    total = sum(kinds.values())
    assert total > 5_000
    assert kinds["masked"] / total == pytest.approx(0.8, abs=0.02)
    assert kinds["kept"] / total == pytest.approx(0.1, abs=0.015)


@each_architecture
def test_a_text_of_unknown_words_alone_has_nothing_to_mask_and_harms_nobody(benches, architecture):
    bench = benches[architecture]
    rows = format_bench.examples(text=["€" if architecture == "bert" else "</s>", "tree stone sea night"])
    drawn = format_bench.drawn_items(bench, rows, FORMAT)
    assert drawn.units[0] == 0
    assert drawn.units[1] > 0
    values = [format_bench.loss_and_gradients(bench, drawn, FORMAT, budget)
              for budget in (format_bench.WHOLE, format_bench.ONE_ITEM)]  # fmt: skip
    assert values[0][0] == pytest.approx(values[1][0], abs=1e-5)
    format_bench.close(values[1][1], values[0][1])
    found = bench.evaluator(format_bench.ONE_ITEM).predict(rows, TASK, bench.head(FORMAT))
    assert found.predictions[0] == [0, 0]


@each_architecture
def test_a_saved_head_comes_back_bit_for_bit_and_holds_no_embeddings(benches, architecture, tmp_path):
    from safetensors.torch import load_file

    bench = benches[architecture]
    head = bench.head(FORMAT)
    with torch.no_grad():
        for parameter in head.module.parameters():
            parameter += 0.1
    save_heads({"masked": head}, tmp_path)
    again = load_head(tmp_path, "masked", lambda each: bench.head(each).module)
    assert again.format == FORMAT
    states = torch.randn(3, bench.base.hidden_size)
    assert torch.equal(logits(again.module, states), logits(head.module, states))
    stored = load_file(tmp_path / "head.safetensors")
    assert set(stored) == {f"masked/{n}" for n in ("dense.weight", "dense.bias", "norm.weight", "norm.bias", "bias")}


def test_a_tokenizer_without_a_mask_token_is_refused(benches):
    bench = replace(benches["bert"], reading=replace(benches["bert"].reading, tokenizer=Maskless()))
    with pytest.raises(UserError, match="has no mask token"):
        items(texts(), FORMAT, bench.reading)


class Maskless:
    mask_token_id = None
