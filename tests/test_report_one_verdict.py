"""A test that several tables, figures and sentences of a report show has one verdict, over random stores."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fake_store import everywhere, fake_mirror, fake_model, fill, train

from adaptx.catalog import NLI, SIB200, SNLI
from adaptx.catalog.languages import language_name
from adaptx.planning.plan import make_plan
from adaptx.report.figures import heatmap
from adaptx.report.figures.forest import contrast_panel, gain_panel
from adaptx.report.gains.compare import Comparisons, compare
from adaptx.report.gains.gain import ALPHA, SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.gaps import gaps
from adaptx.report.gains.pairwise import PairDifference, pair_differences, scored_alike
from adaptx.report.gains.quantities import DIFFERENCE
from adaptx.report.gains.verdict import Compared, Verdict, verdicts_of
from adaptx.report.page.answer import told_verdicts, verdict_counts
from adaptx.report.results.measured import Measurements, measure
from adaptx.report.results.redrawn import Redrawn, redraw
from adaptx.report.results.styles import VariantStyles, variant_styles
from adaptx.report.tables.breakdown import breakdown_tables
from adaptx.report.tables.cells import p_equals, p_text
from adaptx.report.tables.comparisons import comparison_table
from adaptx.report.tables.contrasts import contrast_answer, contrast_table
from adaptx.report.tables.frontier import frontier_table, priced
from adaptx.report.tables.gaps import gap_tables
from adaptx.report.tables.main_tables import gain_table, score_tables
from adaptx.report.tables.pairwise import pairwise_table
from adaptx.report.tables.table import TableCell
from adaptx.sources.sources import Sources
from adaptx.specs import Contrast, Evaluate, Full, Lora, PrimaryComparisons, Recipe, Sequential, difference
from adaptx.store.store import Store

RESAMPLES = 100
LANGUAGES = tuple(rows.language for rows in NLI.evaluation if rows.language != "en")
Seen = tuple[Compared, int, str]
"""A test, oriented as in `Compared.oriented`, with the sign of its verdict and its corrected p as text (or empty)."""


class World:
    """A report over a random store: languages, seeds, scores, contrasts and primary comparisons are drawn."""

    def __init__(self, folder: Path, number: int) -> None:
        generator = np.random.default_rng(number)
        languages = ("en", *generator.choice(LANGUAGES, 1 + number % 4, replace=False))
        self.task = dataclasses.replace(
            NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in languages)
        )
        sources = Sources(fake_mirror(folder / "data", self.task, SNLI, SIB200))
        model, store = fake_model(folder / "model"), Store(folder / "store")
        variants: dict[str, list[Evaluate]] = {}
        for seed in range(1, (1, 3)[number % 2] + 1):
            for method, tasks in ((Lora(rank=4), (None, SNLI, SIB200)), (Full(), (None, SNLI))):
                for task in tasks:
                    start = {"start": Sequential(train(model, task, method, seed=seed))} if task else {}
                    same = variants.setdefault(f"{method} {task.name if task else ''}", [])
                    same += everywhere(train(model, self.task, method, seed=seed, **start), self.task)
        primary: PrimaryComparisons | None = (None, "contrasts", ZERO_SHOT, SOURCE)[number // 2 % 4]
        contrasts = tuple(self._contrasts(list(variants.values()))) if primary else ()
        every = tuple(each for same in variants.values() for each in same)
        self.recipe = Recipe("random", every, primary=primary, contrasts=contrasts)
        plan = make_plan(self.recipe, sources)
        parts = {each: float(generator.choice((0.0, 0.1, 0.25))) for each in ("snli", "sib200", "full", " en", "gn")}
        fill(plan, store, sources, {"": 0.4} | parts, num_rows=60)
        self.measured: Measurements = measure(plan, store)
        self.compared: Comparisons = compare(self.recipe, self.measured, RESAMPLES)
        self.redrawn: Redrawn = redraw(self.measured, self.task, RESAMPLES)
        self.styles: VariantStyles = variant_styles(self.measured)
        self.labels = {self.styles.name(label): label for label in self.redrawn.variants}
        self.gains = {(gain.variant, gain.quantity, gain.attribute): gain for gain in self.compared.gains}

    @staticmethod
    def _contrasts(variants: list[list[Evaluate]]) -> Iterator[Contrast]:
        baseline, snli, sib = variants[:3]
        yield difference("SNLI rather than nothing", snli, baseline)
        yield difference("nothing rather than SIB in English", baseline, sib, ("en",))
        yield difference("SNLI rather than SIB", snli, sib)

    def gain(self, variant: str, quantity: str, attribute: str = "") -> Gain:
        return self.gains[self.labels.get(variant, variant), quantity, attribute]


def seen(compared: Compared | None, sign: int, p: str = "") -> Iterator[Seen]:
    if compared is not None:
        oriented, is_reversed = compared.oriented
        yield oriented, -sign if is_reversed else sign, p


def of_cell(gain: Gain, cell: TableCell, p: str = "") -> Iterator[Seen]:
    assert cell.is_uncertain == (gain.holm_p is not None and cell.sign == 0)
    yield from seen(gain.compared, cell.sign, p)


def in_tables_of_gains(world: World) -> Iterator[Seen]:
    task, gains = world.task, world.compared.gains
    for table in score_tables(task, "accuracy", gains):
        for row in table.rows:
            if table.columns[-1].header.startswith("gain"):
                yield from of_cell(world.gain(row[0].text, ZERO_SHOT), row[-1])
    for quantity in (ZERO_SHOT, SOURCE):
        for row in comparison_table(task, "accuracy", gains, quantity).rows:
            yield from of_cell(world.gain(row[0].text, quantity), row[1], row[4].text)
    codes = {language_name(language): language for language in task.languages}
    for row in gain_table(task, gains).rows:
        yield from of_cell(world.gain(row[0].text, codes[row[1].text]), row[5], row[7].text)
    for table in breakdown_tables(task, gains):
        for row in table.rows:
            attribute, is_difference = table.columns[1].header, "difference" in table.title
            gain = world.gain(row[0].text, row[1].text, DIFFERENCE + attribute if is_difference else attribute)
            yield from of_cell(gain, row[2 if is_difference else 4], row[5].text)
    for table in gap_tables(task, *gaps(task, gains, world.redrawn))[:1]:
        for row in table.rows:
            for place, quantity in ((4, SOURCE), (5, ZERO_SHOT)):
                yield from of_cell(world.gain(row[0].text, quantity), row[place])
    for row in frontier_table(task, priced(task, gains, world.redrawn), world.styles).rows:
        yield from of_cell(world.gain(row[0].text, ZERO_SHOT), row[2])


def in_tables_of_pairs_and_contrasts(world: World) -> Iterator[Seen]:
    results = world.compared.contrasts
    sentences = contrast_answer(results, primary=True)
    for result, row, said in zip(results, contrast_table(results, primary=True).rows, sentences, strict=True):
        yield from seen(result.compared, row[2].sign, row[5].text)
        sign = 1 if "This is a gain" in said else -1 if "This is a loss" in said else 0
        yield from seen(result.compared, sign, row[5].text)
        assert p_equals(result.holm_p) in said
    languages = next(gain.languages for gain in world.compared.gains if gain.quantity == ZERO_SHOT)
    variants = scored_alike(world.redrawn, languages)

    def compared(pair: PairDifference) -> Compared:
        return pair.compared(world.task.name, "accuracy", languages)

    def known(pair: PairDifference) -> Verdict | None:
        return world.compared.verdicts.of(compared(pair))

    pairs = pair_differences(variants, known)
    table = pairwise_table(world.task, variants, pairs, languages, world.styles)
    assert table is not None
    order = {variant.label: place for place, variant in enumerate(variants)}
    for pair in pairs:
        cell = table.rows[order[pair.first]][2 + order[pair.second]]
        yield from seen(compared(pair), cell.sign, cell.text.partition("\np ")[2])


def in_figures(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    task, gains = world.task, world.compared.gains
    panel = gain_panel(task, gains, world.styles)
    assert panel is not None
    for row in panel.rows:
        gain = world.gain(row.name, ZERO_SHOT)
        yield from seen(gain.compared, 0 if row.is_undecided else int(np.sign(row.value)))
    contrasts = contrast_panel(world.compared.contrasts, are_primary=True)
    for result, row in zip(world.compared.contrasts, contrasts.rows if contrasts else (), strict=True):
        yield from seen(result.compared, 0 if row.is_undecided else int(np.sign(row.value)))
    drawn: list[Any] = []
    monkeypatch.setattr(heatmap, "save", lambda figure, _: drawn.append(figure))
    heatmap.gain_heatmap(gains, task.name, "accuracy", world.styles, Path("unused.png"))
    (axes, *_) = drawn[0].axes
    variants = [text.get_text().strip() for text in axes.get_yticklabels()]
    columns = [*(language for language in task.languages), ZERO_SHOT]
    for text in axes.texts:
        column, row = map(round, text.get_position())
        gain = world.gain(variants[row], columns[column])
        starred = text.get_text().endswith("*")
        assert starred == (text.get_fontweight() == "bold")
        yield from seen(gain.compared, int(np.sign(gain.gain or 0.0)) if starred else 0)


@pytest.fixture(scope="module", params=(0, 3, 5, 6))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Worlds with one and three seeds, one to four zero-shot languages, and every kind of primary comparisons."""
    return World(tmp_path_factory.mktemp("world"), request.param)


