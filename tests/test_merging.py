"""Merge rules on plain tensors: against references in float64 written out here, and peft where peft is right."""

import dataclasses
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.composition.merging import updates as updating
from adaptx.composition.merging.combining import combine
from adaptx.composition.merging.dare import keep_mask
from adaptx.composition.merging.modules import merge_modules
from adaptx.composition.merging.searching import greedy_soup, lora_hub
from adaptx.composition.merging.svd import nearest, nearest_of_factors
from adaptx.composition.merging.updates import Update, magnitude_threshold, of_difference, of_product, of_tensor
from adaptx.errors import UserError
from adaptx.methods.module import Module, load_module, save_module
from adaptx.specs import (
    Bottleneck,
    Dare,
    Full,
    Linear,
    Lora,
    LoraHub,
    MagnitudePruning,
    SvdRank,
    TaskArithmetic,
    Ties,
)

KEY = (0, "query", "weight")
few = settings(max_examples=40, deadline=None)
shapes = st.sampled_from([(7,), (5, 9), (16, 4), (3, 2, 4)])
counts = st.integers(1, 5)
seeds = st.integers(0, 10_000)
shares = st.sampled_from([0.05, 0.2, 0.5, 0.9, 1.0])
some_weights = st.lists(st.floats(-2, 2).filter(bool), min_size=5, max_size=5)


def tensors(count: int, shape: tuple[int, ...], seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def merged(values: list[torch.Tensor], rule) -> torch.Tensor:
    return combine([of_tensor(value) for value in values], rule, KEY)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found.double(), expected.double(), atol=1e-5, rtol=1e-5)


# References: the papers' formulas, entry by entry, in Python's own floats.


def reference_trim(values: list[float], density: float) -> list[float]:
    kept = max(1, int(density * len(values)))
    threshold = sorted((abs(value) for value in values), reverse=True)[kept - 1]
    return [value if abs(value) >= threshold else 0.0 for value in values]


def reference_ties(vectors: list[list[float]], density: float, scale: float) -> list[float]:
    """Yadav et al. 2023, section 3."""
    trimmed = [reference_trim(vector, density) for vector in vectors]
    found = []
    for entries in zip(*trimmed, strict=True):
        sign = 1 if sum(entries) >= 0 else -1
        agreeing = [entry for entry in entries if entry * sign > 0]
        found.append(scale * sum(agreeing) / len(agreeing) if agreeing else 0.0)
    return found


def reference_sum(vectors: list[list[float]], weights: list[float]) -> list[float]:
    return [sum(w * entry for w, entry in zip(weights, entries, strict=True)) for entries in zip(*vectors, strict=True)]


def flat(values: list[torch.Tensor]) -> list[list[float]]:
    return [value.flatten().double().tolist() for value in values]


