"""The model card: the training and its data, the stored scores, licences, and how to load the folder."""

from adaptx import __version__
from adaptx.exporting.base import on_hub
from adaptx.exporting.composed import Composition
from adaptx.exporting.holding import Library
from adaptx.exporting.script import AUTO_CLASSES, Read, render
from adaptx.exporting.usage import ExportContents, notes
from adaptx.planning.lineage import answering_training
from adaptx.planning.naming import UNTRAINED, intermediate_name, path_of_tasks, training_path
from adaptx.planning.stored_scores import StoredScores
from adaptx.specs import Evaluate, KeptHeadOf, Merge, ModuleStage, Published, Train
from adaptx.store.entry import Entry
from adaptx.store.integrity import DamagedStage
from adaptx.store.records import MergeResult, TrainResult
from adaptx.store.store import Store

_UNKNOWN = "not recorded"


def write_card(
    store: Store,
    entry: Entry,
    stage: ModuleStage,
    read: Read,
    made_of: Composition,
    written: ExportContents,
    asked: list[str],
) -> str:
    """Return the text of the model card. asked: instructions for using the folder, one item per topic."""
    trainings = stage.stages if isinstance(stage, Merge) else (stage,)
    languages = dict.fromkeys(
        language for train in trainings for task in train.tasks for language in task.source_languages
    )
    facts = [
        ("task", f"{read.task.name}{_more(read.task.description)}"),
        ("base model", f"`{stage.model.hub_id}` ({written.base_digest})"),
        ("method", f"{stage.method.label}: `{stage.method}`"),
        *(_merging(stage, entry.merge_result) if isinstance(stage, Merge) else _training(stage, entry.train_result)),
        *([("labels", ", ".join(labels))] if (labels := read.task.format.labels) else []),
        ("trained in", ", ".join(languages)),
        ("read with", f"{read.framing.pooling.value}, layer {_layer(read.framing.layer)}, "
                      f"prefix {read.framing.prefix!r}, at most {read.max_length} tokens"),
    ]  # fmt: skip
    return render(
        "card.md.j2",
        {
            "library": written.library.value,
            "hub_base": stage.model.hub_id if on_hub(stage.model) else "",
            "languages": list(languages),
            "name": (path_of_tasks(stage) if isinstance(stage, Merge) else stage.task.name)
            + " · "
            + stage.method.label,
            "facts": [(label, value.replace("|", "\\|")) for label, value in facts],
            "scores": _stored_scores(store, entry),
            "precision": answering_training(stage).config.precision,
            "loading": _loading_code(stage, made_of, written),
            "notes": notes(written),
            "usage": asked,
            "licences": _licences(stage),
            "version": __version__,
            "stage": entry.folder.name,
        },
    )


def _training(train: Train, result: TrainResult) -> list[tuple[str, str]]:
    below, config = intermediate_name(train), train.config
    return [
        ("trained before", "nothing: from the checkpoint" if below == UNTRAINED else below),
        ("training rows (used / expected)", f"{result.rows_used:,} / {_count(result.rows_expected)}"),
        ("training", f"{result.steps:,} steps, {result.seconds:.0f} s, seed {config.seed}, "
                     f"{config.precision}, learning rate {config.peak_rates[0]:g}"),
    ]  # fmt: skip


def _merging(merge: Merge, result: MergeResult) -> list[tuple[str, str]]:
    facts = [
        ("merged from", ", ".join(f"{path_of_tasks(each)} (seed {each.config.seed})" for each in merge.stages)),
        ("rule", f"`{merge.rule}`"),
    ]
    if result.weights is not None:
        facts.append(("weights", ", ".join(f"{weight:g}" for weight in result.weights)))
    kept = f", of {path_of_tasks(merge.stages[merge.head.place])}" if isinstance(merge.head, KeptHeadOf) else ""
    return [*facts, ("head", f"`{merge.head}`{kept}")]


def _stored_scores(store: Store, entry: Entry) -> list[dict[str, str]]:
    scores = StoredScores()
    found: list[dict[str, str]] = []
    for other in list(store.entries().values()):
        try:
            if other.kind != "evaluate" or other.record.inputs != (entry.fingerprint,):
                continue
            evaluate, stored = other.stage, other.scores
            assert isinstance(evaluate, Evaluate)
            values = scores.scores(evaluate, other)
        except DamagedStage as damage:
            store.leave_out(other, damage)
            continue
        rows = f"{stored.rows_used:,} / {_count(stored.rows_expected)}"
        place = {"task": stored.task, "language": stored.language, "rows": rows}
        found += [{**place, "metric": name, "value": f"{100 * value:.1f}"} for name, value in values.items()]
    return sorted(found, key=lambda score: (score["task"], score["language"], score["metric"]))


def _loading_code(stage: ModuleStage, made_of: Composition, written: ExportContents) -> str:
    base = repr(written.base)
    match written.library:
        case Library.TRANSFORMERS:
            name = written.head.auto_class if written.head is not None else AUTO_CLASSES[stage.model.family]
            trust = ", trust_remote_code=True" if written.head is not None and written.head.own else ""
            return (
                f"from transformers import {name}, AutoTokenizer\n\n"
                f'model = {name}.from_pretrained("DIR"{trust}).eval()\n'
                'tokenizer = AutoTokenizer.from_pretrained("DIR")'
            )
        case Library.PEFT:
            return (
                f"from peft import PeftModel\nfrom transformers import {AUTO_CLASSES[stage.model.family]}\n\n"
                f"base = {AUTO_CLASSES[stage.model.family]}.from_pretrained({base})\n"
                'model = PeftModel.from_pretrained(base, "DIR").eval()'
            )
        case Library.ADAPTERS:
            load = "load_adapter" if len(made_of.adapters) + len(made_of.fused) == 1 else "load_adapter_setup"
            below = base if written.own_base is None else f'"DIR/{written.own_base}"'
            return (
                "import adapters\nfrom transformers import AutoModel\n\n"
                f"model = AutoModel.from_pretrained({below})\nadapters.init(model)\n"
                f'model.{load}("DIR", set_active=True)\nmodel.eval()'
            )


def _licences(stage: ModuleStage) -> list[str]:
    model = stage.model
    lines = [f"base model {model.hub_id}: {model.licence or _UNKNOWN}{_more(model.citation)}"]
    for task in dict.fromkeys(task for each in training_path(stage) for task in each.tasks):
        lines.append(f"data of {task.name}: {task.licence or _UNKNOWN}{_more(task.citation)}")
    for source in dict.fromkeys(source for each in training_path(stage) for source in each.module_sources):
        if isinstance(source, Published):
            lines.append(f"module {source.source}: {source.licence or _UNKNOWN}")
    return lines


def _more(text: str) -> str:
    return f" ({text})" if text else ""


def _layer(layer: int | None) -> str:
    return "last" if layer is None else str(layer)


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
