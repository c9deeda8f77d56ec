"""Merges as stages: planned, carried out, stored, evaluated, continued, and equal to what they were made of."""

import dataclasses
import json
import shutil

import pytest
import torch
from support import needs, tiny

from adaptx.costs.stages import cost
from adaptx.display.plan import Placement, plan_json
from adaptx.errors import UserError
from adaptx.execution.building import finished_model, model_to_train
from adaptx.execution.predicting import predict_file
from adaptx.execution.scoring import score_file
from adaptx.formats.interface import TrainedHead
from adaptx.methods.module import capture
from adaptx.planning.edits import Edits
from adaptx.planning.lineage import Lineage, lineage
from adaptx.planning.naming import factors, merges, stage_name, training_path
from adaptx.planning.plan import Status, make_plan
from adaptx.planning.pruning import unreached
from adaptx.planning.support import refusal
from adaptx.planning.zero_shot import source_languages
from adaptx.report.results.measured import measure
from adaptx.specs import (
    AveragedHeads,
    Bottleneck,
    Dare,
    Evaluate,
    Full,
    Fuse,
    GreedySoup,
    Hidden,
    Ia3,
    KeptHead,
    KeptHeadOf,
    Linear,
    Lora,
    LoraHub,
    MagnitudePruning,
    Merge,
    Merged,
    NoHead,
    Pooling,
    Recipe,
    Resources,
    Retrieval,
    Sequential,
    Stack,
    SvdRank,
    Task,
    TaskArithmetic,
    Ties,
    Train,
    WeightSearch,
)
from adaptx.specs.plain import from_plain, to_plain
from adaptx.store.store import Store
from adaptx.tracking.address import Address
from adaptx.tracking.process import Session, Work

FULL, LORA, ADAPTER = Full(), Lora(4, 8), Bottleneck(4)
OTHER_LORA = Lora(6, 9, sites=("value", "up"))
BIASED = Lora(4, 8, 0.0, ("query", "up"), True, (("up", 6),), (("query", 12),))
METHODS = {"full": FULL, "lora": LORA, "other-lora": OTHER_LORA, "biased": BIASED, "bottleneck": ADAPTER, "ia3": Ia3()}
SETTING = tiny.config(learning_rate=2e-2, max_steps=4, batch_size=16)
HEAD = KeptHeadOf(0)
PLAIN = tiny.ModelSpec("tiny/bert")
OTHER_BASE = tiny.ModelSpec("tiny/xlm-roberta")
IDENTITIES = {
    "linear": Linear(),
    "linear-weight-1": Linear((1.0,)),
    "task-arithmetic": TaskArithmetic(),
    "ties": Ties(density=1.0),
    "dare": Dare(drop_rate=0.0),
    "dare-ties": Dare(drop_rate=0.0, combine=Ties(density=1.0)),
    "pruning": MagnitudePruning(density=1.0),
}
NONLINEAR = {
    "ties": Ties(0.5),
    "dare": Dare(0.5),
    "dare-ties": Dare(0.5, combine=Ties(0.5, 0.7)),
    "pruning": MagnitudePruning(0.5),
}


def nli(method=LORA, model=PLAIN, seed=1, **more) -> Train:
    return tiny.train(model, tiny.NLI, method, setting=dataclasses.replace(SETTING, seed=seed), **more)


def turned(method=LORA, model=PLAIN, **more) -> Train:
    """The labels in another order."""
    return tiny.train(model, tiny.NLI_TURNED, method, setting=SETTING, **more)


def topic(method=LORA, model=PLAIN, **more) -> Train:
    return tiny.train(model, tiny.TOPIC, method, setting=SETTING, **more)


@pytest.fixture(scope="module")
def store(world, tmp_path_factory):
    """NLI, NLI with its labels turned, and topics, trained under every method."""
    folder = tmp_path_factory.mktemp("earlier")
    trains = [
        train
        for model in world.models.values()
        for method in filter(needs.at_hand, METHODS.values())
        for train in (
            nli(method, model, keep=True),
            nli(method, model, seed=2, keep=True),
            turned(method, model, keep=True),
            topic(method, model, keep=True),
        )
        if model == world.bert or train_on_both(train)
    ]
    stages = tuple(tiny.Evaluate(train, tiny.TATOEBA, "xa") for train in trains)
    _, _, summary = tiny.execute(world, folder, stages, keep=True)
    assert summary.complete, summary.failed
    return folder


