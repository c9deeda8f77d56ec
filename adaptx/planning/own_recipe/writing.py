"""The text of a recipe for the user's own files: a baseline, and the same training after an intermediate task."""

import json
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

import adaptx.catalog.tasks as catalog
from adaptx.catalog.languages import language_name
from adaptx.errors import UserError
from adaptx.planning.own_recipe.file_names import DEVELOPMENT, EVALUATION, TRAIN
from adaptx.planning.own_recipe.looking import OwnFile, label_set
from adaptx.planning.own_recipe.roles import ANSWERS, CLASSIFICATION, TAGGING
from adaptx.planning.own_recipe.template import CHOOSING, TEMPLATE
from adaptx.specs import Task
from adaptx.specs.near import near
from adaptx.specs.tag_schemes import marks_spans

_REASONS = {
    CLASSIFICATION: "a large English task of text classification, which helps many others (Phang et al. 2020)",
    TAGGING: "another task that tags words, with many English rows",
    ANSWERS: "a large English set of questions whose answer is a span of a context",
}
FEW_ROWS = 2_000
"""With fewer training rows, more epochs are written."""


def default_intermediate(files: Sequence[OwnFile]) -> Task:
    """Return the intermediate task for these files: one of the same kind that has many English rows."""
    match files[0].task:
        case task if task == ANSWERS:
            return catalog.SQUAD
        case task if task == TAGGING:
            return catalog.UDPOS if marks_spans(label_set(files)) else catalog.WIKIANN
        case _:
            return catalog.MNLI


def find_intermediate(name: str) -> Task:
    """Return a task of the catalog that can be trained first.

    Raises:
        UserError: there is no such task, or it has no training rows.
    """
    task = catalog.find_task(name)
    if not task.train or name not in catalog.TASKS:
        trained = [each.name for each in catalog.TASKS.values() if each.train]
        raise UserError(f"--intermediate {name}: it has no training rows in the catalog; near: {near(name, trained)}")
    return task


