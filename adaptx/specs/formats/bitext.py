"""Search for translations: in aligned sentences, and in two lists without alignment."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from adaptx.specs.checked import spec
from adaptx.specs.formats.facts import AsText, NotAsText, Roles, Row
from adaptx.specs.formats.rows import is_whole, no_text, no_texts
from adaptx.specs.model import ModelFamily
from adaptx.specs.ranges import Count, Within

_VECTORS = NotAsText("sentences are compared as vectors, and a written answer is not a vector")


@spec
class Bitext:
    """Search for the translation of a sentence, by the cosine of sentence embeddings.

    Roles: `query` and `candidate`. Each row holds a sentence and its translation. For each query, the candidates of all
    rows are ranked, and only that of its own row is right.
    """

    labels: ClassVar[tuple[str, ...]] = ()
    row_kinds: ClassVar[tuple[Roles, ...]] = (Roles(("query", "candidate")),)
    text_roles: ClassVar[tuple[str, ...]] = ("query", "candidate")
    list_roles: ClassVar[tuple[str, ...]] = ()
    gold_roles: ClassVar[tuple[str, ...]] = ()
    shared_roles: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    default_metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    is_trained: ClassVar[bool] = False
    embeds: ClassVar[bool] = True
    ranks_pool: ClassVar[bool] = False
    needs_places: ClassVar[bool] = False
    texts_per_row: ClassVar[int] = 2
    sequences_per_item: ClassVar[int] = 2
    as_text: ClassVar[AsText | NotAsText] = _VECTORS
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = {}

    def roles_in(self, use: str, passages: bool) -> Roles:  # noqa: ARG002
        return self.row_kinds[0]

    def fault(self, row: Row) -> str | None:
        return no_text(row, *self.text_roles)

    def classes(self, answer: Any) -> list[str]:
        return [f"candidate {answer}"]


@spec
class BitextMining:
    """Mining of translations from two lists of sentences (Artetxe and Schwenk 2019, arXiv:1811.01136).

    Roles: `source` and `target` (lists of sentences), and `gold` (pairs of sentence numbers, which start at 1). One row
    holds both lists.

    Pairs of sentences whose margin exceeds a threshold are mined. The margin of a pair is its cosine, divided by the
    mean of the cosines between each of its two sentences and that sentence's `neighbours` nearest neighbours. The
    threshold is chosen on a development part: every `development_every`-th gold pair, and the same share of the other
    sentences of each list. All other sentences are scored.
    """

    neighbours: Count = 4
    development_every: Annotated[int, Within(least=2)] = 5

    labels: ClassVar[tuple[str, ...]] = ()
    row_kinds: ClassVar[tuple[Roles, ...]] = (Roles(("source", "target", "gold")),)
    text_roles: ClassVar[tuple[str, ...]] = ()
    list_roles: ClassVar[tuple[str, ...]] = ("source", "target", "gold")
    gold_roles: ClassVar[tuple[str, ...]] = ("gold",)
    shared_roles: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ("mining_f1", "mining_precision", "mining_recall")
    default_metrics: ClassVar[tuple[str, ...]] = ("mining_f1",)
    is_trained: ClassVar[bool] = False
    embeds: ClassVar[bool] = True
    ranks_pool: ClassVar[bool] = False
    needs_places: ClassVar[bool] = False
    texts_per_row: ClassVar[int] = 2
    sequences_per_item: ClassVar[int] = 2
    as_text: ClassVar[AsText | NotAsText] = _VECTORS
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = {}

    def roles_in(self, use: str, passages: bool) -> Roles:  # noqa: ARG002
        return self.row_kinds[0]

    def fault(self, row: Row) -> str | None:
        fault = no_texts(row, "source", "target")
        if fault is not None:
            return fault
        sizes = len(row["source"]), len(row["target"])
        if not all(sizes):
            return f"there are {sizes[0]} source and {sizes[1]} target sentences; give at least one of each"
        if "gold" not in row:
            return None
        for pair in row["gold"] if isinstance(row["gold"], list) else [row["gold"]]:  # pyright: ignore[reportUnknownVariableType]
            fits = isinstance(pair, list) and len(pair) == 2 and all(is_whole(number) for number in pair)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            if not fits or not (0 < pair[0] <= sizes[0] and 0 < pair[1] <= sizes[1]):
                return (
                    f"gold pair {pair!r} does not name a source and a target sentence by numbers from 1 to "
                    f"{sizes[0]} and {sizes[1]}; correct the pair"
                )
        return None

    def classes(self, answer: Any) -> list[str]:  # noqa: ARG002
        return []
