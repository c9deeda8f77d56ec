"""Compare the computed numbers of a case with the numbers that the case expects."""

import math
from collections.abc import Iterator
from typing import Any

from adaptx.metrics.cases.scorer import Scorer


def differences(expected: Any, found: Any, scorer: Scorer) -> list[str]:
    """Return one line per expected value that is missing or different.

    Computed values for which the case expects nothing are ignored, except in maps whose keys are questions
    (`per_question...`). Numbers agree within the layout's tolerance. If the case expects that the official script stops
    at `test`, a stop of the same kind at `test` or inside it, such as at `test.f1`, agrees.
    """
    return list(_compare("", expected, found, scorer, ""))


def stops(found: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the place, the kind and the cause of every stop of the official script among the results."""
    if isinstance(found, dict):
        if "raises" in found:
            yield place or "the case", found["raises"][0], found["cause"]
        for key, value in found.items():
            yield from stops(value, _below(place, key))


def _below(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _compare(place: str, expected: Any, found: Any, scorer: Scorer, key: str) -> Iterator[str]:
    """Yield the differences at and below `place`.

    key: the name, in the path `place`, that decides the tolerance and whether order matters; "" if none does.
    """
    if isinstance(expected, dict) and "raises" in expected:
        yield from _compare_stop(place, expected["raises"], found)
    elif isinstance(found, dict) and "raises" in found:
        yield f"{place}: the official script stops with {found['raises'][0]} ({found['cause']}), which is not expected"
    elif isinstance(expected, dict):
        if not isinstance(found, dict):
            yield f"{place}: expected an object, found {_short(found)}"
            return
        for name, value in expected.items():
            if name in found:
                inner = name if name in scorer.tolerances or name in scorer.unordered else key
                yield from _compare(_below(place, name), value, found[name], scorer, inner)
            else:
                yield f"{_below(place, name)}: expected {_short(value)}, but there is no such value"
        # A map from questions must not have further questions. Elsewhere a case may expect only some of the values.
        if key.startswith("per_question") or place.rpartition(".")[2].startswith("per_question"):
            for name in found.keys() - expected.keys():
                yield f"{_below(place, name)}: found {_short(found[name])}, but nothing is expected there"
    elif isinstance(expected, list):
        yield from _compare_lists(place, expected, found, scorer, key)
    elif not _agree(expected, found, scorer.tolerances.get(key, scorer.tolerance)):
        yield f"{place}: expected {_short(expected)}, found {_short(found)}{_distance(expected, found)}"


def _compare_stop(place: str, raises: Any, found: Any) -> Iterator[str]:
    wanted = str(raises[0] if isinstance(raises, list) and raises else raises)
    kinds = [kind for _, kind, _ in stops(found)]
    if wanted not in kinds:
        instead = f"it stops with {', '.join(kinds)}" if kinds else "there are numbers"
        yield f"{place}: expected the official script to stop with {wanted}, but {instead}"


def _compare_lists(place: str, expected: list[Any], found: Any, scorer: Scorer, key: str) -> Iterator[str]:
    if not isinstance(found, list):
        yield f"{place}: expected a list, found {_short(found)}"
    elif key in scorer.unordered:
        yield from _compare_rows(place, expected, found, scorer.tolerances.get(key, scorer.tolerance))
    elif len(expected) != len(found):
        yield f"{place}: expected {len(expected)} elements, found {len(found)}"
    else:
        for index, (left, right) in enumerate(zip(expected, found, strict=True)):
            yield from _compare(f"{place}[{index}]", left, right, scorer, key)


def _compare_rows(place: str, expected: list[Any], found: list[Any], tolerance: float) -> Iterator[str]:
    """Yield the differences between two lists of rows, in any order. A row holds texts, and may end with a number."""
    expected_rows, found_rows = _numbers_by_texts(expected), _numbers_by_texts(found)
    for texts in expected_rows.keys() | found_rows.keys():
        left, right = expected_rows.get(texts, []), found_rows.get(texts, [])
        agree = len(left) == len(right) and all(
            _agree(first, second, tolerance) for first, second in zip(left, right, strict=True)
        )
        if not agree:
            yield f"{place}: {', '.join(texts)}: expected {_short(left)}, found {_short(right)}"


def _numbers_by_texts(rows: list[Any]) -> dict[tuple[str, ...], list[Any]]:
    """Group rows by their texts, and return each group's sorted numbers. A row without a number counts as True."""
    grouped: dict[tuple[str, ...], list[Any]] = {}
    for row in rows:
        cells: list[Any] = row if isinstance(row, list) else [row]
        texts = tuple(cell for cell in cells if isinstance(cell, str))
        numbers = [cell for cell in cells if not isinstance(cell, str)]
        grouped.setdefault(texts, []).extend(numbers or [True])
    return {texts: sorted(numbers) for texts, numbers in grouped.items()}


def _agree(expected: Any, found: Any, tolerance: float) -> bool:
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return abs(expected - found) <= tolerance or (math.isnan(expected) and math.isnan(found))
    return type(expected) is type(found) and expected == found


def _distance(expected: Any, found: Any) -> str:
    both = isinstance(expected, int | float) and isinstance(found, int | float)
    return f" (difference {abs(expected - found):.3g})" if both else ""


def _short(value: Any, most: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 4]} ..."


def count_values(expected: Any) -> int:
    """Return how many single values a case expects. An expected stop counts as one value."""
    if isinstance(expected, dict):
        return 1 if "raises" in expected else sum(map(count_values, expected.values()))
    if isinstance(expected, list):
        return sum(map(count_values, expected))
    return 1
