"""The sizes of recipes/model_size.py. A task is followed by its rows and its epochs or steps."""

from dataclasses import replace
from types import SimpleNamespace

from adaptx import Lora
from adaptx.catalog import (
    AMERICAS_NLI, E5_MINI, E5_SMALL, HELLASWAG, MNLI, SNLI, SQUAD, TATOEBA_R, TYDIQA, UDPOS_R, WIKIANN, XCOPA,
    XLMR_BASE, XLMR_LARGE, XLMR_XL, XLMR_XXL, XNLI, XNLI_MORE, XQUAD_12, XTREME_R,
)  # fmt: skip

# XNLI's training rows are MNLI's, and XQuAD's are SQuAD's. No row is in an intermediate task and in a target.
MNLI_FIRST, MNLI_LATER = MNLI.with_training_rows(0, 200_000), XNLI.with_training_rows(200_000, 392_702)
SQUAD_FIRST, SQUAD_LATER = SQUAD.with_training_rows(0, 60_000), XQUAD_12.with_training_rows(60_000, 87_599)
NLI = replace(
    MNLI,
    name="nli",
    evaluation=(
        *XNLI.in_languages("en", "de", "es", "ur").evaluation,
        *XNLI_MORE.in_languages("ko").evaluation,
        *AMERICAS_NLI.in_languages("quy").evaluation,
    ),
)

SIZES = {
    # Epochs and batch of the targets are those of XTREME's scripts where they have the task; LoRA's rates are choices.
    "full": SimpleNamespace(
        models=(XLMR_BASE, XLMR_LARGE, XLMR_XL, XLMR_XXL),
        method=Lora(rank=16, alpha=32, sites=("query", "key", "value", "output", "up", "down")),
        grid=(1e-4, 2e-4, 5e-4),
        settings={"batch_size": 32},
        seeds=(1, 2, 3, 4, 5),
        # HellaSwag has 39,905 rows; the other tasks read as many.
        before={
            MNLI_FIRST: {"limit": 39_905, "epochs": 1},
            SQUAD_FIRST: {"limit": 39_905, "epochs": 1},
            HELLASWAG: {"limit": 39_905, "epochs": 1},
        },
        targets={
            MNLI_LATER: {"limit": 50_000, "epochs": 2},
            XCOPA: {"limit": 50_000, "epochs": 5},
            UDPOS_R: {"limit": 50_000, "epochs": 10},
            WIKIANN: {"limit": 50_000, "epochs": 10},
            SQUAD_LATER: {"limit": 50_000, "epochs": 2},
            TYDIQA: {"limit": 50_000, "epochs": 2},
        },
        test_rows=None,
        retrieved=(TATOEBA_R,),
        suites=(XTREME_R,),
        # (target, intermediate task): its gain in the largest model is compared with that in the smallest.
        contrasts=(("xnli", "mnli"), ("tydiqa", "squad")),
        # The change over sizes of the first pair's gain rather than of the second's.
        between=((("tydiqa", "squad"), ("xnli", "mnli")),),
        # (target, intermediate task, low-resource languages, high-resource languages), by the classes of Joshi et al.
        resources=(("tydiqa", "squad", ("sw", "te"), ("ar", "bn", "fi", "id", "ko", "ru")),),
    ),
    "medium": SimpleNamespace(
        models=(E5_MINI, E5_SMALL),
        method=Lora(),
        grid=(5e-4, 1e-3, 2e-3, 4e-3),
        settings={"batch_size": 16, "dropout": 0.0},
        seeds=(1, 2, 3, 4, 5),
        before={SNLI: {"limit": 3_600, "epochs": 1}},
        targets={NLI: {"limit": 1_600, "epochs": 3}},
        test_rows=450,
        retrieved=(),
        suites=(),
        contrasts=(("nli", "snli"),),
        between=(),
        resources=(),
    ),
}
SIZES["small"] = SimpleNamespace(
    **vars(SIZES["medium"])
    | {
        "models": (E5_MINI.cut(2), E5_MINI),
        "seeds": (1,),
        "grid": (3e-3,),
        "before": {SNLI: {"limit": 48, "epochs": 1}},
        "targets": {NLI: {"limit": 48, "epochs": 1}},
        "test_rows": 30,
    }
)
