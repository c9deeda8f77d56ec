"""The files of a checkpoint's folder: which of them hold its weights, and whether they may be read; no torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adaptx.errors import UserError
from adaptx.sources.sources import unread_weights
from adaptx.sources.tensor_headers import Shapes, tensor_shapes

CONFIG = "config.json"
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED, PICKLED_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
ADAPTER_CONFIG = "adapter_config.json"
SETTINGS = (CONFIG, "tokenizer_config.json", "generation_config.json")
"""Files that may name code of the folder's own."""
HUB_PATTERNS = (
    CONFIG, "model*.safetensors", INDEX, "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*",
    "merges.txt", "*.model",
)  # fmt: skip
"""Patterns of the files that are read from a checkpoint's repository. Other frameworks' weights are not."""
WITHOUT_ROW = {"<image_soft_token>"}
"""Added tokens that stand for no text: Gemma 3's tokenizer has one for images, and its text models no row for it."""
HUB_PICKLES = ("pytorch_model*.bin", PICKLED_INDEX)
SHOWN = 3
ADDED = '"added_tokens"'


def read_settings(file: Path) -> dict[str, Any]:
    """Return a JSON object of a checkpoint's folder.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read as JSON ({error}); copy or download it again") from error
    if not isinstance(found, dict):
        raise UserError(f"{file} holds no JSON object; copy or download it again")
    return found  # pyright: ignore[reportUnknownVariableType]


def check_folder(folder: Path) -> None:
    """Check what planning can: it reads no tensor, and of the tokenizer only the tokens that were added to it.

    Raises:
        UserError: as `check_settings` and `weight_files`; a file of weights is cut short or something else than it is
            called; or added tokens have no row in the embeddings.
    """
    check_settings(folder)
    files = weight_files(folder)
    if files[0].suffix == Path(WHOLE).suffix:
        stored_shapes(files)
    tokenizer = folder / "tokenizer.json"
    text = tokenizer.read_text(encoding="utf-8", errors="replace") if tokenizer.is_file() else ""
    # The vocabulary lies behind them, and parsing all of it would take longer than the rest of planning.
    place = text.find(ADDED)
    rows = read_settings(folder / CONFIG).get("vocab_size")
    if place < 0 or not isinstance(rows, int):
        return
    try:
        added: list[dict[str, Any]] = json.JSONDecoder().raw_decode(text[place + len(ADDED) :].lstrip(" :\n\t"))[0]
        check_rows({token["content"]: token["id"] for token in added}, rows, folder)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{tokenizer} cannot be read ({error}); copy or download it again") from error


def check_rows(tokens: Mapping[str, int], rows: int, folder: Path) -> None:
    """Raises:
    UserError: the embeddings have no row for one of these tokens. More rows than tokens are fine: many checkpoints are
        filled up to a round number.
    """
    beyond = sorted(token for token, number in tokens.items() if number >= rows and token not in WITHOUT_ROW)
    if beyond:
        raise UserError(
            f"{folder}: its tokenizer numbers {max(tokens.values()) + 1:,} tokens, and its embeddings have {rows:,} "
            f"rows, so that {_some(list(map(repr, beyond)))} could not be looked up. Take the tokenizer that the "
            "weights were trained with; or, if tokens were added on purpose, add rows and train them: "
            "model.resize_token_embeddings(len(tokenizer)); model.save_pretrained(...)"
        )


def check_settings(folder: Path) -> None:
    """Raises:
    UserError: the folder names code of its own, which is never run, holds weights that are quantised already, or a
        module of peft's, whose base transformers would load in place of these weights.
    """
    if (folder / ADAPTER_CONFIG).is_file():
        raise UserError(
            f"{folder} holds a module of peft's ({ADAPTER_CONFIG}) and a config.json, and transformers would load the "
            "module's base in place of the weights here. If the module is merged into these weights, remove its files "
            "from a copy of the folder; else take its base as the model, and the module as a start: "
            "Published(FOLDER, BASE, METHOD); `adaptx published FOLDER --model BASE` prints it"
        )
    for name in SETTINGS:
        if not (folder / name).is_file():
            continue
        settings = read_settings(folder / name)
        if settings.get("auto_map"):
            raise UserError(
                f"{folder / name} names code that comes with the checkpoint (auto_map: {settings['auto_map']}), and "
                "adaptx runs no such code: read without it, the checkpoint may compute something else. Take a "
                "checkpoint without code of its own; if this one needs none, remove auto_map from a copy of the folder"
            )
        if settings.get("quantization_config"):
            raise UserError(
                f"{folder / name} has a quantization_config: its weights are quantised already. Take the checkpoint "
                "that they were made from; `--model NAME:nf4` (or int8) quantises it as it is read"
            )


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that hold a checkpoint's weights: safetensors where there are any, else pickles.

    Raises:
        UserError: there are none, or an index and its files disagree.
    """
    for whole, index in ((WHOLE, INDEX), (PICKLED, PICKLED_INDEX)):
        if (folder / whole).is_file():
            return (folder / whole,)
        if (folder / index).is_file():
            return _shards(folder / index)
        if parts := sorted(folder.glob(f"{Path(whole).stem}-*-of-*{Path(whole).suffix}")):
            raise UserError(
                f"{folder} holds {len(parts)} parts of the weights ({parts[0].name}, ...) without {index}, which says "
                "what is in them; copy or download that file, too"
            )
    raise UserError(unread_weights(folder))


def stored_shapes(files: tuple[Path, ...]) -> Shapes:
    """Return names and shapes of all tensors in these files."""
    return {name: shape for file in files for name, shape in tensor_shapes(file).items()}


def _shards(index: Path) -> tuple[Path, ...]:
    told = read_settings(index).get("weight_map")
    if not isinstance(told, dict) or not all(isinstance(name, str) for name in told.values()):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        raise UserError(f"{index} has no weight_map from tensors to files; copy or download it again")
    places: dict[str, str] = told  # pyright: ignore[reportUnknownVariableType]
    names = sorted(set(places.values()))
    if outside := [name for name in names if Path(name).name != name]:
        raise UserError(f"{index} names a file outside its folder: {outside[0]}")
    if absent := [name for name in names if not (index.parent / name).is_file()]:
        raise UserError(
            f"{index} names {len(absent)} files that are not there: {_some(absent)}; copy or download them, too"
        )
    files = tuple(index.parent / name for name in names)
    # The content of pickled shards is checked when they are converted.
    if index.name == INDEX:
        _check_index(index, places, files)
    return files


def _check_index(index: Path, places: dict[str, str], files: tuple[Path, ...]) -> None:
    """Raises:
    UserError: a tensor is in two files, in another than the index says, or in none of them.
    """
    held: dict[str, str] = {}
    for file in files:
        for name in tensor_shapes(file):
            if name in held:
                raise UserError(f"{index.parent}: {name} is in both {held[name]} and {file.name}; download it again")
            held[name] = file.name
    wrong = [name for name in {**places, **held} if places.get(name) != held.get(name)]
    if wrong:
        lines = [f"{name} is in {held.get(name, 'no file')}, not in {places.get(name, 'the index')}" for name in wrong]
        raise UserError(
            f"{index} and its files disagree over {len(wrong)} tensors: {_some(lines)}; download them again"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
