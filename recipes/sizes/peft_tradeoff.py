"""The sizes of recipes/peft_tradeoff.py. A grid of learning rates per method, and one for mixing layers."""

from dataclasses import replace
from types import SimpleNamespace

from adaptx import Bottleneck, Full, Lora
from adaptx.catalog import E5_MINI, MNLI, PAWSX, SIB200, SNLI, SQUAD, TYDIQA, XLMR_BASE, XLMR_LARGE, XNLI, XNLI_MORE

FULL, LORA, BOTTLENECK = Full(), Lora(), Bottleneck()
NLI = replace(
    MNLI,
    name="nli",
    evaluation=(
        *XNLI.in_languages("en", "de", "es").evaluation,
        *XNLI_MORE.in_languages("ko").evaluation,
    ),
)


Terms = tuple[tuple[float, str, str, str], ...]
"""(weight, target, method, start) of each term of a contrast."""


def scores(task: str, first: str, lora: str, bottleneck: str) -> dict[str, Terms]:
    """Return contrasts of scores after an intermediate task, which need no baseline, and one of a share of a gain."""

    def term(weight: float, method: str, start: str) -> tuple[float, str, str, str]:
        return weight, task, method, start

    half = (term(-0.5, "full", first), term(0.5, "full", "none"))
    return {
        f"{task} after {first}: LoRA rather than full fine-tuning": (term(1, lora, first), term(-1, "full", first)),
        f"{task} after {first}: adapters rather than full fine-tuning": (
            term(1, bottleneck, first),
            term(-1, "full", first),
        ),
        f"{task}: the gain of LoRA rather than half of that of full fine-tuning": (
            term(1, lora, first),
            term(-1, lora, "none"),
            *half,
        ),
        f"{task}: the gain of adapters rather than half of that of full fine-tuning": (
            term(1, bottleneck, first),
            term(-1, bottleneck, "none"),
            *half,
        ),
    }


def contrasts(task: str, first: str, lora: str, bottleneck: str) -> dict[str, Terms]:
    """Return the contrasts on one target."""

    def gain(method: str, start: str) -> tuple[tuple[float, str, str, str], ...]:
        return (1.0, task, method, start), (-1.0, task, method, "none")

    lost = tuple((-weight, *rest) for weight, *rest in gain("full", first))
    return {
        f"{task}: the gain of LoRA rather than that of full fine-tuning": (*gain(lora, first), *lost),
        f"{task}: the gain of adapters rather than that of full fine-tuning": (*gain(bottleneck, first), *lost),
        f"{task}: two adapters mixed rather than one continued": (
            (1.0, task, bottleneck, "fuse"),
            (-1.0, task, bottleneck, first),
        ),
        f"{task}: two LoRA modules merged rather than one continued": (
            (1.0, task, lora, "merged"),
            (-1.0, task, lora, first),
        ),
    }


SIZES = {
    # The rates of full fine-tuning are around that of XTREME's scripts. Those of LoRA and adapters are our own choices.
    "full": SimpleNamespace(
        models=(XLMR_BASE, XLMR_LARGE),
        seeds=(1, 2, 3, 4, 5),
        settings={"batch_size": 32},
        # As many rows of each as SQuAD has.
        intermediates={MNLI: {"limit": 87_599, "epochs": 1}, SQUAD: {"limit": 87_599, "epochs": 1}},
        targets={PAWSX: {"limit": 20_000, "epochs": 5}, TYDIQA: {"limit": 20_000, "epochs": 5}},
        grids={FULL: (5e-6, 1e-5, 3e-5), LORA: (1e-4, 2e-4, 5e-4), BOTTLENECK: (5e-5, 1e-4, 3e-4)},
        fusion_grid=(2e-5, 5e-5, 1e-4),
        test_rows=None,
        contrasts=contrasts("pawsx", "mnli", LORA.label, BOTTLENECK.label)
        | contrasts("tydiqa", "squad", LORA.label, BOTTLENECK.label)
        | scores("tydiqa", "squad", LORA.label, BOTTLENECK.label),
        # These differences are also compared between the largest and the smallest model.
        at_sizes=tuple(scores("tydiqa", "squad", LORA.label, BOTTLENECK.label))[:2],
    ),
    "medium": SimpleNamespace(
        models=(E5_MINI,),
        seeds=(1, 2, 3, 4, 5),
        settings={"batch_size": 16, "dropout": 0.0},
        intermediates={SNLI: {"limit": 2_000, "epochs": 1}, SIB200: {"epochs": 2}},
        targets={NLI: {"limit": 1_600, "epochs": 2}},
        grids={
            FULL: (5e-5, 1e-4, 2e-4, 5e-4),
            LORA: (5e-4, 1e-3, 2e-3, 4e-3),
            BOTTLENECK: (5e-4, 1e-3, 2e-3, 4e-3),
        },
        fusion_grid=(3e-4, 1e-3, 3e-3, 1e-2),
        test_rows=300,
        contrasts=contrasts("nli", "snli", LORA.label, BOTTLENECK.label),
        at_sizes=(),
    ),
}
SIZES["small"] = SimpleNamespace(
    **vars(SIZES["medium"])
    | {
        "seeds": (1,),
        "intermediates": {SNLI: {"limit": 64, "epochs": 1}, SIB200: {"limit": 64, "epochs": 1}},
        "targets": {NLI: {"limit": 64, "epochs": 1}},
        "grids": {FULL: (2e-4,), LORA: (3e-3,), BOTTLENECK: (3e-3,)},
        "fusion_grid": (1e-3,),
        "test_rows": 30,
    }
)
