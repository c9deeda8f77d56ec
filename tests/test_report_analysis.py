"""The analysis over a store made by hand: three sizes, three seeds, one and several intermediate tasks."""

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.fake_store import change, everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import SIB200, SNLI, XNLI, XQUAD, find_model
from adaptx.catalog.language_facts import LOW_RESOURCE, language_facts
from adaptx.metrics.per_class import MajorityClass
from adaptx.report import write_report
from adaptx.report.gains.gain import GAP, SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.gains import compute_gains
from adaptx.report.gains.gaps import Retained, gaps, retained
from adaptx.report.gains.peaks import PLACES, peaks
from adaptx.report.gains.scaling import compute_series, size_series
from adaptx.report.gains.verdict import NO_VERDICTS, Compared
from adaptx.report.page.answer import answer
from adaptx.report.results.measured import Measurements, measure
from adaptx.report.results.redrawn import Redrawn, redraw
from adaptx.report.results.styles import variant_styles
from adaptx.report.statistics.draws import Draws, several_means
from adaptx.report.statistics.fieller import fieller
from adaptx.report.statistics.holm import holm
from adaptx.report.statistics.over_seeds import over_seeds
from adaptx.report.tables.breakdown import breakdown_tables, class_gains
from adaptx.report.tables.cells import p_text, range_text, shortened
from adaptx.report.tables.class_differences import class_differences
from adaptx.report.tables.comparisons import comparison_table
from adaptx.report.tables.frontier import frontier_table, priced
from adaptx.report.tables.gaps import AT_CHANCE, gap_tables
from adaptx.report.tables.language_effects import language_effects_sentence, language_effects_table, language_regression
from adaptx.report.tables.latex import escaped, latex
from adaptx.report.tables.scaling import scaling_sentences, scaling_table, trend_verdicts
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, Mixture, ModelSpec, Proportional, Sequential
from adaptx.store.record_json import read_record, to_json
from adaptx.store.records import Golds
from adaptx.store.store import Store, write_json

LORA = Lora(rank=4)
TARGET = dataclasses.replace(
    XNLI, evaluation=tuple(rows for rows in XNLI.evaluation if rows.language not in ("bg", "th", "vi", "el"))
)
BOTH = Mixture((SNLI, SIB200), Proportional(), label="both")
SIZES = ((2, 32), (4, 64), (8, 128))
RESAMPLES = 300


def sized_model(folder: Path, layers: int, hidden_size: int) -> ModelSpec:
    fake_model(folder, ())
    config = json.loads((folder / "config.json").read_text())
    config |= {"num_hidden_layers": layers, "hidden_size": hidden_size, "intermediate_size": 4 * hidden_size}
    (folder / "config.json").write_text(json.dumps(config))
    return find_model(str(folder))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measurements:
    root = tmp_path_factory.mktemp("analysis")
    sources = Sources(fake_mirror(root / "data", TARGET, SNLI, SIB200))
    models = [sized_model(root / f"size-{number}", *size) for number, size in enumerate(SIZES)]
    groups = [
        everywhere(train(model, TARGET, LORA, *start, seed=seed), TARGET)
        for model in models
        for seed in (1, 2, 3)
        for start in (
            (),
            (Sequential(train(model, SNLI, LORA, seed=seed)),),
            (Sequential(train(model, SIB200, LORA, seed=seed)),),
            (Sequential(train(model, BOTH, LORA, seed=seed)),),
        )
    ]
    store = Store(root / "store")
    plan = planned(sources, *groups)
    fill(plan, store, sources, {"": 0.4, "· snli": 0.25, " en": 0.1}, num_rows=120)
    return measure(plan, store)


@pytest.fixture(scope="module")
def gains(measured: Measurements) -> list[Gain]:
    return compute_gains(measured, RESAMPLES)


@pytest.fixture(scope="module")
def redrawn(measured: Measurements) -> Redrawn:
    return redraw(measured, TARGET, RESAMPLES)


def label(intermediate: str, size: int) -> str:
    return f"lora-r4 · Sequential · {intermediate} · size-{size}"


def average(gains: list[Gain], variant: str) -> Gain:
    (found,) = [gain for gain in gains if (gain.variant, gain.quantity) == (variant, ZERO_SHOT)]
    return found


