"""Finding a checkpoint by its name: in the catalog, in a local folder, or on the hub."""

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
"""`NAME[:6]` is the first six layers of a checkpoint, written as a Python slice."""
_QUANTISED = re.compile(rf"(.+):({'|'.join(kind.value for kind in Quantisation)})")
"""`NAME:nf4` is a checkpoint with quantised layers."""


def find_model(name: str) -> ModelSpec:
    """Return a checkpoint, given its hub id, its short name in the catalog, or a local folder.

    `NAME[:6]` is the checkpoint's first six layers. `NAME:nf4` and `NAME:int8` are the checkpoint with quantised
    layers.

    Raises:
        UserError: the name is unknown, the folder has no supported config.json, or the checkpoint has fewer layers than
            requested.
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
            + (f"; it is a file in {folder.parent}" if folder.is_file() else ", or it cannot be read")
            + ". Give the folder that contains the checkpoint's config.json"
        )
    by_short = {model.name: model for model in MODELS.values()}
    if name in by_short:
        return by_short[name]
    if name.count("/") == 1 and not name.startswith((".", "/")):
        return ModelSpec(name)
    raise UserError(
        f"model {name!r} is not in the catalog, and is neither a folder nor a hub id (owner/name); "
        f"near: {near(name, [*MODELS, *by_short])}. `adaptx models` lists the catalog."
    )


def from_config(hub_id: str, config_path: Path) -> ModelSpec:
    """Return a checkpoint whose shape is read from its config.json.

    Raises:
        UserError: there is no config.json, or its architecture is not supported.
    """
    if not config_path.is_file():
        raise UserError(
            f"{config_path.parent} is not a model folder: it has no config.json{_folder_hint(config_path.parent)}"
        )
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
    known = _catalog_original(hub_id, shape)
    # A local copy of a catalog checkpoint keeps the catalog's facts, such as its sentence embedding and seen data.
    if known is not None:
        return ModelSpec(hub_id, known.family, framing=known.framing, embedding=known.embedding, shape=shape,
                         licence=known.licence, citation=known.citation, seen=known.seen)  # fmt: skip
    family = shape.architecture.family
    framing = FRAMING[family]
    embedding = sentence_embedding(config_path.parent, framing)
    return ModelSpec(hub_id, family, framing=framing, embedding=embedding, shape=shape)


def _folder_hint(folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        return (
            "; it contains an adapter. Use the adapter's base as the model, and the adapter in a start: "
            "Published(FOLDER, BASE, METHOD); `adaptx published FOLDER --model BASE` prints this line"
        )
    inner = sorted(found.parent.name for found in folder.glob("*/config.json"))
    return f"; name one of the folders in it: {', '.join(inner[:SHOWN])}" if inner else ""


def _catalog_original(hub_id: str, shape: Shape) -> ModelSpec | None:
    # Checkpoints of the same shape are told apart by name, because they were trained on different data.
    alike = [model for model in MODELS.values() if model.shape == shape]
    if len(alike) == 1:
        return alike[0]
    name = ModelSpec(hub_id).name.lower()
    # The name of a folder may contain the checkpoint's name, or be the end of it.
    within = [model for model in alike if model.name.lower() in name]
    if within:
        return max(within, key=lambda model: len(model.name))
    ending = [model for model in alike if model.name.lower().endswith(name)]
    return ending[0] if len(ending) == 1 else None
