"""What is NaN or infinite ends its stage with step, rate and remedy; nothing of it is stored, and no JSON holds it."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from support import format_bench, small_world, text_bench, tiny
from support.fake_store import change

from adaptx.backbones.choosing import log_likelihoods
from adaptx.backbones.finite import check_finite, first_not_finite
from adaptx.backbones.vocabulary_loss import OutputMatrix, likeliest
from adaptx.composition.merging.modules import merge_modules
from adaptx.errors import NotFinite, UserError
from adaptx.evaluation.evaluator import scores
from adaptx.formats.heads import load_head, save_heads
from adaptx.formats.interface import Predictions, TrainedHead
from adaptx.methods.module import Module, save_module
from adaptx.metrics import METRICS
from adaptx.specs import (
    Best,
    Bitext,
    Classification,
    Evaluate,
    Full,
    Generate,
    KeptHeadOf,
    Linear,
    Lora,
    LoraHub,
    MaskedLanguageModel,
    Merge,
    MultipleChoice,
    QuestionAnswering,
    Rank,
    Resources,
    SvdRank,
    Tagging,
    Task,
    Text,
    Ties,
    Train,
    WeightSearch,
)
from adaptx.store.json_text import json_text
from adaptx.store.store import read_json, write_json
from adaptx.training.progress import Silent
from adaptx.training.resume import FILE as SAVED_STATE
from adaptx.training.resume import SavedStates

NAN, INF = float("nan"), float("inf")
"""Neither may be in a JSON file."""


def stored(store) -> list[str]:
    return [path.parent.name for path in store.glob("*/*/complete")]


def run(world, store, *stages: Evaluate, **more):
    _, _, summary = tiny.execute(world, store, stages, **more)
    return summary


@pytest.mark.parametrize(
    ("method", "rate", "precision"),
    [
        (Full(), 1e6, "fp32"),
        (Full(), 1e30, "bf16"),
        (Lora(), 1e8, "bf16"),
        (Lora(), 1e8, "fp32"),
        (Lora(bias=True), 1e20, "fp32"),
    ],
    ids=["full", "full-bf16", "lora-bf16", "lora", "biases"],
)
def test_a_rate_that_is_far_too_high_ends_the_training(world, tmp_path, method, rate, precision):
    setting = tiny.config(learning_rate=rate, max_steps=10, precision=precision, max_gradient_norm=1e30)
    train = tiny.train(world.bert, tiny.NLI, method, setting=setting)
    summary = run(world, tmp_path / "store", *tiny.everywhere(train))
    assert not summary.complete
    messages = list(summary.failed.values())
    training = [message for message in messages if not message.startswith("skipped")]
    # Some rates leave weights that are finite still, with which nothing can be predicted.
    assert training
    assert all("not finite" in m or "the loss is" in m for m in training)
    assert all("learning rate" in m for m in training)
    assert not any("evaluate" in name for name in stored(tmp_path / "store"))
    assert list((tmp_path / "store").rglob("scores.json")) == []


def test_the_step_and_its_rate_are_told_and_the_saved_state_is_gone(world, tmp_path):
    setting = tiny.config(learning_rate=1e30, max_steps=30, warmup=0.0)
    train = tiny.train(world.bert, tiny.NLI, Full(), setting=setting)
    store = tmp_path / "store"
    summary = run(world, store, *tiny.everywhere(train), resources=Resources("cpu", saved_state_seconds=0))
    message = next(m for m in summary.failed.values() if "step" in m)
    for shown in (
        "step 2 of 30, at learning rate 9.67e+29",
        "the gradient's norm",
        "Lower TrainConfig(learning_rate=...)",
    ):
        assert shown in message
    assert list(store.rglob(SAVED_STATE)) == []
    assert stored(store) == []
    mended = dataclasses.replace(train, config=dataclasses.replace(train.config, learning_rate=1e-3, max_steps=2))
    assert run(world, store, *tiny.everywhere(mended)).complete


def test_the_failing_step_is_not_taken(world, tmp_path):
    train = tiny.train(world.bert, tiny.NLI, Lora(), setting=tiny.config(max_steps=4))
    training, fresh = tiny.begin(world, train, tmp_path / "store")
    loss, _ = training._one_step()
    kept = {key: parameter.detach().clone() for key, parameter in fresh.assembly.own.items()}
    training.extra_loss = lambda: next(iter(fresh.assembly.own.values())).sum() * NAN
    with pytest.raises(NotFinite, match=r"step 2 of 4, at learning rate .*: the loss is nan"):
        training.run(Silent())
    assert training.step == 1
    assert loss == pytest.approx(loss)
    assert all(torch.equal(parameter, kept[key]) for key, parameter in fresh.assembly.own.items())


def test_an_infinite_gradient_ends_a_training_whose_loss_is_finite(world, tmp_path):
    train = tiny.train(world.bert, tiny.NLI, Lora(), setting=tiny.config(max_steps=4))
    training, fresh = tiny.begin(world, train, tmp_path / "store")
    next(iter(fresh.assembly.own.values())).register_hook(lambda gradient: gradient / 0)
    with pytest.raises(NotFinite, match=r"step 1 of 4.*gradient's norm (nan|inf)"):
        training.run(Silent())


def test_a_loss_over_the_whole_batch_is_looked_at(monkeypatch, small_models):
    """In-batch negatives: the loss and its gradient go through two passes."""
    from adaptx.formats.interface import JointLoss
    from adaptx.specs import Retrieval

    bench = format_bench.make(small_models, "bert")
    rows = format_bench.examples(query=TEXTS, candidate=TEXTS[::-1])
    drawn = format_bench.drawn_items(bench, rows, Retrieval())
    assert isinstance(format_bench.behaviour(Retrieval()).training.loss, JointLoss)
    bench.network.encoder.layer[-1].output.LayerNorm.weight.data[0] = NAN
    loss, _ = format_bench.loss_and_gradients(bench, drawn, Retrieval(), format_bench.ONE_ITEM)
    # What is returned is what the training loop looks at.
    assert loss != loss


def test_weights_that_the_last_step_spoils_are_not_kept(world, tmp_path):
    train = tiny.train(world.bert, tiny.NLI, Lora(), setting=tiny.config(max_steps=1))
    training, fresh = tiny.begin(world, train, tmp_path / "store")

    def spoil(*_):
        next(iter(fresh.assembly.own.values())).data[0, 0] = INF

    training.optimizer.register_step_post_hook(spoil)
    with pytest.raises(NotFinite, match=r"step 1 of 1.*the step left weights that are not finite"):
        training.run(Silent())


def test_a_development_score_is_taken_from_finite_outputs(world, tmp_path):
    def score() -> float:
        raise NotFinite("1 of 9 outputs")

    setting = tiny.config(max_steps=4, selection=Best(every=2))
    train = tiny.train(world.bert, tiny.NLI, Lora(), setting=setting)
    training, _ = tiny.begin(world, train, tmp_path / "store", score=score)
    with pytest.raises(NotFinite, match=r"step 2 of 4, at learning rate .*on development rows failed: 1 of 9 outputs"):
        training.run(Silent(), SavedStates(tmp_path, 1e9))


# Evaluation.


@pytest.fixture
def spoiled(world, tmp_path):
    """A function: the store's only trained module or head is given a value, as no training leaves it."""
    train = tiny.train(world.bert, tiny.NLI, Lora())
    plan, shop, summary = tiny.execute(world, tmp_path / "store", (Evaluate(train, tiny.NLI, "xa"),))
    assert summary.complete

    def spoil(file: str, value: float) -> Train:
        def fill(folder: Path) -> None:
            tensors = {name: tensor.fill_(value) for name, tensor in load_file(folder / file).items()}
            save_file(tensors, folder / file, {"format": "adaptx"})

        change(shop.store, plan.fingerprint_of(train), fill)
        return train

    return spoil


