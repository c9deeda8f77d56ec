"""The checkpoint of a name: in the catalog, a local folder, or a hub id."""

import json
import re
from pathlib import Path
from typing import Any, cast

from adaptx.catalog.models.config import read_shape
from adaptx.catalog.models.decoders import DECODERS
from adaptx.catalog.models.encoder_decoders import ENCODER_DECODERS
from adaptx.catalog.models.encoders import ENCODERS
from adaptx.catalog.models.sentence_embedding import sentence_embedding
from adaptx.catalog.reading import FRAMING
from adaptx.errors import UserError
from adaptx.specs import ModelSpec, Quantisation, Shape
from adaptx.specs.near import near

MODELS: dict[str, ModelSpec] = {model.hub_id: model for model in (*ENCODERS, *ENCODER_DECODERS, *DECODERS)}


SHOWN = 6
_CUT = re.compile(r"(.+)\[:(\d+)\]")
"""`NAME[:6]`: a checkpoint's first six layers, as Python slices are written."""
_QUANTISED = re.compile(rf"(.+):({'|'.join(kind.value for kind in Quantisation)})")
"""`NAME:nf4`: a checkpoint with the linear maps of its layers stored in few digits."""


def find_model(name: str) -> ModelSpec:
    """The checkpoint of that hub id, short name or local folder; `NAME[:6]` is its first six layers, `NAME:nf4` (or
    `int8`) the checkpoint with quantised weights.

    A folder that is not in the catalog is taken as it is: its architecture is read from its config.json.

    Raises:
        UserError: neither known nor a folder with a supported config.json; near names are listed. Or it has fewer
            layers than asked for.
    """
    if (stored := _QUANTISED.fullmatch(name)) is not None:
        return find_model(stored[1]).quantise(Quantisation(stored[2]))
    if (sliced := _CUT.fullmatch(name)) is not None:
        return find_model(sliced[1]).cut(int(sliced[2]))
    if name in MODELS:
        return MODELS[name]
    folder = Path(name).expanduser()
    if folder.is_dir():
        return from_config(str(folder.resolve()), folder / "config.json")
    if folder.is_absolute() or name.startswith((".", "~")):
        raise UserError(
            f"model {name!r}: there is no such folder"
            + (f"; it is a file, name its folder {folder.parent}" if folder.is_file() else ", or none that can be read")
            + ". Give the folder that holds the checkpoint's config.json"
        )
    by_short = {model.name: model for model in MODELS.values()}
    if name in by_short:
        return by_short[name]
    if name.count("/") == 1 and not name.startswith((".", "/")):
        return ModelSpec(name)
    raise UserError(
        f"model {name!r} is neither in the catalog nor a folder nor a hub id (owner/name); "
        f"near: {near(name, [*MODELS, *by_short])}. `adaptx models` lists the catalog."
    )


def from_config(hub_id: str, config_path: Path) -> ModelSpec:
    """A checkpoint's spec from its config.json.

    Raises:
        UserError: no config.json, or an architecture that is not supported.
    """
    if not config_path.is_file():
        raise UserError(f"{config_path.parent} is no model folder: it has no config.json{_instead(config_path.parent)}")
    try:
        config = json.loads(config_path.read_text())
    except ValueError as error:
        raise UserError(f"{config_path} is not JSON ({error}); copy the checkpoint's config.json again") from error
    if not isinstance(config, dict):
        kind = type(config).__name__
        raise UserError(f"{config_path} holds a {kind}, not an object; copy the checkpoint's config.json again")
    try:
        shape = read_shape(cast(dict[str, Any], config))
    except UserError as error:
        raise UserError(f"{config_path}: {error}") from error
    known = _known(hub_id, shape)
    # A local copy of a catalog checkpoint keeps what is known of it: how it embeds and what it has seen.
    if known is not None:
        return ModelSpec(hub_id, known.family, framing=known.framing, embedding=known.embedding, shape=shape,
                         licence=known.licence, citation=known.citation, seen=known.seen)  # fmt: skip
    family = shape.architecture.family
    framing = FRAMING[family]
    embedding = sentence_embedding(config_path.parent, framing)
    return ModelSpec(hub_id, family, framing=framing, embedding=embedding, shape=shape)


def _instead(folder: Path) -> str:
    """Return what a folder without a config.json looks like, and what to name in its place."""
    if (folder / "adapter_config.json").is_file():
        return (
            "; it holds an adapter. Take its base as the model, and the adapter as a start: "
            "Published(FOLDER, BASE, METHOD); `adaptx published FOLDER --model BASE` prints it"
        )
    inner = sorted(found.parent.name for found in folder.glob("*/config.json"))
    return f"; name one of the folders in it: {', '.join(inner[:SHOWN])}" if inner else ""


def _known(hub_id: str, shape: Shape) -> ModelSpec | None:
    """The catalog's checkpoint of that shape; where several have it, the one whose name says so.

    None where no name decides: what a checkpoint has seen is not told by its sizes.
    """
    alike = [model for model in MODELS.values() if model.shape == shape]
    if len(alike) == 1:
        return alike[0]
    name = ModelSpec(hub_id).name.lower()
    # A folder may be called by the whole name and more, or by the end of it.
    within = [model for model in alike if model.name.lower() in name]
    if within:
        return max(within, key=lambda model: len(model.name))
    ending = [model for model in alike if model.name.lower().endswith(name)]
    return ending[0] if len(ending) == 1 else None
