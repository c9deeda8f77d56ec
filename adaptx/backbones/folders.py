"""The folder from which a checkpoint is loaded: a user's folder, a mirror, or the hub's cache.

It always holds safetensors.
"""

import contextlib
from pathlib import Path

from adaptx.backbones.converting import readable
from adaptx.errors import MissingInput
from adaptx.sources.checkpoint_files import HUB_PATTERNS, HUB_PICKLES, WHOLE, check_settings
from adaptx.sources.sources import Sources
from adaptx.specs import ModelSpec


def checkpoint_folder(model: ModelSpec, sources: Sources) -> Path:
    """Return the folder with a checkpoint's configuration, tokenizer and safetensors.

    Raises:
        MissingInput: the checkpoint is not available.
        UserError: the folder requires custom code or has no weights that can be read.
    """
    folder = sources.model_folder(model)
    if folder is None:
        folder = _from_hub(model, sources, HUB_PATTERNS)
        if not any(folder.glob(f"{Path(WHOLE).stem}*.safetensors")):
            folder = _from_hub(model, sources, (*HUB_PATTERNS, *HUB_PICKLES))
    check_settings(folder)
    return readable(folder, sources)


def _from_hub(model: ModelSpec, sources: Sources, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    revision = sources.model(model).commit or model.revision

    def at_hand(local: bool) -> Path:
        return Path(
            snapshot_download(model.hub_id, revision=revision, allow_patterns=list(patterns), local_files_only=local)
        )

    try:
        return at_hand(local=False)
    except Exception as error:
        # Without a connection, use the cache. A file that the cache lacks is reported when it is read.
        with contextlib.suppress(Exception):
            return at_hand(local=True)
        why = (str(error).splitlines() or [""])[0]
        raise MissingInput(
            f"{model.hub_id} cannot be loaded from the hub ({type(error).__name__}: {why}). Check the name and the "
            "internet connection. Or name the checkpoint's folder with --model DIR, or a mirror that contains models/ "
            "with --data DIR"
        ) from error
