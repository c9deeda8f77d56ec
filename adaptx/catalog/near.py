"""Near matches of a name, for error messages."""

import difflib
from collections.abc import Iterable


def shown_columns(missing: str, columns: Iterable[str]) -> str:
    """The columns of a file as a phrase, with those that differ from the `missing` one by letter case or spaces."""
    names = list(columns)
    alike = [name for name in names if name != missing and _plain(name) == _plain(missing)]
    hint = f" ({', '.join(repr(name) for name in alike)} differs by letter case or spaces: rename it)" if alike else ""
    return f"it has: {', '.join(names) or 'none'}{hint}"


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


def near(name: str, known: Iterable[str], most: int = 3) -> str:
    """The known names nearest to `name`, as a phrase; all of them where none is near and they are few."""
    names = sorted(set(known))
    found = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    lowered = {entry.lower(): entry for entry in names}
    if not found:
        found = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=most, cutoff=0.5)]
    if not found:
        return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"
    return ", ".join(found)