def shaped(values: list[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(like.shape)


@few
@given(counts, shapes, seeds, shares, st.sampled_from([0.3, 1.0, 2.0]))
def test_ties_equals_the_reference(count, shape, seed, density, scale):
    values = tensors(count, shape, seed)
    close(merged(values, Ties(density, scale)), shaped(reference_ties(flat(values), density, scale), values[0]))


@few
@given(counts, shapes, seeds, st.floats(0.1, 2), some_weights)
def test_task_arithmetic_and_linear_equal_the_reference(count, shape, seed, scale, weights):
    values, weights = tensors(count, shape, seed), weights[:count]
    expected = shaped(reference_sum(flat(values), weights), values[0])
    close(merged(values, TaskArithmetic(scale, tuple(weights))), scale * expected)
    close(merged(values, Linear(tuple(weights))), expected)
    close(merged(values, TaskArithmetic(scale)), scale * shaped(reference_sum(flat(values), [1] * count), values[0]))
    close(merged(values, Linear()), shaped(reference_sum(flat(values), [1 / count] * count), values[0]))


@few
@given(counts, shapes, seeds, shares)
def test_magnitude_pruning_equals_the_reference(count, shape, seed, density):
    values = tensors(count, shape, seed)
    trimmed = [reference_trim(vector, density) for vector in flat(values)]
    close(merged(values, MagnitudePruning(density)), shaped(reference_sum(trimmed, [1 / count] * count), values[0]))


@few
@given(counts, shapes, seeds, st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.booleans())
def test_dare_given_its_mask_equals_the_reference(count, shape, seed, drop_rate, by_ties):
    values = tensors(count, shape, seed)
    rule = Dare(drop_rate, seed, Ties(0.5) if by_ties else TaskArithmetic(0.7))
    kept = [
        (value.double() * keep_mask(shape, rule, (KEY, place, 0)) / (1 - drop_rate)).flatten().tolist()
        for place, value in enumerate(values)
    ]
    expected = reference_ties(kept, 0.5, 1.0) if by_ties else reference_sum(kept, [0.7] * count)
    close(merged(values, rule), shaped(expected, values[0]))


def test_dare_drops_its_share_anew_for_every_module_tensor_and_seed():
    rule = Dare(0.75, seed=3)
    masks = [
        keep_mask((200, 100), each, place)
        for each, place in (
            (rule, (KEY, 0, 0)), (rule, (KEY, 1, 0)), (rule, ((1, "query", "weight"), 0, 0)),
            (Dare(0.75, 4), (KEY, 0, 0)), (rule, (KEY, 0, 200)),
        )
    ]  # fmt: skip
    for mask in masks:
        assert mask.float().mean() == pytest.approx(0.25, abs=0.02)
    for other in masks[1:]:
        # Independent masks agree where both keep or both drop.
        assert (other == masks[0]).float().mean() == pytest.approx(0.25**2 + 0.75**2, abs=0.02)
    assert torch.equal(keep_mask((200, 100), rule, (KEY, 0, 0)), masks[0])


@few
@given(shapes, seeds)
def test_rules_that_change_nothing_are_seen_as_sums(shape, seed):
    (value,) = tensors(1, shape, seed)
    for rule in (Ties(1.0), Dare(0.0), Dare(0.0, 1, Ties(1.0)), MagnitudePruning(1.0), Linear(), TaskArithmetic()):
        assert rule.linear_weights(1) == (1.0,)
        assert torch.equal(merged([value], rule), value)


def test_blocks_give_what_the_whole_gives(monkeypatch):
    """Tensors of many blocks and thresholds found by sampling equal those looked at at once."""
    values = [value.pow(3) for value in tensors(3, (700, 40), 1)]
    expected = {rule: merged(values, rule) for rule in (Ties(0.2), MagnitudePruning(0.1), Linear((0.2, 0.5, -0.3)))}
    monkeypatch.setattr(updating, "BLOCK_ENTRIES", 1_000)
    monkeypatch.setattr(updating, "EXACT_ENTRIES", 1_000)
    monkeypatch.setattr(updating, "SAMPLED_ENTRIES", 2_000)
    for rule, found in expected.items():
        torch.testing.assert_close(merged(values, rule), found, atol=1e-7, rtol=1e-6)
    assert list(updating.blocks((3, 5000))) == [slice(0, 1), slice(1, 2), slice(2, 3)]


@few
@given(seeds, st.floats(0.001, 1), st.booleans())
def test_the_threshold_is_exact(seed, density, tied):
    generator = torch.Generator().manual_seed(seed)
    value = torch.randn(300, 60, generator=generator)
    # Many equal magnitudes, zeros among them, leave a sample nothing to tell apart.
    value = value.mul(2).round().div(2) if tied else value
    kept = max(1, int(density * value.numel()))
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("EXACT_ENTRIES", 100), ("SAMPLED_ENTRIES", 500), ("BLOCK_ENTRIES", 600)):
            patch.setattr(updating, name, size)
        found = magnitude_threshold(of_tensor(value), density)
    assert found == value.abs().flatten().sort(descending=True).values[kept - 1].item()


def test_updates_are_what_modules_add():
    base, whole = tensors(2, (9, 4), 1)
    down, up = torch.randn(3, 4), torch.randn(9, 3)
    rows = slice(2, 5)
    close(of_difference(whole, base).rows(rows), (whole - base)[rows])
    close(of_product(down, up, 0.5).rows(rows), (0.5 * up @ down)[rows])
    source = torch.ones(4, 2)
    of_tensor(source).rows(slice(0, 2)).zero_()
    assert torch.equal(source, torch.ones(4, 2)), "a block is a copy"
    assert Update((3, 4), lambda rows: torch.zeros(3, 4)).entries == 12


# LoRA modules.


def lora_module(method: Lora, seed: int, sizes: dict[str, tuple[int, int]], layers: int = 2) -> Module:
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for layer in range(layers):
        for site in method.sites:
            out, into = sizes[site]
            found[layer, site, "lora_A"] = torch.randn(method.rank_at(site), into, generator=generator)
            found[layer, site, "lora_B"] = torch.randn(out, method.rank_at(site), generator=generator)
            if method.bias:
                found[layer, site, "bias"] = torch.randn(out, generator=generator)
    return Module("module", method, "base", found)


SITES = (("query",), ("query", "value"), ("up", "query"))
SIZES = {"query": (24, 20), "value": (12, 20), "up": (40, 24)}


@st.composite
def lora_methods(draw) -> Lora:
    """Any rank, alpha and sites, some sites with their own, with or without biases."""
    sites = draw(st.sampled_from(SITES))
    ranks = {site: draw(st.integers(1, 6)) for site in draw(st.sets(st.sampled_from(sites)))}
    alphas = {site: draw(st.floats(0.5, 32)) for site in draw(st.sets(st.sampled_from(sites)))}
    rank, alpha = draw(st.integers(1, 6)), draw(st.floats(0.5, 32))
    return Lora(rank, alpha, 0.0, sites, draw(st.booleans()), tuple(ranks.items()), tuple(alphas.items()))


LORAS = st.lists(lora_methods(), min_size=1, max_size=4)


def delta(module: Module, layer: int, site: str) -> torch.Tensor:
    """(alpha / rank) B A in float64; zeros where the module does not have the site."""
    method = module.method
    assert isinstance(method, Lora)
    if (layer, site, "lora_A") not in module.tensors:
        return torch.zeros(SIZES[site], dtype=torch.float64)
    down, up = (module.tensors[layer, site, name].double() for name in ("lora_A", "lora_B"))
    assert down.shape[0] == method.rank_at(site)
    return method.alpha_at(site) / method.rank_at(site) * up @ down


def bias_delta(module: Module, layer: int, site: str) -> torch.Tensor:
    """What the module adds to the bias, in float64."""
    return module.tensors.get((layer, site, "bias"), torch.zeros(SIZES[site][0])).double()


def merged_module(modules: list[Module], rule) -> Module:
    first, *others = (module.method for module in modules)
    method = first.merged(others, rule)
    return dataclasses.replace(modules[0], method=method, tensors=merge_modules(modules, rule).tensors)


@few
@given(LORAS, seeds, some_weights)
def test_linear_rules_add_the_updates_of_any_ranks_scales_sites_and_biases(methods, seed, weights):
    modules = [lora_module(each, seed + n, SIZES) for n, each in enumerate(methods)]
    weights = tuple(weights[: len(modules)])
    found = merged_module(modules, Linear(weights))
    method = found.method
    assert isinstance(method, Lora)
    assert method.rank == sum(each.rank for each in methods)
    assert method.bias == any(each.bias for each in methods)
    for layer in range(2):
        for site in method.sites:
            expected = sum(w * delta(module, layer, site) for w, module in zip(weights, modules, strict=True))
            torch.testing.assert_close(delta(found, layer, site), expected, atol=1e-4, rtol=1e-5)
            assert method.rank_at(site) == sum(each.rank_at(site) for each in methods)
            added = sum(w * bias_delta(module, layer, site) for w, module in zip(weights, modules, strict=True))
            close(bias_delta(found, layer, site), added)


@few
@given(lora_methods(), seeds)
def test_one_lora_module_comes_back_bit_for_bit(method, seed):
    module = lora_module(method, seed, SIZES)
    same_rank = () if method.ranks else (SvdRank(method.rank),)
    for rule in (Linear((1.0,)), Ties(1.0), Dare(0.0), MagnitudePruning(1.0), TaskArithmetic(), *same_rank):
        found = merged_module([module], rule)
        assert found.method == module.method
        assert found.tensors.keys() == module.tensors.keys()
        assert all(torch.equal(found.tensors[key], tensor) for key, tensor in module.tensors.items())


NONLINEAR = (Ties(0.3), Dare(0.4), Dare(0.4, 2, Ties(0.3, 0.5)), MagnitudePruning(0.3))


@pytest.mark.parametrize("rule", NONLINEAR)
def test_nonlinear_rules_act_on_the_updates_and_keep_the_nearest_of_the_rank(rule):
    modules = [
        lora_module(Lora(2, 3.0, 0.0, ("query",)), 1, SIZES),
        lora_module(Lora(3, 5.0, 0.0, ("value", "query")), 2, SIZES),
    ]
    result = merge_modules(modules, rule)
    found = merged_module(modules, rule)
    assert found.method == Lora(5, 5.0, 0.0, ("query", "value"))
    kept = total = 0.0
    for layer in range(2):
        for site in ("query", "value"):
            # Masks are drawn for the site, over the update's own shape.
            deltas = [delta(module, layer, site).float() for module in modules]
            whole = combine([of_tensor(each) for each in deltas], rule, (layer, site)).double()
            left, values, right = torch.linalg.svd(whole, full_matrices=False)
            expected = left[:, :5] * values[:5] @ right[:5]
            torch.testing.assert_close(delta(found, layer, site), expected, atol=1e-4, rtol=1e-4)
            kept, total = kept + values[:5].pow(2).sum().item(), total + values.pow(2).sum().item()
    assert result.kept == pytest.approx(kept / total, rel=1e-4)


@few
@given(LORAS, seeds, st.sampled_from([*NONLINEAR, SvdRank(3), SvdRank(2, Ties(0.3))]))
def test_biases_are_merged_as_updates_of_their_own(methods, seed, rule):
    """A module that trained none adds nothing to them, and no rank cuts them."""
    modules = [lora_module(each, seed + n, SIZES) for n, each in enumerate(methods)]
    found = merged_module(modules, rule)
    for layer in range(2):
        for site in found.method.sites:
            key = (layer, site, "bias")
            expected = combine([of_tensor(bias_delta(each, layer, site).float()) for each in modules], rule, key)
            assert torch.equal(found.tensors.get(key, torch.zeros(SIZES[site][0])), expected)
            assert (key in found.tensors) == any(each.bias for each in methods)


@pytest.mark.parametrize("combined", [Linear(), TaskArithmetic(0.5), Ties(0.3)])
def test_svd_rank_is_the_nearest_update_of_the_rank(combined):
    modules = [lora_module(Lora(6, 12.0, 0.0, ("query",)), seed, SIZES) for seed in (1, 2, 3)]
    found, whole = merged_module(modules, SvdRank(4, combined)), merged_module(modules, SvdRank(20, combined))
    assert found.method == Lora(4, 8.0, 0.0, ("query",))
    for layer in range(2):
        left, values, right = torch.linalg.svd(delta(whole, layer, "query"))
        expected = left[:, :4] * values[:4] @ right[:4]
        torch.testing.assert_close(delta(found, layer, "query"), expected, atol=1e-4, rtol=1e-4)


@few
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 9), seeds)
def test_factors_and_products_have_one_nearest(rows, columns, inner, rank, seed):
    up, down = tensors(2, (40, 40), seed)
    up, down = up[:rows, :inner], down[:inner, :columns]
    of_factors, of_dense = nearest_of_factors(down, up, rank), nearest(up @ down, rank)
    assert of_factors.down_KC.shape == of_dense.down_KC.shape == (rank, columns)
    assert of_factors.up_RK.shape == of_dense.up_RK.shape == (rows, rank)
    torch.testing.assert_close(
        of_factors.up_RK @ of_factors.down_KC, of_dense.up_RK @ of_dense.down_KC, atol=1e-3, rtol=1e-3
    )
    assert of_factors.total == pytest.approx((up @ down).pow(2).sum().item(), rel=1e-3)
    assert of_factors.kept <= of_factors.total * (1 + 1e-6)


