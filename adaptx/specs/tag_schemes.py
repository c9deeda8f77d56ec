"""Schemes in which tags mark spans: those that the metrics of spans read, and those that they would misread.

seqeval's default mode, which XTREME uses, reads B, I, E and S: BIO (IOB2), IOB1 and IOBES. Any other letter goes on
with a span of its own type, so that BILOU or BMES tags get a score, and a wrong one.
"""

from collections.abc import Iterable

READ = frozenset("BIES")
_BILOU = frozenset("BILU")
_BMES = frozenset("BMESW")
_TO_BIO = (
    "Write the tags as BIO, {} as B- and {} as I- (in a file of one word a line: sed -E "
    r"'s/([ \t])[{}]-([^ \t]*)$/\1B-\2/; s/([ \t])[{}]-([^ \t]*)$/\1I-\2/')"
)
_BILOU_REMEDY = _TO_BIO.format("U-", "L-", "U", "L")
_BMES_REMEDY = _TO_BIO.format("S- (W-)", "M- and E-", "SW", "ME")


def marks_spans(tags: Iterable[str]) -> bool:
    """Whether some tag begins as tags of spans do: `B-` or `I-`, in capital or small letters."""
    return any(tag[:2].upper() in ("B-", "I-") for tag in tags)


def foreign_scheme(tags: Iterable[str]) -> str | None:
    """The scheme of the tags with a remedy, if the metrics of spans would misread it; else None."""
    prefixes = frozenset(tag[0] for tag in _typed(tags))
    if prefixes & frozenset("LU") and prefixes <= _BILOU:
        return f"BILOU ({_shown(tags, 'LU')}). {_BILOU_REMEDY}"
    if prefixes & frozenset("MW") and prefixes <= _BMES:
        return f"BMES ({_shown(tags, 'MW')}). {_BMES_REMEDY}"
    return None


def scheme_fault(tags: Iterable[str]) -> str | None:
    """Why spans cannot be counted over a tag set, or None. A set without any such prefix is of no scheme, and counted.

    XTREME counts raw parts of speech that way.
    """
    tags = tuple(tags)
    if not marks_spans(tags):
        return None
    if (scheme := foreign_scheme(tags)) is not None:
        return f"the tags are {scheme}"
    typed = _typed(tags)
    small = [tag for tag in typed if tag[0].islower() and tag[0].upper() in READ | _BILOU]
    if small:
        return (
            f"prefixes are capital letters, and {_listed(small)} have small ones; write {small[0].capitalize()[:2]}..."
        )
    untyped = [tag for tag in typed if len(tag) == 2]
    if untyped:
        return f"{_listed(untyped)} lack the type behind the hyphen; write for example {untyped[0]}PER"
    unknown = [tag for tag in typed if tag[0] not in READ]
    if unknown:
        return f"{_listed(unknown)} are of no scheme that is read; use B- and I- (BIO), with E- and S- (IOBES)"
    bare = [tag for tag in tags if tag not in typed and tag not in READ and not tag.startswith("O")]
    if bare:
        return f"{_listed(bare)} have no prefix and would count as spans; write O for words outside any span"
    return None


def _typed(tags: Iterable[str]) -> list[str]:
    return [tag for tag in tags if tag[1:2] == "-" and tag[0].isalpha()]


def _shown(tags: Iterable[str], letters: str) -> str:
    return _listed([tag for tag in _typed(tags) if tag[0] in letters])


def _listed(tags: list[str]) -> str:
    found = sorted(set(tags))
    return ", ".join(found[:4]) + (", ..." if len(found) > 4 else "")
