"""The cells that `gpu.py` measures, the most informative first: shapes, methods, lengths, precisions, checkpointing."""

import importlib.util
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adaptx.catalog import (
    E5_MINI,
    LLAMA3_1B,
    LLAMA3_3B,
    LLAMA3_8B,
    MT5_BASE,
    MT5_LARGE,
    MT5_SMALL,
    MT5_XL,
    QWEN3_1_7B,
    QWEN3_4B,
    QWEN3_8B,
    QWEN3_600M,
    XLMR_BASE,
    XLMR_LARGE,
    XLMR_XL,
    XLMR_XXL,
)
from adaptx.profiling.cell import Cell
from adaptx.specs import Bottleneck, Full, Lora, Method, ModelFamily, ModelSpec, Precision
from adaptx.specs.quantisation import Quantisation

XLMR, MT5 = (XLMR_BASE, XLMR_LARGE, XLMR_XL, XLMR_XXL), (MT5_SMALL, MT5_BASE, MT5_LARGE, MT5_XL)
QWEN3, LLAMA3 = (QWEN3_600M, QWEN3_1_7B, QWEN3_4B, QWEN3_8B), (LLAMA3_1B, LLAMA3_3B, LLAMA3_8B)
MIDDLE = 1
"""Position of the size that represents its family."""
TOKENS = 4_096
"""Tokens per step, whatever the length of its sequences."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One method over model families, each ordered from the smallest model up.

    needs: packages that may be missing. options: other fields of the method's cells.
    """

    name: str
    method: Method
    families: tuple[tuple[ModelSpec, ...], ...]
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def missing(self) -> list[str]:
        # After adapters is imported, its spec no longer says where it is.
        return [name for name in self.needs if name not in sys.modules and importlib.util.find_spec(name) is None]

    def models(self, sizes: Sequence[int]) -> list[ModelSpec]:
        """Return the models of each family at these places, without those that do not take the method."""
        found = [family[size] for family in self.families for size in sizes if size < len(family)]
        return [each for each in found if each.shape is not None and self.method.shape_refusal(each.shape) is None]


KINDS = (
    Kind(name="full", method=Full(), families=(XLMR, MT5, QWEN3)),
    Kind(name="LoRA", method=Lora(), families=(XLMR, MT5, QWEN3), needs=("peft",)),
    Kind(name="bottleneck", method=Bottleneck(), families=(XLMR, MT5, LLAMA3), needs=("adapters",)),
    Kind(
        name="LoRA over NF4",
        method=Lora(),
        families=(XLMR, MT5, QWEN3),
        needs=("peft", "bitsandbytes"),
        options={"quantised": Quantisation.NF4},
    ),
    Kind(
        name="LoRA over int8",
        method=Lora(),
        families=(XLMR, QWEN3),
        needs=("peft", "bitsandbytes"),
        options={"quantised": Quantisation.INT8},
    ),
)
SMOKE = tuple(
    Kind(name=kind.name, method=kind.method, families=((E5_MINI,),), needs=kind.needs, options=kind.options)
    for kind in KINDS
)


def grid(device: str) -> list[Cell]:
    """Return the cells whose packages are installed: first a middle size of each family, then sizes, then lengths."""
    every = range(4)
    rounds = (
        _round(device, [MIDDLE], [512]),
        _round(device, every, [512]),
        _round(device, [MIDDLE], [128, 2_048]),
        _round(device, [MIDDLE], [512], gradient_checkpointing=True),
        _round(device, [MIDDLE], [512], precision="fp32"),
        _round(device, every, [128, 2_048]),
        _round(device, every, [512], gradient_checkpointing=True),
    )
    return list(dict.fromkeys(itertools.chain.from_iterable(rounds)))


def smoke(device: str) -> list[Cell]:
    """Return a tiny cell of each method, to check that all of them run."""
    return [
        Cell(model, kind.method, 1, 16, device=device, **kind.options)
        for kind in SMOKE
        if not kind.missing
        for model in kind.models([0])
    ]


def left_out(kinds: Sequence[Kind]) -> list[str]:
    """Return one line per kind that is left out because a package is missing."""
    lines: list[str] = []
    for kind in kinds:
        if kind.missing:
            models = ", ".join(model.name for model in kind.models(range(4)))
            lines.append(f"{kind.name} of {models}: needs {', '.join(kind.missing)}, not installed here")
    return lines


def _round(
    device: str,
    sizes: Sequence[int],
    lengths: Sequence[int],
    precision: Precision = "bf16",
    gradient_checkpointing: bool = False,
) -> Iterator[Cell]:
    for length, size, kind in itertools.product(lengths, sizes, KINDS):
        if kind.missing:
            continue
        for model in kind.models([size]):
            # The other families are not made for such lengths, or not used with them.
            if length <= 512 or model.family is ModelFamily.DECODER:
                yield Cell(
                    model, kind.method, TOKENS // length, length, precision, gradient_checkpointing, device=device,
                    **kind.options,
                )  # fmt: skip
