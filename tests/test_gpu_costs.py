"""What the rest of a plan costs on each GPU type: hours from the work, memory from the largest training."""

import json
from dataclasses import replace

import pytest

from adaptx.catalog import E5_MINI, MT5_SMALL, NLI, UDPOS_R, XLMR_LARGE, XLMR_XXL
from adaptx.catalog.gpus import GPUS, UTILISATION
from adaptx.costs.gpus import ON_A_GPU, gpu_costs
from adaptx.costs.room import needed_bytes
from adaptx.costs.stages import cost, longest_peak_bytes
from adaptx.planning.identity import Identities
from adaptx.planning.plan import Node, make_plan
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Full, Lora, ModelSpec, Recipe, Train, TrainConfig

CONFIG = TrainConfig(learning_rate=1e-3, max_steps=100, precision="bf16", max_length=512)


def nodes(model: ModelSpec, method=None) -> list[Node]:
    stage = Train(model, NLI, method or Lora(), CONFIG)
    return list(make_plan(Recipe("gpu", (Evaluate(stage, NLI, "en"),)), Sources(None)).nodes)


def priced(stages: list[Node]):
    return gpu_costs(stages, {node.fingerprint: cost(node.stage) for node in stages})


def test_hours_are_the_work_over_the_peak_and_the_utilisation() -> None:
    stages = nodes(XLMR_LARGE)
    flops = sum(found.flops for node in stages if (found := cost(node.stage)) is not None)
    for each in priced(stages).each:
        assert each.hours == pytest.approx(flops / (each.gpu.peak_flops_per_second * UTILISATION) / 3600)


def test_peak_memory_is_the_largest_trainings_need_on_a_gpu() -> None:
    stages = nodes(XLMR_LARGE, Full()) + nodes(E5_MINI)
    stage = stages[0].stage
    assert isinstance(stage, Train)
    peak = longest_peak_bytes(stage, ON_A_GPU)
    assert peak is not None
    assert {each.peak_memory_bytes for each in priced(stages).each} == {needed_bytes(peak, "cuda")}


def test_what_fits_only_with_gradient_checkpointing_or_not_at_all() -> None:
    full = {each.gpu.name: each for each in priced(nodes(XLMR_XXL, Full())).each}
    assert {name: each.too_large for name, each in full.items()} == dict.fromkeys(full, 1)
    lora = {each.gpu.name: (each.with_gradient_checkpointing, each.too_large) for each in priced(nodes(XLMR_XXL)).each}
    assert lora["A100 80GB"] == (1, 0)
    assert {(each.with_gradient_checkpointing, each.too_large) for each in priced(nodes(E5_MINI)).each} == {(0, 0)}


def test_what_is_not_known_is_counted_and_named() -> None:
    stage = Train(XLMR_LARGE, UDPOS_R, Lora(), replace(CONFIG, max_steps=None, epochs=1))
    unknown = Node(stage, Identities(Sources(None)).of(stage), ())
    found = priced([unknown, *nodes(E5_MINI)])
    assert found.uncounted == 1
    mt5 = Train(MT5_SMALL, NLI, Lora(), CONFIG)
    if longest_peak_bytes(mt5, ON_A_GPU) is None:
        node = Node(mt5, Identities(Sources(None)).of(mt5), ())
        costs = priced([node])
        assert costs.unpredicted == ("mt5",)
        assert {each.peak_memory_bytes for each in costs.each} == {None}


def test_gpus_have_peaks_without_sparsity_and_sources() -> None:
    peaks = {gpu.name: gpu.peak_flops_per_second / 1e12 for gpu in GPUS}
    assert peaks == {"L4 24GB": 121, "RTX 4090 24GB": 165.2, "A100 80GB": 312, "H100 80GB": 989.5}
    assert all(gpu.source for gpu in GPUS)


@pytest.mark.usefixtures("plans_with_adapters")
def test_plan_prints_them_and_has_them_in_json(tmp_path, capsys) -> None:
    from adaptx.cli.app import app

    recipe = tmp_path / "recipe.py"
    recipe.write_text(
        "from adaptx import Evaluate, Lora, Recipe, Train, TrainConfig\n"
        "from adaptx.catalog import NLI, XLMR_LARGE\n"
        "def build() -> Recipe:\n"
        "    train = Train(XLMR_LARGE, NLI, Lora(), TrainConfig(learning_rate=1e-3, epochs=3))\n"
        "    return Recipe('gpu', tuple(Evaluate(train, NLI, language) for language in NLI.languages))\n"
    )
    base = ["plan", str(recipe), "--store", str(tmp_path / "store")]
    app(base, standalone_mode=False)
    shown = capsys.readouterr().out
    for gpu in GPUS:
        assert gpu.name in shown
    assert "at an assumed 35% of the data sheet's bf16 peak" in shown
    assert "nli in 6 languages" in shown
    app([*base, "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)["gpus"]
    assert [each["name"] for each in found] == [gpu.name for gpu in GPUS]
    assert all(each["hours"] > 0 and each["utilisation"] == UTILISATION for each in found)
    assert all(each["peak_memory_bytes"] > 0 and each["source"] for each in found)
