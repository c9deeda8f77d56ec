"""One file of a local task, with its own columns and its own way to write labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

from adaptx.errors import UserError
from adaptx.specs import MultipleChoice, TaskFormat
from adaptx.specs.formats.rows import shortened
from adaptx.specs.near import near

Columns = Mapping[str, str | tuple[str, ...]]
Labels = Mapping[Any, str] | Sequence[str]
"""How a file writes labels: value in the file -> label, or the names of 0, 1, 2, ..."""


@dataclass(frozen=True)
class LocalFile:
    """A file of rows, with what differs from the other files of its task.

    Attributes:
        path: the file.
        columns: role -> column, for roles whose column has another name in this file. Other roles have the columns of
            the task.
        labels: how the file writes labels or tags, as a mapping from values to labels (`{"0": "neg", "1": "pos"}`) or
            as the names of 0, 1, 2, ... (`("neg", "pos")`). None is the way of the task.
    """

    path: str | PathLike[str]
    columns: Columns | None = None
    labels: Labels | None = None

    @property
    def name(self) -> str:
        return Path(self.path).name


def label_reading(where: str, task_format: TaskFormat, labels: object) -> dict[str, Any]:
    """Return the fields of `Rows` that read a file's labels: `wording` for a mapping, `label_names` for names.

    where: the beginning of error messages, such as `local_task('mine'): labels of train.csv`. labels: `Labels`.

    Raises:
        UserError: the format has no labels, `labels` has another type, or it names a label that the format does not
            have.
    """
    if isinstance(labels, Mapping):
        if isinstance(task_format, MultipleChoice):
            raise UserError(
                f'{where}: the label of a MultipleChoice row is the position of the right choice; write labels=("A", '
                '"B", ...), the names of the first choice, the second, and so on'
            )
        mapping = cast(Mapping[object, object], labels)
        _check_known(where, task_format, mapping)
        pairs = tuple((str(value), str(label)) for value, label in mapping.items())
        return {"wording": tuple((role, pairs) for role in ("label", "tags") if role in task_format.gold_roles)}
    names = tuple(cast(Sequence[object], labels)) if isinstance(labels, list | tuple) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise UserError(
            f"{where} is {labels!r:.80}, which is neither a mapping from values in the file to labels nor a list of "
            'names; write labels={"0": "neg", "1": "pos"} or labels=("neg", "pos")'
        )
    if isinstance(task_format, MultipleChoice):
        return {"choice_keys": names}
    _check_known(where, task_format, dict(enumerate(names)))
    return {"label_names": names}


def _check_known(where: str, task_format: TaskFormat, labels: Mapping[object, object]) -> None:
    known = task_format.labels
    if not known:
        raise UserError(f"{where}: {type(task_format).__name__} has no labels; leave labels out")
    for value, label in labels.items():
        if label not in known:
            raise UserError(
                f"{where}: {value!r} becomes {label!r}, which is not a label of the task ({shortened(known)}); near: "
                f"{near(str(label), known)}"
            )
