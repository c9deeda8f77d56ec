"""The common parts of all figures of a report: their size and style, titles, keys, and numbers beside points.

Figures are PNG files, drawn without pyplot so that the caller's matplotlib settings stay as they are.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adaptx.report.results.styles import VariantStyle, VariantStyles

DOTS_PER_INCH = 160
WIDTH_INCHES = 10.0

INK, GREY, PALE = "#222222", "#8a8a8a", "#e6e6e6"
CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#222222", "#999933")
_SETTINGS: Any = {
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlesize": 12.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def make_figure(
    height_inches: float,
    columns: int = 1,
    rows: int = 1,
    widths: Sequence[float] | None = None,
    heights: Sequence[float] | None = None,
    shared: bool = False,
) -> tuple[Any, list[Any]]:
    """Return a figure in the style of the report, and the flat list of its axes.

    widths, heights: relative widths of the columns and heights of the rows. shared: whether all axes have one scale.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DOTS_PER_INCH, layout="constrained")
        axes: Any = figure.subplots(
            rows, columns, squeeze=False, width_ratios=widths, height_ratios=heights, sharex=shared, sharey=shared
        )
    return figure, list(axes.ravel())


def put_title(figure: Any, title: str, below: str) -> None:
    """Put a bold title at the top of the figure, and a line below it that says how to read the figure."""
    figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=12, fontweight="bold")
    height = figure.get_figheight()
    figure.text(0.01, 1 - 0.42 / height, below, ha="left", va="center", fontsize=9.5, color="#555555")


def number_points(axes: Any, places: Mapping[str, tuple[float, float]], numbers: Mapping[str, str]) -> None:
    """Write each point's number at the nearest free spot, and draw a line to the point if that spot is far away."""
    from matplotlib.patheffects import withStroke

    axes.figure.draw_without_rendering()
    halo = [withStroke(linewidth=2.5, foreground="white")]
    dots = {label: axes.transData.transform(place) for label, place in places.items()}
    near = 0.14 * DOTS_PER_INCH
    # A text of three characters is wider than high, so its neighbours at the sides have to be farther away.
    aside = near * max(1.0, 0.42 * max((len(numbers[label]) for label in places), default=1))
    taken = [(float(x), float(y)) for x, y in dots.values()]
    for label, (x, y) in dots.items():
        sides = [(far * dx, far * dy) for far in (1, 2, 3, 4, 5, 6) for dx, dy in _SIDES]
        spots = [(x + dx * aside, y + dy * near) for dx, dy in sides]
        spot = next((spot for spot in spots if _is_free(spot, taken, (x, y), (1.05 * aside, 1.05 * near))), spots[0])
        taken.append(spot)
        offset = ((spot[0] - x) / DOTS_PER_INCH * 72, (spot[1] - y) / DOTS_PER_INCH * 72)
        line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.6} if math.hypot(*offset) > 20 else None
        axes.annotate(numbers[label], places[label], offset, textcoords="offset points", ha="center", va="center",
                      fontsize=9, arrowprops=line, path_effects=halo, zorder=4)  # fmt: skip


_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


def _is_free(
    spot: tuple[float, float],
    taken: Sequence[tuple[float, float]],
    own: tuple[float, float],
    room: tuple[float, float],
) -> bool:
    """Return whether `spot` is at least `room` pixels away from all spots in `taken`, except from `own`."""
    return all(abs(spot[0] - x) > room[0] or abs(spot[1] - y) > room[1] for x, y in taken if (x, y) != own)


def put_key(figure: Any, labels: Sequence[str], styles: VariantStyles) -> None:
    """Put a key of numbered variants below the panels, in the order of their numbers."""
    ordered = styles.in_order(labels)
    put_names(figure, [styles.name(label) for label in ordered], [styles[label] for label in ordered])


def put_names(figure: Any, names: Sequence[str], styles: Sequence[VariantStyle]) -> None:
    """Put a key below the panels: each name with its mark."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], markersize=7, **style.mark()) for style in styles]
    figure.legend(handles, names, loc="outside lower left", ncols=key_columns(names), fontsize=9, handletextpad=0.3,
                  frameon=False)  # fmt: skip


def key_columns(names: Sequence[str]) -> int:
    """Return how many columns of a key, from one to three, fit into about 150 characters."""
    return max(1, min(3, 150 // (max(map(len, names)) + 8)))


def save(figure: Any, file: Path) -> Path:
    """Write the figure as a PNG file and return the file's path."""
    # Compute the layout once, here. A figure that still has a layout engine draws twice when saved, each time with a
    # new layout.
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine(None)
    figure.savefig(file, facecolor="white")
    return file
