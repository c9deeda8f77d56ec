"""The provenance of a report's numbers: stages, trainings, data, checkpoints and machines."""

import datetime
from collections.abc import Iterable

from adaptx.catalog.languages import language_name
from adaptx.planning.naming import merges, training_path
from adaptx.planning.plan import Node, Plan, stored_entry
from adaptx.report.tables.cells import NOTHING, count, mebibytes, of, percent, seconds
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Best, Evaluate, ModelSpec, Rows, Train
from adaptx.store.entry import Entry
from adaptx.store.integrity import COMPLETE
from adaptx.store.records import MergeResult, TrainResult
from adaptx.store.store import Store


def stage_table(plan: Plan, store: Store) -> Table:
    """Return a table of every stage of the plan, with its folder, status and fingerprint."""
    statuses = plan.statuses(store)
    columns = (
        Column("kind", True),
        Column("folder in the store", True),
        Column("status", True),
        Column("fingerprint", True),
    )
    rows = [
        _texts(node.kind, _folder(node, store), statuses[node.fingerprint].value, node.fingerprint)
        for node in plan.nodes
    ]
    return Table("Stages", columns, tuple(rows))


def training_table(plan: Plan, store: Store) -> Table:
    """Return a table of every stored training: its rows, parameters, steps, speed, time, memory and kept weights."""
    columns = (
        Column("training", True),
        Column("rows used\n/ expected"),
        Column("trainable parameters\n(+ parameters of the head)"),
        Column("steps"),
        Column("examples\nper second"),
        Column("tokens\nper second"),
        Column("seconds"),
        Column("peak memory,\nMiB"),
        Column("predicted memory,\nMiB (torch only)"),
        Column("weights\nkept", True),
    )
    rows = [_training_row(node, entry.train_result) for node, entry in _trainings(plan, store)]
    return Table("Trainings", columns, tuple(rows))


