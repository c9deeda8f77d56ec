"""Sentences of a report say what its tables say, over random gains."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.catalog import XNLI
from adaptx.report.gains.gain import ALPHA, SOURCE, ZERO_SHOT, Gain
from adaptx.report.page.advice import advice, largest_deviation
from adaptx.report.page.answer import answer, verdict_counts
from adaptx.report.tables.cells import p_equals, percent, points, range_text, seconds
from adaptx.report.tables.class_differences import difference_table, differences_sentence
from adaptx.report.tables.comparisons import comparison_table

TARGET = XNLI
METRIC = TARGET.metrics[0]
shares = st.floats(-0.4, 0.4).map(lambda value: round(value, 4))


@st.composite
def compared(draw: st.DrawFn, quantity: str = ZERO_SHOT) -> list[Gain]:
    """Gains of one to eight variants, tested and not, whose intervals lie around them."""
    found: list[Gain] = []
    for number in range(draw(st.integers(1, 8))):
        gain, half = draw(shares), draw(st.floats(0, 0.3))
        tested = draw(st.booleans()) or number == 0
        p = draw(st.floats(0, 1)) if tested else None
        found.append(
            Gain(
                task=TARGET.name, metric=METRIC, model="m", method="lora", start="Sequential",
                intermediate=f"task{number}",
                target=TARGET.name, variant=f"variant {number}", is_baseline=False, seeds=5, quantity=quantity,
                languages=("en",) if quantity == SOURCE else ("ko", "aym"), examples=300, score=0.5 + gain,
                baseline="baseline", baseline_score=0.5, gain=gain,
                low=gain - half if tested else None, high=gain + half if tested else None, p=p, holm_p=p,
                corrected_low=gain - 2 * half if tested else None, corrected_high=gain + 2 * half if tested else None,
                seeds_compared=draw(st.sampled_from((1, 2, 3, 5))), detectable=half if tested else None,
                corrected_detectable=1.5 * half if tested else None,
            )
        )  # fmt: skip
    return found


def numbers(said: str) -> list[int]:
    return [int(each) for each in re.findall(r"(?<![\w.+−])\d+(?![\w.%])", said)]


@given(compared())
@settings(max_examples=200, deadline=None)
def test_counts_are_those_of_the_tables_cells(gains: list[Gain]) -> None:
    tested = [gain for gain in gains if gain.holm_p is not None]
    said = verdict_counts(tested)
    cells = [
        row[1] for row, gain in zip(comparison_table(TARGET, METRIC, gains).rows, gains, strict=True) if gain in tested
    ]
    up, down, open_ = (sum(cell.sign == sign for cell in cells) for sign in (1, -1, 0))
    assert open_ == sum(cell.is_uncertain for cell in cells)
    if len(tested) == 1:
        assert said.endswith("gains" if up else "loses" if down else "is undecided")
    else:
        assert numbers(said) == [up, len(tested), down, open_]
    assert ("trained variant" in said) == any(gain.seeds_compared < 3 for gain in tested)
    assert said in answer(TARGET, gains)


@given(compared(), compared(SOURCE))
@settings(max_examples=200, deadline=None)
def test_the_answer_names_the_largest_gain_and_loss_with_the_tables_numbers(
    zero: list[Gain], source: list[Gain]
) -> None:
    said = answer(TARGET, [*zero, *source])
    first, _, second = said.partition(". On the source languages (en), ")
    for part, gains, quantity in ((first, zero, ZERO_SHOT), (second, source, SOURCE)):
        tested = [gain for gain in gains if gain.holm_p is not None]
        assert verdict_counts(tested) in part
        winners = [gain for gain in tested if gain.sign > 0] or [gain for gain in tested if not gain.sign] or tested
        largest = max(winners, key=lambda gain: gain.gain or 0.0)
        table = comparison_table(TARGET, METRIC, gains, quantity)
        rows = {row[0].text: [cell.text for cell in row] for row in table.rows}
        [(value, interval, name, p)] = re.findall(
            r"The (?:largest gain|best) is (\S+) (\[.*?\]) points of \w+ with (.*?) "
            r"\(95% interval .*?; (p [<=] [\d.]+)\)",
            part,
        )
        row = rows[name]
        assert float_of(value) == max(float_of(points(g.gain)) for g in winners)
        assert row[1].startswith(f"{value} [")
        assert (row[3], p) == (interval, p_equals(next(g.holm_p for g in tested if g.variant == name)))
        named = next(g for g in tested if g.variant == name)
        needed = named.corrected_detectable
        assert row[-1].endswith(f"({percent(needed)})")
        overestimated = re.search(r"A gain of (\S+) may be too large: .* only from (\S+) points on", part)
        assert (overestimated is not None) == (named.sign > 0 and needed > named.gain)
        if overestimated is not None:
            assert overestimated.groups() == (value, percent(needed))
        assert ("The largest loss is" in part) == any(
            g.sign < 0 and (g.sign, g.gain or 0.0) < (largest.sign, largest.gain or 0.0) for g in tested
        )
    few = any(g.seeds_compared < 3 for g in [*zero, *source] if g.holm_p is not None)
    assert ("these trained models and not the methods" in said) == few


@given(compared())
@settings(max_examples=200, deadline=None)
def test_the_advice_is_a_variant_whose_cell_shows_a_gain(gains: list[Gain]) -> None:
    gains = [replace(gain, standing="primary") for gain in gains]
    costs = {gain.variant: 10.0 * number for number, gain in enumerate(gains, start=1)} | {"baseline": 5.0}
    said = advice(TARGET, gains, costs)
    rows = {row[0].text: row for row in comparison_table(TARGET, METRIC, gains).rows}
    tested = [gain for gain in gains if gain.holm_p is not None]
    up = [gain for gain in tested if rows[gain.variant][1].sign > 0]
    named = re.findall(r": use (variant \d)\. Its zero-shot average is ([\d.]+)%", said)
    unsure = re.findall(r"too few seeds .* The zero-shot average of (variant \d) is ([\d.]+)%", said)
    assert not (named and unsure)
    named = named or unsure
    assert bool(named) == bool(up)
    if up:
        best = max(up, key=lambda gain: gain.score)
        assert named == [(best.variant, percent(best.score))]
        assert f"it took {seconds(costs[best.variant])} seconds of training in all, against 5.0 of its baseline" in said
        assert bool(unsure) == (not best.over_seeds), "no recommendation with fewer than three seeds"
        assert ("stays clear only if" in said) == (largest_deviation(best) is not None and not best.over_seeds)
        assert ("the highest of those that gain" in said) == (len(up) > 1)
    elif all(rows[gain.variant][1].sign < 0 for gain in tested):
        leaves_out = "leave the intermediate task out" in said
        assert leaves_out == all(gain.over_seeds for gain in tested), "no recommendation with fewer than three seeds"
        assert "Every intermediate task here made it worse." in said
    else:
        largest = max(gain.corrected_detectable for gain in tested if gain.sign == 0)
        assert f"below {percent(largest)} points could have been missed" in said


LOOKS_BEST_ALONE = "the score looks best without an intermediate task."


@given(compared())
@settings(max_examples=100, deadline=None)
def test_advice_on_exploratory_gains_recommends_nothing(gains: list[Gain]) -> None:
    """It names the same variant with the same numbers as advice on primary gains."""
    said, confirmed = advice(TARGET, gains, {}), advice(TARGET, [replace(g, standing="primary") for g in gains], {})
    assert said.startswith(f"{TARGET.name} (exploratory): ")
    assert ": use " not in said
    assert "leave the intermediate task out" not in said
    assert "Exploratory: " in comparison_table(TARGET, METRIC, gains).caption
    told, of_primary = said.partition(": ")[2], confirmed.partition(": ")[2]
    of_primary = of_primary.replace("leave the intermediate task out.", LOOKS_BEST_ALONE)
    assert re.sub(r"^use (variant \d)\.", r"\1 looks best.", of_primary) == told


def test_the_advice_names_a_baseline_that_scores_higher_without_an_intermediate_task() -> None:
    gain = Gain(
        task=TARGET.name, metric=METRIC, model="m", method="lora", start="Sequential", intermediate="snli",
        target=TARGET.name, variant="lora", is_baseline=False, seeds=3, quantity=ZERO_SHOT, languages=("ko",),
        examples=100, score=0.5, baseline="lora · baseline", baseline_score=0.4, gain=0.1, p=0.01, holm_p=0.01,
        seeds_compared=3,
    )  # fmt: skip
    baselines = [
        replace(gain, variant=f"{name} · baseline", is_baseline=True, score=score, gain=None, holm_p=None)
        for name, score in (("lora", 0.4), ("full", 0.6))
    ]
    assert advice(TARGET, [gain, *baselines], {}).endswith(
        "and the seconds of its training are not known. Without an intermediate task, full · baseline scores 60.0%."
    )
    assert "Without an intermediate task" not in advice(TARGET, [gain, baselines[0]], {})
    untrained = {"lora": 20.0, "lora · baseline": 0.0}
    assert advice(TARGET, [gain], untrained).endswith("20.0 seconds of training in all; its baseline needs none.")
    assert advice(TARGET, baselines, {}) == ""


@given(compared())
@settings(max_examples=100, deadline=None)
def test_a_verdict_is_the_corrected_p_and_the_side_of_zero(gains: list[Gain]) -> None:
    for gain, row in zip(gains, comparison_table(TARGET, METRIC, gains).rows, strict=True):
        claimed = gain.holm_p is not None and gain.holm_p < ALPHA and gain.gain != 0
        assert (row[1].sign != 0) == claimed
        assert row[1].is_uncertain == (gain.holm_p is not None and not claimed)
        assert row[3].text == range_text(gain.corrected_low, gain.corrected_high)
        if claimed:
            assert row[1].sign * gain.gain > 0


@given(compared(), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_the_sentence_on_classes_counts_bold_rows_and_names_the_largest(gains: list[Gain], attributes: int) -> None:
    names = ("script", "family", "resources")[:attributes]
    classes = [
        replace(gain, attribute=f"difference by {names[n % attributes]}", quantity=f"A{n} minus B", languages=("ko",),
                minus=("aym",), family_size=3)
        for n, gain in enumerate(gains)
    ]  # fmt: skip
    said = differences_sentence(TARGET, classes)
    rows = [row for name in names for row in difference_table(TARGET, name, classes).rows]
    tested = [row for row in rows if row[5].text != "–"]
    bold = [row for row in tested if row[2].sign]
    assert all(row[2].is_uncertain == (row in tested and row not in bold) for row in rows)
    if not bold:
        assert "The largest" not in said
        assert said.startswith(f"{TARGET.name}: {'the one' if len(tested) == 1 else f'none of the {len(tested)}'} diff")
        return
    if len(tested) > 1:
        assert said.startswith(f"{TARGET.name}: {len(bold)} of {len(tested)} differences")
    [(name, attribute, shown, variant, p)] = re.findall(
        r"The largest is (.*?) \((\w+)\): (\S+ \[.*?\]) points with (.*?) \(95% .*, corrected for 3 .*; (p .*)\)\.",
        said,
    )
    (row,) = [row for row in difference_table(TARGET, attribute, classes).rows if row[1].text == name]
    assert (row in bold, row[0].text) == (True, variant)
    assert shown == f"{row[2].text.partition(' ')[0]} {row[4].text}"
    assert p.replace("p = ", "").replace("p < ", "<") == row[5].text
    sizes = [abs(float_of(each[2].text.partition(" ")[0])) for each in bold]
    assert abs(float_of(shown.partition(" ")[0])) == max(sizes)


def float_of(text: str) -> float:
    return float(text.replace("−", "-"))


def test_the_largest_deviation_is_where_a_test_over_rows_and_seeds_becomes_undecided() -> None:
    """At this deviation, the gain equals the corrected quantile times the error over rows and one seed."""
    error, quantile = 0.01, 2.5
    gain = Gain(
        task=TARGET.name, metric=METRIC, model="m", method="lora", start="Sequential", intermediate="snli",
        target=TARGET.name, variant="lora", is_baseline=False, seeds=1, quantity=ZERO_SHOT, languages=("ko",),
        examples=100, score=0.5, gain=0.06, p=0.01, holm_p=0.01, seeds_compared=1, row_low=0.06 - 1.96 * error,
        row_high=0.06 + 1.96 * error, corrected_low=0.06 - quantile * error, corrected_high=0.06 + quantile * error,
    )  # fmt: skip
    found = largest_deviation(gain)
    assert found is not None
    assert quantile * (error**2 + found**2) ** 0.5 == pytest.approx(0.06, rel=1e-3)
    assert largest_deviation(replace(gain, gain=0.02)) == 0
    assert largest_deviation(replace(gain, row_low=None)) is None


def test_a_sentence_about_a_gain_names_settings_in_which_the_baseline_differs() -> None:
    gain = Gain(
        task=TARGET.name, metric=METRIC, model="m", method="lora", start="Fuse", intermediate="snli",
        target=TARGET.name, variant="lora", is_baseline=False, seeds=3, quantity=ZERO_SHOT, languages=("ko",),
        examples=100, score=0.5, gain=-0.06, p=0.01, holm_p=0.01, seeds_compared=3, corrected_low=-0.08,
        corrected_high=-0.04, note="one language is missing; baseline differs in learning_rate", family_size=1,
    )  # fmt: skip
    assert "; p = 0.010; baseline differs in learning_rate)" in answer(TARGET, [gain])
    assert "p = 0.010)" in answer(TARGET, [replace(gain, note="one language is missing")])
