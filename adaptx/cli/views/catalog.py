"""Print the catalog as tables or as JSON: tasks, models, methods, and the starts that each method supports."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from adaptx.catalog import METHODS, language_name
from adaptx.cli.views.examples import FoundExamples
from adaptx.planning.support_methods import frozen_refusal, start_refusal
from adaptx.specs import Fuse, Merged, Method, ModelSpec, Pretrained, Rows, Sequential, Shape, Stack, Task
from adaptx.store.json_text import json_text

STARTS = (Pretrained, Sequential, Stack, Fuse, Merged)


def task_json(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "format": type(task.format).__name__,
        "labels": list(task.format.labels),
        "kind": task.kind,
        "metrics": list(task.metrics),
        "train": [_rows_json(rows) for rows in task.train],
        "development": [_rows_json(rows) for rows in task.development],
        "evaluation": [_rows_json(rows) for rows in task.evaluation],
        "pool": [_rows_json(rows) for rows in task.pool],
        "translated": [_rows_json(rows) for rows in task.translated],
        "licence": task.licence,
        "citation": task.citation,
        "description": task.description,
    }


def _rows_json(rows: Rows) -> dict[str, Any]:
    return {
        "language": rows.language,
        "source": rows.address,
        "revision": rows.revision,
        "columns": dict(rows.columns),
        "slice": [rows.first, rows.stop],
        "expected_rows": rows.expected,
    }


def show_tasks(tasks: list[Task], console: Console) -> None:
    table = _table("Tasks", "name", "format", "trained on", "evaluated in", "what it asks")
    for task in tasks:
        languages = ", ".join(task.source_languages) or "-"
        table.add_row(task.name, type(task.format).__name__, languages, " ".join(task.languages), task.description)
    console.print(table)


def show_task(task: Task, console: Console) -> None:
    console.print(f"[bold]{task.name}[/bold]: {task.description}")
    labels = ", ".join(task.format.labels)
    for name, value in (
        ("format", type(task.format).__name__ + (f" ({labels})" if labels else "")),
        ("metrics", ", ".join(task.metrics)),
        ("licence", task.licence),
        ("citation", task.citation),
    ):
        console.print(f"  {name}: {value}", highlight=False)
    table = _table("", "rows", "language", "source", "slice", "expected")
    for use in ("train", "development", "evaluation", "pool", "translated"):
        sets: tuple[Rows, ...] = getattr(task, use)
        for rows in sets:
            cut = f"[{rows.first}:{rows.stop or ''}]" if rows.first or rows.stop else "all"
            language = f"{rows.language} ({language_name(rows.language)})"
            table.add_row(use, language, rows.address, cut.replace("[", r"\["), str(rows.expected or "?"))
    console.print(table)


def show_examples(found: FoundExamples, where: str, console: Console) -> None:
    """Print one shortened example per language, and the languages without rows. where: the searched place, in words."""
    for each in found.examples:
        console.print(f"[bold]{each.language}[/bold] ({language_name(each.language)}), {each.source}", highlight=False)
        for role, value in each.example.items():
            shown = value if isinstance(value, str) else json_text(value)
            console.print(f"  {role}: {shown}", markup=False, highlight=False)
    if found.without:
        languages = " ".join(found.without)
        console.print(f"no example in {where} for: {languages} (give a mirror of the hub: --data DIR)", highlight=False)


def model_json(model: ModelSpec) -> dict[str, Any]:
    shape = model.shape
    return {
        "hub_id": model.hub_id,
        "family": model.family.value,
        "revision": model.revision,
        "parameters": shape.parameters if shape else None,
        "shape": dataclasses.asdict(shape) if shape else None,
        "licence": model.licence,
        "citation": model.citation,
        "seen": [{**dataclasses.asdict(seen), "exposure": seen.exposure.value} for seen in model.seen],
    }


def show_models(models: list[ModelSpec], console: Console) -> None:
    table = _table("Models", "hub id", "family", "parameters", "layers x hidden", "licence")
    for model in models:
        shape = model.shape
        sizes = (f"{shape.parameters / 1e6:.0f}M", _layers(shape)) if shape else ("?", "?")
        table.add_row(model.hub_id, model.family.value, *sizes, model.licence)
    console.print(table)


def _layers(shape: Shape) -> str:
    second = f"+{shape.decoder_layers}" if shape.decoder_layers else ""
    return f"{shape.layers}{second} x {shape.hidden_size}"


def methods_json(methods: Mapping[str, Method]) -> list[dict[str, Any]]:
    """Return a record per method: its settings and, for each start, why it is refused (None if it is supported)."""
    return [
        {
            "name": name,
            "method": type(method).__name__,
            "settings": dataclasses.asdict(method),
            "starts": {start.__name__: start_refusal(method, start) for start in STARTS},
        }
        for name, method in methods.items()
    ]


def show_methods(console: Console) -> None:
    """Print the matrix of methods and starts, the reasons for refusals, and one line per method."""
    every = METHODS.values()
    starts = {(type(method), start): start_refusal(method, start) for method in every for start in STARTS}
    frozen = {(type(one), type(method)): frozen_refusal(one, method) for one in every for method in every}
    reasons = [(kinds, reason) for kinds, reason in {**starts, **frozen}.items() if reason is not None]
    numbers = {kinds: number for number, (kinds, _) in enumerate(reasons, 1)}
    table = _table("Methods and starts", "method", *(start.__name__ for start in STARTS))
    for name, method in METHODS.items():
        places = [numbers.get((type(method), start)) for start in STARTS]
        table.add_row(name, *(f"refused ({place})" if place else "yes" for place in places))
    console.print(table)
    for number, ((first, second), reason) in enumerate(reasons, 1):
        console.print(f"  ({number}) {first.__name__}, {second.__name__}: {reason}", highlight=False)
    for method in every:
        console.print(f"  {_signature(method)}: {_first_line(method)}", highlight=False)


def show_method(method: Method, console: Console) -> None:
    """Print one method: its description, its settings, and which starts it supports."""
    console.print(f"[bold]{_signature(method)}[/bold]", highlight=False)
    console.print(inspect.cleandoc(method.__doc__ or ""), highlight=False)
    for start in STARTS:
        reason = start_refusal(method, start)
        console.print(f"  from {start.__name__}: {f'refused, {reason}' if reason else 'yes'}", highlight=False)


def _signature(method: Method) -> str:
    fields = ", ".join(f"{name}={value!r}" for name, value in dataclasses.asdict(method).items())
    return f"{type(method).__name__}({fields})"


def _first_line(method: Method) -> str:
    return inspect.cleandoc(method.__doc__ or "").splitlines()[0]


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title or None, title_justify="left", box=None, padding=(0, 1))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
