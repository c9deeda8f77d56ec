"""Near matches of a name, for error messages."""

import difflib
import unicodedata
from collections.abc import Iterable


def shown_columns(missing: str, columns: Iterable[str]) -> str:
    """The columns of a file as a phrase, with those that look like the `missing` one."""
    names = list(columns)
    alike = [name for name in names if name != missing and plain(name) == plain(missing)]
    shown = ", ".join(repr(name) for name in alike)
    hint = f" ({shown} differs by letter case, spaces or invisible characters: rename it)" if alike else ""
    return f"it has: {', '.join(names) or 'none'}{hint}"


def plain(name: str) -> str:
    """The name without what is easily overlooked: letter case, spaces, invisible characters, how accents are coded."""
    unified = unicodedata.normalize("NFKC", name)
    seen = (letter for letter in unified if not letter.isspace() and unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", "".join(seen).casefold())


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
