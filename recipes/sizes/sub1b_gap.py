"""The sizes of recipes/sub1b_gap.py. An intermediate task is followed by its rows and its epochs or steps."""

from dataclasses import replace
from types import SimpleNamespace

from adaptx import Lora, Mixture, Weighted
from adaptx.catalog import (
    COMMONSENSEQA, E5_MINI, HELLASWAG, MNLI, PANX, PAWSX, SIB200, SNLI, SQUAD, TYDIQA, UDPOS,
    XLMR_BASE, XLMR_LARGE, XNLI, XNLI_MORE,
)  # fmt: skip

NLI = replace(
    MNLI,
    name="nli",
    evaluation=(*XNLI.in_languages("en", "de", "es").evaluation, *XNLI_MORE.in_languages("ko").evaluation),
)
TOPICS = SIB200.in_languages("en", "id", "ko", "sw", "gn", "quy", "hi", "tr", "hun_Latn", "vie_Latn")
# XNLI's training rows are MNLI's, so the intermediate task and the target read different ones.
FIRST_ROWS, LATER_ROWS = MNLI.with_training_rows(0, 200_000), XNLI.with_training_rows(200_000, 392_702)


def mixture(*tasks, shares: tuple[float, ...], label: str) -> Mixture:
    return Mixture(tasks, Weighted(shares), label=label)


SIZES = {
    # The targets' epochs and batch size are those of XTREME's scripts. LoRA's rates and the row limits are our choices.
    "full": SimpleNamespace(
        models=(XLMR_BASE, XLMR_LARGE),
        method=Lora(rank=16, alpha=32),
        grid=(1e-4, 2e-4, 5e-4),
        settings={"batch_size": 32},
        passage_tokens=384,
        seeds=(1, 2, 3, 4, 5),
        before={
            FIRST_ROWS: {"limit": 100_000, "max_steps": 3_125},
            FIRST_ROWS.with_shuffled_labels(): {"limit": 100_000, "max_steps": 3_125},
            SQUAD: {"limit": 30_000, "max_steps": 938},
            HELLASWAG: {"limit": 25_000, "max_steps": 782},
            # In all as many tokens as one task alone, and of each as many as alone.
            mixture(FIRST_ROWS, SQUAD, HELLASWAG, shares=(4, 1.2, 1), label="multi"): {
                "limit": 33_000,
                "max_steps": 1_615,
            },
            mixture(FIRST_ROWS, SQUAD, HELLASWAG, shares=(4, 1.2, 1), label="multi_of_each"): {
                "limit": 100_000,
                "max_steps": 4_845,
            },
        },
        targets={
            LATER_ROWS: {"limit": 50_000, "epochs": 2},
            PAWSX: {"limit": 50_000, "epochs": 5},
            UDPOS: {"limit": 50_000, "epochs": 10},
            PANX: {"limit": 50_000, "epochs": 10},
            TYDIQA: {"limit": 50_000, "epochs": 2},
        },
        test_rows=None,
        # PAWS-X has no rows like those of an intermediate task.
        contrasts=(("xnli", ("mnli", "squad", "hellaswag")), ("pawsx", ("mnli", "squad", "hellaswag"))),
    ),
    "medium": SimpleNamespace(
        models=(E5_MINI,),
        method=Lora(),
        grid=(5e-4, 1e-3, 2e-3, 4e-3),
        settings={"batch_size": 16, "dropout": 0.0},
        passage_tokens=256,
        seeds=(1, 2, 3, 4, 5),
        before={
            SNLI: {"limit": 3_600, "epochs": 1},
            SQUAD: {"limit": 600, "epochs": 1},
            COMMONSENSEQA: {"limit": 900, "epochs": 1},
            mixture(SNLI, SQUAD, COMMONSENSEQA, shares=(12, 2, 3), label="multi"): {"limit": 1_200, "max_steps": 106},
            mixture(SNLI, SQUAD, COMMONSENSEQA, shares=(12, 2, 3), label="multi_of_each"): {
                "limit": 3_600,
                "max_steps": 319,
            },
        },
        targets={NLI: {"limit": 1_600, "epochs": 3}, TOPICS: {"epochs": 3}},
        test_rows=500,
        contrasts=(("nli", ("snli", "squad", "commonsenseqa")),),
    ),
}
SIZES["small"] = SimpleNamespace(
    **vars(SIZES["medium"])
    | {
        "seeds": (1,),
        "grid": (3e-3,),
        "before": {task: {"limit": 64, "epochs": 1} for task in SIZES["medium"].before},
        "targets": {task: {"limit": 64, "epochs": 1} for task in SIZES["medium"].targets},
        "test_rows": 30,
    }
)
