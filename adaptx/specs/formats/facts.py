"""What every task format says about itself, as plain values: planning, costs, data and reports ask the format."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from adaptx.specs.model import ModelFamily
from adaptx.specs.text import Decision

Row = Mapping[str, Any]


class Roles(NamedTuple):
    """The roles of one kind of rows. optional: a set may lack them. trained: training rows alone need them."""

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()


class AsText(NamedTuple):
    """How a format is asked as text: roles that a prompt can show, and how answers can be taken.

    refused: why a family of models does not do it.
    """

    roles: tuple[str, ...]
    decisions: tuple[type[Decision], ...]
    refused: Mapping[ModelFamily, str] = MappingProxyType({})


class NotAsText(NamedTuple):
    """Why a format cannot be asked as text."""

    reason: str


class Facts(Protocol):
    """The facts of a format. Every format states all of them; a test fails where one is missing."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of its labels or tags; empty where answers are none of a fixed set."""
        ...

    @property
    def row_kinds(self) -> tuple[Roles, ...]:
        """Every kind of rows that it reads."""
        ...

    def roles_in(self, use: str, passages: bool) -> Roles:
        """Return the roles of its rows in `train`, `development`, `evaluation` or `pool`; passages: rows have some."""
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
        """Roles that rows to predict do not need."""
        ...

    @property
    def shared_roles(self) -> tuple[str, ...]:
        """Roles by which rows form clusters (a premise, a context); the first that a set has counts."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that score its predictions."""
        ...

    @property
    def default_metrics(self) -> tuple[str, ...]:
        """The metrics by which sets of the format are commonly reported."""
        ...

    @property
    def is_trained(self) -> bool:
        """Whether a model can be trained on it; if not, it is evaluated only."""
        ...

    @property
    def embeds(self) -> bool:
        """Whether texts are compared as vectors, so that no head is needed."""
        ...

    @property
    def ranks_pool(self) -> bool:
        """Whether the candidates of the task's pool are ranked."""
        ...

    @property
    def needs_places(self) -> bool:
        """Whether it asks for places in a text, which a tokenizer must be able to tell."""
        ...

    @property
    def texts_per_row(self) -> int:
        """Texts of usual length that one row is assumed to hold, for costs."""
        ...

    @property
    def sequences_per_item(self) -> int:
        """Sequences of one training example, for costs."""
        ...

    @property
    def as_text(self) -> AsText | NotAsText:
        """How it is asked as text, or why it cannot be."""
        ...

    @property
    def hidden_refused(self) -> Mapping[ModelFamily, str]:
        """Families of models whose hidden states cannot be read for it, and why."""
        ...

    def fault(self, row: Row) -> str | None:
        """Say what is wrong with a row's values by role, with the remedy; None: nothing. Roles may be missing."""
        ...

    def classes(self, answer: Any) -> list[str]:
        """Name the classes of one prediction or gold; empty where answers are of no class."""
        ...
