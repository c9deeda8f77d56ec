"""Figures of a report: one style for each variant, and rows that have the numbers of the gains and contrasts."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.fake_store import everywhere, fake_mirror, fake_model, fill, train

from adaptx.catalog import NLI, SIB200, SNLI
from adaptx.planning.plan import make_plan
from adaptx.report.contrast import ContrastResult
from adaptx.report.contrasts import contrast_results
from adaptx.report.forest import MOST_ROWS, ForestPanel, contrast_panel, gain_panel, pages
from adaptx.report.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains import compute_gains
from adaptx.report.measured import Measurements, measure
from adaptx.report.plots_forest import forest_plots
from adaptx.report.styles import BASELINE_COLOUR, VariantStyles, variant_styles
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Full, Lora, Recipe, Sequential, Stack, difference
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
