"""Figures of a report: one style for each variant, and rows that have the numbers of the gains and contrasts."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.fake_store import RESULT, everywhere, fake_mirror, fake_model, fill, train

from adaptx.catalog import NLI, SIB200, SNLI, XQUAD
from adaptx.planning.plan import make_plan
from adaptx.report.figures.forest import MOST_ROWS, ForestPanel, contrast_panel, gain_panel, pages
from adaptx.report.figures.forest_plot import forest_plots
from adaptx.report.figures.languages import guessing, language_scatter
from adaptx.report.figures.losses import development_curves
from adaptx.report.figures.rows import gain_by_rows, rows_series
from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.contrasts import contrast_results
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.gains import compute_gains
from adaptx.report.results.measured import Measurements, measure
from adaptx.report.results.styles import BASELINE_COLOUR, VariantStyles, variant_styles
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Full, Lora, Recipe, Sequential, Stack, difference
from adaptx.store.records import DevelopmentScore
from adaptx.store.store import Store

TARGET = dataclasses.replace(
    NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in ("en", "ko", "aym"))
)
TOPICS = dataclasses.replace(SIB200, evaluation=SIB200.evaluation[:3])
LORA, FULL = Lora(rank=4), Full()
SEEDS = (1, 2, 3)
RESAMPLES = 200


@dataclasses.dataclass(frozen=True)
class World:
    measurements: Measurements
    gains: Sequence[Gain]
    contrasts: Sequence[ContrastResult]
    styles: VariantStyles


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two targets after SNLI, with two methods, two starts and three seeds; the contrast compares the methods."""
    tmp_path = tmp_path_factory.mktemp("figures")
    model = fake_model(tmp_path / "tiny-bert")
    sources = Sources(fake_mirror(tmp_path / "data", TARGET, TOPICS, SNLI))
    groups: dict[str, list[Evaluate]] = {}
    for seed in SEEDS:
        for method in (LORA, FULL):
            snli = train(model, SNLI, method, seed=seed)
            for task in (TARGET, TOPICS):
                starts = [(), (Sequential(snli),), *([(Stack((snli,)),)] if method == LORA else [])]
                for start in starts:
                    key = f"{task.name} {method.label} {type(start[0]).__name__ if start else 'baseline'}"
                    groups.setdefault(key, []).extend(everywhere(train(model, task, method, *start, seed=seed), task))
    after = (groups["nli lora-r4 Sequential"], groups["nli full Sequential"])
    evaluations = tuple(each for group in groups.values() for each in group)
    recipe = Recipe("styles", evaluations, contrasts=(difference("LoRA rather than full fine-tuning", *after),))
    plan, store = make_plan(recipe, sources), Store(tmp_path / "store")
    fill(plan, store, sources, {"": 0.4, "lora-r4 · Sequential": 0.3})
    measurements = measure(plan, store)
    return World(
        measurements,
        compute_gains(measurements, RESAMPLES),
        contrast_results(recipe.contrasts, measurements, RESAMPLES),
        variant_styles(measurements),
    )


def test_a_variant_has_one_style_whatever_the_task(world: World) -> None:
    styles = world.styles
    labels = {variant.label for task in world.measurements.tasks for variant in world.measurements.variants(task.name)}
    assert set(styles.by_label) == labels
    assert len(labels) == 5
    assert sorted(style.number for style in styles.by_label.values()) == [1, 2, 3, 4, 5]
    assert len({(style.colour, style.shape) for style in styles.by_label.values()}) == 5
    ways = ("lora-r4 · Sequential · snli", "full · Sequential · snli", "lora-r4 · Stack · snli")
    lora, full, stacked = (styles[way] for way in ways)
    assert lora.colour == full.colour != stacked.colour, "the colour stands for the start and intermediate task"
    assert stacked.shape == lora.shape != full.shape, "the shape stands for the method"
    assert styles["lora-r4 · baseline"].colour == BASELINE_COLOUR
    assert styles.name("lora-r4 · baseline") == f"{styles['lora-r4 · baseline'].number}  lora-r4 · baseline"


def test_a_label_without_its_checkpoint_is_the_same_variant(world: World) -> None:
    named = tuple(
        dataclasses.replace(each, variant=f"{each.variant} · {each.factors.model}")
        if each.evaluate.task.name == TARGET.name
        else each
        for each in world.measurements.measured
    )
    styles = variant_styles(dataclasses.replace(world.measurements, measured=named))
    assert len(styles.by_label) == 2 * len(world.styles.by_label)
    for label, style in world.styles.by_label.items():
        assert styles[label] == styles[f"{label} · tiny-bert"] == style


def test_a_hollow_mark_has_a_white_face_and_the_variants_edge(world: World) -> None:
    style = world.styles["lora-r4 · Sequential · snli"]
    assert style.mark()["markerfacecolor"] == style.colour
    hollow = style.mark(hollow=True)
    assert (hollow["markerfacecolor"], hollow["markeredgecolor"]) == ("white", style.colour)


