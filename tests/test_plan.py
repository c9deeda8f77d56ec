"""Plans: distinct stages in order, what the store answers, why a stage is to do, and what is refused."""

import dataclasses
import os
from pathlib import Path

import pytest
from support.fake_store import CONFIG, everywhere, fake_mirror, fake_model, fill, planned, put_modules, train

from adaptx.catalog import BUCC, LAREQA, MLQA, NTREX_MLM, PANX, SIB200, SNLI, SQUAD, TATOEBA, XQUAD
from adaptx.catalog import NLI as EVERYWHERE
from adaptx.catalog.models import MODELS
from adaptx.errors import MissingInput, UserError
from adaptx.planning import support_methods
from adaptx.planning.naming import factors
from adaptx.planning.plan import Plan, Status, differences, make_plan
from adaptx.planning.support import refusal
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Attention,
    Best,
    Bottleneck,
    Classification,
    Evaluate,
    Full,
    Fuse,
    Gate,
    Hidden,
    KeptHead,
    Lora,
    Mixture,
    ModelFamily,
    ModelSpec,
    Pooling,
    Recipe,
    Sequential,
    Stack,
    Train,
)
from adaptx.store.store import Store

NLI = dataclasses.replace(EVERYWHERE, evaluation=EVERYWHERE.evaluation[:2])
BITEXT = dataclasses.replace(TATOEBA, evaluation=TATOEBA.evaluation[:2])
LORA, ADAPTER, FULL = Lora(), Bottleneck(), Full()
HAS_PACKAGE = support_methods.has_package
pytestmark = pytest.mark.usefixtures("plans_with_adapters")


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return fake_mirror(tmp_path / "data", NLI, SNLI, SIB200, BITEXT)


@pytest.fixture
def sources(data: Path) -> Sources:
    return Sources(data)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def statuses(plan: Plan, store: Store) -> dict[str, Status]:
    found = plan.statuses(store)
    return {node.name.removeprefix("tiny-bert."): found[node.fingerprint] for node in plan.nodes}


def to_do(plan: Plan, store: Store) -> set[str]:
    return {name for name, status in statuses(plan, store).items() if status is Status.TO_DO}


def reasons(plan: Plan, store: Store) -> dict[str, list[str]]:
    found = plan.statuses(store)
    return {
        node.name.removeprefix("tiny-bert."): plan.why(node, store)
        for node in plan.nodes
        if found[node.fingerprint] is Status.TO_DO
    }


# --- stages


def test_stages_are_distinct_and_follow_their_inputs(model, sources) -> None:
    snli, sib = train(model, SNLI, ADAPTER), train(model, SIB200, ADAPTER)
    plan = planned(
        sources,
        everywhere(train(model, NLI, ADAPTER), NLI),
        everywhere(train(model, NLI, ADAPTER, Sequential(train(model, SNLI, ADAPTER))), NLI),
        everywhere(train(model, NLI, ADAPTER, Stack((snli,))), NLI),
        everywhere(train(model, NLI, ADAPTER, Fuse((snli, sib))), NLI),
        everywhere(model, BITEXT),
        everywhere(snli, BITEXT),
        everywhere(snli, BITEXT),
    )
    kinds = [node.kind for node in plan.nodes]
    assert (kinds.count("train"), kinds.count("evaluate")) == (6, 12)
    assert len({node.fingerprint for node in plan.nodes}) == len(plan.nodes)
    seen: set[str] = set()
    for node in plan.nodes:
        assert set(node.inputs) <= seen, f"{node.name} comes before its inputs"
        seen.add(node.fingerprint)
    # A model's evaluations follow it at once, so that it is loaded once.
    last = None
    for node in plan.nodes:
        if node.kind == "train":
            last = node.fingerprint
        else:
            assert node.inputs in ((), (last,))


def test_what_differs_by_name_alone_is_one_stage(model, sources) -> None:
    renamed = dataclasses.replace(NLI, name="inference", citation="another", licence="another")
    plan = planned(sources, everywhere(train(model, NLI, LORA), NLI), everywhere(train(model, renamed, LORA), renamed))
    assert [node.kind for node in plan.nodes] == ["train", "evaluate", "evaluate"]


