"""Figure of the gain by class of language: one bar per variant and class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptx.report.gain import Gain
from adaptx.report.plots import CATEGORIES, INK, make_figure, put_title, save

MOST_BARS = 5
"""Maximum number of variants drawn per class. If there are more, those with the largest gains are drawn."""


def class_bars(task: str, attribute: str, gains: Sequence[Gain], file: Path) -> Path | None:
    """Draw one bar per variant and language class: the gain with its interval. Return None if there are no gains."""
    if not gains:
        return None
    classes = sorted({gain.quantity for gain in gains})
    best = {g.variant: max(each.gain or 0.0 for each in gains if each.variant == g.variant) for g in gains}
    variants = sorted(best, key=lambda label: -best[label])[:MOST_BARS]
    figure, (axes,) = make_figure(1.9 + 0.13 * len(classes) * (len(variants) + 1.5))
    step = 0.8 / len(variants)
    for place, label in enumerate(variants):
        of_variant = {gain.quantity: gain for gain in gains if gain.variant == label}
        for row, name in enumerate(classes):
            gain = of_variant.get(name)
            if gain is None:
                continue
            at = row + (place - (len(variants) - 1) / 2) * step
            colour = CATEGORIES[place % len(CATEGORIES)]
            # A bar is pale if its gain is undecided, as in the tables.
            axes.barh(at, 100 * (gain.gain or 0.0), 0.9 * step, color=colour, alpha=0.35 if gain.is_uncertain else 1.0,
                      label=label)  # fmt: skip
            _whisker(axes, gain, at)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_xlabel("gain, percentage points")
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    legend(figure, list(unique.values()), list(unique))
    put_title(
        figure,
        f"{task}: gain by {attribute}",
        "lines: 95% intervals; pale bars: neither a gain nor a loss after Holm's correction",
    )
    return save(figure, file)


def _whisker(axes: Any, gain: Gain, at: float) -> None:
    if gain.low is not None and gain.high is not None:
        axes.plot([100 * gain.low, 100 * gain.high], [at, at], color=INK, linewidth=1)


def legend(figure: Any, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Put a legend below the panels, with at most three columns that fit into about 150 characters."""
    columns = max(1, min(3, 150 // (max(map(len, names)) + 8)))
    figure.legend(handles, names, loc="outside lower left", ncols=columns, fontsize=9, handletextpad=0.3, frameon=False)
