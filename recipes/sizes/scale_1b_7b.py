"""The sizes of recipes/scale_1b_7b.py. A task is followed by its rows and its epochs or steps."""

from types import SimpleNamespace

from adaptx import Lora, Rank, Text
from adaptx.catalog import (
    HELLASWAG, LLAMA3_1B, LLAMA3_3B, LLAMA3_8B, MNLI, QWEN3_1_7B, QWEN3_4B, QWEN3_8B, SMOLLM2_135M, SNLI, SQUAD,
    TYDIQA, WIKIANN, XCOPA, XLMR_XL, XNLI, XQUAD_12, XTREME_R,
)  # fmt: skip
from adaptx.catalog.prompts import NLI_YES_NO

ASKED = Text(NLI_YES_NO, Rank())
# XNLI's training rows are MNLI's, and XQuAD's are SQuAD's. No row is in an intermediate task and in a target.
MNLI_FIRST, MNLI_LATER = MNLI.with_training_rows(0, 200_000), XNLI.with_training_rows(200_000, 392_702)
SQUAD_FIRST, SQUAD_LATER = SQUAD.with_training_rows(0, 60_000), XQUAD_12.with_training_rows(60_000, 87_599)
EVERY_MAP = Lora(rank=16, alpha=32, sites=("query", "key", "value", "output", "up", "down"))

SIZES = {
    # LoRA's learning rates and the row limits are our own choices: no published setting fixes them for decoders.
    "full": SimpleNamespace(
        models=(LLAMA3_1B, LLAMA3_3B, LLAMA3_8B, QWEN3_1_7B, QWEN3_4B, QWEN3_8B, XLMR_XL),
        method=EVERY_MAP,
        grid=(5e-5, 1e-4, 3e-4),
        batch=32,
        seeds=(1, 2, 3),
        before={
            MNLI_FIRST: {"limit": 50_000, "epochs": 1},
            SQUAD_FIRST: {"limit": 50_000, "epochs": 1},
            HELLASWAG: {"limit": 50_000, "epochs": 1},
        },
        targets={
            MNLI_LATER: {"limit": 20_000, "epochs": 1},
            XCOPA: {"limit": 20_000, "epochs": 5},
            WIKIANN: {"limit": 20_000, "epochs": 2},
            SQUAD_LATER: {"limit": 20_000, "epochs": 2},
            TYDIQA: {"limit": 20_000, "epochs": 2},
        },
        # Tasks that decoders also read as a prompt.
        asked={MNLI_FIRST: ASKED, MNLI_LATER: ASKED},
        test_rows=1_000,
        suites=(XTREME_R,),
        # (target, intermediate task, pairs of a smaller and a larger model of one family)
        contrasts=(
            ("xnli", "mnli", ((LLAMA3_1B, LLAMA3_8B), (QWEN3_1_7B, QWEN3_8B))),
            ("tydiqa", "squad", ((LLAMA3_1B, LLAMA3_8B), (QWEN3_1_7B, QWEN3_8B))),
        ),
        read_both_ways=("xnli", "mnli"),
    ),
    "medium": SimpleNamespace(
        models=(SMOLLM2_135M,),
        method=Lora(),
        grid=(3e-4, 1e-3),
        batch=16,
        seeds=(1, 2, 3, 4, 5),
        before={SNLI: {"limit": 800, "epochs": 1}},
        targets={XNLI.in_languages("en", "de", "es").with_training_rows(0, 4_000): {"limit": 400, "epochs": 2}},
        asked={},
        test_rows=200,
        suites=(),
        contrasts=(),
        read_both_ways=("xnli", "snli"),
    ),
}
SIZES["medium"].asked = dict.fromkeys((*SIZES["medium"].before, *SIZES["medium"].targets), ASKED)
SIZES["small"] = SimpleNamespace(
    **vars(SIZES["medium"])
    | {
        "seeds": (1,),
        "grid": (1e-3,),
        "before": {SNLI: {"limit": 32, "epochs": 1}},
        "targets": {task: {"limit": 32, "epochs": 1} for task in SIZES["medium"].targets},
        "test_rows": 18,
    }
)