def train_on_both(train: Train) -> bool:
    return train.config.seed == 1 and train.task in (tiny.NLI, tiny.TOPIC) and train.method != OTHER_LORA


def finished(world, store, stage, precision="fp32"):
    _, shop, summary = tiny.execute(world, store, (Evaluate(stage, tiny.TATOEBA, "xa"),), keep=True)
    assert summary.complete, summary.failed
    return finished_model(stage, shop, precision)


def logits(world, model, architecture="bert") -> torch.Tensor:
    (head,) = model.heads.values()
    with torch.no_grad():
        return head.module(model.backbone.pooled(tiny.token_batch(world, architecture), Hidden()))


def hidden(world, model, architecture="bert") -> torch.Tensor:
    return tiny.hidden_states(model.backbone.network.eval(), tiny.token_batch(world, architecture))


# One module merged alone is that module.


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("rule", IDENTITIES)
@pytest.mark.parametrize(
    "method", needs.each({name: METHODS[name] for name in ("full", "lora", "biased", "bottleneck", "ia3")})
)
def test_one_module_with_weight_one_is_that_module_to_the_last_bit(world, store, method, rule, architecture):
    train = nli(method, world.models[architecture], keep=True)
    merge = Merge((train,), IDENTITIES[rule], HEAD, keep=True)
    merged, alone = finished(world, store, merge), finished(world, store, train)
    assert merge.method == method
    assert torch.equal(logits(world, merged, architecture), logits(world, alone, architecture))
    assert (hidden(world, merged, architecture) - tiny.hidden_states(
        tiny.bare(world, architecture), tiny.token_batch(world, architecture)
    )).abs().max() > 0.02, "the module does nothing"  # fmt: skip


@pytest.mark.parametrize("method", needs.each(METHODS))
def test_copies_of_one_module_average_to_it(world, store, method):
    """However the sum is written, its result is the module's; LoRA's rank grows, its logits do not change."""
    train = nli(method, world.bert, keep=True)
    for rule in (Linear(), Linear((0.25, 0.5, 0.25)), TaskArithmetic(0.5, (1.0, 2.0, -1.0)), Ties(1.0)):
        if isinstance(method, Bottleneck) and isinstance(rule, TaskArithmetic):
            continue
        merged = finished(world, store, Merge((train,) * 3, rule, HEAD, keep=True))
        expected = logits(world, finished(world, store, train))
        torch.testing.assert_close(logits(world, merged), expected, atol=2e-5, rtol=1e-5)