def with_gains(gains: list[Gain], gain_of: Callable[[Gain], float]) -> list[Gain]:
    """The same gains with made values where they have one."""
    return [gain if gain.gain is None else dataclasses.replace(gain, gain=gain_of(gain)) for gain in gains]


def test_gains_over_seeds_are_the_seeds_own(measured: Measurements, gains: list[Gain]) -> None:
    found = average(gains, label("snli", 0))
    variants = measured.variants("xnli")

    def scores(variant: str) -> dict[int, float]:
        return {
            v.seeds[-1]: float(np.mean([v.languages[lang].scores["accuracy"] for lang in found.languages]))
            for v in variants
            if v.label == variant
        }

    ours, theirs = scores(label("snli", 0)), scores("lora-r4 · baseline · size-0")
    own = over_seeds([ours[seed] - theirs[seed] for seed in (1, 2, 3)])
    assert (found.seeds_compared, found.gain) == (3, pytest.approx(own.mean))
    assert found.seed_deviation == pytest.approx(own.deviation)
    assert found.over_seeds


def test_intervals_cover_rows_and_seeds_and_are_wider_than_over_rows_alone(gains: list[Gain]) -> None:
    tested = [gain for gain in gains if gain.p is not None]
    assert tested
    for gain in tested:
        assert gain.low < gain.gain < gain.high
        assert gain.corrected_low <= gain.low
        assert gain.high <= gain.corrected_high
        assert (gain.high - gain.low) >= 0.9 * (gain.row_high - gain.row_low)
        assert (gain.p < 0.05) == (not gain.low <= 0 <= gain.high)
        assert (gain.sign != 0) == (not gain.corrected_low <= 0 <= gain.corrected_high)
    assert np.mean([gain.high - gain.low for gain in tested]) > np.mean([g.row_high - g.row_low for g in tested])


def test_a_large_gain_is_clear_in_both_tests_and_none_is_not(measured: Measurements, gains: list[Gain]) -> None:
    large = average(gains, label("snli", 0))
    assert large.sign == 1
    assert large.row_p == pytest.approx(1 / (1 + RESAMPLES)), "no permutation reaches a gain of 25 points"
    families = [g for g in gains if g.quantity == ZERO_SHOT and g.p is not None]
    smallest = min(families, key=lambda gain: gain.p)
    assert smallest.holm_p == pytest.approx(len(families) * smallest.p), "the smallest p, times all comparisons"
    assert all(g.p <= g.holm_p for g in gains if g.p is not None)
    table = comparison_table(TARGET, "accuracy", gains)
    assert len(table.rows) == 9
    source = comparison_table(TARGET, "accuracy", gains, SOURCE)
    assert len(source.rows) == 9
    assert source.title.endswith("source languages")
    assert source.caption.startswith("Source languages: en. ")
    assert "fewer than" not in table.caption
    said = answer(TARGET, gains)
    assert "points of accuracy with lora-r4 · Sequential · snli" in said
    assert "(95% interval over rows and 3 seeds, corrected for 9 comparisons; p " in said
    assert "trained models" not in said
    assert measured.tasks == (TARGET,)


def test_where_all_languages_were_trained_in_their_average_is_the_answer(gains: list[Gain]) -> None:
    everywhere = [g for g in gains if g.quantity != ZERO_SHOT]
    assert answer(TARGET, everywhere).startswith(f"{TARGET.name} (exploratory): on the source languages (en), ")


def test_the_answer_tells_of_the_source_language_beside_the_others(gains: list[Gain]) -> None:
    zero_shot, source = answer(TARGET, gains).split(". On the source languages (en), ")
    for said, quantity in ((zero_shot, ZERO_SHOT), (source, SOURCE)):
        clear = [g for g in gains if g.quantity == quantity and g.holm_p is not None and g.holm_p < 0.05 and g.gain > 0]
        assert f"{len(clear)} of 9 variants gain" in said
        lost = sum(g.quantity == quantity and g.sign < 0 for g in gains)
        assert f" {lost} lose" in said


