"""The catalog as tables and as JSON: tasks, models, methods and what can be combined."""

import dataclasses
from typing import Any

from rich.console import Console
from rich.table import Table

from adaptx.catalog import language_name
from adaptx.catalog.support import FROZEN_REFUSED, STARTS_REFUSED
from adaptx.specs import Bottleneck, Full, Fuse, Lora, ModelSpec, Pretrained, Rows, Sequential, Stack, Task

METHODS = (Full, Lora, Bottleneck)
STARTS = (Pretrained, Sequential, Stack, Fuse)


def task_json(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "format": type(task.format).__name__,
        "labels": list(getattr(task.format, "labels", ())),
        "kind": task.kind,
        "metrics": list(task.metrics),
        "train": [_rows_json(rows) for rows in task.train],
        "development": [_rows_json(rows) for rows in task.development],
        "evaluation": [_rows_json(rows) for rows in task.evaluation],
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
    labels = ", ".join(getattr(task.format, "labels", ()))
    for name, value in (
        ("format", type(task.format).__name__ + (f" ({labels})" if labels else "")),
        ("metrics", ", ".join(task.metrics)),
        ("licence", task.licence),
        ("citation", task.citation),
    ):
        console.print(f"  {name}: {value}", highlight=False)
    table = _table("", "rows", "language", "source", "slice", "expected")
    for use, sets in (("train", task.train), ("development", task.development), ("evaluation", task.evaluation)):
        for rows in sets:
            cut = f"[{rows.first}:{rows.stop or ''}]" if rows.first or rows.stop else "all"
            language = f"{rows.language} ({language_name(rows.language)})"
            table.add_row(use, language, rows.address, cut.replace("[", r"\["), str(rows.expected or "?"))
    console.print(table)


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
        sizes = (f"{shape.parameters / 1e6:.0f}M", f"{shape.layers} x {shape.hidden_size}") if shape else ("?", "?")
        table.add_row(model.hub_id, model.family.value, *sizes, model.licence)
    console.print(table)


def methods_json() -> list[dict[str, Any]]:
    """Each (method, start) pair: supported, or refused with the reason."""
    return [
        {"method": method.__name__, "start": start.__name__, "refused": STARTS_REFUSED.get((method, start))}
        for method in METHODS
        for start in STARTS
    ]


def show_methods(console: Console) -> None:
    table = _table("Methods and starts", "method", *(start.__name__ for start in STARTS))
    for method in METHODS:
        cells = ["refused (a)" if (method, start) in STARTS_REFUSED else "yes" for start in STARTS]
        table.add_row(method.__name__, *cells)
    console.print(table)
    reasons = {**STARTS_REFUSED, **FROZEN_REFUSED}
    for (first, second), reason in reasons.items():
        console.print(f"  (a) {first.__name__}, {second.__name__}: {reason}", highlight=False)
    for method in METHODS:
        fields = ", ".join(f"{field.name}={field.default}" for field in dataclasses.fields(method))
        console.print(f"  {method.__name__}({fields}): {(method.__doc__ or '').splitlines()[0]}", highlight=False)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title or None, title_justify="left", box=None, padding=(0, 1))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
