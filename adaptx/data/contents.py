"""Digests of the texts of rows, by which the same row is recognised in different data sets.

Data sets copy rows from one another and change them slightly: XNLI's English training rows are those of MNLI, with
spaces before punctuation. Texts are therefore compared without case, spaces and punctuation. Labels are not compared,
because a model that was trained on a text has seen it, whatever its label was.
"""

import hashlib
import re
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptx.data.examples import Examples
from adaptx.specs import TaskFormat

Digests = NDArray[np.uint64]
_NO_LETTERS = re.compile(r"[\W_]+")


def row_digests(examples: Examples, task_format: TaskFormat) -> Digests:
    """Return 64 bits per row: a hash of its texts. Two rows with the same texts in the same roles have the same hash.

    The texts of a row are those of its text and list roles that do not hold the answer, such as premise and hypothesis.
    Rows without such roles have no digests.
    """
    read = (*task_format.text_roles, *task_format.list_roles)
    roles = [role for role in read if role not in task_format.gold_roles and role in examples.columns]
    if not roles:
        return np.empty(0, dtype=np.uint64)
    known: dict[str, str] = {}
    found = np.empty(len(examples), dtype=np.uint64)
    for row, values in enumerate(zip(*(examples.columns[role] for role in roles), strict=True)):
        texts = "\0".join(_plain(value, known) for value in values)
        found[row] = int.from_bytes(hashlib.blake2b(texts.encode(), digest_size=8).digest(), "little")
    return found


def _plain(value: Any, known: dict[str, str]) -> str:
    """Return a text without case, spaces and punctuation, or the texts of a list in this form.

    known: texts that were converted before, such as a passage with several questions.
    """
    if isinstance(value, list):
        return "".join(_plain(each, known) for each in value)  # pyright: ignore[reportUnknownVariableType]
    text = str(value)
    if text not in known:
        folded = unicodedata.normalize("NFKC", text).casefold()
        # A text of signs alone keeps them.
        known[text] = _NO_LETTERS.sub("", folded) or folded
    return known[text]
