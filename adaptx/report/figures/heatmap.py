"""Heat map of the gain of each variant in each language.

Gains are drawn on a scale from orange (loss) to blue (gain), which colour-blind readers can tell apart.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adaptx.catalog.languages import language_name
from adaptx.report.figures.plots import INK, make_figure, put_title, save
from adaptx.report.gains.gain import ZERO_SHOT, Gain
from adaptx.report.results.styles import VariantStyles
from adaptx.report.tables.cells import points


def gain_heatmap(gains: Sequence[Gain], task: str, metric: str, styles: VariantStyles, file: Path) -> Path | None:
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
    ticks = [_tick(column, None if even else rows.get(column)) for column in columns]
    _name_cells(axes, ticks, [f"{styles.name(variant)}     " for variant in variants])
    for row, variant in enumerate(variants):
        # The mark of the other figures stands between the variant's name and its cells.
        axes.plot(-0.012, row, markersize=7, clip_on=False, transform=axes.get_yaxis_transform(),
                  **styles[variant].mark())  # fmt: skip
    if columns[-1] == ZERO_SHOT and len(columns) > 1:
        axes.axvline(len(columns) - 1.5, color=INK, linewidth=1.2)
    bar = figure.colorbar(image, ax=axes, pad=0.015, fraction=0.03)
    bar.set_label("percentage points")
    bar.outline.set_visible(False)
    put_title(
        figure,
        f"{task}: gain in {metric} over the matched baseline, in percentage points",
        "bold with *: a gain or a loss after Holm's correction, as in the tables; "
        + (f"{next(iter(rows.values())):,} examples per language" if even else "n: number of examples"),
    )
    return save(figure, file)


def _coloured_cells(
    axes: Any, cells: Mapping[tuple[str, str], Gain], variants: Sequence[str], columns: Sequence[str]
) -> Any:
    """Draw each gain as a coloured cell with its number. Return the image, from which the colour bar is made."""
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
