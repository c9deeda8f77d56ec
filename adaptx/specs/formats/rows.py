"""Checks of the values in a row. Their messages name the role and the remedy."""

import unicodedata
from typing import Any

from adaptx.errors import UserError
from adaptx.specs.formats.facts import Row
from adaptx.specs.kind import shown
from adaptx.specs.near import plain


def no_text(row: Row, *roles: str) -> str | None:
    """Return a message about the first of the roles whose value is not a text, or None if all are texts."""
    for role in roles:
        if role in row and not isinstance(row[role], str):
            return f"{role} is {row[role]!r}, not a text; correct the row, or leave it out"
    return None


def no_texts(row: Row, *roles: str) -> str | None:
    """Return a message about the first of the roles whose value is not a list of texts, or None if all are."""
    for role in roles:
        if role not in row:
            continue
        if not isinstance(row[role], list):
            inner = [name for name in row[role] if "text" in str(name)] if isinstance(row[role], dict) else []
            within = f"; its texts are in the column '{role}.{inner[0]}', so give that in columns=..." if inner else ""
            return f"{role} is {row[role]!r}, not a list of texts{within}"
        for place, text in enumerate(row[role]):
            if not isinstance(text, str):
                return f"{role}[{place}] is {text!r}, not a text; correct the row, or leave it out"
    return None


def is_whole(value: Any) -> bool:
    """Return whether a value is an integer and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def alike(value: Any, labels: tuple[str, ...]) -> str:
    """Return a hint such as ` (is 'NOUN' meant?)` at a label that differs from the value only in case, spaces or
    encoding.

    The result is empty if there is no such label.
    """
    found = next((label for label in labels if isinstance(value, str) and plain(label) == plain(value)), None)
    if found is None:
        return ""
    if unicodedata.normalize("NFC", value) == unicodedata.normalize("NFC", found):
        form = "NFC" if unicodedata.is_normalized("NFC", found) else "NFD"
        return f" (is {found!r} meant? They differ only in how Unicode encodes accents: write the file in {form})"
    return f" (is {found!r} meant?)"


def mapping_remedy(value: Any, labels: tuple[str, ...]) -> str:
    """Return the phrase that says how a value which is not a label can become one."""
    return (
        f"correct the row, or map the value: local_task(labels={{{value!r}: {labels[0]!r}, ...}}) for your own files, "
        "Rows(label_names=..., dropped_labels=...) for other sets"
    )


def shortened(labels: tuple[str, ...]) -> str:
    """Return a phrase that lists at most 40 of the labels."""
    return ", ".join(labels[:40]) + (f", ... {len(labels)} in all" if len(labels) > 40 else "")


def check_labels(name: str, labels: tuple[str, ...]) -> None:
    """Refuse a label set with fewer than two labels or a repeated label.

    Raises:
        UserError: the label set is refused.
    """
    twice = [label for place, label in enumerate(labels) if label in labels[:place]]
    if len(labels) < 2 or twice:
        cause = f"{twice[0]!r} is given twice" if twice else f"the number of labels is {len(labels)}"
        raise UserError(f"{name}(labels={shown(labels)}): {cause}; name at least two distinct labels")
