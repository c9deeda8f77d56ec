"""Contrasts: the differences between scores that a question is about, declared before any score is seen."""

from collections.abc import Iterable
from math import isclose
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.ranges import NotEmpty, Word
from adaptx.specs.stage import Evaluate


@spec
class Term:
    """The mean score of some evaluations, and its weight in a contrast.

    Each variant of a task counts the same in the mean, and so does each language of a variant.

    Attributes:
        weight: the factor of the mean score, such as 1 or -1.
        evaluations: the evaluations of one or more variants, in all of their languages and seeds.
        languages: the languages that the mean is over. None is every language that is zero-shot in all terms of the
            contrast.
    """

    weight: float
    evaluations: Annotated[tuple[Evaluate, ...], NotEmpty()]
    languages: Annotated[tuple[str, ...], NotEmpty()] | None = None

    def __post_init__(self) -> None:
        if self.weight == 0:
            raise UserError("Term(weight=0) counts for nothing; leave the term out, or give it another weight")
        for language in self.languages or ():
            if language not in self.evaluated:
                raise UserError(
                    f"Term(languages=...) names {language!r}, in which none of its evaluations is; they are in "
                    f"{', '.join(self.evaluated)}"
                )

    @property
    def evaluated(self) -> tuple[str, ...]:
        """The languages of the evaluations, each once."""
        return tuple(dict.fromkeys(evaluate.language for evaluate in self.evaluations))


@spec
class Contrast:
    """A weighted sum of mean scores, with weights that add up to zero.

    `difference` makes the usual contrast of two terms. A difference of two gains has four terms, with the weights 1,
    -1, -1 and 1.

    Attributes:
        name: what is compared with what, such as "SNLI and IndoNLI rather than SNLI alone".
        terms: at least two terms.
    """

    name: Word
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        if len(self.terms) < 2 or not isclose(sum(term.weight for term in self.terms), 0.0, abs_tol=1e-9):
            weights = ", ".join(f"{term.weight:g}" for term in self.terms) or "no terms"
            raise UserError(
                f"Contrast({self.name!r}) has the weights {weights}; a contrast compares, so it needs at least two "
                "terms whose weights add up to zero, such as 1 and -1"
            )

    @property
    def evaluations(self) -> tuple[Evaluate, ...]:
        """The evaluations of all terms, each once."""
        return tuple(dict.fromkeys(each for term in self.terms for each in term.evaluations))


def difference(
    name: str, these: Iterable[Evaluate], those: Iterable[Evaluate], languages: tuple[str, ...] | None = None
) -> Contrast:
    """Return the contrast "mean score of `these` minus mean score of `those`".

    Args:
        name: what is compared with what.
        these: the evaluations of one or more variants, in all of their languages and seeds.
        those: the evaluations with which `these` are compared.
        languages: as in `Term`.
    """
    return Contrast(name, (Term(1.0, tuple(these), languages), Term(-1.0, tuple(those), languages)))
