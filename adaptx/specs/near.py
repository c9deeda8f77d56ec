"""Near matches of a name, for error messages."""

import difflib
import unicodedata
from collections.abc import Iterable


def shown_columns(missing: str, columns: Iterable[str]) -> str:
    """Return a phrase that lists a file's columns and points out those that look like the `missing` one."""
    names = list(columns)
    alike = [name for name in names if name != missing and plain(name) == plain(missing)]
    shown = ", ".join(repr(name) for name in alike)
    hint = f" ({shown} differs only in letter case, spaces or invisible characters: rename it)" if alike else ""
    return f"it has: {', '.join(names) or 'none'}{hint}"


def plain(name: str) -> str:
    """Return a common form of all names that look alike: `label` for `Label` and `la bel`.

    Names look alike if they differ only in letter case, spaces, invisible characters or Unicode's encoding of accents.
    """
    unified = unicodedata.normalize("NFKC", name)
    seen = (letter for letter in unified if not letter.isspace() and unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", "".join(seen).casefold())


def near(name: str, known: Iterable[str], most: int = 3) -> str:
    """Return a phrase that lists the known names nearest to `name`, or the first 12 known names if none is near."""
    names = sorted(set(known))
    found = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    lowered = {entry.lower(): entry for entry in names}
    if not found:
        found = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=most, cutoff=0.5)]
    if not found:
        return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"
    return ", ".join(found)
