"""Figure of the gain by class of language: a point with its interval per variant and class."""

from collections.abc import Sequence
from pathlib import Path

from adaptx.report.figures.plots import INK, PALE, key_columns, make_figure, put_key, put_title, save
from adaptx.report.gains.gain import Gain
from adaptx.report.results.styles import VariantStyles

MOST_VARIANTS = 8
"""Maximum number of variants in the figure. If there are more, those with the largest gains are drawn."""
POINT_INCHES = 0.17
MOST_LANGUAGES = 4
"""Maximum number of languages that the name of a class lists."""


def class_points(task: str, attribute: str, gains: Sequence[Gain], styles: VariantStyles, file: Path) -> Path | None:
    """Draw the gain of each variant in each class of languages, with its interval. Return None if there are no gains.

    attribute: what the classes are, such as `family`.
    """
    if not gains:
        return None
    classes = {gain.quantity: gain.languages for gain in sorted(gains, key=lambda gain: gain.quantity)}
    best = {g.variant: max(each.gain or 0.0 for each in gains if each.variant == g.variant) for g in gains}
    drawn = styles.in_order(sorted(best, key=lambda label: -best[label])[:MOST_VARIANTS])
    names = [styles.name(label) for label in drawn]
    key_lines = -(-len(drawn) // key_columns(names))
    figure, (axes,) = make_figure(1.7 + 0.2 * key_lines + POINT_INCHES * len(classes) * (len(drawn) + 1.2))
    step = 0.8 / len(drawn)
    for gain in (each for each in gains if each.variant in drawn):
        place = list(classes).index(gain.quantity) + (drawn.index(gain.variant) - (len(drawn) - 1) / 2) * step
        style = styles[gain.variant]
        if gain.low is not None and gain.high is not None:
            axes.plot([100 * gain.low, 100 * gain.high], [place, place], color=style.colour, linewidth=1.2, zorder=2)
        axes.plot(100 * (gain.gain or 0.0), place, markersize=6, zorder=3, **style.mark(gain.sign == 0))
        axes.text(1.005, place, str(style.number), transform=axes.get_yaxis_transform(), va="center", fontsize=7)
    for row in range(1, len(classes)):
        axes.axhline(row - 0.5, color=PALE, linewidth=0.8)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(
        range(len(classes)), [f"{name}\n{_languages(codes)}" for name, codes in classes.items()], fontsize=9
    )
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"gain in {gains[0].metric}, percentage points")
    axes.grid(axis="x", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    put_key(figure, drawn, styles)
    only = f"; the {len(drawn)} of {len(best)} variants with the largest gains" if len(best) > len(drawn) else ""
    put_title(figure, f"{task}: gain by {attribute}", f"lines: 95% intervals; hollow: undecided{only}")
    return save(figure, file)


def _languages(codes: Sequence[str]) -> str:
    more = len(codes) - MOST_LANGUAGES
    return ", ".join(codes[:MOST_LANGUAGES]) + (f" and {more} more" if more > 0 else "")
