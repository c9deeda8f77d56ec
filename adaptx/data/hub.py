"""Read from the hub: resolve a revision to a commit, and load the rows of a split."""

from typing import Any

from adaptx.errors import MissingInput
from adaptx.specs import Rows

CONVERTED = "refs/convert/parquet"
"""The branch on which the hub keeps parquet copies of data sets that are published as loading scripts."""


def resolve_commit(kind: str, hub_id: str, revision: str | None) -> str:
    """Return the commit to which a revision of a hub repository resolves.

    kind: `datasets` or `models`. revision: None means the main branch.

    Raises:
        MissingInput: the hub does not answer, or does not have the repository.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    ask = api.dataset_info if kind == "datasets" else api.model_info
    try:
        commit = ask(hub_id, revision=revision, timeout=20).sha
    except Exception as error:
        raise MissingInput(
            f"{hub_id} cannot be found on the hub ({type(error).__name__}); "
            "check the name and the network, give a local mirror with --data DIR (and models with --model DIR), or use "
            "the packaged rows with --data sample"
        ) from error
    assert commit is not None
    return commit


def load_split(rows: Rows, commit: str | None) -> Any:
    """Return a split as `datasets` loads it, through its cache.

    On the branch `CONVERTED`, which holds sets as parquet files, the files of the set's config and split are loaded.

    Raises:
        Exception: any error of the hub, its cache or the layout of the set.
    """
    from datasets import load_dataset  # pyright: ignore[reportUnknownVariableType]

    revision = commit or rows.revision
    if rows.revision == CONVERTED:
        # That branch has no data card, so its configs are folders: <config>/<split>/0000.parquet.
        pattern = f"hf://datasets/{rows.hub_id}@{(revision or CONVERTED).replace('/', '%2F')}"
        files = {rows.split: f"{pattern}/{rows.config}/{rows.split}/*.parquet"}
        return load_dataset("parquet", data_files=files, split=rows.split)
    return load_dataset(rows.hub_id, rows.config, split=rows.split, revision=revision)
