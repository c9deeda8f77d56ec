"""What the store holds of a plan's evaluations: scores, recomputed from predictions and golds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from adaptx.costs.stages import trainable_parameters, training_flops
from adaptx.planning.damage import check_stored
from adaptx.planning.naming import UNTRAINED, Factors, factors, merges, training_path
from adaptx.planning.plan import Node, Plan, stored_entry
from adaptx.planning.stored_scores import StoredScores, values
from adaptx.planning.zero_shot import is_zero_shot
from adaptx.report.statistics.bootstrap import ExampleRows, Floats
from adaptx.report.variants import seeds, variant_labels
from adaptx.specs import Evaluate, ModelSpec, Stage, Task, Train
from adaptx.store.mixing import MixingWeights
from adaptx.store.records import Golds, MergeResult, Result, Scores, TrainResult
from adaptx.store.store import Store


@dataclass(frozen=True, eq=False)
class StoredTraining:
    """One training on the way to an evaluation. result: None where it is not stored."""

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
        """Operations, from the tokens that it read; None where they or the model's shape are not known."""
        shape = self.train.model.shape
        if shape is None or self.result is None:
            return None
        return training_flops(self.result.tokens, shape, trainable_parameters(self.train, shape))


@dataclass(frozen=True, eq=False)
class ScoredEvaluation:
    """One stored evaluation: one model, one task, one language.

    statistics: metric -> what each example adds to it, shape [examples, the metric's statistics]. record: the stored
    scores without their predictions. path: every distinct training on the way, inputs first; the last is the variant's
    own. mixing: a fused model's weights; None where none were kept. merges: the result of each merge on the way, None
    where it is not stored.
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

    @cached_property
    def scores(self) -> Mapping[str, float]:
        """Metric -> its value over all examples, a share in [0, 1]."""
        return values(self.statistics)

    @property
    def predicted_class(self) -> str | None:
        """The class that all predictions are of; None where there are several."""
        return self.record.one_class.predictions

    @property
    def gold_class(self) -> str | None:
        """The class that all gold answers are of; None where there are several."""
        return self.record.one_class.golds

    @property
    def is_source_language(self) -> bool:
        return not is_zero_shot(self.evaluate)

    @property
    def path_seconds(self) -> float | None:
        """Training and merging seconds of the whole path; shared stages count in full for every variant."""
        results = [*(training.result for training in self.path), *self.merges]
        known = [result.seconds for result in results if result is not None]
        return float(sum(known)) if len(known) == len(results) else None

    @property
    def path_flops(self) -> float | None:
        """Operations of the whole path's trainings."""
        return total_flops(self.path)

    @property
    def intermediate_flops(self) -> float | None:
        """Operations of the trainings before that on the measured task; of all, where it was not trained on."""
        return total_flops(self.path if self.factors.target == UNTRAINED else self.path[:-1])

    @property
    def path_energy_joules(self) -> float | None:
        """Energy of the whole path's trainings; None where that of one was not measured."""
        known = [
            training.result.energy_joules
            for training in self.path
            if training.result is not None and training.result.energy_joules is not None
        ]
        return sum(known) if known and len(known) == len(self.path) else None

    @property
    def peak_memory_bytes(self) -> int:
        """Maximum over the path's trainings and merges and the evaluation itself, of those that are stored."""
        return max(result.peak_memory_bytes for result in self._results)

    @property
    def memory_measure(self) -> str:
        """How the peak was measured; several ways are all named."""
        return "; ".join(dict.fromkeys(result.memory_measure for result in self._results))

    @property
    def trainable_parameters(self) -> int | None:
        """Of the variant's own last training; 0 for a bare checkpoint."""
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
    """One model with its seeds, measured on one task in one or more languages."""

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
        """Any one of its evaluations: model, framing and precision are those of all."""
        return self.first.evaluate


