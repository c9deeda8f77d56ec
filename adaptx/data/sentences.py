"""Split a passage into sentences by rule, for sets that do not give their sentence breaks.

A sentence ends at a sentence-final mark of its script and includes the closing quotes and brackets after the mark. A
full-width mark always ends a sentence; other marks end one only before white space. A full stop does not end a sentence
after a single capital letter (an initial) or before a small letter (an abbreviation). A line break always ends one.
"""

import re

_CLOSING = r"[\"'”’»«›)\]）」』】〉》]*"
_END = re.compile(
    rf"(?P<wide>[。！？｡．]+{_CLOSING})\s*"
    # Latin and Greek marks, then those of Arabic, Devanagari, Ethiopic, Armenian, Burmese, Khmer and Tibetan.
    rf"|(?P<spaced>[.!?…\u037e؟۔।॥።፧፨։။។༎།]+{_CLOSING})\s+"
    r"|(?P<line>)\s*\n\s*"
)
_INITIAL = re.compile(r"(?<!\w)[^\W\d_]\.$")


def sentence_breaks(text: str) -> list[tuple[int, int]]:
    """Return the [start, stop) of each sentence in characters, without the white space between sentences."""
    breaks: list[tuple[int, int]] = []
    start = len(text) - len(text.lstrip())
    for end in _END.finditer(text):
        stop = end.start() + len(end[end.lastgroup or 0])
        if end.start() < start or (end.lastgroup == "spaced" and _goes_on(text, stop, end.end())):
            continue
        if text[start:stop].strip():
            breaks.append((start, stop))
        start = end.end()
    stop = len(text.rstrip())
    return [*breaks, (start, stop)] if start < stop else breaks


def _goes_on(text: str, stop: int, after: int) -> bool:
    """Return whether the sentence goes on after the full stop before `stop`, as in "J. Bach" or "approx. five".

    after: the position at which the text continues after the white space.
    """
    if text[stop - 1] != "." or "\n" in text[stop:after]:
        return False
    initial = _INITIAL.search(text, max(0, stop - 3), stop)
    return (initial is not None and initial[0][0].isupper()) or text[after : after + 1].islower()
