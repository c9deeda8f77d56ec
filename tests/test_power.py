"""The gain that a design can detect: against scipy, statsmodels, the report's verdicts and simulated experiments."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestPower
from support import needs
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import E5_MINI, NLI, SNLI
from adaptx.errors import UserError
from adaptx.planning.plan import Plan, make_plan
from adaptx.report.gains.contrasts import contrast_results
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.gains import compute_gains
from adaptx.report.page.answer import answer
from adaptx.report.power.design import PARALLEL, Design, ScoredSet
from adaptx.report.power.detecting import detectable
from adaptx.report.power.deviations import ASSUMED, Deviations, Spread, expected
from adaptx.report.power.knowledge import Given
from adaptx.report.power.power import compute_power, planned_power
from adaptx.report.power.row_counts import RowCount, count_rows
from adaptx.report.power.tables import power_frame, power_sentence, power_tables
from adaptx.report.results.measured import measure
from adaptx.report.statistics.blocks import block_variance
from adaptx.report.statistics.bootstrap import Floats
from adaptx.report.statistics.power import detectable_effect
from adaptx.report.statistics.two_way import RowVariance, pooled_variance, two_way
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Lora, ModelSpec, Recipe, Sequential, difference
from adaptx.store.store import Store

LORA = Lora(rank=4)
LANGUAGES = ("en", "ko", "aym", "gn")
TARGET = dataclasses.replace(NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in LANGUAGES))


@given(st.floats(1, 500), st.floats(0.6, 0.95), st.floats(0.9, 0.999))
@settings(max_examples=40, deadline=None)
def test_a_detectable_effect_is_found_with_the_power_that_noncentral_t_gives(
    degrees: float, power: float, level: float
) -> None:
    effect = detectable_effect(1.0, 1.0, degrees, level, power)
    threshold = stats.t.ppf(0.5 + level / 2, degrees)
    assert stats.nct.sf(threshold, degrees, effect) == pytest.approx(power, abs=0.002)


def test_it_is_what_statsmodels_computes_for_one_sample() -> None:
    for seeds in (3, 5, 8):
        theirs = TTestPower().solve_power(nobs=seeds, alpha=0.05, power=0.8)
        assert detectable_effect(1 / seeds, 1 / seeds, seeds - 1) == pytest.approx(theirs, rel=1e-3)
    known = NormalIndPower(ddof=0).solve_power(nobs1=1, ratio=0, alpha=0.05, power=0.8)
    assert detectable_effect(1.0, 0.0, float("inf")) == pytest.approx(known, rel=1e-4)


@given(st.floats(1, 300), st.floats(1.05, 3))
@settings(max_examples=40, deadline=None)
def test_more_degrees_detect_less_and_a_stricter_test_detects_more(degrees: float, factor: float) -> None:
    effect = detectable_effect(1.0, 1.0, degrees)
    assert detectable_effect(1.0, 0.0, float("inf")) <= detectable_effect(1.0, 1.0, degrees * factor) < effect
    assert detectable_effect(1.0, 1.0, degrees, 0.99) > effect


# --- the stated power, against experiments that are tested as the report tests them


def experiment(
    generator: np.random.Generator, design: Design, spread: Spread, gain: float
) -> tuple[Floats, list[RowVariance]]:
    """Scores of a baseline and of each arm with each seed, [arms + 1, seeds], and each arm's variances over rows."""
    arms, seeds, rows = len(design.arms), design.seeds, design.rows
    assert rows is not None
    # Each model contributes half of a difference's variance.
    of_rows = generator.normal(0, (spread.rows * spread.shared / 2) ** 0.5, (arms + 1, 1, rows))
    of_both = generator.normal(0, (spread.rows * (1 - spread.shared) / 2) ** 0.5, (arms + 1, seeds, rows))
    of_seeds = generator.normal(0, (spread.seeds / 2) ** 0.5, (arms + 1, seeds, 1))
    scores = of_rows + of_both + of_seeds
    scores[1:] += gain
    variances = []
    for arm in scores[1:]:
        gains_SN = arm - scores[0]
        own = gains_SN - gains_SN.mean(axis=0)
        by_seed = np.var(own, axis=1).sum() / (seeds - 1) / seeds / rows
        variances.append(RowVariance(mean=float(np.var(gains_SN.mean(axis=0)) / rows), by_seed=float(by_seed)))
    return scores.mean(axis=2), variances


