"""The catalog's prompts as a table and as JSON."""

from collections.abc import Mapping
from typing import Any, get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaptx.specs import Prompt, TaskFormat
from adaptx.specs.formats.facts import AsText


def prompt_json(name: str, prompt: Prompt) -> dict[str, Any]:
    return {
        "name": name,
        "formats": formats_of(prompt),
        "template": prompt.template,
        "answers": dict(prompt.answers),
        "separator": prompt.separator,
        "no_answer": prompt.no_answer,
        "languages": [language for language, _ in prompt.by_language],
    }


def show_prompts(prompts: Mapping[str, Prompt], console: Console) -> None:
    table = Table("name", "formats", "template", "answers", title="Prompts", title_justify="left")
    for name, prompt in prompts.items():
        answers = ", ".join(f"{label}: {words}" for label, words in prompt.answers)
        template = escape(prompt.template.replace("\n", "\\n"))
        table.add_row(name, ", ".join(formats_of(prompt)), template, answers or "the labels, or the rows' own answers")
    console.print(table)


def formats_of(prompt: Prompt) -> list[str]:
    """Return the names of the formats that have all the roles in the prompt."""
    formats: tuple[type[TaskFormat], ...] = get_args(TaskFormat)
    asked = ((kind.__name__, kind.as_text) for kind in formats)
    return sorted(name for name, how in asked if isinstance(how, AsText) and set(prompt.roles) <= set(how.roles))
