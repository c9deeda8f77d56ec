"""Cases of suite aggregates: tables `tables.<name>.<task>.<language>.<score>`, and `cases` that each name a table."""

from typing import Any

from adaptx.errors import UserError
from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.cases.scorer import Scorer, attempt
from adaptx.metrics.suites import OFFICIAL_SUITES, aggregate


def _aggregates(inputs: CaseNode) -> dict[str, Any]:
    return {name: attempt(lambda case=case: _score(inputs, case)) for name, case in inputs["cases"].items()}


def _score(inputs: CaseNode, case: CaseNode) -> dict[str, Any]:
    version = case["xtreme_version"].text()
    if version not in OFFICIAL_SUITES:
        raise UserError(f"`{case.place}.xtreme_version` is {version!r}; write one of {', '.join(OFFICIAL_SUITES)}")
    left_out, empty = _names(case.get("left_out")), _names(case.get("empty_folders"))
    table = {
        task: {language: scores.numbers() for language, scores in languages.items()}
        for task, languages in inputs["tables"][case["table"].text()].items()
        if task not in left_out
    }
    result = aggregate(OFFICIAL_SUITES[version], table | {task: {} for task in empty})
    return {"overall": result.overall, "tasks": result.tasks}


def _names(node: CaseNode | None) -> list[str]:
    return node.texts() if node else []


AGGREGATE = Scorer(_aggregates)
