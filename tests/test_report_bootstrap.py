"""The paired bootstrap against a plain reference, and its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.report.statistics.bootstrap import ExampleRows, Floats, interval, resampled_sums

SEEDS = st.integers(0, 2**31)


def resampled_means(values: dict[str, Floats], examples: dict[str, ExampleRows], resamples: int) -> dict[str, Floats]:
    """Means of columns of values: their sums over the sum of a column of ones."""
    with_ones = {lang: np.column_stack([each, np.ones(len(each))]) for lang, each in values.items()}
    sums = resampled_sums(with_ones, examples, resamples)
    return {lang: each[:, :-1] / each[:, -1:] for lang, each in sums.items()}


def one(values: Floats, resamples: int = 2_000, group: str | None = None) -> Floats:
    """Resampled means of one language and one comparison."""
    examples = ExampleRows(np.arange(len(values)), group)
    return resampled_means({"xx": values[:, None]}, {"xx": examples}, resamples)["xx"][:, 0]


@given(SEEDS, st.integers(1, 200))
@settings(max_examples=20, deadline=None)
def test_a_variant_gains_exactly_nothing_over_itself(seed: int, rows: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 2, rows).astype(float)
    assert interval(one(scores - scores, 500)) == (0.0, 0.0)


@given(SEEDS, st.floats(-5, 5))
@settings(max_examples=20, deadline=None)
def test_a_shift_of_every_example_shifts_the_interval(seed: int, shift: float) -> None:
    gains = np.random.default_rng(seed).normal(size=80)
    plain, shifted = interval(one(gains, 500)), interval(one(gains + shift, 500))
    assert shifted == pytest.approx([bound + shift for bound in plain], abs=1e-9)


@given(SEEDS, st.permutations(("aym", "gn", "id")), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_a_result_does_not_depend_on_what_else_is_in_the_call(seed: int, order: list[str], columns: int) -> None:
    generator = np.random.default_rng(seed)
    examples = {
        "aym": ExampleRows(np.arange(40), "g"),
        "gn": ExampleRows(np.arange(40), "g"),
        "id": ExampleRows(np.arange(30)),
    }
    values = {lang: generator.normal(size=(len(each.rows), columns)) for lang, each in examples.items()}
    alone = resampled_means({"id": values["id"][:, :1]}, examples, 100)
    ordered = resampled_means({lang: values[lang] for lang in order}, examples, 100)
    np.testing.assert_allclose(alone["id"][:, 0], ordered["id"][:, 0])


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=50)
    whole = one(values, 1_000)
    monkeypatch.setattr("adaptx.report.statistics.bootstrap._BLOCK_CELLS", 50 * 7)
    np.testing.assert_allclose(one(values, 1_000), whole)


def reference(values: dict[str, Floats], together: bool, resamples: int, seed: int) -> Floats:
    """Average over languages of resampled means, one draw at a time."""
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    rows = len(next(iter(values.values())))
    for index in range(resamples):
        shared = generator.integers(0, rows, rows)
        drawn = [each[shared if together else generator.integers(0, rows, rows)].mean() for each in values.values()]
        means[index] = np.mean(drawn)
    return means


@pytest.mark.parametrize("together", [True, False])
def test_parallel_rows_are_drawn_together_and_others_apart(together: bool) -> None:
    """Rows that agree across languages leave an average as uncertain as one language; others do not."""
    generator = np.random.default_rng(3)
    shared = generator.normal(size=150)
    values = {lang: shared + 0.4 * generator.normal(size=150) for lang in ("aym", "gn", "quy")}
    examples = {lang: ExampleRows(np.arange(150), "parallel" if together else None) for lang in values}
    means = resampled_means({lang: each[:, None] for lang, each in values.items()}, examples, 20_000)
    average = np.mean([means[lang][:, 0] for lang in values], axis=0)
    expected = reference(values, together, 6_000, 5)
    assert average.std() == pytest.approx(expected.std(), rel=0.05)
    assert interval(average) == pytest.approx(interval(expected), abs=0.02)
    mean_of_rows = np.mean(list(values.values()), axis=0)
    closed_form = mean_of_rows.std() if together else np.sqrt(sum(each.var() for each in values.values())) / 3
    assert average.std() == pytest.approx(closed_form / np.sqrt(150), rel=0.03)


def test_parallel_sets_of_different_rows_share_the_draw_of_common_ones() -> None:
    generator = np.random.default_rng(4)
    shared = generator.normal(size=200)
    rows = {"whole": np.arange(200), "half": np.arange(100, 200)[::-1].copy()}
    examples = {lang: ExampleRows(each, "parallel") for lang, each in rows.items()}
    means = resampled_means({lang: shared[each][:, None] for lang, each in rows.items()}, examples, 5_000)
    assert means["half"].std() == pytest.approx(shared[100:].std() / 10, rel=0.08)
    # The half's rows are half of the whole's: cov(means) = var / 200, so r = sqrt(1/2), up to the halves'
    # difference.
    assert np.corrcoef(means["whole"][:, 0], means["half"][:, 0])[0, 1] == pytest.approx(0.71, abs=0.1)


def test_a_resample_without_a_small_sets_rows_is_the_whole_set() -> None:
    examples = {"large": ExampleRows(np.arange(50), "g"), "small": ExampleRows(np.array([7]), "g")}
    statistics = {"large": np.ones((50, 1)), "small": np.array([[3.0, 0.0, 1.0]])}
    small = resampled_sums(statistics, examples, 200)["small"]
    # Drawn n times it counts n times; never drawn, it stands as it is.
    assert set(small[:, 0]) > {3.0}
    assert np.all(small[:, 2] >= 1)
    np.testing.assert_array_equal(small[:, 0], 3 * small[:, 2])
    assert np.all(small[:, 1] == 0)


def test_several_examples_of_one_row_are_drawn_as_one() -> None:
    """Ten equal examples of each row hold no more evidence than one."""
    values = np.random.default_rng(6).normal(size=60)
    repeated = ExampleRows(np.repeat(np.arange(60), 10))
    means = resampled_means({"xx": np.repeat(values, 10)[:, None]}, {"xx": repeated}, 2_000)["xx"][:, 0]
    np.testing.assert_allclose(means, one(values), atol=1e-12)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Paired gains with a true mean of 0.05: of 400 test sets, about 95% of the intervals hold it."""
    generator = np.random.default_rng(7)
    rows, sets, truth = 300, 400, 0.05
    differences = generator.choice([-1.0, 0.0, 1.0], p=[0.10, 0.75, 0.15], size=(rows, sets))
    means = resampled_means({"xx": differences}, {"xx": ExampleRows(np.arange(rows))}, 1_000)["xx"]
    bounds = [interval(means[:, column]) for column in range(sets)]
    held = np.mean([low <= truth <= high for low, high in bounds])
    assert 0.91 <= held <= 0.98
