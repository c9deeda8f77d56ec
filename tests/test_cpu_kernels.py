"""Kernels of the CPU: dropout of the same distribution as torch's, attention of the same mathematics."""

import contextlib
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from adaptx.backbones import cpu_kernels
from adaptx.backbones.bf16_products import cpu_multiplies_bf16
from adaptx.backbones.cpu_kernels import MOST_KEYS, STEPS, CpuKernels, keep_mask


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 0.5, 0.9])
def test_the_share_kept_and_the_scale_are_right(rate):
    torch.manual_seed(1)
    mask = keep_mask(torch.zeros(400, 1001), rate)
    dropped = round(rate * STEPS) / STEPS
    assert mask.unique().tolist() == [0, pytest.approx(1 / (1 - dropped), rel=1e-6)]
    deviation = math.sqrt(rate * (1 - rate) / mask.numel())
    assert (mask == 0).float().mean().item() == pytest.approx(rate, abs=4 * deviation)
    # The expectation is kept.
    assert mask.double().mean().item() == pytest.approx(1, abs=4 * deviation / (1 - rate))


def test_elements_are_dropped_independently():
    """Four masks come out of one random number: neighbours must not know of each other."""
    torch.manual_seed(2)
    zeros = (keep_mask(torch.zeros(1_000_000), 0.5) == 0).float() - 0.5
    for distance in (1, 2, 3, 4, 5):
        correlation = (zeros[distance:] * zeros[:-distance]).mean().item() / 0.25
        assert abs(correlation) < 5e-3


@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 7), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_mask_has_the_shape_and_type_of_its_tensor(shape, dtype):
    mask = keep_mask(torch.zeros(shape, dtype=dtype), 0.25)
    assert (mask.shape, mask.dtype) == (shape, dtype)


def test_masks_come_from_torchs_generator():
    tensor = torch.ones(50)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, second = keep_mask(tensor, 0.5), keep_mask(tensor, 0.5)
    torch.set_rng_state(state)
    assert torch.equal(keep_mask(tensor, 0.5), first)
    assert torch.equal(keep_mask(tensor, 0.5), second)
    assert not torch.equal(first, second)


def test_the_gradient_is_the_mask():
    torch.manual_seed(4)
    inputs = torch.randn(64, 32, requires_grad=True)
    with CpuKernels():
        output = functional.dropout(inputs, 0.3)
    output.sum().backward()
    assert torch.equal(output, inputs.detach() * inputs.grad)
    assert inputs.grad.unique().tolist() == [0, pytest.approx(1 / 0.7, rel=1e-4)]


def reference_attention(query, key, value, mask, dropout_mask, scale):
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key) * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype is torch.bool else scores + mask
    return torch.einsum("bhqk,bhkd->bhqd", scores.softmax(dim=-1) * dropout_mask, value)


@pytest.mark.parametrize("mask_type", [None, torch.bool, torch.float32])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_with_a_given_mask_is_the_textbooks(mask_type, scale, monkeypatch):
    torch.manual_seed(5)
    query, key, value = (torch.randn(2, 4, 9, 8, requires_grad=True) for _ in range(3))
    attended = torch.rand(2, 1, 9, 9) > 0.3
    attended[..., 0] = True
    mask = {
        None: None,
        torch.bool: attended,
        torch.float32: torch.zeros(2, 1, 9, 9).masked_fill(~attended, -torch.inf),
    }[mask_type]
    dropout_mask = keep_mask(torch.zeros(2, 4, 9, 9), 0.2)
    monkeypatch.setattr(cpu_kernels, "keep_mask", lambda like, rate: dropout_mask)
    with CpuKernels():
        output = functional.scaled_dot_product_attention(query, key, value, mask, dropout_p=0.2, scale=scale)
    expected = reference_attention(query, key, value, mask, dropout_mask, scale or 8**-0.5)
    torch.testing.assert_close(output, expected, atol=1e-6, rtol=1e-5)
    weights = torch.randn_like(output)
    ours = torch.autograd.grad((output * weights).sum(), (query, key, value), retain_graph=True)
    theirs = torch.autograd.grad((expected * weights).sum(), (query, key, value))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_attention_keeps_its_expectation():
    torch.manual_seed(6)
    query, key, value = (torch.randn(1, 2, 6, 8) for _ in range(3))
    with CpuKernels():
        copies = [functional.scaled_dot_product_attention(query, key, value, dropout_p=0.1) for _ in range(2_000)]
    expected = functional.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(torch.stack(copies).mean(dim=0), expected, atol=0.05, rtol=0)


