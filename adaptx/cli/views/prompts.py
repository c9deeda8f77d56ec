"""The catalog's prompts as a table and as JSON."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaptx.planning.support_text import ROLES
from adaptx.specs import Prompt


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
        table.add_row(name, ", ".join(formats_of(prompt)), template, answers or "the labels, or what rows bring")
    console.print(table)


def formats_of(prompt: Prompt) -> list[str]:
    """Formats whose rows have the roles that it shows."""
    return [kind.__name__ for kind, roles in ROLES.items() if set(prompt.roles) <= set(roles)]