def test_the_recipe_of_the_design_shares_its_intermediates(model, sources) -> None:
    groups = []
    for seed in (1, 2, 3):
        for target in (NLI, SIB200):
            groups.append(everywhere(train(model, target, LORA, seed=seed), target))
            start = Sequential(train(model, SNLI, LORA, seed=seed))
            groups.append(everywhere(train(model, target, LORA, start, seed=seed), target))
    plan = planned(sources, *[group[:1] for group in groups])
    assert sum(node.kind == "train" for node in plan.nodes) == 3 * (2 + 1 + 2)


def test_folder_names_are_readable(model, sources) -> None:
    snli = train(model, SNLI, LORA)
    chain = train(model, NLI, LORA, Sequential(train(model, SIB200, LORA, Sequential(snli))))
    names = [node.name for node in planned(sources, everywhere(chain, NLI)).nodes]
    assert names == [
        "tiny-bert.snli.lora-r8",
        "tiny-bert.sib200.lora-r8.sequential-snli",
        "tiny-bert.nli.lora-r8.sequential-snli-sib200",
        "tiny-bert.nli.lora-r8.sequential-snli-sib200.nli.en",
        "tiny-bert.nli.lora-r8.sequential-snli-sib200.nli.id",
    ]


def test_a_mixtures_name_is_its_tasks_or_its_label(model, sources) -> None:
    both = Mixture((SNLI, SIB200))
    chain = train(model, NLI, LORA, Sequential(train(model, both, LORA)))
    labelled = train(model, dataclasses.replace(both, label="pair"), ADAPTER)
    names = [node.name for node in planned(sources, everywhere(chain, NLI), everywhere(labelled, BITEXT)).nodes]
    assert names == [
        "tiny-bert.snli_sib200.lora-r8",
        "tiny-bert.nli.lora-r8.sequential-snli_sib200",
        "tiny-bert.nli.lora-r8.sequential-snli_sib200.nli.en",
        "tiny-bert.nli.lora-r8.sequential-snli_sib200.nli.id",
        "tiny-bert.pair.bottleneck-f16",
        "tiny-bert.pair.bottleneck-f16.tatoeba.es",
        "tiny-bert.pair.bottleneck-f16.tatoeba.fr",
    ]


def test_the_other_tasks_of_a_mixture_are_the_measured_ones_intermediates(model) -> None:
    mixed = train(model, Mixture((SNLI, NLI, SIB200), label="three"), LORA)
    after = train(model, Mixture((SNLI, NLI)), LORA, Sequential(train(model, SIB200, LORA)))
    found = [factors(Evaluate(each, task, task.languages[0])) for each in (mixed, after) for task in (NLI, BITEXT)]
    assert [(each.start, each.intermediate, each.target) for each in found] == [
        ("Mixture", "snli+sib200", "nli"),
        ("Pretrained", "three", "none"),
        ("Mixture", "sib200>snli", "nli"),
        ("Sequential", "sib200>snli_nli", "none"),
    ]


# --- what the store answers


def grid(model: ModelSpec, sources: Sources, **config) -> Plan:
    snli = Sequential(train(model, SNLI, FULL))
    return planned(
        sources,
        everywhere(train(model, NLI, LORA, **config), NLI),
        everywhere(train(model, NLI, FULL, snli, **config), NLI),
        everywhere(model, BITEXT),
    )


def test_all_is_to_do_and_then_all_is_stored(model, sources, store) -> None:
    plan = grid(model, sources)
    assert set(statuses(plan, store).values()) == {Status.TO_DO}
    assert set(reasons(plan, store)["nli.lora-r8"]) == {"nothing is stored under this name"}
    fill(plan, store, sources)
    put_modules(plan, store)
    assert set(statuses(plan, store).values()) == {Status.STORED}
    assert set(statuses(grid(model, sources), Store(store.root)).values()) == {Status.STORED}


