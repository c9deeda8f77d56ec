"""The report's figures as PNG files: gains by language, quality against cost, training losses.

The figures are drawn without pyplot, so that no global state changes in the caller's process. Categories are drawn in
Okabe and Ito's eight colours, gains on a scale from blue to orange. Colour-blind readers can tell these colours apart.
Every mark also differs in shape or carries a number.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adaptx.catalog.languages import language_name
from adaptx.report.cells import points
from adaptx.report.gain import ZERO_SHOT, Gain
from adaptx.report.measured import Measurements, Variant, mean_path_seconds, most_memory_bytes

DOTS_PER_INCH = 160
WIDTH_INCHES = 10.0
MOST_CURVES = 24
"""Maximum number of trainings in the figure of losses."""

INK, _GREY = "#222222", "#8a8a8a"
CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#222222", "#999933")
MARKERS = {"Pretrained": "o", "Sequential": "s", "Stack": "^", "Fuse": "D"}
_SETTINGS: Any = {
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "axes.titlesize": 12.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def gain_heatmap(gains: Sequence[Gain], task: str, metric: str, file: Path) -> Path | None:
    """Draw the gain of each variant (row) in each language (column). Return None if there are no gains."""
    shown = [g for g in gains if (g.task, g.metric) == (task, metric) and g.gain is not None]
    cells = {(g.variant, g.quantity): g for g in shown if g.is_language or g.quantity == ZERO_SHOT}
    if not cells:
        return None
    variants = list(dict.fromkeys(variant for variant, _ in cells))
    languages = list(dict.fromkeys(g.quantity for g in cells.values() if g.is_language))
    columns = [*languages, ZERO_SHOT] if any(quantity == ZERO_SHOT for _, quantity in cells) else languages
    figure, (axes,) = make_figure(1.9 + 0.42 * len(variants))
    image = _coloured_cells(axes, cells, variants, columns)
    rows = {g.quantity: g.examples for g in cells.values() if g.is_language}
    even = len(set(rows.values())) == 1
    _name_cells(axes, [_tick(column, None if even else rows.get(column)) for column in columns], variants)
    if columns[-1] == ZERO_SHOT and len(columns) > 1:
        axes.axvline(len(columns) - 1.5, color=INK, linewidth=1.2)
    bar = figure.colorbar(image, ax=axes, pad=0.015, fraction=0.03)
    bar.set_label("percentage points")
    bar.outline.set_visible(False)
    put_title(
        figure,
        f"{task}: gain in {metric} over the matched baseline, in percentage points",
        "bold with *: a gain or a loss after Holm's correction over all languages; "
        + (f"{next(iter(rows.values())):,} examples per language" if even else "n: number of examples"),
    )
    return save(figure, file)


def _coloured_cells(
    axes: Any, cells: Mapping[tuple[str, str], Gain], variants: Sequence[str], columns: Sequence[str]
) -> Any:
    """Draw each gain as a coloured cell with a number. Return the image, which the colour bar needs."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    grid = np.full((len(variants), len(columns)), np.nan)
    for (variant, quantity), gain in cells.items():
        grid[variants.index(variant), columns.index(quantity)] = 100 * (gain.gain or 0.0)
    # The scale spans at least 5 points either way, so that tiny gains stay pale.
    most = max(5.0, float(np.nanmax(np.abs(grid))))
    scale = LinearSegmentedColormap.from_list(
        "gain", ["#B35806", "#F1A340", "#FEE9CC", "#F7F7F7", "#D6E6F2", "#6BAED6", "#08519C"]
    )
    image = axes.imshow(grid, cmap=scale, norm=TwoSlopeNorm(0.0, -most, most), aspect="auto")
    for (variant, quantity), gain in cells.items():
        row, column = variants.index(variant), columns.index(quantity)
        red, green, blue, _ = image.cmap(image.norm(grid[row, column]))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        axes.text(
            column,
            row,
            points(gain.gain) + ("*" if gain.sign else ""),
            ha="center",
            va="center",
            fontsize=9.5 if len(columns) < 10 else 8,
            color="white" if dark else INK,
            fontweight="bold" if gain.sign else "normal",
        )
    return image


