"""How a checkpoint embeds sentences, read from the folder in which sentence-transformers saved the checkpoint."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from adaptx.errors import UserError
from adaptx.specs import Hidden, Pooling

MODULES, SETTINGS = "modules.json", "config_sentence_transformers.json"
POOLINGS = {"cls_token": Pooling.FIRST, "mean_tokens": Pooling.MEAN, "lasttoken": Pooling.LAST}
"""Ending of a key in the config.json of a pooling (`cls_token` of `pooling_mode_cls_token`) -> pooling in adaptx."""
READ = ("Transformer", "Pooling", "Normalize")
"""Modules that adaptx can follow. `Normalize` changes nothing, because vectors are compared by their cosine."""
_log = logging.getLogger(__name__)


def sentence_embedding(folder: Path, usual: Hidden) -> Hidden:
    """Return how sentences are embedded according to a folder's modules.json, or `usual` if there is no such file.

    A warning is logged if modules.json asks for something that adaptx does not have, such as a dense layer.

    Raises:
        UserError: one of the files cannot be read.
    """
    if not (folder / MODULES).is_file():
        return usual
    modules = {
        str(each["type"]).rpartition(".")[2]: str(each.get("path", "")) for each in _read(folder / MODULES, list)
    }
    beyond = [name for name in modules if name not in READ]
    pooling = _read(folder / modules["Pooling"] / "config.json", dict) if "Pooling" in modules else {}
    modes = [key.removeprefix("pooling_mode_") for key, value in pooling.items() if value is True and "_mode_" in key]
    known = POOLINGS.get(modes[0]) if len(modes) == 1 else None
    if beyond or (pooling and known is None):
        told = ", ".join([f"pooling {'+'.join(modes) or 'without a mode'}"] * (known is None) + beyond)
        _log.warning(
            "%s: sentence-transformers embeds sentences with %s, which adaptx does not have; embeddings in adaptx "
            "differ, so expect retrieval scores that differ from published ones", folder, told
        )  # fmt: skip
    return replace(usual, pooling=known or usual.pooling, prefix=_default_prefix(folder))


def _default_prefix(folder: Path) -> str:
    settings = _read(folder / SETTINGS, dict) if (folder / SETTINGS).is_file() else {}
    return str((settings.get("prompts") or {}).get(settings.get("default_prompt_name"), ""))


def _read(file: Path, kind: type) -> Any:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read as JSON ({error}); copy or download it again") from error
    if not isinstance(found, kind) or (kind is list and not all(isinstance(m, dict) and "type" in m for m in found)):
        raise UserError(f"{file} is not in the form that sentence-transformers writes; copy or download it again")
    return found
