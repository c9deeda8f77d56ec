"""Exact search: equal to sorting all scores, whatever the blocks, the storage and the precision set for training."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adaptx.errors import UserError
from adaptx.metrics.search import BestMatches, exact, sides, top_k, top_k_both

# Small blocks, so that a few hundred rows make several.
SMALL = 200_000


def whole_numbers(rows: int, dimensions: int, seed: int = 0, span: int = 3) -> Tensor:
    """Small whole numbers: their inner products are exact in fp32, and many of them are equal."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-span, span + 1, (rows, dimensions), generator=generator).float()


def by_sorting(queries: Any, candidates: Any, k: int) -> tuple[list[list[float]], list[list[int]]]:
    scores = np.asarray(queries, dtype=np.float32) @ np.asarray(candidates, dtype=np.float32).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1).tolist(), order.tolist()


def listed(found: BestMatches) -> tuple[list[list[float]], list[list[int]]]:
    return found.scores.tolist(), found.indices.tolist()


@pytest.fixture
def blocks_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TILE", "ROW_TILE", "COLUMN_TILE", "MAX_QUERIES", "MAX_CANDIDATES"):
        monkeypatch.setattr(exact, name, 1)
    for name in ("TILE", "READ_ROWS"):
        monkeypatch.setattr(sides, name, 1)


@pytest.fixture
def training_in_bf16() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    with torch.autocast("cpu", torch.bfloat16):
        yield
    torch.set_float32_matmul_precision(before)


SIZES = st.integers(1, 200)


@settings(deadline=None, max_examples=60)
@given(SIZES, SIZES, st.integers(1, 70), st.integers(1, 200), st.integers(1, 3), st.integers(0, 9), st.data())
def test_equal_to_sorting(
    num_queries: int, num_candidates: int, dimensions: int, k: int, span: int, seed: int, data: st.DataObject
) -> None:
    k = min(k, num_candidates)
    least = 4 * 4 * exact.TILE * max(dimensions, exact.TILE)
    memory_bytes = data.draw(st.integers(least, 8 * least))
    queries = whole_numbers(num_queries, dimensions, seed, span)
    candidates = whole_numbers(num_candidates, dimensions, seed + 1, span)
    expected = by_sorting(queries, candidates, k)
    assert listed(top_k(queries, candidates, k, memory_bytes=memory_bytes)) == expected
    back = data.draw(st.integers(1, num_queries))
    forward, backward = top_k_both(queries, candidates, k, candidates_k=back, memory_bytes=memory_bytes)
    assert listed(forward) == expected
    assert listed(backward) == by_sorting(candidates, queries, back)


@pytest.mark.usefixtures("blocks_of_one")
@pytest.mark.parametrize("k", [1, 3, 17])
def test_blocks_of_one_row(k: int) -> None:
    queries, candidates = whole_numbers(19, 4, span=1), whole_numbers(17, 4, seed=1, span=1)
    assert listed(top_k(queries, candidates, k)) == by_sorting(queries, candidates, k)
    forward, backward = top_k_both(queries, candidates, k)
    assert listed(forward) == by_sorting(queries, candidates, k)
    assert listed(backward) == by_sorting(candidates, queries, k)


def test_the_first_of_equal_candidates_wins_across_blocks() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, one = torch.randn(5, 100, generator=generator), torch.randn(1, 100, generator=generator)
    found = top_k(queries, one.repeat(1_001, 1), 7, unit=True, memory_bytes=SMALL)
    assert found.indices.tolist() == [list(range(7))] * 5
    assert (found.scores == found.scores[:, :1]).all()


def test_zero_and_minus_zero_are_equal() -> None:
    candidates = torch.tensor([[-0.0], [0.0], [-0.0], [0.0]])
    assert top_k(torch.tensor([[1.0], [-1.0]]), candidates, 4).indices.tolist() == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize("sign", [1, -1])
def test_candidates_sorted_by_score(sign: int) -> None:
    # In one order every block improves on all before it, in the other none does.
    candidates = sign * torch.arange(1_000.0)[:, None]
    queries = torch.tensor([[1.0], [-2.0], [0.0]])
    assert listed(top_k(queries, candidates, 70, memory_bytes=SMALL)) == by_sorting(queries, candidates, 70)
    _, backward = top_k_both(candidates, queries, 3, memory_bytes=SMALL)
    assert listed(backward) == by_sorting(queries, candidates, 3)


