"""Carry out a merge: load modules and heads from the store, combine them, and store the result as one module."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.families import backbone_over
from adaptx.backbones.loading import load_network
from adaptx.composition.assembly import assemble
from adaptx.composition.merging.modules import MergedTensors, merge_modules
from adaptx.composition.merging.searching import Weights, WeightSearchResult, greedy_soup, lora_hub
from adaptx.errors import NotFinite
from adaptx.execution.building import head_base, head_name, new_head, stored_heads
from adaptx.execution.development import development_score, development_sets
from adaptx.execution.environment import environment
from adaptx.execution.workshop import Workshop
from adaptx.formats.averaging import aligned, averaged
from adaptx.formats.heads import save_heads
from adaptx.formats.interface import HeadBase, TrainedHead, reading_of
from adaptx.methods import attach
from adaptx.methods.module import Module, capture, restore, save_module
from adaptx.planning.framings import has_head, search_framing
from adaptx.planning.lineage import answering_training, head_of
from adaptx.planning.naming import path_of_tasks
from adaptx.planning.plan import Node, stage_record
from adaptx.profiling.peak_memory import PeakMemory, peak_memory
from adaptx.specs import (
    AveragedHeads,
    Full,
    GreedySoup,
    KeptHeadOf,
    Linear,
    Merge,
    MergeRule,
    NoHead,
    TaskFormat,
    WeightSearch,
)
from adaptx.specs.linear_maps import SITES
from adaptx.specs.sites import Key, sites_of
from adaptx.store.record_json import to_json
from adaptx.store.records import RESULT_FILE, MergeResult, SearchStep
from adaptx.store.store import write_json
from adaptx.training.progress import Progress

Heads = dict[str, TrainedHead]
Place = tuple[int | None, str]
"""(layer, site), such as `(3, "query")`."""


def execute_merge(node: Node, shop: Workshop, progress: Progress) -> None:
    """Carry out one merge and store its result.

    Raises:
        UserError: the modules do not fit each other.
    """
    merge = node.stage
    assert isinstance(merge, Merge)
    progress.start(node.name, 1, "merge")
    # New heads and modules draw random numbers that are overwritten, so the caller's generator is restored afterwards.
    with peak_memory(shop.device) as peak, torch.random.fork_rng(devices=[]):
        began = time.perf_counter()
        work = _gather(merge, shop)
        search = merge.rule.search
        found = _search(merge, search, work, shop) if search is not None else None
        rule = merge.rule if found is None else Linear(found.weights)
        merged = merge_modules(work.modules, rule, work.base, work.biased)
        heads = _averaged_or_kept_heads(merge, rule, work)
        seconds = time.perf_counter() - began
    module = Module("module", merge.method, shop.base_digest(merge.model), merged.tensors)
    with shop.store.building(stage_record(node)) as folder:
        save_module(module, folder)
        save_heads(heads, folder)
        write_json(folder / RESULT_FILE, to_json(_result(merge, rule, merged, found, heads, seconds, peak, shop)))
    progress.advance(1)


@dataclass(frozen=True, kw_only=True)
class _MergeWork:
    """The inputs of a merge.

    heads: for each name, the heads to average, or the single head to keep.
    base: copies of the checkpoint's own tensors; None unless the method is full fine-tuning.
    biased: the linear maps that have a bias.
    network: the bare checkpoint.
    made_for: the facts about `network` that new heads depend on.
    """

    modules: list[Module]
    heads: dict[str, list[TrainedHead]]
    base: dict[Key, Tensor] | None
    biased: frozenset[Place]
    network: Any
    made_for: HeadBase


def _gather(merge: Merge, shop: Workshop) -> _MergeWork:
    # Full fine-tunings are merged as differences from the checkpoint's weights, so these are loaded in fp32.
    bf16 = not merge.method.whole and answering_training(merge).config.precision == "bf16"
    network: Any = load_network(merge.model, shop.sources, bf16=bf16)
    base = capture(attach(network, sites_of(network), Full(), "")) if merge.method.whole else None
    made_for = head_base(network, merge.model, shop)
    match merge.head:
        case AveragedHeads():
            every = [stored_heads(stage, shop, made_for) for stage in merge.stages]
        case KeptHeadOf(place):
            every = [stored_heads(merge.stages[place], shop, made_for)]
        case NoHead():
            every = [Heads()]
    heads = {name: aligned([each[name] for each in every]) for name in every[0]}
    maps = sites_of(network).modules(SITES)
    biased = frozenset(place for path, place in maps.items() if network.get_submodule(path).bias is not None)
    return _MergeWork(
        modules=[shop.module(stage) for stage in merge.stages],
        heads=heads,
        base=base,
        biased=biased,
        network=network,
        made_for=made_for,
    )


def _averaged_or_kept_heads(merge: Merge, rule: MergeRule, work: _MergeWork) -> Heads:
    if not isinstance(merge.head, AveragedHeads):
        return {name: head for name, (head,) in work.heads.items()}
    weights = rule.linear_weights(len(merge.stages)) if isinstance(rule, Linear) else None

    def new(task_format: TaskFormat) -> nn.Module:
        return new_head(task_format, work.made_for)

    return {name: averaged(heads, weights, new) for name, heads in work.heads.items()}


def _search(merge: Merge, search: WeightSearch, work: _MergeWork, shop: Workshop) -> WeightSearchResult:
    score = _development_score_of_weights(merge, search, work, shop)
    if isinstance(search.by, GreedySoup):
        return greedy_soup(score, len(merge.stages))
    return lora_hub(score, len(merge.stages), search.by)


def _development_score_of_weights(
    merge: Merge, search: WeightSearch, work: _MergeWork, shop: Workshop
) -> Callable[[Weights], float]:
    train, task = answering_training(merge), search.task
    own: dict[Key, nn.Parameter] = assemble(work.network, merge, shop.module).own
    backbone = backbone_over(work.network).to(shop.device)
    reading = reading_of(
        merge.model, shop.rows.tokenizer(merge.model), search_framing(merge, task), train.config.max_length
    )
    evaluator = shop.evaluator(backbone, reading, train.config.precision, search.limit)
    sets = development_sets((task,), shop.rows, search.limit)
    served = head_of(merge, task)

    def score(weights: Weights) -> float:
        rule = Linear(weights)
        restore(own, merge_modules(work.modules, rule, work.base, work.biased).tensors)
        head = None
        if served is not None and has_head(train, served):
            head = _averaged_or_kept_heads(merge, rule, work)[head_name(train, served)]
            head.module.to(shop.device)
        evaluator.memory.clear()
        try:
            return development_score(sets, lambda task, rows: evaluator.predict(rows, task, head))
        except NotFinite as error:
            raise NotFinite(f"merged with weights {weights}: {error}") from error

    return score


def _result(
    merge: Merge,
    rule: MergeRule,
    merged: MergedTensors,
    found: WeightSearchResult | None,
    heads: Heads,
    seconds: float,
    peak: PeakMemory,
    shop: Workshop,
) -> MergeResult:
    search = merge.rule.search
    return MergeResult(
        seconds=seconds,
        rule=rule,
        merged=tuple(path_of_tasks(stage) for stage in merge.stages),
        weights=rule.linear_weights(len(merge.stages)),
        searched_on=f"development set of {search.task.name}" if search is not None else None,
        search=tuple(SearchStep(weights, score) for weights, score in found.tried) if found is not None else None,
        kept_of_squared_norm=merged.kept,
        parameters=sum(tensor.numel() for tensor in merged.tensors.values()),
        head_parameters=sum(p.numel() for head in heads.values() for p in head.module.parameters()),
        peak_memory_bytes=peak.peak_bytes,
        memory_measure=peak.measure,
        environment=environment(shop.device),
    )
