"""Cases of LAReQA: some hold questions, candidates and pools (sets of languages), others only rankings."""

from typing import Any

import numpy as np

from adaptx.errors import UserError
from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.cases.scorer import EMBEDDINGS, Scorer, attempt, stopped
from adaptx.metrics.cases.search import check_dimensions
from adaptx.metrics.official import OfficialStop
from adaptx.metrics.ranking import average_precision


def _cut(node: CaseNode | None) -> int | None:
    return None if node is None or node.value is None else node.whole()


def _precision(relevant: list[Any], ranked: list[Any], cut: int | None, name: str) -> float:
    if not relevant:
        raise OfficialStop("ZeroDivisionError", "float division by zero", f"no candidate is relevant for {name}")
    return average_precision(relevant, ranked, cut)


def _rankings(inputs: CaseNode) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name, case in inputs["cases"].items():
        targets, ranked, cut = case["targets"].labels(), case["ranked"].labels(), _cut(case.get("k"))
        try:
            results[name] = _precision(targets, ranked, cut, name)
        except OfficialStop as stop:
            results[name] = stopped(stop)
    return results


def _lareqa(inputs: CaseNode) -> dict[str, Any]:
    questions, candidates = list(inputs["questions"].elements()), list(inputs["candidates"].elements())
    for rows, name in ((questions, "questions"), (candidates, "candidates")):
        if len({row["uid"].text() for row in rows}) < len(rows):
            raise UserError(f"`inputs.{name}` has the same uid twice; give every entry a different uid")
    cuts = [_cut(cut) for cut in inputs["k"].elements()]
    return {
        name: attempt(lambda pool=pool: _pool_scores(questions, candidates, pool, cuts))
        for name, pool in inputs["pools"].items()
    }


def _pool_scores(
    questions: list[CaseNode], candidates: list[CaseNode], pool: CaseNode, cuts: list[int | None]
) -> dict[str, Any]:
    """Return the mean average precision of a pool at each cut, and that of each question, in [0, 1].

    A pool names the languages of its questions and the languages of the candidates that are ranked.
    """
    asked = [question for question in questions if question["language"].text() in pool["question_languages"].texts()]
    kept = [each for each in candidates if each["language"].text() in pool["candidate_languages"].texts()]
    if not kept:
        raise OfficialStop(
            "ValueError", "need at least one array to concatenate", f"no candidate is in a language of {pool.place}"
        )
    answers: dict[str, list[int]] = {}
    for position, candidate in enumerate(kept):
        for key in candidate["xling_ids"].texts():
            answers.setdefault(key, []).append(position)
    rankings = _rankings_of(asked, kept, pool)
    results: dict[str, Any] = {}
    for cut in cuts:
        precisions = {
            uid: _precision(answers.get(key, []), ranked, cut, f"question {uid}") for uid, key, ranked in rankings
        }
        name = "map" if cut is None else f"map@{cut}"
        results[name] = float(np.mean(list(precisions.values()))) if precisions else float("nan")
        if cut is not None:
            results[f"per_question_ap@{cut}"] = precisions
    return results


def _rankings_of(asked: list[CaseNode], kept: list[CaseNode], pool: CaseNode) -> list[tuple[str, str, list[int]]]:
    """Return, for each question, its `uid`, its `xling_id`, and the positions of the candidates, best first."""
    if not asked:
        return []
    question_QD = CaseNode([question["encoding"].value for question in asked], "inputs.questions encodings").matrix()
    candidate_CD = CaseNode([each["encoding"].value for each in kept], "inputs.candidates encodings").matrix()
    check_dimensions(question_QD, candidate_CD, pool.place)
    # The official code reverses an ascending argsort, so among equal scores the later candidate comes first.
    order_QC = np.argsort(question_QD @ candidate_CD.T, axis=1, kind="stable")[:, ::-1]
    return [
        (question["uid"].text(), question["xling_id"].text(), order.tolist())
        for question, order in zip(asked, order_QC, strict=True)
    ]


LAREQA = Scorer(_lareqa, tolerance=EMBEDDINGS)
LAREQA_AP = Scorer(_rankings)