def _name_cells(axes: Any, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Label columns and rows, and draw white lines between the cells."""
    import numpy as np

    tilted = len(columns) > 9
    axes.set_xticks(
        range(len(columns)),
        columns,
        rotation=45 if tilted else 0,
        ha="right" if tilted else "center",
        rotation_mode="anchor" if tilted else None,
        fontsize=9,
    )
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns)) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)


def _tick(quantity: str, rows: int | None) -> str:
    if quantity == ZERO_SHOT:
        return "zero-shot\naverage"
    return language_name(quantity) + (f"\nn = {rows:,}" if rows is not None else "")


def quality_cost(measurements: Measurements, gains: Sequence[Gain], task: str, metric: str, file: Path) -> Path | None:
    """Draw the zero-shot average against seconds and peak memory, both including intermediate stages.

    Return None if no variant has a zero-shot average.
    """
    scores = {g.variant: g for g in gains if (g.task, g.metric, g.quantity) == (task, metric, ZERO_SHOT)}
    variants: dict[str, list[Variant]] = {}
    for variant in measurements.variants(task):
        if variant.label in scores:
            variants.setdefault(variant.label, []).append(variant)
    if not variants:
        return None
    methods = list(dict.fromkeys(seeds[0].factors.method for seeds in variants.values()))
    colours = {method: CATEGORIES[index % len(CATEGORIES)] for index, method in enumerate(methods)}
    marks = {
        label: (MARKERS.get(seeds[0].factors.start, "v"), colours[seeds[0].factors.method])
        for label, seeds in variants.items()
    }
    heights = {label: 100 * scores[label].score for label in variants}
    numbers = {label: str(index) for index, label in enumerate(variants, start=1)}
    costs = _path_costs(variants)
    figure, panels = make_figure(4.6 + 0.2 * -(-len(variants) // _key_columns(variants)), columns=2)
    for axes, (name, values) in zip(panels, costs.items(), strict=True):
        for label, value in values.items():
            marker, colour = marks[label]
            axes.plot(value, heights[label], marker=marker, markersize=8, linestyle="none", color=colour,
                      markeredgecolor="white")  # fmt: skip
        axes.margins(0.12, 0.14)
        axes.set_xlabel(name)
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
    panels[0].set_ylabel(f"zero-shot average, {metric} %")
    _key(figure, {f"{numbers[label]}  {label}": mark for label, mark in marks.items()})
    languages = len(next(iter(scores.values())).languages)
    put_title(
        figure,
        f"{task}: quality against cost",
        f"mean {metric} over {languages} languages without training rows; left is cheaper, up is better",
    )
    # Last, because the free places for the numbers depend on the final layout.
    for axes, values in zip(panels, costs.values(), strict=True):
        number_points(axes, {label: (value, heights[label]) for label, value in values.items()}, numbers)
    return save(figure, file)


def _path_costs(variants: Mapping[str, list[Variant]]) -> dict[str, dict[str, float]]:
    """Return axis label -> variant -> cost, for training seconds and for peak memory, without unknown costs."""
    seconds = {label: mean_path_seconds(seeds) for label, seeds in variants.items()}
    peaks = {label: most_memory_bytes(seeds) for label, seeds in variants.items()}
    return {
        "training seconds, all stages": {k: value for k, value in seconds.items() if value is not None},
        "peak memory, all stages, MiB": {k: value / 2**20 for k, value in peaks.items() if value is not None},
    }


def learning_curves(curves: Mapping[str, Sequence[tuple[int, float]]], file: Path) -> Path | None:
    """Draw the training loss by step, one panel per training. Return None if no training logged at least two steps.

    Only the first `MOST_CURVES` trainings are drawn.
    """
    import numpy as np

    curves = {name: curve for name, curve in curves.items() if len(curve) > 1}
    if not curves:
        return None
    whole = len(curves)
    curves = dict(list(curves.items())[:MOST_CURVES])
    across = min(4, len(curves))
    down = -(-len(curves) // across)
    figure, panels = make_figure(0.8 + 1.75 * down, columns=across, rows=down)
    for axes, (name, curve) in zip(panels, curves.items(), strict=False):
        steps, losses = np.array(curve).T
        axes.plot(steps, losses, color="#b9cfe0", linewidth=0.8)
        width = max(1, len(losses) // 20)
        smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
        axes.plot(steps[width - 1 :], smooth, color=CATEGORIES[0], linewidth=1.6)
        axes.set_title(name, fontsize=8, fontweight="normal", loc="left")
        axes.tick_params(labelsize=8)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    shown = f"; only the first {len(curves)} of {whole} trainings" if whole > len(curves) else ""
    put_title(
        figure, "Training loss by step", f"pale: every logged step; dark: moving average over 5% of the steps{shown}"
    )
    return save(figure, file)


def make_figure(
    height_inches: float, columns: int = 1, rows: int = 1, widths: Sequence[float] | None = None
) -> tuple[Any, list[Any]]:
    """Return a figure in this module's style, and the flat list of its axes. widths: relative widths of the columns."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DOTS_PER_INCH, layout="constrained")
        axes: Any = figure.subplots(rows, columns, squeeze=False, width_ratios=widths)
    return figure, list(axes.ravel())


def put_title(figure: Any, title: str, below: str) -> None:
    """Put a bold title at the top of the figure, and a line below it that says how to read the figure."""
    figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=12, fontweight="bold")
    height = figure.get_figheight()
    figure.text(0.01, 1 - 0.42 / height, below, ha="left", va="center", fontsize=9.5, color="#555555")


