"""Contrasts: what a recipe may declare, what planning refuses, and results against formulas written out."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_store import everywhere, fake_mirror, fake_model, fill, train

from adaptx.catalog import NLI, SIB200, SNLI
from adaptx.errors import UserError
from adaptx.planning.plan import make_plan
from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.contrasts import contrast_results
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT
from adaptx.report.gains.gains import compute_gains
from adaptx.report.results.measured import Measurements, measure
from adaptx.report.statistics.blocks import block_variance
from adaptx.report.statistics.holm import holm
from adaptx.report.statistics.two_way import pooled_variance
from adaptx.report.tables.contrasts import contrast_answer, contrast_metrics, contrast_table
from adaptx.sources.sources import Sources
from adaptx.specs import Contrast, Evaluate, Lora, Recipe, Sequential, Task, Term, difference
from adaptx.store.store import Store

LORA = Lora(rank=4)
SEEDS = (1, 2, 3)
TARGET = dataclasses.replace(
    NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in ("en", "ko", "aym", "gn"))
)
ZERO_SHOT_LANGUAGES = ("ko", "aym", "gn")


class World:
    """A recipe's stages on two made-up checkpoints, and a store with made-up predictions for them."""

    def __init__(self, folder: Path) -> None:
        self.small, self.large = fake_model(folder / "small"), fake_model(folder / "large")
        self.data = fake_mirror(folder / "data", TARGET, SNLI, SIB200)
        self.sources = Sources(self.data)
        self.store = Store(folder / "store")

    def scores(self, model, intermediate: Task | None = None, seeds=SEEDS) -> tuple[Evaluate, ...]:
        found: list[Evaluate] = []
        for seed in seeds:
            start = {"start": Sequential(train(model, intermediate, LORA, seed=seed))} if intermediate else {}
            found += everywhere(train(model, TARGET, LORA, seed=seed, **start), TARGET)
        return tuple(found)

    def measured(self, recipe: Recipe, accuracies=None) -> Measurements:
        plan = make_plan(recipe, self.sources)
        fill(plan, self.store, self.sources, accuracies or {"": 0.5, "snli": 0.2}, num_rows=120)
        return measure(plan, self.store)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def mean_by_seed(measurements: Measurements, evaluations, languages) -> np.ndarray:
    """The mean accuracy of one variant over the languages, with each seed."""
    scored = {each.evaluate: each for each in measurements.measured}
    seeds = sorted({each.model.config.seed for each in evaluations})
    return np.array(
        [
            np.mean(
                [
                    scored[each].scores["accuracy"]
                    for each in evaluations
                    if each.model.config.seed == seed and each.language in languages
                ]
            )
            for seed in seeds
        ]
    )


def refused(recipe: Recipe, sources: Sources) -> str:
    with pytest.raises(UserError) as caught:
        make_plan(recipe, sources)
    return str(caught.value)


def test_a_contrast_compares_and_belongs_to_its_recipe(world: World) -> None:
    base, snli = world.scores(world.small), world.scores(world.small, SNLI)
    with pytest.raises(UserError, match=r"'a'\) has the weights 1, -2; .* add up to zero"):
        Contrast("a", (Term(1, snli), Term(-2, base)))
    with pytest.raises(UserError, match=r"'a'\) has the weights 1; .*at least two"):
        Contrast("a", (Term(1, snli),))
    with pytest.raises(UserError, match=r"Term\(weight=0\)"):
        Term(0, snli)
    with pytest.raises(UserError, match=r"names 'de', in which none of its evaluations is; they are in en"):
        difference("a", snli, base, ("de",))
    one = difference("a", snli, base)
    with pytest.raises(UserError, match=r"'a'\) uses 12 evaluations that the recipe does not have"):
        Recipe("r", base, contrasts=(one,))
    with pytest.raises(UserError, match=r"names 'a' twice"):
        Recipe("r", (*base, *snli), contrasts=(one, one))
    with pytest.raises(UserError, match=r"primary='contrasts'\) needs contrasts"):
        Recipe("r", base, primary="contrasts")
    assert Recipe("r", (*base, *snli), contrasts=(one,)).primary_comparisons == "contrasts"
    assert Recipe("r", base).primary_comparisons is None


