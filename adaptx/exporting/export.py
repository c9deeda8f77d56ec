"""Write a stored training or merge as a folder that peft, adapters or transformers loads without adaptx."""

import copy
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.backbones.families import backbone_over
from adaptx.backbones.loading import load_network, load_tokenizer
from adaptx.errors import UserError
from adaptx.execution.building import head_base, head_name, new_head
from adaptx.execution.serving import open_module
from adaptx.execution.workshop import Workshop
from adaptx.exporting.adapters_folder import BASE_FOLDER, write_adapters
from adaptx.exporting.base import base_name
from adaptx.exporting.card import write_card
from adaptx.exporting.checking import check_folder, probe
from adaptx.exporting.composed import Composition, composed
from adaptx.exporting.holding import Library, holding_refusal
from adaptx.exporting.peft_folder import write_peft
from adaptx.exporting.script import ROWS, Read, write_script
from adaptx.exporting.transformers_folder import HeadClass, write_bare, write_with_head
from adaptx.exporting.usage import ExportContents, notes, usage
from adaptx.formats.heads import load_head
from adaptx.formats.interface import reading_of
from adaptx.methods import fold_in
from adaptx.planning.framings import training_framing
from adaptx.planning.lineage import answering_training
from adaptx.sources.sources import Sources
from adaptx.specs import Hidden, Merge, ModuleStage, NoHead, Pooling, Resources, Task, Text, Train
from adaptx.specs.sites import sites_of
from adaptx.store.entry import Entry
from adaptx.store.store import Store
from adaptx.store.writing import new_folder, share

HERE = "."


@dataclass(frozen=True)
class ExportResult:
    """The files of an exported folder, and notes for its user."""

    folder: Path
    files: tuple[str, ...]
    notes: tuple[str, ...]


def export_stage(
    store: Store, sources: Sources, name: str, library: Library, folder: Path, task: str | None = None
) -> ExportResult:
    """Export a stored training or merge to a folder that the library can load.

    name: the stage's folder name, or a unique prefix of its fingerprint. task: name of the task whose head is exported;
    needed if several tasks were trained together.

    Raises:
        UserError: the stage does not exist, its weights were removed, the library cannot represent it, or the folder is
            not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty; name a new folder, or empty it first")
    entry, stage, shop = open_module(store, sources, name, Resources("cpu"))
    chosen = _task_of_exported_head(entry, answering_training(stage), task)
    refusals = (
        holding_refusal(library, stage),
        _missing_head_refusal(stage, chosen),
        _framing_refusal(stage, chosen),
        _format_refusal(chosen),
    )
    if (reason := next(filter(None, refusals), None)) is not None:
        raise UserError(f"{entry.folder.name} cannot be exported to {library.value}: {reason}")
    building = new_folder(folder.parent, f".{folder.name}-")
    try:
        written = _write(entry, stage, chosen, library, shop, building)
        share(building)
        if folder.exists():
            folder.rmdir()
        os.replace(building, folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return ExportResult(folder, tuple(sorted(files)), notes(written))


def _task_of_exported_head(entry: Entry, train: Train, name: str | None) -> Task:
    found = [task for task in train.tasks if name in (None, task.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(task.name for task in train.tasks)
    why = f"--task {name}: it was not trained on this task" if not found else "it was trained on several tasks"
    raise UserError(f"{entry.folder.name}: {why}; choose one with --task NAME among {names}")


def _missing_head_refusal(stage: ModuleStage, task: Task) -> str | None:
    if not isinstance(stage, Merge) or not isinstance(stage.head, NoHead) or task.format.embeds:
        return None
    return (
        f"it was merged with NoHead(), but {task.name} needs a head; merge with KeptHeadOf(place) or "
        "AveragedHeads(), or export a training that starts from it"
    )


def _framing_refusal(stage: ModuleStage, task: Task) -> str | None:
    framing = training_framing(answering_training(stage), task)
    if isinstance(framing, Text):
        return (
            f"it was trained to answer {task.name} by writing text, but exported folders support only heads on hidden "
            "states; use `adaptx predict STAGE FILE`"
        )
    stays = "use `adaptx predict STAGE FILE`"
    if framing.bidirectional:
        return f"it was trained with bidirectional=True, which transformers cannot do for {stage.model.name}; {stays}"
    if framing.pooling is Pooling.START:
        return f"it reads the decoder's start token (Pooling.START), which exported folders do not support; {stays}"
    return None


def _format_refusal(task: Task) -> str | None:
    if type(task.format) in ROWS:
        return None
    kind = type(task.format).__name__
    return f"exported folders do not support rows of {kind} tasks; use `adaptx predict STAGE FILE`"


def _write(
    entry: Entry, stage: ModuleStage, task: Task, library: Library, shop: Workshop, folder: Path
) -> ExportContents:
    network: Any = load_network(stage.model, shop.sources)
    tokenizer = load_tokenizer(stage.model, shop.sources)
    made_of, train = composed(stage, shop), answering_training(stage)
    read = _how_rows_are_read(entry, train, task, network, shop)
    base, digest = base_name(train.model, shop.sources), shop.base_digest(stage.model)
    own_base = head_class = None
    match library:
        case Library.PEFT:
            write_peft(made_of.merged, sites_of(network), train.model, base, folder)
        case Library.ADAPTERS:
            own_base = _write_adapters_with_base(network, made_of, train, base, tokenizer, folder)
        case Library.TRANSFORMERS:
            own_base = HERE
            fold_in(network, sites_of(network), made_of.merged)
            head_class = _write_transformers(network, read, train, tokenizer, folder)
    if head_class is None:
        write_script(library, read, network, train.model, base, tokenizer, folder, own_base)
    written = ExportContents(library=library, head=head_class, base=base, own_base=own_base, base_digest=digest)
    asked = usage(written, read, stage.model, tokenizer)
    card = write_card(shop.store, entry, stage, read, made_of, written, asked)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return written


def _write_adapters_with_base(
    network: Any, made_of: Composition, train: Train, base: str, tokenizer: Any, folder: Path
) -> str | None:
    if not made_of.merged:
        write_adapters(network, made_of, base, folder)
        return None
    fold_in(network, sites_of(network), made_of.merged)
    write_bare(network, tokenizer, train.config.max_length, folder / BASE_FOLDER)
    write_adapters(network, made_of, BASE_FOLDER, folder)
    return BASE_FOLDER


def _write_transformers(network: Any, read: Read, train: Train, tokenizer: Any, folder: Path) -> HeadClass | None:
    """Write the merged network. If the task has a head, also write the head and check the logits of the folder."""
    if read.head is None:
        write_bare(network, tokenizer, read.max_length, folder)
        return None
    config = copy.deepcopy(network.config)
    backbone = backbone_over(network)
    probes = probe(backbone, read.head, reading_of(train.model, tokenizer, read.framing, read.max_length))
    found = write_with_head(backbone, config, read.head, read.framing, tokenizer, read.max_length, folder)
    # This frees its memory for the copy that is loaded for the check.
    network.to("meta")
    check_folder(folder, found, read.head, probes)
    return found


def _how_rows_are_read(entry: Entry, train: Train, task: Task, network: Any, shop: Workshop) -> Read:
    head = None
    if not task.format.embeds:
        base = head_base(network, train.model, shop)
        head = load_head(entry.checked(), head_name(train, task), lambda each: new_head(each, base))
        head.module.eval()
    framing = training_framing(train, task)
    assert isinstance(framing, Hidden), "a framing as text was refused before"
    return Read(task, framing, train.config.max_length, head)
