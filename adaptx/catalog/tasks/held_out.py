"""Development and evaluation rows from one published set, for tasks without published test labels."""

from dataclasses import replace

from adaptx.specs import Rows


def held_out(rows: Rows, count: int) -> tuple[tuple[Rows], tuple[Rows]]:
    """Return the first `count` rows of a set for development and its other rows for evaluation."""
    expected = None if rows.expected is None else rows.expected - count
    return (replace(rows, stop=count, expected=count),), (replace(rows, first=count, expected=expected),)
