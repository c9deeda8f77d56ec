"""Examples: the rows of one set, as columns named by the roles of a format."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adaptx.data.origin import Origin
from adaptx.errors import UserError
from adaptx.files.left_out import LeftOut


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples as columns by role, all of the same length.

    rows: each example's row number in its split. left_out: counts, by reason, of rows that were read but did not become
    examples. languages: the language of each example; empty if unknown. clusters: the number of each example's cluster
    (`adaptx.data.clusters`); empty if the set has no clusters.
    """

    rows: tuple[int, ...]
    columns: dict[str, list[Any]]
    left_out: tuple[LeftOut, ...] = ()
    languages: tuple[str, ...] = ()
    clusters: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Sequence[int]) -> "Examples":
        """Return the examples at these positions, in this order."""
        columns = {role: [values[index] for index in indices] for role, values in self.columns.items()}
        languages = tuple(self.languages[index] for index in indices) if self.languages else ()
        clusters = tuple(self.clusters[index] for index in indices) if self.clusters else ()
        return Examples(
            rows=tuple(self.rows[index] for index in indices),
            columns=columns,
            left_out=self.left_out,
            languages=languages,
            clusters=clusters,
        )

    def read_from(self, where: str) -> "Examples":
        """Return the examples with `where` as the name of their file in `left_out`."""
        return replace(self, left_out=tuple(replace(each, where=where) for each in self.left_out))

    def without(self, indices: Collection[int], reason: str, where: Origin) -> "Examples":
        """Return the examples except those at `indices`, and record the removed ones in `left_out` with the reason."""
        left = set(indices)
        if not left:
            return self
        kept = self.take([index for index in range(len(self)) if index not in left])
        first = self.rows[min(left)]
        record = LeftOut(reason=reason, count=len(left), first=first, where=where.name, line=where.line(first))
        return replace(kept, left_out=(*self.left_out, record))


def joined(parts: Sequence[Examples]) -> Examples:
    """Return the examples of several sets, one set after the other, without their clusters.

    Raises:
        UserError: the sets do not have the same roles.
    """
    roles = list(parts[0].columns)
    for part in parts:
        if set(part.columns) != set(roles):
            raise UserError(
                f"one set of the task has the roles {', '.join(roles)} and another has {', '.join(part.columns)}, but "
                "sets that are read together need the same roles; give each set the same roles in Rows(columns=...)"
            )
    columns = {role: [value for part in parts for value in part.columns[role]] for role in roles}
    rows = tuple(row for part in parts for row in part.rows)
    languages = tuple(language for part in parts for language in part.languages or ("",) * len(part))
    return Examples(
        rows=rows,
        columns=columns,
        left_out=tuple(each for part in parts for each in part.left_out),
        languages=languages,
    )
