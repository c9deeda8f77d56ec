"""The stored evaluations of a plan. Scores are computed anew from the stored predictions and gold answers.

The path of an evaluation is all trainings and merges that led to its model, intermediate ones included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adaptx.costs.stages import trainable_parameters, training_flops
from adaptx.metrics.per_class import ClassScore, MajorityClass, chance, macro_f1, majority_class
from adaptx.planning.damage import check_stored
from adaptx.planning.naming import UNTRAINED, Factors, factors, merges, stage_name, training_path
from adaptx.planning.plan import Node, Plan, stored_entry
from adaptx.planning.stored_scores import StoredScores, values
from adaptx.planning.zero_shot import is_zero_shot
from adaptx.report.results.planned import labels
from adaptx.report.results.variants import seeds
from adaptx.report.statistics.bootstrap import ExampleRows, Floats
from adaptx.specs import Evaluate, Stage, Task, Train
from adaptx.store.mixing import MixingWeights
from adaptx.store.records import Golds, MergeResult, Result, Scores, TrainResult
from adaptx.store.store import Store


@dataclass(frozen=True, eq=False)
class StoredTraining:
    """One of the trainings that led to an evaluated model. `result` is None if the training is not stored."""

    train: Train
    result: TrainResult | None

    @property
    def rows_used(self) -> int | None:
        return self.result.rows_used if self.result is not None else None

    @property
    def rows_expected(self) -> int | None:
        return self.result.rows_expected if self.result is not None else None

    @property
    def examples_per_second(self) -> float | None:
        return self.result.examples_per_second if self.result is not None else None

    @property
    def flops(self) -> float | None:
        """Number of operations, computed from the tokens read. None if the result or the model's shape is unknown."""
        shape = self.train.model.shape
        if shape is None or self.result is None:
            return None
        return training_flops(self.result.tokens, shape, trainable_parameters(self.train, shape))


@dataclass(frozen=True, eq=False)
class ScoredEvaluation:
    """One stored evaluation: one model, one task, one language.

    Attributes:
        variant: the variant's label.
        status: the stage's status, as the plan shows it.
        statistics: metric -> statistics of each example, shape [examples, statistics]; for accuracy, (1, 1) if the
            prediction is right, else (0, 1). Their sums over all examples give the metric's value.
        record: the stored scores without their predictions.
        path: distinct trainings that led to the model, each after the trainings that it builds on.
        mixing: fusion weights of a fused model; None if none were stored.
        merges: the result of each merge that led to the model; None for a merge that is not stored.
        classes: the scores per class; empty if answers are not labels.
        majority: the most frequent gold class; None if answers do not belong to a few classes.
    """

    evaluate: Evaluate
    variant: str
    factors: Factors
    fingerprint: str
    model_fingerprint: str
    status: str
    statistics: Mapping[str, Floats]
    examples: ExampleRows
    record: Scores
    path: tuple[StoredTraining, ...]
    mixing: MixingWeights | None
    merges: tuple[MergeResult | None, ...] = ()
    classes: tuple[ClassScore, ...] = ()
    majority: MajorityClass | None = None

    @cached_property
    def scores(self) -> Mapping[str, float]:
        """Value of each metric over all examples, a share in [0, 1]."""
        return values(self.statistics)

    @property
    def macro_f1(self) -> float | None:
        """Unweighted mean of the classes' F1; None if answers are not labels."""
        return macro_f1(self.classes) if self.classes else None

    def chance_in(self, metric: str) -> float:
        """Return the score that needs no knowledge: of predicting the most frequent class, or of guessing.

        It is 0 in all metrics but accuracy, because a guessed span or entity is rarely right.
        """
        if metric != "accuracy" or self.majority is None:
            return 0.0
        return max(self.majority.share, chance(self.evaluate.task) or 0.0)

    @property
    def predicted_class(self) -> str | None:
        """The single class of all predictions; None if there are several classes."""
        return self.record.one_class.predictions

    @property
    def gold_class(self) -> str | None:
        """The single class of all gold answers; None if there are several classes."""
        return self.record.one_class.golds

    @property
    def is_source_language(self) -> bool:
        return not is_zero_shot(self.evaluate)

    @property
    def path_seconds(self) -> float | None:
        """Seconds of all trainings and merges on the path; None if one of them is not stored.

        A stage that led to several variants counts in full for each of them.
        """
        results = [*(training.result for training in self.path), *self.merges]
        known = [result.seconds for result in results if result is not None]
        return float(sum(known)) if len(known) == len(results) else None

    @property
    def path_flops(self) -> float | None:
        """Operations of all trainings on the path; None if the number is unknown for one of them."""
        return total_flops(self.path)

    @property
    def intermediate_flops(self) -> float | None:
        """Operations of all trainings on the path, except the training on the measured task; None if unknown."""
        return total_flops(self.path if self.factors.target == UNTRAINED else self.path[:-1])

    @property
    def path_energy_joules(self) -> float | None:
        """Energy of all trainings on the path; None if one of them was not measured."""
        known = [
            training.result.energy_joules
            for training in self.path
            if training.result is not None and training.result.energy_joules is not None
        ]
        return sum(known) if known and len(known) == len(self.path) else None

    @property
    def peak_memory_bytes(self) -> int:
        """Maximum of the peak memory over the evaluation itself and all stored trainings and merges on the path."""
        return max(result.peak_memory_bytes for result in self._results)

    @property
    def memory_measure(self) -> str:
        """How the peak memory was measured; several ways are separated by semicolons."""
        return "; ".join(dict.fromkeys(result.memory_measure for result in self._results))

    @property
    def trainable_parameters(self) -> int | None:
        """Trainable parameters of the last training; 0 for a bare checkpoint, None if that training is not stored."""
        if not self.path:
            return 0
        own = self.path[-1].result
        return own.trainable_parameters if own is not None else None

    @property
    def _results(self) -> list[Result]:
        results = (*(training.result for training in self.path), *self.merges, self.record)
        return [result for result in results if result is not None]


