"""Recipes: the evaluations that answer a question."""

from dataclasses import KW_ONLY
from typing import Annotated, Literal

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.contrast import Contrast
from adaptx.specs.names import check_file_name
from adaptx.specs.published_score import PublishedScore
from adaptx.specs.ranges import Known
from adaptx.specs.stage import Evaluate
from adaptx.specs.suite import Suite

PrimaryComparisons = Literal["contrasts", "zero-shot average", "source languages"]
"""The comparisons that answer a recipe's question: its contrasts, or every variant's gain in one average."""
_MEASURE: dict[str, str] = dict.fromkeys(
    ("Train", "Merge"),
    "a recipe lists evaluations; write Evaluate(stage, task, language), and the stage is trained before it is scored",
)


@spec
class Recipe:
    """The evaluations that answer one question.

    Attributes:
        name: name of the recipe and of its MLflow experiment.
        evaluations: the wanted scores. The plan adds the trainings and merges that they need.
        title: heading of the report.
        notes: sentences that the report prints.
        suites: benchmarks whose tables the report prints from these evaluations.
        published: published scores that the report prints next to the measured ones.
        question: what the recipe asks, in one sentence. The report prints the answer below it.
        contrasts: the comparisons between variants that the question names. Each uses evaluations of this recipe.
        primary: the comparisons that answer the question. Their p-values are corrected together. The report calls all
            other comparisons exploratory. None is the contrasts if there are any.
    """

    name: str
    evaluations: tuple[Annotated[Evaluate, Known(_MEASURE)], ...]
    _: KW_ONLY
    title: str = ""
    notes: tuple[str, ...] = ()
    suites: tuple[Suite, ...] = ()
    published: tuple[PublishedScore, ...] = ()
    question: str = ""
    contrasts: tuple[Contrast, ...] = ()
    primary: PrimaryComparisons | None = None
    smoke: bool = False

    def __post_init__(self) -> None:
        check_file_name("Recipe(name)", self.name)
        if not self.evaluations:
            raise UserError(
                f"Recipe(evaluations=()): recipe {self.name!r} has no evaluations; give at least one "
                "Evaluate(model, task, language)"
            )
        self._check_contrasts()

    def _check_contrasts(self) -> None:
        if self.primary == "contrasts" and not self.contrasts:
            raise UserError("Recipe(primary='contrasts') needs contrasts; give Recipe(contrasts=(difference(...),))")
        names = [contrast.name for contrast in self.contrasts]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"Recipe(contrasts=...) names {twice[0]!r} twice; give each contrast a name of its own")
        measured = set(self.evaluations) if self.contrasts else set[Evaluate]()
        for contrast in self.contrasts:
            unknown = [each for each in contrast.evaluations if each not in measured]
            if unknown:
                raise UserError(
                    f"Contrast({contrast.name!r}) uses {len(unknown)} evaluations that the recipe does not have, such "
                    f"as {unknown[0]!r}; add them to Recipe(evaluations=...)"
                )

    @property
    def primary_comparisons(self) -> PrimaryComparisons | None:
        """The comparisons that answer the question: `primary` or, if it is None, the contrasts if there are any."""
        return self.primary or ("contrasts" if self.contrasts else None)
