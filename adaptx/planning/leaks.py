"""Find rows that occur twice: in an intermediate task and the target task, or in a training and a scored test set.

XNLI's English training rows, for example, are those of MNLI. After training on MNLI, a gain on XNLI may come from
training longer on the same rows. Rows are compared by content (`adaptx.planning.row_contents`), because data sets copy
one another under different names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.catalog.languages import language_name
from adaptx.planning.lineage import answering_training
from adaptx.planning.naming import is_same_task, training_path
from adaptx.planning.row_contents import RowContents, UsedRows, scored_rows, training_rows
from adaptx.specs import Evaluate, ModelSpec, Rows

LEAST_SHARE = 0.01
"""Minimum share of shared rows that is reported. Unrelated sets can share a few short texts."""
_REMEDY = "`task.with_training_rows(first, stop)` or `Rows(first=..., stop=...)`"


@dataclass(frozen=True)
class Pair:
    """Two sets of rows that should not share texts: training rows, and rows of a later training or of a test set."""

    training: UsedRows
    other: UsedRows


@dataclass(frozen=True)
class Overlap:
    """The shared rows of a pair. shared: number of rows of `pair.other` that are also training rows."""

    pair: Pair
    shared: int
    training_rows: int
    other_rows: int

    @property
    def share(self) -> float:
        return self.shared / max(self.other_rows, 1)


@dataclass(frozen=True)
class Leaks:
    """The overlaps of a recipe, and (`unknown`) the pairs that could not be compared."""

    overlaps: tuple[Overlap, ...]
    unknown: tuple[Pair, ...]

    @property
    def sentences(self) -> list[str]:
        """One sentence per two tasks: which rows occur twice, what follows, and what to do."""
        return [*_twice_trained(self.overlaps), *_scored_again(self.overlaps)]


def find_leaks(evaluates: Iterable[Evaluate], contents: RowContents) -> Leaks:
    """Compare the rows of all pairs by content."""
    overlaps: list[Overlap] = []
    unknown: list[Pair] = []
    for pair in dict.fromkeys(pair for evaluate in evaluates for pair in _pairs(evaluate)):
        ours, theirs = contents.of(pair.training), contents.of(pair.other)
        if ours is None or theirs is None:
            unknown.append(pair)
            continue
        found = Overlap(pair, int(np.isin(theirs, ours).sum()), len(ours), len(theirs))
        if found.share >= LEAST_SHARE:
            overlaps.append(found)
    return Leaks(tuple(overlaps), tuple(unknown))


def may_share_rows(one: Rows, other: Rows) -> bool:
    """Return whether two sets may share rows, judged by their names. Limits are ignored, because they draw from the
    whole set.
    """
    if one.address != other.address or one.revision != other.revision or _are_apart(one, other):
        return False
    ends = [float("inf") if rows.stop is None else rows.stop for rows in (one, other)]
    return one.first < ends[1] and other.first < ends[0]


def _are_apart(one: Rows, other: Rows) -> bool:
    """Return whether both sets filter one column by prefixes that exclude each other, such as `ab` and `ac`."""
    if one.starts_with is None or other.starts_with is None or one.starts_with[0] != other.starts_with[0]:
        return False
    ours, theirs = one.starts_with[1], other.starts_with[1]
    return not (ours.startswith(theirs) or theirs.startswith(ours))


def _pairs(evaluate: Evaluate) -> list[Pair]:
    # Each training is compared with the scored rows, and each earlier one with the training on the target.
    if isinstance(evaluate.model, ModelSpec):
        return []
    path = training_path(evaluate)
    last = answering_training(evaluate.model)
    target = [used for used in training_rows(last) if is_same_task(used.task, evaluate.task)]
    every = [used for train in path for used in training_rows(train)]
    earlier = [used for train in path if train != last for used in training_rows(train)]
    earlier += [used for used in training_rows(last) if used not in target]
    return [
        *(Pair(used, own) for own in target for used in earlier),
        *(Pair(used, scored_rows(evaluate)) for used in every),
    ]


def _twice_trained(overlaps: Sequence[Overlap]) -> list[str]:
    found: dict[tuple[str, str], Overlap] = {}
    for each in overlaps:
        if each.pair.other.language is None:
            names = each.pair.training.task.name, each.pair.other.task.name
            found[names] = max(found.get(names, each), each, key=lambda overlap: overlap.share)
    return [
        f"{each.shared:,} of the {each.other_rows:,} rows that {target} is trained on are also among the "
        f"{each.training_rows:,} rows of the intermediate task {earlier}. A gain after {earlier} may therefore come "
        f"from training longer on the same rows. Give the two tasks different rows ({_REMEDY}), or use "
        "another intermediate task."
        for (earlier, target), each in found.items()
    ]


def _scored_again(overlaps: Sequence[Overlap]) -> list[str]:
    found: dict[tuple[str, str], dict[str, Overlap]] = {}
    for each in overlaps:
        if (language := each.pair.other.language) is not None:
            names = each.pair.training.task.name, each.pair.other.task.name
            known = found.setdefault(names, {})
            known[language] = max(known.get(language, each), each, key=lambda overlap: overlap.share)
    return [
        f"{trained} is trained on rows that {scored} is scored on: "
        + ", ".join(
            f"{each.shared:,} of {each.other_rows:,} in {language_name(language)}" for language, each in by.items()
        )
        + f". These are not valid test scores. Train {trained} on other rows ({_REMEDY}), or score another set."
        for (trained, scored), by in found.items()
    ]
