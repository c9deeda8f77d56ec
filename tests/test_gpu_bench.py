"""The GPU's benchmark: which cells come first, the time limit, its table; all of it once on the CPU."""

import json
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import gpu_grid
import gpu_run
from gpu_grid import KINDS, Kind, grid, left_out
from gpu_run import CELL_SECONDS, predict_all, run
from gpu_table import NOT_RUN, page, summary, write

from adaptx.catalog import XLMR_BASE
from adaptx.planning import support_methods
from adaptx.profiling.bench import NOT_TRIED, OUT_OF_MEMORY, Result, run_alone
from adaptx.profiling.cell import Cell
from adaptx.profiling.device import look_at
from adaptx.profiling.measurement import Measurement
from adaptx.profiling.prediction import Prediction, predict
from adaptx.specs import Bottleneck, Full, Lora, ModelSpec, Shape

ROOT = Path(__file__).parents[1]
BLOCKED = ("peft", "adapters", "bitsandbytes", "typer", "rich", "mlflow", "datasets", "pandas", "matplotlib", "pyarrow",
           "psutil", "sklearn", "scipy", "accelerate")  # fmt: skip
# As if these packages, and adaptx itself, were not installed: neither their modules nor their versions are found.
SITE = f"""
import os
import sys
from importlib.machinery import PathFinder

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in {BLOCKED!r} else PathFinder.find_spec(name, path, target)

    @staticmethod
    def find_distributions(context):
        return [] if context.name in {(*BLOCKED, "adaptx")!r} else PathFinder.find_distributions(context)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
given = os.environ["PYTHONPATH"].split(os.pathsep)
sys.path[:] = [place for place in sys.path if place != {str(ROOT)!r} or place in given]
"""
MEASURED = Measurement(
    peak_memory_bytes=10 * 2**30,
    memory_average_bytes=2**30,
    memory_99th_bytes=2**30,
    reserved_bytes=11 * 2**30,
    resident_bytes=2**30,
    step_seconds_p50=0.5,
    step_seconds_p95=0.625,
    examples_per_second=16.0,
    tokens_per_second=256.0,
    train_seconds=2.5,
    load_seconds=0.1,
    trainable_parameters=1_000,
    total_parameters=2_000,
    module_bytes=2**20,
    flops_per_second=1e12,
    beside_bytes=2**29,
)
SETTING = {
    "device": "NVIDIA Test 80GB", "memory_bytes": 80 * 2**30, "taken_bytes": 2**29,
    "matmul_flops_per_second": {"bf16": 4e12, "fp32": 1e12},
    "command": "python benchmarks/gpu.py", "date": "2026-01-01", "left_out": ["x: needs y"],
    "machine": {"cpu": "a CPU", "cores": 8, "python": "3.11", "versions": {"torch": "2.11"}},
}  # fmt: skip


@pytest.fixture
def all_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_grid.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(support_methods, "has_package", lambda _: True)


def cell(method=None, **options) -> Cell:
    shape = Shape("bert", 2, 32, 64, 2, 300, 64)
    return Cell(ModelSpec("tiny/bert", shape=shape), method or Full(), 2, 16, "bf16", device="cpu", **options)


def predicted(size: int) -> Prediction:
    return Prediction(
        peak_memory_bytes=size, context_bytes=0, parts={}, moment="backward", trainable_parameters=1_000, seconds=0.1
    )


