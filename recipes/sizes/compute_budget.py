"""The sizes of recipes/compute_budget.py. A budget is a number of distinct rows and of passes over them."""

from dataclasses import replace
from types import SimpleNamespace

from adaptx import Full, Lora
from adaptx.catalog import AMERICAS_NLI, E5_MINI, INDONLI, MNLI, SNLI, SQUAD, TYDIQA, XLMR_BASE, XNLI, XNLI_MORE

NLI_25 = replace(
    XNLI,
    name="nli_25",
    evaluation=(*XNLI.evaluation, *AMERICAS_NLI.evaluation),
    description="NLI trained on English MNLI, in XNLI's and AmericasNLI's languages",
)
NLI = replace(
    MNLI,
    name="nli",
    evaluation=(
        *XNLI.in_languages("en", "de", "es").evaluation,
        *XNLI_MORE.in_languages("ko").evaluation,
        *INDONLI.evaluation,
        *AMERICAS_NLI.in_languages("aym", "gn", "quy").evaluation,
    ),
)

SIZES = {
    # The rates are around that of XTREME's scripts.
    "full": SimpleNamespace(
        model=XLMR_BASE,
        method=Full(),
        seeds=(1, 2, 3, 4, 5),
        grid=(5e-6, 1e-5, 3e-5),
        batch=32,
        settings={"precision": "bf16"},
        intermediates=(SNLI, SQUAD),
        # (rows, passes, batch size): rows and passes are crossed at one batch size, then batch sizes at one budget.
        budgets=(
            *((rows, passes, 32) for rows in (5_000, 20_000, 80_000) for passes in (1, 4)),
            (80_000, 1, 16),
            (80_000, 1, 256),
        ),
        targets={NLI_25: {"limit": 10_000, "epochs": 3}, TYDIQA: {"epochs": 3}},
        test_rows=None,
        # (intermediate task, target, its low-resource languages)
        contrasts=(("snli", "nli_25", ("aym", "gn", "quy", "sw", "ur")), ("squad", "tydiqa", ("sw", "te", "bn"))),
        # The largest budget is also compared with these, because a gain that peaks has fallen from it.
        middle={"a middle one": (20_000, 1, 32)},
        # The largest budget, the smallest, one of repeated rows, one of as many new rows, and these in large batches.
        named=((80_000, 4, 32), (5_000, 1, 32), (20_000, 4, 32), (80_000, 1, 32), (80_000, 1, 256)),
    ),
    "medium": SimpleNamespace(
        model=E5_MINI,
        method=Lora(),
        seeds=(1, 2, 3, 4, 5),
        grid=(5e-4, 1e-3, 2e-3, 4e-3),
        batch=16,
        settings={"precision": "bf16", "dropout": 0.0},
        intermediates=(SNLI,),
        budgets=((1_000, 1, 16), (4_000, 1, 16), (1_000, 4, 16), (16_000, 1, 16), (4_000, 1, 64)),
        targets={NLI: {"limit": 1_600, "epochs": 3}},
        test_rows=450,
        middle={"the middle one": (4_000, 1, 16)},
        contrasts=(("snli", "nli", ("aym", "gn", "quy")),),
        named=((16_000, 1, 16), (1_000, 1, 16), (1_000, 4, 16), (4_000, 1, 16), (4_000, 1, 64)),
    ),
}
SIZES["small"] = SimpleNamespace(
    **vars(SIZES["medium"])
    | {
        "seeds": (1,),
        "grid": (3e-3,),
        "budgets": ((16, 1, 16), (16, 4, 16), (64, 1, 16), (64, 1, 64)),
        "targets": {NLI: {"limit": 48, "epochs": 1}},
        "test_rows": 30,
        "middle": {},
        "named": ((64, 1, 16), (16, 1, 16), (16, 4, 16), (64, 1, 16), (64, 1, 64)),
    }
)