def test_with_two_seeds_the_page_speaks_of_these_trained_models(gains: list[Gain]) -> None:
    two = [dataclasses.replace(g, seeds_compared=2) for g in gains]
    table = comparison_table(TARGET, "accuracy", two)
    assert "With fewer than 3 seeds, intervals cover the choice of test rows alone" in table.caption
    assert "these trained models" in table.caption
    said = answer(TARGET, two)
    assert " of 9 trained variants gain" in said
    assert "(95% interval over rows, corrected for 9 comparisons; " in said
    assert "Each variant was trained with 2 seeds, so this compares these trained models and not the methods" in said
    assert "at least 3 seeds" in said


def test_cells_look_as_the_verdict_is(gains: list[Gain]) -> None:
    table = comparison_table(TARGET, "accuracy", gains)
    by_variant = {row[0].text: row[1] for row in table.rows}
    for gain in gains:
        if gain.quantity == ZERO_SHOT and gain.holm_p is not None:
            cell = by_variant[gain.variant]
            assert (cell.sign, cell.is_uncertain) == (gain.sign, gain.sign == 0)


def test_gaps_have_intervals_over_rows_and_seeds(gains: list[Gain], redrawn: Redrawn) -> None:
    found, differences = gaps(TARGET, gains, redrawn)
    by_label = {gap.variant.label: gap for gap in found}
    both = by_label[label("both", 1)]
    (score,) = [g.score for g in gains if (g.variant, g.quantity) == (label("both", 1), GAP)]
    assert both.draws.mean == pytest.approx(score)
    assert both.draws.mean == pytest.approx(both.source.score - both.zero_shot.score)
    assert both.intermediates == ("snli", "sib200")
    for gap in found:
        assert gap.test is not None
        low, high = gap.test.interval()
        assert low < gap.draws.mean < high
        assert gap.test.seed_error > 0
    assert [each.several.variant.label for each in differences] == [label("both", size) for size in range(3)]
    for each in differences:
        size = int(each.several.variant.label[-1])
        assert {gap.variant.label for gap in each.single} == {label(name, size) for name in ("snli", "sib200")}
        assert each.difference == pytest.approx(
            each.several.draws.mean - np.mean([gap.draws.mean for gap in each.single])
        )
        assert each.over_seeds
        assert each.test is not None
        assert each.test.mean == pytest.approx(each.difference)


def test_a_gap_is_told_only_where_both_scores_are_above_chance(gains: list[Gain], redrawn: Redrawn) -> None:
    """Accuracies are about 40% without SNLI and 65% after it; the most common of three classes has 35% to 40%."""
    found, differences = gaps(TARGET, gains, redrawn)
    table, compared = gap_tables(TARGET, found, differences)
    by_quantity = {(g.variant, g.quantity): g for g in gains}
    by_label = {row[0].text: row for row in table.rows}
    assert {gap.at_chance for gap in found} == {True, False}
    for gap in found:
        lowest = gap.zero_shot.score - 0.1
        assert 1 / 3 <= gap.zero_shot.chance < 0.5
        assert not gap.at_chance or lowest < gap.zero_shot.chance
        row = by_label[gap.variant.label]
        assert (row[3].text == AT_CHANCE) == gap.at_chance
        source = next(g for g in gains if (g.variant, g.quantity) == (gap.variant.label, SOURCE))
        assert (row[6].text == "unbounded") == (source.holm_p is not None and source.sign == 0)
        assert row[6].text[-1] in ("]" if source.sign > 0 else "–d")
    snli = next(gap for gap in found if gap.variant.label == label("snli", 0))
    assert not snli.at_chance
    kept, whole, apart = snli.zero_shot.gain, snli.source.gain, by_quantity[label("snli", 0), GAP]
    assert snli.retained.value == pytest.approx(kept.gain / whole.gain)
    margins = [(each.high - each.low) / 2 for each in (kept, whole, apart)]
    expected = fieller(kept.gain, whole.gain, margins=(margins[0], margins[1]), margin_of_difference=margins[2])
    assert (snli.retained.low, snli.retained.high) == expected
    assert retained(kept, dataclasses.replace(whole, holm_p=0.2), apart).is_unbounded
    assert retained(kept, dataclasses.replace(whole, low=whole.gain - 1, high=whole.gain + 1), apart).is_unbounded
    assert retained(kept, dataclasses.replace(whole, gain=-0.1), apart) == Retained(), "a loss has no part to keep"
    assert retained(None, whole, apart) == Retained()
    for row in compared.rows:
        assert row[2].text == AT_CHANCE, "`both` and `sib200` score as the baseline does"
        assert [cell.text for cell in row[3:]] == ["–", "–"]
    clear = [dataclasses.replace(each, several=snli, single=(snli,)) for each in differences]
    rows = gap_tables(TARGET, [snli], clear)[1].rows
    for each, row in zip(clear, rows, strict=True):
        assert (row[2].sign != 0) == (float(row[4].text.replace("<", "")) < 0.05)
        assert each.test.p <= float(row[4].text.replace("<", "")) + 0.0005


