"""The main table of a paper as LaTeX: one row per variant, which fits one column of a two-column page.

The variant's name takes the width that the numbers leave, and wraps (`tabularx`).
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.seed_gains import SeedGain
from adaptx.report.tables.cells import NOTHING, p_text, percent, points
from adaptx.report.tables.latex import escaped, label
from adaptx.specs import Recipe, Task

PREAMBLE = (
    "% Needs \\usepackage{booktabs}, \\usepackage{tabularx}, \\usepackage{amssymb}, \\usepackage[table]{xcolor} and "
    "UTF-8 input.\n"
)
HEADINGS = {ZERO_SHOT: "zero-shot", SOURCE: "source"}
Scores = Mapping[tuple[str, str, str], Sequence[float]]
"""(task, variant, quantity) -> the score of each seed."""


def main_table(
    recipe: Recipe,
    tasks: Sequence[Task],
    gains: Sequence[Gain],
    by_seed: Sequence[SeedGain],
    contrasts: Sequence[ContrastResult],
    wide: bool = False,
) -> str:
    """Return a LaTeX file with the scores and gains of all variants, in the first metric of each task.

    Args:
        recipe: its name is in the table's label, such as `tab:quickstart-main`.
        tasks: the tasks, each of which is a block of rows.
        gains: the gains of the report.
        by_seed: the scores of each seed.
        contrasts: the declared contrasts, which are the last block.
        wide: whether the table is as wide as the page (`table*`) and shows source languages and p-values too. A narrow
            table shows only the zero-shot average, or the source languages if no task has a zero-shot average.
    """
    first = {task.name: task.metrics[0] for task in tasks}
    shown = [gain for gain in gains if gain.quantity in HEADINGS and first.get(gain.task) == gain.metric]
    there = [quantity for quantity in HEADINGS if any(gain.quantity == quantity for gain in shown)]
    quantities = there if wide else there[:1]
    scores: dict[tuple[str, str, str], list[float]] = {}
    for each in by_seed:
        if first.get(each.task) == each.metric:
            scores.setdefault((each.task, each.variant, each.quantity), []).append(each.score)
    blocks = [_block(task, shown, scores, quantities, wide, len(tasks) > 1) for task in tasks]
    if contrasts:
        blocks.append(list(_contrasts(contrasts, quantities, wide)))
    environment, width = ("table*", "\\textwidth") if wide else ("table", "\\columnwidth")
    numbers = "r" * _numbers(quantities, wide)
    rows = "\n\\midrule\n".join("\n".join(block) for block in blocks if block)
    return (
        f"{PREAMBLE}\\begin{{{environment}}}\n\\centering\n\\footnotesize\n\\setlength{{\\tabcolsep}}{{4pt}}\n"
        f"\\begin{{tabularx}}{{{width}}}{{@{{}}>{{\\raggedright\\arraybackslash}}X{numbers}@{{}}}}\n\\toprule\n"
        f"{_headings(quantities, wide)} \\\\\n\\midrule\n{rows}\n\\bottomrule\n\\end{{tabularx}}\n"
        f"\\caption{{{escaped(_caption(recipe, tasks, shown, quantities, bool(contrasts)))}}}\n"
        f"\\label{{{label(recipe.name, 'main')}}}\n\\end{{{environment}}}\n"
    )


def _numbers(quantities: Sequence[str], wide: bool) -> int:
    return len(quantities) * (3 if wide else 2)


def _headings(quantities: Sequence[str], wide: bool) -> str:
    found = ["variant"]
    for quantity in quantities:
        found += [HEADINGS[quantity], "gain", *(["$p$"] if wide else [])]
    return " & ".join(found)


def _block(
    task: Task, gains: Sequence[Gain], scores: Scores, quantities: Sequence[str], wide: bool, named: bool
) -> list[str]:
    by_variant: dict[str, dict[str, Gain]] = {}
    for gain in gains:
        if gain.task == task.name:
            by_variant.setdefault(gain.variant, {})[gain.quantity] = gain
    rows = [
        " & ".join([escaped(variant), *_cells(of_variant, scores, quantities, wide)]) + " \\\\"
        for variant, of_variant in by_variant.items()
    ]
    title = f"\\multicolumn{{{1 + _numbers(quantities, wide)}}}{{@{{}}l}}{{\\emph{{{escaped(task.name)}}}}} \\\\"
    return [title, *rows] if named and rows else rows


def _cells(of_variant: Mapping[str, Gain], scores: Scores, quantities: Sequence[str], wide: bool) -> Iterator[str]:
    for quantity in quantities:
        gain = of_variant.get(quantity)
        if gain is None:
            yield from itertools.repeat(escaped(NOTHING), 3 if wide else 2)
            continue
        yield _score(gain, scores.get((gain.task, gain.variant, quantity), ()))
        yield _difference(gain.gain, gain.corrected_low, gain.corrected_high, gain.sign)
        if wide:
            yield escaped(p_text(gain.holm_p))


def _score(gain: Gain, of_seeds: Sequence[float]) -> str:
    deviation = f" ± {percent(float(np.std(of_seeds, ddof=1)))}" if len(of_seeds) > 1 else ""
    return escaped(f"{percent(gain.score)}{deviation}")


def _difference(value: float | None, low: float | None, high: float | None, sign: int) -> str:
    """Return a difference with its interval: bold after a verdict, grey without one."""
    if value is None:
        return escaped(NOTHING)
    size = escaped(points(value))
    if low is None:
        return size
    interval = escaped(f"[{points(low)}, {points(high)}]")
    return f"\\textbf{{{size}}} {interval}" if sign else f"\\textcolor{{gray}}{{{size} {interval}}}"


def _contrasts(results: Sequence[ContrastResult], quantities: Sequence[str], wide: bool) -> Iterator[str]:
    columns = _numbers(quantities, wide)
    yield f"\\multicolumn{{{1 + columns}}}{{@{{}}l}}{{\\emph{{contrasts}}}} \\\\"
    for result in results:
        difference = _difference(result.difference, result.corrected_low, result.corrected_high, result.sign)
        shown = ["", difference, *([escaped(p_text(result.holm_p))] if wide else [])]
        yield " & ".join([escaped(result.name), *shown, *[""] * (columns - len(shown))]) + " \\\\"


def _caption(
    recipe: Recipe, tasks: Sequence[Task], shown: Sequence[Gain], quantities: Sequence[str], contrasted: bool
) -> str:
    metrics = " and ".join(dict.fromkeys(task.metrics[0] for task in tasks))
    seeds = sorted({gain.seeds for gain in shown})
    counted = " or ".join(map(str, seeds))
    over = f", mean ± standard deviation over {counted} seeds" if seeds and seeds[-1] > 1 else ", one seed"
    named = " and ".join({ZERO_SHOT: "zero-shot average", SOURCE: "source languages"}[each] for each in quantities)
    covers = "rows and seeds" if shown and all(gain.over_seeds for gain in shown if gain.holm_p is not None) else "rows"
    title = recipe.title.rstrip(".?!") or recipe.name
    return (
        f"{title}: {named}, {metrics} in %{over}. Gain: over the matched baseline, in points, with a 95% interval over "
        f"{covers} after Holm's correction. Bold: a gain or a loss; grey: undecided. "
        + _declared(recipe, quantities, contrasted)
    )


def _declared(recipe: Recipe, quantities: Sequence[str], contrasted: bool) -> str:
    """Return a sentence that says which of the table's comparisons the recipe declares as primary."""
    primary = recipe.primary_comparisons
    if primary == "contrasts":
        return "Primary: the contrasts. The gains are exploratory."
    if primary in quantities:
        others = [*(f"gains in the {each}" for each in quantities if each != primary), *(["contrasts"] * contrasted)]
        return f"Primary: gains in the {primary}." + (f" Exploratory: {' and '.join(others)}." if others else "")
    return "All comparisons are exploratory: none of them was declared as primary."