def test_attention_without_dropout_is_torchs_own():
    torch.manual_seed(7)
    query, key, value = (torch.randn(1, 2, 6, 8) for _ in range(3))
    expected = functional.scaled_dot_product_attention(query, key, value)
    state = torch.get_rng_state()
    with CpuKernels():
        assert torch.equal(functional.scaled_dot_product_attention(query, key, value), expected)
    assert torch.equal(torch.get_rng_state(), state)


def test_causal_attention_and_shared_keys_with_dropout_are_the_textbooks(monkeypatch):
    torch.manual_seed(8)
    query = torch.randn(2, 4, 9, 8)
    key, value = (torch.randn(2, 2, 9, 8) for _ in range(2))
    dropout_mask = keep_mask(torch.zeros(2, 4, 9, 9), 0.2)
    monkeypatch.setattr(cpu_kernels, "keep_mask", lambda like, rate: dropout_mask)
    with CpuKernels():
        output = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=0.2, is_causal=True, enable_gqa=True
        )
    each_head_its_own = (tensor.repeat_interleave(2, dim=1) for tensor in (key, value))
    causal = torch.ones(9, 9, dtype=torch.bool).tril()
    expected = reference_attention(query, *each_head_its_own, causal, dropout_mask, 8**-0.5)
    torch.testing.assert_close(output, expected, atol=1e-6, rtol=1e-5)


needs_bf16 = pytest.mark.skipif(not cpu_multiplies_bf16(), reason="this processor has no products in bf16")


@needs_bf16
@pytest.mark.parametrize("precision", ["of tensors", "of autocast"])
@pytest.mark.parametrize(
    "form", ["plain", "causal", "masked", "added", "shared keys", "shared and causal", "other keys", "one query"]
)
def test_short_attention_in_bf16_is_torchs_own(form, precision):
    torch.manual_seed(10)
    dtype = torch.bfloat16 if precision == "of tensors" else torch.float32
    queries = (3, 4, 1 if form == "one query" else 40)
    keys = {"shared": (3, 2, 40), "other": (3, 4, 17)}.get(form.split()[0], (3, 4, 40))
    tensors = [torch.randn(*queries, 16, dtype=dtype), *(torch.randn(*keys, 16, dtype=dtype) for _ in range(2))]
    attended = torch.rand(3, 1, 40, 40) > 0.3
    mask = {"masked": attended, "added": torch.zeros(3, 1, 40, 40, dtype=dtype).masked_fill(~attended, -torch.inf)}
    options = {
        "attn_mask": mask.get(form),
        "is_causal": form.endswith("causal"),
        "enable_gqa": form.startswith("shared"),
    }
    compare_with_torch(tensors, options, autocast=precision == "of autocast")


@needs_bf16
@pytest.mark.parametrize("form", ["plain", "causal", "masked each", "masked alike", "shared keys"])
def test_attention_in_parts_is_that_of_all_at_once(form, monkeypatch):
    torch.manual_seed(14)
    query = torch.randn(5, 4, 24, 16, dtype=torch.bfloat16)
    key, value = (torch.randn(5, 2 if form == "shared keys" else 4, 24, 16, dtype=torch.bfloat16) for _ in range(2))
    mask = torch.rand(5 if form == "masked each" else 1, 1, 24, 24) > 0.3 if form.startswith("masked") else None
    options = {"attn_mask": mask, "is_causal": form == "causal", "enable_gqa": form == "shared keys"}
    found = []
    for scores in (2 * 4 * 24 * 24, 1 << 30):
        monkeypatch.setattr(cpu_kernels, "SCORES", scores)
        with CpuKernels(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            found.append(functional.scaled_dot_product_attention(query, key, value, **options))
        softmaxes = sum(event.count for event in profile.key_averages() if event.key == "aten::_softmax")
        assert softmaxes == (3 if scores < 1 << 30 else 1)
    torch.testing.assert_close(*found, rtol=2**-7, atol=2**-9)


@needs_bf16
@pytest.mark.parametrize("causal", [True, False])
def test_what_all_keys_share_costs_no_precision(causal):
    # Scores of 450, where bf16 goes in steps of 2: the keys' bias of some decoders is of that kind.
    torch.manual_seed(13)
    tensors = [torch.randn(2, 4, 40, 16, dtype=torch.bfloat16) for _ in range(3)]
    query, key, _ = tensors
    query[..., 0] += 44
    key[..., 0] = 41
    compare_with_torch(tensors, {"is_causal": causal}, autocast=False)


def compare_with_torch(tensors, options, autocast):
    """Ours in bf16 with torch's own in fp64."""

    def value_and_gradients(dtype, kernels):
        copies = [tensor.to(dtype, copy=True).requires_grad_() for tensor in tensors]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast and dtype is not torch.float64), kernels:
            output = functional.scaled_dot_product_attention(*copies, **options)
        return output, *torch.autograd.grad(output.double().square().sum(), copies)

    own = tensors[0].dtype
    ours = value_and_gradients(own, CpuKernels())
    torchs = value_and_gradients(own, contextlib.nullcontext())
    assert ours[0].dtype is torch.bfloat16
    assert not torch.equal(ours[0], torchs[0]), "both are the same kernel: nothing was compared"
    if (mask := options.get("attn_mask")) is not None and mask.is_floating_point():
        options = {**options, "attn_mask": mask.double()}
    for one, exact in zip(ours, value_and_gradients(torch.float64, contextlib.nullcontext()), strict=True):
        # bf16 keeps 8 bits; errors of single products average out.
        assert (one.double() - exact).norm() < 0.02 * exact.norm()


