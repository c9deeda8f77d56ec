"""Classification of a text or of a pair of texts."""

from collections.abc import Mapping
from typing import Any, ClassVar

from adaptx.specs.checked import spec
from adaptx.specs.formats.facts import AsText, NotAsText, Roles, Row
from adaptx.specs.formats.rows import alike, check_labels, mapping_remedy, no_text, shortened
from adaptx.specs.model import ModelFamily
from adaptx.specs.ranges import Word
from adaptx.specs.text import Generate, Rank


@spec
class Classification:
    """One label for a text or a pair of texts. Roles: `text` and `label`, optionally `pair` (the second text).

    `labels` are the names of the labels. Their order does not matter when two label sets are compared.
    """

    labels: tuple[Word, ...]

    row_kinds: ClassVar[tuple[Roles, ...]] = (Roles(("text", "label"), ("pair",)),)
    text_roles: ClassVar[tuple[str, ...]] = ("text", "pair")
    list_roles: ClassVar[tuple[str, ...]] = ()
    gold_roles: ClassVar[tuple[str, ...]] = ("label",)
    shared_roles: ClassVar[tuple[str, ...]] = ("text",)
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    default_metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    is_trained: ClassVar[bool] = True
    embeds: ClassVar[bool] = False
    ranks_pool: ClassVar[bool] = False
    needs_places: ClassVar[bool] = False
    texts_per_row: ClassVar[int] = 1
    sequences_per_item: ClassVar[int] = 1
    as_text: ClassVar[AsText | NotAsText] = AsText(("text", "pair"), (Rank, Generate))
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = {}

    def __post_init__(self) -> None:
        check_labels("Classification", self.labels)

    def roles_in(self, use: str, passages: bool) -> Roles:  # noqa: ARG002
        return self.row_kinds[0]

    def fault(self, row: Row) -> str | None:
        if "label" in row and row["label"] not in self.labels:
            return (
                f"label {row['label']!r} is not in the label set ({shortened(self.labels)})"
                f"{alike(row['label'], self.labels)}; "
                f"{mapping_remedy(row['label'], self.labels)}"
            )
        return no_text(row, *self.text_roles)

    def classes(self, answer: Any) -> list[str]:
        return [answer or "no label"]