def test_chance_is_the_most_frequent_class_and_at_least_guessing(measured: Measurements) -> None:
    first = measured.measured[0]
    assert first.majority is not None
    assert first.chance_in("accuracy") == first.majority.share >= 1 / 3

    def chance(share: float) -> float:
        return dataclasses.replace(first, majority=MajorityClass(name="neutral", share=share)).chance_in("accuracy")

    assert (chance(0.6), chance(0.2)) == (0.6, pytest.approx(1 / 3))
    assert first.chance_in("entity_f1") == 0
    assert dataclasses.replace(first, majority=None).chance_in("accuracy") == 0


def test_a_class_is_the_mean_of_its_languages(gains: list[Gain]) -> None:
    by_language = {g.quantity: g.gain for g in gains if g.variant == label("snli", 2) and g.is_language}
    families = [g for g in class_gains(TARGET, gains, "family") if g.variant == label("snli", 2)]
    assert {g.quantity for g in families} >= {"Turkic", "Indo-European: Romance", "Atlantic-Congo"}
    for gain in families:
        assert "en" not in gain.languages, "English is trained on"
        assert gain.gain == pytest.approx(np.mean([by_language[language] for language in gain.languages]))
        assert gain.low < gain.gain < gain.high
    titles = [table.title for table in breakdown_tables(TARGET, gains)]
    names = ("family", "script", "resources", "distance from English")
    assert titles == [f"xnli · {of} by {name}" for name in names for of in ("gain", "difference of the gain")]


def test_differences_between_classes_are_tested_over_rows_and_seeds(gains: list[Gain], redrawn: Redrawn) -> None:
    found = [g for g in class_differences(TARGET, gains) if g.variant == label("snli", 2)]
    by_class = {(g.attribute, g.quantity): g for g in gains if g.variant == label("snli", 2)}
    resources = [g for g in found if g.attribute == "difference by resources"]
    assert [g.quantity for g in resources] == ["high (class 3 to 5) minus low (class 0 to 2)"], "not its mirror, too"
    for gain in found:
        name, _, other = gain.quantity.partition(" minus ")
        attribute = gain.attribute.removeprefix("difference by ")
        one = by_class[attribute, name]
        others = [g for (of, of_class), g in by_class.items() if of == attribute and of_class != name]
        assert set(gain.minus) == {language for each in others for language in each.languages}
        assert (other == "the others") == (len(others) > 1)
        rest = sum(len(each.languages) * each.gain for each in others) / len(gain.minus)
        assert gain.gain == pytest.approx(one.gain - rest)
        # Apart from the pooled variance over seeds, the error is that of the difference on redrawn rows and seeds.
        weights = dict.fromkeys(gain.languages, 1 / len(gain.languages)) | dict.fromkeys(
            gain.minus, -1 / len(gain.minus)
        )
        draws = redrawn.gain(gain.variant, weights)
        assert draws.by_seed_S == pytest.approx(gain.by_seed)
        assert gain.high - gain.low > 2 * 1.9 * draws.redrawn_SR.mean(axis=0).std() * 0.8
    names = ("family", "script", "resources", "distance from English")
    assert {g.family for g in found} <= {f"difference by {name}" for name in names}