def test_the_most_telling_cells_come_first(all_packages) -> None:
    cells = grid("cuda")
    assert len(cells) == len(set(cells)) > 100
    assert [(each.shape.model_type, type(each.method), each.quantised_name) for each in cells[:14]] == [
        ("xlm-roberta", Full, "none"), ("mt5", Full, "none"), ("qwen3", Full, "none"),
        ("xlm-roberta", Lora, "none"), ("mt5", Lora, "none"), ("qwen3", Lora, "none"),
        ("xlm-roberta", Bottleneck, "none"), ("mt5", Bottleneck, "none"), ("llama", Bottleneck, "none"),
        ("xlm-roberta", Lora, "nf4"), ("mt5", Lora, "nf4"), ("qwen3", Lora, "nf4"),
        ("xlm-roberta", Lora, "int8"), ("qwen3", Lora, "int8"),
    ]  # fmt: skip
    rounds = [
        key
        for key, _ in groupby(
            (each.sequence_length == 512, each.precision, each.gradient_checkpointing) for each in cells
        )
    ]
    assert rounds == [
        (True, "bf16", False), (False, "bf16", False), (True, "bf16", True), (True, "fp32", False),
        (False, "bf16", False), (True, "bf16", True),
    ]  # fmt: skip
    plain = [each for each in cells if each.sequence_length == 512 and each.precision == "bf16"]
    names = {each.model.name for each in plain if not each.gradient_checkpointing}
    assert {"xlm-roberta-xxl", "mt5-xl", "Qwen3-8B-Base", "Llama-3.1-8B"} < names
    assert len(names) == 15
    assert {each.sequence_length for each in cells if each.shape.model_type == "qwen3"} == {128, 512, 2_048}
    assert all(each.batch_size * each.sequence_length == gpu_grid.TOKENS for each in cells)


def test_what_needs_a_missing_package_is_left_out_by_name(monkeypatch) -> None:
    monkeypatch.setattr(gpu_grid.importlib.util, "find_spec", lambda name: None)
    for package in ("peft", "adapters", "bitsandbytes"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    assert {type(each.method) for each in grid("cuda")} == {Full}
    lora, bottleneck, four_bits, _ = left_out(KINDS)
    assert lora.startswith("LoRA of xlm-roberta-base, xlm-roberta-large,")
    assert lora.endswith("Qwen3-8B-Base: needs peft, not installed here")
    assert "xlm-roberta-xl," in bottleneck
    assert four_bits.endswith("needs peft, bitsandbytes, not installed here")


def test_a_kind_may_set_further_fields_of_its_cells(monkeypatch) -> None:
    kind = Kind(name="micro-batches", method=Full(), families=(gpu_grid.QWEN3,), options={"micro_batch_size": 1})
    monkeypatch.setattr(gpu_grid, "KINDS", (kind,))
    assert {each.micro_batch_size for each in grid("cuda")} == {1}


def test_cells_end_with_the_time_and_none_is_dropped() -> None:
    cells = [cell(gradient_checkpointing=each) for each in (False, True)] + [
        cell(Lora()),
        cell(Lora(), gradient_checkpointing=True),
    ]
    predictions = {cells[0]: predicted(10), cells[1]: predicted(10), cells[2]: predicted(10**9)}
    left = iter([100.0, 5.0])
    given: list[float] = []

    def measure(cell: Cell, prediction: Prediction, seconds: float) -> Result:
        given.append(seconds)
        return Result(cell, prediction, MEASURED)

    results = list(run(cells, predictions, 10**6, lambda: next(left), measure))
    assert [result.cell for result in results] == cells
    assert [result.failed for result in results] == [None, NOT_RUN, NOT_TRIED, NOT_RUN]
    assert given == [CELL_SECONDS]


@pytest.mark.parametrize(
    ("error", "left", "failed"),
    [
        (TimeoutError("not done after 60 s"), 100.0, "not done after 60 s"),
        (TimeoutError("not done after 20 s"), 20.0, NOT_RUN),
        (RuntimeError("Traceback\nValueError: odd"), 100.0, "fault: ValueError: odd\nTraceback\nValueError: odd"),
    ],
)
def test_a_cell_that_ends_badly_does_not_end_the_others(error, left, failed) -> None:
    def measure(*_) -> Result:
        raise error

    (result,) = run([cell()], {cell(): predicted(10)}, 10**6, lambda: left, measure)
    assert result.failed == failed


def test_predictions_end_with_their_time_and_faults_are_told(monkeypatch) -> None:
    assert predict_all([cell()], 0.0, "forkserver") == {}
    found = predict_all([cell()], 100.0, "forkserver")
    assert found[cell()].peak_memory_bytes > 0
    monkeypatch.setattr(gpu_run, "predict", abs)
    assert predict_all([cell()], 100.0, "forkserver")[cell()].startswith("fault in the prediction: TypeError")


def test_the_table_and_its_summary(tmp_path) -> None:
    first, second = cell(), cell(Lora(), gradient_checkpointing=True)
    results = [
        Result(first, predicted(12 * 2**30), MEASURED),
        Result(second, predicted(10 * 2**30), MEASURED),
        Result(first, predicted(90 * 2**30), None, NOT_TRIED),
        Result(first, predicted(70 * 2**30), None, OUT_OF_MEMORY),
        Result(first, None, None, NOT_RUN),
        Result(first, predicted(2**30), None, "fault: a | b\nTraceback"),
        Result(first, predicted(2**30), None, "not done after 60 s"),
    ]
    assert summary(results) == (
        f"2 of 7 cells measured; largest error +20.0 % ({first.name}); 1 above the goal of 10 %; 1 out of memory, as "
        "predicted, and not tried; 1 out of memory, though predicted to fit; 1 not run, because the time was over; "
        "1 ended by a fault; 1 ended otherwise"
    )
    text = page(SETTING, results)
    rows = [line for line in text.splitlines() if line.startswith("| bert")]
    assert rows[1] == (
        "| bert | lora-r8 | 2 | 16 | bf16 | yes | 10.00 | 10.00 | +0.0 % | 11.00 | 0.50 | 500 | 625 | 16.0 | 256 "
        "| 25 % | 1,000 | 1.0 |"
    )
    assert len(rows) == 6
    assert len({row.count("|") for row in rows}) == 1
    assert f"Not run, because the time was over (1): {first.name}." in text
    assert "Left out: x: needs y." in text
    files = write(SETTING, results, tmp_path / "results")
    assert [file.name for file in files] == ["memory-gpu-nvidia-test-80gb.json", "memory-gpu-nvidia-test-80gb.md"]
    record = json.loads(files[0].read_text())
    assert [each["failed"] for each in record["cells"]] == [result.failed for result in results]
    assert record["cells"][0]["error"] == pytest.approx(0.2)


def command(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "sitecustomize.py").write_text(SITE)
    program = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    return subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)


