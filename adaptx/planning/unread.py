"""Find the rows, suites and published scores that a recipe contains but no stage uses."""

from collections.abc import Iterator

from adaptx.catalog.published_results import MT5_ZERO_SHOT, PHANG_2020
from adaptx.catalog.tasks import TASKS
from adaptx.planning.identity import inputs_read
from adaptx.planning.plan import Plan
from adaptx.specs import Evaluate, Last, Merge, Recipe, Rows, Task, Train


def unread(plan: Plan) -> list[str]:
    """Return a line for each suite, published score and set of rows that no stage uses, with the reason or a remedy.

    Tasks whose data sets are all in the catalog get no lines about rows, because a recipe seldom uses all their rows.
    """
    nodes = (*plan.nodes, *plan.later)
    read = {rows for node in nodes for rows in inputs_read(node.stage) if isinstance(rows, Rows)}
    known = {rows.hub_id for task in TASKS.values() for rows in (*task.train, *task.evaluation)}
    trainings = [node.stage for node in nodes if isinstance(node.stage, Train)]
    lines: list[str] = []
    for task in dict.fromkeys(task for node in nodes for task in _tasks(node.stage)):
        own = [rows for rows in (*task.train, *task.development, *task.evaluation) if rows.hub_id not in known]
        if own:
            lines += [f"not read: {line}" for line in _lines(task, read, trainings)]
    return list(dict.fromkeys([*lines, *_unused_suites_and_scores(plan.recipe)]))


def _unused_suites_and_scores(recipe: Recipe) -> Iterator[str]:
    # The catalog's published scores are skipped: they are whole tables, and a recipe may need only some of their
    # rows.
    evaluated = {evaluate.task for evaluate in recipe.evaluations}
    names = {task.name for task in evaluated}
    rows = {evaluate.task.rows_in(evaluate.language) for evaluate in recipe.evaluations}
    for suite in recipe.suites:
        if not any(task.name in names or not rows.isdisjoint(task.evaluation) for task in suite.tasks):
            yield (
                f"not read: the suite {suite.name}, because none of its tasks is evaluated; "
                "add Evaluate(model, task, language)"
            )
    answered = {(task.name, metric) for task in evaluated for metric in task.metrics}
    for score in recipe.published:
        if score in (*PHANG_2020, *MT5_ZERO_SHOT) or (score.task, score.metric) in answered:
            continue
        why = f"no task {score.task!r} is evaluated"
        if score.task in names:
            metrics = ", ".join(metric for task, metric in sorted(answered) if task == score.task)
            why = f"{score.task} has the metrics {metrics}"
        yield f"not read: the published {score.metric} of {score.model} on {score.task}, because {why}"


def _tasks(stage: Train | Merge | Evaluate) -> tuple[Task, ...]:
    if isinstance(stage, Train):
        return stage.tasks
    if isinstance(stage, Evaluate):
        return (stage.task,)
    search = stage.rule.search
    return (search.task,) if search is not None else ()


def _lines(task: Task, read: set[Rows], trainings: list[Train]) -> Iterator[str]:
    trained = [stage for stage in trainings if task in stage.tasks]
    if task.train and not read & {*task.train}:
        yield f"the training rows of {task.name}, because no stage trains on it; add Train(model, task, ...)"
    if task.development and not read & {*task.development}:
        if trained and all(isinstance(stage.config.selection, Last) for stage in trained):
            yield (
                f"the development rows of {task.name}, because selection=Last() keeps the weights of the last step; "
                "use TrainConfig(selection=Best(every=...)) to select on them"
            )
        else:
            yield f"the development rows of {task.name}; train on it with selection=Best(...) to use them"
    left = [rows.language for rows in task.evaluation if rows not in read]
    if left:
        shown = ", ".join(left[:8]) + (", ..." if len(left) > 8 else "")
        yield f"the evaluation rows of {task.name} in {shown}; add Evaluate(model, task, language)"
    if task.pool and not task.format.ranks_pool:
        yield f"the pool of {task.name}, because only a Retrieval task ranks candidates"
    if task.translated and not any(rows in read for rows in task.translated):
        yield f"the translated rows of {task.name}; use task.with_translated() to train on them"
