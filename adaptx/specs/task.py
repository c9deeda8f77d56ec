"""Tasks: a task is data (where its rows lie, what its columns mean); only its format has behaviour."""

from dataclasses import KW_ONLY, field, replace
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.fingerprint import OUTSIDE
from adaptx.specs.formats import TaskFormat
from adaptx.specs.hashing import keep_hash
from adaptx.specs.names import check_address, check_file_name
from adaptx.specs.ranges import Count, Natural, NotEmpty, Word

LOCAL = "file:"
"""`Rows(hub_id="file:<folder>", config=...)` are the user's own: config is a file's name in the folder, or patterns of
names with spaces between them, whose files are read one after the other in order of their paths."""

CLUSTER_ROLE = "cluster"
"""A role of any format: rows with an equal value in its column are one cluster, whatever else they hold."""


@keep_hash
@spec
class Rows:
    """One split of one hub data set in one language, and how its columns are read.

    columns: pairs (role of the format, column of the data set). A dot reaches into a nested column (`answers.text`); a
    tuple of columns becomes one list. Any format also has the role `cluster`: rows with an equal value there (a
    document, a passage) are drawn together by a row limit, and resampled together by the report.
    label_names: for integer labels or tags, the name of each id; empty when the column holds names.
    choice_keys: for multiple choice, the raw label of each choice in order; empty when it is the choice's index.
    dropped_labels: raw label values that mean "no gold label"; such rows are left out.
    wording: for a role, texts that replace raw values: (role, ((raw, text), ...)).
    starts_with: (column, prefix): only rows whose value begins so are read.
    first, stop: a slice of the split (after dropping); `stop` None is the end.
    expected: rows that the hub's slice has; a different count is reported, never hidden.
    parallel_group: sets whose i-th rows translate one another carry the same group.
    """

    hub_id: Word = field(metadata=OUTSIDE)
    config: str = field(metadata=OUTSIDE)
    split: Word = field(metadata=OUTSIDE)
    language: str
    columns: Annotated[tuple[tuple[Word, Word | tuple[Word, ...]], ...], NotEmpty()]
    _: KW_ONLY
    label_names: tuple[str, ...] = ()
    choice_keys: tuple[int | str, ...] = ()
    dropped_labels: tuple[int | str, ...] = ()
    wording: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    starts_with: tuple[str, str] | None = None
    first: Natural = 0
    stop: Count | None = None
    revision: str | None = field(default=None, metadata=OUTSIDE)
    expected: Natural | None = field(default=None, metadata=OUTSIDE)
    parallel_group: str | None = field(default=None, metadata=OUTSIDE)

    def __post_init__(self) -> None:
        check_file_name("Rows(language)", self.language)
        if not self.hub_id.startswith(LOCAL):
            for field_name in ("hub_id", "config", "split"):
                check_address(f"Rows({field_name})", getattr(self, field_name))
        if self.stop is not None and self.stop <= self.first:
            raise UserError(
                f"Rows(first={self.first}, stop={self.stop}) of {self.address}: the slice [{self.first}:{self.stop}] "
                "holds no row; give a stop above first"
            )

    @property
    def address(self) -> str:
        """`<hub id>/<config>/<split>`: the file in a local mirror, without its ending."""
        return f"{self.hub_id}/{self.config}/{self.split}"

    def column(self, role: str) -> str | tuple[str, ...] | None:
        return dict(self.columns).get(role)


@keep_hash
@spec
class Task:
    """A task as data. `train` and `development` are in the source language(s); `evaluation` has one entry a language.

    metrics: names in `adaptx.metrics`; the first is the one that selects checkpoints and that reports show.
    pool: candidates that retrieval ranks for the queries of every language.
    translated: training rows translated into other languages, which `with_translated` adds to `train`.
    """

    name: str = field(metadata=OUTSIDE)
    format: TaskFormat
    train: tuple[Rows, ...] = ()
    _: KW_ONLY
    development: tuple[Rows, ...] = ()
    evaluation: tuple[Rows, ...] = ()
    pool: tuple[Rows, ...] = ()
    translated: tuple[Rows, ...] = field(default=(), metadata=OUTSIDE)
    metrics: Annotated[tuple[Word, ...], NotEmpty()] = ("accuracy",)
    kind: str = field(default="", metadata=OUTSIDE)
    licence: str = field(default="", metadata=OUTSIDE)
    citation: str = field(default="", metadata=OUTSIDE)
    description: str = field(default="", metadata=OUTSIDE)

    def __post_init__(self) -> None:
        check_file_name("Task(name)", self.name)
        languages = [rows.language for rows in self.evaluation]
        if len(set(languages)) != len(languages):
            raise UserError(f"task {self.name} has two evaluation sets for one language: {sorted(languages)}")

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages it is evaluated in."""
        return tuple(rows.language for rows in self.evaluation)

    @property
    def source_languages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rows.language for rows in self.train))

    @property
    def reads_passages(self) -> bool:
        """Whether training rows come with a passage to find an answer in, longer than a sentence or two."""
        return any(rows.column("context") for rows in self.train)

    def rows_in(self, language: str) -> Rows:
        """The evaluation rows of one language.

        Raises:
            UserError: the task is not evaluated in that language.
        """
        for rows in self.evaluation:
            if rows.language == language:
                return rows
        raise UserError(f"task {self.name} has no evaluation rows in {language!r}; it has {', '.join(self.languages)}")

    def in_languages(self, *languages: str) -> "Task":
        """Return the task measured in these languages alone, in this order.

        Raises:
            UserError: the task is not evaluated in one of them.
        """
        return replace(self, evaluation=tuple(self.rows_in(language) for language in languages))

    def selected_on(self, rows: int, task: "Task | None" = None) -> "Task":
        """Return the task with the first rows of its development set, or of another task's, to select steps on.

        Raises:
            UserError: there is not exactly one development set.
        """
        source = task or self
        if len(source.development) != 1:
            raise UserError(
                f"{self.name}.selected_on({rows}): {source.name} has {len(source.development)} development sets, and "
                "one is meant; write replace(task, development=...)"
            )
        (whole,) = source.development
        expected = None if whole.expected is None else min(whole.expected, rows)
        return replace(self, development=(replace(whole, stop=rows, expected=expected),))

    def with_translated(self, *languages: str) -> "Task":
        """The task with its translated training rows in those languages as further sources; all, where none is named.

        Raises:
            UserError: there are none in a language.
        """
        there = {rows.language: rows for rows in self.translated}
        unknown = [language for language in languages if language not in there]
        if unknown or not there:
            raise UserError(
                f"task {self.name} has no translated training rows in {', '.join(unknown) or 'any language'}; "
                f"it has: {', '.join(there) or 'none'}"
            )
        chosen = tuple(there[language] for language in languages or there)
        return replace(self, name=f"{self.name}_translated", train=self.train + chosen)
