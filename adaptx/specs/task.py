"""Tasks as data: where a task's rows are and what their columns mean."""

from dataclasses import KW_ONLY, field, replace
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.fingerprint import OUTSIDE
from adaptx.specs.formats import Classification, TaskFormat
from adaptx.specs.hashing import keep_hash
from adaptx.specs.names import check_address, check_file_name
from adaptx.specs.ranges import Count, Natural, NotEmpty, Seed, Word

LOCAL = "file:"
"""Prefix of `Rows.hub_id` for local files: `Rows(hub_id="file:<folder>", config=...)`.

`config` is then a file name in the folder, or several glob patterns separated by spaces. Matching files are read one
after the other in the order of their paths."""

CLUSTER_ROLE = "cluster"
"""A role that every format has: rows with the same value in its column form one cluster."""


@keep_hash
@spec
class Rows:
    """One split of one hub data set in one language, and how its columns are read.

    Attributes:
        hub_id: id of the data set on the hub, or `file:<folder>` for local files.
        config: configuration of the data set, or the name of a local file.
        split: split of the data set.
        language: code of the language that the rows are in.
        columns: pairs (role of the format, column of the data set). A dot names a nested column (`answers.text`), and a
            tuple of columns becomes one list. Every format also has the role `cluster`: rows with the same value there
            (a document, a passage) are drawn together by a row limit, and resampled together for confidence intervals.
        label_names: names of labels or tags that are integers, in the order of the integers; empty if the column holds
            names.
        choice_keys: for multiple choice, the raw label of each choice in order, such as `("A", "B")`; empty if labels
            are choice indices.
        dropped_labels: raw labels that mean "no gold label". Rows with such a label are left out.
        wording: texts that replace raw values of roles, such as (("question", (("cause", "What was the cause?"),)),).
        starts_with: (column, prefix): only rows whose value in that column begins with the prefix are read.
        first: index of the first row to read, not counting dropped rows.
        stop: index after the last row to read; None reads to the end.
        revision: branch, tag or commit on the hub; None is the main branch.
        expected: number of these rows on the hub. If a different number is read, a message reports it.
        parallel_group: name shared by sets whose i-th rows translate one another.
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
        """`<hub id>/<config>/<split>`. A local mirror's file has this path and an extension, such as `.parquet`."""
        return f"{self.hub_id}/{self.config}/{self.split}"

    def column(self, role: str) -> str | tuple[str, ...] | None:
        """Return the column or columns of a role, or None if the rows do not have the role."""
        return dict(self.columns).get(role)


