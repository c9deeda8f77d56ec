"""One self-contained HTML file: figures are embedded, and the page needs no network and no scripts."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parent / "templates" / "report.html.j2"


def render(facts: Mapping[str, Any]) -> str:
    """Return the report's page, filled from `facts`. Raise an error if `facts` lacks a value that the template uses."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    return environment.get_template(TEMPLATE.name).render(**facts)


def data_uri(file: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
