"""The tidy table: one row per stored evaluation and metric, with its factors and its cost."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from adaptx.catalog.language_facts import language_facts
from adaptx.catalog.languages import find_language, language_name
from adaptx.catalog.pretraining import seen_in_pretraining
from adaptx.planning.plan import Plan
from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.gain import Gain
from adaptx.report.gains.seed_gains import seed_gains
from adaptx.report.results.measured import Measurements, ScoredEvaluation, measure
from adaptx.report.tables.classes import class_records
from adaptx.report.tables.suites import SuiteResult
from adaptx.store.store import Store


def tidy(plan: Plan, store: Store) -> Any:
    """Return the tidy table of a plan as a pandas.DataFrame; `.attrs["missing"]` names evaluations not stored yet."""
    return tidy_frame(measure(plan, store))


def tidy_frame(measurements: Measurements) -> Any:
    """Return the tidy table of the measurements as a pandas.DataFrame."""
    import pandas as pd

    frame = pd.DataFrame(tidy_records(measurements))
    frame.attrs["missing"] = list(measurements.missing)
    return frame


def tidy_records(measurements: Measurements) -> list[dict[str, Any]]:
    """Return the rows of the tidy table as plain JSON values.

    Scores are shares in [0, 1], memory is in bytes, and time in seconds. macro_f1 is None if answers are not labels.
    """
    return [
        _row(measured, metric, score) for measured in measurements.measured for metric, score in measured.scores.items()
    ]


def gains_frame(gains: list[Gain]) -> Any:
    """Return the gains as a pandas.DataFrame with one row per variant and quantity.

    A tuple is written as its items, separated by spaces.
    """
    import pandas as pd

    texts = ("languages", "minus", "by_seed")
    return pd.DataFrame([asdict(each) | {name: _words(getattr(each, name)) for name in texts} for each in gains])


def seed_gains_frame(measurements: Measurements) -> Any:
    """Return the scores and gains of each seed as a pandas.DataFrame, one row per `SeedGain`."""
    import pandas as pd

    frame = pd.DataFrame([asdict(each) for each in seed_gains(measurements)])
    # An untrained checkpoint has no seed. Without a nullable type, pandas would turn the other seeds into floats.
    return frame.astype({"seed": "Int64"})


def contrasts_frame(results: Sequence[ContrastResult]) -> Any:
    """Return the contrasts as a pandas.DataFrame with one row each. A tuple is written as its items, separated by
    spaces.
    """
    import pandas as pd

    texts = ("tasks", "languages", "seeds", "by_seed")
    records = [asdict(each) | {name: _words(getattr(each, name)) for name in texts} for each in results]
    return pd.DataFrame(records)


def classes_frame(measurements: Measurements) -> Any:
    """Return the scores per class as a pandas.DataFrame, one row per stored evaluation and class."""
    import pandas as pd

    return pd.DataFrame(class_records(measurements))


def suites_frame(results: Sequence[SuiteResult]) -> Any:
    """Return the suites' unrounded scores as a pandas.DataFrame, one row per record of `SuiteResult.records`."""
    import pandas as pd

    frame = pd.DataFrame([record for result in results for record in result.records()])
    counts = ["languages_used", "languages_expected"]
    # Averages over tasks have no counts. Without a nullable type, pandas would turn the other counts into floats.
    return frame.astype(dict.fromkeys(counts, "Int64"))


def _words(values: Iterable[object]) -> str:
    return " ".join(map(str, values))


def _row(measured: ScoredEvaluation, metric: str, value: float) -> dict[str, Any]:
    evaluate, factors, record = measured.evaluate, measured.factors, measured.record
    model = evaluate.checkpoint
    known, facts = find_language(evaluate.language), language_facts(evaluate.language)
    own = measured.path[-1] if measured.path else None
    return {
        "model": factors.model,
        "parameters": model.shape.parameters if model.shape else None,
        "body_parameters": model.shape.encoder_parameters if model.shape else None,
        "family": model.family.value,
        "method": factors.method,
        "start": factors.start,
        "intermediate": factors.intermediate,
        "target": factors.target,
        "seed": factors.seed,
        "variant": measured.variant,
        "task": evaluate.task.name,
        "language": evaluate.language,
        "language_name": language_name(evaluate.language),
        "language_family": known.family if known else None,
        "script": facts.script,
        "joshi_class": facts.joshi_class,
        "syntactic_distance": facts.syntactic_distance,
        "seen_in_pretraining": seen_in_pretraining(model, evaluate.language),
        "source_language": measured.is_source_language,
        "metric": metric,
        "value": value,
        "macro_f1": measured.macro_f1,
        "rows_used": record.rows_used,
        "rows_expected": record.rows_expected,
        "tokens_per_word": record.tokens_per_word,
        "unknown_share": record.unknown_share,
        "truncated_share": record.truncated_share,
        "trained_rows": own.rows_used if own else None,
        "trained_rows_expected": own.rows_expected if own else None,
        "path_trained_rows": " > ".join(
            f"{step.train.task.name} {step.rows_used}/{step.rows_expected}" for step in measured.path
        ),
        "trainable_parameters": measured.trainable_parameters,
        "examples_per_second": own.examples_per_second if own else None,
        "intermediate_flops": measured.intermediate_flops,
        "path_flops": measured.path_flops,
        "path_seconds": measured.path_seconds,
        "path_energy_joules": measured.path_energy_joules,
        "path_peak_memory_bytes": measured.peak_memory_bytes,
        "memory_measure": measured.memory_measure,
        "fingerprint": measured.fingerprint,
        "model_fingerprint": measured.model_fingerprint,
        "status": measured.status,
    }
