"""`adaptx export`: write a finished module as a plain folder of another library."""

from pathlib import Path
from typing import Annotated

import typer

from adaptx.api import DEFAULT_STORE
from adaptx.cli.options import DataOption, StoreOption, out, telling_left_out
from adaptx.cli.paths import new_folder
from adaptx.sources.sources import Sources
from adaptx.store.store import Store


def export(
    stage: Annotated[str, typer.Argument(help="Folder name of a training or merge, or a prefix of its fingerprint.")],
    folder: Annotated[Path, typer.Argument(parser=new_folder, metavar="DIR", help="A new or empty folder.")],
    library: Annotated[
        str, typer.Option("--to", help="The library that will load the folder: peft, adapters or transformers.")
    ],
    task: Annotated[
        str | None,
        typer.Option("--task", help="The task whose head is exported, if several tasks were trained together."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
) -> None:
    """Write a finished training or merge as a folder that peft, adapters or transformers can load, with a model card.

    peft: LoRA and (IA)^3 modules; several are combined into one. adapters: bottleneck adapters, their stacks and
    fusions. transformers: merged weights with head and tokenizer, which give the same answers as adaptx. If no class of
    transformers can hold the head, the folder contains the code of such a class, and loads only with
    trust_remote_code=True. In peft and adapters folders the head is a separate file, with a predict.py that uses it.

    Example: adaptx export e5-mini.nli.lora-r8-1f3a9c7e nli-lora --to peft
    """
    from adaptx.exporting.export import export_stage
    from adaptx.exporting.holding import find_library

    kept = Store(store)
    with telling_left_out(kept):
        sources = Sources(data, kept.root / "digests.json")
        written = export_stage(kept, sources, stage, find_library(library), folder, task)
    files = f"{len(written.files)} files in {written.folder}: {', '.join(written.files)}"
    out.print(files, markup=False, highlight=False)
    for note in written.notes:
        out.print(note, markup=False, highlight=False, soft_wrap=True)
