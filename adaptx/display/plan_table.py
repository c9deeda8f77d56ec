"""The plan of a study as a short table, for the Python prompt and notebooks."""

from dataclasses import dataclass
from functools import cached_property
from html import escape

from adaptx.costs.row_counts import RowCounts
from adaptx.costs.stages import Cost
from adaptx.display.plan import plan_costs, to_do_line
from adaptx.display.plan_lines import HEADINGS as STAGE_HEADINGS
from adaptx.display.plan_lines import Line, as_text, stage_lines
from adaptx.display.plan_variants import HEADINGS as VARIANT_HEADINGS
from adaptx.display.plan_variants import variant_lines
from adaptx.display.tuning import later_line
from adaptx.planning.plan import Plan, Status
from adaptx.specs import Resources
from adaptx.store.store import Store

MOST_LINES = 60
"""Maximum number of lines shown. `PlanTable.lines` has all lines."""
MEMORY = "memory at most"


@dataclass(frozen=True, eq=False)
class PlanTable:
    """A plan as a table with one line per variant. `all` is the same with one line per stage.

    It shows status and cost as they were when the table was first shown. every: whether each stage has a line.
    """

    plan: Plan
    store: Store
    every: bool = False

    @property
    def all(self) -> "PlanTable":
        """The table with every stage, as `adaptx plan --all` prints it."""
        return PlanTable(self.plan, self.store, every=True)

    @cached_property
    def statuses(self) -> dict[str, Status]:
        return self.plan.statuses(self.store)

    @cached_property
    def lines(self) -> list[Line]:
        """All lines of the table, as `adaptx plan` prints them."""
        if self.every:
            return stage_lines(self.plan, self.statuses, self._costs, {}, self._count)
        return variant_lines(self.plan, self.statuses, self._costs, self._count)

    @cached_property
    def summary(self) -> str:
        """The remaining work with its approximate time. Work that waits for a search is counted separately."""
        to_do = [node for node in self.plan.nodes if self.statuses[node.fingerprint] is Status.TO_DO]
        later = later_line(self.plan, self._costs)
        return to_do_line(to_do, self._costs, self.store) + (f"; {later}" if later is not None else "")

    def __repr__(self) -> str:
        return "\n".join((self._heading, as_text(self._shown, self._headings).plain, *self._rest, self.summary))

    def _repr_html_(self) -> str:
        headings = "".join(f"<th>{escape(text)}</th>" for text in self._headings)
        rows = "".join(
            f'<tr><td style="text-align: left; white-space: pre">{escape(line.name)}</td>'
            f"{''.join(f'<td>{escape(cell)}</td>' for cell in line.cells)}</tr>"
            for line in self._shown
        )
        rest = "".join(f"<p>{escape(text)}</p>" for text in (*self._rest, self.summary))
        return (
            f"<p><b>{escape(self._heading)}</b></p>"
            f"<table><thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table>{rest}"
        )

    @cached_property
    def _costs(self) -> dict[str, Cost | None]:
        return plan_costs(self.plan, self.store, Resources(), self._count)

    @cached_property
    def _count(self) -> RowCounts:
        return RowCounts(self.plan.identities.sources)

    @property
    def _headings(self) -> tuple[str, ...]:
        return *(STAGE_HEADINGS if self.every else VARIANT_HEADINGS), MEMORY

    @property
    def _heading(self) -> str:
        return f"{self.plan.recipe.name}: {len(self.plan.nodes)} stages"

    @property
    def _shown(self) -> list[Line]:
        return self.lines[:MOST_LINES]

    @property
    def _rest(self) -> list[str]:
        more = len(self.lines) - MOST_LINES
        return [f"and {more} more lines, in study.plan{'.all' * self.every}.lines"] if more > 0 else []
