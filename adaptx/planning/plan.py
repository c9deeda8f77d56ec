"""The plan: the distinct stages of a recipe in order, which of them are stored, and why the others are not."""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from adaptx.errors import UserError
from adaptx.planning.contrasts import contrast_reasons
from adaptx.planning.identity import Identities, Identity, modules_read
from adaptx.planning.namesakes import namesake_reasons
from adaptx.planning.naming import stage_name
from adaptx.planning.support import refusal
from adaptx.planning.tuning import Choices, Tuning, choose, searches
from adaptx.published.checking import module_refusal
from adaptx.sources.checkpoint_files import check_folder
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Merge, ModuleStage, Recipe, Stage, Train, Tuned
from adaptx.specs.fingerprint import Json
from adaptx.specs.plain import to_plain
from adaptx.store.entry import Entry
from adaptx.store.integrity import DamagedStage
from adaptx.store.records import StageRecord
from adaptx.store.store import Store, folder_name


class Status(enum.Enum):
    """The state of a stage in the store.

    UNCHECKED: the stage was found by the names and revisions of its inputs, because their digests are unknown.
    SCORES_ONLY: the weights are not stored, and no stage that still has to run needs them.
    """

    STORED = "stored"
    UNCHECKED = "stored (input not checked)"
    SCORES_ONLY = "stored (scores only)"
    TO_DO = "to do"


KIND: dict[type[Stage], str] = {Train: "train", Merge: "merge", Evaluate: "evaluate"}


