"""A module that peft or adapters wrote, read into a spec: what it is, checked before any tensor is read.

from adaptx.published import published

hate = published("owner/xlmr-hate-lora", XLMR_BASE)
Train(XLMR_BASE, NLI, hate.method, config, start=Sequential(hate))
"""

import logging
from pathlib import Path

from adaptx.errors import UserError
from adaptx.published.from_adapters import adapters_layout
from adaptx.published.from_peft import peft_layout
from adaptx.published.layout import Layout, check_not_empty
from adaptx.sources.checkpoint_files import read_settings
from adaptx.sources.modules import CONFIG_FILE, named_folder, weights_file
from adaptx.sources.tensor_headers import tensor_shapes, unusual_numbers
from adaptx.specs import ModelSpec, Published

_log = logging.getLogger(__name__)


def published(
    source: str | Path,
    model: ModelSpec,
    *,
    revision: str | None = None,
    same_base: bool = False,
    name: str | None = None,
    licence: str = "",
) -> Published:
    """A module in peft's or adapters' format, as a start over `model`; which of the two its config tells.

    source: a folder or a hub id. same_base: that the base which its config names is `model`, where names and digests
    cannot tell. name: what tables call it; None is the folder's.

    Raises:
        MissingInput: it is not at hand.
        UserError: another kind of module, another size, or a setting that adaptx' methods do not have.
    """
    folder = named_folder(str(source), revision)
    layout = read_layout(folder, model)
    if layout.of_head:
        _log.warning(
            "published module %s: %d tensors of its pooler or head stay behind (%s%s)",
            source, len(layout.of_head), layout.of_head[0], ", ..." if len(layout.of_head) > 1 else "",
        )  # fmt: skip
    config = read_settings(folder / CONFIG_FILE)
    base = str(config.get("base_model_name_or_path" if "peft_type" in config else "model_name") or "")
    called = name or Path(source).name
    kept = str(source) if folder != Path(str(source)).expanduser() else str(folder.resolve())
    return Published(kept, model, layout.method, base, called, revision, same_base, licence)


def read_layout(folder: Path, model: ModelSpec) -> Layout:
    """What the module in a folder is, and where its tensors belong in that model.

    Raises:
        UserError: as `published`.
    """
    file = weights_file(folder)
    shapes = tensor_shapes(file)
    config = read_settings(folder / CONFIG_FILE)
    read = peft_layout if "peft_type" in config else adapters_layout
    try:
        check_not_empty(shapes)
        if file.suffix == ".safetensors" and (unusual := unusual_numbers(file)):
            name, form = next(iter(unusual.items()))
            raise UserError(f"{name} is stored as {form}, not as floating-point numbers of 16 bits or more")
        return read(config, shapes, model)
    except UserError as error:
        raise UserError(
            f"published module {folder}: {error}. Save it again with its library's save_pretrained, take another "
            "module, or train such a one here"
        ) from error