def test_projections_find_nearly_the_nearest_of_a_large_matrix(monkeypatch):
    left, right = tensors(2, (300, 12), 1)
    noise = 0.5 * tensors(1, (300, 300), 2)[0]
    matrix = left @ right.T + noise
    exact = nearest(matrix, 12)
    monkeypatch.setattr("adaptx.composition.merging.svd.EXACT_SIZE", 100)
    projected = nearest(matrix, 12)
    again = nearest(matrix, 12)
    assert torch.equal(projected.up_RK, again.up_RK)
    assert projected.kept == pytest.approx(exact.kept, rel=1e-4)
    errors = [(matrix - f.up_RK @ f.down_KC).pow(2).sum().item() for f in (exact, projected)]
    assert errors[1] == pytest.approx(errors[0], rel=1e-2)


def test_merged_modules_save_and_reload_to_the_same(tmp_path):
    modules = [
        lora_module(Lora(2, 3.0, 0.0, ("query",)), 1, SIZES),
        lora_module(Lora(3, 5.0, 0.0, ("up", "query"), True, (("up", 5),), (("query", 9.0),)), 2, SIZES),
    ]
    for number, rule in enumerate((Linear((0.3, -0.4)), Ties(0.5), SvdRank(2))):
        found = merged_module(modules, rule)
        folder = tmp_path / str(number)
        folder.mkdir()
        save_module(found, folder)
        again = load_module(folder)
        assert again.method == found.method
        assert again.tensors.keys() == found.tensors.keys()
        assert all(torch.equal(again.tensors[key], tensor) for key, tensor in found.tensors.items())


