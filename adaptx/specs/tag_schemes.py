"""The schemes in which tags mark spans, and the refusal of schemes that span metrics would misread.

Span metrics read the prefixes B, I, E and S, as seqeval's default mode does in XTREME. They would give BILOU or BMES
tags a wrong score.
"""

from collections.abc import Iterable

READ = frozenset("BIES")
_BILOU = frozenset("BILU")
_BMES = frozenset("BMESW")
_TO_BIO = (
    "Write the tags as BIO, {} as B- and {} as I- (in a file with one word per line: sed -E "
    r"'s/([ \t])[{}]-([^ \t]*)$/\1B-\2/; s/([ \t])[{}]-([^ \t]*)$/\1I-\2/')"
)
_BILOU_REMEDY = _TO_BIO.format("U-", "L-", "U", "L")
_BMES_REMEDY = _TO_BIO.format("S- (W-)", "M- and E-", "SW", "ME")


def marks_spans(tags: Iterable[str]) -> bool:
    """Return whether some tag begins with `B-` or `I-`, in upper or lower case."""
    return any(tag[:2].upper() in ("B-", "I-") for tag in tags)


def foreign_scheme(tags: Iterable[str]) -> str | None:
    """Return the tags' scheme with a remedy (`BILOU (L-PER). Write ...`), or None if span metrics can read the tags."""
    prefixes = frozenset(tag[0] for tag in _typed(tags))
    if prefixes & frozenset("LU") and prefixes <= _BILOU:
        return f"BILOU ({_shown(tags, 'LU')}). {_BILOU_REMEDY}"
    if prefixes & frozenset("MW") and prefixes <= _BMES:
        return f"BMES ({_shown(tags, 'MW')}). {_BMES_REMEDY}"
    return None


def scheme_fault(tags: Iterable[str]) -> str | None:
    """Return why span metrics cannot read a tag set, or None if they can.

    Tags that mark no spans, such as parts of speech, are accepted, as in XTREME.
    """
    tags = tuple(tags)
    if not marks_spans(tags):
        return None
    if (scheme := foreign_scheme(tags)) is not None:
        return f"the tags are {scheme}"
    typed = _typed(tags)
    small = [tag for tag in typed if tag[0].islower() and tag[0].upper() in READ | _BILOU]
    if small:
        return f"the prefixes of {_listed(small)} are lower-case letters; write {small[0].capitalize()[:2]}..."
    untyped = [tag for tag in typed if len(tag) == 2]
    if untyped:
        return f"{_listed(untyped)} lack a type after the hyphen; write for example {untyped[0]}PER"
    unknown = [tag for tag in typed if tag[0] not in READ]
    if unknown:
        return (
            f"{_listed(unknown)} belong to no known scheme; use the prefixes B- and I- (BIO), or B-, I-, E- and S- "
            "(IOBES)"
        )
    bare = [tag for tag in tags if tag not in typed and tag not in READ and not tag.startswith("O")]
    if bare:
        return (
            f"the tags {_listed(bare)} have no prefix, so they would count as spans; write O for words outside all "
            "spans"
        )
    return None


def _typed(tags: Iterable[str]) -> list[str]:
    return [tag for tag in tags if tag[1:2] == "-" and tag[0].isalpha()]


def _shown(tags: Iterable[str], letters: str) -> str:
    return _listed([tag for tag in _typed(tags) if tag[0] in letters])


def _listed(tags: list[str]) -> str:
    found = sorted(set(tags))
    return ", ".join(found[:4]) + (", ..." if len(found) > 4 else "")