def losses(plan: Plan, store: Store) -> dict[str, list[tuple[int, float]]]:
    """Return name of a training -> its logged (step, loss) pairs."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for node, entry in _trainings(plan, store):
        name = _short_name(node) if _short_name(node) not in curves else f"{_short_name(node)} {node.fingerprint[:8]}"
        curves[name] = [(step.step, step.loss) for step in entry.steps]
    return curves


def results_by_name(plan: Plan, store: Store) -> dict[str, list[TrainResult]]:
    """Return name of a training -> its results, one per seed."""
    found: dict[str, list[TrainResult]] = {}
    for node, entry in _trainings(plan, store):
        found.setdefault(_short_name(node), []).append(entry.train_result)
    return found


def data_table(plan: Plan) -> Table:
    """Return a table of the data sets that stages read, with their digests or hub commits."""
    uses: dict[tuple[str, str], dict[str, None]] = {}
    rows_at: dict[tuple[str, str], Rows] = {}
    for use, rows in _rows_read(plan):
        key = (rows.address, rows.language)
        rows_at.setdefault(key, rows)
        uses.setdefault(key, {})[use] = None
    columns = (
        Column("set", True),
        Column("language", True),
        Column("used for", True),
        Column("identified by", True),
    )
    rows = [
        _texts(rows_at[key].address, language_name(key[1]), ", ".join(use), _digest(plan, rows_at[key]))
        for key, use in uses.items()
    ]
    return Table("Data", columns, tuple(rows))


def left_out_table(plan: Plan, store: Store) -> Table | None:
    """Return a table of the rows that stored stages left out, with the reasons. Return None if there are none."""
    results = [entry.result for entry in _entries(plan, store) if entry.kind != "merge"]
    found = dict.fromkeys(
        _texts(each.where, f"{each.what}: {each.reason}", f"{count(each.count)} {each.unit}s", each.place)
        for result in results
        if not isinstance(result, MergeResult)
        for each in result.left_out
    )
    columns = (Column("set", True), Column("why", True), Column("how many"), Column("first one"))
    return Table("Left out", columns, tuple(found)) if found else None


def models(plan: Plan) -> list[dict[str, str]]:
    """Return name, hub id, size, licence, citation and digest of every checkpoint."""
    specs = dict.fromkeys(_checkpoint(evaluate) for evaluate in plan.recipe.evaluations)
    return [
        {
            "name": spec.name,
            "hub_id": spec.hub_id,
            "size": _size(spec),
            "licence": spec.licence,
            "citation": spec.citation,
            "digest": _digest(plan, spec),
        }
        for spec in specs
    ]


def _size(model: ModelSpec) -> str:
    size = f"{model.shape.parameters / 1e6:,.0f} million parameters" if model.shape else ""
    cut = f"cut to {model.layers} layer{'' if model.layers == 1 else 's'}" if model.layers is not None else ""
    stored = f"stored as {model.quantised.value}" if model.quantised is not None else ""
    return ", ".join(filter(None, (cut, stored, size)))


def newest(plan: Plan, store: Store) -> datetime.datetime | None:
    """Return the time at which the newest stored stage of the plan was finished; None if no stage is stored."""
    times = [(entry.folder / COMPLETE).stat().st_mtime for entry in _entries(plan, store)]
    return datetime.datetime.fromtimestamp(max(times)).astimezone() if times else None


def machines(plan: Plan, store: Store) -> list[str]:
    """Return the distinct machines on which the trainings ran, each with its device, threads and library versions."""
    found: dict[str, None] = {}
    for _, entry in _trainings(plan, store):
        used = entry.train_result.environment
        versions = ", ".join(f"{name} {version}" for name, version in used.versions.items())
        found[f"{used.device}, {used.threads} threads; {versions}"] = None
    return list(found)


def _trainings(plan: Plan, store: Store) -> list[tuple[Node, Entry]]:
    found = [(node, stored_entry(node, store)) for node in plan.nodes if node.kind == "train"]
    return [(node, entry) for node, entry in found if entry is not None]


def _entries(plan: Plan, store: Store) -> list[Entry]:
    return [entry for node in plan.nodes if (entry := stored_entry(node, store)) is not None]


def _folder(node: Node, store: Store) -> str:
    entry = stored_entry(node, store)
    return f"{node.kind}/{entry.folder.name if entry else node.folder_name}"


def _short_name(node: Node) -> str:
    """Return a training's name without the model's name."""
    assert isinstance(node.stage, Train)
    return node.name.removeprefix(f"{node.stage.model.name}.")


def _training_row(node: Node, result: TrainResult) -> tuple[TableCell, ...]:
    assert isinstance(node.stage, Train)
    return _texts(
        f"{_short_name(node)} (seed {node.stage.config.seed})",
        of(result.rows_used, result.rows_expected),
        f"{count(result.trainable_parameters)} (+ {count(result.head_parameters)})",
        count(result.steps),
        seconds(result.examples_per_second),
        seconds(result.tokens_per_second),
        seconds(result.seconds),
        mebibytes(result.peak_memory_bytes),
        mebibytes(result.predicted_memory_bytes),
        _selected(node.stage, result),
    )


def _selected(train: Train, result: TrainResult) -> str:
    """Return which step's weights were kept, and how that step was chosen."""
    chosen = result.selected_on
    if not chosen:
        return "last step"
    metrics = " and ".join(dict.fromkeys(task.metrics[0] for task in train.tasks))
    score = next((each.score for each in result.development if each.step == result.selected_step), None)
    shown = f", {metrics} {percent(score)}%" if score is not None else ""
    return f"step {count(result.selected_step)}, best on the {chosen}{shown}"


def _rows_read(plan: Plan) -> Iterable[tuple[str, Rows]]:
    for evaluate in (each for tuning in plan.tunings for each in tuning.tuned.evaluations):
        yield f"choosing learning rates: {evaluate.task.name}", evaluate.task.rows_in(evaluate.language)
    trainings = dict.fromkeys(train for evaluate in plan.recipe.evaluations for train in training_path(evaluate))
    for train in trainings:
        for task in train.tasks:
            yield from ((f"training {task.name}", rows) for rows in task.train)
            if isinstance(train.config.selection, Best):
                yield from ((f"selecting {task.name}", rows) for rows in task.development)
    merged = dict.fromkeys(merge for evaluate in plan.recipe.evaluations for merge in merges(evaluate))
    for search in (found for merge in merged if (found := merge.rule.search) is not None):
        yield from ((f"weighing by {search.task.name}", rows) for rows in search.task.development)
    for evaluate in plan.recipe.evaluations:
        yield f"evaluating {evaluate.task.name}", evaluate.task.rows_in(evaluate.language)
        yield from ((f"candidates of {evaluate.task.name}", rows) for rows in evaluate.task.pool)


def _checkpoint(evaluate: Evaluate) -> ModelSpec:
    return evaluate.checkpoint


def _digest(plan: Plan, item: Rows | ModelSpec) -> str:
    """Return a short digest (`sha256:1f3a9c7e5b20`) or a hub commit. Say so if the content was not available."""
    digest = plan.identities.place(item).digest
    if digest is None:
        return "not available when this report was written"
    if digest.startswith("sha256:"):
        return digest[: len("sha256:") + 12]
    return f"hub commit {digest.rsplit('@', 1)[-1][:12]}"


def _texts(*texts: str) -> tuple[TableCell, ...]:
    return tuple(TableCell(text or NOTHING) for text in texts)