def test_modules_that_do_not_fit_are_refused():
    method = Lora(2, 2.0, 0.0, ("query",))
    one = lora_module(method, 1, SIZES)
    other = lora_module(method, 1, {"query": (24, 16)})
    with pytest.raises(UserError, match="layer 0, query: updates have shapes"):
        merge_modules([one, other], Linear())
    biased = dataclasses.replace(one, tensors={**one.tensors, (0, "query", "bias"): torch.zeros(24)})
    with pytest.raises(UserError, match="'bias'"):
        merge_modules([biased], Linear())
    adapters = [Module("module", Bottleneck(), "b", {KEY: torch.zeros(size)}) for size in (3, 4)]
    with pytest.raises(UserError, match="has shape"):
        merge_modules(adapters, Linear())


# Whole weights and adapters.


@few
@given(counts, seeds, some_weights, st.sampled_from([Ties(0.4), Dare(0.5), TaskArithmetic(0.8), MagnitudePruning(0.5)]))
def test_whole_weights_are_merged_as_differences_to_their_checkpoint(count, seed, weights, rule):
    base, *wholes = tensors(count + 1, (6, 5), seed)
    modules = [Module("module", Full(), "b", {KEY: whole}) for whole in wholes]
    expected = base + combine([of_tensor(whole - base) for whole in wholes], rule, KEY)
    close(merge_modules(modules, rule, {KEY: base}).tensors[KEY], expected)
    weights = weights[:count]
    expected = base.double() + sum(w * (whole - base).double() for w, whole in zip(weights, wholes, strict=True))
    close(merge_modules(modules, Linear(tuple(weights)), {KEY: base}).tensors[KEY], expected)
    average = torch.stack([whole.double() for whole in wholes]).mean(dim=0)
    close(merge_modules(modules, Linear(), {KEY: base}).tensors[KEY], average)
    for single in (Linear((1.0,)), Ties(1.0), Dare(0.0)):
        assert torch.equal(merge_modules(modules[:1], single, {KEY: base}).tensors[KEY], wholes[0])