@keep_hash
@spec
class Task:
    """A task: its format, and the rows for training and evaluation.

    Attributes:
        format: what a row holds and what is predicted.
        train: training rows in the source language or languages.
        development: rows in the source language or languages, on which `Best` selects the weights to keep.
        evaluation: rows on which models are scored, one entry per language.
        pool: candidates of a retrieval task, in every language.
        translated: training rows translated into other languages, which `with_translated` adds to `train`.
        metrics: names in `adaptx.metrics`. The first one selects the weights to keep, and reports show it.
        kind: kind of task, such as `nli`, which `SeenData` can name.
        licence: licence of the data.
        citation: the papers to cite.
        description: one sentence about the task, for `adaptx tasks`.
    """

    name: str = field(metadata=OUTSIDE)
    format: TaskFormat
    train: tuple[Rows, ...] = ()
    _: KW_ONLY
    development: tuple[Rows, ...] = ()
    evaluation: tuple[Rows, ...] = ()
    pool: tuple[Rows, ...] = ()
    translated: tuple[Rows, ...] = field(default=(), metadata=OUTSIDE)
    shuffled_by: Seed | None = None
    metrics: Annotated[tuple[Word, ...], NotEmpty()] = ("accuracy",)
    kind: str = field(default="", metadata=OUTSIDE)
    licence: str = field(default="", metadata=OUTSIDE)
    citation: str = field(default="", metadata=OUTSIDE)
    description: str = field(default="", metadata=OUTSIDE)

    def __post_init__(self) -> None:
        check_file_name("Task(name)", self.name)
        languages = [rows.language for rows in self.evaluation]
        if len(set(languages)) != len(languages):
            raise UserError(
                f"task {self.name} has more than one evaluation set in a language: {sorted(languages)}; give one set "
                "per language"
            )
        if self.shuffled_by is not None and not isinstance(self.format, Classification):
            raise UserError(
                f"Task(shuffled_by={self.shuffled_by}) of {self.name}: only labels of a Classification task are "
                f"shuffled, and the format is {type(self.format).__name__}"
            )

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that the task is evaluated in."""
        return tuple(rows.language for rows in self.evaluation)

    @property
    def source_languages(self) -> tuple[str, ...]:
        """The languages of the training rows, each once, in the order of the rows."""
        return tuple(dict.fromkeys(rows.language for rows in self.train))

    @property
    def reads_passages(self) -> bool:
        """Whether training rows contain passages, which are longer than a sentence or two."""
        return any(rows.column("context") for rows in self.train)

    def rows_in(self, language: str) -> Rows:
        """Return the evaluation rows of one language.

        Raises:
            UserError: the task is not evaluated in that language.
        """
        for rows in self.evaluation:
            if rows.language == language:
                return rows
        raise UserError(f"task {self.name} has no evaluation rows in {language!r}; it has {', '.join(self.languages)}")

    def in_languages(self, *languages: str) -> "Task":
        """Return the task with evaluation rows in these languages only, in the given order.

        Raises:
            UserError: the task is not evaluated in one of them.
        """
        return replace(self, evaluation=tuple(self.rows_in(language) for language in languages))

    def selected_on(self, rows: int, task: "Task | None" = None) -> "Task":
        """Return the task with one development set: the first rows of the development set of `task`.

        Args:
            rows: maximum number of development rows.
            task: the task whose development set is used; None is this task itself.

        Raises:
            UserError: `task` does not have exactly one development set.
        """
        source = task or self
        if len(source.development) != 1:
            raise UserError(
                f"{self.name}.selected_on({rows}): {source.name} has {len(source.development)} development sets, not "
                "one; choose the rows with replace(task, development=...)"
            )
        (whole,) = source.development
        expected = None if whole.expected is None else min(whole.expected, rows)
        return replace(self, development=(replace(whole, stop=rows, expected=expected),))

    def on_development(self) -> "Task":
        """Return a task that scores models on this task's development rows, such as `nli-development` for `nli`.

        Raises:
            UserError: the task has no development rows, or several sets of them in one language.
        """
        if not self.development:
            raise UserError(
                f"{self.name}.on_development(): task {self.name} has no development rows; give it some with "
                "dataclasses.replace(task, development=...)"
            )
        return replace(self, name=f"{self.name}-development", evaluation=self.development)

    def with_shuffled_labels(self, seed: int = 1) -> "Task":
        """Return the task with its training labels exchanged at random among the rows, such as `snli_shuffled`.

        It is a control: a model reads the same texts in as many steps, and no text says which label belongs to it.

        Raises:
            UserError: the task is not a classification.
        """
        return replace(self, name=f"{self.name}_shuffled", shuffled_by=seed)

    def with_training_rows(self, first: int, stop: int) -> "Task":
        """Return the task with these training rows only, so that two tasks can be made from one set.

        Example: MNLI.with_training_rows(0, 4_000) and MNLI.with_training_rows(4_000, 8_000) share no row.

        Args:
            first: index of the first row, in each set of training rows.
            stop: index after the last row.
        """
        train = tuple(
            replace(
                rows,
                first=rows.first + first,
                stop=rows.first + stop if rows.stop is None else min(rows.stop, rows.first + stop),
                expected=None if rows.expected is None else max(0, min(rows.expected, stop) - first),
            )
            for rows in self.train
        )
        return replace(self, train=train)

    def with_translated(self, *languages: str) -> "Task":
        """Return the task with its translated training rows in these languages added to `train`.

        No languages means every language that has translated rows.

        Raises:
            UserError: the task has no translated rows, or none in one of the languages.
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