def test_scores_do_not_depend_on_the_budget() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, candidates = torch.randn(333, 48, generator=generator), torch.randn(777, 48, generator=generator)
    found = [
        top_k(queries, candidates, 5, unit=True, centred=True, memory_bytes=size) for size in (SMALL, 2**20, 2**28)
    ]
    for other in found[1:]:
        assert torch.equal(found[0].scores, other.scores)
        assert torch.equal(found[0].indices, other.indices)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_memory_maps(tmp_path: Path, dtype: str) -> None:
    queries, candidates = whole_numbers(70, 33), whole_numbers(500, 33, seed=1)
    for name, values in (("queries", queries), ("candidates", candidates)):
        np.save(tmp_path / name, values.numpy().astype(dtype))
    maps = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("queries", "candidates")]
    assert all(isinstance(one, np.memmap) for one in maps)
    assert listed(top_k(maps[0], maps[1], 9, memory_bytes=SMALL)) == by_sorting(queries, candidates, 9)
    # A part of a map, and what was changed in a private one, are read as they are.
    assert listed(top_k(maps[0][5:9], maps[1][3:], 9)) == by_sorting(queries[5:9], candidates[3:], 9)
    private: Any = np.load(tmp_path / "candidates.npy", mmap_mode="c")
    private[0] = 100
    candidates[0] = 100
    assert listed(top_k(queries, private, 9)) == by_sorting(queries, candidates, 9)
    assert (private[0] == 100).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_multiplied_in_fp32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(rows, 64, generator=generator).to(dtype) for rows in (20, 300))
    found = top_k(queries, candidates, 4)
    expected = queries.double() @ candidates.double().T
    assert found.scores.dtype == torch.float32
    torch.testing.assert_close(found.scores.double(), expected.topk(4).values, rtol=1e-5, atol=1e-5)
    assert torch.equal(found.indices, expected.topk(4).indices)


def test_any_rows_that_can_be_sliced() -> None:
    class Counted:
        """Rows made when they are asked for."""

        shape = (1_000, 2)
        largest = 0

        def __getitem__(self, rows: slice) -> np.ndarray[Any, Any]:
            self.largest = max(self.largest, rows.stop - rows.start)
            numbers = np.arange(1_000)[rows]
            return np.stack((numbers, -numbers), axis=1)

    candidates = Counted()
    assert top_k(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), candidates, 2).indices.tolist() == [[999, 998], [0, 1]]
    assert candidates.largest <= sides.READ_ROWS


@pytest.mark.usefixtures("training_in_bf16")
def test_precision_set_for_training_does_not_reach_scores() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, candidates = torch.randn(64, 512, generator=generator), torch.randn(640, 512, generator=generator)
    expected = (queries.double() @ candidates.double().T).topk(3).values
    rounded = (queries @ candidates.T).double().topk(3).values
    assert not torch.allclose(rounded, expected, rtol=1e-4, atol=1e-4), "this machine does not round to bf16 here"
    torch.testing.assert_close(top_k(queries, candidates, 3).scores.double(), expected, rtol=1e-5, atol=1e-4)
    assert torch.get_float32_matmul_precision() == "medium"


@pytest.mark.parametrize(("unit", "centred"), [(True, False), (False, True), (True, True)])
def test_unit_and_centred_rows(unit: bool, centred: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    both = [torch.randn(rows, 20, generator=generator) + 2 for rows in (150, 400)]
    found = top_k(*both, 5, unit=unit, centred=centred, memory_bytes=SMALL)
    plain = [side.double() for side in both]
    if centred:
        plain = [side - side.mean(0) for side in plain]
    if unit:
        plain = [side / side.norm(dim=1, keepdim=True) for side in plain]
    expected = (plain[0] @ plain[1].T).topk(5)
    torch.testing.assert_close(found.scores.double(), expected.values, rtol=1e-5, atol=1e-5)
    assert torch.equal(found.indices, expected.indices)


def test_a_zero_row_stays_zero() -> None:
    found = top_k(torch.zeros(1, 3), torch.ones(4, 3), 2, unit=True)
    assert listed(found) == ([[0.0, 0.0]], [[0, 1]])


def test_excluded_candidates_are_not_found() -> None:
    queries, candidates = whole_numbers(300, 6, span=1), whole_numbers(300, 6, span=1)
    exclude = [[row, (row * 7) % 300, row] for row in range(300)]
    scores = (queries @ candidates.T).numpy()
    for row, some in enumerate(exclude):
        scores[row, some] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :150]
    found = top_k(queries, candidates, 150, exclude=exclude, memory_bytes=SMALL)
    assert found.indices.tolist() == expected.tolist()


