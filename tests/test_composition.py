"""Starts: what is frozen stays as it is to the last bit, what is continued begins where the earlier training ended."""

import dataclasses

import pytest
import torch
from support import needs, tiny

from adaptx.composition.assembly import assemble
from adaptx.errors import UserError
from adaptx.execution.building import finished_model, model_to_train
from adaptx.formats.interface import TrainedHead
from adaptx.methods import adapters_backend, attach
from adaptx.methods.module import capture, restore
from adaptx.planning.lineage import Lineage, lineage
from adaptx.planning.support import refusal
from adaptx.specs import (
    Bottleneck,
    Full,
    Fuse,
    Gate,
    Hidden,
    Ia3,
    KeptHead,
    Lora,
    ModelSpec,
    Pretrained,
    Sequential,
    Stack,
    Train,
)
from adaptx.specs.sites import sites_of
from adaptx.training.progress import Silent

FULL, LORA, WIDE_LORA = Full(), Lora(8, 16), Lora(16, 16, sites=("query", "key", "value"))
BIASED = Lora(4, 8, 0.0, ("query", "up"), True, (("up", 6),), (("query", 12),))
IA3, MORE_IA3 = Ia3(), Ia3(("query", "up", "down"))
ADAPTER, WIDE_ADAPTER = Bottleneck(4), Bottleneck(2, "gelu")
METHODS = {"full": FULL, "lora": LORA, "bottleneck": ADAPTER}
each_architecture = pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
GATED = "gated"
SETTING = tiny.config(learning_rate=2e-2, max_steps=4, batch_size=16)
PLAIN = ModelSpec("tiny/bert")


def on(task, method, *stages, start=Sequential, model=PLAIN, **more) -> Train:
    """A training from `start` over `stages`; with none, from the bare checkpoint."""
    from_these = {
        Sequential: lambda: Sequential(*stages),
        Stack: lambda: Stack(stages),
        Fuse: lambda: Fuse(stages),
        GATED: lambda: Fuse(stages, Gate()),
    }
    begin = from_these[start]() if stages else Pretrained()
    return tiny.train(model, task, method, start=begin, setting=SETTING, **more)


def nli(method, *stages, **more) -> Train:
    return on(tiny.NLI, method, *stages, **more)


def topic(method, *stages, **more) -> Train:
    return on(tiny.TOPIC, method, *stages, **more)


@pytest.fixture(scope="module")
def store(world, tmp_path_factory):
    """Topics and NLI trained under every method, on both architectures."""
    folder = tmp_path_factory.mktemp("earlier")
    stages = tuple(
        evaluation
        for model in world.models.values()
        for train in (
            nli(FULL, model=model, keep=True),
            *(nli(each, model=model) for each in (LORA, BIASED, ADAPTER, IA3)),
        )
        if needs.at_hand(train)
        for evaluation in tiny.everywhere(train)
    ) + tuple(
        tiny.Evaluate(topic(method, model=model, keep=True), tiny.TATOEBA, "xa")
        for model in world.models.values()
        for method in (*METHODS.values(), BIASED, IA3)
        if needs.at_hand(method)
    )
    _, _, summary = tiny.execute(world, folder, stages)
    assert summary.complete, summary.failed
    return folder


def shop_of(world, store, *stages: Train):
    evaluations = tuple(tiny.Evaluate(stage, tiny.TATOEBA, "xa") for stage in stages)
    return tiny.workshop(world, store, evaluations)[1]


def only_head(model) -> TrainedHead:
    (head,) = model.heads.values()
    return head


def hidden(world, architecture, network) -> torch.Tensor:
    return tiny.hidden_states(network.eval(), tiny.token_batch(world, architecture))


# What stands on what: plain values.