@dataclass(frozen=True)
class Node:
    """One distinct stage of a plan. inputs: fingerprints of its input stages."""

    stage: Stage
    identity: Identity
    inputs: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Node {self.kind}/{self.folder_name}>"

    @property
    def fingerprint(self) -> str:
        return self.identity.fingerprint

    @property
    def kind(self) -> str:
        return KIND[type(self.stage)]

    @property
    def name(self) -> str:
        return stage_name(self.stage)

    @property
    def folder_name(self) -> str:
        return folder_name(self.name, self.fingerprint)

    def is_done(self, entry: Entry | None) -> bool:
        """Return whether `entry` holds the whole result of the stage: an evaluation's scores, or a module's weights."""
        return entry is not None and (self.kind == "evaluate" or entry.has_module)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The distinct stages of a recipe, as nodes. Every stage comes after its inputs.

    Attributes:
        recipe: the recipe, with a number in place of each search for a learning rate: the chosen one or, until the
            search is stored, the middle of the grid.
        nodes: the stages that can run now. Stages that wait for a search are in `later` instead.
        identities: the identities of all stages.
        ready: the recipe's evaluations that wait for no search, each once.
        tunings: the searches for learning rates, with their scores.
        choices: the learning rate that each search of the given recipe chose.
        later: the stages that wait for a search, with the middle of its grid as the learning rate. Their costs are
            right, and their fingerprints are not.
    """

    recipe: Recipe
    nodes: tuple[Node, ...]
    identities: Identities
    ready: tuple[Evaluate, ...]
    tunings: tuple[Tuning, ...] = ()
    choices: Mapping[Tuned, float] = field(default_factory=dict[Tuned, float])
    later: tuple[Node, ...] = ()

    def __repr__(self) -> str:
        return f"<Plan of {self.recipe.name}: {len(self.nodes)} stages>"

    def fingerprint_of(self, stage: Stage) -> str:
        return self.identities.of(stage).fingerprint

    def chosen(self, stage: ModuleStage) -> ModuleStage:
        """Return a training or merge of the given recipe, with the learning rates that the searches chose."""
        return Choices(self.choices).module(stage)

    @cached_property
    def modules(self) -> frozenset[str]:
        """Fingerprints of all trainings and merges."""
        return frozenset(node.fingerprint for node in self.nodes if node.kind != "evaluate")

    @cached_property
    def intermediate(self) -> frozenset[str]:
        """Fingerprints of the stages that a training or merge of the plan uses as inputs."""
        return frozenset(key for node in self.nodes if node.kind != "evaluate" for key in node.inputs)

    def transient(self, node: Node) -> bool:
        """Return whether a run removes a stage's weights once its evaluations are stored.

        This applies to fully fine-tuned stages that do not set `keep` and on which no training or merge builds.
        """
        stage = node.stage
        return (
            not isinstance(stage, Evaluate)
            and stage.method.whole
            and not stage.keep
            and node.fingerprint not in self.intermediate
        )

    def weights_that_go(self, store: Store) -> list[Node]:
        """Return the stages whose weights a run without `keep` removes, whether it finds them stored or trains them."""
        transient = [node for node in self.nodes if self.transient(node)]
        statuses = self.statuses(store) if transient else {}
        there = (Status.TO_DO, Status.STORED, Status.UNCHECKED)
        return [node for node in transient if statuses[node.fingerprint] in there]

    def _must_keep_weights(self, node: Node, keep: bool) -> bool:
        # `keep` affects only fully fine-tuned stages on which no training or merge builds. Other weights are needed
        # only by further stages.
        stage = node.stage
        full = not isinstance(stage, Evaluate) and stage.method.whole and (keep or stage.keep)
        return full and node.fingerprint not in self.intermediate

    def statuses(self, store: Store, keep: bool = False) -> dict[str, Status]:
        """Return the status of each node, by fingerprint.

        A training or merge is `TO_DO` if its stored result is damaged, if its weights are missing and a `TO_DO` stage
        needs them, or if they are missing and must be kept.

        keep: whether to keep the weights of every fully fine-tuned stage on which no training or merge builds.
        """
        found = {node.fingerprint: stored_entry(node, store) for node in self.nodes}
        damaged = store.damaged()
        wanted: set[str] = set()
        statuses: dict[str, Status] = {}
        for node in reversed(self.nodes):
            key, entry = node.fingerprint, found[node.fingerprint]
            if node.kind == "evaluate":
                present, needed = entry is not None, True
            else:
                present = node.is_done(entry)
                lost = entry is None and (node.kind, key[:8]) in damaged
                needed = key in wanted or self._must_keep_weights(node, keep) or lost
            if present:
                statuses[key] = Status.STORED if node.identity.resolved else Status.UNCHECKED
            elif needed:
                statuses[key] = Status.TO_DO
                wanted.update(node.inputs)
            else:
                statuses[key] = Status.SCORES_ONLY
        return statuses

    def why(self, node: Node, store: Store) -> list[str]:
        """Return why a stage has to run. If another stage of its name is stored, these are the differences between the
        two, such as `config.seed: 1 -> 2`.
        """
        namesakes = [
            entry.record
            for entry in store.entries().values()
            if entry.kind == node.kind and entry.record.name == node.name and entry.fingerprint != node.fingerprint
        ]
        entry = store.find(node.fingerprint)
        if entry is not None:
            return ["its weights were removed once its scores were stored, and another stage needs them now"]
        if not namesakes:
            return ["nothing is stored under this name"]
        nearest = min((differences(r.identity, node.identity.json) for r in namesakes), key=len)
        return [self._explain(line) for line in nearest]

    def _explain(self, line: tuple[str, Json, Json]) -> str:
        where, old, new = line
        if where == "model" or where.startswith(("start.inputs", "inputs")):
            changed = next((other.name for other in self.nodes if other.fingerprint == new), None)
            if changed is not None:
                return f"its input {changed} changed"
        return f"{where}: {_short(old)} -> {_short(new)}"


def make_plan(recipe: Recipe, sources: Sources, store: Store | None = None) -> Plan:
    """Return the plan of a recipe.

    store: has the scores of searches for learning rates. Without a store, no learning rate is chosen.

    Raises:
        UserError: a stage cannot run, rows or weights are missing, or a value (such as NaN) has no stable hash.
    """
    identities = Identities(sources)
    try:
        choices, tunings = choose(recipe.evaluations, lambda each: _stored_score(each, identities, store))
        choosing = Choices(choices)
        chosen = choosing.recipe(recipe) if tunings else recipe
        made = zip(chosen.evaluations, recipe.evaluations, strict=True)
        ready = tuple(dict.fromkeys(each for each, given in made if not tunings or choosing.all_made(given)))
        trials = [each for tuning in tunings for each in tuning.tuned.evaluations]
        trials_later = [choosing.evaluate(each) for tuned in searches(recipe.evaluations) for each in tuned.evaluations]
        ordered = _inputs_first([*trials, *ready])
        every = _inputs_first([*ordered, *trials_later, *chosen.evaluations])
    except TypeError as error:
        raise UserError(f"recipe {recipe.name}: {error}; the fields of specs take tuples, not lists or sets") from error
    _raise_if_refused(chosen, every, sources)
    nodes = _nodes(ordered, identities)
    known = {node.fingerprint for node in nodes}
    waiting = _nodes(every, identities) if len(every) > len(ordered) else ()
    later = tuple(node for node in waiting if node.fingerprint not in known)
    return Plan(
        recipe=chosen,
        nodes=nodes,
        identities=identities,
        ready=ready,
        tunings=tunings,
        choices=choices,
        later=later,
    )


def _inputs_first(stages: Iterable[Stage]) -> list[Stage]:
    ordered: dict[Stage, None] = {}

    def visit(stage: Stage) -> None:
        if stage in ordered:
            return
        for earlier in stage.inputs:
            visit(earlier)
        ordered[stage] = None

    for stage in stages:
        visit(stage)
    return list(ordered)


def _raise_if_refused(recipe: Recipe, ordered: list[Stage], sources: Sources) -> None:
    reasons = list(dict.fromkeys(reason for stage in ordered if (reason := refusal(stage)) is not None))
    elsewhere = dict.fromkeys(module for stage in ordered for module in modules_read(stage))
    reasons += [reason for module in elsewhere if (reason := module_refusal(module, sources)) is not None]
    reasons += _unreadable_checkpoint_reasons(ordered, sources)
    reasons += namesake_reasons(ordered)
    reasons += contrast_reasons(recipe)
    if reasons:
        raise UserError("this recipe cannot run:\n" + "\n".join(f"  - {reason}" for reason in reasons))


def _nodes(ordered: list[Stage], identities: Identities) -> tuple[Node, ...]:
    # Each model is followed by its evaluations, so a runner loads it only once.
    nodes: dict[str, Node] = {}
    for stage in ordered:
        nodes.setdefault(identities.of(stage).fingerprint, _node(stage, identities))
    of_module: dict[tuple[str, ...], list[Node]] = {}
    for node in nodes.values():
        if node.kind == "evaluate":
            of_module.setdefault(node.inputs, []).append(node)
    modules = [node for node in nodes.values() if node.kind != "evaluate"]
    bare = of_module.get((), [])
    inner = [each for module in modules for each in (module, *of_module.get((module.fingerprint,), ()))]
    return (*bare, *inner)


def _node(stage: Stage, identities: Identities) -> Node:
    return Node(stage, identities.of(stage), tuple(identities.of(earlier).fingerprint for earlier in stage.inputs))


def _stored_score(evaluate: Evaluate, identities: Identities, store: Store | None) -> float | None:
    entry = stored_entry(_node(evaluate, identities), store) if store is not None else None
    if entry is None or store is None:
        return None
    try:
        return entry.scores.metrics[evaluate.task.metrics[0]]
    except DamagedStage as damage:
        store.leave_out(entry, damage)
        return None


def _unreadable_checkpoint_reasons(stages: Iterable[Stage], sources: Sources) -> Iterator[str]:
    for model in dict.fromkeys(each.checkpoint if isinstance(each, Evaluate) else each.model for each in stages):
        folder = sources.model_folder(model)
        try:
            if folder is not None:
                check_folder(folder)
        except UserError as error:
            yield str(error)


def stored_entry(node: Node, store: Store) -> Entry | None:
    """Return the node's entry in the store, or None. If digests are unknown, it is looked up by nominal fingerprint."""
    if node.identity.resolved:
        return store.find(node.fingerprint)
    return store.find_nominal(node.identity.nominal)


def differences(old: Json, new: Json, path: str = "") -> list[tuple[str, Json, Json]]:
    """Return each place (such as `a.b[0]`) at which two JSON values differ, with the old and the new value."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys: Iterable[Any] = dict.fromkeys((*old, *new))
        dot = f"{path}." if path else ""
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{dot}{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for index, pair in enumerate(zip(old, new, strict=True))
            for line in differences(*pair, f"{path}[{index}]")
        ]
    return [] if old == new else [(path, old, new)]


def _short(value: Json) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def stage_record(node: Node) -> StageRecord:
    return StageRecord(
        name=node.name,
        kind=node.kind,
        fingerprint=node.fingerprint,
        nominal=node.identity.nominal,
        inputs=node.inputs,
        identity=node.identity.json,
        spec=to_plain(node.stage),
    )
