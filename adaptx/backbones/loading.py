"""Load a checkpoint's network and tokenizer, from a folder or the hub, in the right dtype at once."""

import logging
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from adaptx.catalog.models import FAMILIES
from adaptx.catalog.support import FAMILIES_REFUSED
from adaptx.errors import MissingInput, UserError
from adaptx.sources import Sources, unread_weights
from adaptx.specs import ModelSpec
from adaptx.store import read_json

CACHE = Path("~/.cache/adaptx/converted").expanduser()
_log = logging.getLogger(__name__)


def load_tokenizer(model: ModelSpec, sources: Sources) -> Any:
    """The checkpoint's fast tokenizer.

    Raises:
        MissingInput: it is not at hand.
    """
    return _load(_tokenizer, model, sources)


def load_network(model: ModelSpec, sources: Sources, dropout: float | None = None) -> nn.Module:
    """The bare network in fp32, without a pooler, under scaled-dot-product attention, in evaluation mode.

    dropout: replaces the checkpoint's own probabilities; None keeps them.

    Raises:
        UserError: an architecture or weights in a form that is not read.
        MissingInput: the checkpoint is not at hand.
    """
    from transformers import AutoConfig, AutoModel

    config: Any = _load(AutoConfig.from_pretrained, model, sources)
    if config.model_type not in FAMILIES:
        raise UserError(
            f"{model.hub_id}: architecture {config.model_type!r} is not supported; supported: {', '.join(FAMILIES)}"
        )
    if (reason := FAMILIES_REFUSED.get(FAMILIES[config.model_type])) is not None:
        raise UserError(f"{model.hub_id} {reason}")
    if dropout is not None:
        config.hidden_dropout_prob = dropout
        config.attention_probs_dropout_prob = dropout
    with _quiet():
        network: Any = _load(
            AutoModel.from_pretrained,
            model,
            sources,
            config=config,
            attn_implementation="sdpa",
            dtype=torch.float32,
            add_pooling_layer=False,
        )
    return network.eval()


_ROBERTA_HEAD = {"lm_head.dense.": "dense.", "lm_head.layer_norm.": "norm.", "lm_head.bias": "bias"}

LANGUAGE_MODEL_HEADS: dict[str, dict[str, str]] = {
    "bert": {
        "cls.predictions.transform.dense.": "dense.",
        "cls.predictions.transform.LayerNorm.": "norm.",
        "cls.predictions.bias": "bias",
    },
    "xlm-roberta": _ROBERTA_HEAD,
    "xlm-roberta-xl": _ROBERTA_HEAD,
}
"""Architecture -> how its checkpoints name the tensors of the masked-language-model head, and how that head does."""


def load_language_model_head(model: ModelSpec, sources: Sources) -> dict[str, torch.Tensor] | None:
    """The checkpoint's own masked-language-model head, fp32, the tied decoder left out; None where it has none."""
    from safetensors import safe_open

    config, files = _weight_files(model, sources)
    names = LANGUAGE_MODEL_HEADS.get(config["model_type"], {})
    found: dict[str, torch.Tensor] = {}
    for file in files:
        with safe_open(file, "pt") as tensors:  # pyright: ignore[reportUnknownVariableType]
            for key in tensors.keys():  # noqa: SIM118
                # BERT checkpoints of 2018 still call a norm's tensors gamma and beta.
                plain = key.replace("gamma", "weight").replace("beta", "bias")
                for stored, ours in names.items():
                    if plain.startswith(stored):
                        found[ours + plain.removeprefix(stored)] = tensors.get_tensor(key).float()
    return found or None


def _tokenizer(name: str, **options: Any) -> Any:
    """The tokenizer as its tokenizer.json has it, under every version of transformers.

    transformers 5 takes no more than the vocabulary from the file and builds the rest anew from its own class (its
    issue 45701), so that a checkpoint with another normalizer gets other tokens than under transformers 4, silently;
    and where the checkpoint names no class of its own, it leaves out the type ids of pairs.
    """
    import transformers
    from tokenizers import Tokenizer
    from transformers.utils.hub import cached_file

    if transformers.__version__.startswith("4."):
        return transformers.AutoTokenizer.from_pretrained(name, **options)
    file = cached_file(name, "tokenizer.json", _raise_exceptions_for_missing_entries=False, **options)
    if file is None:
        return transformers.AutoTokenizer.from_pretrained(name, **options)
    stored = Tokenizer.from_file(file)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name, tokenizer_object=stored, **options)
    tokenizer.backend_tokenizer.post_processor = stored.post_processor
    if type(tokenizer) is transformers.PreTrainedTokenizerFast and "model_input_names" not in tokenizer.init_kwargs:
        tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer


def _weight_files(model: ModelSpec, sources: Sources) -> tuple[dict[str, Any], list[Path]]:
    """config.json and the safetensors files of a checkpoint; the network has been loaded from them before."""
    folder = sources.model_folder(model)
    if folder is None:
        from huggingface_hub import snapshot_download

        patterns = ["config.json", "*.safetensors"]
        revision = sources.model(model).commit or model.revision
        folder = Path(snapshot_download(model.hub_id, revision=revision, allow_patterns=patterns))
    folder = _readable(folder)
    return read_json(folder / "config.json"), sorted(folder.glob("*.safetensors"))


def _load(load: Any, model: ModelSpec, sources: Sources, **options: Any) -> Any:
    folder = sources.model_folder(model)
    if folder is not None:
        return load(str(_readable(folder)), local_files_only=True, **options)
    try:
        return load(model.hub_id, revision=sources.model(model).commit or model.revision, **options)
    except (OSError, ValueError) as error:
        raise MissingInput(
            f"{model.hub_id} cannot be loaded from the hub ({str(error).splitlines()[0]}). Remedy: check its name and "
            "the network, give a folder with --model DIR, or a mirror that has models/ with --data DIR"
        ) from error


def _readable(folder: Path) -> Path:
    """The folder itself where it has safetensors; else a converted copy of its pickled weights.

    Pickles are read once, by `torch.load(weights_only=True)`, which runs no code of theirs.
    """
    if any(folder.glob("*.safetensors")):
        return folder
    pickles = sorted(folder.glob("pytorch_model*.bin"))
    if not pickles:
        raise UserError(unread_weights(folder))
    stamp = "-".join(str(int(pickle.stat().st_mtime_ns)) for pickle in pickles)
    target = CACHE / f"{folder.name}-{stamp}"
    if not (target / "model.safetensors").is_file():
        _convert(folder, pickles, target)
    return target


def _convert(folder: Path, pickles: list[Path], target: Path) -> None:
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for pickle in pickles:
        # Tied tensors share memory, which safetensors refuses: each is written once, as its own copy.
        loaded = torch.load(pickle, weights_only=True, mmap=True, map_location="cpu")
        tensors.update({name: value.clone().contiguous() for name, value in loaded.items()})
    target.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.is_file() and file.suffix in (".json", ".txt", ".model"):
            shutil.copyfile(file, target / file.name)
    save_file(tensors, target / "model.safetensors.part", {"format": "pt"})
    (target / "model.safetensors.part").rename(target / "model.safetensors")
    _log.warning("%s holds pickled weights; kept as safetensors in %s", folder, target)


@contextmanager
def _quiet() -> Generator[None]:
    """Without transformers' note that the pooler's weights, which nothing here reads, are left out.

    Nor with the progress bar that transformers 5 shows for each loading, in the midst of adaptx's own.
    """
    from transformers.utils import logging as transformers_logging

    level, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()
