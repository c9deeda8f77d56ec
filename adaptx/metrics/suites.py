"""Aggregate scores of the suites XTREME and XTREME-R, as their official script computes them.

Hu et al. 2020 (arXiv:2003.11080), section 5; Ruder et al. 2021 (arXiv:2104.07412), section 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adaptx.metrics.official import OfficialStop

Scores = Mapping[str, float]
Table = Mapping[str, Mapping[str, Scores]]


@dataclass(frozen=True)
class OfficialSuite:
    """A suite, and the averages that the official script computes for it.

    languages: the language codes of each task. groups: the tasks of each group. question_answering: the tasks whose
    metric is the mean of exact match and F1.
    """

    name: str
    languages: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]
    question_answering: tuple[str, ...] = ("xquad", "mlqa", "tydiqa")


@dataclass(frozen=True)
class Aggregates:
    """The averages of a suite, in the unit of the scores that `aggregate` is given.

    overall: the average over each group of tasks, by the group's name, and the average over all tasks as `all_task`.
    tasks: each task's averages over its languages, such as {"xnli": {"avg_accuracy": 79.2, "avg_metric": 79.2}}.
    """

    overall: dict[str, float]
    tasks: dict[str, dict[str, float]]


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_XNLI = _codes("ar bg de el en es fr hi ru sw th tr ur vi zh")
_PANX = _codes(
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw yo my zh kk tr et "
    "fi hu"
)
_UDPOS = _codes("af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh")
_TATOEBA = _codes(
    "ar he vi id jv tl eu ml ta te af nl de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw zh kk tr et fi hu"
)
_XQUAD = _codes("en es de el ru tr ar vi th zh hi")
_MLQA = _codes("en es de ar hi vi zh")
_TYDIQA = _codes("en ar bn fi id ko ru sw te")

XTREME = OfficialSuite(
    name="xtreme",
    languages={
        "pawsx": _codes("de en es fr ja ko zh"),
        "xnli": _XNLI,
        "panx": _PANX,
        "udpos": _UDPOS,
        "bucc2018": _codes("de fr ru zh"),
        "tatoeba": _TATOEBA,
        "xquad": _XQUAD,
        "mlqa": _MLQA,
        "tydiqa": _TYDIQA,
    },
    groups={
        "classification": ("pawsx", "xnli"),
        "tagging": ("udpos", "panx"),
        "qa": ("xquad", "mlqa", "tydiqa"),
        "retrieval": ("bucc2018", "tatoeba"),
    },
)
# XCOPA is in two groups, and LAReQA is in none and has no languages, as in the official script.
XTREME_R = OfficialSuite(
    name="xtreme-r",
    languages={
        "xnli": _XNLI,
        "panx": _PANX + _codes("qu pl uk az lt pa gu ro"),
        "udpos": _UDPOS + _codes("lt pl uk wo ro"),
        "tatoeba": _TATOEBA + _codes("az lt pl uk ro"),
        "xcopa": _codes("et ht id it qu sw ta th tr vi zh"),
        "lareqa": (),
        "mewslix": _codes("ar de en es fa ja pl ro ta tr uk"),
        "xquad": (*_XQUAD, "ro"),
        "mlqa": _MLQA,
        "tydiqa": _TYDIQA,
    },
    groups={
        "classification": ("xnli", "xcopa"),
        "tagging": ("udpos", "panx"),
        "qa": ("xquad", "mlqa", "tydiqa"),
        "retrieval": ("tatoeba", "mewslix"),
        "multi_choice": ("xcopa",),
    },
)
OFFICIAL_SUITES = {suite.name: suite for suite in (XTREME, XTREME_R)}


def aggregate(suite: OfficialSuite, table: Table) -> Aggregates:
    """Return the averages of a table {task: {language: {score: value}}}, as evaluate.py `evaluate` computes them.

    A task that is not in the table has no average, and neither do the groups that contain it. A task in the table needs
    scores in all its languages. Tasks and languages outside the suite are ignored.

    Raises:
        OfficialStop: the official script stops, because a task lacks one of its languages, or a score that an average
            needs is missing.
    """
    tasks = {task: _averages_over_languages(suite, task, table[task]) for task in suite.languages if task in table}
    overall: dict[str, float] = {}
    if len(tasks) == len(suite.languages):
        overall["all_task"] = _mean_metric(tasks, tuple(suite.languages))
    for group, members in suite.groups.items():
        if all(member in tasks for member in members):
            overall[group] = _mean_metric(tasks, members)
    return Aggregates(overall, tasks)


def _averages_over_languages(suite: OfficialSuite, task: str, rows: Mapping[str, Scores]) -> dict[str, float]:
    """Return the average of each score over a task's languages. `avg_metric` is the average that counts for the suite.

    Raises:
        OfficialStop: a language or a needed score is missing.
    """
    by_score: dict[str, list[float]] = {}
    for language in suite.languages[task]:
        if language not in rows:
            raise OfficialStop(
                "FileNotFoundError",
                f"{task}/test-{language} is not available.",
                f"{task} has no scores in {language!r}, only in {', '.join(rows) or 'no language'}",
            )
        for score, value in rows[language].items():
            by_score.setdefault(score, []).append(value)
    averages = {f"avg_{score}": sum(values) / len(values) for score, values in by_score.items()}
    if task in suite.question_answering:
        averages["avg_metric"] = (_needed(averages, task, "avg_exact_match") + _needed(averages, task, "avg_f1")) / 2
        return averages
    for name in ("avg_f1", "avg_accuracy", "avg_map@20"):
        if name in averages:
            averages["avg_metric"] = averages[name]
            break
    return averages


def _mean_metric(tasks: Mapping[str, Mapping[str, float]], members: Sequence[str]) -> float:
    return sum(_needed(tasks[member], member, "avg_metric") for member in members) / len(members)


def _needed(averages: Mapping[str, float], task: str, name: str) -> float:
    if name not in averages:
        raise OfficialStop("KeyError", repr(name), f"{task} has no scores to compute {name} from")
    return averages[name]
