"""Compare training a fusion over three modules with the adapters library's AdapterTrainer: speed and memory on the CPU.

    python benchmarks/fusion.py --model DIR [--data DIR|sample] [--out FILE]
    python benchmarks/fusion.py --smoke       # only checks that it runs; its numbers mean nothing

Settings and measurements are those of `training.py`. The fused modules have their initial weights; the mixing layers
and a head train on SNLI. The library can only fuse bottleneck adapters, so fusions of LoRA have no counterpart there.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import training
from training import BATCH_SIZE, MAX_LENGTH, Clock, Setup

MODULES = 3
VARIANTS = {
    "a": "AdapterTrainer, fusion of adapters (fp32, random batches, adamw_torch)",
    "b": "AdapterTrainer at its best (bf16, group_by_length, fused AdamW)",
    "c": "adaptx, fusion of adapters, attention",
    "c-gate": "adaptx, fusion of adapters, gate",
    "c-lora": "adaptx, fusion of LoRA, attention",
    "c-lora-16": "adaptx, fusion of LoRA, attention of rank 16",
    "c-lora-gate": "adaptx, fusion of LoRA, gate",
}
LEARNING_RATE = 5e-5


def prepare_adaptx(setup: Setup) -> Callable[[Clock], float]:
    """Prepare a fusion as `adaptx run` trains it, over modules trained for one step at almost no rate."""
    import dataclasses

    import torch

    from adaptx.catalog import SNLI
    from adaptx.catalog.models import find_model
    from adaptx.execution.train import execute_train
    from adaptx.execution.workshop import Workshop
    from adaptx.planning.identity import Identities
    from adaptx.planning.plan import Node
    from adaptx.sources.sources import Sources
    from adaptx.specs import Attention, Bottleneck, Fuse, Gate, Lora, Resources, Train, TrainConfig
    from adaptx.store.store import Store
    from adaptx.training.progress import Silent

    method = Lora(rank=8, alpha=16) if "lora" in setup.variant else Bottleneck()
    rule = Gate() if "gate" in setup.variant else Attention(rank=16 if "16" in setup.variant else None)
    config = TrainConfig(
        learning_rate=LEARNING_RATE,
        max_steps=setup.warmup + setup.steps,
        batch_size=BATCH_SIZE,
        seed=setup.seed,
        precision="bf16",
        warmup=0.0,
        max_length=MAX_LENGTH,
    )
    model = find_model(setup.model)
    short = [dataclasses.replace(config, learning_rate=1e-9, max_steps=1, seed=seed) for seed in range(MODULES)]
    modules = tuple(Train(model, SNLI, method, each, limit=BATCH_SIZE) for each in short)
    stage = Train(model, SNLI, method, config, Fuse(modules, rule), limit=setup.rows)
    sources = Sources(setup.data)
    identities = Identities(sources)

    def train(clock: Clock) -> float:
        with tempfile.TemporaryDirectory() as folder:
            shop = Workshop(
                store=Store(folder),
                sources=sources,
                fingerprint_of=lambda train: identities.of(train).fingerprint,
                resources=Resources(device="cpu"),
                device=torch.device("cpu"),
            )
            for module in modules:
                execute_train(Node(module, identities.of(module), ()), shop, Silent())
            execute_train(Node(stage, identities.of(stage), ()), shop, clock)
        return statistics.fmean(clock.losses)

    return train


def reference_model(setup: Setup) -> Any:
    """Return a classifier with three labels over fused adapters, as in the library's own examples."""
    import torch
    from adapters import AutoAdapterModel, SeqBnConfig
    from adapters.composition import Fuse

    model: Any = AutoAdapterModel.from_pretrained(setup.model, dtype=torch.float32)
    names = [f"module{number}" for number in range(MODULES)]
    for name in names:
        model.add_adapter(name, config=SeqBnConfig())
    model.add_adapter_fusion(names)
    model.add_classification_head("snli", num_labels=3)
    model.set_active_adapters(Fuse(*names))
    model.train_adapter_fusion(Fuse(*names))
    return model


def measure(setup: Setup) -> dict[str, Any]:
    """Measure one variant in this process."""
    ours = setup.variant.startswith("c")
    return training.measure(
        setup, prepare_adaptx(setup) if ours else training.prepare_reference(setup, reference_model)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model folder (default: the packaged e5-mini)")
    parser.add_argument("--data", default="sample", help="a local mirror, or `sample` for the packaged rows (default)")
    parser.add_argument("--steps", type=int, default=50, help="timed steps (default 50)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of all variants (default 3)")
    parser.add_argument("--out", type=Path, help="write all measurements to this file as JSON")
    parser.add_argument("--smoke", action="store_true", help="2 steps, 1 round: only checks that it runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(Setup(**json.loads(arguments.measure)))))
        return
    if min(arguments.steps, arguments.repeats) < 1:
        parser.error("--steps and --repeats are at least 1")
    # The reference uses the trainer and the library of the method `bottleneck`.
    arguments.method = "bottleneck"
    training.compare(arguments, VARIANTS, __file__)


if __name__ == "__main__":
    main()