def number_points(axes: Any, places: Mapping[str, tuple[float, float]], numbers: Mapping[str, str]) -> None:
    """Write each point's number at the nearest free spot. If that spot is far away, draw a line to the point."""
    axes.figure.draw_without_rendering()
    dots = {label: axes.transData.transform(place) for label, place in places.items()}
    near = 0.14 * DOTS_PER_INCH
    taken = [(float(x), float(y)) for x, y in dots.values()]
    for label, (x, y) in dots.items():
        sides = [(far * dx, far * dy) for far in (1, 2, 3, 4, 5, 6) for dx, dy in _SIDES]
        spots = [(x + dx * near, y + dy * near) for dx, dy in sides]
        spot = next((spot for spot in spots if _is_free(spot, taken, (x, y), 1.05 * near)), spots[0])
        taken.append(spot)
        offset = ((spot[0] - x) / DOTS_PER_INCH * 72, (spot[1] - y) / DOTS_PER_INCH * 72)
        line = {"arrowstyle": "-", "color": _GREY, "linewidth": 0.6} if math.hypot(*offset) > 15 else None
        axes.annotate(numbers[label], places[label], offset, textcoords="offset points", ha="center", va="center",
                      fontsize=9, arrowprops=line)  # fmt: skip


_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


def _is_free(
    spot: tuple[float, float], taken: Sequence[tuple[float, float]], own: tuple[float, float], room: float
) -> bool:
    """Return whether `spot` is more than `room` pixels, in x or in y, from each spot in `taken` except `own`."""
    return all(abs(spot[0] - x) > room or abs(spot[1] - y) > room for x, y in taken if (x, y) != own)


def _key(figure: Any, entries: Mapping[str, tuple[str, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=marker, color=colour, linestyle="none", markersize=7)
        for marker, colour in entries.values()
    ]
    columns = _key_columns(entries)
    figure.legend(handles, list(entries), loc="outside lower left", ncols=columns, fontsize=9, handletextpad=0.3,
                  frameon=False)  # fmt: skip


def _key_columns(entries: Mapping[str, object]) -> int:
    """Return how many legend columns, from one to three, fit into about 150 characters."""
    return max(1, min(3, 150 // (max(map(len, entries)) + 8)))


def save(figure: Any, file: Path) -> Path:
    """Write the figure as a PNG file and return the file's path."""
    # Compute the layout once, here. A figure that still has a layout engine draws twice when saved, each time with a
    # new layout.
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine(None)
    figure.savefig(file, facecolor="white")
    return file