@pytest.mark.parametrize(
    ("earlier", "later", "goes_on"),
    [
        (Full(), Full(), True),
        (Full(), Lora(), False),
        (Lora(), Full(), False),
        (Lora(), Lora(), True),
        (Lora(dropout=0.1), Lora(dropout=0.3), True),
        (Lora(rank=8), Lora(rank=16), False),
        (Lora(alpha=8), Lora(alpha=16), False),
        (Lora(sites=("query",)), Lora(sites=("value",)), False),
        (Lora(bias=True), Lora(bias=True, dropout=0.1), True),
        (Lora(bias=True), Lora(), False),
        (Lora(ranks=(("value", 4),)), Lora(), False),
        (Lora(alphas=(("value", 4),)), Lora(), False),
        (Lora(alphas=(("value", 16),)), Lora(), True),
        (Bottleneck(), Bottleneck(), True),
        (Bottleneck(16), Bottleneck(8), False),
        (Bottleneck(activation="relu"), Bottleneck(activation="gelu"), False),
        (Bottleneck(), Lora(), False),
        (Lora(), Bottleneck(), False),
        (Ia3(), Ia3(), True),
        (Ia3(), Ia3(("value",)), False),
        (Ia3(), Lora(), False),
        (Lora(), Ia3(), False),
    ],
)
def test_a_module_is_continued_where_method_sites_and_shapes_agree(earlier, later, goes_on):
    assert later.continues(earlier) == goes_on


def test_lineage_of_one_step():
    assert lineage(nli(LORA)) == Lineage()
    for method in METHODS.values():
        earlier = topic(method)
        assert lineage(nli(method, earlier)) == Lineage(continued=earlier)
    for before, after in ((FULL, LORA), (LORA, FULL), (LORA, WIDE_LORA), (ADAPTER, LORA), (ADAPTER, WIDE_ADAPTER)):
        earlier = topic(before)
        assert lineage(nli(after, earlier)) == Lineage(frozen=(earlier,))
    lower, upper = topic(LORA), nli(LORA)
    assert lineage(nli(LORA, lower, upper, start=Stack)) == Lineage(frozen=(lower, upper))
    left, right = topic(ADAPTER), nli(ADAPTER)
    assert lineage(nli(ADAPTER, left, right, start=Fuse)) == Lineage(fused=(left, right))


def test_lineage_of_chains_across_methods():
    full = topic(FULL)
    lora = topic(LORA, full)
    again = nli(LORA, lora)
    wide = nli(WIDE_LORA, again)
    # A continued module holds what it was continued from: only the base below both stays.
    assert lineage(again) == Lineage((full,), continued=lora)
    assert lineage(wide) == Lineage((full, again))
    assert lineage(nli(WIDE_LORA, wide)) == Lineage((full, again), continued=wide)
    # Full fine-tuning takes all that lay below into its own weights.
    folded = nli(FULL, wide)
    assert lineage(folded) == Lineage((full, again, wide))
    assert lineage(nli(LORA, folded)) == Lineage((folded,))
    assert lineage(nli(FULL, folded)) == Lineage((full, again, wide), continued=folded)
    stacked = nli(ADAPTER, topic(ADAPTER, full), start=Stack)
    assert lineage(stacked) == Lineage((full, topic(ADAPTER, full)))
    assert lineage(nli(ADAPTER, stacked)) == Lineage((full, topic(ADAPTER, full)), continued=stacked)
    pair = (topic(ADAPTER, full), nli(ADAPTER, full))
    assert lineage(nli(ADAPTER, *pair, start=Fuse)) == Lineage((full,), fused=pair)


@pytest.mark.parametrize("start", [Stack, Fuse])
def test_modules_on_different_bases_do_not_share_a_backbone(start):
    with pytest.raises(UserError, match=rf"{start.__name__} for nli: its modules were trained on top of different"):
        lineage(nli(ADAPTER, topic(ADAPTER), nli(ADAPTER, topic(FULL)), start=start))


# The models themselves.


