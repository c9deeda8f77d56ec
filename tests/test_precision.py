"""Which precisions there are, why fp16 is none, and what is said where bf16 brings no speed."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.native import native_step
from typer.testing import CliRunner

from adaptx.backbones import bf16_products, recomputing
from adaptx.catalog import E5_MINI, SNLI
from adaptx.cli.app import app
from adaptx.errors import UserError
from adaptx.execution import local
from adaptx.execution.schedule import Summary
from adaptx.planning.identity import Identities
from adaptx.planning.plan import Status
from adaptx.profiling.cell import Cell
from adaptx.profiling.step import make_step
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Linear, Lora, Merge, NoHead, Train, TrainConfig
from adaptx.store.store import Store

REASON = "fp16 holds no number above 65,504"


def config(**options: Any) -> TrainConfig:
    return TrainConfig(learning_rate=1e-3, max_steps=1, **options)


def test_a_spec_in_fp16_is_refused_with_the_reason():
    for make in (lambda: config(precision="fp16"), lambda: Evaluate(E5_MINI, SNLI, "en", precision="fp16")):
        with pytest.raises(UserError, match=f"{REASON}.*use bf16"):
            make()
    with pytest.raises(UserError, match="write precision='fp32' or 'bf16'"):
        config(precision="fp8")


@pytest.mark.parametrize(
    "command",
    [
        ["run", "recipes/quickstart.py", "--data", "sample"],
        ["plan", "recipes/quickstart.py", "--data", "sample"],
        ["memory", "google/mt5-small"],
        ["bench", "google/mt5-small", "--device", "cpu"],
    ],
)
def test_a_command_in_fp16_is_refused_with_the_reason(command, tmp_path, monkeypatch):
    monkeypatch.setenv("ADAPTX_STORE", str(tmp_path))
    found = CliRunner().invoke(app, [*command, "--precision", "fp16"])
    assert found.exit_code != 0
    assert isinstance(found.exception, UserError)
    assert f"--precision fp16: {REASON}" in str(found.exception)


class Notes:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def train(precision: str) -> Train:
    return Train(E5_MINI, SNLI, Lora(), config(precision=precision))


HALF, WHOLE = train("bf16"), train("fp32")
BF16_STAGES = {
    "training": [WHOLE, HALF],
    "evaluation": [Evaluate(HALF, SNLI, "en")],
    "bare checkpoint": [Evaluate(E5_MINI, SNLI, "en", precision="bf16")],
    "many": [HALF, Evaluate(HALF, SNLI, "en")],
}
OTHER_STAGES = {
    "fp32": [WHOLE, Evaluate(E5_MINI, SNLI, "en")],
    "evaluation in fp32": [Evaluate(HALF, SNLI, "en", precision="fp32")],
    "merge without search": [Merge((HALF, dataclasses.replace(HALF, limit=5)), Linear(), NoHead())],
}


def said(
    stages: list[Any], device: str, has_instructions: bool, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> list[str]:
    """What a run of these stages notes, none of which is carried out."""
    nodes = [
        SimpleNamespace(stage=stage, fingerprint=str(n), inputs=(), kind="train") for n, stage in enumerate(stages)
    ]
    to_do = dict.fromkeys((n.fingerprint for n in nodes), Status.TO_DO)
    recipe = SimpleNamespace(name="bf16", evaluations=())
    plan: Any = SimpleNamespace(
        recipe=recipe, nodes=nodes, modules=(), statuses=lambda *_: to_do, identities=Identities(Sources(None))
    )
    shop: Any = SimpleNamespace(store=Store(folder), device=torch.device(device), sources=Sources(None))
    monkeypatch.setattr(local, "check_rows", lambda *_, **__: [])
    monkeypatch.setattr(local, "store_contents", lambda *_, **__: None)
    monkeypatch.setattr(local, "set_aside_damaged", lambda *_, **__: None)
    monkeypatch.setattr(
        local, "StageSchedule", lambda *_, **__: SimpleNamespace(carry_out=lambda *_: None, summary=Summary())
    )
    monkeypatch.setattr(local, "cpu_multiplies_bf16", lambda: has_instructions)
    notes: Any = Notes()
    local.run(plan, shop, notes, keep=True)
    return notes.lines


@pytest.mark.parametrize("stages", BF16_STAGES.values(), ids=BF16_STAGES)
def test_a_run_in_bf16_says_once_that_this_processor_has_no_instructions(stages, monkeypatch, tmp_path):
    (line,) = said(stages, "cpu", has_instructions=False, monkeypatch=monkeypatch, folder=tmp_path)
    assert "computed in fp32, which is no faster than" in line


@pytest.mark.parametrize("stages", OTHER_STAGES.values(), ids=OTHER_STAGES)
def test_other_runs_say_nothing_of_it(stages, monkeypatch, tmp_path):
    assert said(stages, "cpu", has_instructions=False, monkeypatch=monkeypatch, folder=tmp_path) == []


def test_where_there_are_instructions_or_a_gpu_nothing_is_said(monkeypatch, tmp_path):
    assert said([HALF], "cpu", has_instructions=True, monkeypatch=monkeypatch, folder=tmp_path) == []
    assert said([HALF], "cuda", has_instructions=False, monkeypatch=monkeypatch, folder=tmp_path) == []


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
@pytest.mark.parametrize("has_instructions", [False, True])
def test_measured_steps_compute_in_fp32_where_there_are_no_instructions(
    has_instructions, gradient_checkpointing, monkeypatch
):
    for module in (bf16_products, recomputing):
        monkeypatch.setattr(module, "cpu_multiplies_bf16", lambda: has_instructions)
    tried = Cell(E5_MINI, Lora(), 1, 8, "bf16", gradient_checkpointing, device="cpu")
    for make, wanted in ((make_step, not has_instructions), (native_step, False)):
        step = make(tried, torch.device("cpu"))
        seen: list[bool] = []

        def forward(step=step, seen=seen):
            seen.append(bf16_products.emulating())
            return step.forward()

        dataclasses.replace(step, forward=forward).run()
        assert seen == [wanted]
