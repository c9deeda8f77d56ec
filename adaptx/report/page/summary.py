"""The summary at the top of a report: question, answer, cost, and what the answer does not cover."""

from collections.abc import Sequence
from dataclasses import dataclass

from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.gain import ZERO_SHOT, Gain
from adaptx.report.page.advice import advice, training_seconds
from adaptx.report.page.answer import answer, answering, few_seeds, told_verdicts
from adaptx.report.page.uncovered import uncovered
from adaptx.report.results.measured import Measurements
from adaptx.report.tables.contrasts import contrast_answer
from adaptx.specs import Recipe, Task

MOST_ANSWERS = 4
"""Maximum number of tasks that are answered at the top of the page. With more, each answer is in its section."""

UNDECLARED = (
    "Exploratory: the recipe declares no comparison that answers its question, so the verdicts on this page are chosen "
    "among many after the scores were seen. To confirm one, declare it and train new seeds: `Recipe(..., "
    'contrasts=(difference("A rather than B", a, b),))` for two variants, or `Recipe(..., '
    'primary="zero-shot average")` for the gain of every variant.'
)
"""The sentence at the top of a page whose recipe declares no primary comparisons."""

SMOKE = "Smoke run: no conclusion. The rows and seeds are too few; this run shows only that the recipe works."
"""The answer of a recipe that sets `smoke`."""


@dataclass(frozen=True)
class Answer:
    """An answer in two steps. lead: what to do, or a contrast's result. details: the numbers; may be empty."""

    lead: str
    details: str = ""

    @property
    def markdown(self) -> str:
        return f"**{self.lead}**" + (f" {self.details}" if self.details else "")


@dataclass(frozen=True, kw_only=True)
class PageSummary:
    """The sentences at the top of a report.

    Attributes:
        answers: one per task or contrast. If the recipe declares primary comparisons, these are about them alone.
        exploratory: answers by all other comparisons.
        declaration: a sentence that says how to declare a primary comparison; empty if the recipe declares one.
        seeds: a sentence if there are too few seeds, else empty.
        cost: what all trainings of the report took.
        uncovered: the choices that no interval covers.
    """

    answers: tuple[Answer, ...]
    exploratory: tuple[Answer, ...]
    declaration: str = ""
    seeds: str = ""
    cost: str
    uncovered: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """The summary as paragraphs of Markdown."""
        found = [self.declaration] if self.declaration else []
        found += [each.markdown for each in self.answers]
        found += [self.seeds] if self.seeds else []
        found += [f"Cost: {self.cost}."] if self.cost else []
        found += [f"No interval covers {'; '.join(self.uncovered)}."] if self.uncovered else []
        return found + [each.markdown for each in self.exploratory]


def task_answer(task: Task, measurements: Measurements, gains: Sequence[Gain]) -> Answer:
    """Return what to do on a task, with the numbers of gains and losses."""
    lead = advice(task, gains, training_seconds(measurements, task))
    return Answer(lead, told_verdicts(task, gains)) if lead else Answer(answer(task, gains))


def summarise(
    recipe: Recipe, measurements: Measurements, gains: Sequence[Gain], contrasts: Sequence[ContrastResult]
) -> PageSummary:
    """Return the summary of a report. A smoke run has no answers."""
    if recipe.smoke:
        return PageSummary(answers=(Answer(SMOKE),), exploratory=(), cost=_cost(measurements), uncovered=())
    primary = recipe.primary_comparisons
    is_average = primary not in (None, "contrasts")
    chosen = [gain for gain in gains if not is_average or gain.quantity == primary]
    of_tasks = _of_tasks(measurements, chosen)
    of_contrasts = tuple(Answer(said) for said in contrast_answer(contrasts, primary == "contrasts"))
    others = [gain for gain in gains if gain.quantity != primary] if is_average else []
    return PageSummary(
        answers=of_contrasts if primary == "contrasts" else of_tasks,
        exploratory=of_tasks if primary == "contrasts" else (*of_contrasts, *_of_tasks(measurements, others)),
        declaration=UNDECLARED if primary is None else "",
        seeds=few_seeds([gain for task in measurements.tasks for gain in answering(task, gains)]),
        cost=_cost(measurements),
        uncovered=uncovered(recipe, gains),
    )


def _of_tasks(measurements: Measurements, gains: Sequence[Gain]) -> tuple[Answer, ...]:
    if not gains:
        return ()
    tasks = measurements.tasks
    if len(tasks) > MOST_ANSWERS:
        return (Answer(_over_tasks(tasks, gains)),)
    return tuple(task_answer(task, measurements, gains) for task in tasks)


def _over_tasks(tasks: Sequence[Task], gains: Sequence[Gain]) -> str:
    """Return a sentence on how many tasks some variant gains, or loses, in the zero-shot average."""
    signs = {
        task.name: {g.sign for g in gains if (g.task, g.metric, g.quantity) == (task.name, task.metrics[0], ZERO_SHOT)}
        for task in tasks
    }
    begun = "On" if any(gain.standing == "primary" for gain in gains) else "Exploratory: on"
    gaining, losing = (sum(sign in found for found in signs.values()) for sign in (1, -1))
    return (
        f"{begun} {gaining} of {len(tasks)} tasks at least one variant gains in the zero-shot average, and on {losing} "
        "at least one loses. The section of each task has its answer."
    )


def _cost(measurements: Measurements) -> str:
    """Return the number of distinct trainings of a report, with their seconds and machines."""
    found = {training.train: training.result for each in measurements.measured for training in each.path}
    known = [result for result in found.values() if result is not None]
    if not known:
        return ""
    hours = sum(result.seconds for result in known) / 3600
    took = f"{hours:,.1f} hours" if hours >= 1 else f"{60 * hours:,.0f} minutes"
    machines = dict.fromkeys(f"{each.environment.device} ({each.environment.threads} threads)" for each in known)
    named = f"{len(known)} trainings" if len(known) > 1 else "one training"
    return f"{named}, {took} in all, on {' and '.join(machines)}"


def headline(task: Task, gains: Sequence[Gain]) -> dict[str, float]:
    """Return the best zero-shot average and the largest gain of a task, under names that MLflow accepts."""
    metric = task.metrics[0]
    averages = [g for g in gains if (g.task, g.metric, g.quantity) == (task.name, metric, ZERO_SHOT)]
    compared = [gain.gain for gain in averages if gain.gain is not None]
    found = {f"{task.name}/best/{metric}": max(gain.score for gain in averages)} if averages else {}
    return found | ({f"{task.name}/largest_gain/{metric}": max(compared)} if compared else {})