def starts(method) -> dict[str, Train]:
    """Every start that `method` can have, from what `store` holds."""
    found = {"pretrained": nli(method)}
    for name, before in METHODS.items():
        found[f"sequential-{name}"] = nli(method, topic(before))
    found["stack"] = nli(method, topic(method), start=Stack)
    found["stack-two"] = nli(method, topic(method), nli(method), start=Stack)
    for name, before in METHODS.items():
        if before != method:
            found[f"stack-{name}"] = nli(method, topic(before), start=Stack)
            found[f"stack-{name}-and-own"] = nli(method, topic(before), nli(method), start=Stack)
    found["fuse"] = nli(method, topic(method), nli(method), start=Fuse)
    found["gate"] = nli(method, topic(method), nli(method), start=GATED)
    with pytest.MonkeyPatch.context() as patch:
        needs.plan_with_adapters(patch)
        return {name: train for name, train in found.items() if refusal(train) is None}


CASES = {f"{name}-{start}": train for name, method in METHODS.items() for start, train in starts(method).items()}


def test_the_cases_are_those_that_support_allows():
    small = {
        f"{name}-{start}"
        for name, other in (("lora", "bottleneck"), ("bottleneck", "lora"))
        for start in (
            "pretrained",
            *(f"sequential-{method}" for method in METHODS),
            *("stack", "stack-two", f"stack-{other}", f"stack-{other}-and-own"),
            *("fuse", "gate"),
        )
    }
    assert set(CASES) == small | {f"full-{start}" for start in ("pretrained", "sequential-full", "sequential-lora")}


def placed(train: Train, model: ModelSpec) -> Train:
    """The same training and all below it, of another checkpoint."""
    start = train.start
    if isinstance(start, Sequential):
        start = Sequential(placed(start.stage, model))
    elif not isinstance(start, Pretrained):
        start = dataclasses.replace(start, stages=tuple(placed(stage, model) for stage in start.stages))
    return dataclasses.replace(train, model=model, start=start)


@each_architecture
@pytest.mark.parametrize("case", needs.each(CASES, names=True))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_changes_its_own_module_and_its_head_alone(world, store, case, architecture, precision):
    train = placed(CASES[case], world.models[architecture])
    train = dataclasses.replace(train, config=dataclasses.replace(train.config, precision=precision))
    training, fresh = tiny.begin(world, train, store)
    parameters = dict(fresh.backbone.named_parameters())
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    own = {id(parameter) for parameter in fresh.assembly.own.values()}
    assert own == {id(parameter) for parameter in parameters.values() if parameter.requires_grad}
    buffers = {name: buffer.clone() for name, buffer in fresh.backbone.named_buffers()}
    head = only_head(fresh).module.linear.weight
    head_before = head.detach().clone()
    training.run(Silent())
    for name, parameter in fresh.backbone.named_parameters():
        if id(parameter) not in own:
            assert torch.equal(parameter, before[name]), f"{name} is frozen, and changed"
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in fresh.backbone.named_buffers())
    assert any(not torch.equal(parameters[name], before[name]) for name in parameters if id(parameters[name]) in own)
    assert not torch.equal(head, head_before)


