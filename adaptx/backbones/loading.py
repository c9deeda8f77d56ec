"""Load a checkpoint's network and tokenizer, from a folder or the hub, in the right dtype at once."""

import logging
import shutil
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn

from adaptx.backbones.architectures import WITH_POOLER, attention_of
from adaptx.backbones.cutting import cut
from adaptx.backbones.dropout import set_dropout
from adaptx.backbones.pairs import separate_pairs
from adaptx.catalog.models import FAMILIES
from adaptx.errors import MissingInput, UserError
from adaptx.sources import Sources, unread_weights
from adaptx.specs import ModelFamily, ModelSpec
from adaptx.store import read_json

CACHE = Path("~/.cache/adaptx/converted").expanduser()
_log = logging.getLogger(__name__)


def load_tokenizer(model: ModelSpec, sources: Sources) -> Any:
    """The checkpoint's fast tokenizer; pairs are divided where it has nothing for that.

    Raises:
        MissingInput: it is not at hand.
    """
    tokenizer = _load(_tokenizer, model, sources)
    separate_pairs(tokenizer, model.family)
    return tokenizer


def load_network(
    model: ModelSpec,
    sources: Sources,
    dropout: float | None = None,
    bf16: bool = False,
    device: torch.device | None = None,
) -> nn.Module:
    """The network in evaluation mode: an encoder bare and without a pooler, others with their output matrix.

    dropout: replaces the checkpoint's own probabilities; None keeps them. bf16: weights are rounded one by one as they
    are read, so that no copy of them in fp32 ever exists; else they are in fp32. Buffers are in fp32 either way.
    device: where the weights are put at once (None: the CPU).

    Raises:
        UserError: an architecture or weights in a form that is not read.
        MissingInput: the checkpoint is not at hand.
    """
    from transformers import AutoConfig

    config: Any = _load(AutoConfig.from_pretrained, model, sources)
    if config.model_type not in FAMILIES:
        raise UserError(
            f"{model.hub_id}: architecture {config.model_type!r} is not supported; supported: {', '.join(FAMILIES)}"
        )
    cut(config, model.layers)
    if dropout is not None:
        set_dropout(config, dropout)
    with _quiet():
        load, options = _network_class(config.model_type)
        options["attn_implementation"] = attention_of(config.model_type)
        options["dtype"] = torch.bfloat16 if bf16 else torch.float32
        if device is not None and device.type != "cpu":
            options["device_map"] = {"": device}
        network: Any = _load(load, model, sources, config=config, **options)
    if bf16:
        _restore_buffers(network, model, sources)
    return network.eval()


def _restore_buffers(network: Any, model: ModelSpec, sources: Sources) -> None:
    """Give buffers that were made in bf16 (scales of embeddings, positions' waves) their values in fp32 again."""
    rounded = [(name, buffer) for name, buffer in network.named_buffers() if buffer.dtype is torch.bfloat16]
    if not rounded:
        return
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        made = dict(type(network)(network.config).named_buffers())
    stored = _stored_tensors(model, sources, [name for name, _ in rounded])
    for name, buffer in rounded:
        path, _, own = name.rpartition(".")
        module = network.get_submodule(path)
        values = None if own in module._non_persistent_buffers_set else stored.get(name)
        setattr(module, own, (made[name] if values is None else values).to(buffer.device, torch.float32))


def _stored_tensors(model: ModelSpec, sources: Sources, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Those of these tensors that the checkpoint holds, as it holds them."""
    from safetensors import safe_open

    found: dict[str, torch.Tensor] = {}
    for file in _weight_files(model, sources)[1]:
        with safe_open(file, "pt") as tensors:  # pyright: ignore[reportUnknownVariableType]
            found |= {name: tensors.get_tensor(name) for name in set(names) & set(tensors.keys())}
    return found


def _network_class(model_type: str) -> tuple[Any, dict[str, Any]]:
    """The loading function of an architecture's networks, and its further options."""
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    match FAMILIES[model_type]:
        case ModelFamily.ENCODER:
            return AutoModel.from_pretrained, {"add_pooling_layer": False} if model_type in WITH_POOLER else {}
        case ModelFamily.ENCODER_DECODER:
            return AutoModelForSeq2SeqLM.from_pretrained, {}
        case ModelFamily.DECODER:
            return AutoModelForCausalLM.from_pretrained, {}


_BERT_HEAD = {
    "cls.predictions.transform.dense.": "dense.",
    "cls.predictions.transform.LayerNorm.": "norm.",
    "cls.predictions.bias": "bias",
}
_ROBERTA_HEAD = {"lm_head.dense.": "dense.", "lm_head.layer_norm.": "norm.", "lm_head.bias": "bias"}

LANGUAGE_MODEL_HEADS: dict[str, dict[str, str]] = {
    "bert": _BERT_HEAD,
    "xlm-roberta": _ROBERTA_HEAD,
    "xlm-roberta-xl": _ROBERTA_HEAD,
    "distilbert": {"vocab_transform.": "dense.", "vocab_layer_norm.": "norm.", "vocab_projector.bias": "bias"},
    "deberta-v2": {
        **_BERT_HEAD,
        "lm_predictions.lm_head.dense.": "dense.",
        "lm_predictions.lm_head.LayerNorm.": "norm.",
        "lm_predictions.lm_head.bias": "bias",
    },
    "modernbert": {"head.dense.": "dense.", "head.norm.": "norm.", "decoder.bias": "bias"},
}
"""Architecture -> how its checkpoints name the tensors of the masked-language-model head, and how that head does.

RemBERT is not among them: its decoder is a matrix of its own, and ours is tied to the embeddings.
"""


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


def load_biases(model: ModelSpec, sources: Sources, paths: Iterable[str]) -> dict[str, torch.Tensor]:
    """The checkpoint's own biases of linear maps, fp32, by their paths in the bare network.

    Raises:
        UserError: it has none at one of them.
    """
    from safetensors import safe_open

    wanted, found = {f"{path}.bias": path for path in paths}, dict[str, torch.Tensor]()
    for file in _weight_files(model, sources)[1]:
        with safe_open(file, "pt") as tensors:  # pyright: ignore[reportUnknownVariableType]
            for key in tensors.keys():  # noqa: SIM118
                # Networks with a head over them have a prefix before the names.
                name = key if key in wanted else key.partition(".")[2]
                if name in wanted:
                    found[wanted[name]] = tensors.get_tensor(key).float()
    if (missing := sorted(set(wanted.values()) - found.keys())) != []:
        raise UserError(f"{model.hub_id} has no bias at {missing[0]}, which a module over it changes")
    return found


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
    CACHE.mkdir(parents=True, exist_ok=True)
    # Several processes may come to one model at once.
    with FileLock(CACHE / f"{target.name}.lock"):
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