@few
@given(counts, seeds, st.sampled_from([Linear(), Ties(0.4), Dare(0.5), MagnitudePruning(0.5)]))
def test_adapters_are_merged_tensor_by_tensor(count, seed, rule):
    keys = [(0, "adapter", "down.weight"), (0, "adapter", "up.bias")]
    parts = [
        dict(zip(keys, (*tensors(1, (3, 8), seed + n), *tensors(1, (8,), seed + n)), strict=True)) for n in range(count)
    ]
    found = merge_modules([Module("module", Bottleneck(), "b", part) for part in parts], rule).tensors
    for key in keys:
        close(found[key], combine([of_tensor(part[key]) for part in parts], rule, key))


# peft's own, where it is right.


def peft_model(modules: list[Module]):
    """A network of one layer with these modules injected by peft, and its layers by site."""
    from peft import LoraConfig, get_peft_model

    network = torch.nn.ModuleDict(
        {site: torch.nn.Linear(SIZES[site][1], SIZES[site][0]) for site in modules[0].method.sites}
    )
    model = None
    for number, module in enumerate(modules):
        method = module.method
        config = LoraConfig(r=method.rank, lora_alpha=method.alpha, target_modules=list(method.sites))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if model is None:
                model = get_peft_model(network, config, adapter_name=str(number))
            else:
                model.add_adapter(str(number), config)
        for site in method.sites:
            layer = model.base_model.model[site]
            with torch.no_grad():
                layer.lora_A[str(number)].weight.copy_(module.tensors[0, site, "lora_A"])
                layer.lora_B[str(number)].weight.copy_(module.tensors[0, site, "lora_B"])
    return model