@pytest.mark.parametrize(("file", "value"), [("head.safetensors", 1e38), ("module.safetensors", 1e38)])
def test_outputs_that_overflow_give_no_scores(world, tmp_path, spoiled, file, value):
    train = spoiled(file, value)
    from adaptx.execution.building import finished_model
    from adaptx.execution.execute import carry_out
    from adaptx.execution.groups import StageGroup

    plan, shop = tiny.workshop(world, tmp_path / "store", (Evaluate(train, tiny.NLI, "xb"),))
    assert finished_model(train, shop, "fp32")
    node = next(node for node in plan.nodes if node.kind == "evaluate")
    failed = carry_out(StageGroup((node,)), shop, Silent())
    assert isinstance(failed[node.fingerprint], NotFinite)
    assert "not finite" in str(failed[node.fingerprint])


def test_embeddings_that_are_not_finite_give_no_scores(world, tmp_path):
    folder = tmp_path / "base"
    shutil.copytree(world.folder / "models/tiny/bert", folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["embeddings.LayerNorm.weight"].fill_(3e38)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    base = dataclasses.replace(world.bert, hub_id=str(folder))
    summary = run(world, tmp_path / "store", Evaluate(base, tiny.TATOEBA, "xa"))
    assert "numbers of the embeddings are not finite" in next(iter(summary.failed.values()))


def test_no_token_is_chosen_by_scores_that_are_not_finite():
    states = torch.tensor([[1.0, 2.0], [NAN, 0.0]])
    with pytest.raises(NotFinite, match="highest scores over the vocabulary"):
        likeliest(states, OutputMatrix(torch.ones(5, 2)))
    assert likeliest(states[:1], OutputMatrix(torch.eye(2))).tolist() == [1]


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_values_are_looked_at(value):
    whole = torch.ones(3, 4)
    assert check_finite(whole, "numbers") is whole
    assert first_not_finite([("a", whole), ("b", torch.tensor([1, 2]))]) is None
    # The sum overflows, and no value is infinite.
    assert first_not_finite([("a", torch.full((9,), 3e38)), ("half", torch.full((9,), 6e4).half())]) is None
    spoiled = whole.clone()
    spoiled[2, 1] = value
    assert first_not_finite([("a", whole), ("b", spoiled)]) == "b"
    with pytest.raises(NotFinite, match="1 of 12 numbers are not finite"):
        check_finite(spoiled, "numbers")


def test_log_likelihoods_are_looked_at(world, monkeypatch):
    from adaptx.backbones import choosing

    class Read:
        states_ND = torch.tensor([[NAN, 1.0]])

    monkeypatch.setattr(choosing, "begin", lambda *_: Read())
    monkeypatch.setattr(choosing, "output_matrix", lambda _: OutputMatrix(torch.eye(2)))
    with pytest.raises(NotFinite, match="log-likelihoods of candidates"):
        log_likelihoods(None, [[1]], [[[0], [1]]], torch.device("cpu"))


def test_a_metric_that_is_undefined_is_told(monkeypatch):
    class Undefined:
        @staticmethod
        def score(*_) -> float:
            return NAN

    monkeypatch.setitem(METRICS, "accuracy", Undefined)
    with pytest.raises(NotFinite, match=r"accuracy of nli in xa is nan, because it is undefined for these 1 rows"):
        scores(tiny.NLI, Predictions(predictions=["a"], golds=["a"], rows=[0], inputs=[], details=[]), "xa")


# Merging.


HUGE = Linear((1e38, 1e38))


def modules(method, count: int = 2) -> list[Module]:
    torch.manual_seed(0)
    if isinstance(method, Lora):
        shapes = {(0, "query", "lora_A"): (4, 6), (0, "query", "lora_B"): (6, 4), (0, "query", "bias"): (6,)}
        shapes = {key: shape for key, shape in shapes.items() if method.bias or key[2] != "bias"}
    else:
        shapes = {(0, "query", "weight"): (6, 6)}
    return [Module("module", method, "x", {k: torch.randn(s) for k, s in shapes.items()}) for _ in range(count)]


@pytest.mark.parametrize("method", [Full(), Lora(4), Lora(4, bias=True)], ids=repr)
@pytest.mark.parametrize("rule", [HUGE, Linear((1e38, -1e38)), SvdRank(2, HUGE)], ids=repr)
def test_weights_that_are_far_too_large_merge_nothing(method, rule):
    if isinstance(rule, SvdRank) and isinstance(method, Full):
        pytest.skip("ranks are LoRA's")
    given = modules(method)
    base = {key: torch.randn(tensor.shape) for key, tensor in given[0].tensors.items()}
    with pytest.raises(NotFinite, match=r"too large to compute with. Choose weights whose sum is near 1"):
        merge_modules(given, rule, base)


@pytest.mark.parametrize("method", [Full(), Lora(4)], ids=repr)
@pytest.mark.parametrize("rule", [Linear(), Ties(0.5)], ids=repr)
@pytest.mark.parametrize("value", [NAN, INF])
def test_a_module_that_is_not_finite_is_not_merged(method, rule, value):
    given = modules(method)
    next(iter(given[1].tensors.values()))[0, 0] = value
    base = {key: torch.randn(tensor.shape) for key, tensor in given[0].tensors.items()}
    with pytest.raises(NotFinite):
        merge_modules(given, rule, base)


def test_such_a_merge_fails_its_stage(world, tmp_path):
    one, other = (
        tiny.train(world.bert, tiny.NLI, Lora(2), setting=tiny.config(seed=seed, max_steps=1)) for seed in (1, 2)
    )
    merge = Merge((one, other), HUGE, KeptHeadOf(0))
    summary = run(world, tmp_path / "store", Evaluate(merge, tiny.NLI, "xa"))
    failed = [message for message in summary.failed.values() if not message.startswith("skipped")]
    assert len(failed) == 1
    assert "too large to compute with" in failed[0]
    assert not (tmp_path / "store/merge").exists() or list((tmp_path / "store/merge").iterdir()) == []


def test_a_search_tells_the_weights_that_overflow(world, tmp_path):
    one, other = (
        tiny.train(world.bert, tiny.NLI, Lora(2), setting=tiny.config(seed=seed, max_steps=1)) for seed in (1, 2)
    )
    searched = WeightSearch(tiny.NLI, LoraHub(low=1e37, high=2e37, evaluations=6))
    merge = Merge((one, other), Linear(searched), KeptHeadOf(0))
    summary = run(world, tmp_path / "store", Evaluate(merge, tiny.NLI, "xa"))
    (message,) = [message for message in summary.failed.values() if not message.startswith("skipped")]
    assert "not finite" in message


# What is written.


@pytest.mark.parametrize("value", [NAN, INF])
def test_no_module_and_no_head_is_written_with_such_values(tmp_path, value):
    tensor = torch.ones(3)
    tensor[1] = value
    with pytest.raises(NotFinite, match="0/query/weight holds values that are not finite"):
        save_module(Module("module", Full(), "x", {(0, "query", "weight"): tensor}), tmp_path)
    head = torch.nn.Linear(2, 2)
    head.weight.data[0, 0] = value
    with pytest.raises(NotFinite, match="0/weight holds values that are not finite"):
        save_heads({"0": TrainedHead(head, Classification(("a", "b")))}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_head_of_another_shape_is_refused_with_both(tmp_path):
    save_heads({"0": TrainedHead(torch.nn.Linear(3, 2), Classification(("a", "b")))}, tmp_path)
    with pytest.raises(UserError, match=r"has no head '1'; it has: 0"):
        load_head(tmp_path, "1", lambda _: torch.nn.Linear(3, 2))
    with pytest.raises(UserError, match=r"the head '0' has bias \(2,\), weight \(2, 3\), but its model needs"):
        load_head(tmp_path, "0", lambda _: torch.nn.Linear(4, 2))


@settings(max_examples=40)
@given(st.recursive(st.floats() | st.integers() | st.text() | st.none(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_json_holds_no_number_that_is_not_finite(value):
    def constant(name: str) -> None:
        raise AssertionError(name)

    json.loads(json_text(value), parse_constant=constant)
    assert json_text([NAN, {"a": INF}]) == '[null, {"a": null}]'


def test_files_are_written_whole_or_refused(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": NAN})
    assert read_json(tmp_path / "a.json") == {"a": 1.5}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_an_undefined_metric_is_null_on_the_command_line(monkeypatch, capsys):
    import adaptx.metrics.cases
    from adaptx.cli.rows import score

    monkeypatch.setattr(adaptx.metrics.cases, "read_case", lambda _: None)
    monkeypatch.setattr(adaptx.metrics.cases, "score_case", lambda _: {"map": NAN})
    monkeypatch.setattr(adaptx.metrics.cases, "stops", lambda _: [])
    score(Path("case.json"))
    assert json.loads(capsys.readouterr().out) == {"map": None}


# Every format, of a network whose states are not finite.


@pytest.fixture(scope="module")
def small_models(tmp_path_factory):
    return small_world.make_models(tmp_path_factory.mktemp("models"))


TEXTS = ["tree sea stone", "river wolf", "bread"]
PREDICTED = {
    Classification(("a", "b")): {"text": TEXTS, "label": ["a", "b", "a"]},
    MultipleChoice(): {"text": TEXTS, "question": TEXTS, "choices": [["sea", "iron"]] * 3, "label": [0, 1, 0]},
    Tagging(("O", "B-X")): {
        "tokens": [text.split() for text in TEXTS],
        "tags": [["O"] * len(t.split()) for t in TEXTS],
    },
    QuestionAnswering(): {"question": TEXTS, "context": TEXTS, "answers": [["sea"]] * 3, "answer_starts": [[5]] * 3},
    MaskedLanguageModel(): {"text": TEXTS},
    Bitext(): {"query": TEXTS, "candidate": TEXTS[::-1]},
}


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("task_format", PREDICTED, ids=lambda each: type(each).__name__)
def test_no_format_predicts_from_states_that_are_not_finite(small_models, task_format, value):
    bench = format_bench.make(small_models, "bert")
    rows, head = format_bench.examples(**PREDICTED[task_format]), bench.head(task_format)
    task = Task("any", task_format, metrics=("accuracy",))
    assert len(bench.evaluator().predict(rows, task, head).predictions) == 3
    bench.network.encoder.layer[-1].output.LayerNorm.weight.data[0] = value
    with pytest.raises(NotFinite, match="are not finite"):
        bench.evaluator().predict(rows, task, head)


@pytest.mark.parametrize("answer", [Rank(end=True), Generate()], ids=repr)
@pytest.mark.parametrize("architecture", ["mt5", "qwen3"])
def test_no_answer_is_taken_from_states_that_are_not_finite(world, architecture, answer):
    models = text_bench.add_models(world)
    bench = text_bench.bench(world, models[architecture])
    rows = text_bench.rows_of(world, tiny.NLI, "en", 3)
    framing = Text(text_bench.NLI_PROMPT, answer, answer_tokens=4)
    evaluator = bench.evaluator(world, framing)
    assert len(evaluator.predict(rows, tiny.NLI, None).predictions) == 3
    bench.network.get_output_embeddings().weight.data[5, 5] = NAN
    with pytest.raises(NotFinite, match="are not finite"):
        evaluator.predict(rows, tiny.NLI, None)