def test_planning_refuses_what_no_score_can_answer(world: World) -> None:
    base, snli = world.scores(world.small), world.scores(world.small, SNLI)
    english = tuple(each for each in base if each.language == "en")
    recipe = Recipe("r", (*base, *snli), contrasts=(difference("no language", snli, english),))
    assert "'no language' has no language for nli" in refused(recipe, world.sources)
    others = world.scores(world.small, seeds=(7, 8))
    recipe = Recipe("r", (*others, *snli), contrasts=(difference("no seed", snli, others),))
    assert "'no seed' has no seed with which all of its terms are trained" in refused(recipe, world.sources)
    without = tuple(each for each in snli if (each.language, each.model.config.seed) != ("ko", 2))
    recipe = Recipe("r", (*base, *without), contrasts=(difference("gap", without, base, ("ko", "gn")),))
    assert "'gap' averages over ko, gn, but one of its models is not scored in all" in refused(recipe, world.sources)


def test_a_variant_minus_its_baseline_is_its_gain(world: World) -> None:
    base, snli = world.scores(world.small), world.scores(world.small, SNLI)
    recipe = Recipe(
        "r",
        (*base, *snli),
        contrasts=(difference("zero-shot", snli, base), difference("English", snli, base, ("en",))),
    )
    measurements = world.measured(recipe)
    gains = compute_gains(measurements, 400, primary=recipe.primary_comparisons)
    results = contrast_results(recipe.contrasts, measurements, 400)
    for result, quantity in zip(results, (ZERO_SHOT, SOURCE), strict=True):
        (gain,) = (g for g in gains if g.quantity == quantity and not g.is_baseline and g.metric == "accuracy")
        assert gain.standing == "exploratory"
        assert result.difference == pytest.approx(gain.gain)
        assert (result.low, result.high, result.p) == pytest.approx((gain.low, gain.high, gain.p))
        assert result.over_seeds
        assert result.seeds == SEEDS
    assert results[0].languages == ZERO_SHOT_LANGUAGES
    assert [each.holm_p for each in results] == pytest.approx(holm([each.p or 0.0 for each in results]))


def test_a_difference_of_gains_is_its_four_means_seed_by_seed(world: World) -> None:
    pairs = {(m, t): world.scores(m, t) for m in (world.small, world.large) for t in (None, SNLI)}
    weights = {(world.large, SNLI): 1, (world.large, None): -1, (world.small, SNLI): -1, (world.small, None): 1}
    contrast = Contrast("the gain grows with size", tuple(Term(w, pairs[key]) for key, w in weights.items()))
    recipe = Recipe("r", tuple(each for same in pairs.values() for each in same), contrasts=(contrast,))
    measurements = world.measured(recipe)
    (result,) = contrast_results(recipe.contrasts, measurements, 400)
    expected = sum(w * mean_by_seed(measurements, pairs[key], ZERO_SHOT_LANGUAGES) for key, w in weights.items())
    assert result.by_seed == pytest.approx(expected)
    assert result.difference == pytest.approx(np.mean(expected))
    assert result.low is not None
    assert result.low < result.difference < result.high


def test_common_languages_are_zero_shot_in_every_term(world: World) -> None:
    """An intermediate task with Korean rows of the same kind makes Korean no zero-shot language of its variant."""
    korean = dataclasses.replace(
        SNLI, name="kornli", train=(dataclasses.replace(SNLI.train[0], language="ko", hub_id="me/kornli"),)
    )
    fake_mirror(world.data, korean)
    english, both = world.scores(world.small, SNLI), world.scores(world.small, korean)
    recipe = Recipe("r", (*english, *both), contrasts=(difference("Korean", both, english),))
    (result,) = contrast_results(recipe.contrasts, world.measured(recipe), 400)
    assert result.languages == ("aym", "gn")


def test_fewer_seeds_and_missing_scores_are_said(world: World) -> None:
    base, snli, sib = (world.scores(world.small, task, seeds=(1,)) for task in (None, SNLI, SIB200))
    recipe = Recipe("r", (*base, *snli, *sib), contrasts=(difference("SNLI", snli, base), difference("SIB", sib, base)))
    measurements = world.measured(recipe)
    left = tuple(each for each in measurements.measured if each.evaluate not in sib)
    snli_result, sib_result = contrast_results(recipe.contrasts, Measurements(left, ()), 400)
    assert not snli_result.over_seeds
    assert snli_result.p is not None
    assert sib_result.difference is None
    assert sib_result.note == "4 of its 8 evaluations are not stored yet"
    first, second = contrast_answer([snli_result, sib_result], primary=True)
    assert "between these trained models and not the methods" in first
    assert second == "SIB: 4 of its 8 evaluations are not stored yet."
    table = contrast_table([snli_result, sib_result], primary=True)
    assert table.width <= 118
    assert contrast_metrics([snli_result, sib_result])["contrast/SNLI/difference"] == snli_result.difference


