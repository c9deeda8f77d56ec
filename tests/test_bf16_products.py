"""Products in bf16 as sums in fp32, against float64 sums of the same rounded factors and against torch's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from adaptx.backbones.bf16_products import Bf16Products


def rounded(tensor):
    return tensor.bfloat16().double()


@pytest.fixture
def random():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("leading", [(7,), (2, 3), ()])
def test_a_linear_map_rounds_its_factors_and_its_result_alone(random, leading):
    values, weight, bias = (torch.randn(size, generator=random) for size in ((*leading, 64), (16, 64), (16,)))
    with Bf16Products(), torch.autocast("cpu", torch.bfloat16):
        result = functional.linear(values, weight, bias)
    exact = functional.linear(rounded(values), rounded(weight), rounded(bias))
    assert result.dtype is torch.bfloat16
    torch.testing.assert_close(result.double(), exact, rtol=2**-8, atol=1e-5)


def test_gradients_are_those_of_torchs_own_products(random):
    values, weight, bias = (torch.randn(size, generator=random) for size in ((2, 5, 32), (8, 32), (8,)))

    def gradients(emulated):
        given = [each.clone().requires_grad_() for each in (values, weight, bias)]
        with torch.autocast("cpu", torch.bfloat16):
            if emulated:
                with Bf16Products():
                    result = functional.linear(*given)
            else:
                result = functional.linear(*given)
        result.float().square().sum().backward()
        return [each.grad for each in given]

    for ours, theirs in zip(gradients(True), gradients(False), strict=True):
        assert ours.dtype is torch.float32
        torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2 * float(theirs.abs().max()))


def test_frozen_factors_get_no_gradient(random):
    linear = nn.Linear(8, 4).requires_grad_(False)
    values = torch.randn(3, 8, generator=random, requires_grad=True)
    with Bf16Products(), torch.autocast("cpu", torch.bfloat16):
        linear(values).sum().backward()
    assert values.grad is not None
    assert linear.weight.grad is None


@pytest.mark.parametrize("product", [torch.matmul, lambda a, b: a @ b, torch.bmm])
def test_products_of_batches(random, product):
    a, b = torch.randn(2, 5, 16, generator=random), torch.randn(2, 16, 3, generator=random)
    with Bf16Products(), torch.autocast("cpu", torch.bfloat16):
        result = product(a, b)
    assert result.dtype is torch.bfloat16
    torch.testing.assert_close(result.double(), rounded(a) @ rounded(b), rtol=2**-8, atol=1e-5)


def test_attention(random):
    query, key, value = (torch.randn(2, 4, 9, 8, generator=random) for _ in range(3))
    with Bf16Products(), torch.autocast("cpu", torch.bfloat16):
        result = functional.scaled_dot_product_attention(query, key, value)
    exact = functional.scaled_dot_product_attention(rounded(query), rounded(key), rounded(value))
    assert result.dtype is torch.bfloat16
    torch.testing.assert_close(result.double(), exact, rtol=2**-7, atol=1e-5)


def test_without_autocast_fp32_stays_as_it_is(random):
    values, weight = torch.randn(3, 8, generator=random), torch.randn(4, 8, generator=random)
    with Bf16Products():
        result = functional.linear(values, weight)
    assert torch.equal(result, functional.linear(values, weight))
