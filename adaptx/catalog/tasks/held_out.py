"""Development and evaluation slices of one published set, where the labels of the test set are not published."""

from dataclasses import replace

from adaptx.specs import Rows


def held_out(rows: Rows, count: int) -> tuple[tuple[Rows], tuple[Rows]]:
    """The first `count` rows for development, the others for evaluation: nothing is selected on scored rows."""
    expected = None if rows.expected is None else rows.expected - count
    return (replace(rows, stop=count, expected=count),), (replace(rows, first=count, expected=expected),)