OVER_FROZEN = {
    "stack-lora": (LORA, topic(LORA), Stack),
    "stack-bottleneck": (ADAPTER, topic(ADAPTER), Stack),
    "stack-wider": (WIDE_ADAPTER, topic(ADAPTER), Stack),
    "full-then-lora": (LORA, topic(FULL), Sequential),
    "full-then-bottleneck": (ADAPTER, topic(FULL), Sequential),
    "bottleneck-then-lora": (LORA, topic(ADAPTER), Sequential),
    "lora-then-bottleneck": (ADAPTER, topic(LORA), Sequential),
    "rank-8-then-16": (WIDE_LORA, topic(LORA), Sequential),
    "same-lora": (LORA, topic(LORA), Sequential),
    "same-bottleneck": (ADAPTER, topic(ADAPTER), Sequential),
    "same-full": (FULL, topic(FULL), Sequential),
    "stack-bottleneck-over-lora": (ADAPTER, topic(LORA), Stack),
    "stack-lora-over-bottleneck": (LORA, topic(ADAPTER), Stack),
    "stack-wider-lora": (WIDE_LORA, topic(LORA), Stack),
    "same-biased-lora": (BIASED, topic(BIASED), Sequential),
    "stack-biased-lora": (BIASED, topic(BIASED), Stack),
    "biased-then-plain-lora": (LORA, topic(BIASED), Sequential),
    "biased-then-bottleneck": (ADAPTER, topic(BIASED), Sequential),
    "same-ia3": (IA3, topic(IA3), Sequential),
    "stack-more-ia3": (MORE_IA3, topic(IA3), Stack),
    "full-then-ia3": (IA3, topic(FULL), Sequential),
    "biased-then-ia3": (MORE_IA3, topic(BIASED), Sequential),
    "ia3-then-biased": (BIASED, topic(IA3), Sequential),
    "ia3-then-bottleneck": (ADAPTER, topic(IA3), Sequential),
    "stack-ia3-over-bottleneck": (IA3, topic(ADAPTER), Stack),
}


@each_architecture
@pytest.mark.parametrize("case", needs.each(OVER_FROZEN, names=True))
def test_a_training_begins_where_the_earlier_one_ended(world, store, case, architecture):
    """A new module over frozen ones starts at zero and a continued one as it was: the model is the earlier one's."""
    method, earlier, start = OVER_FROZEN[case]
    train = placed(nli(method, earlier, start=start), world.models[architecture])
    (earlier,) = train.inputs
    shop = shop_of(world, store, train)
    began = hidden(world, architecture, model_to_train(train, shop).backbone.network)
    ended = hidden(world, architecture, finished_model(earlier, shop, "fp32").backbone.network)
    assert torch.equal(began, ended)
    bare = hidden(world, architecture, tiny.bare(world, architecture))
    assert (began - bare).abs().max() > 0.02, "the earlier module does nothing"


SEVERAL = {
    "two-lora": (LORA, LORA),
    "two-biased-lora": (BIASED, BIASED),
    "lora-adapter": (LORA, ADAPTER),
    "adapter-lora": (ADAPTER, LORA),
    "two-adapters": (ADAPTER, ADAPTER),
    "lora-ia3": (LORA, IA3),
    "ia3-lora": (IA3, LORA),
}
NEW = {"lora": LORA, "ia3": IA3, "wide": WIDE_LORA, "adapter": ADAPTER, "gelu": WIDE_ADAPTER}


@each_architecture
@pytest.mark.parametrize("new", needs.each(NEW))
@pytest.mark.parametrize("below", needs.each(SEVERAL))
def test_a_new_module_over_several_frozen_ones_changes_nothing(world, store, below, new, architecture):
    """It starts at zero: the model is that of the frozen modules alone, attached in their order."""
    tasks = (tiny.TOPIC, tiny.NLI)
    stages = [on(task, method, model=world.models[architecture]) for task, method in zip(tasks, below, strict=True)]
    train = nli(new, *stages, start=Stack, model=world.models[architecture])
    shop = shop_of(world, store, train)
    began = hidden(world, architecture, model_to_train(train, shop).backbone.network)
    network = tiny.bare(world, architecture)
    if ADAPTER in (*below, new) or new == WIDE_ADAPTER:
        adapters_backend.prepare(network)
    for index, stage in enumerate(stages):
        restore(attach(network, sites_of(network), stage.method, f"frozen{index}"), shop.module(stage).tensors)
    frozen = hidden(world, architecture, network)
    assert torch.equal(began, frozen)
    for stage in stages:
        alone = hidden(world, architecture, finished_model(stage, shop, "fp32").backbone.network)
        assert (frozen - alone).abs().max() > 0.01, "a frozen module does nothing"


