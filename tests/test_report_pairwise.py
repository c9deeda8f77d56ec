"""Every variant against every other: differences, pooled errors, and Holm's correction over all pairs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.catalog import XNLI
from adaptx.report.gains.pairwise import PairDifference, Scored, pair_differences
from adaptx.report.results.styles import VariantStyle, VariantStyles
from adaptx.report.statistics.blocks import block_variance
from adaptx.report.statistics.holm import holm
from adaptx.report.statistics.two_way import over_rows, row_variance, two_way
from adaptx.report.tables.pairwise import MOST_VARIANTS, pairwise_table

RESAMPLES = 200


def scored(label: str, means: dict[int | None, float], model: str = "m", spread: float = 0.01) -> Scored:
    """A variant whose redrawn scores lie around its means. All variants of one seed move together with the rows."""
    drawn = {
        seed: mean + spread * np.random.default_rng([7, len(label), seed or 0]).normal(size=RESAMPLES)
        for seed, mean in means.items()
    }
    return Scored(label=label, model=model, by_seed=means, redrawn=drawn)


def found(variants: list[Scored]) -> dict[tuple[str, str], PairDifference]:
    return {(pair.first, pair.second): pair for pair in pair_differences(variants)}


def test_differences_are_those_of_the_common_seeds_with_pooled_errors() -> None:
    one = scored("a", {1: 0.50, 2: 0.52, 3: 0.54})
    two = scored("bb", {1: 0.40, 2: 0.44, 3: 0.42})
    three = scored("ccc", {1: 0.50, 2: 0.53, 3: 0.53})
    pairs = found([one, two, three])
    assert list(pairs) == [("a", "bb"), ("a", "ccc"), ("bb", "ccc")]
    assert pairs["a", "bb"].difference == pytest.approx(0.10)
    pooled = block_variance(np.array([list(each.by_seed.values()) for each in (one, two, three)]), [1, -1])
    redrawn_SR = np.stack([one.redrawn[seed] - two.redrawn[seed] for seed in (1, 2, 3)])
    test = two_way([0.10, 0.08, 0.12], row_variance(redrawn_SR), pooled)
    assert pairs["a", "bb"].p == pytest.approx(test.p)
    assert (pairs["a", "bb"].low, pairs["a", "bb"].high) == pytest.approx(test.interval())
    assert [pair.holm_p for pair in pairs.values()] == holm([pair.p for pair in pairs.values()])


def test_other_checkpoints_have_their_own_variance_over_seeds() -> None:
    one, two = scored("a", {1: 0.50, 2: 0.52, 3: 0.54}), scored("bb", {1: 0.40, 2: 0.44, 3: 0.42}, model="other")
    (pair,) = pair_differences([one, two])
    redrawn_SR = np.stack([one.redrawn[seed] - two.redrawn[seed] for seed in (1, 2, 3)])
    assert pair.p == pytest.approx(two_way([0.10, 0.08, 0.12], row_variance(redrawn_SR)).p)


def test_an_untrained_model_is_compared_with_every_seed_and_few_seeds_with_rows_alone() -> None:
    untrained, trained = scored("a", {None: 0.3}), scored("bb", {1: 0.4, 2: 0.5})
    (pair,) = pair_differences([untrained, trained])
    assert (pair.difference, pair.seeds, pair.over_seeds) == (pytest.approx(-0.15), 2, False)
    redrawn_SR = np.stack([untrained.redrawn[None] - trained.redrawn[seed] for seed in (1, 2)])
    assert pair.p == pytest.approx(over_rows([-0.1, -0.2], row_variance(redrawn_SR)).p)
    assert pair_differences([scored("a", {1: 0.3}), scored("bb", {2: 0.4})]) == [], "no seed in common"


def test_equal_models_have_no_test() -> None:
    one, same = scored("a", {1: 0.5}, spread=0.0), scored("bb", {1: 0.5}, spread=0.0)
    (pair,) = pair_differences([one, same])
    assert (pair.difference, pair.p, pair.holm_p, pair.sign) == (0.0, None, None, 0)


@given(st.lists(st.lists(st.floats(0.2, 0.8), min_size=3, max_size=3), min_size=3, max_size=5))
@settings(max_examples=30, deadline=None)
def test_the_table_is_antisymmetric_and_its_bold_cells_are_the_verdicts(means: list[list[float]]) -> None:
    variants = [scored("v" * (n + 1), dict(enumerate(each, start=1))) for n, each in enumerate(means)]
    styles = VariantStyles({each.label: VariantStyle(n, "#000000", "o") for n, each in enumerate(variants, start=1)})
    pairs = found(variants)
    table = pairwise_table(XNLI, variants, list(pairs.values()), ["de", "sw"], styles)
    assert table is not None
    cells = [row[2:] for row in table.rows]
    for first, second in itertools.combinations(range(len(variants)), 2):
        above, below = cells[first][second], cells[second][first]
        pair = pairs[variants[first].label, variants[second].label]
        assert (above.sign, below.sign) == (pair.sign, -pair.sign)
        assert above.is_uncertain == below.is_uncertain == (pair.sign == 0)
        assert above.text.partition("\n")[2] == below.text.partition("\n")[2]
    assert f"all {len(pairs)} pairs" in table.caption
    assert all(cells[place][place].text == "" for place in range(len(variants)))


def test_the_table_is_left_out_for_two_variants_and_for_too_many() -> None:
    for count in (2, MOST_VARIANTS + 1):
        variants = [scored("v" * (n + 1), {1: 0.5}) for n in range(count)]
        assert pairwise_table(XNLI, variants, [], ["de"], VariantStyles({})) is None


def equal_variants(generator: np.random.Generator, deviation: float) -> list[Scored]:
    """Four variants that are equally good: they differ by the draws of rows and of three seeds alone."""
    found: list[Scored] = []
    for number in range(4):
        row_effect, redrawn_R = 0.01 * generator.normal(), 0.01 * generator.normal(size=RESAMPLES)
        means = {seed: 0.5 + row_effect + np.hypot(deviation, 0.01) * generator.normal() for seed in (1, 2, 3)}
        redrawn = {seed: mean + redrawn_R + 0.01 * generator.normal(size=RESAMPLES) for seed, mean in means.items()}
        found.append(Scored(label=f"variant {number}", model="m", by_seed=means, redrawn=redrawn))
    return found


@pytest.mark.parametrize("deviation", [0.0, 0.04])
def test_among_equal_variants_any_false_alarm_is_rare(deviation: float) -> None:
    generator = np.random.default_rng(5)
    tables = [pair_differences(equal_variants(generator, deviation)) for _ in range(500)]
    assert np.mean([any(pair.sign for pair in pairs) for pairs in tables]) <= 0.06