def test_primary_averages_are_one_family_over_all_tasks(world: World) -> None:
    other = dataclasses.replace(TARGET, name="nli-again")
    variants: list[Evaluate] = []
    for task in (TARGET, other):
        for start in ({}, {"start": Sequential(train(world.small, SNLI, LORA))}):
            variants += everywhere(train(world.small, task, LORA, **start), task)
    recipe = Recipe("r", tuple(variants), primary=ZERO_SHOT)
    gains = compute_gains(world.measured(recipe), 400, primary=recipe.primary_comparisons)
    primary = [gain for gain in gains if gain.standing == "primary" and gain.holm_p is not None]
    assert {gain.task for gain in primary} == {"nli", "nli-again"}
    assert {gain.family_size for gain in primary} == {2}
    assert [gain.holm_p for gain in primary] == pytest.approx(holm([gain.p or 0.0 for gain in primary]))
    assert {gain.standing for gain in gains if gain.quantity == SOURCE} == {"exploratory"}


def verdict(**changes) -> ContrastResult:
    known = ContrastResult(
        name="A rather than B", metric="accuracy", difference=0.03, seeds=SEEDS, by_seed=(0.02, 0.03, 0.04), low=0.01,
        high=0.05, p=0.01, holm_p=0.02, corrected_low=0.005, corrected_high=0.055, detectable=0.024,
        corrected_detectable=0.028, family="contrasts", family_size=3,
    )  # fmt: skip
    return dataclasses.replace(known, **changes)


def test_sentences_say_the_verdict() -> None:
    assert contrast_answer([verdict(), verdict(difference=-0.03), verdict(holm_p=0.3)], primary=True) == (
        "A rather than B: +3.0 [+0.5, +5.5] points of accuracy (95% interval over rows and 3 seeds, corrected for 3 "
        "contrasts; p = 0.020). This is a gain.",
        "A rather than B: −3.0 [+0.5, +5.5] points of accuracy (95% interval over rows and 3 seeds, corrected for 3 "
        "contrasts; p = 0.020). This is a loss.",
        "A rather than B: +3.0 [+0.5, +5.5] points of accuracy (95% interval over rows and 3 seeds, corrected for 3 "
        "contrasts; p = 0.300). This is undecided: a true difference of 2.8 points would have been found in 4 of 5 "
        "such experiments.",
    )
    (weak,) = contrast_answer([verdict(corrected_detectable=0.034)], primary=False)
    assert weak.startswith("A rather than B (exploratory): +3.0 ")
    assert weak.endswith(
        "This is a gain. A difference of +3.0 may be too large: this design finds a true difference in 4 of 5 "
        "experiments only from 3.4 points on, and a smaller one mostly when chance adds to it."
    )


@given(st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=2, max_size=6), st.floats(-1, 1))
@settings(max_examples=60, deadline=None)
def test_blocks_leave_out_what_a_seed_does_to_all_arms(scores: list[list[float]], shift: float) -> None:
    scores_AS = np.array(scores)
    found = block_variance(scores_AS, (1, -1))
    moved = block_variance(scores_AS + shift * np.arange(4), (1, -1))
    assert found is not None
    assert moved is not None
    assert found.degrees == 3 * (len(scores) - 1)
    assert moved.variance == pytest.approx(found.variance, abs=1e-9)
    if len(scores) == 2:
        of_two = pooled_variance([list(scores_AS[0] - scores_AS[1])])
        assert of_two is not None
        assert (found.variance, found.degrees) == pytest.approx((of_two.variance, of_two.degrees), abs=1e-9)


def test_one_arm_or_one_seed_has_no_variance() -> None:
    assert block_variance(np.ones((1, 4)), (1,)) is None
    assert block_variance(np.ones((3, 1)), (1, -1, 0)) is None
