"""Types of fields with the range of their values, which `adaptx.specs.checked` reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated


@dataclass(frozen=True)
class Within:
    """The bounds of a number: `least` and `most` belong to the range, `above` and `below` do not."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    @property
    def told(self) -> str:
        parts = {"at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        return "must be " + " and ".join(f"{words} {bound}" for words, bound in parts.items() if bound is not None)


@dataclass(frozen=True)
class NotEmpty:
    """A text or tuple that holds something; white space alone is nothing."""

    def holds(self, value: str | tuple[object, ...]) -> bool:
        return bool(value.strip() if isinstance(value, str) else value)

    @property
    def told(self) -> str:
        return "must not be empty; give at least one character or item"


@dataclass(frozen=True)
class Known:
    """Values that are often given and not taken. reasons: such a text, or the name of their class -> why, and what to
    take instead.
    """

    reasons: Mapping[str, str] = field(hash=False)


Range = Within | NotEmpty

Count = Annotated[int, Within(least=1)]
Natural = Annotated[int, Within(least=0)]
Seed = Annotated[int, Within(least=0, most=2**32 - 1)]
"""Seeds that every generator of random numbers takes (numpy's old one bounds them)."""
Positive = Annotated[float, Within(above=0)]
NotNegative = Annotated[float, Within(least=0)]
Share = Annotated[float, Within(least=0, most=1)]
ShareBelowOne = Annotated[float, Within(least=0, below=1)]
"""A dropout probability; at 1 nothing would be left."""
PartialShare = Annotated[float, Within(above=0, below=1)]
PositiveShare = Annotated[float, Within(above=0, most=1)]
Word = Annotated[str, NotEmpty()]
"""A text that must say something: a name, a column, a label."""
