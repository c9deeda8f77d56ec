"""What the hub is asked: the commit behind a revision, and a split of a data set."""

from typing import Any

from adaptx.errors import MissingInput
from adaptx.specs import Rows

CONVERTED = "refs/convert/parquet"
"""The branch on which the hub keeps script-based sets as parquet files."""


def resolve_commit(kind: str, hub_id: str, revision: str | None) -> str:
    """The commit of a hub repository's revision (None: its main branch). `kind` is `datasets` or `models`.

    Raises:
        MissingInput: the hub does not answer, or has no such repository.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    ask = api.dataset_info if kind == "datasets" else api.model_info
    try:
        commit = ask(hub_id, revision=revision, timeout=20).sha
    except Exception as error:
        raise MissingInput(
            f"{hub_id} cannot be asked for on the hub ({type(error).__name__}). Remedy: "
            "check the name and the network, give a local mirror with --data DIR (and models with --model DIR), or use "
            "the packaged rows with --data sample"
        ) from error
    assert commit is not None
    return commit


def load_split(rows: Rows, commit: str | None) -> Any:
    """A split as `datasets` loads it, through its cache; of converted sets, the parquet files of that config.

    Raises:
        Exception: whatever the hub, its cache or the set's own layout stumble over; callers say what was asked for.
    """
    from datasets import load_dataset  # pyright: ignore[reportUnknownVariableType]

    revision = commit or rows.revision
    if rows.revision == CONVERTED:
        # That branch has no data card, so its configs are folders: <config>/<split>/0000.parquet.
        pattern = f"hf://datasets/{rows.hub_id}@{(revision or CONVERTED).replace('/', '%2F')}"
        files = {rows.split: f"{pattern}/{rows.config}/{rows.split}/*.parquet"}
        return load_dataset("parquet", data_files=files, split=rows.split)
    return load_dataset(rows.hub_id, rows.config, split=rows.split, revision=revision)