def test_weights_that_are_gone_are_missed_only_where_something_needs_them(model, sources, store) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    assert {status for name, status in statuses(plan, store).items() if name.count(".") < 3} <= {
        Status.SCORES_ONLY,
        Status.STORED,
    }
    assert not to_do(plan, store)
    more = planned(sources, everywhere(train(model, NLI, LORA), NLI), everywhere(train(model, NLI, LORA), BITEXT))
    assert to_do(more, store) == {"nli.lora-r8", "nli.lora-r8.tatoeba.es", "nli.lora-r8.tatoeba.fr"}
    assert reasons(more, store)["nli.lora-r8"] == [
        "its weights were removed once its scores were stored, and another stage needs them now"
    ]


def test_only_full_fine_tuned_targets_are_transient(model, sources) -> None:
    plan = grid(model, sources)
    transient = {node.name for node in plan.nodes if plan.transient(node)}
    assert transient == {"tiny-bert.nli.full.sequential-snli"}
    kept = planned(sources, everywhere(dataclasses.replace(train(model, NLI, FULL), keep=True), NLI))
    assert not any(kept.transient(node) for node in kept.nodes)


def test_what_cannot_be_checked_is_matched_by_its_nominal_fingerprint(data, store, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nothing-cached"))
    spec = ModelSpec("owner/model")
    online = Sources(None, resolve=lambda *_: "0" * 40)
    fill(planned(online, everywhere(spec, BITEXT)), store, online)
    offline = planned(Sources(None), everywhere(spec, BITEXT))
    assert set(offline.statuses(store).values()) == {Status.UNCHECKED}
    assert Status.UNCHECKED.value == "stored (input not checked)"
    newer = planned(Sources(None, resolve=lambda *_: "1" * 40), everywhere(spec, BITEXT))
    assert set(newer.statuses(store).values()) == {Status.TO_DO}, "run resolves, and then never matches by name"


# --- why


def test_a_changed_learning_rate_replans_the_target_alone_and_says_so(model, sources, store) -> None:
    fill(grid(model, sources), store, sources)
    changed = grid(model, sources, learning_rate=5e-4)
    why = reasons(changed, store)
    assert why["nli.lora-r8"] == ["config.learning_rate: 0.001 -> 0.0005"]
    assert why["nli.lora-r8.nli.en"] == ["its input tiny-bert.nli.lora-r8 changed"]
    assert why["nli.full.sequential-snli"] == ["config.learning_rate: 0.001 -> 0.0005"]
    assert not [name for name in why if name.startswith("tatoeba")]
    # Its weights are wanted again, though nothing of its own spec changed.
    assert why.pop("snli.full") == [
        "its weights were removed once its scores were stored, and another stage needs them now"
    ]
    assert all(name.startswith("nli.") for name in why)


def test_an_intermediate_that_changed_is_named_downstream(model, sources, store) -> None:
    def chain(rate: float) -> Plan:
        start = Sequential(train(model, SNLI, LORA, learning_rate=rate))
        return planned(sources, everywhere(train(model, NLI, LORA, start), NLI))

    fill(chain(1e-3), store, sources)
    why = reasons(chain(2e-3), store)
    assert why["snli.lora-r8"] == ["config.learning_rate: 0.001 -> 0.002"]
    assert why["nli.lora-r8.sequential-snli"] == ["its input tiny-bert.snli.lora-r8 changed"]
    assert why["nli.lora-r8.sequential-snli.nli.en"] == ["its input tiny-bert.nli.lora-r8.sequential-snli changed"]


def test_changed_data_and_limits_are_named(model, data, sources, store) -> None:
    fill(grid(model, sources), store, sources)
    limited = planned(sources, everywhere(train(model, NLI, LORA), NLI, limit=5))
    assert reasons(limited, store)["nli.lora-r8.nli.en"] == ["task.rows.limit: None -> {'most': 5, 'alike': False}"]
    file = data / f"{NLI.rows_in('id').address}.parquet"
    file.write_bytes(file.read_bytes() + b"!")
    (line,) = reasons(grid(model, Sources(data)), store)["nli.lora-r8.nli.id"]
    assert line.startswith("task.rows.source: sha256:")


def test_the_nearest_namesake_is_the_one_compared(model, sources, store) -> None:
    for seed, rate in ((1, 1e-3), (2, 2e-3)):
        fill(grid(model, sources, seed=seed, learning_rate=rate), store, sources)
    why = reasons(grid(model, sources, seed=2, learning_rate=4e-3), store)
    assert why["nli.lora-r8"] == ["config.learning_rate: 0.002 -> 0.004"]


def test_differences_name_paths() -> None:
    old = {"a": 1, "b": {"c": [1, {"d": 2}]}, "gone": 1}
    new = {"a": 1, "b": {"c": [1, {"d": 3}]}, "new": 2}
    assert differences(old, new) == [("b.c[1].d", 2, 3), ("gone", 1, None), ("new", None, 2)]
    assert differences(old, old) == []
    assert differences([1], [1, 2], "x") == [("x", [1], [1, 2])]


# --- refused


OTHER_LABELS = dataclasses.replace(SNLI, format=Classification(("yes", "no")), name="other")
TURNED = dataclasses.replace(NLI, format=Classification(tuple(reversed(SNLI.format.labels))), name="turned")
MODEL = ModelSpec("owner/model")
SELECTING = dataclasses.replace(CONFIG, selection=Best(every=5))
UNDEVELOPED = dataclasses.replace(NLI, development=())


def seq(task=SNLI, method=LORA, model=MODEL, **more) -> Sequential:
    return Sequential(Train(model, task, method, CONFIG, **more))


def trained(method=LORA, start=None, task=NLI, model=MODEL, config=CONFIG, **more) -> Train:
    return Train(model, task, method, config, **({"start": start} if start else {}), **more)


def named(*names: str, shared_heads: bool = False) -> Mixture:
    """Tasks that differ by name alone."""
    return Mixture(tuple(dataclasses.replace(NLI, name=name) for name in names), shared_heads=shared_heads)


FUSED = trained(ADAPTER, Fuse((trained(ADAPTER, task=SNLI), trained(ADAPTER, task=SIB200))))
DECODER = dataclasses.replace(MODEL, family=ModelFamily.DECODER)

REFUSED = {
    "bitext is not trained": (trained(task=BITEXT), "tatoeba is a Bitext task, which can only be evaluated"),
    "mining is not trained": (trained(task=BUCC), "bucc is a BitextMining task, which can only be evaluated"),
    "a member that is not trained": (
        trained(task=Mixture((NLI, BITEXT))),
        "on nli_tatoeba: tatoeba is a Bitext task",
    ),
    "a member without rows": (
        trained(task=Mixture((NLI, dataclasses.replace(SNLI, train=())))),
        "snli has no training rows",
    ),
    "no candidates": (
        Evaluate(MODEL, dataclasses.replace(LAREQA, pool=()), "ar"),
        "ranks a pool of candidates, and the task has none; add Task(pool=...)",
    ),
    "nothing to select on": (
        trained(task=UNDEVELOPED, config=SELECTING),
        "selection=Best(...) needs development rows, and there are none for nli; use selection=Last()",
    ),
    "nothing to select a mixture on": (
        trained(task=Mixture((UNDEVELOPED, dataclasses.replace(SIB200, development=()))), config=SELECTING),
        "needs development rows, and there are none for nli, sib200",
    ),
    "no training rows": (trained(task=dataclasses.replace(NLI, train=())), "has no training rows"),
    "tags by bytes": (
        trained(model=MODELS["google/byt5-small"], task=PANX),
        "does not report where in a text a token lies",
    ),
    "masks of a decoder": (trained(model=DECODER, task=NTREX_MLM), "a decoder has no mask token"),
    "reading of a training": (trained(framing=Hidden(pooling=Pooling.START)), "and encoders have none"),
    "reading of a bare model": (
        Evaluate(DECODER, BITEXT, "es", framing=Hidden(pooling=Pooling.FIRST)),
        "first token does not see the text",
    ),
    "full over a stack": (trained(FULL, Stack((trained(FULL),))), "use Sequential"),
    "full in a fusion": (
        trained(FULL, Fuse((trained(FULL), trained(FULL, task=SNLI)))),
        "fuse Lora or Bottleneck modules",
    ),
    "fusion of other methods": (
        trained(ADAPTER, Fuse((trained(ADAPTER), trained(LORA)))),
        "the fused modules are Bottleneck, Lora",
    ),
    "full in a stack": (
        trained(LORA, Stack((trained(LORA), trained(FULL, task=SNLI)))),
        "Full on snli leaves a whole backbone, which cannot be stacked",
    ),
    "other base": (trained(start=seq(model=ModelSpec("owner/other"))), "starts from a training of owner/other"),
    "after a fusion": (trained(ADAPTER, Sequential(FUSED)), "a fused model can be evaluated but not continued"),
    "fusion of other shapes": (
        trained(Bottleneck(8), Fuse((trained(ADAPTER), trained(ADAPTER, task=SNLI)))),
        "its method must equal the method of the modules it fuses",
    ),
    "fusion over different bases": (
        trained(ADAPTER, Fuse((trained(ADAPTER, Stack((trained(ADAPTER),))), trained(ADAPTER, task=SNLI)))),
        "train them from the same start",
    ),
    "full over an adapter": (trained(FULL, seq(method=ADAPTER)), "continue it with Bottleneck or Lora"),
    "kept head from nowhere": (trained(head=KeptHead()), "use it with start=Sequential"),
    "kept head of other labels": (
        trained(start=seq(OTHER_LABELS), head=KeptHead()),
        "needs equal label sets: other has yes, no; nli has entailment",
    ),
    "kept head of another kind": (
        trained(start=seq(SQUAD), head=KeptHead()),
        "cannot answer nli (Classification): the training was on squad (QuestionAnswering)",
    ),
    "kept head of a task without one": (
        trained(start=seq(LAREQA), task=LAREQA, head=KeptHead()),
        "needs a task with a head, but lareqa embeds its texts and has none",
    ),
    "kept head that one member lacks": (
        trained(start=seq(SNLI), task=Mixture((NLI, SIB200)), head=KeptHead()),
        "needs equal label sets: snli has entailment, neutral, contradiction; sib200 has ",
    ),
    "kept head of several": (
        trained(start=seq(named("left", "right")), head=KeptHead()),
        "KeptHead() is ambiguous: nli can be answered by several heads of left_right (left, right)",
    ),
    "one of several heads": (
        Evaluate(trained(task=named("left", "right")), NLI, "en"),
        "evaluate a task of one of those names, or train with Mixture(shared_heads=True)",
    ),
    "head of a mixture of other tasks": (
        Evaluate(trained(task=Mixture((SIB200, SQUAD))), NLI, "en"),
        "the head of sib200_squad needs equal label sets: sib200 has",
    ),
    "head of another kind": (
        Evaluate(trained(task=Mixture((SQUAD, LAREQA))), NLI, "en"),
        "the training was on squad (QuestionAnswering), lareqa (Retrieval)",
    ),
    "metric of another format": (
        trained(task=dataclasses.replace(NLI, metrics=("f1",))),
        "metric 'f1' does not score a Classification task; choose among accuracy",
    ),
    "metric of a member's other format": (
        trained(task=Mixture((NLI, dataclasses.replace(SQUAD, metrics=("accuracy",))))),
        "metric 'accuracy' does not score a QuestionAnswering task",
    ),
    "metric without the language's rules": (
        Evaluate(trained(task=SQUAD), dataclasses.replace(XQUAD, metrics=MLQA.metrics), "ru"),
        "; use f1 and exact_match for ru",
    ),
    "unknown metric": (trained(task=dataclasses.replace(NLI, metrics=("acuracy",))), "'acuracy'; near: accuracy"),
    "head of other labels": (Evaluate(trained(task=SIB200), NLI, "en"), "the head of sib200 needs equal label sets"),
    "bare checkpoint": (
        Evaluate(MODEL, NLI, "en"),
        "bare checkpoint owner/model has no head for this task; train one first",
    ),
    "another framing for a head": (
        Evaluate(trained(), NLI, "en", framing=Hidden(layer=1)),
        "read with the framing it was trained with; leave framing=None",
    ),
    "unknown metric of an evaluation": (
        Evaluate(MODEL, dataclasses.replace(BITEXT, metrics=("map",)), "es"),
        "unknown metric 'map'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_planning_with_the_reason(case: str) -> None:
    stage, said = REFUSED[case]
    reason = refusal(stage)
    assert reason is not None
    assert said in reason
    evaluate = stage if isinstance(stage, Evaluate) else Evaluate(stage, stage.tasks[0], stage.tasks[0].languages[0])
    with pytest.raises(UserError, match="this recipe cannot run:\n  - "):
        make_plan(Recipe("refused", (evaluate,)), Sources(None))


def test_an_unknown_architecture_is_refused(model) -> None:
    odd = dataclasses.replace(model, shape=dataclasses.replace(model.shape, model_type="mamba"))
    assert "architecture 'mamba' is not supported; supported: bert, xlm-roberta" in refusal(trained(model=odd))


def test_bottleneck_without_its_package_names_the_extra(monkeypatch) -> None:
    monkeypatch.setattr(support_methods, "has_package", HAS_PACKAGE)
    monkeypatch.setattr(support_methods.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'adaptx[bottleneck]'" in refusal(trained(ADAPTER))
    assert refusal(trained(LORA)) is None


ACCEPTED = {
    "baseline": trained(),
    "continued": trained(start=seq()),
    "another rank": trained(Lora(rank=16), seq()),
    "full, then lora": trained(LORA, seq(method=FULL)),
    "lora, then full": trained(FULL, seq(method=LORA)),
    "adapter, then lora": trained(LORA, seq(method=ADAPTER)),
    "full, then adapter": trained(ADAPTER, seq(method=FULL)),
    "stack": trained(ADAPTER, Stack((trained(ADAPTER, task=SNLI),))),
    "stack of lora": trained(LORA, Stack((trained(LORA, task=SNLI),))),
    "fusion": FUSED,
    "fusion of lora": trained(LORA, Fuse((trained(), trained(task=SNLI)), Attention(rank=4))),
    "gated fusion": trained(LORA, Fuse((trained(), trained(task=SNLI)), Gate())),
    "adapter over lora": trained(ADAPTER, Stack((trained(LORA), trained(LORA, task=SNLI)))),
    "lora over adapters": trained(LORA, Stack((trained(ADAPTER), trained(LORA)))),
    "kept head": trained(start=seq(), head=KeptHead()),
    "kept head, labels in another order": trained(start=seq(TURNED), head=KeptHead()),
    "intermediate head on the target": Evaluate(trained(task=SNLI), NLI, "id"),
    "bitext from a trained model": Evaluate(FUSED, BITEXT, "es"),
    "retrieval from a bare model": Evaluate(MODEL, LAREQA, "ar"),
    "a dual encoder": trained(task=LAREQA),
    "mixture": trained(task=Mixture((NLI, SIB200, SQUAD, LAREQA))),
    "mixture of which one has development rows": trained(task=Mixture((UNDEVELOPED, SIB200)), config=SELECTING),
    "a mixture's head by its task's name": Evaluate(trained(task=named("nli", "other")), NLI, "id"),
    "a mixture's shared head": Evaluate(trained(task=named("left", "right", shared_heads=True)), NLI, "id"),
    "a mixture's only fitting head": Evaluate(trained(task=Mixture((SNLI, SIB200))), NLI, "id"),
    "a mixture's head, kept": trained(start=seq(Mixture((SNLI, SIB200))), head=KeptHead()),
    "a mixture that keeps its heads": trained(
        start=seq(Mixture((SNLI, SIB200))), task=Mixture((SIB200, NLI)), head=KeptHead()
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    assert refusal(ACCEPTED[case]) is None


def test_every_reason_is_told_once(sources) -> None:
    bad = trained(head=KeptHead())
    also_bad = Evaluate(MODEL, NLI, "en")
    with pytest.raises(UserError) as caught:
        planned(sources, everywhere(bad, NLI), [also_bad])
    assert str(caught.value).count("\n  - ") == 2


def test_missing_rows_are_named_before_anything_runs(model, data) -> None:
    os.unlink(data / f"{NLI.rows_in('id').address}.parquet")
    with pytest.raises(
        MissingInput,
        match=r"no rows for id at .*test_lay\.parquet; the data folder holds nothing of afaji/indonli. Fetch it",
    ):
        planned(Sources(data), everywhere(train(model, NLI, LORA), NLI))