def one_set(rows: int, squares: float = 2.0) -> tuple[ScoredSet, ...]:
    return (ScoredSet(evaluate=Evaluate(E5_MINI, NLI, "ko"), total=0.0, squares=squares, count=RowCount(rows)),)


def gain_design(seeds: int, arms: int, rows: int) -> Design:
    return Design(
        comparison="a", task="nli", metric="accuracy", quantity=ZERO_SHOT, family="nli", languages=("ko",),
        sets=one_set(rows), seeds=seeds, arms=(seeds,) * arms,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seeds", "arms", "rows", "deviation", "tests"),
    [(3, 1, 600, 0.02, 1), (3, 4, 300, 0.03, 4), (5, 4, 900, 0.02, 4), (5, 3, 400, 0.005, 1)],
)
def test_a_detectable_gain_is_found_in_four_of_five_experiments(
    seeds: int, arms: int, rows: int, deviation: float, tests: int
) -> None:
    spread = Spread(rows=0.25, shared=0.5, seeds=deviation**2)
    design = gain_design(seeds, arms, rows)
    gain = detectable(design, expected(design, spread, "given", "given"), level=1 - 0.05 / tests)
    generator = np.random.default_rng(seeds * arms)
    found = []
    for _ in range(1200 // arms):
        scores, variances = experiment(generator, design, spread, gain)
        by_arm = [list(arm - scores[0]) for arm in scores[1:]]
        pooled = pooled_variance(by_arm)
        tested = [two_way(each, rows_of, pooled) for each, rows_of in zip(by_arm, variances, strict=True)]
        found += [each.p < 0.05 / tests for each in tested if each is not None]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_a_detectable_contrast_is_found_in_four_of_five_experiments() -> None:
    seeds, models, rows, weights = 4, 5, 500, (0.5, 0.5, -1.0)
    spread = Spread(rows=0.25, shared=0.5, seeds=0.02**2)
    design = Design(
        comparison="c", task="nli", metric="accuracy", quantity="contrast", family="contrast", languages=("ko",),
        sets=one_set(rows, squares=1.5), seeds=seeds, weights=weights, arms=(seeds,), blocks=models,
    )  # fmt: skip
    size = detectable(design, expected(design, spread, "given", "given"))
    generator = np.random.default_rng(2)
    found = []
    for _ in range(800):
        shape = (models, seeds, rows)
        of_rows = generator.normal(0, (spread.rows * spread.shared / 2) ** 0.5, (models, 1, rows))
        of_both = generator.normal(0, (spread.rows * (1 - spread.shared) / 2) ** 0.5, shape)
        scores = of_rows + of_both + generator.normal(0, (spread.seeds / 2) ** 0.5, (models, seeds, 1))
        contrast_SN = np.einsum("a,asn->sn", np.array(weights), scores[:3]) + size
        own = np.var(contrast_SN - contrast_SN.mean(axis=0), axis=1).sum() / (seeds - 1) / seeds / rows
        variances = RowVariance(mean=float(np.var(contrast_SN.mean(axis=0)) / rows), by_seed=float(own))
        test = two_way(list(contrast_SN.mean(axis=1)), variances, block_variance(scores.mean(axis=2), weights))
        assert test is not None
        found.append(test.p < 0.05)
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


@given(st.floats(1e-6, 1e-3), st.floats(0, 1e-3), st.floats(1e-8, 1e-2), st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_more_seeds_detect_less_and_a_family_detects_more(shared: float, own: float, seeds: float, arms: int) -> None:
    deviations = Deviations(shared=shared, own=own, seeds=seeds, of_rows="given", of_seeds="given")
    found = [detectable(gain_design(count, arms, 500), deviations) for count in (3, 5, 8, 20)]
    assert found == sorted(found, reverse=True)
    known = (shared + own / 20 + (seeds / 20)) ** 0.5
    assert found[-1] > 2.8 * known
    assert detectable(gain_design(5, arms, 500), deviations, level=0.99) > found[1]


@given(
    st.floats(-7, -2.5),
    st.none() | st.floats(-7, -2.5),
    st.none() | st.floats(-7, -2.5),
    st.integers(1, 8),
    st.sampled_from(["gain", "pooled contrast", "contrast of several models"]),
    st.sampled_from([0.95, 0.99, 0.999]),
)
@settings(max_examples=25, deadline=None)
def test_more_rows_or_more_seeds_never_detect_less(
    shared: float, own: float | None, net: float | None, models: int, kind: str, level: float
) -> None:
    """The variances are powers of ten. Two thousand draws give the stated gain, so a thousandth is left to chance."""
    variances = [0.0 if each is None else 10**each for each in (own, net)]
    deviations = Deviations(shared=10**shared, own=variances[0], seeds=variances[1], of_rows="given", of_seeds="given")

    def design(seeds: int) -> Design:
        if kind == "gain":
            return gain_design(seeds, models, 500)
        blocks = max(models, 3) if kind == "pooled contrast" else 0
        return dataclasses.replace(gain_design(seeds, 1, 500), weights=(0.5, 0.5, -1.0), blocks=blocks)

    found = np.array(
        [
            [detectable(design(seeds), deviations, seeds, factor, level) for seeds in (3, 4, 5, 8, 12)]
            for factor in (1, 1.5, 2, 4)
        ]
    )
    for axis, by in enumerate(("rows", "seeds")):
        assert np.all(np.diff(found, axis=axis) <= 1e-3 * found.min()), f"more {by} must not detect less: {found}"


def test_with_few_seeds_it_is_the_normal_distribution_over_rows() -> None:
    design = gain_design(2, 3, 400)
    found = detectable(design, expected(design, ASSUMED, "assumed", "assumed"))
    assert found == pytest.approx((1.95996 + 0.84162) * (0.25 / 400 * 0.75) ** 0.5, rel=1e-4)


def test_variances_of_a_weighted_mean_are_those_written_out() -> None:
    evaluates = {rows.language: Evaluate(E5_MINI, TARGET, rows.language) for rows in TARGET.evaluation}
    sets = tuple(
        ScoredSet(evaluate=evaluates[language], total=0.0, squares=2 / 9, count=RowCount(rows))
        for language, rows in (("ko", 300), ("aym", 200), ("gn", 200))
    )
    design = dataclasses.replace(gain_design(3, 1, 1), sets=sets)
    alone = [0.25 / 9 / rows for rows in (300, 200, 200)]
    # Aymara and Guarani are two languages of one parallel set (AmericasNLI).
    assert design.row_variance(0.25) == pytest.approx(sum(alone) + 2 * PARALLEL * alone[1])
    level = ScoredSet(evaluate=evaluates["ko"], total=1.0, squares=1.0, count=RowCount(100))
    assert level.variance(0.2) == pytest.approx(0.25 / 100), "one model's score varies like its level"
    assert ScoredSet(evaluate=evaluates["ko"], total=0.0, squares=2.0, count=RowCount(100)).variance(0.2) == 0.002


def test_twice_the_rows_of_the_quickstart_do_not_make_three_seeds_worse() -> None:
    """With Satterthwaite's degrees of freedom alone, 9.6 points after correction would become 10.6."""
    design = gain_design(3, 5, 1_498)
    deviations = expected(design, ASSUMED, "assumed", "assumed")
    once, twice = (detectable(design, deviations, 3, factor, level=0.99) for factor in (1, 2))
    assert twice < once


def claimed(gain: float, needed: float, p: float = 0.01) -> Gain:
    return Gain(
        task="nli", metric="accuracy", model="m", method="lora", start="Sequential", intermediate="snli", target="nli",
        variant="v", is_baseline=False, seeds=3, quantity=ZERO_SHOT, languages=("ko",), examples=300, score=0.5,
        gain=gain, low=gain - 0.01, high=gain + 0.01, corrected_low=gain - 0.02, corrected_high=gain + 0.02, p=p,
        holm_p=p, seeds_compared=3, family_size=4, detectable=needed / 2, corrected_detectable=needed,
    )  # fmt: skip


def test_a_claimed_gain_below_what_the_design_detects_is_said_to_be_possibly_too_large() -> None:
    said = (
        "A gain of +3.0 may be too large: this design finds a true gain in 4 of 5 experiments only from 4.2 points on"
    )
    assert said in answer(NLI, [claimed(0.03, 0.042)])
    for other in (claimed(0.03, 0.029), claimed(0.03, 0.042, p=0.2), claimed(-0.03, 0.042)):
        assert "may be too large" not in answer(NLI, [other])


def test_gains_that_are_found_in_few_experiments_are_overestimated_where_they_are_found() -> None:
    """The statement behind the sentence, for a true gain that 3 of 10 experiments find."""
    generator = np.random.default_rng(1)
    detectable_gain = detectable_effect(1.0, 0.0, float("inf"))
    true = 1.44
    measured = true + generator.normal(size=20_000)
    found = measured[measured > 1.96]
    assert len(found) / 20_000 == pytest.approx(0.3, abs=0.01)
    below = found[found < detectable_gain]
    assert len(below) / len(found) > 0.6
    assert below.mean() > 1.5 * true


# --- plans and stores


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(fake_mirror(tmp_path / "data", TARGET, SNLI))


def study(model: ModelSpec, sources: Sources, seeds: int = 3) -> Plan:
    trained = [
        train(model, TARGET, LORA, *start, seed=seed)
        for seed in range(1, seeds + 1)
        for start in ((), (Sequential(train(model, SNLI, LORA, seed=seed)),))
    ]
    return planned(sources, *(everywhere(each, TARGET, limit=120) for each in trained))


def test_stored_scores_give_the_deviations_and_a_contrast_has_those_of_its_gain(model, sources, tmp_path) -> None:
    plan, store = study(model, sources, 4), Store(tmp_path / "store")
    is_variant = {each: isinstance(each.model.start, Sequential) for each in plan.recipe.evaluations}
    with_, without = ([each for each, found in is_variant.items() if found == it] for it in (True, False))
    contrast = difference("SNLI first", with_, without)
    declared = make_plan(Recipe("question", plan.recipe.evaluations, contrasts=(contrast,)), sources)
    (before,) = planned_power(declared)
    assert (before.quantity, before.comparison, before.seeds, before.rows) == ("contrast", "SNLI first", 4, 360)
    (alike,) = planned_power(plan)
    assert before.detectable == pytest.approx(alike.detectable, rel=0.02), "another draw of the same distribution"
    fill(plan, store, sources, num_rows=120)
    (power,) = [each for each in compute_power(plan, store, sources) if each.planned]
    (of_contrast,) = [each for each in compute_power(declared, store, sources) if each.planned]
    assert (power.rows, power.seeds, power.rows_from, power.seeds_from) == (360, 4, "measured", "measured")
    assert of_contrast.rows_from == of_contrast.seeds_from == "measured"
    gains = compute_gains(measure(plan, store))
    (gain,) = [each for each in gains if each.quantity == ZERO_SHOT and not each.is_baseline]
    assert power.row_error == pytest.approx((gain.row_high - gain.row_low) / 2 / 1.96, rel=0.1)
    assert of_contrast.row_error == pytest.approx(power.row_error, rel=0.1)
    assert of_contrast.seed_deviation == pytest.approx(power.seed_deviation, abs=0.005)
    assert power.corrected == power.detectable, "one comparison needs no correction"
    (family_of_one,) = contrast_results(declared.recipe.contrasts, measure(declared, store))
    assert of_contrast.rows == family_of_one.examples


def test_seeds_that_are_not_stored_are_planned_with_the_deviations_of_those_that_are(model, sources, tmp_path) -> None:
    store = Store(tmp_path / "store")
    fill(study(model, sources, 4), store, sources, num_rows=120)
    whole = study(model, sources, 8)
    (power,) = [each for each in compute_power(whole, store, sources) if each.planned]
    (pilot,) = [each for each in compute_power(study(model, sources, 4), store, sources) if each.planned]
    assert (power.seeds, pilot.seeds) == (8, 4)
    assert power.rows_from == power.seeds_from == "measured"
    assert power.seed_deviation == pilot.seed_deviation
    assert power.detectable < pilot.detectable
    (assumed,) = planned_power(whole)
    assert (assumed.rows_from, assumed.seeds_from) == ("assumed", "assumed")
    (forced,) = [each for each in compute_power(whole, store, sources, Given(rows=0.5, seeds=0.02)) if each.planned]
    assert forced.detectable == pytest.approx(assumed.detectable), "the defaults, given"


def test_a_primary_average_makes_one_family_of_all_tasks(model, sources) -> None:
    plan = study(model, sources)
    other = dataclasses.replace(TARGET, name="other")
    more = planned(sources, *(everywhere(each.model, other, limit=50) for each in plan.recipe.evaluations[::4]))
    evaluations = (*plan.recipe.evaluations, *more.recipe.evaluations)
    alone = planned_power(make_plan(Recipe("q", evaluations), sources))
    assert [(each.task, each.family_size) for each in alone] == [("nli", 1), ("other", 1)]
    together = planned_power(make_plan(Recipe("q", evaluations, primary=SOURCE), sources))
    assert [(each.quantity, each.languages, each.family_size) for each in together] == [(SOURCE, ("en",), 2)] * 2


def test_rows_are_counted_in_the_data_with_whole_clusters(model, tmp_path) -> None:
    task = dataclasses.replace(NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language == "gn"))
    (rows,) = task.evaluation
    file = tmp_path / "data" / f"{rows.address}.parquet"
    file.parent.mkdir(parents=True)
    columns = {str(name): [f"{role} {row // 3}" for row in range(60)] for role, name in rows.columns}
    columns[str(rows.column("label"))] = [row % 3 for row in range(60)]
    pq.write_table(pa.table(columns), file)
    there = Sources(tmp_path / "data")
    assert count_rows(Evaluate(model, task, "gn"), there) == RowCount(60, 20)
    assert count_rows(Evaluate(model, task, "gn", limit=20), there) == RowCount(18, 6), "no premise is cut"
    assert count_rows(Evaluate(model, task, "gn"), None) == RowCount(rows.expected)


def test_tables_say_what_the_frame_says(model, sources) -> None:
    found = planned_power(study(model, sources))
    whole = compute_power(study(model, sources), None, None)
    first, other = power_tables(whole)
    assert first.rows[0][0].text == "lora-r4 · Sequential · snli"
    assert first.rows[0][-2].text == f"{100 * found[0].detectable:.1f}"
    assert "assumed" in first.caption
    alike = [dataclasses.replace(each, comparison=f"variant {number}") for number in range(4) for each in found]
    merged, _ = power_tables(alike)
    assert [row[0].text for row in merged.rows] == ["each of 4: variant 0, ..."]
    assert [column.header for column in other.columns[1:]] == ["3 seeds", "5 seeds", "8 seeds"] * 2
    frame = power_frame(whole)
    assert list(frame["seeds"]) == [3, 3, 5, 8, 3, 5, 8]
    assert list(frame["rows"]) == [360] * 4 + [720] * 3
    assert frame["detectable"][0] == frame["detectable"][1]
    said = power_sentence(found)
    assert f"detectable gain: {100 * found[0].corrected:.1f} points of nli" in said


def test_designs_without_comparisons_or_with_impossible_deviations_are_refused(model, sources) -> None:
    alone = planned(sources, everywhere(train(model, TARGET, LORA), TARGET))
    assert planned_power(alone) == []
    with pytest.raises(UserError, match="has nothing to compare: no variant has a matched baseline"):
        compute_power(alone)
    with pytest.raises(UserError, match="seed deviation of 200 points is impossible"):
        Given(seeds=2.0)


def test_unknown_numbers_of_rows_are_said(model, sources) -> None:
    unknown = dataclasses.replace(
        TARGET, evaluation=tuple(dataclasses.replace(rows, expected=None) for rows in TARGET.evaluation)
    )
    start = Sequential(train(model, SNLI, LORA))
    plan = planned(
        sources,
        everywhere(train(model, unknown, LORA), unknown),
        everywhere(train(model, unknown, LORA, start), unknown),
    )
    (power,) = planned_power(plan)
    assert power.detectable is None
    assert "give Evaluate(limit=...)" in power.note
    assert "unknown, because the number of test rows" in power_sentence([power])


@needs.adapters
def test_the_command_reads_rows_but_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from adaptx.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'transformers', 'mlflow'} & set(sys.modules)\n"
    )
    recipe = Path(__file__).parents[1] / "recipes/quickstart.py"
    command = ["power", str(recipe), "--data", "sample", "--store", str(tmp_path / "store"), "--json"]
    ended = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    records = json.loads(ended.stdout)
    assert {record["task"] for record in records} >= {"nli", "tatoeba"}
    planned = [record for record in records if record["planned"]]
    averages = [record for record in planned if record["quantity"] == "zero-shot average"]
    assert {record["family_size"] for record in averages} == {len(averages)}, "the recipe's primary family"
    nli = [record for record in averages if record["task"] == "nli"]
    assert len(nli) == 5
    assert all(record["clusters"] < record["rows"] <= 300 * len(record["languages"]) for record in nli), "premises"
    assert all(record["detectable"] < record["corrected"] for record in nli)