def test_all_but_the_excluded() -> None:
    found = top_k(torch.ones(3, 1), torch.arange(4.0)[:, None], 2, exclude=[[], [3], [3, 0]])
    assert found.indices.tolist() == [[3, 2], [2, 1], [2, 1]]


def test_progress_rises_to_the_number_of_queries() -> None:
    told: list[int] = []
    top_k(whole_numbers(300, 4), whole_numbers(700, 4), 1, memory_bytes=SMALL, advance=told.append)
    assert told == sorted(told)
    assert told[-1] == 300
    assert len(told) > 2


def test_no_queries() -> None:
    found = top_k(torch.zeros(0, 3), torch.ones(4, 3), 2)
    assert found.scores.shape == found.indices.shape == (0, 2)


@pytest.mark.parametrize("k", [0, 5])
def test_more_neighbours_than_candidates(k: int) -> None:
    with pytest.raises(UserError, match=f"k={k} is impossible, because there are 4 candidates"):
        top_k(torch.ones(9, 3), torch.ones(4, 3), k)
    with pytest.raises(UserError, match=f"k={k} is impossible, because there are 4 queries"):
        top_k_both(torch.ones(4, 3), torch.ones(9, 3), 3, candidates_k=k)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("centred", [False, True])
def test_rows_that_have_no_score(bad: float, centred: bool) -> None:
    candidates = torch.ones(400, 3)
    candidates[321, 1] = bad
    with pytest.raises(UserError, match="row 321 of the candidates has norm"):
        top_k(torch.ones(2, 3), candidates, 2, centred=centred, memory_bytes=SMALL)


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        ([[0]], "exclude has 1 lists for 2 queries"),
        ([[0], [4]], r"exclude\[1\] has indices from 4 to 4, but candidates are numbered from 0 to 3"),
        ([[-1], []], r"exclude\[0\] has indices from -1 to -1"),
        ([[], [0, 1, 2]], r"k=2: exclude\[1\] leaves 1 of 4 candidates"),
    ],
)
def test_what_cannot_be_excluded(exclude: list[list[int]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        top_k(torch.ones(2, 3), torch.ones(4, 3), 2, exclude=exclude)


def test_sides_that_do_not_match() -> None:
    with pytest.raises(UserError, match=r"queries of shape \(2, 3\) and candidates of shape \(4, 5\)"):
        top_k(torch.ones(2, 3), torch.ones(4, 5), 1)


def test_a_budget_too_small_names_the_smallest() -> None:
    both = whole_numbers(100, 500), whole_numbers(100, 500, seed=1)
    with pytest.raises(UserError, match="memory_bytes=1000: the smallest blocks need 512000"):
        top_k(*both, 1, memory_bytes=1_000)
    assert listed(top_k(*both, 1, memory_bytes=512_000)) == by_sorting(*both, 1)


MEMORY = """
import sys, numpy as np, torch
from adaptx.metrics.search import top_k_both

def status(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))

sides = [np.load(name, mmap_mode="r") for name in sys.argv[1:3]]
# The BLAS library keeps its own buffers, which grow with the blocks: these are as large as those that follow.
top_k_both(torch.ones(4_096, 256), torch.ones(4_096, 256), 4, memory_bytes=int(sys.argv[3]))
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
top_k_both(*sides, 4, unit=True, memory_bytes=int(sys.argv[3]))
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads Linux's resident set")
def test_memory_stays_within_the_budget(tmp_path: Path) -> None:
    # 128 MiB of scores and 12 MiB of vectors, searched within 8 MiB.
    generator = np.random.default_rng(0)
    for name, rows in (("queries", 4_096), ("candidates", 8_192)):
        np.save(tmp_path / name, generator.standard_normal((rows, 256), dtype=np.float32))
    command = [sys.executable, "-c", MEMORY, *(str(tmp_path / f"{name}.npy") for name in ("queries", "candidates"))]
    budget = 8 * 2**20
    # What is larger than this glibc gives back at once; else what the first search freed would hide some of the second.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**16), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, str(budget)], capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) < budget + 4 * 2**20


@pytest.mark.gpu
def test_on_an_accelerator() -> None:
    queries, candidates = whole_numbers(300, 64), whole_numbers(5_000, 64, seed=1)
    expected = by_sorting(queries, candidates, 9)
    for both in (
        (queries, candidates.cuda()),
        (queries.cuda(), candidates.half()),
        (queries.cuda(), candidates.cuda()),
    ):
        assert listed(top_k(*both, 9, memory_bytes=2**20)) == expected
    _, backward = top_k_both(queries.cuda(), candidates.cuda(), 9, memory_bytes=2**20)
    assert listed(backward) == by_sorting(candidates, queries, 9)
