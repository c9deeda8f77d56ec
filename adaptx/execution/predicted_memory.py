"""Predict a training's peak memory from the lengths of its texts. It is stored next to the measured peak."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from adaptx.costs.stages import training_peak_bytes
from adaptx.execution.workshop import Workshop
from adaptx.specs import Mixture, Train
from adaptx.specs.mixture import task_shares
from adaptx.training.loop import TrainingTask

DEVIATIONS = 2.5
"""The largest of a few hundred batches has about this many standard deviations more tokens than the average batch."""


def predicted_peak_bytes(train: Train, parts: Sequence[TrainingTask], shop: Workshop) -> int | None:
    """Predict the peak of torch's allocated memory from the lengths of the training's texts.

    The result is None if no formula covers this training, for example because its weights are quantised. For a mixture,
    the result is the largest peak among its tasks, because a micro-batch has examples of only one task.
    """
    sizes = [len(part.items) for part in parts]
    shares = task_shares(sizes, train.task.sampling) if isinstance(train.task, Mixture) else [1.0]
    resources = replace(shop.resources, device=shop.device.type)
    peaks = [
        training_peak_bytes(
            train, *_most_tokens_in_batch_and_in_sequence(part, share * train.config.batch_size), resources
        )
        for part, share in zip(parts, shares, strict=True)
    ]
    known = [peak for peak in peaks if peak is not None]
    return max(known) if known else None


def _most_tokens_in_batch_and_in_sequence(part: TrainingTask, examples: float) -> tuple[int, int]:
    tokens = np.array([part.items.tokens(item) for item in range(len(part.items))])
    expected = examples * tokens.mean() + DEVIATIONS * np.sqrt(examples) * tokens.std()
    return int(expected), max(part.items.encoded.lengths)
