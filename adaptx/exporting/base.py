"""The name under which an exported folder refers to its base checkpoint, so that a library can load it."""

from pathlib import Path

from adaptx.sample import SAMPLE
from adaptx.sources.sources import Sources
from adaptx.specs import ModelSpec


def on_hub(model: ModelSpec) -> bool:
    """Return whether the model's name is a hub id (`owner/name`), and not a path or the name of a sample checkpoint."""
    name = model.hub_id
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        return False
    return not any(place.is_dir() for place in (Path(name), SAMPLE / "models" / name))


def base_name(model: ModelSpec, sources: Sources) -> str:
    """Return the checkpoint's hub id, or the absolute path of its folder if it is not on the hub."""
    folder = sources.model_folder(model)
    return model.hub_id if folder is None or on_hub(model) else str(folder.resolve())
