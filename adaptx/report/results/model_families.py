"""Families of checkpoints: models of several sizes that the same people pretrained in the same way.

A line over model size joins only models of one family. Llama 3 and Qwen3, for example, differ in more than size.
"""

from collections.abc import Iterable, Mapping

from adaptx.specs import ModelSpec

Family = tuple[str, str, str, str]
"""Architecture (`llama`), owner (`meta-llama`), first part of the name (`Llama`), and format of quantised weights."""


def model_family(model: ModelSpec) -> Family:
    """Return a checkpoint's family. The first layers of a checkpoint belong to the family of the whole."""
    owner, _, name = model.hub_id.rstrip("/").rpartition("/")
    architecture = model.shape.model_type if model.shape is not None else ""
    return architecture, owner, name.split("-")[0], model.quantised.value if model.quantised is not None else ""


def family_names(families: Iterable[Family]) -> Mapping[Family, str]:
    """Return a short name per family: its architecture, with the owner if two families share the architecture."""
    every = list(dict.fromkeys(families))
    found: dict[Family, str] = {}
    for family in every:
        architecture, owner, stem, quantised = family
        alike = [other for other in every if other != family and (other[0], other[3]) == (architecture, quantised)]
        name = f"{architecture} ({owner.rpartition('/')[2]}/{stem})" if alike else architecture
        found[family] = f"{name} {quantised}".strip()
    return found
