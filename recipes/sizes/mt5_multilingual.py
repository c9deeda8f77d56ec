"""The sizes of recipes/mt5_multilingual.py. A task is followed by its rows and its epochs or steps."""

from dataclasses import replace
from types import SimpleNamespace

from adaptx import Full, Lora, Mixture, Schedule, Task, Uniform
from adaptx.catalog import (
    AMERICAS_NLI, E5_MINI, INDONLI, MNLI, MT5_BASE, MT5_LARGE, MT5_SMALL, MT5_ZERO_SHOT, PAWSX, SNLI, TYDIQA, UDPOS,
    XNLI, XNLI_MORE, XQUAD,
)  # fmt: skip


def own_slices(task: Task, name: str, rows_per_language: int) -> Task:
    """Return a task with translated training rows. Each language has other rows, as many as are given."""
    whole = task.with_translated()
    slices = [
        replace(
            rows,
            first=rows_per_language * place,
            stop=rows_per_language * (place + 1),
            expected=rows_per_language,
        )
        for place, rows in enumerate(whole.train)
    ]
    return replace(whole, name=name, train=tuple(slices))


# 49,401 rows in seven languages, all different, as PAWS-X has in English.
PAWSX_ALL = own_slices(PAWSX, "pawsx_multilingual", 49_401 // 7)
TYDIQA_ROWS = tuple(replace(rows, split="train", expected=None) for rows in TYDIQA.evaluation)
TYDIQA_ALL = replace(TYDIQA, name="tydiqa_multilingual", train=TYDIQA_ROWS)

# The target reads the first 4,000 rows of MNLI, and the English mixture the later ones.
NLI = replace(
    MNLI.with_training_rows(0, 4_000),
    name="nli",
    evaluation=(
        *XNLI.in_languages("en", "de", "es", "ur").evaluation,
        *XNLI_MORE.in_languages("ko").evaluation,
        *AMERICAS_NLI.in_languages("aym", "gn", "quy").evaluation,
        *INDONLI.evaluation,
    ),
)
SNLI_INDONLI = Mixture((SNLI, INDONLI), Uniform(), shared_heads=True, label="snli_indonli")
SNLI_MNLI = Mixture((SNLI, MNLI.with_training_rows(4_000, 392_702)), Uniform(), shared_heads=True, label="snli_mnli")

SIZES = {
    # 3e-4 is a rate for AdamW. The 1e-3 of mT5's authors is a rate for AdaFactor.
    "full": SimpleNamespace(
        models=(MT5_SMALL, MT5_BASE, MT5_LARGE),
        method=Full(),
        settings={"batch_size": 32, "schedule": Schedule.CONSTANT, "dropout": 0.1},
        grid=(1e-4, 2e-4, 3e-4),
        seeds=(1, 2, 3, 4, 5),
        before={
            PAWSX: {"limit": 49_401, "epochs": 1},
            PAWSX_ALL: {"limit": 49_401, "epochs": 1},
            TYDIQA: {"limit": 3_696, "epochs": 1},
            TYDIQA_ALL: {"limit": 3_696, "epochs": 1},
        },
        targets={XNLI: {"epochs": 2}, XQUAD: {"epochs": 2}, UDPOS: {"epochs": 3}},
        test_rows=None,
        contrasts={
            "XNLI after PAWS-X in seven languages rather than in English": ("xnli", "pawsx_multilingual", "pawsx"),
            "XQuAD after TyDiQA in nine languages rather than in English": ("xquad", "tydiqa_multilingual", "tydiqa"),
        },
        # Both terms of these contrasts are the first comparison above, in other languages.
        languages={
            "XNLI: this advantage in Indo-European languages, as five of PAWS-X are, rather than in others": (
                ("bg", "el", "hi", "ru", "ur"),
                ("ar", "sw", "th", "tr", "vi"),
            ),
            "XNLI: this advantage in languages without rows rather than in English": (
                ("ar", "bg", "el", "hi", "ru", "sw", "th", "tr", "ur", "vi"),
                ("en",),
            ),
        },
        published=MT5_ZERO_SHOT,
        note="Trained by AdamW at a constant rate; mT5's authors used AdaFactor at 1e-3 with batches of 2^17 tokens.",
    ),
    "medium": SimpleNamespace(
        models=(E5_MINI,),
        method=Lora(),
        settings={"batch_size": 16, "dropout": 0.0},
        grid=(5e-4, 1e-3, 2e-3, 4e-3),
        seeds=(1, 2, 3, 4, 5),
        before={
            SNLI: {"limit": 4_000, "max_steps": 250},
            INDONLI: {"limit": 4_000, "max_steps": 250},
            SNLI_INDONLI: {"limit": 2_000, "max_steps": 250},
            SNLI_MNLI: {"limit": 2_000, "max_steps": 250},
        },
        targets={NLI: {"limit": 1_600, "epochs": 3}},
        test_rows=450,
        contrasts={
            "SNLI and IndoNLI rather than two English tasks": ("nli", "snli_indonli", "snli_mnli"),
            "SNLI and IndoNLI rather than SNLI": ("nli", "snli_indonli", "snli"),
            "SNLI rather than nothing": ("nli", "snli", "none"),
            "IndoNLI rather than SNLI": ("nli", "indonli", "snli"),
        },
        languages={},
        published=(),
        note="An encoder is used in place of mT5.",
    ),
}
SIZES["small"] = SimpleNamespace(
    **vars(SIZES["medium"])
    | {
        "seeds": (1,),
        "grid": (3e-3,),
        "before": {task: {"limit": 48, "max_steps": 3} for task in SIZES["medium"].before},
        "targets": {NLI: {"limit": 48, "epochs": 1}},
        "test_rows": 30,
    }
)
