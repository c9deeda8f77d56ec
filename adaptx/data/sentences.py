"""Sentences of a passage by rule, for sets that do not say where theirs begin and end.

A sentence ends at a sentence-final mark of its script, with the closing quotes and brackets behind it: at full-width
marks wherever they stand, at others only before white space. A full stop ends none behind a single capital letter (an
initial) or before a small letter (an abbreviation). Line breaks always end one.
"""

import re

_CLOSING = r"[\"'”’»«›)\]）」』】〉》]*"
_END = re.compile(
    rf"(?P<wide>[。！？｡．]+{_CLOSING})\s*"
    # Arabic, Devanagari, Ethiopic, Armenian, Burmese, Khmer and Tibetan marks stand beside the Latin and Greek ones.
    rf"|(?P<spaced>[.!?…\u037e؟۔।॥።፧፨։။។༎།]+{_CLOSING})\s+"
    r"|(?P<line>)\s*\n\s*"
)
_INITIAL = re.compile(r"(?<!\w)[^\W\d_]\.$")


def sentence_breaks(text: str) -> list[tuple[int, int]]:
    """Where each sentence of the text stands: [start, stop) in characters, without the white space between them."""
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
    """Whether a full stop there is an initial's or an abbreviation's."""
    if text[stop - 1] != "." or "\n" in text[stop:after]:
        return False
    initial = _INITIAL.search(text, max(0, stop - 3), stop)
    return (initial is not None and initial[0][0].isupper()) or text[after : after + 1].islower()