def test_a_regression_over_languages_finds_what_was_put_in(measured: Measurements, gains: list[Gain]) -> None:
    generator = np.random.default_rng(3)

    def falling(gain: Gain) -> float:
        distance = language_facts(gain.quantity).syntactic_distance or 0.0
        return 0.08 - 0.2 * distance + 0.002 * generator.normal()

    found = language_regression(measured, TARGET, with_gains(gains, falling))
    assert found is not None
    assert found.groups == 10
    distance = found.effects[0]
    assert (distance.name, distance.estimate) == ("distance", pytest.approx(-0.02, abs=0.002))
    assert language_effects_sentence(TARGET, found).startswith("xnli: 10 languages are too few to tell")
    assert not any(row[1].sign for row in language_effects_table(TARGET, found).rows)
    more = dataclasses.replace(found, groups=12)
    said = language_effects_sentence(TARGET, more)
    assert said.startswith("xnli: for each 0.1 of syntactic distance from English the gain is smaller by 2.")
    assert language_effects_table(TARGET, more).rows[0][1].sign == -1
    assert [row[3].text for row in language_effects_table(TARGET, more).rows] == [
        p_text(p) for p in holm([effect.p for effect in found.effects])
    ]


class Growing(Redrawn):
    """Made gains: each language's gain grows with the logarithm of the body's size, by its class of resources."""

    def gain(self, label: str, weights: dict[str, float]) -> Draws:
        (size,) = {v.evaluate.checkpoint.shape.encoder_parameters for v in self.variants[label]}
        slopes = {lang: 0.03 if language_facts(lang).joshi_class in LOW_RESOURCE else 0.01 for lang in weights}
        steepness = 0.0 if self.metric == "none" else 1.0
        height = steepness * sum(weight * slopes[lang] for lang, weight in weights.items()) * np.log10(size)
        by_seed = height + 0.0001 * np.sin(np.arange(3) * (1 + len(weights)) + size)
        rows = 0.001 * np.random.default_rng(len(weights)).normal(size=RESAMPLES)
        return Draws(by_seed, by_seed[:, None] + rows)


def test_scaling_finds_the_slopes_that_were_put_in(gains: list[Gain], redrawn: Redrawn) -> None:
    made = Growing(**vars(redrawn))
    series = {each.name: each for each in size_series(TARGET, gains, made)}
    assert set(series) == {f"lora-r4 · Sequential · {name} · bert" for name in ("snli", "sib200", "both")}
    found = series["lora-r4 · Sequential · snli · bert"]
    languages = found.points[0].gain.languages
    mean = (0.01 * len(languages) + 0.02 * len(found.languages[1])) / len(languages)
    assert found.languages == (("en",), ("sw",), tuple(lang for lang in languages if lang in found.languages[2]))
    assert found.trend.is_line
    assert found.trend.change == pytest.approx(mean, abs=0.003)
    assert (found.source.change, found.high.change) == (pytest.approx(0.01, abs=0.003),) * 2
    assert (found.low.change, found.resources.change) == (
        pytest.approx(0.03, abs=0.003),
        pytest.approx(0.02, abs=0.005),
    )
    every = list(series.values())
    said = scaling_sentences(TARGET, every, "body parameters")
    start = (
        "xnli, lora-r4 · Sequential · snli · bert: over these 3 models, the gain rises with body parameters along a "
    )
    assert said[0].startswith(f"{start}line, +1.")
    assert "points for a tenfold size (95% interval over models, corrected for 3 series; p " in said[0]
    assert "snli · bert: the gain changes more in low-resource than in high-resource languages, by +2." in said[1]
    table = scaling_table(TARGET, every, "body parameters")
    assert [row[2].text for row in table.rows] == ["tenfold"] * 3
    assert table.rows[0][1].text == "3: 25.4k to 1.59M"
    assert said[-1] == (
        "xnli: each series is about one family of models, so no verdict over model sizes in general is possible: other "
        "families may differ."
    )
    for row, verdict in zip(table.rows, trend_verdicts([each.trend for each in every]), strict=True):
        assert row[4].text == range_text(verdict.low, verdict.high)
        assert row[3].sign == verdict.sign
        assert (verdict.sign != 0) == (not verdict.corrected_low <= 0 <= verdict.corrected_high)


