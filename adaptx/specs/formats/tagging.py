"""Tagging of words."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

from adaptx.specs.checked import spec
from adaptx.specs.formats.facts import AsText, NotAsText, Roles, Row
from adaptx.specs.formats.rows import alike, check_labels, mapping_remedy, no_texts, shortened
from adaptx.specs.model import ModelFamily
from adaptx.specs.ranges import Word
from adaptx.specs.tag_schemes import foreign_scheme, marks_spans
from adaptx.specs.text import Generate


@spec
class Tagging:
    """One tag per word. Roles: `tokens` (words) and `tags`, two lists of equal length.

    `labels` are the names of the tags. A word's tag is predicted at its first sub-word. A sentence that is longer than
    the model's input is read in parts.
    """

    labels: tuple[Word, ...]

    row_kinds: ClassVar[tuple[Roles, ...]] = (Roles(("tokens", "tags")),)
    text_roles: ClassVar[tuple[str, ...]] = ()
    list_roles: ClassVar[tuple[str, ...]] = ("tokens", "tags")
    gold_roles: ClassVar[tuple[str, ...]] = ("tags",)
    shared_roles: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ("entity_f1", "tag_f1", "token_accuracy")
    is_trained: ClassVar[bool] = True
    embeds: ClassVar[bool] = False
    ranks_pool: ClassVar[bool] = False
    needs_places: ClassVar[bool] = True
    texts_per_row: ClassVar[int] = 1
    sequences_per_item: ClassVar[int] = 1
    # Tags are generated, and each one only from the words that stand for labels.
    as_text: ClassVar[AsText | NotAsText] = AsText(("tokens",), (Generate,))
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = {}

    def __post_init__(self) -> None:
        check_labels("Tagging", self.labels)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        """Entity F1 and accuracy if tags mark spans, and otherwise only accuracy."""
        return ("entity_f1", "token_accuracy") if marks_spans(self.labels) else ("token_accuracy",)

    def roles_in(self, use: str, passages: bool) -> Roles:  # noqa: ARG002
        return self.row_kinds[0]

    def fault(self, row: Row) -> str | None:
        fault = no_texts(row, "tokens")
        if fault is not None:
            return fault
        tokens: list[str] = row["tokens"]
        if not tokens:
            return "it has no tokens; leave the row out"
        blank = next((place for place, token in enumerate(tokens) if not token.strip()), None)
        if blank is not None:
            return f"tokens[{blank}] is {tokens[blank]!r}, which is not a word; leave it and its tag out"
        return _tags_fault(tokens, row["tags"], self.labels) if "tags" in row else None

    def classes(self, answer: Any) -> list[str]:
        return answer


def _tags_fault(tokens: list[str], tags: Any, labels: tuple[str, ...]) -> str | None:
    if not isinstance(tags, list) or len(tags) != len(tokens):  # pyright: ignore[reportUnknownArgumentType]
        count = len(tags) if isinstance(tags, list) else repr(tags)  # pyright: ignore[reportUnknownArgumentType]
        return f"there are {len(tokens)} tokens, but tags: {count}; give the row one tag per token"
    known = _label_set(labels)
    for place, tag in enumerate(tags):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if not isinstance(tag, str) or tag not in known:
            return (
                f"tags[{place}] is {tag!r} (for {tokens[place]!r}), which is not in the tag set "
                f"({shortened(labels)}){alike(tag, labels)}; "
                f"{_scheme_fault(tags) or mapping_remedy(tag, labels)}"
            )
    return None


def _scheme_fault(tags: list[Any]) -> str | None:
    scheme = foreign_scheme([tag for tag in tags if isinstance(tag, str)])
    return f"the row's tags are {scheme}" if scheme is not None else None


@lru_cache
def _label_set(labels: tuple[str, ...]) -> frozenset[str]:
    # Looking up each tag in a tuple of hundreds of labels is slow.
    return frozenset(labels)