def peft_deltas(modules: list[Module], kind: str, weights, **more) -> dict[str, torch.Tensor]:
    model = peft_model(modules)
    names = [str(number) for number in range(len(modules))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.add_weighted_adapter(names, list(weights), "merged", combination_type=kind, **more)
    return {site: model.base_model.model[site].get_delta_weight("merged").detach() for site in modules[0].method.sites}


def assert_equals_peft(modules: list[Module], rule, kind: str, weights, **more) -> None:
    found = merged_module(modules, rule)
    for site, expected in peft_deltas(modules, kind, weights, **more).items():
        torch.testing.assert_close(delta(found, 0, site).float(), expected, atol=1e-4, rtol=1e-4)


def alike(count: int, rank: int = 4, alpha: float = 8.0) -> list[Module]:
    return [lora_module(Lora(rank, alpha, 0.0, ("query", "value")), seed, SIZES, layers=1) for seed in range(count)]


def test_linear_equals_pefts_cat():
    mixed = [
        lora_module(Lora(rank, alpha, 0.0, ("query", "value")), rank, SIZES, layers=1)
        for rank, alpha in ((2, 3), (5, 8))
    ]
    for modules, weights in ((alike(3), (0.5, 0.3, 1.2)), (mixed, (0.7, 0.4))):
        assert_equals_peft(modules, Linear(weights), "cat", weights)
    assert_equals_peft(alike(2), Linear(), "cat", (0.5, 0.5))


def test_svd_rank_equals_pefts_svd():
    for rank in (2, 4, 7):
        assert_equals_peft(
            alike(3), SvdRank(rank, TaskArithmetic(1.0, (0.5, 0.3, 1.2))), "svd", (0.5, 0.3, 1.2), svd_rank=rank
        )


def test_ties_equals_pefts_over_updates():
    for density in (0.1, 0.5, 0.999):
        assert_equals_peft(alike(3), SvdRank(6, Ties(density)), "ties_svd", (1, 1, 1), svd_rank=6, density=density)


def test_ties_keeps_every_entry_that_ties_at_the_threshold_where_peft_keeps_a_number():
    """What docs/merging.md says. Which of equal entries peft's topk leaves out is not specified, so only counts are."""
    from peft.utils.merge_utils import prune, ties

    density, ones = 0.4, torch.ones(2)
    tied = [torch.tensor([3.0, 1.0, -1.0, 1.0, 0.5, 0.0]), torch.tensor([0.0, 2.0, 2.0, -2.0, 0.1, 0.2])]
    assert merged(tied, Ties(density)).tolist() == [3.0, 1.5, 2.0, -2.0, 0.0, 0.0]
    kept = [int((merged([each], MagnitudePruning(density)) != 0).sum()) for each in tied]
    theirs = [int((prune(each, density, "magnitude") != 0).sum()) for each in tied]
    assert (kept, theirs) == ([4, 3], [2, 2])
    assert int((ties(tied, ones, density) != 0).sum()) < 4

    # Without ties at the threshold both are the same, and where signs balance (3 and -3) both elect plus.
    apart = [torch.tensor([3.0, 1.0, -1.5, 0.7, 0.5, 0.0]), torch.tensor([-3.0, 2.5, 2.0, -0.2, 0.1, 0.3])]
    close(merged(apart, Ties(0.5)), ties(apart, ones, 0.5))
    assert merged(apart, Ties(0.5))[0] == 3.0


def test_pruning_equals_pefts_over_updates():
    weights = (0.5, -0.3)
    rule = SvdRank(6, MagnitudePruning(0.25, Linear(weights)))
    assert_equals_peft(alike(2), rule, "magnitude_prune_svd", weights, svd_rank=6, density=0.25)


@pytest.mark.parametrize("kind", ["dare_linear_svd", "dare_ties_svd"])
def test_dare_equals_pefts_over_updates_given_its_mask(kind, monkeypatch):
    """peft draws with torch.bernoulli for each module in turn: both are given the same masks."""
    modules = alike(3)
    ties = kind == "dare_ties_svd"
    rule = Dare(0.4, 1, Ties(1.0) if ties else Linear((1.0, 0.5, 0.25)))
    weights = (1, 1, 1) if ties else (1.0, 0.5, 0.25)
    masks = {(site, place): keep_mask(SIZES[site], rule, ((0, site), place, 0)) for site in SIZES for place in range(3)}
    order = iter([masks[site, place] for site in ("query", "value") for place in range(3)])
    # It trims again after dropping, by the same density; here nothing is trimmed.
    with monkeypatch.context() as patch:
        patch.setattr(torch, "bernoulli", lambda *_, **__: next(order).float())
        expected = peft_deltas(modules, kind, weights, svd_rank=8, density=0.6)
    found = merged_module(modules, SvdRank(8, rule))
    for site, each in expected.items():
        torch.testing.assert_close(delta(found, 0, site).float(), each, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "ties", "dare_linear"])
