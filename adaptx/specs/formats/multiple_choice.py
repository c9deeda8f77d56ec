"""Multiple choice."""

from collections.abc import Mapping
from typing import Any, ClassVar

from adaptx.specs.checked import spec
from adaptx.specs.formats.facts import AsText, NotAsText, Roles, Row
from adaptx.specs.formats.rows import is_whole, no_text, no_texts
from adaptx.specs.model import ModelFamily
from adaptx.specs.text import Rank


@spec
class MultipleChoice:
    """The right one among any number of choices.

    Roles: `text`, `choices` (a list) and `label` (the index of the right choice), optionally `question`. The model
    scores each choice on its own: it reads the text, followed by the question and the choice. Rows may have different
    numbers of choices.
    """

    labels: ClassVar[tuple[str, ...]] = ()
    row_kinds: ClassVar[tuple[Roles, ...]] = (Roles(("text", "choices", "label"), ("question",)),)
    text_roles: ClassVar[tuple[str, ...]] = ("text", "question")
    list_roles: ClassVar[tuple[str, ...]] = ("choices",)
    gold_roles: ClassVar[tuple[str, ...]] = ("label",)
    shared_roles: ClassVar[tuple[str, ...]] = ("text",)
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    default_metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    is_trained: ClassVar[bool] = True
    embeds: ClassVar[bool] = False
    ranks_pool: ClassVar[bool] = False
    needs_places: ClassVar[bool] = False
    # Four choices, each read with its text.
    texts_per_row: ClassVar[int] = 8
    sequences_per_item: ClassVar[int] = 4
    as_text: ClassVar[AsText | NotAsText] = AsText(("text", "question"), (Rank,))
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = {}

    def roles_in(self, use: str, passages: bool) -> Roles:  # noqa: ARG002
        return self.row_kinds[0]

    def fault(self, row: Row) -> str | None:
        fault = no_text(row, *self.text_roles) or no_texts(row, "choices")
        if fault is not None:
            return fault
        if len(row["choices"]) < 2:
            return f"it has {len(row['choices'])} choices ({row['choices']}); give at least two choices"
        if "label" not in row:
            return None
        label, count = row["label"], len(row["choices"])
        if not is_whole(label) or not 0 <= label < count:
            return (
                f"label {label!r} is not the index of one of its {count} choices (0 to {count - 1}); correct the row, "
                "or name each choice's raw label with Rows(choice_keys=...)"
            )
        return None

    def classes(self, answer: Any) -> list[str]:
        return [f"choice {answer + 1}"]
