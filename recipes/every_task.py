"""Does every task learn? Train each task briefly on the available rows, and score it in every language that has rows.

    ADAPTX_DATA=DIR adaptx run recipes/every_task.py --model ~/models/e5-small
    ADAPTX_DATA=DIR adaptx report recipes/every_task.py --model ~/models/e5-small --out every-task-report

DIR is a local mirror of the hub (`adaptx fetch` writes one). Without ADAPTX_DATA, use `--data sample`: the rows in the
package. Tasks without rows in the mirror are left out. If a task's training set is missing, a task of the same format
is trained on in its place (STAND_INS). This recipe answers no research question. It checks that each format trains,
reloads and scores above chance on real rows.
"""

import os
from dataclasses import replace
from pathlib import Path

from pyarrow.parquet import read_table

from adaptx import Lora, ModelSpec, Recipe, Retrieval, Rows, SpanCorruption, Task, Train, TrainConfig, evaluations
from adaptx.catalog import E5_MINI, MLQA, MNLI, SOCIALIQA, TASKS, find_task
from adaptx.errors import UserError
from adaptx.sample import SAMPLE

STAND_INS = {"xcopa": SOCIALIQA, "xnli_more": MNLI, "indonli": MNLI, "klue_nli": MNLI, "americas_nli": MNLI}
"""Name of a target -> the task whose training rows are read if the mirror does not have the target's own."""

LONG = ("context", "passage")
METHOD = Lora(rank=8, alpha=16)


def build(
    model: ModelSpec = E5_MINI,
    mirror: str = os.environ.get("ADAPTX_DATA", "sample"),
    tasks: tuple[str, ...] = (),
    train_rows: int = 2_000,
    test_rows: int = 200,
    epochs: float = 3,
    learning_rate: float = 1e-3,
    seed: int = 1,
) -> Recipe:
    """Return a recipe with one training per task of the catalog, and its evaluations.

    tasks: names of the only tasks to train; empty means all.
    """
    folder = SAMPLE / "data" if mirror == "sample" else Path(mirror).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"mirror={mirror!r} is not a folder, and this recipe reads which rows are there; name the local mirror in "
            "ADAPTX_DATA or with --set mirror=DIR, or leave it out to use the rows in the package"
        )
    measured = []
    for task in (at_hand(task, folder) for task in map(find_task, tasks or TASKS)):
        if isinstance(task.format, SpanCorruption) or not task.evaluation or not (task.train or task.format.embeds):
            continue
        models = []
        if not task.train or isinstance(task.format, Retrieval):
            models.append(model)
        if task.train:
            long = any(rows.column(role) for rows in task.train for role in LONG)
            config = TrainConfig(
                learning_rate=learning_rate,
                epochs=epochs,
                batch_size=16,
                seed=seed,
                precision="bf16",
                max_length=256 if long else 128,
            )
            models.append(Train(model, task, METHOD, config, limit=train_rows))
        for each in models:
            measured += evaluations(each, task, limit=test_rows, precision="bf16")
    return Recipe("every-task", tuple(measured), title="Every task once, on the available rows")


def at_hand(task: Task, folder: Path) -> Task:
    """Return the task with only those sets whose files the mirror has.

    MLQA is evaluated on its development rows if the mirror does not have its test rows.
    """

    def there(sets: tuple[Rows, ...]) -> tuple[Rows, ...]:
        return tuple(rows for rows in sets if is_there(folder / f"{rows.address}.parquet", rows.starts_with))

    source = STAND_INS.get(task.name, task)
    if task.name == MLQA.name and not there(task.evaluation):
        task = replace(task, evaluation=tuple(replace(r, split="validation", expected=None) for r in task.evaluation))
    train = there(task.train) or there(source.train)
    return replace(task, train=train, development=(), evaluation=there(task.evaluation), pool=there(task.pool))


def is_there(file: Path, starts_with: tuple[str, str] | None) -> bool:
    """Return whether the mirror has a file.

    starts_with: (column, prefix) of one language's rows in a table of several languages; the file must have such rows.
    """
    if not file.is_file():
        return False
    if starts_with is None:
        return True
    column, prefix = starts_with
    return any(value.startswith(prefix) for value in read_table(file, columns=[column])[column].to_pylist())