def test_pefts_rules_over_factors_agree_for_one_module(kind):
    """peft's `linear`, `ties` and `dare_linear` merge A and B apart, which is the update's own merge for one module
    alone (with nothing trimmed or dropped): for several the products of one's A with another's B come in.
    """
    rule = {"linear": Linear(), "ties": Ties(1.0), "dare_linear": Dare(0.0)}[kind]
    more = {} if kind == "linear" else {"density": 1.0}
    assert_equals_peft(alike(1), rule, kind, (1.0,), **more)
    both = peft_deltas(alike(2), kind, (0.5, 0.5), **more)
    assert not torch.allclose(both["query"], delta(merged_module(alike(2), Linear()), 0, "query").float(), atol=1e-2)


# Searched weights.


def test_a_greedy_soup_takes_what_does_not_harm():
    values = {(1.0, 0.0, 0.0): 0.5, (0.0, 1.0, 0.0): 0.7, (0.0, 0.0, 1.0): 0.6}
    values |= {(0.0, 0.5, 0.5): 0.7, (1 / 3, 1 / 3, 1 / 3): 0.65}
    found = greedy_soup(values.__getitem__, 3)
    assert (found.weights, found.score) == ((0.0, 0.5, 0.5), 0.7)
    assert [weights for weights, _ in found.tried] == [
        (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.5, 0.5), (1 / 3, 1 / 3, 1 / 3),
    ]  # fmt: skip
    assert greedy_soup(lambda weights: 0.3, 1).weights == (1.0,)


@few
@given(st.integers(1, 5), st.integers(5, 60), seeds)
def test_lora_hub_keeps_to_its_bounds_and_its_scorings(count, evaluations, seed):
    calls = []

    def score(weights):
        calls.append(weights)
        return 1 - sum((weight - 0.8) ** 2 for weight in weights)

    by = LoraHub(evaluations, low=-0.5, high=1.0, regularisation=0.0, seed=seed)
    found = lora_hub(score, count, by)
    assert len(calls) <= evaluations
    assert all(-0.5 <= weight <= 1.0 for weights in calls for weight in weights)
    assert calls[0] == tuple([max(min(1 / count, 1.0), -0.5)] * count)
    assert found.score == max(value for _, value in found.tried)
    assert [weights for weights, _ in found.tried] == calls
    assert lora_hub(score, count, by) == found


def test_lora_hub_comes_near_a_smooth_best():
    aim = (0.9, -0.4, 0.2)
    found = lora_hub(
        lambda w: 1 - sum((a - b) ** 2 for a, b in zip(w, aim, strict=True)), 3, LoraHub(400, regularisation=0.0)
    )
    assert found.weights == pytest.approx(aim, abs=0.1)


def test_lora_hub_prefers_small_weights_among_equals():
    found = lora_hub(lambda _: 0.5, 2, LoraHub(200))
    assert sum(abs(weight) for weight in found.weights) < 0.5
