"""Digests of the rows that a recipe's stages read: 64 bits per row, from `adaptx.data.contents`.

A run writes them into the store's folder `rows/`, one file per set, so that a later command can compare sets without
the data.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adaptx.errors import UserError
from adaptx.planning.identity import Identities
from adaptx.specs import Evaluate, Rows, Stage, Task, Train
from adaptx.specs.fingerprint import Json, canonical, fingerprint
from adaptx.store.store import Store
from adaptx.store.writing import written_whole

Digests = NDArray[np.uint64]
FOLDER = "rows"
VERSION = 1
"""Increment this when the same rows get other digests."""
MOST_ROWS_READ = 50_000
"""Sets of more rows are not read while planning or reporting, because that would take seconds."""


@dataclass(frozen=True)
class UsedRows:
    """Rows that a stage reads: a task's training rows, or the rows that are scored in one language.

    language: None for training rows. seed: the seed with which a limit draws training rows; None if all rows are read.
    """

    task: Task
    language: str | None
    limit: int | None
    seed: int | None = None

    @property
    def sets(self) -> tuple[Rows, ...]:
        return self.task.train if self.language is None else (self.task.rows_in(self.language),)


def training_rows(train: Train) -> tuple[UsedRows, ...]:
    """Return the rows that a training reads, for each of its tasks."""
    seed = train.draw_seed if train.limit is not None else None
    return tuple(UsedRows(task, None, train.limit, seed) for task in train.tasks)


def scored_rows(evaluate: Evaluate) -> UsedRows:
    """Return the rows that an evaluation scores."""
    return UsedRows(evaluate.task, evaluate.language, evaluate.limit)


def used_rows(stages: Iterable[Stage]) -> tuple[UsedRows, ...]:
    """Return the distinct rows that these stages train on or score."""
    found: dict[UsedRows, None] = {}
    for stage in stages:
        match stage:
            case Train():
                found |= dict.fromkeys(training_rows(stage))
            case Evaluate():
                found[scored_rows(stage)] = None
            case _:
                pass
    return tuple(found)


def contents_file(used: UsedRows, store: Store, identities: Identities) -> Path:
    """Return the file for the digests of rows, such as `rows/1f3a9c7e05b2d846.npy`, whether or not it exists."""

    def read(rows: Rows) -> Json:
        place = identities.place(rows)
        alike = rows.parallel_group is not None
        return {"source": place.digest or place.nominal, "alike": alike, "read": canonical(rows)}

    body: dict[str, Json] = {
        "version": VERSION,
        "format": canonical(used.task.format),
        "rows": [read(rows) for rows in used.sets],
        "limit": used.limit,
        "seed": used.seed,
    }
    return store.root / FOLDER / f"{fingerprint(body)[:16]}.npy"


def write_contents(file: Path, digests: Digests) -> None:
    """Write digests of rows to a file, atomically."""
    with written_whole(file) as part, part.open("wb") as stream:
        np.save(stream, digests, allow_pickle=False)


def stored_contents(file: Path) -> Digests | None:
    """Return the digests in a file; None if the file is missing or damaged."""
    try:
        with file.open("rb") as stream:
            found = np.load(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.dtype == np.uint64 and found.ndim == 1 else None


class RowContents:
    """A reader of the digests of rows. It takes them from the store or, if they are not stored, from rows that are read
    fast.
    """

    def __init__(self, store: Store, identities: Identities) -> None:
        self._store, self._identities = store, identities
        self._known: dict[UsedRows, Digests | None] = {}

    def of(self, used: UsedRows) -> Digests | None:
        """Return the digests of rows; None if they are not stored and the rows are not read fast."""
        if used not in self._known:
            found = stored_contents(contents_file(used, self._store, self._identities))
            self._known[used] = self._read(used) if found is None else found
        return self._known[used]

    def _read(self, used: UsedRows) -> Digests | None:
        from adaptx.data.contents import row_digests
        from adaptx.data.reading import open_table, read_rows, read_training

        sources, task_format = self._identities.sources, used.task.format
        # Rows that cannot be read are reported when a run checks all rows.
        with contextlib.suppress(UserError):
            if any(self._identities.place(rows).path is None for rows in used.sets):
                return None
            if sum(open_table(rows, task_format, sources).length for rows in used.sets) > MOST_ROWS_READ:
                return None
            if used.language is None:
                examples = read_training(used.task, sources, used.limit, used.seed or 0)
            else:
                examples = read_rows(used.sets[0], task_format, sources, used.limit)
            return row_digests(examples, task_format)
        return None