def test_loras_of_other_ranks_scales_and_sites_are_added_as_updates(world, store):
    """The merged model's output is that of a network whose weights have both updates added."""
    pair = (nli(LORA, world.bert, keep=True), topic(OTHER_LORA, world.bert, keep=True))
    merge = Merge(pair, Linear((0.7, 0.4)), HEAD)
    assert merge.method == Lora(10, 10.0, 0.0, ("query", "value", "up"))
    model = finished(world, store, merge)
    _, shop, _ = tiny.execute(world, store, (Evaluate(merge, tiny.TATOEBA, "xa"),))
    network = tiny.bare(world, "bert").double()
    for train, weight in zip(pair, (0.7, 0.4), strict=True):
        tensors = shop.module(train).tensors
        for (layer, site, tensor), up in tensors.items():
            if tensor != "lora_B":
                continue
            attention = network.encoder.layer[layer].attention.self
            place = {
                "query": attention.query,
                "value": attention.value,
                "up": network.encoder.layer[layer].intermediate.dense,
            }
            delta = up.double() @ tensors[layer, site, "lora_A"].double()
            with torch.no_grad():
                place[site].weight += weight * train.method.alpha / train.method.rank * delta
    expected = tiny.hidden_states(network, tiny.token_batch(world, "bert"))
    torch.testing.assert_close(hidden(world, model).double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rule", NONLINEAR)
@pytest.mark.parametrize("method", needs.each(METHODS))
def test_a_merged_module_comes_back_as_it_was_saved(world, store, method, rule):
    """What was attached while merging, what lies in the store, and what a new process would read are one."""
    pair = (nli(method, world.bert, keep=True), topic(method, world.bert, keep=True))
    merge = Merge(pair, NONLINEAR[rule], HEAD, keep=True)
    first = finished(world, store, merge)
    plan, shop = tiny.workshop(world, store, (Evaluate(merge, tiny.TATOEBA, "xa"),))
    module = shop.module(merge)
    assert module.method == merge.method
    assert torch.equal(logits(world, first), logits(world, finished_model(merge, shop, "fp32")))
    again = tiny.folder_of(plan, shop, merge)
    header = json.loads((again / "module.json").read_text())
    assert from_plain(header["method"]) == merge.method


# Heads.


def only(model) -> TrainedHead:
    (head,) = model.heads.values()
    return head


def test_a_kept_head_is_that_of_its_place(world, store):
    pair = (nli(LORA, world.bert, keep=True), topic(LORA, world.bert, keep=True))
    for place, train in enumerate(pair):
        model = finished(world, store, Merge(pair, Linear(), KeptHeadOf(place)))
        alone = finished(world, store, train)
        assert only(model).format == train.task.format
        assert torch.equal(only(model).module.linear.weight, only(alone).module.linear.weight)
    assert finished(world, store, Merge(pair, Linear(), NoHead())).heads == {}


def test_heads_are_averaged_by_the_labels_names(world, store):
    pair = (nli(LORA, world.bert, keep=True), turned(LORA, world.bert, keep=True))
    order = [tiny.NLI_TURNED.format.labels.index(label) for label in tiny.NLI.format.labels]
    first, second = (only(finished(world, store, train)).module.linear for train in pair)
    for rule, (one, other) in {Linear((3.0, 1.0)): (0.75, 0.25), Linear(): (0.5, 0.5), Ties(): (0.5, 0.5)}.items():
        head = only(finished(world, store, Merge(pair, rule, AveragedHeads())))
        assert head.format == tiny.NLI.format
        torch.testing.assert_close(head.module.linear.weight, one * first.weight + other * second.weight[order])
        torch.testing.assert_close(head.module.linear.bias, one * first.bias + other * second.bias[order])


# Continued.


@pytest.mark.parametrize("method", needs.each({name: METHODS[name] for name in ("full", "lora", "bottleneck", "ia3")}))
def test_a_merged_module_is_continued_where_the_method_agrees(world, store, method):
    pair = (nli(method, world.bert, keep=True), topic(method, world.bert, keep=True))
    rule = SvdRank(4) if isinstance(method, Lora) else Linear()
    merge = Merge(pair, rule, HEAD, keep=True)
    train = tiny.train(world.bert, tiny.NLI, method, setting=SETTING, start=Merged(merge), head=KeptHead())
    assert lineage(train) == Lineage(continued=merge)
    model = finished(world, store, merge)
    _, shop = tiny.workshop(world, store, (Evaluate(train, tiny.TATOEBA, "xa"),))
    fresh = model_to_train(train, shop)
    own, stored = capture(fresh.assembly.own), shop.module(merge).tensors
    assert own.keys() == stored.keys()
    assert all(torch.equal(own[key], stored[key]) for key in own)
    assert torch.equal(only(fresh).module.linear.weight, only(model).module.linear.weight)


def test_a_merge_of_another_rank_is_frozen_below_a_new_module(world, store):
    pair = (nli(LORA, world.bert, keep=True), topic(LORA, world.bert, keep=True))
    merge = Merge(pair, Linear(), NoHead())
    train = nli(LORA, world.bert, start=Merged(merge))
    assert merge.method == Lora(8, 16)
    assert lineage(train) == Lineage(frozen=(merge,))
    model = finished(world, store, merge)
    _, shop = tiny.workshop(world, store, (Evaluate(train, tiny.TATOEBA, "xa"),))
    began = tiny.hidden_states(model_to_train(train, shop).backbone.network.eval(), tiny.token_batch(world, "bert"))
    assert torch.equal(began, hidden(world, model))


def test_merges_stand_on_what_their_trainings_stand_on():
    base = topic(FULL)
    pair = (nli(LORA, start=Sequential(base)), turned(LORA, start=Sequential(base)))
    merge = Merge(pair, Linear(), HEAD)
    assert lineage(merge) == Lineage(frozen=(base,))
    assert lineage(nli(Lora(2), start=Merged(merge))) == Lineage(frozen=(base, merge))
    # Whole weights hold what lay below them.
    whole = Merge((nli(FULL, start=Sequential(topic(LORA))), nli(FULL)), Linear(), HEAD)
    assert lineage(whole) == Lineage()
    assert lineage(nli(LORA, start=Merged(whole))) == Lineage(frozen=(whole,))
    assert lineage(nli(FULL, start=Merged(whole))) == Lineage(continued=whole)


# The whole way.


def recipe_stages(world) -> tuple[Evaluate, ...]:
    pair = (nli(LORA, world.bert), topic(LORA, world.bert))
    ties = Merge(pair, Ties(0.5), HEAD)
    after = nli(LORA, world.bert, start=Merged(Merge(pair, SvdRank(4), NoHead())))
    soup = Merge(
        (nli(LORA, world.bert), nli(LORA, world.bert, seed=2)),
        Linear(WeightSearch(tiny.NLI, GreedySoup())),
        AveragedHeads(),
    )
    hub = Merge(pair, Linear(WeightSearch(tiny.NLI, LoraHub(evaluations=7), limit=12)), HEAD)
    return tuple(e for model in (nli(LORA, world.bert), ties, after, soup, hub) for e in tiny.everywhere(model))


@pytest.fixture(scope="module")
def done(world, tmp_path_factory):
    stages = recipe_stages(world)
    plan, shop, summary = tiny.execute(world, tmp_path_factory.mktemp("whole") / "store", stages)
    assert summary.complete, summary.failed
    return stages, plan, shop


def merge_nodes(plan):
    return [node for node in plan.nodes if node.kind == "merge"]


def test_a_recipe_with_merges_runs_and_is_stored(done):
    _, plan, shop = done
    assert set(plan.statuses(shop.store).values()) == {Status.STORED}
    assert len(merge_nodes(plan)) == 4
    for node in merge_nodes(plan):
        folder = tiny.folder_of(plan, shop, node.stage)
        assert folder.parent.name == "merge"
        names = {each.name for each in folder.iterdir()}
        head = set() if isinstance(node.stage.head, NoHead) else {"head.json", "head.safetensors"}
        assert names == {"stage.json", "module.json", "module.safetensors", "result.json", "complete"} | head
        record = json.loads((folder / "stage.json").read_text())
        assert record["kind"] == "merge"
        assert from_plain(record["spec"]) == node.stage
        result = json.loads((folder / "result.json").read_text())
        assert result["seconds"] > 0
        assert result["peak_memory_bytes"] >= 0
    assert list((shop.store.root / "working").iterdir()) == []
    order = [node.fingerprint for node in plan.nodes]
    for place, node in enumerate(plan.nodes):
        assert all(order.index(key) < place for key in node.inputs)


def test_searched_weights_are_recorded_with_what_was_tried(done):
    _, plan, shop = done
    found = {}
    for node in merge_nodes(plan):
        rule = node.stage.rule
        if isinstance(rule, Linear) and isinstance(rule.weights, WeightSearch):
            found[type(rule.weights.by)] = json.loads(
                (tiny.folder_of(plan, shop, node.stage) / "result.json").read_text()
            )
    soup, hub = found[GreedySoup], found[LoraHub]
    assert soup["searched_on"] == "development set of nli"
    assert len(soup["search"]) == 3
    assert soup["weights"] in ([1.0, 0.0], [0.0, 1.0], [0.5, 0.5])
    assert len(hub["search"]) == 7
    assert hub["search"][0]["weights"] == [0.5, 0.5]
    assert hub["weights"] in [tried["weights"] for tried in hub["search"]]


def test_the_report_counts_all_that_a_merge_rests_on(done):
    _, plan, shop = done
    measured = {m.evaluate.model: m for m in measure(plan, shop.store).measured}
    for model, one in measured.items():
        results = [shop.entry(each).result for each in (*training_path(one.evaluate), *merges(one.evaluate))]
        assert one.path_seconds == pytest.approx(sum(result.seconds for result in results))
        assert one.peak_memory_bytes == max(
            result.peak_memory_bytes for result in (*results, shop.entry(one.evaluate).result)
        )
        if isinstance(model, Merge):
            assert len(one.path) == 2
            assert one.merges
    assert len({one.variant for one in measured.values()}) == len(measured)


def test_merges_are_recorded_once_in_mlflow(done, tmp_path, empty_database):
    _, plan, shop = done
    from mlflow import MlflowClient

    uri = f"sqlite:///{shutil.copyfile(empty_database, tmp_path / 'mlflow.db')}"
    client = MlflowClient(tracking_uri=uri)
    told = []
    for _ in range(2):
        assert Session(Work(Address(uri), plan.recipe.name, shop.store.root, plan), told.append).record() == 0
        experiment = client.get_experiment_by_name(plan.recipe.name).experiment_id
        runs = client.search_runs([experiment], "tags.`adaptx.kind` = 'merge'")
        assert len(runs) == len(merge_nodes(plan))
    assert {kind for kind, _ in told} == {"wrote"}
    (ties,) = [run for run in runs if run.data.params["rule"] == "Ties"]
    assert ties.data.params["merged"] == "nli + topic"
    assert ties.data.metrics["seconds"] > 0
    variants = client.search_runs([experiment], "tags.`adaptx.kind` = 'variant'")
    (variant,) = [run for run in variants if run.data.params["start"] == "Ties"]
    assert variant.data.params["intermediate"] == "nli+topic"
    assert ties.data.tags["adaptx.fingerprint"] in variant.data.tags["adaptx.path"]


def test_the_plan_shows_merges_and_why_they_are_to_do(done, world, tmp_path):
    stages, plan, shop = done
    shown = [
        stage
        for stage in plan_json(plan, Store(tmp_path), Placement(Resources("cpu")))["stages"]
        if stage["kind"] == "merge"
    ]
    assert len(shown) == 4
    assert {stage["status"] for stage in shown} == {"to do"}
    (ties,) = [stage for stage in shown if stage["factors"]["start"] == "Ties"]
    assert ties["name"] == "bert.nli+topic.lora-r8.ties"
    assert ties["factors"]["task"] == "nli+topic"
    assert ties["cost"]["flops"] > 0
    merge = next(e.model for e in stages if isinstance(e.model, Merge) and isinstance(e.model.rule, Ties))
    changed = make_plan(Recipe("r", tiny.everywhere(dataclasses.replace(merge, rule=Ties(0.4)))), world.sources)
    (node,) = merge_nodes(changed)
    assert changed.why(node, shop.store) == ["rule.density: 0.5 -> 0.4"]
    retrained = tuple(dataclasses.replace(train, limit=9) for train in merge.stages)
    changed = make_plan(Recipe("r", tiny.everywhere(dataclasses.replace(merge, stages=retrained))), world.sources)
    (node,) = merge_nodes(changed)
    assert changed.why(node, shop.store) == [
        f"its input {name} changed" for name in ("bert.nli.lora-r4", "bert.topic.lora-r4")
    ]


def test_prune_keeps_what_a_merge_rests_on(done, world):
    stages, plan, shop = done
    assert unreached(shop.store, [plan]) == []
    first = make_plan(Recipe("one", stages[:2]), world.sources)
    gone = unreached(shop.store, [first])
    assert [entry.kind for entry in gone].count("merge") == 4


def test_a_merge_predicts_and_scores_rows_of_ones_own(done, world, tmp_path):
    _, plan, shop = done
    file = tmp_path / "rows.csv"
    file.write_text(f"text,pair,label\n{tiny.word('xa', 1)},{tiny.word('xa', 1)},entailment\n")
    for node in merge_nodes(plan):
        name = tiny.folder_of(plan, shop, node.stage).name
        if isinstance(node.stage.head, NoHead):
            with pytest.raises(UserError, match="merged without a head"):
                predict_file(shop.store, world.sources, name, file, Resources("cpu"))
        else:
            (row,) = predict_file(shop.store, world.sources, name, file, Resources("cpu")).records
            assert row["prediction"] in tiny.LABELS
            assert score_file(shop.store, world.sources, name, file, Resources("cpu"))["rows_used"] == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("keep", [True, False])
def test_soups_of_whole_weights_go_like_full_targets(world, tmp_path, keep, precision):
    config = dataclasses.replace(SETTING, precision=precision)
    pair = tuple(dataclasses.replace(nli(FULL, world.bert), config=dataclasses.replace(config, seed=n)) for n in (1, 2))
    soup = Merge(pair, Linear(WeightSearch(tiny.NLI, GreedySoup(), limit=9)), AveragedHeads(), keep=keep)
    plan, shop, summary = tiny.execute(world, tmp_path / "store", tiny.everywhere(soup))
    assert summary.complete, summary.failed
    entry = shop.entry(soup)
    assert entry.has_module == keep
    assert all(shop.entry(train).has_module for train in pair)
    assert set(plan.statuses(Store(tmp_path / "store")).values()) <= {Status.STORED, Status.SCORES_ONLY}


# Identity, names, edits.


def identity(world, *stages) -> list[str]:
    plan = make_plan(Recipe("r", tuple(Evaluate(stage, tiny.TATOEBA, "xa") for stage in stages)), world.sources)
    return [plan.fingerprint_of(stage) for stage in stages]


def test_all_that_changes_a_merge_is_its_identity(world):
    pair = (nli(model=world.bert), turned(model=world.bert))
    hub = WeightSearch(tiny.NLI)
    different = [
        Merge(pair, Linear(), HEAD),
        Merge(pair[::-1], Linear(), HEAD),
        Merge(pair, Linear((0.5, 0.5)), HEAD),
        Merge(pair, Linear(), KeptHeadOf(1)),
        Merge(pair, Linear(), AveragedHeads()),
        Merge(pair, Linear(), NoHead()),
        Merge(pair, Ties(), HEAD),
        Merge(pair, Ties(0.3), HEAD),
        Merge(pair, Dare(), HEAD),
        Merge(pair, Dare(seed=2), HEAD),
        Merge(pair, Dare(combine=Ties()), HEAD),
        Merge(pair, SvdRank(4), HEAD),
        Merge(pair, SvdRank(4, Ties()), HEAD),
        Merge(pair, Linear(hub), HEAD),
        Merge(pair, Linear(WeightSearch(tiny.NLI, limit=5)), HEAD),
        Merge(pair, Linear(WeightSearch(tiny.NLI, GreedySoup())), HEAD),
        Merge(pair, Linear(WeightSearch(tiny.NLI, LoraHub(seed=2))), HEAD),
    ]
    assert len(set(identity(world, *different))) == len(different)


def test_what_a_search_does_not_read_is_no_part_of_identity(world):
    pair = (nli(model=world.bert), turned(model=world.bert))
    other = dataclasses.replace(
        tiny.NLI, name="renamed", evaluation=tiny.NLI.evaluation[:1], metrics=("accuracy",), citation="someone"
    )
    stages = [
        Merge(pair, Linear(WeightSearch(task)), HEAD, keep=keep) for task, keep in ((tiny.NLI, False), (other, True))
    ]
    first, second = identity(world, *stages)
    assert first == second


def test_merges_survive_as_json():
    pair = (nli(), turned())
    for rule in (
        Linear(WeightSearch(tiny.NLI, GreedySoup(), 4)),
        Dare(0.3, 2, Ties(0.1)),
        SvdRank(3, MagnitudePruning()),
    ):
        stage = Evaluate(nli(start=Merged(Merge(pair, rule, AveragedHeads()))), tiny.NLI, "xa")
        assert from_plain(json.loads(json.dumps(to_plain(stage)))) == stage


def test_names_and_factors():
    pair = (nli(), topic(LORA, start=Sequential(turned())))
    merge = Merge(pair, Ties(), HEAD)
    assert stage_name(merge) == "bert.nli+nli-turned-topic.lora-r8.ties"
    assert stage_name(Evaluate(merge, tiny.NLI, "xa")) == "bert.nli+nli-turned-topic.lora-r8.ties.nli.xa"
    found = factors(Evaluate(merge, tiny.NLI, "xa"))
    assert (found.start, found.method, found.intermediate, found.target, found.seed) == (
        "Ties", "lora-r4", "nli+nli-turned>topic", "nli", 1,
    )  # fmt: skip
    assert found.label == "lora-r4 · Ties · nli+nli-turned>topic"
    assert factors(Evaluate(merge, tiny.TATOEBA, "xa")).label == (
        "lora-r4 · Ties, no target training · nli+nli-turned>topic"
    )
    after = nli(start=Merged(merge))
    assert (factors(after).start, factors(after).intermediate) == ("Merged-Ties", "nli+nli-turned>topic")
    seeds = Merge(tuple(nli(seed=n) for n in (1, 2, 3)), Linear(), AveragedHeads())
    assert stage_name(seeds) == "bert.nli-x3.lora-r12.linear"
    assert factors(Evaluate(seeds, tiny.NLI, "xa")).label == "lora-r4 · Linear · nli-x3"
    assert training_path(Evaluate(after, tiny.NLI, "xa")) == (nli(), turned(), pair[1], after)
    assert merges(Evaluate(after, tiny.NLI, "xa")) == (merge,)


def test_names_say_what_found_the_weights():
    weights = (None, WeightSearch(tiny.NLI, LoraHub()))
    average, hub = (Merge((nli(), topic()), Linear(each), HEAD) for each in weights)
    assert [factors(merge).start for merge in (average, hub)] == ["Linear", "Linear-LoraHub"]
    continued = nli(start=Merged(hub))
    assert factors(Evaluate(continued, tiny.NLI, "en")).start == "Merged-Linear-LoraHub"
    untrained = dataclasses.replace(factors(hub), target="none")
    assert "Linear-LoraHub, no target training" in untrained.label


def test_languages_that_weights_were_searched_in_are_not_zero_shot():
    development = (tiny.rows("nli", "xb", "validation", tiny._PAIR, tiny.LABELS),)
    task = dataclasses.replace(tiny.NLI, name="dev", development=development)
    merge = Merge((nli(), topic()), Linear(WeightSearch(task)), HEAD)
    assert source_languages(Evaluate(merge, tiny.NLI, "xb")) == {"en", "xb"}
    assert source_languages(Evaluate(Merge((nli(), topic()), Linear(), HEAD), tiny.NLI, "xb")) == {"en"}


def test_limits_and_precision_reach_what_is_merged():
    merge = Merge((nli(), topic()), Linear(WeightSearch(tiny.NLI)), HEAD)
    recipe = Recipe("r", (Evaluate(merge, tiny.NLI, "xa"), Evaluate(nli(start=Merged(merge)), tiny.NLI, "xa")))
    after = Edits(7, "bf16").recipe(recipe)
    for found in (after.evaluations[0].model, after.evaluations[1].model.start.stage):
        assert {stage.limit for stage in found.stages} == {7}
        assert {stage.config.precision for stage in found.stages} == {"bf16"}
        assert found.rule == Linear(WeightSearch(tiny.NLI, limit=7))


def test_a_search_costs_what_it_scores(world):
    pair = (nli(model=world.bert), topic(model=world.bert))
    rows = tuple(dataclasses.replace(rows, expected=24) for rows in tiny.NLI.development)
    task = dataclasses.replace(tiny.NLI, development=rows)
    plain, hub, soup = (
        cost(Merge(pair, rule, HEAD))
        for rule in (Linear(), Linear(WeightSearch(task)), Linear(WeightSearch(task, GreedySoup())))
    )
    assert (plain.examples, hub.examples, soup.examples) == (0, 40 * 24, 3 * 24)
    assert plain.flops < soup.flops < hub.flops


# Refused at planning.

DUAL = Task("dual", Retrieval(), tiny.NLI.train, development=tiny.NLI.development, evaluation=())
RETRIEVED = tiny.train(PLAIN, DUAL, LORA)
FIRST = Hidden(pooling=Pooling.FIRST)
REFUSED = {
    "another base": (Merge((nli(), nli(model=OTHER_BASE)), Linear(), HEAD), "belong to tiny/bert and tiny/xlm-roberta"),
    "another method": (Merge((nli(), nli(FULL)), Linear(), HEAD), "its modules are Lora and Full"),
    "another size": (Merge((nli(ADAPTER), nli(Bottleneck(2))), Linear(), HEAD), "differ in shape or activation"),
    "another activation": (
        Merge((nli(ADAPTER), nli(Bottleneck(4, "gelu"))), Linear(), HEAD), "differ in shape or activation",
    ),
    "a fused model": (
        Merge((nli(ADAPTER, start=Fuse((nli(ADAPTER), topic(ADAPTER)))),), Linear(), HEAD), "was trained with Fuse",
    ),
    "other bases below": (
        Merge((nli(LORA, start=Sequential(topic(FULL))), nli()), Linear(), HEAD), "on top of different frozen modules",
    ),
    "rank of whole weights": (Merge((nli(FULL),), SvdRank(4), HEAD), "whole weights have no rank"),
    "rank of adapters": (Merge((nli(ADAPTER),), SvdRank(4), HEAD), "has no rank"),
    "a negated adapter": (Merge((nli(ADAPTER),), TaskArithmetic(-1.0), HEAD), "does not negate the adapter's output"),
    "negated by a weight": (Merge((nli(ADAPTER),) * 2, Dare(combine=Linear((1.0, -1.0))), HEAD), "does not negate"),
    "searched below zero": (Merge((nli(ADAPTER),) * 2, Linear(WeightSearch(tiny.NLI)), HEAD), "LoraHub(low=0)"),
    "heads that disagree": (Merge((nli(), topic()), Linear(), AveragedHeads()), "different label sets"),
    "heads read otherwise": (Merge((nli(), nli(framing=FIRST)), Linear(), AveragedHeads()), "one framing"),
    "heads below zero": (Merge((nli(),) * 2, Linear((1.0, -0.5)), AveragedHeads()), "cannot average with negative"),
    "searched heads": (
        Merge((nli(),) * 2, Linear(WeightSearch(tiny.NLI, LoraHub(low=0))), AveragedHeads()),
        "which leaves no average",
    ),
    "no head to keep": (Merge((RETRIEVED,), Linear(), HEAD), "was trained without a head"),
    "no heads to average": (Merge((RETRIEVED,), Linear(), AveragedHeads()), "was trained without a head"),
    "nothing to search on": (Merge((topic(),), Linear(WeightSearch(tiny.TOPIC)), HEAD), "and topic has none"),
    "no head to search with": (Merge((nli(),), Linear(WeightSearch(tiny.NLI)), NoHead()), "needs a head to score with"),
    "another head": (Merge((topic(),), Linear(WeightSearch(tiny.NLI)), HEAD), "needs equal label sets"),
    "not a dual encoder": (Merge((nli(),), Linear(WeightSearch(DUAL)), HEAD), "which was not a Retrieval task"),
    "an unknown metric": (
        Merge((nli(),), Linear(WeightSearch(dataclasses.replace(tiny.NLI, metrics=("bleu",)))), HEAD), "unknown metric",
    ),
    "Full over a merged adapter": (
        nli(FULL, start=Merged(Merge((nli(ADAPTER),), Linear(), HEAD))), "cannot be folded into the weights",
    ),
    "a head that is not there": (
        nli(start=Merged(Merge((nli(),), Linear(), NoHead())), head=KeptHead()), "the merge has NoHead()",
    ),
    "evaluation without a head": (
        Evaluate(Merge((nli(),), Linear(), NoHead()), tiny.NLI, "xa"), "the merge has NoHead()",
    ),
    "evaluation of another task": (Evaluate(Merge((topic(),), Linear(), HEAD), tiny.NLI, "xa"), "equal label sets"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_merges_that_cannot_be_are_refused_with_their_reason(case, monkeypatch):
    needs.plan_with_adapters(monkeypatch)
    stage, reason = REFUSED[case]
    found = refusal(stage)
    assert found is not None
    assert reason in found, found


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Merge((), Linear(), HEAD), "at least one training"),
        (lambda: Merge((Merge((nli(),), Linear(), HEAD),), Linear(), HEAD), "merge the trainings behind it"),
        (lambda: Sequential(Merge((nli(),), Linear(), HEAD)), "is continued by Merged"),
        (lambda: Stack((Merge((nli(),), Linear(), HEAD),)), "is continued by Merged"),
        (lambda: Fuse((nli(), Merge((nli(),), Linear(), HEAD))), "is continued by Merged"),
        (lambda: Merged(nli()), "is continued by Sequential"),
        (lambda: Merge((nli(),), Linear((0.5, 0.5)), HEAD), "2 weights"),
        (lambda: Merge((nli(),), SvdRank(2, TaskArithmetic(1, (0.5, 0.5))), HEAD), "2 weights"),
        (lambda: Merge((nli(),), Linear(), KeptHeadOf(1)), "KeptHeadOf"),
        (lambda: Linear((0.0, 0.0)), "bare checkpoint"),
        (lambda: TaskArithmetic(0.0), "bare checkpoint"),
        (lambda: Ties(0.0), "must be above 0 and at most 1"),
        (lambda: Ties(scale=0.0), "bare checkpoint"),
        (lambda: Dare(1.0), "must be at least 0 and below 1"),
        (lambda: MagnitudePruning(1.5), "must be above 0 and at most 1"),
        (lambda: SvdRank(0), "at least 1"),
        (lambda: SvdRank(2, Linear(WeightSearch(tiny.NLI))), "only if Linear is the whole"),
        (lambda: LoraHub(evaluations=1), "at least 5"),
        (lambda: LoraHub(low=1, high=0.5), "below high"),
        (lambda: WeightSearch(tiny.NLI, limit=0), "at least 1"),
    ],
)
def test_values_out_of_range_are_refused_where_they_are_written(make, reason):
    with pytest.raises(UserError, match=reason):
        make()
