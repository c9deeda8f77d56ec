"""The sizes of recipes/scale_1b_7b.py. A task is followed by its rows and its epochs or steps."""

from types import SimpleNamespace

from adaptx import Generate, Lora, Rank, Text
from adaptx.catalog import (
    HELLASWAG, LLAMA3_1B, LLAMA3_3B, LLAMA3_8B, MNLI, QWEN3_1_7B, QWEN3_4B, QWEN3_600M, QWEN3_8B, SMOLLM2_1_7B,
    SMOLLM2_135M, SMOLLM2_360M, SNLI, SQUAD, TYDIQA, WIKIANN, XCOPA, XLMR_XL, XNLI, XQUAD_12, XTREME_R,
)  # fmt: skip
from adaptx.catalog.prompts import ANSWER_FROM_CONTEXT, NLI_YES_NO

ASKED, WRITTEN = Text(NLI_YES_NO, Rank()), Text(ANSWER_FROM_CONTEXT, Generate())
# XNLI's training rows are MNLI's, and XQuAD's are SQuAD's. No row is in an intermediate task and in a target.
MNLI_FIRST, MNLI_LATER = MNLI.with_training_rows(0, 200_000), XNLI.with_training_rows(200_000, 392_702)
SQUAD_FIRST, SQUAD_LATER = SQUAD.with_training_rows(0, 60_000), XQUAD_12.with_training_rows(60_000, 87_599)
EVERY_MAP = Lora(rank=16, alpha=32, sites=("query", "key", "value", "output", "up", "down"))

SIZES = {
    # LoRA's learning rates and the row limits are our own choices: no published setting fixes them for decoders.
    "full": SimpleNamespace(
        models=(
            *(LLAMA3_1B, LLAMA3_3B, LLAMA3_8B),
            *(QWEN3_600M, QWEN3_1_7B, QWEN3_4B, QWEN3_8B),
            *(SMOLLM2_135M, SMOLLM2_360M, SMOLLM2_1_7B),
            XLMR_XL,
        ),
        method=EVERY_MAP,
        grid=(5e-5, 1e-4, 3e-4),
        batch=32,
        seeds=(1, 2, 3, 4, 5),
        # HellaSwag has 39,905 rows; the other tasks read as many.
        before={
            MNLI_FIRST: {"limit": 39_905, "epochs": 1},
            SQUAD_FIRST: {"limit": 39_905, "epochs": 1},
            HELLASWAG: {"limit": 39_905, "epochs": 1},
        },
        targets={
            MNLI_LATER: {"limit": 20_000, "epochs": 1},
            XCOPA: {"limit": 20_000, "epochs": 5},
            WIKIANN: {"limit": 20_000, "epochs": 2},
            SQUAD_LATER: {"limit": 20_000, "epochs": 2},
            TYDIQA: {"limit": 20_000, "epochs": 2},
        },
        # Tasks that decoders also read as a prompt. They rank the answers of NLI, and write those of questions.
        asked={MNLI_FIRST: ASKED, MNLI_LATER: ASKED, SQUAD_FIRST: WRITTEN, TYDIQA: WRITTEN},
        test_rows=1_000,
        suites=(XTREME_R,),
        # The smaller and the larger model of one family, whose gains are compared.
        sizes=((LLAMA3_1B, LLAMA3_8B), (QWEN3_1_7B, QWEN3_8B)),
        # (target, intermediate task); and low- (1) and high-resource (-1) languages of the first (Joshi et al. 2020).
        pairs=(("tydiqa", "squad"), ("xnli", "mnli")),
        resources={1: ("sw", "te"), -1: ("ar", "bn", "fi", "id", "ko", "ru")},
        # The decoders in which reading by a prompt is compared with reading by a head.
        decoders=(LLAMA3_8B, QWEN3_8B),
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
        sizes=(),
        pairs=(("xnli", "snli"),),
        resources={},
        decoders=(SMOLLM2_135M,),
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