def test_two_sizes_are_told_as_a_change_and_not_as_a_slope(gains: list[Gain], redrawn: Redrawn) -> None:
    two = [gain for gain in gains if not gain.variant.endswith("size-2")]
    made = Growing(**vars(redrawn))
    found = size_series(TARGET, two, made)
    assert {each.trend.is_line for each in found} == {False}
    assert scaling_sentences(TARGET, found, "body parameters") == [
        "xnli: in 3 of 3 series, no three model sizes span half a decade, so no verdict over model sizes is possible."
    ]
    row = scaling_table(TARGET, found, "body parameters").rows[0]
    assert row[2].text.startswith("× 7.9")
    assert (row[3].sign, row[3].is_uncertain) == (0, False)
    assert [cell.text for cell in row[4:8]] == ["–"] * 4
    assert row[11].text.endswith("], these models")
    still = Growing(**vars(redrawn) | {"metric": "none"})
    said = scaling_sentences(TARGET, size_series(TARGET, gains, still), "body parameters")
    assert said[0] == "xnli: in 3 of 3 series, the gain neither clearly rises nor falls with body parameters."


def test_budgets_of_one_checkpoint_are_a_line_over_operations(gains: list[Gain], redrawn: Redrawn) -> None:
    """The three sizes stand for three budgets of one checkpoint: their operations differ, and so do their gains."""
    alike = {
        label: [dataclasses.replace(v, factors=dataclasses.replace(v.factors, model="one")) for v in seeds]
        for label, seeds in redrawn.variants.items()
    }
    made = Growing(**vars(redrawn) | {"variants": alike})
    series = {each.name: each for each in compute_series(TARGET, gains, made)}
    found = series["lora-r4 · Sequential · snli · one"]
    assert found.sizes == tuple(
        sorted(seeds[0].first.intermediate_flops for label, seeds in alike.items() if "· snli" in label)
    )
    assert found.trend.is_line
    assert found.trend.decades == pytest.approx(np.log10(found.sizes[-1] / found.sizes[0]))
    said = scaling_sentences(TARGET, [found], "operations of the intermediate training")[0]
    assert "over these 3 budgets, the gain rises with operations of the intermediate training along a line, +1." in said


def test_the_largest_budget_has_one_verdict_wherever_it_is_compared(gains: list[Gain], redrawn: Redrawn) -> None:
    alike = {
        label: [dataclasses.replace(v, factors=dataclasses.replace(v.factors, model="one")) for v in seeds]
        for label, seeds in redrawn.variants.items()
    }
    series = compute_series(TARGET, gains, Growing(**vars(redrawn) | {"variants": alike}))
    found, verdicts = peaks(TARGET, series, NO_VERDICTS)
    assert [(peak.series, peak.where) for peak in found] == [(each.name, where) for each in series for where in PLACES]
    assert all(peak.sign == 1 for peak in found if peak.where == ZERO_SHOT), "gains grow with the budget"
    first = found[0]
    assert first.verdict is not None
    assert first.verdict.family_size == 2 * len(series), "two smaller budgets per series"
    compared = Compared(
        task=TARGET.name,
        metric=TARGET.metrics[0],
        ours=label("snli", 2),
        theirs=label("snli", 1),
        languages=frozenset(series[0].points[0].gain.languages),
        seeds=3,
    )
    assert verdicts.of(compared) == first.verdict
    declared = dataclasses.replace(first.verdict, holm_p=0.5, family="contrasts")
    again, _ = peaks(TARGET, series, NO_VERDICTS.with_more([(compared, declared)]))
    assert again[0].verdict == declared
    assert again[0].sign == 0
    others = [peak.verdict.family_size for peak in again if peak.where == ZERO_SHOT and peak.series != first.series]
    assert set(others) == {2 * len(series) - 1}


def test_budgets_over_the_same_baselines_are_compared_seed_by_seed(redrawn: Redrawn) -> None:
    gained = {
        label: gain
        for label in redrawn.variants
        if (gain := redrawn.gain(label, {"de": 1.0})) is not None and "size-0" in label
    }
    assert len(gained) > 1
    for label, gain in gained.items():
        assert gain.baselines == tuple(id(redrawn.baselines[id(seed)]) for seed in redrawn.variants[label])
    assert len({gain.baselines for gain in gained.values()}) == 1, "one size has one baseline per seed"
    assert several_means([*gained.values()]).groups == (tuple(range(len(gained))),)
    assert redrawn.score(label, {"de": 1.0}).baselines == ()


