"""The one state of the random generators that forward passes done twice and saved states share."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaptx.training.random_state import random_state, set_random_state

CPU = torch.device("cpu")


@given(seed=st.integers(0, 2**31), before=st.integers(0, 9), drawn=st.integers(0, 9))
def test_what_is_drawn_after_it_is_set_back_is_what_was_drawn_after_it_was_taken(seed, before, drawn) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.rand(before)
        states = random_state(CPU)
        first = torch.rand(8)
        torch.rand(drawn)
        set_random_state(states, CPU)
        assert torch.equal(torch.rand(8), first)


@pytest.mark.gpu
def test_a_gpus_generator_is_set_back_too() -> None:
    cuda = torch.device("cuda")
    states = random_state(cuda)
    first = torch.rand(8, device=cuda)
    set_random_state(states, cuda)
    assert torch.equal(torch.rand(8, device=cuda), first)
    # A state that was saved on a CPU leaves the GPU's generator as it is.
    set_random_state(random_state(CPU), cuda)
