"""Write the script `predict.py` next to exported weights, with files of the head and the tokenizer.

The library that loads the weights has no class for adaptx's head or way of tokenizing, so the script contains the code
for both.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.backbones.families import backbone_over
from adaptx.errors import UserError
from adaptx.exporting.holding import Library
from adaptx.formats.interface import TrainedHead, reading_of
from adaptx.formats.tagging import words_stand_alone
from adaptx.specs import (
    Classification,
    Hidden,
    MaskedLanguageModel,
    ModelFamily,
    ModelSpec,
    MultipleChoice,
    Pooling,
    QuestionAnswering,
    Retrieval,
    Tagging,
    Task,
    TaskFormat,
)
from adaptx.specs.architectures import ARCHITECTURES

TEMPLATES = Path(__file__).parent / "templates"
SCRIPT_FILE = "predict.py"
HEAD_FILE = "head.safetensors"
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class _Row:
    kind: str
    row: str
    note: str = ""


ROWS: dict[type[TaskFormat], _Row] = {
    Classification: _Row("classification", "a text, or two texts with a tab between them"),
    MultipleChoice: _Row("choice", "a text, a question (or nothing) and the choices, with tabs between them"),
    Tagging: _Row("tagging", "a sentence, its words divided by spaces"),
    QuestionAnswering: _Row(
        "span", "a question and its context, with a tab between them", "; a context longer than the model reads is cut"
    ),
    Retrieval: _Row("retrieval", "a text; its vector is printed", "; similarity is the cosine of two vectors"),
    MaskedLanguageModel: _Row("masked", "a text with mask tokens; for each of them, the five best tokens are printed"),
}
"""How predict.py reads rows, by the task's format. Tasks of other formats are not exported."""
_POOLED = {
    Pooling.FIRST: ("first token's hidden state", "hidden[0]"),
    Pooling.MEAN: ("mean of the tokens' hidden states", "hidden.mean(dim=0)"),
    Pooling.LAST: ("last token's hidden state", "hidden[-1]"),
}
AUTO_CLASSES: dict[ModelFamily, str] = {
    ModelFamily.ENCODER: "AutoModel",
    ModelFamily.ENCODER_DECODER: "AutoModelForSeq2SeqLM",
    ModelFamily.DECODER: "AutoModelForCausalLM",
}
"""The class that loads an exported network, by family. Names of exported tensors are paths in a model of this class."""


@dataclass(frozen=True)
class Read:
    """How the rows of a task are read. max_length: maximum number of tokens. head: None if the task has no head."""

    task: Task
    framing: Hidden
    max_length: int
    head: TrainedHead | None


def write_script(
    library: Library,
    read: Read,
    network: Any,
    model: ModelSpec,
    base: str,
    tokenizer: Any,
    folder: Path,
    own_base: str | None,
) -> None:
    """Write the script, the head's tensors and the tokenizer.

    base: hub id or path of the checkpoint that the script loads. own_base: path, inside the folder, of the weights that
    the script loads in place of `base`, or None.

    Raises:
        UserError: the tokenizer has no tokenizer.json.
    """
    from safetensors.torch import save_file

    if not tokenizer.is_fast:
        raise UserError(
            f"the tokenizer of {model.name} ({type(tokenizer).__name__}) has no tokenizer.json, which predict.py "
            "needs; use --to transformers, or `adaptx predict STAGE FILE`"
        )

    if read.head is not None:
        tensors = {name: tensor.detach().float().contiguous() for name, tensor in read.head.module.state_dict().items()}
        save_file(tensors, folder / HEAD_FILE, {"format": "pt"})
    facts = {
        **_task_facts(read, model, tokenizer),
        **_checkpoint_facts(model, base, own_base),
        "library": library.value,
        "load_adapters": "load_adapter" if (folder / "adapter_config.json").is_file() else "load_adapter_setup",
        "with_types": takes_types(network, tokenizer),
        "unknown": tokenizer.unk_token_id,
        "mask": tokenizer.mask_token_id,
        "options": _options(network.config.model_type),
        "stack": stack_path(network),
        "spaced": not words_stand_alone(tokenizer),
    }
    # The script reads this file with the tokenizers package: transformers 4 and 5 build different tokenizers from it.
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER_FILE))
    (folder / SCRIPT_FILE).write_text(render("predict.py.j2", facts), encoding="utf-8")


def _task_facts(read: Read, model: ModelSpec, tokenizer: Any) -> dict[str, Any]:
    row, (pooling, pooled) = ROWS[type(read.task.format)], _POOLED[read.framing.pooling]
    causal = reading_of(model, tokenizer, read.framing, read.max_length).causal
    task_format: Any = read.head.format if read.head is not None else read.task.format
    return {
        "task": read.task.name,
        "kind": row.kind,
        "row": row.row,
        "note": row.note,
        "prefix": repr(read.framing.prefix),
        "max_length": read.max_length,
        "layer": read.framing.layer,
        "pooling": pooling,
        "pooled": pooled,
        "labels": repr(list(task_format.labels)) if task_format.labels else "",
        "answer_tokens": getattr(task_format, "answer_tokens", 0),
        "has_head": read.head is not None,
        "null": -1 if causal else 0,
        "epsilon": getattr(getattr(read.head and read.head.module, "norm", None), "eps", 0.0),
    }


def _checkpoint_facts(model: ModelSpec, base: str, own_base: str | None) -> dict[str, Any]:
    pinned = own_base is None and base == model.hub_id and model.revision is not None
    return {
        "base": repr(base) if own_base is None else _here(own_base),
        "base_note": "" if own_base is not None else " BASE below is a hub id or a folder.",
        "revision": f", revision={model.revision!r}" if pinned else "",
        "auto_class": AUTO_CLASSES[model.family],
    }


def takes_types(network: Any, tokenizer: Any) -> bool:
    """Return whether the tokenizer returns token types and the network has embeddings for them."""
    return "token_type_ids" in tokenizer.model_input_names and ARCHITECTURES[network.config.model_type].type_rows > 0


def stack_path(network: Any) -> str:
    """Return the path, inside the network, of the part whose hidden states are read; "" if it is the whole network."""
    stack = backbone_over(network).stack
    return next(path for path, module in network.named_modules() if module is stack)


def _options(model_type: str) -> str:
    architecture = ARCHITECTURES[model_type]
    bare = ", add_pooling_layer=False" if architecture.pooler else ""
    return bare + (', attn_implementation="eager"' if architecture.eager else "")


def render(template: str, facts: dict[str, Any]) -> str:
    """Fill a template with facts and return the text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**facts)


def _here(folder: str) -> str:
    return "HERE" if folder == "." else f'HERE / "{folder}"'