def recipe_text(name: str, folder: Path, files: Sequence[OwnFile], intermediate: Task, command: str) -> str:
    """Return a recipe's source.

    name: name of the recipe and its task. folder: the folder of the recipe, from which paths are written. command: the
    command that wrote it.
    """
    constant = next(key for key, value in vars(catalog).items() if value is intermediate)
    told = question(files, intermediate)
    trained = [file for file in files if file.use == TRAIN]
    rows = sum(file.rows for file in trained)
    common = _common_columns(files)
    differs = any(common.get(role) != column for file in files for role, column in _renamed(file).items())
    selects = any(file.use == DEVELOPMENT for file in files)
    imports = ["Lora", "ModelSpec", "Pretrained", "Recipe", "Sequential", "Train", "TrainConfig", "evaluations"]
    imports += [_format_class(files), *(["Best"] if selects else [])]
    return TEMPLATE.format(
        question=told,
        command=command.replace("\\", "/").replace('"""', "'"),
        file=f"{name}.py",
        imports=", ".join(sorted(imports, key=lambda each: (each[0].islower(), each))),
        constant=constant,
        catalog=", ".join(sorted({constant, "XLMR_BASE"}) + (["LocalFile"] if differs else []) + ["local_task"]),
        format=_format_code(files),
        name=json.dumps(name),
        sets="".join(_sets_code(use, files, folder) for use in (TRAIN, DEVELOPMENT, EVALUATION)),
        columns=_columns_code(files),
        intermediate=intermediate.name,
        why=_why(files[0].task, intermediate, intermediate != default_intermediate(files)),
        epochs=10 if rows < FEW_ROWS else 3,
        max_length=384 if files[0].task == ANSWERS else 128,
        choosing=CHOOSING.format(every=max(20, rows // 16)) if selects else "",
        target="chosen" if selects else "config",
        title=json.dumps(f"{intermediate.name} before {name}"),
        quoted=json.dumps(told, ensure_ascii=False),
    )


def question(files: Sequence[OwnFile], intermediate: Task) -> str:
    """Return the question that the recipe answers, as a sentence."""
    languages = [language_name(file.language) for file in files if file.use == EVALUATION]
    shown = languages[0] if len(languages) == 1 else f"{', '.join(languages[:-1])} and {languages[-1]}"
    return f"Does training on {intermediate.name} first improve {files[0].task} in {shown}?"


def _format_class(files: Sequence[OwnFile]) -> str:
    return {CLASSIFICATION: "Classification", TAGGING: "Tagging", ANSWERS: "QuestionAnswering"}[files[0].task]


def _format_code(files: Sequence[OwnFile]) -> str:
    if files[0].task == ANSWERS:
        told = "# If some questions have no answer in their context: QuestionAnswering(unanswerable=True)"
        return f"{told}\nFORMAT = QuestionAnswering()"
    labels = label_set(files)
    listed = _tuple_code(labels)
    code = f"FORMAT = {_format_class(files)}({listed})"
    if all(label.isdigit() for label in labels):
        names = ", ".join(f'"{label}": "NAME"' for label in labels[:3])
        code = (
            "# The files write labels as numbers. To give them names, write the names here and add\n"
            f"# labels={{{names}{', ...' if len(labels) > 3 else ''}}} to local_task(...).\n{code}"
        )
    return code


def _tuple_code(labels: Sequence[str]) -> str:
    """Return the labels as a tuple in Python code, in lines of at most 110 characters."""
    listed = ", ".join(json.dumps(label, ensure_ascii=False) for label in labels)
    lines = textwrap.wrap(listed, 106, break_long_words=False, break_on_hyphens=False)
    return f"({listed})" if len(lines) == 1 else "(\n    " + "\n    ".join(lines) + ",\n)"


def _sets_code(use: str, files: Sequence[OwnFile], folder: Path) -> str:
    chosen = [file for file in files if file.use == use]
    if not chosen:
        return ""
    common = _common_columns(files)
    lines = [f"        # {_rows_told(file)}\n        {_file_code(file, folder, common)}" for file in chosen]
    return f"    {use}={{\n" + "\n".join(lines) + "\n    },\n"


def _file_code(file: OwnFile, folder: Path, common: dict[str, str]) -> str:
    path = f"HERE / {json.dumps(os.path.relpath(file.path.absolute(), folder), ensure_ascii=False)}"
    own = {role: column for role, column in _renamed(file).items() if common.get(role) != column}
    code = path if not own else f"LocalFile({path}, columns={_dict_code(own)})"
    return f'"{file.language}": {code},'


def _rows_told(file: OwnFile) -> str:
    kind = "sentences" if file.task == TAGGING else "rows"
    counted = "" if not file.labels or file.task == TAGGING else f" ({_counts_told(file)})"
    return f"{language_name(file.language)}, {file.rows:,} {kind}{counted}"


def _counts_told(file: OwnFile) -> str:
    counts = sorted(file.labels.items(), key=lambda each: -each[1])
    more = len(counts) - 4
    shown = ", ".join(f"{label}: {count:,}" for label, count in counts[:4])
    return shown + (f" and {more} more labels" if more > 0 else "")


def _renamed(file: OwnFile) -> dict[str, str]:
    return {role: column for role, column in file.columns.items() if role != column}


def _common_columns(files: Sequence[OwnFile]) -> dict[str, str]:
    """Return the columns with other names than their roles, of those roles whose column is the same in all files."""
    roles = {role for file in files for role in file.columns}
    same = {role: {file.columns[role] for file in files if role in file.columns} for role in sorted(roles)}
    return {role: found.pop() for role, found in same.items() if len(found) == 1 and role not in found}


def _columns_code(files: Sequence[OwnFile]) -> str:
    common = _common_columns(files)
    return f"    columns={_dict_code(common)},\n" if common else ""


def _dict_code(columns: dict[str, str]) -> str:
    return (
        "{" + ", ".join(f'"{role}": {json.dumps(column, ensure_ascii=False)}' for role, column in columns.items()) + "}"
    )


def _why(task: str, intermediate: Task, chosen: bool) -> str:
    """Return why the intermediate task is this one. chosen: whether the user named it."""
    if chosen:
        return f"{intermediate.name} was named by --intermediate"
    return f"{intermediate.name} is {_REASONS[task]}"