def test_gain_against_intermediate_compute_has_a_point_for_each_training(
    measured: Measurements, gains: list[Gain], redrawn: Redrawn
) -> None:
    first = measured.variants("xnli")[1].first
    assert first.intermediate_flops is not None
    assert first.path_flops == pytest.approx(2 * first.intermediate_flops), "two trainings over as many tokens"
    # Every intermediate training of one size costs the same here, so there is nothing to draw.
    assert compute_series(TARGET, gains, redrawn) == []


def test_the_front_holds_what_nothing_beats(measured: Measurements, gains: list[Gain], redrawn: Redrawn) -> None:
    found = priced(TARGET, gains, redrawn)
    assert len(found) == 12, "baselines are points of their own"
    assert sum(each.gain.is_baseline for each in found) == 3
    for each in found:
        beaten = any(
            other.flops <= each.flops
            and other.score >= each.score
            and (other.flops, other.score) != (each.flops, each.score)
            for other in found
        )
        assert each.front.is_on != beaten
        assert each.low < each.score < each.high
    assert [each.flops for each in found] == sorted(each.flops for each in found)
    cheapest = max((each for each in found if each.flops == found[0].flops), key=lambda each: each.score)
    assert cheapest.front.is_on
    dear = [each for each in found if each.gain.variant == label("sib200", 2)]
    assert dear[0].front.share < 0.05, "the cheaper training on SNLI scores 25 points more"
    styles = variant_styles(measured)
    table = frontier_table(TARGET, found, styles)
    row = next(row for row in table.rows if row[0].text == styles.name(label("sib200", 2)))
    beater, share = dear[0].front.beaten_by
    assert share > 0.9
    assert row[-2].text.startswith(f"{styles[beater].number} (")
    assert float(row[-3].text.strip("<>")) == pytest.approx(dear[0].front.share, abs=0.011)
    assert "seconds on\nthis machine" in [column.header for column in table.columns]
    for each in found:
        beaten = any(
            (other.seconds <= 0.95 * each.seconds and other.score >= each.score)
            or (abs(other.seconds / each.seconds - 1) < 0.04 and other.score > each.score)
            for other in found
        )
        assert not (each.front_of_seconds.is_on and beaten)


def test_energy_is_told_of_the_whole_path_where_it_was_measured(
    measured: Measurements, gains: list[Gain], redrawn: Redrawn
) -> None:
    styles = variant_styles(measured)
    found = priced(TARGET, gains, redrawn)
    assert {each.energy_joules for each in found} == {1800.0 * len(each.variant.first.path) for each in found}
    assert "energy,\nWh" in [column.header for column in frontier_table(TARGET, found, styles).columns]
    unknown = [dataclasses.replace(each, energy_joules=None) for each in found]
    assert "energy,\nWh" not in [column.header for column in frontier_table(TARGET, unknown, styles).columns]


def test_latex_escapes_and_marks(gains: list[Gain]) -> None:
    assert escaped("a_b & 5% → {x}") == r"a\_b \& 5\% $\rightarrow$ \{x\}"
    table = Table(
        "t",
        (Column("a", True), Column("b\nc")),
        ((TableCell("x_1"), TableCell("+1.0", 1)), (TableCell("y"), TableCell("0.1", 0, True))),
    )
    text = latex([table])
    assert r"\begin{tabular}{lr}" in text
    assert r"x\_1 & \textbf{+1.0} \\" in text
    assert r"y & \textcolor{gray}{0.1} \\" in text
    whole = latex([comparison_table(TARGET, "accuracy", gains)])
    assert whole.count(r"\begin{table}") == whole.count(r"\end{table}") == 1
    assert whole.count("{") == whole.count("}")


def test_latex_reads_no_bracket_as_an_option_of_a_rows_end(gains: list[Gain]) -> None:
    # TeX looks for one past spaces and line ends, and reads for ever where it is no length.
    text = latex([comparison_table(TARGET, "accuracy", gains)])
    assert r"gain, points \\ {[}95" in text
    assert not re.search(r"\\\\\s*[\[*]", text)