def test_forest_rows_have_the_numbers_of_the_gains(world: World) -> None:
    panel = gain_panel(TARGET, world.gains, world.styles)
    assert panel is not None
    compared = [g for g in world.gains if (g.task, g.quantity) == ("nli", ZERO_SHOT) and g.gain is not None]
    assert [row.name for row in panel.rows] == [world.styles.name(gain.variant) for gain in compared]
    for row, gain in zip(panel.rows, compared, strict=True):
        assert (row.value, row.low, row.high) == (gain.gain, gain.low, gain.high)
        assert (row.row_low, row.row_high, row.detectable) == (gain.row_low, gain.row_high, gain.detectable)
        assert len(row.by_seed) == len(SEEDS)
        assert sum(row.by_seed) / len(SEEDS) == pytest.approx(gain.gain)
        assert row.is_undecided == (gain.sign == 0)
    assert not panel.rows[0].is_undecided, "a gain of 30 points on 120 rows"


def test_with_few_seeds_there_is_no_interval_over_seeds(world: World) -> None:
    few = [dataclasses.replace(gain, seeds_compared=2) for gain in world.gains]
    panel = gain_panel(TARGET, few, world.styles)
    assert panel is not None
    assert {(row.low, row.high) for row in panel.rows} == {(None, None)}
    assert all(row.row_low is not None for row in panel.rows)


def test_without_zero_shot_languages_the_forest_shows_the_source_languages(world: World) -> None:
    source = [gain for gain in world.gains if gain.quantity == SOURCE]
    panel = gain_panel(TARGET, source, world.styles)
    assert panel is not None
    assert panel.title.endswith(SOURCE)
    assert gain_panel(TARGET, [], world.styles) is None


def test_contrasts_have_a_panel_of_their_own(world: World) -> None:
    panel = contrast_panel(world.contrasts, are_primary=True)
    assert panel is not None
    (row,), (result,) = panel.rows, world.contrasts
    assert row.name == "LoRA rather than full fine-tuning"
    assert (row.value, row.low, row.high, row.by_seed) == (result.difference, result.low, result.high, result.by_seed)
    assert row.row_low < row.value < row.row_high
    assert "primary" in panel.title
    assert contrast_panel([dataclasses.replace(result, difference=None)], are_primary=True) is None


def test_a_long_forest_continues_in_another_figure_and_loses_no_row(world: World, tmp_path: Path) -> None:
    panel = gain_panel(TARGET, world.gains, world.styles)
    assert panel is not None
    short = ForestPanel(panel.title, panel.rows[:2])
    long = ForestPanel(panel.title, panel.rows[:1] * (MOST_ROWS + 2))
    assert [[len(each.rows) for each in page] for page in pages([short, long, short])] == [[2], [MOST_ROWS], [2, 2]]
    assert [file.name for file in forest_plots([short, short], tmp_path)] == ["forest.png"]
    assert (tmp_path / "forest.png").stat().st_size > 0
    assert forest_plots([], tmp_path) == ()


def test_guessing_is_known_for_labels_alone() -> None:
    assert guessing(TARGET) == pytest.approx(100 / 3)
    assert guessing(TOPICS) == pytest.approx(100 / 7)
    assert guessing(dataclasses.replace(TARGET, metrics=("f1",))) is None
    assert guessing(XQUAD) is None


def test_each_language_has_a_panel_point_only_with_a_gain(world: World, tmp_path: Path) -> None:
    assert language_scatter(TARGET, world.gains, world.styles, tmp_path / "languages.png") == tmp_path / "languages.png"
    baselines = [gain for gain in world.gains if gain.is_baseline]
    assert language_scatter(TARGET, baselines, world.styles, tmp_path / "none.png") is None
    assert not (tmp_path / "none.png").exists()


def with_rows(measurements: Measurements, rows: dict[str, int]) -> Measurements:
    """The measurements with other numbers of target rows in training, by part of the variant's label."""
    changed = []
    for each in measurements.measured:
        last = each.path[-1]
        used = next(number for part, number in rows.items() if part in each.variant)
        trained = dataclasses.replace(last, result=dataclasses.replace(last.result, rows_used=used))
        changed.append(dataclasses.replace(each, path=(*each.path[:-1], trained)))
    return dataclasses.replace(measurements, measured=tuple(changed))


def test_gain_against_rows_joins_variants_that_differ_in_rows_alone(world: World, tmp_path: Path) -> None:
    assert rows_series(TARGET, world.measurements, world.gains) == [], "no two variants differ in rows"
    # Two starts, taken for one, stand for a recipe that varies the rows.
    alike = tuple(
        dataclasses.replace(each, factors=dataclasses.replace(each.factors, start="Sequential"))
        for each in world.measurements.measured
    )
    varied = with_rows(dataclasses.replace(world.measurements, measured=alike), {"Stack": 300, "": 3_000})
    (series,) = rows_series(TARGET, varied, world.gains)
    assert [(rows, gain.variant) for rows, gain in series.points] == [
        (300, "lora-r4 · Stack · snli"),
        (3_000, "lora-r4 · Sequential · snli"),
    ]
    same = with_rows(varied, {"": 500})
    assert rows_series(TARGET, same, world.gains) == [], "they differ in something else"
    assert gain_by_rows(TARGET, varied, world.gains, world.styles, tmp_path / "rows.png") is not None
    assert gain_by_rows(TARGET, same, world.gains, world.styles, tmp_path / "same.png") is None


def test_development_scores_are_drawn_only_where_a_step_was_chosen_by_them(tmp_path: Path) -> None:
    scored = dataclasses.replace(RESULT, development=(DevelopmentScore(10, 0.4), DevelopmentScore(20, 0.5)))
    file = tmp_path / "development.png"
    assert development_curves({"nli": [RESULT]}, file) is None
    assert development_curves({"nli": [RESULT, scored]}, file) == file
