"""`adaptx tasks`, `models`, `methods` and `prompts`: what is in the catalog."""

from typing import Annotated

import typer

from adaptx.cli.options import DataOption, JsonOption, out
from adaptx.sources.sources import Sources
from adaptx.store.json_text import json_text


def tasks(
    name: Annotated[str | None, typer.Argument(help="Name of a task, to show all of it.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tasks in the catalog, or show one task with an example row per language.

    Examples are read from --data, or from the rows in the package if --data is not given.

    Example: adaptx tasks nli --data sample
    """
    from adaptx.catalog import TASKS, find_task
    from adaptx.cli.views.catalog import show_examples, show_task, show_tasks, task_json
    from adaptx.cli.views.examples import found_examples
    from adaptx.sources.sources import SAMPLE_NAME

    chosen = [find_task(name)] if name else list(TASKS.values())
    found = found_examples(chosen[0], Sources(data or SAMPLE_NAME)) if name else None
    if as_json:
        more = {"examples": [vars(each) for each in found.examples], "without_example": found.without} if found else {}
        typer.echo(json_text([{**task_json(task), **more} for task in chosen], indent=1))
    elif found:
        show_task(chosen[0], out)
        show_examples(found, data or "the packaged sample", out)
    else:
        show_tasks(chosen, out)


def models(as_json: JsonOption = False) -> None:
    """List the models in the catalog. Any other checkpoint of a supported architecture works, too.

    Example: adaptx models --json
    """
    from adaptx.catalog import MODELS
    from adaptx.cli.views.catalog import model_json, show_models

    if as_json:
        typer.echo(json_text([model_json(model) for model in MODELS.values()], indent=1))
    else:
        show_models(list(MODELS.values()), out)


def prompts(as_json: JsonOption = False) -> None:
    """List the catalog's prompts by their names in adaptx.catalog.prompts.

    Example: adaptx prompts --json
    """
    from adaptx.catalog.prompts import PROMPTS
    from adaptx.cli.views.prompts import prompt_json, show_prompts

    if as_json:
        typer.echo(json_text([prompt_json(*each) for each in PROMPTS.items()], indent=1))
    else:
        show_prompts(PROMPTS, out)


def methods(
    name: Annotated[str | None, typer.Argument(help="Name of a method, to show its settings.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the methods, and which starts each of them can be combined with.

    Example: adaptx methods lora
    """
    from adaptx.catalog import METHODS, find_method
    from adaptx.cli.views.catalog import methods_json, show_method, show_methods

    chosen = {name.lower(): find_method(name)} if name else METHODS
    if as_json:
        typer.echo(json_text(methods_json(chosen), indent=1))
    elif name:
        show_method(chosen[name.lower()], out)
    else:
        show_methods(out)