@dataclass(frozen=True, eq=False)
class Measurements:
    """All that is stored of a plan's evaluations, in the recipe's order, and the names of what is not."""

    measured: tuple[ScoredEvaluation, ...]
    missing: tuple[str, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple({m.evaluate.task.name: m.evaluate.task for m in self.measured}.values())

    def variants(self, task: str) -> tuple[Variant, ...]:
        """The variants measured on a task; one for each seed."""
        found: dict[tuple[str, str], dict[str, ScoredEvaluation]] = {}
        for measured in self.measured:
            if measured.evaluate.task.name == task:
                key = (measured.variant, measured.model_fingerprint)
                found.setdefault(key, {})[measured.evaluate.language] = measured
        return tuple(_variant(label, languages) for (label, _), languages in found.items())


def measure(plan: Plan, store: Store) -> Measurements:
    """Read every stored evaluation of the plan; one that is damaged counts as not stored.

    Raises:
        UserError: an evaluation's golds do not fit its predictions.
    """
    check_stored(plan, store)
    nodes = {node.fingerprint: node for node in plan.nodes}
    statuses = plan.statuses(store)

    def node_of(stage: Stage) -> Node:
        return nodes[plan.identities.of(stage).fingerprint]

    evaluates = tuple(dict.fromkeys(plan.recipe.evaluations))
    model_fingerprints = {
        evaluate: UNTRAINED if isinstance(evaluate.model, ModelSpec) else node_of(evaluate.model).fingerprint
        for evaluate in evaluates
    }
    labels = variant_labels(evaluates, model_fingerprints)
    scores = StoredScores()
    measured: list[ScoredEvaluation] = []
    missing: list[str] = []
    for evaluate in evaluates:
        node = node_of(evaluate)
        entry = stored_entry(node, store)
        if entry is None:
            missing.append(node.name)
            continue
        trainings = [(train, stored_entry(node_of(train), store)) for train in training_path(evaluate)]
        merged = [stored_entry(node_of(merge), store) for merge in merges(evaluate)]
        measured.append(
            ScoredEvaluation(
                evaluate,
                labels[evaluate],
                factors(evaluate),
                node.fingerprint,
                model_fingerprints[evaluate],
                statuses[node.fingerprint].value,
                scores.statistics(evaluate, entry),
                _examples(evaluate, scores.golds(entry)),
                replace(entry.scores, predictions=[]),
                tuple(StoredTraining(train, found.train_result if found else None) for train, found in trainings),
                entry.mixing,
                tuple(found.merge_result if found else None for found in merged),
            )
        )
    return Measurements(tuple(measured), tuple(missing))


def total_flops(trainings: Sequence[StoredTraining]) -> float | None:
    """Operations of several trainings; None where those of one are not known."""
    known = [flops for training in trainings if (flops := training.flops) is not None]
    return sum(known) if len(known) == len(trainings) else None


def mean_path_flops(seeds: Sequence[Variant]) -> float | None:
    """Operations of a variant's whole path, the mean over its seeds."""
    known = [flops for variant in seeds if (flops := variant.first.path_flops) is not None]
    return sum(known) / len(known) if known else None


def mean_path_energy_joules(seeds: Sequence[Variant]) -> float | None:
    """Energy of a variant's whole path, the mean over its seeds."""
    known = [joules for variant in seeds if (joules := variant.first.path_energy_joules) is not None]
    return sum(known) / len(known) if known else None


def mean_path_seconds(seeds: Sequence[Variant]) -> float | None:
    """Training seconds of a variant's whole path, the mean over its seeds."""
    known = [seconds for variant in seeds if (seconds := variant.first.path_seconds) is not None]
    return sum(known) / len(known) if known else None


def most_memory_bytes(seeds: Sequence[Variant]) -> int | None:
    """Peak memory of a variant's path, the maximum over its seeds and languages."""
    every = (measured.peak_memory_bytes for variant in seeds for measured in variant.languages.values())
    return max(every, default=None)


def _variant(label: str, languages: Mapping[str, ScoredEvaluation]) -> Variant:
    first = next(iter(languages.values()))
    return Variant(
        label=label, task=first.evaluate.task, factors=first.factors, seeds=seeds(first.evaluate), languages=languages
    )


def _examples(evaluate: Evaluate, golds: Golds) -> ExampleRows:
    # The group is the catalog's of today: a corrected one needs no new evaluation.
    group = evaluate.task.rows_in(evaluate.language).parallel_group
    # Rows that share a premise or a context are drawn together, as their cluster.
    return ExampleRows(np.asarray(golds.clusters or golds.rows, dtype=np.int64), group)
