"""Read the rows of a task: from a local mirror's parquet files, or from the hub."""

from typing import Any

from adaptx.data.examples import Examples, check, joined, select
from adaptx.errors import MissingInput
from adaptx.sources import Sources
from adaptx.specs import Rows, TaskFormat


def read_rows(rows: Rows, task_format: TaskFormat, sources: Sources, limit: int | None = None) -> Examples:
    """One set's examples, checked against the format.

    Raises:
        UserError: a missing file or column, an empty set, or a label outside the label set.
    """
    place = sources.rows(rows)
    table = _local(str(place.path)) if place.path is not None else _hub(rows, place.commit)
    where = str(place.path) if place.path is not None else f"{rows.address} on the hub"
    examples = select(rows, table, limit, where)
    check(examples, task_format, where)
    return examples


def read_all(sets: tuple[Rows, ...], task_format: TaskFormat, sources: Sources, limit: int | None) -> Examples:
    """Several sets one after the other; the limit holds for each."""
    return joined([read_rows(rows, task_format, sources, limit) for rows in sets])


def _local(path: str) -> dict[str, list[Any]]:
    import pyarrow.parquet as parquet

    return parquet.read_table(path).to_pydict()  # pyright: ignore[reportUnknownMemberType]


def _hub(rows: Rows, commit: str | None) -> dict[str, list[Any]]:
    from datasets import load_dataset  # pyright: ignore[reportUnknownVariableType]

    try:
        loaded: Any = load_dataset(rows.hub_id, rows.config, split=rows.split, revision=commit or rows.revision)
    except Exception as error:
        raise MissingInput(
            f"{rows.address} cannot be read from the hub ({type(error).__name__}: {error}). Remedy: check the network, "
            "give a local mirror with --data DIR, or use the packaged rows with --data sample"
        ) from error
    return loaded.to_dict()
