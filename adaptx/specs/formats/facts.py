"""The facts that every task format states about itself, as plain values.

Planning, costs, data and reports read these facts, so none of them has a list of formats of its own.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from adaptx.specs.model import ModelFamily
from adaptx.specs.text import Decision

Row = Mapping[str, Any]


class Roles(NamedTuple):
    """The roles of one kind of rows. A role is the meaning of a column, such as `text` or `label`.

    Attributes:
        needed: roles that every set of such rows has.
        optional: roles that a set may lack.
        trained: roles that only training rows need.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()


class AsText(NamedTuple):
    """How a format works with a `Text` framing: what a prompt can show, and how an answer is decided.

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
    """The facts of a format. Every format states all of them, and a test fails if one is missing."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the format's labels or tags; empty if answers do not come from a fixed set."""
        ...

    @property
    def row_kinds(self) -> tuple[Roles, ...]:
        """The roles of each kind of rows that the format reads. Retrieval, for example, reads queries and a pool."""
        ...

    def roles_in(self, use: str, passages: bool) -> Roles:
        """Return the roles that the format's rows have in one use.

        `use` is `train`, `development`, `evaluation` or `pool`. `passages` says whether the rows contain passages.
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
        """Roles, such as `context`, whose equal values put rows into one cluster. A set uses its first such role."""
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
        """Return whether the tokenizer must report where in a text each token lies."""
        ...

    @property
    def texts_per_row(self) -> int:
        """Number of texts of usual length that cost estimates assume per row."""
        ...

    @property
    def sequences_per_item(self) -> int:
        """Number of sequences that cost estimates assume per training example."""
        ...

    @property
    def as_text(self) -> AsText | NotAsText:
        """How the format works with a `Text` framing, or why it does not."""
        ...

    @property
    def hidden_refused(self) -> Mapping[ModelFamily, str]:
        """For each model family that is refused, why its hidden states cannot be used for the format."""
        ...

    def fault(self, row: Row) -> str | None:
        """Return what is wrong with a row and how to repair it, or None. `row` is role -> value, and may lack roles."""
        ...

    def classes(self, answer: Any) -> list[str]:
        """Return the classes of one prediction or gold answer, such as its label or its tags; empty if it has none."""
        ...
