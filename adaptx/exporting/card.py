"""The model card: what was trained on what, its scores in the store, licences, and how the folder is loaded."""

from dataclasses import dataclass

from adaptx import __version__
from adaptx.exporting.composed import Composed
from adaptx.exporting.holding import Library
from adaptx.exporting.script import Read, render
from adaptx.naming import UNTRAINED, intermediate_name, method_name, path
from adaptx.sample import SAMPLE
from adaptx.specs import Published, Train
from adaptx.store import Entry, Store

_UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Written:
    """What an export wrote. auto_class: the class that holds the head; None: predict.py does.

    own_base: where in the folder whole weights lie, if they do. base_digest: of the checkpoint below.
    """

    library: Library
    auto_class: str | None
    own_base: str | None
    base_digest: str


def write_card(store: Store, entry: Entry, train: Train, read: Read, made_of: Composed, written: Written) -> str:
    """The card's text."""
    result = entry.result
    expected = result["rows_expected"]
    languages = dict.fromkeys(language for task in train.tasks for language in task.source_languages)
    below = intermediate_name(train)
    facts = [
        ("task", f"{read.task.name}{_more(read.task.description)}"),
        ("base model", f"`{train.model.hub_id}` ({written.base_digest})"),
        ("method", f"{method_name(train.method)}: `{train.method}`"),
        ("trained before", "nothing: from the checkpoint" if below == UNTRAINED else below),
        ("training rows (used / expected)", f"{result['rows_used']:,} / {_count(expected)}"),
        ("trained in", ", ".join(languages)),
        ("training", f"{result['steps']:,} steps, {result['seconds']:.0f} s, seed {train.config.seed}, "
                     f"{train.config.precision}, learning rate {train.config.learning_rate:g}"),
        ("read with", f"{read.framing.pooling.value}, layer {_layer(read.framing.layer)}, "
                      f"prefix {read.framing.prefix!r}, at most {read.max_length} tokens"),
    ]  # fmt: skip
    hub_id = train.model.hub_id
    packaged = (SAMPLE / "models" / hub_id).is_dir()
    on_hub = hub_id.count("/") == 1 and not hub_id.startswith((".", "/")) and not packaged
    return render(
        "card.md.j2",
        {
            "library": written.library.value,
            "hub_base": hub_id if on_hub else "",
            "own_base": written.own_base is not None,
            "languages": list(languages),
            "name": train.task.name + " · " + method_name(train.method),
            "facts": [(label, value.replace("|", "\\|")) for label, value in facts],
            "scores": _scores(store, entry),
            "precision": train.config.precision,
            "loading": _loading(train, made_of, written),
            "has_head": read.head is not None,
            "auto_class": written.auto_class,
            "licences": _licences(train),
            "version": __version__,
            "stage": entry.folder.name,
        },
    )


def _scores(store: Store, entry: Entry) -> list[dict[str, str]]:
    """Every metric of every evaluation of this very training that the store holds."""
    found: list[dict[str, str]] = []
    for other in store.entries().values():
        if other.kind != "evaluate" or other.record["inputs"] != [entry.fingerprint]:
            continue
        result = other.result
        rows = f"{result['rows_used']:,} / {_count(result['rows_expected'])}"
        place = {"task": result["task"], "language": result["language"], "rows": rows}
        found += [{**place, "metric": name, "value": f"{100 * value:.1f}"} for name, value in result["metrics"].items()]
    return sorted(found, key=lambda score: (score["task"], score["language"], score["metric"]))


def _loading(train: Train, made_of: Composed, written: Written) -> str:
    """Python that loads the folder without adaptx."""
    base = repr(train.model.hub_id)
    match written.library:
        case Library.TRANSFORMERS:
            name = written.auto_class or "AutoModel"
            return (
                f"from transformers import {name}, AutoTokenizer\n\n"
                f'model = {name}.from_pretrained("DIR").eval()\ntokenizer = AutoTokenizer.from_pretrained("DIR")'
            )
        case Library.PEFT:
            return (
                "from peft import PeftModel\nfrom transformers import AutoModel\n\n"
                f'model = PeftModel.from_pretrained(AutoModel.from_pretrained({base}), "DIR").eval()'
            )
        case Library.ADAPTERS:
            load = "load_adapter" if len(made_of.adapters) + len(made_of.fused) == 1 else "load_adapter_setup"
            below = base if written.own_base is None else f'"DIR/{written.own_base}"'
            return (
                "import adapters\nfrom transformers import AutoModel\n\n"
                f"model = AutoModel.from_pretrained({below})\nadapters.init(model)\n"
                f'model.{load}("DIR", set_active=True)\nmodel.eval()'
            )


def _licences(train: Train) -> list[str]:
    lines = [f"base model {train.model.hub_id}: {train.model.licence or _UNKNOWN}{_more(train.model.citation)}"]
    for task in dict.fromkeys(task for each in path(train) for task in each.tasks):
        lines.append(f"data of {task.name}: {task.licence or _UNKNOWN}{_more(task.citation)}")
    for source in dict.fromkeys(source for each in path(train) for source in each.taken):
        if isinstance(source, Published):
            lines.append(f"module {source.source}: {source.licence or _UNKNOWN}")
    return lines


def _more(text: str) -> str:
    return f" ({text})" if text else ""


def _layer(layer: int | None) -> str:
    return "last" if layer is None else str(layer)


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
