"""A stored training on the user's own rows: predictions, and a score where they are labelled."""

from pathlib import Path
from typing import Any

import numpy as np

from adaptx.data.examples import Examples
from adaptx.data.files import read_file
from adaptx.errors import UserError
from adaptx.evaluation import Evaluator, golds
from adaptx.execution.building import Finished, Workshop, choose_device, finished_model
from adaptx.formats import classification
from adaptx.metrics import METRICS
from adaptx.sources import Sources
from adaptx.specs import Classification, Resources, Train
from adaptx.specs.plain import from_plain
from adaptx.store import Entry, Store

RESAMPLES = 10_000


def predict_file(store: Store, sources: Sources, name: str, file: Path, resources: Resources) -> list[dict[str, Any]]:
    """One record a row: its row number, the most probable label and every label's probability.

    Raises:
        UserError: no such stage or file, missing columns, weights that are no longer there.
    """
    train, shop = _open(store, sources, name, resources)
    examples = read_file(file, train.task, labelled=False)
    probabilities, labels = _probabilities(train, shop, examples)
    return [
        {
            "row": row,
            "prediction": labels[int(np.argmax(shares))],
            "probabilities": dict(zip(labels, shares, strict=True)),
        }
        for row, shares in zip(examples.rows, probabilities, strict=True)
    ]


def score_file(store: Store, sources: Sources, name: str, file: Path, resources: Resources) -> dict[str, Any]:
    """The task's metrics on labelled rows, each with a 95 % bootstrap interval over rows.

    Raises:
        UserError: as `predict_file`, and for a label outside the label set.
    """
    train, shop = _open(store, sources, name, resources)
    examples = read_file(file, train.task, labelled=True)
    probabilities, labels = _probabilities(train, shop, examples)
    predictions = [labels[int(np.argmax(shares))] for shares in probabilities]
    gold = golds(examples, train.task.format)
    scores: dict[str, Any] = {"task": train.task.name, "rows_used": len(examples), "metrics": {}, "intervals": {}}
    for metric in train.task.metrics:
        values = METRICS[metric](predictions, gold)
        draws = np.random.default_rng(1).choice(values, size=(RESAMPLES, len(values))).mean(axis=1)
        scores["metrics"][metric] = float(values.mean())
        scores["intervals"][metric] = [float(np.quantile(draws, share)) for share in (0.025, 0.975)]
    return {**scores, "predictions": predictions}


def _open(store: Store, sources: Sources, name: str, resources: Resources) -> tuple[Train, Workshop]:
    entry = store.named(name, "train")
    train = from_plain(entry.record["spec"])
    assert isinstance(train, Train)
    if not entry.has_module:
        raise UserError(
            f"{entry.folder.name}: its weights were removed once its scores were stored; retrain and keep them with "
            "`adaptx run RECIPE --keep`"
        )
    fingerprints = _fingerprints(store, entry)
    return train, Workshop(store, sources, fingerprints.__getitem__, resources, choose_device(resources))


def _fingerprints(store: Store, entry: Entry) -> dict[Train, str]:
    """A stored training and all it rests on, with their fingerprints as recorded: its data need not be at hand."""
    record = entry.record
    train = from_plain(record["spec"])
    found: dict[Train, str] = {train: entry.fingerprint}
    for fingerprint in record["inputs"]:
        found.update(_fingerprints(store, store.named(fingerprint, "train")))
    return found


def _probabilities(train: Train, shop: Workshop, examples: Examples) -> tuple[list[list[float]], tuple[str, ...]]:
    assert isinstance(train.task.format, Classification)
    model: Finished = finished_model(train, shop, train.config.precision)
    assert model.head is not None and model.labels is not None
    framing = train.framing or train.model.framing
    evaluator = Evaluator(
        model.backbone, framing, train.config.precision, train.config.max_length, model.tokenizer, shop.resources,
        shop.device,
    )  # fmt: skip
    encoded = classification.encode(examples, model.tokenizer, framing, train.config.max_length)
    return evaluator.probabilities(encoded, model.head).tolist(), model.labels
