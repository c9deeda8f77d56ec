"""Intervals where variant and baseline differ on few rows: published values, other libraries, simulated coverage."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, put_values, train

from adaptx.catalog import NLI, SNLI
from adaptx.metrics.metric import Floats
from adaptx.report.gains.gain import ZERO_SHOT
from adaptx.report.gains.gains import compute_gains
from adaptx.report.report import write_report
from adaptx.report.results.measured import measure
from adaptx.report.statistics.near_edge import FEW_CLUSTERS, LanguageGain, near_edge
from adaptx.report.statistics.newcombe import effective_rows, newcombe, wilson
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, Sequential
from adaptx.store.store import Store

FILE = Path(__file__).parents[1] / "benchmarks/coverage_near_edge.py"
spec = importlib.util.spec_from_file_location("coverage_near_edge", FILE)
assert spec is not None
assert spec.loader is not None
simulation = importlib.util.module_from_spec(spec)
# Dataclasses look their module up.
__import__("sys").modules[spec.name] = simulation
spec.loader.exec_module(simulation)


def rows_of(both: int, ours: int, theirs: int, neither: int) -> tuple[Floats, Floats]:
    """Scores of two systems, from the numbers of rows that both, only one or none of them answers correctly."""
    pairs = [(1, 1)] * both + [(1, 0)] * ours + [(0, 1)] * theirs + [(0, 0)] * neither
    one, two = np.array(pairs, dtype=float).T
    return one, two


def limits(table: tuple[int, int, int, int]) -> tuple[float, float]:
    one, two = rows_of(*table)
    margins, gain = newcombe(one, two, np.arange(len(one)), 0.95), float((one - two).mean())
    return gain - margins.below, gain + margins.above


def test_newcombes_published_interval() -> None:
    """Newcombe 1998, method 10, for 36, 12, 2 and 0 of 50 rows."""
    assert limits((36, 12, 2, 0)) == pytest.approx((0.0569, 0.3404), abs=1e-4)


def test_where_one_system_is_always_right_the_margins_are_those_of_wilson() -> None:
    """The correlation is then zero, and the system that is always right has no margin above."""
    one, two = wilson(1.0, 54, 0.95), wilson(53 / 54, 54, 0.95)
    assert limits((53, 1, 0, 0)) == pytest.approx((1 / 54 - np.hypot(one.below, two.above), 1 / 54 + two.below))
    # Wilson's lower limit of 30 of 30 is 30 / (30 + 1.96^2).
    assert limits((30, 0, 0, 0)) == pytest.approx((-0.11351, 0.11351), abs=1e-5)


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_that_of_statsmodels(right: int, wrong: int, level: float) -> None:
    rows = right + wrong
    margins, share = wilson(right / rows, rows, level), right / rows
    wanted = proportion_confint(right, rows, alpha=1 - level, method="wilson")
    assert (share - margins.below, share + margins.above) == pytest.approx(wanted, abs=1e-9)


@given(st.integers(1, 20), st.integers(1, 20))
def test_unrelated_answers_have_newcombes_interval_of_independent_proportions(ours: int, theirs: int) -> None:
    """Rows of a product table: the answers are independent, so that phi is zero."""
    table = (ours * theirs, ours * 10, 10 * theirs, 100)
    rows = sum(table)
    one, two = table[0] + table[1], table[0] + table[2]
    wanted = confint_proportions_2indep(one, rows, two, rows, method="newcomb", compare="diff")
    assert limits(table) == pytest.approx(wanted, abs=1e-9)


scores = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), min_size=2, max_size=40
)


@given(scores, st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_the_interval_has_a_width_holds_the_gain_and_turns_with_the_sides(
    pairs: list[tuple[float, float]], size: int
) -> None:
    one, two = np.array(pairs).T
    clusters = np.arange(len(one)) // size
    there, back = newcombe(one, two, clusters, 0.95), newcombe(two, one, clusters, 0.95)
    gain = float((one - two).mean())
    assert there.below + there.above > 0
    assert gain - there.below >= -1 - 1e-9
    assert gain + there.above <= 1 + 1e-9
    assert (there.below, there.above) == pytest.approx((back.above, back.below))
    wider = newcombe(one, two, clusters, 0.99)
    assert wider.below >= there.below - 1e-12
    assert wider.above >= there.above - 1e-12


def test_rows_of_a_premise_count_as_fewer_rows() -> None:
    right = np.array([1.0] * 12 + [0.0] * 6 + [1.0] * 6)
    alone, premises = np.arange(24), np.arange(24) // 3
    assert effective_rows(right, alone) == 24
    # Every premise is right or wrong as a whole: 8 premises of 3, with a correction of 8 / 7.
    assert effective_rows(right, premises) == pytest.approx(7)
    assert effective_rows(np.ones(24), premises) is None
    mixed = np.tile([1.0, 1.0, 0.0], 8)
    assert effective_rows(mixed, premises) == 24, "equal premises do not make rows worth more than they are"


def part(ours: Floats, theirs: Floats, weight: float = 1.0, seeds: int = 1) -> LanguageGain:
    generator = np.random.default_rng(3)
    drawn = generator.integers(0, len(ours), (400, len(ours)))
    redrawn = np.tile((ours - theirs)[drawn].mean(axis=1), (seeds, 1))
    return LanguageGain(
        weight=weight,
        ours_SN=np.tile(ours, (seeds, 1)),
        theirs_SN=np.tile(theirs, (seeds, 1)),
        cluster_N=np.arange(len(ours)),
        redrawn_SR=redrawn,
    )


def test_only_languages_with_few_differing_rows_are_near_the_edge() -> None:
    few, many = rows_of(80, FEW_CLUSTERS - 1, 0, 20), rows_of(80, FEW_CLUSTERS, 0, 20)
    assert part(*few).is_near_edge
    assert not part(*many).is_near_edge
    assert near_edge([part(*many)]) is None


def test_margins_of_a_sum_are_squared_and_added() -> None:
    """Two languages in which nothing differs vary independently; a difference turns the sides of the second one."""
    one, two = rows_of(40, 0, 0, 10), rows_of(28, 2, 0, 0)
    single = [newcombe(*each, np.arange(len(each[0])), 0.95) for each in (one, two)]
    found = near_edge([part(*one, weight=0.5), part(*two, weight=-0.5)])
    assert found is not None
    low, high = found.interval()
    gain = 0.5 * 0.0 - 0.5 * 2 / 30
    assert found.gain == pytest.approx(gain)
    percentile = part(*two).margins()
    assert (percentile.below, percentile.above) >= (single[1].below, single[1].above)
    assert gain - low == pytest.approx(0.5 * np.hypot(single[0].below, percentile.above), rel=1e-6)
    assert high - gain == pytest.approx(0.5 * np.hypot(single[0].above, percentile.below), rel=1e-6)


def test_coverage_near_the_edge() -> None:
    """benchmarks/results/coverage_near_edge.md has more settings and comparisons."""
    held, plain = [], []
    for number, values in enumerate(
        (
            {"accuracy": 0.98, "rows": 50, "gain": 1.0},
            {"accuracy": 0.97, "rows": 150, "gain": 1.0, "premise": 3},
            {"accuracy": 0.98, "rows": 50, "gain": 1.0, "languages": 5, "premise": 3},
            {"accuracy": 0.4, "rows": 150, "alike": 0.999, "languages": 5, "gain": 0.2},
            {"accuracy": 0.975, "rows": 50, "gain": 1.0, "seeds": 3},
        )
    ):
        found = simulation.coverage(simulation.Setting(**values), pages=120, resamples=100, seed=number)
        held.append(found["near the edge"][0])
        plain.append(found["bootstrap"][0])
    assert min(held) >= 0.91, "one setting's share is known to about 0.02"
    assert np.mean(held) >= 0.95
    assert min(plain) < 0.75, "the intervals that this one replaces"


@pytest.mark.parametrize("seeds", [1, 3])
def test_two_collapsed_models_have_an_interval_and_no_verdict(seeds: int, tmp_path: Path) -> None:
    task = NLI.in_languages("en", "ko", "id")
    sources = Sources(fake_mirror(tmp_path / "data", task, SNLI))
    model, store = fake_model(tmp_path / "tiny", ()), Store(tmp_path / "store")
    evaluates = []
    for seed in range(1, seeds + 1):
        snli = train(model, SNLI, Lora(4), seed=seed)
        evaluates.append(everywhere(train(model, task, Lora(4), seed=seed), task))
        evaluates.append(everywhere(train(model, task, Lora(4), Sequential(snli), seed=seed), task))
    plan = planned(sources, *evaluates)
    fill(plan, store, sources)
    for node in plan.nodes:
        if node.kind == "evaluate":
            put_values(store, node.fingerprint, predictions=["neutral"] * 60)
    gains = [gain for gain in compute_gains(measure(plan, store), 300) if not gain.is_baseline]
    assert gains
    for gain in gains:
        assert gain.gain == 0.0
        assert gain.low is not None
        assert gain.high is not None
        assert gain.corrected_low is not None
        assert gain.low < -0.005, gain.quantity
        assert gain.high > 0.005, gain.quantity
        assert gain.corrected_low <= gain.low
        assert gain.p == pytest.approx(1.0)
        assert (gain.sign, gain.is_uncertain) == (0, True)
        assert "no interval" not in gain.note
        assert gain.detectable is not None
        assert gain.detectable > 0.005
    by_quantity = {gain.quantity: gain for gain in gains}
    average, single = by_quantity[ZERO_SHOT], by_quantity["ko"]
    assert average.high is not None
    assert single.high is not None
    assert average.high < single.high, "more rows give a narrower interval"
    if seeds > 1:
        return
    text = write_report(plan, store, tmp_path / "out").markdown()
    assert not re.search(r"0\.0 \[0\.0, 0\.0\]", text)
    assert "3 of" not in text


def test_a_metric_of_the_whole_set_has_no_interval_if_nothing_differs(tmp_path: Path) -> None:
    from adaptx.catalog import WIKIANN

    task = dataclasses.replace(WIKIANN, evaluation=WIKIANN.evaluation[:2])
    sources = Sources(fake_mirror(tmp_path / "data", task, SNLI))
    model, store = fake_model(tmp_path / "tiny", ()), Store(tmp_path / "store")
    start = Sequential(train(model, SNLI, Lora(4)))
    plan = planned(
        sources,
        everywhere(train(model, task, Lora(4)), task),
        everywhere(train(model, task, Lora(4), start), task),
    )
    fill(plan, store, sources)
    golds = {
        node.fingerprint: entry.golds.golds
        for node in plan.nodes
        if node.kind == "evaluate" and (entry := store.find(node.fingerprint)) is not None
    }
    for fingerprint, values in golds.items():
        put_values(store, fingerprint, predictions=[["O"] * len(tags) for tags in values])
    gains = [gain for gain in compute_gains(measure(plan, store), 300) if not gain.is_baseline and gain.is_language]
    assert all(gain.low is None and "no interval" in gain.note for gain in gains)
    assert gains