def test_one_verdict_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts: dict[Compared, set[int]] = {}
    p_values: dict[Compared, set[str]] = {}
    places = [
        *in_tables_of_gains(world),
        *in_tables_of_pairs_and_contrasts(world),
        *in_figures(world, monkeypatch),
    ]
    for compared, sign, p in places:
        verdicts.setdefault(compared, set()).add(sign)
        if p:
            p_values.setdefault(compared, set()).add(p)
    assert all(len(signs) == 1 for signs in verdicts.values())
    assert all(len(texts) == 1 for texts in p_values.values())
    assert len(places) > 2 * len(verdicts), "many tests stand in several places"
    for gain in world.compared.gains:
        if (compared := gain.compared) is not None and compared.oriented[0] in p_values:
            assert p_values[compared.oriented[0]] == {p_text(gain.holm_p)}
    for quantity in (ZERO_SHOT, SOURCE):
        same = [gain for gain in world.compared.gains if gain.quantity == quantity and gain.holm_p is not None]
        assert verdict_counts(same) in told_verdicts(world.task, world.compared.gains)


def test_each_test_counts_in_one_family(world: World) -> None:
    """The number of distinct tests whose verdict names a family is the size of this family."""
    compared = world.compared
    made = verdicts_of([*compared.contrasts, *compared.gains]).by_test.values()
    for family in {verdict.family for verdict in made}:
        of_family = [verdict for verdict in made if verdict.family == family]
        assert {verdict.family_size for verdict in of_family} == {len(of_family)}
    assert all(gain.sign == 0 or (gain.holm_p or 0.0) < ALPHA for gain in compared.gains)


def test_a_mirrored_test_has_the_mirrored_verdict() -> None:
    one = Compared(task="t", metric="m", ours="b", theirs="a", languages=frozenset({"ko"}), seeds=3)
    verdict = Verdict(
        low=0.01, high=0.05, p=0.01, holm_p=0.02, corrected_low=0.005, corrected_high=0.055, detectable=0.03,
        corrected_detectable=0.04, family="pairs", family_size=2,
    )  # fmt: skip
    known = verdicts_of([]).with_more([(one, verdict)])
    assert known.of(one) == verdict
    mirrored = known.of(dataclasses.replace(one, ours="a", theirs="b"))
    assert mirrored is not None
    assert (mirrored.low, mirrored.high, mirrored.corrected_low, mirrored.p) == (-0.05, -0.01, -0.055, 0.01)
    between = dataclasses.replace(one, minus=frozenset({"gn"}))
    twice = dataclasses.replace(between, ours="a", theirs="b", languages=between.minus, minus=between.languages)
    assert between.oriented[0] == twice.oriented[0]
    assert between.oriented[1] == twice.oriented[1], "two reversals cancel"
    assert known.of(between) is None
