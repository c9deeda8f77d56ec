"""Figure of the zero-shot average against training seconds and peak memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from adaptx.report.gain import ZERO_SHOT, Gain
from adaptx.report.measured import Measurements, Variant, mean_path_seconds, most_memory_bytes
from adaptx.report.plots import PALE, key_columns, make_figure, number_points, put_key, put_title, save
from adaptx.report.styles import VariantStyles


def quality_cost(
    measurements: Measurements, gains: Sequence[Gain], task: str, metric: str, styles: VariantStyles, file: Path
) -> Path | None:
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
    heights = {label: 100 * scores[label].score for label in variants}
    costs = _path_costs(variants)
    names = [styles.name(label) for label in variants]
    figure, panels = make_figure(4.6 + 0.2 * -(-len(variants) // key_columns(names)), columns=2)
    for axes, (name, values) in zip(panels, costs.items(), strict=True):
        for label, value in values.items():
            undecided = not scores[label].is_baseline and scores[label].sign == 0
            axes.plot(value, heights[label], markersize=8, **styles[label].mark(undecided))
        axes.margins(0.12, 0.14)
        axes.set_xlabel(name)
        axes.grid(color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
    panels[0].set_ylabel(f"zero-shot average, {metric} %")
    put_key(figure, list(variants), styles)
    languages = len(next(iter(scores.values())).languages)
    put_title(
        figure,
        f"{task}: quality against cost",
        f"mean {metric} over {languages} languages without training rows; left is cheaper, up is better; "
        "hollow: gain over the baseline undecided",
    )
    # Last, because the free places for the numbers depend on the final layout.
    for axes, values in zip(panels, costs.values(), strict=True):
        number_points(axes, {label: (value, heights[label]) for label, value in values.items()}, styles.numbers)
    return save(figure, file)


def _path_costs(variants: Mapping[str, list[Variant]]) -> dict[str, dict[str, float]]:
    """Return axis label -> variant -> cost, for training seconds and for peak memory, without unknown costs."""
    seconds = {label: mean_path_seconds(seeds) for label, seeds in variants.items()}
    peaks = {label: most_memory_bytes(seeds) for label, seeds in variants.items()}
    return {
        "training seconds, all stages": {k: value for k, value in seconds.items() if value is not None},
        "peak memory, all stages, MiB": {k: value / 2**20 for k, value in peaks.items() if value is not None},
    }
