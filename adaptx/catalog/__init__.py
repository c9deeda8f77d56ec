"""What is known without running anything: models, tasks, languages, and what can be combined."""

from adaptx.catalog.languages import LANGUAGES, language_name
from adaptx.catalog.methods import METHODS, find_method
from adaptx.catalog.models import E5_MINI, E5_SMALL, MBERT, MODELS, XLMR_BASE, XLMR_LARGE, find_model
from adaptx.catalog.tasks import (
    AMERICAS_NLI,
    INDONLI,
    KLUE_NLI,
    MNLI,
    NLI,
    SIB200,
    SNLI,
    TASKS,
    TATOEBA,
    find_task,
)

__all__ = [
    "AMERICAS_NLI",
    "E5_MINI",
    "E5_SMALL",
    "INDONLI",
    "KLUE_NLI",
    "LANGUAGES",
    "MBERT",
    "METHODS",
    "MNLI",
    "MODELS",
    "NLI",
    "SIB200",
    "SNLI",
    "TASKS",
    "TATOEBA",
    "XLMR_BASE",
    "XLMR_LARGE",
    "find_method",
    "find_model",
    "find_task",
    "language_name",
]