@each_architecture
@pytest.mark.parametrize("method", needs.each(METHODS))
def test_a_continued_module_has_the_earlier_ones_weights(world, store, method, architecture):
    train = placed(nli(method, topic(method)), world.models[architecture])
    shop = shop_of(world, store, train)
    own = capture(model_to_train(train, shop).assembly.own)
    stored = shop.module(train.start.stage).tensors
    assert own.keys() == stored.keys()
    assert all(torch.equal(own[key], stored[key]) for key in own)


@each_architecture
def test_a_frozen_full_fine_tuning_is_the_base_of_a_new_module(world, store, architecture):
    train = placed(nli(LORA, topic(FULL)), world.models[architecture])
    shop = shop_of(world, store, train)
    network = model_to_train(train, shop).backbone.network
    stored = shop.module(train.start.stage).tensors
    for layer in range(tiny.LAYERS):
        found = network.encoder.layer[layer].attention.self.query.base_layer.weight
        assert torch.equal(found, stored[layer, "query", "weight"])
        assert not found.requires_grad
    assert torch.equal(network.embeddings.word_embeddings.weight, stored[None, "embeddings.word_embeddings", "weight"])


@each_architecture
def test_full_after_lora_begins_with_the_lora_folded_in(world, store, architecture):
    train = placed(nli(FULL, topic(LORA)), world.models[architecture])
    shop = shop_of(world, store, train)
    fresh = model_to_train(train, shop)
    ended = hidden(world, architecture, finished_model(train.start.stage, shop, "fp32").backbone.network)
    began = hidden(world, architecture, fresh.backbone.network)
    torch.testing.assert_close(began, ended, atol=1e-5, rtol=1e-5)
    bare = tiny.bare(world, architecture)
    names = {name for name, _ in fresh.backbone.network.named_parameters()}
    assert names == {name for name, _ in bare.named_parameters()}
    assert (began - hidden(world, architecture, bare)).abs().max() > 0.02


@needs.adapters
@each_architecture
@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.usefixtures("modules_named_twice")
def test_fused_copies_of_one_adapter_begin_as_that_adapter(world, store, architecture, copies):
    earlier = placed(topic(ADAPTER), world.models[architecture])
    train = nli(ADAPTER, *[earlier] * copies, start=Fuse, model=world.models[architecture])
    shop = shop_of(world, store, train)
    fresh = model_to_train(train, shop)
    assert fresh.assembly.kind == "fusion"
    began = hidden(world, architecture, fresh.backbone.network)
    ended = hidden(world, architecture, finished_model(earlier, shop, "fp32").backbone.network)
    torch.testing.assert_close(began, ended, atol=1e-4, rtol=1e-4)
    assert (began - hidden(world, architecture, tiny.bare(world, architecture))).abs().max() > 0.02


@needs.adapters
@each_architecture
def test_fusion_trains_the_mixing_layers_of_every_layer(world, store, architecture):
    model = world.models[architecture]
    train = placed(nli(ADAPTER, topic(ADAPTER), nli(ADAPTER), start=Fuse), model)
    own = model_to_train(train, shop_of(world, store, train)).assembly.own
    tensors = {"query.weight", "query.bias", "key.weight", "key.bias", "value.weight"}
    assert {(layer, tensor) for layer, _, tensor in own} == {(n, t) for n in range(tiny.LAYERS) for t in tensors}


IN_BF16 = (
    "lora-stack",
    "lora-stack-bottleneck",
    "bottleneck-stack-lora",
    "lora-fuse",
    "lora-gate",
    "lora-sequential-bottleneck",
    "lora-sequential-full",
    "bottleneck-fuse",
)


@pytest.mark.parametrize("case", needs.each({name: CASES[name] for name in IN_BF16}, names=True))
def test_bf16_keeps_the_base_in_bf16_and_small_frozen_modules_in_fp32(world, store, case):
    train = placed(CASES[case], world.bert)
    train = dataclasses.replace(train, config=dataclasses.replace(train.config, precision="bf16"))
    network = model_to_train(train, shop_of(world, store, train)).backbone.network
    added = ("lora_", ".adapters.", ".mixing.")
    for name, parameter in network.named_parameters():
        small = any(mark in name for mark in added)
        assert parameter.dtype == (torch.float32 if small else torch.bfloat16), name