def test_it_runs_from_a_plain_checkout_with_torch_and_transformers_alone(tmp_path) -> None:
    ended = command(tmp_path, "--smoke", "--steps", "1", "--out", str(tmp_path / "out"))
    assert ended.returncode == 0, ended.stderr
    assert "1 of 1 cells measured" in ended.stdout
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"memory-gpu-cpu.json", "memory-gpu-cpu.md"}
    record = json.loads((tmp_path / "out" / "memory-gpu-cpu.json").read_text())
    assert set(record["machine"]["versions"]) == {"torch", "transformers"}
    (only,) = record["cells"]
    assert (only["method"], only["failed"]) == (Full().label, None)
    assert abs(only["error"]) < 0.1
    assert record["left_out"][:2] == [
        "LoRA of e5-mini: needs peft, not installed here", "bottleneck of e5-mini: needs adapters, not installed here",
    ]  # fmt: skip
    assert len(record["left_out"]) == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_without_a_gpu_it_says_so(tmp_path) -> None:
    ended = command(tmp_path)
    assert ended.returncode == 1
    assert "no CUDA device" in ended.stderr
    assert "--smoke" in ended.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("method", [Full(), Lora()])
def test_on_a_gpu_the_prediction_is_near_what_torch_allocates(method) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    tried = Cell(XLMR_BASE, method, 8, 128, "bf16", device="cuda")
    measured = run_alone(tried, steps=3, warmup=2)
    assert isinstance(measured, Measurement)
    assert predict(tried).peak_memory_bytes == pytest.approx(measured.peak_memory_bytes, rel=0.1)
    assert measured.reserved_bytes >= measured.peak_memory_bytes
    assert 0 < measured.beside_bytes < look_at("cuda").memory_bytes
