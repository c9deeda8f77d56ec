"""Formats of pretraining: texts in which words are masked, or spans are dropped."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from adaptx.specs.checked import spec
from adaptx.specs.formats.facts import AsText, NotAsText, Roles, Row
from adaptx.specs.formats.rows import no_text
from adaptx.specs.model import ModelFamily
from adaptx.specs.ranges import PartialShare, Within
from adaptx.specs.text import Generate

_WRITTEN = "dropped spans are written as text; give Train(framing=Text(Prompt('{text}'), Generate()))"


@spec
class MaskedLanguageModel:
    """Masked language modelling with the checkpoint's own head (Devlin et al. 2019). Role: `text`.

    `share` is the share of tokens that are predicted. Among them, 80 % are masked, 10 % are replaced by random tokens
    and 10 % are unchanged.
    """

    share: PartialShare = 0.15

    labels: ClassVar[tuple[str, ...]] = ()
    row_kinds: ClassVar[tuple[Roles, ...]] = (Roles(("text",)),)
    text_roles: ClassVar[tuple[str, ...]] = ("text",)
    list_roles: ClassVar[tuple[str, ...]] = ()
    gold_roles: ClassVar[tuple[str, ...]] = ()
    shared_roles: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ("masked_accuracy",)
    default_metrics: ClassVar[tuple[str, ...]] = ("masked_accuracy",)
    is_trained: ClassVar[bool] = True
    embeds: ClassVar[bool] = False
    ranks_pool: ClassVar[bool] = False
    needs_places: ClassVar[bool] = False
    texts_per_row: ClassVar[int] = 1
    sequences_per_item: ClassVar[int] = 1
    as_text: ClassVar[AsText | NotAsText] = NotAsText("masked words are filled in by an encoder's head")
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = {
        ModelFamily.ENCODER_DECODER: "an encoder-decoder has no head that fills in masks; use an encoder",
        ModelFamily.DECODER: "a decoder has no mask token, and its tokens do not see later tokens; use an encoder",
    }

    def roles_in(self, use: str, passages: bool) -> Roles:  # noqa: ARG002
        return self.row_kinds[0]

    def fault(self, row: Row) -> str | None:
        return no_text(row, "text")

    def classes(self, answer: Any) -> list[str]:  # noqa: ARG002
        return []


@spec
class SpanCorruption:
    """T5's span corruption: the model writes a text's dropped spans in order (Raffel et al. 2020, arXiv:1910.10683).

    Role: `text`. The format needs an encoder-decoder with sentinel tokens (`<extra_id_0>`) and a `Text` framing.

    `share` is the share of tokens that are dropped. `mean_span` is the mean length of a span in tokens.
    """

    share: PartialShare = 0.15
    mean_span: Annotated[float, Within(least=1)] = 3.0

    labels: ClassVar[tuple[str, ...]] = ()
    row_kinds: ClassVar[tuple[Roles, ...]] = (Roles(("text",)),)
    text_roles: ClassVar[tuple[str, ...]] = ("text",)
    list_roles: ClassVar[tuple[str, ...]] = ()
    gold_roles: ClassVar[tuple[str, ...]] = ()
    shared_roles: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ("masked_accuracy",)
    default_metrics: ClassVar[tuple[str, ...]] = ("masked_accuracy",)
    is_trained: ClassVar[bool] = True
    embeds: ClassVar[bool] = False
    ranks_pool: ClassVar[bool] = False
    needs_places: ClassVar[bool] = False
    texts_per_row: ClassVar[int] = 1
    sequences_per_item: ClassVar[int] = 1
    as_text: ClassVar[AsText | NotAsText] = AsText(
        ("text",),
        (Generate,),
        {ModelFamily.DECODER: "dropped spans are written by the decoder of an encoder-decoder such as T5"},
    )
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = dict.fromkeys(ModelFamily, _WRITTEN)

    def roles_in(self, use: str, passages: bool) -> Roles:  # noqa: ARG002
        return self.row_kinds[0]

    def fault(self, row: Row) -> str | None:
        return no_text(row, "text")

    def classes(self, answer: Any) -> list[str]:  # noqa: ARG002
        return []
