"""Retrieval over passages: every sentence of a passage is a candidate, and the one in which the answer begins is right.

LAReQA (Roy et al. 2020, arXiv:2004.05484) ranks sentences, each with its passage as context.
"""

from bisect import bisect_right
from dataclasses import replace
from typing import Any

from adaptx.data.examples import Examples
from adaptx.data.labels import id_text
from adaptx.data.origin import Origin
from adaptx.data.sentences import sentence_breaks
from adaptx.errors import UserError
from adaptx.specs.formats.rows import is_whole

Breaks = list[tuple[int, int]]


def has_passages(examples: Examples) -> bool:
    """Return whether the rows hold passages, whose sentences are the candidates."""
    return "passage" in examples.columns


def answering_sentences(examples: Examples, where: Origin) -> Examples:
    """Return training rows with the roles `query`, `candidate` and `candidate_context`.

    The candidate is the sentence in which the first answer begins, and its context is the passage. Rows without an
    answer are recorded in `left_out`.

    Raises:
        UserError: a passage is not a text, or its sentence breaks or answer positions do not fit it.
    """
    columns = examples.columns
    if "answer_starts" not in columns:
        raise UserError(
            f"{where}: there is no column for the role answer_starts, and rows with passages need to say where each "
            "answer begins; name the column in Rows(columns=...)"
        )
    unanswered: list[int] = []
    candidates: list[str] = []
    for index, row in enumerate(examples.rows):
        passage, breaks = _passage_and_breaks(examples, index, where.at(row))
        starts = _checked_starts(columns["answer_starts"][index], passage, where.at(row))
        if not starts:
            unanswered.append(index)
            continue
        start, stop = breaks[_sentence_at(breaks, starts[0])]
        candidates.append(passage[start:stop])
    chosen = examples.without(unanswered, "no answer", where)
    found = {
        "query": chosen.columns["query"],
        "candidate": candidates,
        "candidate_context": chosen.columns["passage"],
    }
    return replace(chosen, columns=found)


def sentence_pool(examples: Examples, language: str, where: Origin) -> Examples:
    """Return one candidate per sentence of each distinct passage.

    A candidate is right for the rows whose answers begin in its sentence. As in LAReQA's script, a sentence that occurs
    twice in its passage becomes two candidates, and if one is right, both are.

    Columns: `id` (`<language>:<first row of the passage>:<index of the sentence>`), `answers` (the ids of the rows that
    the candidate is right for), `candidate`, `candidate_context`.

    Raises:
        UserError: a passage is not a text, or its sentence breaks or answer positions do not fit it.
    """
    columns = examples.columns
    places: dict[tuple[str, str], list[int]] = {}
    pool: dict[str, list[Any]] = {"id": [], "answers": [], "candidate": [], "candidate_context": []}
    rows: list[int] = []
    known: dict[str, Breaks] = {}
    for index, row in enumerate(examples.rows):
        passage, breaks = _passage_and_breaks(examples, index, where.at(row), known)
        if passage not in known:
            known[passage] = breaks
            for number, (start, stop) in enumerate(breaks):
                places.setdefault((passage, passage[start:stop]), []).append(len(rows))
                rows.append(row)
                pool["id"].append(f"{language}:{row}:{number}")
                pool["answers"].append([])
                pool["candidate"].append(passage[start:stop])
                pool["candidate_context"].append(passage)
        for at in _checked_starts(columns["answer_starts"][index], passage, where.at(row)):
            start, stop = breaks[_sentence_at(breaks, at)]
            for place in places[passage, passage[start:stop]]:
                answered: list[str] = pool["answers"][place]
                if (name := id_text(columns["id"][index])) not in answered:
                    answered.append(name)
    return Examples(rows=tuple(rows), columns=pool, left_out=examples.left_out)


def _passage_and_breaks(
    examples: Examples, index: int, where: str, known: dict[str, Breaks] | None = None
) -> tuple[str, Breaks]:
    """Return a row's passage and the [start, stop) of each of its sentences.

    If the set has no `sentence_breaks`, sentences are found by rule. known: the sentences of passages that were read
    before.
    """
    passage = examples.columns["passage"][index]
    if not isinstance(passage, str) or not passage.strip():
        raise UserError(f"{where}: passage is {passage!r}, not a text; correct the row, or remove it")
    if known is not None and passage in known:
        return passage, known[passage]
    if "sentence_breaks" not in examples.columns:
        return passage, sentence_breaks(passage)
    breaks: list[tuple[int, int]] = []
    written = examples.columns["sentence_breaks"][index]
    for pair in written if isinstance(written, list) else [written]:  # pyright: ignore[reportUnknownVariableType]
        whole = isinstance(pair, list) and len(pair) == 2 and all(map(is_whole, pair))  # pyright: ignore[reportUnknownArgumentType]
        if not (whole and (breaks[-1][1] if breaks else 0) <= pair[0] < pair[1] <= len(passage)):
            raise UserError(
                f"{where}: sentence_breaks holds {pair!r}, which is not a valid [start, stop]; write two whole numbers "
                "so that the sentence begins after the one before it and ends within the passage, which has "
                f"{len(passage)} characters"
            )
        breaks.append((pair[0], pair[1]))
    if not breaks:
        raise UserError(f"{where}: sentence_breaks is empty; write [[0, {len(passage)}]] for a passage of one sentence")
    return passage, breaks


def _checked_starts(starts: Any, passage: str, where: str) -> list[int]:
    if not isinstance(starts, list) or not all(is_whole(at) and 0 <= at < len(passage) for at in starts):  # pyright: ignore[reportUnknownVariableType]
        raise UserError(
            f"{where}: answer_starts is {starts!r}, not a list of positions in the passage, which has {len(passage)} "
            "characters; write whole numbers that count characters from 0"
        )
    return starts  # pyright: ignore[reportUnknownVariableType]


def _sentence_at(breaks: Breaks, at: int) -> int:
    """Return the index of the sentence that holds the character at position `at`.

    White space between two sentences belongs to the second one.
    """
    return min(bisect_right([stop for _, stop in breaks], at), len(breaks) - 1)
