"""Published scores with which reproductions are compared."""

from adaptx.specs import PublishedScore

REPRODUCTION_BAND = 0.015
"""Two publications of the scores of Phang et al. 2020 differ by up to 1.5 points."""

_PHANG = (
    "Phang et al. 2020, English Intermediate-Task Training Improves Zero-Shot Cross-Lingual Transfer Too, "
    "arXiv:2005.13013: XTREME test scores as later papers print them"
)
_MT5 = "Xue et al. 2021, mT5, arXiv:2010.11934, zero-shot"
_MT5_README = (
    "the README of github.com/google-research/multilingual-t5, zero-shot (the final version of the mT5 paper, "
    "arXiv:2010.11934, prints other numbers: Large 69.9, XXL 80.8 F1)"
)


def _xlmr_percent(task: str, metric: str, without: float, best: float) -> tuple[PublishedScore, PublishedScore]:
    first, second = (
        PublishedScore(
            model="xlm-roberta-large",
            task=task,
            metric=metric,
            with_intermediate=after,
            value=value / 100,
            source=_PHANG,
            band=REPRODUCTION_BAND,
        )
        for after, value in ((False, without), (True, best))
    )
    return first, second


PHANG_2020 = (
    *_xlmr_percent("xnli", "accuracy", 79.2, 80.0),
    *_xlmr_percent("pawsx", "accuracy", 86.4, 87.9),
    *_xlmr_percent("udpos", "tag_f1", 73.8, 74.9),
    *_xlmr_percent("panx", "entity_f1", 65.4, 64.0),
    *_xlmr_percent("xquad", "f1", 76.6, 78.7),
    *_xlmr_percent("xquad", "exact_match", 60.8, 63.3),
    *_xlmr_percent("mlqa", "mlqa_f1", 71.6, 72.4),
    *_xlmr_percent("mlqa", "mlqa_exact_match", 53.2, 53.7),
    *_xlmr_percent("tydiqa", "f1", 65.1, 76.0),
    *_xlmr_percent("tydiqa", "exact_match", 45.0, 59.5),
)


def _mt5_percent(task: str, metric: str, source: str, *values: float) -> tuple[PublishedScore, ...]:
    sizes = ("small", "base", "large", "xl", "xxl")
    return tuple(
        PublishedScore(
            model=f"mt5-{size}",
            task=task,
            metric=metric,
            with_intermediate=False,
            value=value / 100,
            source=source,
            band=REPRODUCTION_BAND,
        )
        for size, value in zip(sizes, values, strict=True)
    )


MT5_ZERO_SHOT = (
    *_mt5_percent("xnli", "accuracy", _MT5, 67.5, 75.4, 81.1, 82.9, 85.0),
    *_mt5_percent("tydiqa", "f1", _MT5_README, 36.4, 59.1, 68.4, 77.8, 82.0),
)
"""Zero-shot scores of mT5. They have the band of XLM-R's scores, because no band is known for mT5."""
