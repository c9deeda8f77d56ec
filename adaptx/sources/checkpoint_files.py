"""The files of a checkpoint's folder: which of them hold its weights, and whether they can be read."""

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
"""Files that may refer to code that comes with the checkpoint."""
HUB_PATTERNS = (
    CONFIG, "model*.safetensors", INDEX, "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*",
    "merges.txt", "*.model",
)  # fmt: skip
"""Name patterns of the files that are read from a checkpoint's repository. Weights of other frameworks are not read."""
WITHOUT_ROW = {"<image_soft_token>"}
"""Added tokens that need no row in the embeddings: Gemma 3's tokenizer has an image token, also for text models."""
HUB_PICKLES = ("pytorch_model*.bin", PICKLED_INDEX)
SHOWN = 3
ADDED = '"added_tokens"'


def read_settings(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a checkpoint's folder.

    Raises:
        UserError: the file cannot be read, or does not hold a JSON object.
    """
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read as JSON ({error}); copy or download it again") from error
    if not isinstance(found, dict):
        raise UserError(f"{file} holds no JSON object; copy or download it again")
    return found  # pyright: ignore[reportUnknownVariableType]


def check_folder(folder: Path) -> None:
    """Check a checkpoint's folder for planning. Neither tensors nor the vocabulary is read.

    Raises:
        UserError: as for `check_settings` and `weight_files`; also if a weight file is cut short or does not have the
            format that its name says, or if added tokens have no row in the embeddings.
    """
    check_settings(folder)
    files = weight_files(folder)
    if files[0].suffix == Path(WHOLE).suffix:
        stored_shapes(files)
    tokenizer = folder / "tokenizer.json"
    text = tokenizer.read_text(encoding="utf-8", errors="replace") if tokenizer.is_file() else ""
    # The added tokens precede the vocabulary in the file. Parsing all of it would take longer than the whole planning.
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
    """Check that the embedding matrix has a row for each token. It may have more rows than tokens.

    tokens: the id of each token. rows: number of rows in the matrix.

    Raises:
        UserError: a token has no row.
    """
    beyond = sorted(token for token, number in tokens.items() if number >= rows and token not in WITHOUT_ROW)
    if beyond:
        raise UserError(
            f"{folder}: the tokenizer's tokens need {max(tokens.values()) + 1:,} rows, but the embeddings have "
            f"{rows:,} rows, so {_some(list(map(repr, beyond)))} cannot be looked up. Use the tokenizer with which the "
            "weights were trained; or, if tokens were added on purpose, add rows and train them: "
            "model.resize_token_embeddings(len(tokenizer)); model.save_pretrained(...)"
        )


def check_settings(folder: Path) -> None:
    """Check that a checkpoint's settings allow adaptx to load it.

    Raises:
        UserError: the folder refers to its own code, which adaptx never runs; its weights are already quantised; or it
            holds a peft module, so that transformers would load the module's base instead of these weights.
    """
    if (folder / ADAPTER_CONFIG).is_file():
        raise UserError(
            f"{folder} holds a peft module ({ADAPTER_CONFIG}) and a config.json, and transformers would load the "
            "module's base instead of the weights here. If the module is merged into these weights, remove its files "
            "from a copy of the folder. Otherwise use its base as the model, and the module as a start: "
            "Published(FOLDER, BASE, METHOD); `adaptx published FOLDER --model BASE` prints that line"
        )
    for name in SETTINGS:
        if not (folder / name).is_file():
            continue
        settings = read_settings(folder / name)
        if settings.get("auto_map"):
            raise UserError(
                f"{folder / name} refers to code that comes with the checkpoint (auto_map: {settings['auto_map']}). "
                "adaptx does not run such code, and without it the checkpoint may compute something else. Use a "
                "checkpoint without its own code; if this one works without, remove auto_map from a copy of the folder"
            )
        if settings.get("quantization_config"):
            raise UserError(
                f"{folder / name} has a quantization_config: its weights are already quantised. Use the checkpoint "
                "from which they were made; `--model NAME:nf4` (or int8) quantises it while loading"
            )


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that hold a checkpoint's weights: safetensors if there are any, otherwise pickles.

    Raises:
        UserError: there are no weights, or an index and its files disagree.
    """
    for whole, index in ((WHOLE, INDEX), (PICKLED, PICKLED_INDEX)):
        if (folder / whole).is_file():
            return (folder / whole,)
        if (folder / index).is_file():
            return _shards(folder / index)
        if parts := sorted(folder.glob(f"{Path(whole).stem}-*-of-*{Path(whole).suffix}")):
            raise UserError(
                f"{folder} holds {len(parts)} parts of the weights ({parts[0].name}, ...), but not the list of their "
                f"tensors, {index}; copy or download that file as well"
            )
    raise UserError(unread_weights(folder))


def stored_shapes(files: tuple[Path, ...]) -> Shapes:
    """Return the shapes of all tensors in these files, by tensor name."""
    return {name: shape for file in files for name, shape in tensor_shapes(file).items()}


def _shards(index: Path) -> tuple[Path, ...]:
    told = read_settings(index).get("weight_map")
    if not isinstance(told, dict) or not all(isinstance(name, str) for name in told.values()):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        raise UserError(f"{index} has no weight_map from tensors to files; copy or download it again")
    places: dict[str, str] = told  # pyright: ignore[reportUnknownVariableType]
    names = sorted(set(places.values()))
    if outside := [name for name in names if Path(name).name != name]:
        raise UserError(f"{index} names a file outside its folder: {outside[0]}; download the checkpoint again")
    if absent := [name for name in names if not (index.parent / name).is_file()]:
        raise UserError(
            f"{index} names {len(absent)} files that do not exist: {_some(absent)}; copy or download them as well"
        )
    files = tuple(index.parent / name for name in names)
    # The content of pickled shards is checked when they are converted.
    if index.name == INDEX:
        _check_index(index, places, files)
    return files


def _check_index(index: Path, places: dict[str, str], files: tuple[Path, ...]) -> None:
    """Check that the index names, for each tensor, the only file that holds it."""
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
            f"{index} and its files disagree about {len(wrong)} tensors: {_some(lines)}; download them again"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
