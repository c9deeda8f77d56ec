"""Fusion weights as heat maps: one of languages by intermediate tasks, one of layers by intermediate tasks.

Suffixes of tensor and array names, one letter per dimension: R rows, C columns.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptx.catalog.languages import language_name
from adaptx.report.figures.plots import INK, make_figure, put_title, save
from adaptx.report.results.mixing import VariantMixing
from adaptx.report.statistics.bootstrap import Floats

LEAST_SPAN = 0.05
"""The colour scale spans at least this share on either side of equal weights, so that tiny differences stay pale."""
MOST_NUMBERED = 14
"""Maximum number of columns with which the cells of a panel have room for a number."""
MOST_WITH_TENTHS = 6
"""Maximum number of columns with which the numbers of a panel have room for one decimal."""
ROW_INCHES = 0.3


def mixing_heatmap(mixed: VariantMixing, file: Path) -> Path:
    """Draw one fused variant's weights in percent by language (mean over layers) and by layer (mean over languages)."""
    modules, sites, layers = mixed.modules, mixed.sites, mixed.layers
    languages = [language_name(language) for language in mixed.weights]
    height = 2.1 + ROW_INCHES * max(len(languages), len(layers), 4)
    # The first panel keeps at least a third of the width, however many columns the second has: it is the main result.
    figure, (left, right) = make_figure(height, columns=2, widths=(1, min(2, len(sites))))
    equal = 1 / len(modules)
    _panel(left, mixed.by_language, equal, languages, modules)
    by_layer_RC = mixed.by_layer.reshape(len(layers), -1)
    # Readers count layers from 1; layer 0 would be the embeddings.
    numbers = [str(layer + 1) for layer in reversed(layers)]
    _panel(right, by_layer_RC[::-1], equal, numbers, modules * len(sites))
    room = 22 if len(sites) > 1 else 6
    for axes, title in ((left, "by language, mean over layers"), (right, "by layer, mean over languages")):
        axes.set_title(title, fontsize=10, fontweight="normal", loc="left", pad=room)
    right.set_ylabel("layer (last layer at the top)")
    if len(sites) > 1:
        _name_groups(right, sites, len(modules))
    put_title(
        figure,
        f"{mixed.task.name}: fusion weights of {mixed.label}",
        f"mean weight of each fused module over all tokens, in percent; equal weights would be {100 * equal:.1f}",
    )
    return save(figure, file)


def _panel(axes: Any, grid_RC: Floats, equal: float, rows: Sequence[str], columns: Sequence[str]) -> None:
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    span = max(LEAST_SPAN, float(np.abs(grid_RC - equal).max()))
    scale = LinearSegmentedColormap.from_list("weight", ["#B35806", "#FEE9CC", "#F7F7F7", "#D6E6F2", "#08519C"])
    norm = TwoSlopeNorm(100 * equal, 100 * (equal - span), 100 * (equal + span))
    image = axes.imshow(100 * grid_RC, cmap=scale, norm=norm, aspect="auto")
    for (row, column), weight in np.ndenumerate(grid_RC) if len(columns) <= MOST_NUMBERED else ():
        red, green, blue, _ = image.cmap(image.norm(100 * weight))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        axes.text(
            column,
            row,
            f"{100 * weight:.1f}" if len(columns) <= MOST_WITH_TENTHS else f"{100 * weight:.0f}",
            ha="center",
            va="center",
            fontsize=8.5,
            color="white" if dark else INK,
        )
    long = max(map(len, columns)) > 10 or len(columns) > 6
    axes.set_xticks(
        range(len(columns)),
        columns,
        rotation=35 if long else 0,
        ha="right" if long else "center",
        rotation_mode="anchor" if long else None,
        fontsize=9,
    )
    axes.set_yticks(range(len(rows)), rows, fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns)) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
    # The scale is symmetric around equal weights and may extend below zero, where no weights are: cut that part off.
    bar.ax.set_ylim(bottom=max(0.0, 100 * (equal - span)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)


def _name_groups(axes: Any, sites: Sequence[str], modules: int) -> None:
    for place, site in enumerate(sites):
        centre = place * modules + (modules - 1) / 2
        axes.text(centre, -0.62, site, ha="center", va="bottom", fontsize=9, color="#555555")
        if place:
            axes.axvline(place * modules - 0.5, color=INK, linewidth=1.2)
