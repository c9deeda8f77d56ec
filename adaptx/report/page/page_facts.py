"""The values that fill the template of a report's page."""

from collections.abc import Sequence
from typing import Any

import adaptx
from adaptx.planning.plan import Plan
from adaptx.report.page.findings import Findings
from adaptx.report.page.section import HTML_WIDEST
from adaptx.report.page.summary import MOST_ANSWERS
from adaptx.report.statistics.bootstrap import RESAMPLES
from adaptx.report.tables import provenance
from adaptx.report.tables.contrasts import contrast_table
from adaptx.store.store import Store

GENERIC_COMMANDS = ("adaptx plan RECIPE", "adaptx run RECIPE", "adaptx report RECIPE --out DIR")
MOST_LEAKS = 3
"""Maximum number of sentences on shared rows that are not folded."""


def page_facts(plan: Plan, store: Store, found: Findings, commands: Sequence[str]) -> dict[str, Any]:
    measurements = found.measurements
    newest = provenance.newest(plan, store)
    return {
        "summary": found.summary,
        "contrasts": contrast_table(found.contrasts, found.contrasts_are_primary) if found.contrasts else None,
        "folded": found.contrasts_are_primary,
        "reproduction": found.reproduction,
        "sections": found.sections,
        "suites": [
            {"name": result.suite.name, "summary": result.summary, "tables": result.tables(HTML_WIDEST)}
            for result in found.suites
        ],
        "answers_above": len(found.sections) <= MOST_ANSWERS,
        "forest": found.forest,
        "curves": found.curves,
        "selection": found.selection,
        "rates": found.rates,
        "fused": any(section.mixing for section in found.sections),
        "labelled": any(section.classes for section in found.sections),
        "leaks": found.leaks[:MOST_LEAKS],
        "warnings": [each for each in found.warnings if each not in found.leaks[:MOST_LEAKS]],
        "generic_commands": not commands,
        "commands": tuple(commands) or GENERIC_COMMANDS,
        "recipe": plan.recipe,
        "version": adaptx.__version__,
        "newest": f"{newest:%-d %B %Y, %H:%M %Z}" if newest else "",
        "models": provenance.models(plan),
        "num_variants": len({gain.variant for gain in found.gains}),
        "num_stored": len(measurements.measured),
        "seeds": sorted({m.factors.seed for m in measurements.measured if m.factors.seed is not None}),
        "least_seeds": min((gain.seeds_compared for gain in found.gains if gain.holm_p is not None), default=0),
        "missing": missing_text(measurements.missing) if measurements.missing else "",
        "unchecked": sum("not checked" in measured.status for measured in measurements.measured),
        "resamples": RESAMPLES,
        "tuning": found.tuning,
        "trainings": provenance.training_table(plan, store),
        "stages": provenance.stage_table(plan, store),
        "data": provenance.data_table(plan),
        "left_out": provenance.left_out_table(plan, store),
        "machines": provenance.machines(plan, store),
    }


def missing_text(missing: Sequence[str]) -> str:
    """Return a sentence with the number of evaluations that are not stored, and the names of up to five."""
    shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return f"Planned evaluations not stored yet, so not in the tables: {len(missing)} ({shown})."
