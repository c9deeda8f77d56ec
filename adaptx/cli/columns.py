"""The option --columns, which says which column of a file holds which role: `text=sentence`."""

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from adaptx.errors import UserError

ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="ROLE=COLUMN",
        help="Column of a role that has another name in the file, such as text=sentence; may be repeated.",
    ),
]
# A comma separates two pairs only if another `role=` follows, because names of columns may hold commas.
_BETWEEN = re.compile(r",\s*(?=\w+=)")


def read_columns(texts: Sequence[str]) -> dict[str, str | tuple[str, ...]]:
    """Return role -> column. A role that is given several times has several columns, in that order.

    texts: the values of --columns, such as `text=sentence` or `text=premise,pair=hypothesis`.

    Raises:
        UserError: a value is not ROLE=COLUMN.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        for part in _BETWEEN.split(text):
            role, equals, column = part.partition("=")
            if not equals or not role.strip() or not column:
                raise UserError(f"--columns {text}: write it as ROLE=COLUMN, for example text=sentence")
            found[role.strip()] = (*found.get(role.strip(), ()), column)
    return {role: columns[0] if len(columns) == 1 else columns for role, columns in found.items()}
