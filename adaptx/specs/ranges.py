"""Field types that name the range of their values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated


@dataclass(frozen=True)
class Within:
    """The range of a number. The bounds `least` and `most` are in the range, `above` and `below` are not."""

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
    """A string or tuple that is not empty. A string of white space counts as empty."""

    def holds(self, value: str | tuple[object, ...]) -> bool:
        return bool(value.strip() if isinstance(value, str) else value)

    @property
    def told(self) -> str:
        return "must not be empty; give at least one character or item"


@dataclass(frozen=True)
class Known:
    """Values that a field does not take but that users often give, such as `fp16` for a precision.

    `reasons` maps a string (`fp16`), or the name of an object's class (`Mixture`), to a reason and a remedy.
    """

    reasons: Mapping[str, str] = field(hash=False)


Range = Within | NotEmpty

Count = Annotated[int, Within(least=1)]
Natural = Annotated[int, Within(least=0)]
Seed = Annotated[int, Within(least=0, most=2**32 - 1)]
"""A seed that every random number generator accepts. The bound is that of numpy's old generator."""
Positive = Annotated[float, Within(above=0)]
NotNegative = Annotated[float, Within(least=0)]
Share = Annotated[float, Within(least=0, most=1)]
ShareBelowOne = Annotated[float, Within(least=0, below=1)]
"""A share such as a dropout probability, which cannot be 1 because nothing would remain."""
PartialShare = Annotated[float, Within(above=0, below=1)]
PositiveShare = Annotated[float, Within(above=0, most=1)]
Word = Annotated[str, NotEmpty()]
"""A string that must not be empty: a name, a column, a label."""
