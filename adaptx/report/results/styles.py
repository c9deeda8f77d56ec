"""The number, colour and shape of each variant, which are the same in every figure of a report.

The colours are Okabe and Ito's, which colour-blind readers can tell apart (Okabe and Ito 2008, Color Universal Design).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adaptx.planning.naming import UNTRAINED
from adaptx.report.results.measured import Measurements

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999933")
BASELINE_COLOUR = "#222222"
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "p")


@dataclass(frozen=True)
class VariantStyle:
    """How a variant is drawn.

    Attributes:
        number: unique within the report.
        colour: stands for the start and the intermediate task, such as `Sequential` and `snli`; baselines are black.
        shape: matplotlib's marker for the method, such as `s`.
    """

    number: int
    colour: str
    shape: str

    def mark(self, hollow: bool = False) -> dict[str, Any]:
        """Return keyword arguments of matplotlib's `plot` for a point. hollow: whether the point is undecided."""
        return {
            "marker": self.shape,
            "linestyle": "none",
            "color": self.colour,
            "markerfacecolor": "white" if hollow else self.colour,
            "markeredgecolor": self.colour,
        }


@dataclass(frozen=True)
class VariantStyles:
    """The style of each variant by its label, such as `lora-r8 · Sequential · snli`."""

    by_label: Mapping[str, VariantStyle]

    def __getitem__(self, label: str) -> VariantStyle:
        return self.by_label[label]

    def name(self, label: str) -> str:
        """Return a variant's number and label, such as `3  lora-r8 · Sequential · snli`."""
        return f"{self.by_label[label].number}  {label}"

    @property
    def numbers(self) -> dict[str, str]:
        """Label of a variant -> its number as text."""
        return {label: str(style.number) for label, style in self.by_label.items()}

    def in_order(self, labels: Sequence[str]) -> list[str]:
        """Return the distinct labels in the order of their numbers."""
        return sorted(set(labels), key=lambda label: self.by_label[label].number)


def variant_styles(measurements: Measurements) -> VariantStyles:
    """Return a style for every variant of a report.

    Numbers follow the recipe's order, and a variant has the same number on all tasks. Variants that differ in a
    setting, such as the number of rows, have different colours if there are enough. Colours repeat after seven
    combinations of start and intermediate task, and shapes after eight methods. The number then tells variants apart.
    """
    by_label = {measured.variant: measured.factors for measured in measurements.measured}
    bare = {label: label.replace(f" · {each.model}", "") for label, each in by_label.items()}
    numbers = list(dict.fromkeys((each.model, bare[label]) for label, each in by_label.items()))
    methods = list(dict.fromkeys(each.method for each in by_label.values()))
    after = {label: each for label, each in by_label.items() if each.intermediate != UNTRAINED}
    ways = {
        label: (each.start, each.intermediate, bare[label].removeprefix(each.label)) for label, each in after.items()
    }
    several = len({each.model for each in by_label.values()}) > 1
    if several or len(set(ways.values())) > len(COLOURS):
        ways = {label: (start, intermediate, "") for label, (start, intermediate, _) in ways.items()}
    places = list(dict.fromkeys(ways.values()))
    return VariantStyles(
        {
            label: VariantStyle(
                number=1 + numbers.index((each.model, bare[label])),
                colour=COLOURS[places.index(ways[label]) % len(COLOURS)] if label in ways else BASELINE_COLOUR,
                shape=SHAPES[methods.index(each.method) % len(SHAPES)],
            )
            for label, each in by_label.items()
        }
    )
