"""What the hub is asked: the commit behind a revision."""

from adaptx.errors import MissingInput


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
