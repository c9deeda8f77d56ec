"""`adaptx bench`: each cell in a process of its own, its table, plots and MLflow runs."""

import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support import tiny
from typer.testing import CliRunner

from adaptx.cli.app import app
from adaptx.errors import UserError
from adaptx.profiling import bench as benches
from adaptx.profiling import device, measurement
from adaptx.profiling.bench import OUT_OF_MEMORY, bench, run_alone
from adaptx.profiling.cell import Cell
from adaptx.profiling.measurement import Measurement, attempt
from adaptx.profiling.processes import ProcessKilled
from adaptx.specs import Full, Lora, ModelSpec, Shape

SHAPE = Shape("bert", 2, 32, 64, 2, 300, 64)
CONFIG = {
    "model_type": "bert", "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2,
    "vocab_size": 300, "max_position_embeddings": 64,
}  # fmt: skip
MEASURED = Measurement(
    peak_memory_bytes=1_000_000,
    memory_average_bytes=None,
    memory_99th_bytes=None,
    reserved_bytes=None,
    resident_bytes=4,
    step_seconds_p50=0.5,
    step_seconds_p95=0.6,
    examples_per_second=16.0,
    tokens_per_second=256.0,
    train_seconds=2.5,
    load_seconds=0.1,
    trainable_parameters=100,
    total_parameters=200,
    module_bytes=500,
    flops_per_second=1e9,
)


def cell(method=None, **options) -> Cell:
    return Cell(ModelSpec("tiny/bert", shape=SHAPE), method or Lora(), 2, 16, "fp32", device="cpu", **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path / "model"


def test_a_cell_is_measured_in_a_process_of_its_own() -> None:
    measured = run_alone(cell(), steps=2, warmup=1)
    assert isinstance(measured, Measurement)
    (result,) = bench([cell()], 2**40, steps=1, warmup=1)
    assert abs(result.error) < 0.05
    assert measured.trainable_parameters == 2 * 2 * 8 * (32 + 32)
    assert measured.total_parameters > SHAPE.parameters
    assert measured.tokens_per_second == pytest.approx(32 / measured.step_seconds_p50)
    assert measured.step_seconds_p50 <= measured.step_seconds_p95 <= measured.train_seconds


def test_out_of_memory_is_a_result(monkeypatch) -> None:
    (predicted,) = bench([cell(Full())], 1_000)
    assert (predicted.measured, predicted.failed) == (None, f"{OUT_OF_MEMORY}, as predicted")
    monkeypatch.setattr(benches, "alone", ended(ProcessKilled()))
    (killed,) = bench([cell()], 2**40)
    assert killed.failed.startswith(OUT_OF_MEMORY)
    monkeypatch.setattr(benches, "alone", lambda *_, **__: OUT_OF_MEMORY)
    assert run_alone(cell(), 1, 1) == OUT_OF_MEMORY


@pytest.mark.parametrize("words", measurement.WANT_OF_MEMORY)
def test_errors_without_a_class_say_that_memory_is_wanting(monkeypatch, words) -> None:
    monkeypatch.setattr(measurement, "measure", ended(RuntimeError(f"library: {words}.")))
    assert attempt(cell(), 1, 1) == OUT_OF_MEMORY
    monkeypatch.setattr(measurement, "measure", ended(RuntimeError("library: a fault")))
    with pytest.raises(RuntimeError, match="a fault"):
        attempt(cell(), 1, 1)


def test_another_fault_is_an_error_that_names_the_cell(monkeypatch) -> None:
    monkeypatch.setattr(benches, "alone", ended(RuntimeError("a fault")))
    with pytest.raises(RuntimeError, match=r"bert\.lora-r8\.2x16\.fp32: a fault"):
        run_alone(cell(), 1, 1)


def ended(error: Exception):
    def end(*_, **__):
        raise error

    return end


def test_a_device_has_memory_and_a_speed() -> None:
    found = device.look_at("cpu", ["fp32"])
    assert (found.name, found.taken_bytes) == (None, 0)
    assert found.memory_bytes > 2**20
    assert found.matmul_flops_per_second["fp32"] > 1e8
    assert "bf16" not in found.matmul_flops_per_second


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"(?i)cuda"):
        device.look_at("cuda", ["fp32"])


def test_a_modules_bytes_are_those_of_its_file(tmp_path) -> None:
    tensors = {f"layer.{number}": torch.zeros(number, 3) for number in range(1, 12)}
    save_file(tensors, tmp_path / "module.safetensors")
    assert measurement.module_bytes(tensors) == (tmp_path / "module.safetensors").stat().st_size


def test_the_first_step_is_not_measured() -> None:
    with pytest.raises(UserError, match="warmup is 0, but must be at least 1"):
        measurement.measure(cell(), warmup=0)


def test_the_command_writes_a_table_plots_and_mlflow_runs(folder, tmp_path, monkeypatch, empty_database) -> None:
    from mlflow import MlflowClient

    found = iter([MEASURED, OUT_OF_MEMORY])
    monkeypatch.setattr(benches, "run_alone", lambda *_: next(found))
    monkeypatch.setattr(device, "look_at", lambda *_: device.Device(None, 2**40, 0, {"bf16": 2e9}))
    store, to = tiny.new_store(tmp_path / "store", empty_database), tmp_path / "out"
    result = CliRunner().invoke(
        app,
        ["bench", str(folder), "--method", "lora,full", "--batch-size", "2", "--sequence-length", "16", "--device",
         "cpu", "--store", str(store), "--out", str(to), "--json"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    first, second = json.loads(result.stdout)
    assert (first["peak_memory_bytes"], first["matmul_share"], first["failed"]) == (1_000_000, 0.5, None)
    assert (second["method"], second["failed"]) == ("full", OUT_OF_MEMORY)
    # A CPU has no reserve and nothing beside it: columns that nothing fills are not there.
    columns = next(csv.reader((to / "bench.csv").read_text().splitlines()))
    gpu_alone = {"memory_average_bytes", "memory_99th_bytes", "reserved_bytes", "beside_bytes"}
    assert not gpu_alone & {*columns, *first}
    assert {"resident_bytes", "failed", "prediction_error", "load_seconds"} <= set(columns)
    assert [row["method"] for row in csv.DictReader((to / "bench.csv").read_text().splitlines())] == ["lora-r8", "full"]
    plots = {"memory_by_size.png", "speed_by_size.png", "predicted_and_measured.png"}
    assert {path.name for path in to.glob("*.png")} == plots

    client = MlflowClient(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("adaptx-bench").experiment_id])
    (parent,) = [run for run in runs if run.data.tags["adaptx.kind"] == "bench"]
    cells = {run.data.params["method"]: run for run in runs if run is not parent}
    assert {run.data.tags["mlflow.parentRunId"] for run in cells.values()} == {parent.info.run_id}
    measured = cells["lora-r8"]
    assert measured.data.params["precision"] == "bf16"
    assert measured.data.params["quantised"] == "none"
    assert measured.data.params["sequence_length"] == "16"
    assert measured.data.metrics["peak_memory_bytes"] == 1_000_000
    assert measured.data.metrics["parameters"] == SHAPE.parameters
    assert cells["full"].info.status == "FAILED"
    assert {artifact.path for artifact in client.list_artifacts(parent.info.run_id)} == {
        "bench.csv",
        "bench.html",
        *plots,
    }
