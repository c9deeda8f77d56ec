"""The number of permutations grows with the family of comparisons, so that a corrected p can be small."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import NLI, SNLI
from adaptx.report.gains import permutations
from adaptx.report.gains.gains import comparisons
from adaptx.report.gains.permutations import LEAST, MOST, with_enough_permutations
from adaptx.report.gains.verdict import NO_VERDICTS
from adaptx.report.gains.verdicts import Comparison, families, uncorrected, verdicts
from adaptx.report.results.measured import measure
from adaptx.report.statistics.bootstrap import RESAMPLES
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, Sequential
from adaptx.store.store import Store

FIRST = 200
"""Permutations before more are made."""


def compared(folder: Path, seeds: int) -> list[Comparison]:
    """Two ranks of LoRA with a large and a small gain in five languages, from `FIRST` permutations."""
    task = dataclasses.replace(NLI, evaluation=NLI.evaluation[:5])
    sources, store = Sources(fake_mirror(folder / "data", task, SNLI)), Store(folder / "store")
    model = fake_model(folder / "model")
    groups = [
        everywhere(train(model, task, Lora(rank=rank), seed=seed, **start), task)
        for seed in range(1, seeds + 1)
        for rank in (4, 8)
        for start in ({}, {"start": Sequential(train(model, SNLI, Lora(rank=rank), seed=seed))})
    ]
    plan = planned(sources, *groups)
    fill(plan, store, sources, {"": 0.4, "r4 · Sequential": 0.4}, num_rows=60)
    return comparisons(measure(plan, store), FIRST)


def family_sizes(found: list[Comparison]) -> dict[int, int]:
    return {
        place: len(places) for places in families(found, uncorrected(found), NO_VERDICTS).values() for place in places
    }


def test_rare_gains_get_permutations_for_their_family_and_others_stay(tmp_path: Path) -> None:
    before = compared(tmp_path, seeds=1)
    found = with_enough_permutations(before, NO_VERDICTS)
    sizes = family_sizes(before)
    assert max(sizes.values()) == 8, "English is the source language, whose family is another one"
    for place, (old, new) in enumerate(zip(before, found, strict=True)):
        if place not in sizes:
            assert new is old
            continue
        rows = new.rows
        assert rows.p == (1 + rows.extreme) / (1 + rows.permutations)
        assert rows.extreme >= 100 or rows.permutations >= MOST * sizes[place]
        assert rows.permutations - FIRST in range(0, MOST * sizes[place] + RESAMPLES, RESAMPLES)
        # Both p-values estimate the same one, the second from more permutations.
        assert rows.p == pytest.approx(old.rows.p, abs=4 * (old.rows.p / FIRST) ** 0.5 + 2 / FIRST)
    languages = [gain for gain in verdicts(found) if gain.is_language and gain.variant.startswith("lora-r4 · Seq")]
    smallest = min(gain.holm_p for gain in languages if gain.holm_p is not None)
    unaided = min(gain.holm_p for gain in verdicts(before) if gain.family == "languages" and gain.holm_p is not None)
    assert smallest < 0.01 < unaided


def test_a_limit_on_draws_leaves_a_corrected_p_below_a_hundredth_attainable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permutations, "MOST_DRAWS", 0)
    before = compared(tmp_path, seeds=1)
    found = with_enough_permutations(before, NO_VERDICTS)
    for place, size in family_sizes(before).items():
        rows = found[place].rows
        # The limit counts after the first block.
        assert rows.extreme >= 100 or rows.permutations in (FIRST, FIRST + RESAMPLES)
        assert rows.extreme >= 100 or rows.permutations >= LEAST * size
        assert rows.extreme >= 100 or size / (1 + rows.permutations) < 0.01


def test_three_seeds_need_no_permutations(tmp_path: Path) -> None:
    before = compared(tmp_path, seeds=3)
    found = with_enough_permutations(before, NO_VERDICTS)
    assert all(new is old for old, new in zip(before, found, strict=True))
    assert np.isfinite([gain.holm_p for gain in verdicts(found) if gain.holm_p is not None]).all()
