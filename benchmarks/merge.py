"""Compare merging LoRA modules of a large model with peft's add_weighted_adapter: seconds and peak memory.

    python benchmarks/merge.py [--sites default|all] [--out FILE]     # five modules of rank 16 in Qwen3-8B's shape
    python benchmarks/merge.py --variants linear ties                 # only these rows
    python benchmarks/merge.py --smoke                                # a small shape: does it run?

Modules are random, so nothing is downloaded. Each variant runs in a process of its own. README.md in this folder says
what is measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training import ENVIRONMENT, machine

# Set before torch is imported, because its OpenMP reads them only once.
os.environ.update({**ENVIRONMENT, **os.environ})

import torch

from adaptx.catalog import E5_MINI, QWEN3_8B
from adaptx.composition.merging.modules import merge_modules
from adaptx.methods.module import Module, load_module, save_module
from adaptx.profiling.peak_memory import peak_memory
from adaptx.specs import Dare, Linear, Lora, MergeRule, Shape, SvdRank, Ties
from adaptx.specs.linear_maps import SITES, with_companions

MODULES = 5
RANK = 16
OURS: dict[str, MergeRule] = {
    "linear": Linear(),
    "svd to rank 16": SvdRank(RANK),
    "ties": Ties(0.2),
    "ties, svd to rank 16": SvdRank(RANK, Ties(0.2)),
    "dare": Dare(0.9),
}
# peft's `ties` merges the factors A and B separately, another rule. `ties_svd` is TIES of the updates, like ours.
PEFT = {"cat": {}, "ties": {"density": 0.2}, "ties_svd": {"density": 0.2, "svd_rank": MODULES * RANK}}
VARIANTS = (*OURS, *(f"peft {kind}" for kind in PEFT))
PEFT_LAYERS = {"ties_svd": 1}
"""Number of layers on which slow kinds are timed; the times are multiplied up, because all layers would take hours."""


@dataclass(frozen=True)
class Setup:
    """The settings of one measuring process.

    folder: folder of the modules, with one sub-folder per module.
    """

    variant: str
    folder: str
    smoke: bool
    sites: tuple[str, ...]

    @property
    def shape(self) -> Shape:
        shape = (E5_MINI if self.smoke else QWEN3_8B).shape
        assert shape is not None
        return shape


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The result of one measuring process.

    seconds: wall time of the merge for all layers. processor_seconds: its processor time, which other work on the
    machine changes less. peak_bytes: peak of the resident set above the level before the modules are loaded.
    """

    variant: str
    seconds: float
    processor_seconds: float
    peak_bytes: int
    layers: int
    note: str = ""


def write_modules(setup: Setup) -> None:
    """Write random modules whose updates are about as large as after training."""
    generator = torch.Generator().manual_seed(1)
    method = Lora(RANK, 2.0 * RANK, 0.0, setup.sites)
    for number in range(MODULES):
        tensors = {}
        for layer in range(setup.shape.layers):
            for site, (into, out) in _maps(setup).items():
                tensors[layer, site, "lora_A"] = torch.randn(RANK, into, generator=generator) / into**0.5
                tensors[layer, site, "lora_B"] = torch.randn(out, RANK, generator=generator) * 1e-2
        folder = Path(setup.folder) / str(number)
        folder.mkdir()
        save_module(Module("module", method, "random", tensors), folder)


def _maps(setup: Setup) -> dict[str, tuple[int, int]]:
    maps = setup.shape.linear_maps
    return {site: maps[site] for site in with_companions(setup.sites) if site in maps}


def measure(setup: Setup) -> Measurement:
    if setup.variant.startswith("peft "):
        return _measure_peft(setup, setup.variant.removeprefix("peft "))
    rule = OURS[setup.variant]
    with peak_memory(torch.device("cpu")) as peak:
        began, worked = time.perf_counter(), time.process_time()
        modules = [load_module(Path(setup.folder) / str(number)) for number in range(MODULES)]
        merged = merge_modules(modules, rule)
        first, *others = (module.method for module in modules)
        method = first.merged(others, rule)
        target = Path(setup.folder) / setup.variant.replace(" ", "-")
        target.mkdir()
        save_module(replace(modules[0], method=method, tensors=merged.tensors), target)
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
    note = "" if merged.kept is None else f"{100 * merged.kept:.1f} % of the squared norm kept"
    return Measurement(
        variant=setup.variant,
        seconds=seconds,
        processor_seconds=worked,
        peak_bytes=peak.peak_bytes,
        layers=setup.shape.layers,
        note=note,
    )