def test_latex_compiles(gains: list[Gain], tmp_path: Path) -> None:
    needed = ["booktabs.sty", "amssymb.sty", "xcolor.sty"]
    if shutil.which("pdflatex") is None or subprocess.run(["kpsewhich", *needed], capture_output=True).returncode:
        pytest.skip("needs pdflatex with booktabs, amssymb and xcolor")
    packages = r"\usepackage{booktabs,amssymb}\usepackage[table]{xcolor}\usepackage[utf8]{inputenc}"
    text = latex([comparison_table(TARGET, "accuracy", gains)])
    document = rf"\documentclass{{article}}{packages}\begin{{document}}{text}\end{{document}}"
    (tmp_path / "tables.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "tables.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout[-3_000:].decode("utf-8", "replace")


def test_rows_of_one_cluster_are_drawn_together(tmp_path: Path) -> None:
    task = dataclasses.replace(XQUAD, evaluation=XQUAD.evaluation[:2])
    sources = Sources(fake_mirror(tmp_path / "data", task, SNLI))
    model, store = fake_model(tmp_path / "tiny", ()), Store(tmp_path / "store")
    plan = planned(sources, everywhere(train(model, task, LORA), task))
    fill(plan, store, sources)

    def draw_six_together(file: Path) -> None:
        golds = read_record(Golds, file)
        write_json(file, to_json(dataclasses.replace(golds, clusters=tuple(row - row % 6 for row in golds.rows))))

    for node in plan.nodes:
        if node.kind == "evaluate":
            golds = store.find(node.fingerprint).golds_file
            change(store, node.fingerprint, lambda _, golds=golds: draw_six_together(golds))
    assert len(np.unique(measure(plan, store).measured[0].examples.rows)) == 10


def test_the_report_answers_its_question_and_draws_the_analysis(tmp_path: Path) -> None:
    target = dataclasses.replace(
        XNLI, evaluation=tuple(rows for rows in XNLI.evaluation if rows.language in ("en", "tr", "sw", "ur"))
    )
    sources = Sources(fake_mirror(tmp_path / "data", target, SNLI))
    models = [sized_model(tmp_path / f"size-{number}", *size) for number, size in enumerate(SIZES)]
    plan = planned(
        sources,
        *(
            everywhere(train(model, target, LORA, *start), target)
            for model in models
            for start in ((), (Sequential(train(model, SNLI, LORA)),))
        ),
    )
    plan = dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, question="Does it help?"))
    store = Store(tmp_path / "store")
    fill(plan, store, sources, {"": 0.4, "Sequential": 0.2})
    report = write_report(plan, store, tmp_path / "out")
    names = {file.name for file in report.files}
    assert names >= {"scores.json", "tables.tex", "families.xnli.png", "scaling.xnli.png", "pareto.xnli.png"}
    page = report.html.read_text()
    assert page.index("Does it help?") < page.index("points of accuracy with lora-r4 · Sequential · snli")
    for said in (
        "Is the gain real?",
        "How much is lost in other languages?",
        "Which languages gain",
        "Does the gain grow with model size and compute?",
    ):
        assert said in page, said
    assert "fewer than 3" in page
    assert "at least 3 seeds" in page
    rows = json.loads(report.scores_json.read_text())
    assert rows == report.to_json()
    assert {"script", "joshi_class", "trained_rows", "path_flops", "examples_per_second"} <= set(rows[0])


@pytest.mark.parametrize(
    ("value", "text"), [(278_043_648, "278M"), (1.5e9, "1.50B"), (999.7e6, "1.00B"), (3.2e13, "32.0T"), (12.0, "12.0")]
)
def test_sizes_are_written_short(value: float, text: str) -> None:
    assert shortened(value) == text


@pytest.mark.parametrize(
    ("p", "text"), [(None, "–"), (0.0002, "<0.001"), (0.0312, "0.031"), (0.9994, "0.999"), (1.0, "1.0")]
)
def test_p_values_are_never_longer_than_they_are_exact(p: float | None, text: str) -> None:
    assert p_text(p) == text