@needs.adapters
@pytest.mark.usefixtures("modules_named_twice")
def test_the_order_of_stacked_modules_is_lowest_first(world, store):
    below, above = topic(ADAPTER, model=world.bert), nli(ADAPTER, model=world.bert)
    found = []
    for pair in ((below, above), (above, below)):
        train = nli(ADAPTER, *pair, start=Stack, model=world.bert)
        found.append(hidden(world, "bert", model_to_train(train, shop_of(world, store, train)).backbone.network))
    assert not torch.allclose(*found, atol=1e-3)
    for count in range(1, 6):
        train = nli(ADAPTER, *[below, above][: count % 2 + 1] * count, start=Stack, model=world.bert)
        network = model_to_train(train, shop_of(world, store, train)).backbone.network
        frozen = [f"frozen{index}" for index in range(len(train.inputs))]
        assert adapters_backend.adapter_names(network) == [*frozen, "own"]


def test_a_finished_full_fine_tuning_needs_nothing_of_what_lay_below(world, store):
    """Its own module is the whole backbone: the LoRA it began from may be gone."""
    train = placed(nli(FULL, topic(LORA)), world.bert)
    fresh = model_to_train(train, shop_of(world, store, train))
    tiny.shake(fresh.assembly.own.values(), scale=0.05)
    own = dataclasses.replace(
        shop_of(world, store, train).module(placed(topic(FULL), world.bert)), tensors=capture(fresh.assembly.own)
    )
    network = tiny.bare(world, "bert")
    assemble(network, train, load=lambda _: pytest.fail("nothing is to be loaded"), own=own)
    assert torch.equal(hidden(world, "bert", network), hidden(world, "bert", fresh.backbone.network))


@each_architecture
def test_heads_begin_the_same_under_every_method_and_start(world, store, architecture):
    heads = []
    cases = (
        "full-pretrained",
        "lora-pretrained",
        "bottleneck-pretrained",
        "lora-stack",
        "lora-fuse",
        "bottleneck-fuse",
    )
    for case in cases:
        if not needs.at_hand(CASES[case]):
            continue
        train = placed(CASES[case], world.models[architecture])
        heads.append(only_head(model_to_train(train, shop_of(world, store, train))).module.linear.weight)
    assert all(torch.equal(head, heads[0]) for head in heads)


@each_architecture
def test_a_kept_head_follows_the_labels_names(world, store, architecture):
    earlier = nli(LORA, model=world.models[architecture])
    train = on(tiny.NLI_TURNED, LORA, earlier, model=world.models[architecture], head=KeptHead())
    assert tiny.NLI_TURNED.format.labels != tiny.NLI.format.labels
    shop = shop_of(world, store, train)
    fresh = model_to_train(train, shop)
    old = finished_model(earlier, shop, "fp32")
    batch = tiny.token_batch(world, architecture)
    with torch.no_grad():
        before = only_head(old).module(old.backbone.pooled(batch, Hidden()))
        after = only_head(fresh).module.eval()(fresh.backbone.eval().pooled(batch, Hidden()))
    order = [tiny.NLI.format.labels.index(label) for label in tiny.NLI_TURNED.format.labels]
    assert order != sorted(order)
    assert torch.equal(after, before[:, order])
    assert (only_head(old).format, only_head(fresh).format) == (tiny.NLI.format, tiny.NLI_TURNED.format)
    again = on(tiny.NLI, LORA, earlier, model=world.models[architecture], head=KeptHead())
    same = only_head(model_to_train(again, shop_of(world, store, again))).module
    assert torch.equal(same.linear.weight, only_head(old).module.linear.weight)
    assert torch.equal(same.linear.bias, only_head(old).module.linear.bias)