def _measure_peft(setup: Setup, kind: str) -> Measurement:
    """Measure peft layer by layer, so a whole model's weights are not needed; only add_weighted_adapter is timed."""
    modules = [load_module(Path(setup.folder) / str(number)) for number in range(MODULES)]
    layers = min(PEFT_LAYERS.get(kind, setup.shape.layers), setup.shape.layers)
    seconds, worked, most = 0.0, 0.0, 0
    for layer in range(layers):
        model = _peft_layer(setup, modules, layer)
        names = [str(number) for number in range(MODULES)]
        with warnings.catch_warnings(), peak_memory(torch.device("cpu")) as peak:
            warnings.simplefilter("ignore")
            began, before = time.perf_counter(), time.process_time()
            model.add_weighted_adapter(names, [1 / MODULES] * MODULES, "merged", combination_type=kind, **PEFT[kind])
            seconds, worked = seconds + time.perf_counter() - began, worked + time.process_time() - before
        most = max(most, peak.peak_bytes)
    scale = setup.shape.layers / layers
    note = f"timed on {layers} of {setup.shape.layers} layers" if scale > 1 else ""
    return Measurement(
        variant=setup.variant,
        seconds=seconds * scale,
        processor_seconds=worked * scale,
        peak_bytes=most,
        layers=layers,
        note=f"{note}; memory is one layer's".lstrip("; "),
    )


def _peft_layer(setup: Setup, modules: list[Module], layer: int) -> Any:
    from peft import LoraConfig, get_peft_model

    maps = _maps(setup)
    network = torch.nn.ModuleDict({site: torch.nn.Linear(*sizes, bias=False) for site, sizes in maps.items()})
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=list(maps), init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: Any = get_peft_model(network, config, adapter_name="0")
        for number in range(1, len(modules)):
            model.add_adapter(str(number), config)
    with torch.no_grad():
        for number, module in enumerate(modules):
            for site in maps:
                found = model.base_model.model[site]
                for name in ("lora_A", "lora_B"):
                    getattr(found, name)[str(number)].weight.copy_(module.tensors[layer, site, name])
    return model


def run(setup: Setup, variants: Sequence[str]) -> Iterator[Measurement]:
    """Run each variant in a process of its own."""
    write_modules(setup)
    for variant in variants:
        given = json.dumps(asdict(replace(setup, variant=variant)))
        command = [sys.executable, __file__, "--one", given]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        yield Measurement(**json.loads(ended.stdout.splitlines()[-1]))


def table(found: list[Measurement], setup: Setup, load: tuple[float, float]) -> str:
    """Return the results as Markdown."""
    where = machine()
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    rows = [
        f"| {m.variant} | {m.seconds:.1f} | {m.processor_seconds:.1f} | {m.peak_bytes / 2**20:,.0f} | {m.note} |"
        for m in found
    ]
    return "\n".join(
        [
            f"{MODULES} LoRA modules of rank {RANK}, {setup.shape.layers} layers, sites {', '.join(_maps(setup))}",
            "",
            "| merge | seconds | processor seconds | peak MiB above the level before | |",
            "|:--|--:|--:|--:|:--|",
            *rows,
            "",
            f"{where['cpu']}, {where['cores']} cores, load average before {load[0]:.1f} and after {load[1]:.1f}; "
            f"Python {where['python']}, {versions}",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", choices=("default", "all"), default="default", help="query and value, or all sites")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS, help="only these (default all)")
    parser.add_argument("--out", type=Path, help="write all measurements to this file as JSON")
    parser.add_argument("--smoke", action="store_true", help="a small shape: only checks that it runs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        given = json.loads(arguments.one)
        found = measure(Setup(**{**given, "sites": tuple(given["sites"])}))
        print(json.dumps(asdict(found)))
        return
    sites = SITES if arguments.sites == "all" else Lora().sites
    before, results = os.getloadavg()[0], []
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup("", folder, arguments.smoke, sites)
        for each in run(setup, arguments.variants):
            results.append(each)
            print(f"{each.variant}: {each.seconds:.1f} s", file=sys.stderr, flush=True)
    print(table(results, setup, (before, os.getloadavg()[0])))
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
