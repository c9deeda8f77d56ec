"""The facts that every task format states about itself."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from adaptx.specs.model import ModelFamily
from adaptx.specs.text import Decision

Row = Mapping[str, Any]


class Roles(NamedTuple):
    """The roles of one kind of rows. A role is the meaning of a column, such as `text` or `label`.

    Attributes:
        needed: roles that every row has.
        optional: roles that may be absent.
        trained: roles that only training rows need.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()


class AsText(NamedTuple):
    """How a format works with a `Text` framing.

    Attributes:
        roles: roles that a prompt can show.
        decisions: the possible kinds of decision (`Rank`, `Generate`).
        refused: model family -> why it cannot read the format as text.
    """

    roles: tuple[str, ...]
    decisions: tuple[type[Decision], ...]
    refused: Mapping[ModelFamily, str] = MappingProxyType({})


class NotAsText(NamedTuple):
    """The reason why a format does not work with a `Text` framing."""

    reason: str


class Facts(Protocol):
    """The facts of a format. Every format states all of them."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the format's labels or tags; empty if answers do not come from a fixed set."""
        ...

    @property
    def row_kinds(self) -> tuple[Roles, ...]:
        """The roles of each kind of rows that the format reads. Retrieval reads two kinds: queries and candidates."""
        ...

    def roles_in(self, use: str, passages: bool) -> Roles:
        """Return the roles of the rows for one use: `train`, `development`, `evaluation` or `pool`.

        `passages` says whether the rows contain passages.
        """
        ...

    @property
    def text_roles(self) -> tuple[str, ...]:
        """Roles that hold one text. Several columns of such a role are joined with a space."""
        ...

    @property
    def list_roles(self) -> tuple[str, ...]:
        """Roles that hold a list, which a CSV file writes as JSON."""
        ...

    @property
    def gold_roles(self) -> tuple[str, ...]:
        """Roles that hold the answer. Rows that are not scored do not need them."""
        ...

    @property
    def shared_roles(self) -> tuple[str, ...]:
        """Roles, such as `context`, whose equal values put rows into one cluster. Only the first one that the rows have
        counts.
        """
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that can score predictions of the format."""
        ...

    @property
    def default_metrics(self) -> tuple[str, ...]:
        """The metrics that are commonly reported for data sets of the format."""
        ...

    @property
    def is_trained(self) -> bool:
        """Return whether models can be trained on the format. Other formats are only evaluated."""
        ...

    @property
    def embeds(self) -> bool:
        """Return whether the format compares texts as vectors, and so needs no head."""
        ...

    @property
    def ranks_pool(self) -> bool:
        """Return whether the format ranks the candidates in the task's pool."""
        ...

    @property
    def needs_places(self) -> bool:
        """Return whether the tokenizer must report at which characters of a text each token begins and ends."""
        ...

    @property
    def texts_per_row(self) -> int:
        """Number of texts per row, for cost estimates."""
        ...

    @property
    def sequences_per_item(self) -> int:
        """Number of token sequences per training example, for cost estimates."""
        ...

    @property
    def as_text(self) -> AsText | NotAsText:
        """How the format works with a `Text` framing, or why it does not."""
        ...

    @property
    def hidden_refused(self) -> Mapping[ModelFamily, str]:
        """Model family -> why the format cannot use its hidden states. Families that it can use are absent."""
        ...

    def fault(self, row: Row) -> str | None:
        """Return what is wrong with a row and how to repair it, or None. `row` is role -> value."""
        ...

    def classes(self, answer: Any) -> list[str]:
        """Return the classes of one prediction or gold answer, such as its label or its tags."""
        ...