@needs_bf16
@pytest.mark.parametrize("inputs", [8, 96, 1_536])
def test_layers_of_bf16_weights_are_torchs_own(inputs):
    torch.manual_seed(12)
    layer = nn.Linear(inputs, 160, dtype=torch.bfloat16)
    states = torch.randn(2, 50, inputs)
    wide = torch.randn(320, dtype=torch.bfloat16)
    for bias in (layer.bias, wide[::2], wide[:1].expand(160), None):
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            expected = functional.linear(states, layer.weight, bias)
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile, CpuKernels():
                output = functional.linear(states, layer.weight, bias)
        assert output.dtype is torch.bfloat16
        torch.testing.assert_close(output, expected, rtol=2**-7, atol=2**-7)
        assert any("_linear_pointwise" in event.key for event in profile.key_averages()) is (bias is not None)


@needs_bf16
def test_layers_whose_gradients_are_wanted_are_left_to_torch():
    layer, inputs = nn.Linear(8, 8, dtype=torch.bfloat16), torch.randn(3, 8, dtype=torch.bfloat16)
    with CpuKernels():
        layer(inputs).sum().backward()
    assert layer.weight.grad is not None


@needs_bf16
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_attends_to_nothing_leaves_no_nan(kind):
    query, key, value = (torch.randn(1, 2, 6, 8, dtype=torch.bfloat16) for _ in range(3))
    attended = torch.ones(1, 1, 6, 6, dtype=torch.bool)
    attended[..., 0, :] = False
    added = torch.zeros(1, 1, 6, 6, dtype=torch.bfloat16).masked_fill(~attended, -torch.inf)
    with CpuKernels():
        output = functional.scaled_dot_product_attention(query, key, value, attended if kind == "bool" else added)
    assert output.isfinite().all()


@needs_bf16
def test_long_attention_and_fp32_are_left_to_torch():
    torch.manual_seed(11)
    long = [torch.randn(1, 2, MOST_KEYS + 1, 8, dtype=torch.bfloat16) for _ in range(3)]
    single = [torch.randn(1, 2, 40, 8) for _ in range(3)]
    for tensors in (long, single):
        expected = functional.scaled_dot_product_attention(*tensors)
        with CpuKernels():
            assert torch.equal(functional.scaled_dot_product_attention(*tensors), expected)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_evaluation_mode_and_the_rates_at_the_ends_are_as_in_torch(rate):
    inputs, layer = torch.randn(40, 30), nn.Dropout(rate)
    with CpuKernels():
        assert torch.equal(layer.eval()(inputs), inputs)
        if rate in (0.0, 1.0):
            assert torch.equal(layer.train()(inputs), inputs * (1 - rate))
        else:
            assert not torch.equal(layer.train()(inputs), inputs)


def test_dropout_in_place_still_writes_in_place():
    inputs = torch.ones(1_000)
    with CpuKernels():
        output = functional.dropout(inputs, 0.5, inplace=True)
    assert output.data_ptr() == inputs.data_ptr()
    assert set(inputs.unique().tolist()) == {0.0, 2.0}


def test_outside_the_block_torch_draws_its_own_masks():
    inputs = torch.ones(100)
    torch.manual_seed(9)
    expected = functional.dropout(inputs, 0.5)
    with CpuKernels():
        pass
    torch.manual_seed(9)
    assert torch.equal(functional.dropout(inputs, 0.5), expected)


def test_attention_in_bf16_keeps_its_type():
    query, key, value = (torch.randn(1, 2, 6, 8, dtype=torch.bfloat16) for _ in range(3))
    with CpuKernels():
        assert functional.scaled_dot_product_attention(query, key, value, dropout_p=0.1).dtype == torch.bfloat16
