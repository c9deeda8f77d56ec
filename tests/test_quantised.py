"""Quantised weights below LoRA: what they take, as predicted without bitsandbytes and as measured with it."""

import csv
import json
from collections.abc import Iterator

import pytest
import torch
from support import needs, tiny
from support.native import measure_native
from torch import nn
from typer.testing import CliRunner

from adaptx.cli.app import app
from adaptx.errors import UserError
from adaptx.methods import quantised
from adaptx.methods.quantised_outline import Outlined4bit, Outlined8bit
from adaptx.planning import support_methods
from adaptx.profiling import bench as benches
from adaptx.profiling import device
from adaptx.profiling.bench import bench
from adaptx.profiling.cell import Cell
from adaptx.profiling.fitting import remedies
from adaptx.profiling.measurement import Measurement
from adaptx.profiling.prediction import predict
from adaptx.profiling.step import make_step
from adaptx.specs import Bottleneck, Full, Lora, ModelSpec, Shape
from adaptx.specs.quantisation import Quantisation

NF4, INT8 = Quantisation.NF4, Quantisation.INT8
# Large enough that the buffers of single kernels, some 100 KB each whatever the size, are a small share.
SHAPES = {
    "bert": Shape("bert", 2, 256, 1_024, 4, 1_000, 512),
    "mt5": Shape("mt5", 1, 256, 512, 4, 1_000, 0, decoder_layers=1, head_size=64, tied=False),
    "qwen3": Shape("qwen3", 2, 256, 1_024, 4, 1_000, 2_048, kv_heads=2, head_size=64),
}
MEASURED = Measurement(
    peak_memory_bytes=1_000_000,
    memory_average_bytes=2,
    memory_99th_bytes=3,
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
GRID = [
    *((name, kind, precision, False)
      for name in ("bert", "qwen3") for kind in Quantisation for precision in ("fp32", "bf16")),
    ("bert", NF4, "fp32", True),
    ("qwen3", INT8, "bf16", True),
    ("mt5", NF4, "bf16", False),
    ("mt5", INT8, "fp32", True),
]  # fmt: skip


def cell(name: str = "bert", kind: Quantisation | None = NF4, method=None, **options) -> Cell:
    shape = SHAPES[name]
    values = {"batch_size": 6, "sequence_length": 40, "precision": "fp32", "device": "cpu", **options}
    return Cell(
        ModelSpec(f"tiny/{name}", shape.architecture.family, shape=shape), method or Lora(), quantised=kind, **values
    )


def linear_maps(name: str) -> list[tuple[int, int]]:
    """(outputs, inputs) of the maps that are stored quantised."""
    shape = SHAPES[name]
    hidden, inner, heads = shape.hidden_size, shape.intermediate_size, shape.heads * shape.size_of_head
    attention = [(heads, hidden), (heads, hidden), (heads, hidden), (hidden, heads)]
    match name:
        case "bert":
            return shape.layers * [*attention, (inner, hidden), (hidden, inner)]
        case "mt5":
            # Its feed-forward's way down stays whole.
            return 3 * attention + 2 * 2 * [(inner, hidden)]
        case _:
            keys = shape.kv_heads * shape.size_of_head
            attention = [(heads, hidden), (keys, hidden), (keys, hidden), (hidden, heads)]
            return shape.layers * [*attention, (inner, hidden), (inner, hidden), (hidden, inner)]


def nf4_bytes(outputs: int, inputs: int) -> int:
    """Two weights a byte, a byte for the scale of 64, fp32 for 256 of these; an offset, tables of 16 and 256 values."""
    weights = outputs * inputs
    scales = -(-weights // 64)
    return -(-weights // 2) + scales + 4 * -(-scales // 256) + 4 + 4 * 16 + 4 * 256


def int8_bytes(outputs: int, inputs: int) -> int:
    return outputs * inputs + 4 * outputs


@pytest.fixture
def without_onednn() -> Iterator[None]:
    """What oneDNN takes as workspace for a product in bf16 depends on the processor, and none of it is predicted."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    yield
    torch._C._set_mkldnn_enabled(before)


@needs.bitsandbytes
@pytest.mark.usefixtures("without_onednn")
@pytest.mark.parametrize(("name", "kind", "precision", "gradient_checkpointing"), GRID)
def test_the_prediction_is_what_torch_allocates(name, kind, precision, gradient_checkpointing) -> None:
    tried = cell(name, kind, precision=precision, gradient_checkpointing=gradient_checkpointing)
    prediction, measured = predict(tried), measure_native(tried)
    assert prediction.peak_memory_bytes == pytest.approx(measured.peak_memory_bytes, rel=0.05)
    assert sum(prediction.parts.values()) == prediction.peak_memory_bytes
    assert prediction.trainable_parameters == measured.trainable_parameters
    assert measured.total_parameters >= SHAPES[name].parameters + measured.trainable_parameters


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", SHAPES)
def test_weights_take_the_bytes_that_they_are_stored_in(name, precision) -> None:
    digits = 4 if precision == "fp32" else 2
    whole, *stored = (
        predict(cell(name, kind, precision=precision)).parts["weights"] for kind in (None, NF4, INT8)
    )  # fmt: skip
    for found, size in zip(stored, (nf4_bytes, int8_bytes), strict=True):
        assert whole - found == sum(digits * n * k - size(n, k) for n, k in linear_maps(name))


@pytest.mark.parametrize(("outputs", "inputs"), [(8, 64), (5, 3), (130, 127)])
def test_a_map_of_any_size_takes_as_many_bytes(outputs, inputs) -> None:
    linear = nn.Linear(inputs, outputs, bias=False)
    for kind, size in ((Outlined4bit, nf4_bytes), (Outlined8bit, int8_bytes)):
        outlined = kind(linear, bf16=True, cuda=False)
        tensors = [*outlined.parameters(), *outlined.buffers()]
        assert sum(tensor.numel() * tensor.itemsize for tensor in tensors) == size(outputs, inputs)


@needs.bitsandbytes
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("kind", Quantisation)
def test_bitsandbytes_holds_those_bytes_and_peft_puts_its_own_lora_over_them(name, kind) -> None:
    from peft.tuners.lora.bnb import Linear4bit, Linear8bitLt

    step = make_step(cell(name, kind), torch.device("cpu"))
    size = nf4_bytes if kind is NF4 else int8_bytes
    few = [parameter for parameter in step.model.parameters() if not parameter.is_floating_point()]
    held = [*few, *quantised.scales(step.model)]
    assert sum(tensor.untyped_storage().nbytes() for tensor in held) == sum(size(*map_) for map_ in linear_maps(name))
    over = [module for module in step.model.modules() if isinstance(module, Linear4bit | Linear8bitLt)]
    assert len(over) == len(step.own) / 2 > 0
    assert {type(layer) for layer in over} == {Linear4bit if kind is NF4 else Linear8bitLt}


@needs.bitsandbytes
@pytest.mark.parametrize("kind", Quantisation)
def test_a_quantised_step_trains(kind) -> None:
    """The gradient comes through quantised weights down to the first layer's module."""
    step = make_step(cell("bert", kind), torch.device("cpu"))
    before = [parameter.detach().clone() for parameter in step.own]
    for _ in range(2):
        step.run()
    assert all(not torch.equal(old, new) for old, new in zip(before, step.own, strict=True))


def test_prediction_does_without_bitsandbytes(monkeypatch) -> None:
    def missing() -> None:
        raise ImportError("bitsandbytes")

    monkeypatch.setattr(quantised, "_library", missing)
    whole, few = (predict(cell(kind=kind, sequence_length=39)) for kind in (None, NF4))
    assert few.peak_memory_bytes < whole.peak_memory_bytes
    assert few.trainable_parameters == whole.trainable_parameters


def test_nf4_keeps_no_inputs_and_int8_does() -> None:
    activations = {
        (kind, device): predict(cell(kind=kind, device=device)).parts["activations"]
        for kind in Quantisation
        for device in ("cpu", "cuda")
    }
    assert activations[NF4, "cpu"] < activations[INT8, "cpu"]
    assert activations[NF4, "cuda"] < activations[INT8, "cuda"]


def test_lora_alone_goes_over_quantised_weights() -> None:
    for method in (Full(), Bottleneck()):
        if needs.at_hand(method):
            with pytest.raises(UserError, match=r"quantised int8 with .*: .* only below LoRA.*; use the method lora"):
                cell(kind=INT8, method=method)
    assert cell(kind=INT8).name == "bert.lora-r8.int8.6x40.fp32"


def test_remedies_store_weights_in_fewer_digits_last() -> None:
    tried = cell(kind=None, precision="bf16", batch_size=1, sequence_length=8)
    least = predict(cell(precision="bf16", batch_size=1, sequence_length=8)).needed_bytes
    (found, *_) = remedies(tried, int(1.05 * least))
    assert found.what == "--quantised nf4"
    assert found.price.startswith("frozen weights with fewer bits")
    assert found.cell.quantised is NF4
    full = cell(
        kind=None, method=Full(), precision="bf16", batch_size=1, sequence_length=8, gradient_checkpointing=True
    )
    assert [each.what for each in remedies(full, int(1.05 * least))] == [
        "--method lora --precision bf16 --gradient-checkpointing --quantised nf4"
    ]
    wide = remedies(full, int(0.9 * predict(full).needed_bytes))
    assert [each.cell.quantised for each in wide] == [None, NF4]


def run(*arguments: str):
    return CliRunner().invoke(app, [*arguments])


def test_the_commands_name_what_is_quantised(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(support_methods, "has_package", lambda _: True)
    small = ("e5-mini", "--batch-size", "1", "--sequence-length", "16")
    found = run(
        "memory", *small, "--method", "full,lora", "--quantised", "none,nf4,int8", "--sweep", str(tmp_path / "sweep")
    )
    assert found.exit_code == 0, found.output
    assert "int8" in found.output
    rows = list(csv.DictReader((tmp_path / "sweep" / "memory.csv").read_text().splitlines()))
    kinds = [("full", "none"), ("lora-r8", "none"), ("lora-r8", "nf4"), ("lora-r8", "int8")]
    assert [(row["method"], row["quantised"]) for row in rows] == kinds
    plain = json.loads(run("memory", *small, "--quantised", "nf4", "--json").output)
    assert (plain["quantised"], plain["cell"]) == ("nf4", "e5-mini.lora-r8.nf4.1x16.bf16")
    assert plain["peak_memory_bytes"] == int(rows[2]["peak_memory_bytes"])


def test_a_bench_records_what_is_quantised(tmp_path, monkeypatch, empty_database) -> None:
    from mlflow import MlflowClient

    monkeypatch.setattr(support_methods, "has_package", lambda _: True)
    monkeypatch.setattr(benches, "run_alone", lambda *_: MEASURED)
    monkeypatch.setattr(device, "look_at", lambda *_: device.Device(None, 2**40, 0, {"bf16": 2e9}))
    store = tiny.new_store(tmp_path / "store", empty_database)
    result = run("bench", "e5-mini", "--method", "lora", "--quantised", "none,nf4", "--device", "cpu",
                 "--sequence-length", "16", "--store", str(store), "--out", str(tmp_path / "o"), "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert [row["quantised"] for row in json.loads(result.stdout)] == ["none", "nf4"]
    client = MlflowClient(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("adaptx-bench").experiment_id])
    assert {run.info.run_name: run.data.params.get("quantised") for run in runs} == {
        "bench of e5-mini": None,
        "e5-mini.lora-r8.8x16.bf16": "none",
        "e5-mini.lora-r8.nf4.8x16.bf16": "nf4",
    }


def test_a_bench_without_bitsandbytes_says_so_before_any_work(monkeypatch) -> None:
    monkeypatch.setattr(support_methods, "has_package", lambda name: name != "bitsandbytes")
    monkeypatch.setattr(device, "look_at", lambda *_: pytest.fail("it has begun to work"))
    result = run("bench", "e5-mini", "--method", "lora", "--quantised", "nf4", "--device", "cpu")
    assert isinstance(result.exception, UserError)
    assert "pip install 'adaptx[quant]'" in str(result.exception)
    (skipped,) = bench([cell()], 2**40)
    assert skipped.measured is None
    assert "pip install 'adaptx[quant]'" in skipped.failed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quantised", "fp4"], "--quantised fp4: choose among none, nf4, int8"),
        (["--method", "full", "--quantised", "nf4"], "quantised nf4 with full"),
        (["--quantised", "none,nf4"], "2 combinations, but only one can be shown; add `--sweep DIR`"),
    ],
)
def test_bad_input_is_told(arguments, message) -> None:
    result = run("memory", "e5-mini", *arguments)
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