@dataclass(frozen=True, eq=False, kw_only=True)
class Variant:
    """One model, trained with one set of seeds, and its evaluations on one task.

    Attributes:
        seeds: the seeds of the trainings on the path, in the path's order.
        languages: language -> evaluation.
    """

    label: str
    task: Task
    factors: Factors
    seeds: tuple[int, ...]
    languages: Mapping[str, ScoredEvaluation]

    @property
    def first(self) -> ScoredEvaluation:
        return next(iter(self.languages.values()))

    @property
    def evaluate(self) -> Evaluate:
        """The first of the evaluations, all of which have the same model, framing and precision."""
        return self.first.evaluate


@dataclass(frozen=True, eq=False)
class Measurements:
    """All stored evaluations of a plan, in the recipe's order. missing: names of the evaluations not stored."""

    measured: tuple[ScoredEvaluation, ...]
    missing: tuple[str, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple({m.evaluate.task.name: m.evaluate.task for m in self.measured}.values())

    def variants(self, task: str) -> tuple[Variant, ...]:
        """Return the variants measured on a task, with a separate `Variant` for each seed."""
        found: dict[tuple[str, str], dict[str, ScoredEvaluation]] = {}
        for measured in self.measured:
            if measured.evaluate.task.name == task:
                key = (measured.variant, measured.model_fingerprint)
                found.setdefault(key, {})[measured.evaluate.language] = measured
        return tuple(_variant(label, languages) for (label, _), languages in found.items())


def measure(plan: Plan, store: Store) -> Measurements:
    """Read every stored evaluation of the plan. A damaged evaluation counts as not stored.

    Evaluations whose learning rate is not yet chosen are missing as well.

    Raises:
        UserError: an evaluation's gold answers do not match its predictions.
    """
    check_stored(plan, store)
    nodes = {node.fingerprint: node for node in plan.nodes}
    statuses = plan.statuses(store)

    def node_of(stage: Stage) -> Node:
        return nodes[plan.identities.of(stage).fingerprint]

    known = labels(plan)
    scores = StoredScores()
    measured: list[ScoredEvaluation] = []
    missing: list[str] = []
    ready = frozenset(plan.ready)
    for evaluate, label in known.variants.items():
        node = node_of(evaluate) if evaluate in ready else None
        entry = stored_entry(node, store) if node is not None else None
        if node is None or entry is None:
            missing.append(stage_name(evaluate))
            continue
        trainings = [(train, stored_entry(node_of(train), store)) for train in training_path(evaluate)]
        merged = [stored_entry(node_of(merge), store) for merge in merges(evaluate)]
        score = scores.read(evaluate, entry)
        measured.append(
            ScoredEvaluation(
                evaluate,
                label,
                factors(evaluate),
                node.fingerprint,
                known.models[evaluate],
                statuses[node.fingerprint].value,
                score.statistics,
                _examples(evaluate, score.golds),
                score.record,
                tuple(StoredTraining(train, found.train_result if found else None) for train, found in trainings),
                entry.mixing,
                tuple(found.merge_result if found else None for found in merged),
                score.classes,
                majority_class(evaluate.task, score.golds.golds),
            )
        )
    return Measurements(tuple(measured), tuple(missing))


def total_flops(trainings: Sequence[StoredTraining]) -> float | None:
    """Return the sum of the trainings' operations; None if the number is unknown for one of them."""
    known = [flops for training in trainings if (flops := training.flops) is not None]
    return sum(known) if len(known) == len(trainings) else None


def mean_path_flops(seeds: Sequence[Variant]) -> float | None:
    """Return the operations of all trainings on a variant's path, averaged over the seeds for which they are known."""
    known = [flops for variant in seeds if (flops := variant.first.path_flops) is not None]
    return sum(known) / len(known) if known else None


def mean_path_energy_joules(seeds: Sequence[Variant]) -> float | None:
    """Return the energy of all trainings on a variant's path, averaged over the seeds for which it is known."""
    known = [joules for variant in seeds if (joules := variant.first.path_energy_joules) is not None]
    return sum(known) / len(known) if known else None


def mean_path_seconds(seeds: Sequence[Variant]) -> float | None:
    """Return the seconds of all stages on a variant's path, averaged over the seeds for which they are known."""
    known = [seconds for variant in seeds if (seconds := variant.first.path_seconds) is not None]
    return sum(known) / len(known) if known else None


def most_memory_bytes(seeds: Sequence[Variant]) -> int | None:
    """Return the maximum of a variant's `peak_memory_bytes` over its seeds and languages."""
    every = (measured.peak_memory_bytes for variant in seeds for measured in variant.languages.values())
    return max(every, default=None)


def _variant(label: str, languages: Mapping[str, ScoredEvaluation]) -> Variant:
    first = next(iter(languages.values()))
    return Variant(
        label=label, task=first.evaluate.task, factors=first.factors, seeds=seeds(first.evaluate), languages=languages
    )


def _examples(evaluate: Evaluate, golds: Golds) -> ExampleRows:
    # The parallel group comes from the current catalog, so that correcting a group needs no new evaluation.
    group = evaluate.task.rows_in(evaluate.language).parallel_group
    # Rows that share a premise or a context form a cluster and are drawn together.
    return ExampleRows(np.asarray(golds.clusters or golds.rows, dtype=np.int64), group)
