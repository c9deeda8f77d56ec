"""The training loop: its arithmetic does not depend on how a batch is cut, and it does what the config says."""

import math
import os
import signal
from collections import Counter
from dataclasses import replace

import pytest
import torch
from support import needs, tiny
from torch.nn import functional

from adaptx.backbones import cpu_kernels
from adaptx.formats.interface import Items
from adaptx.methods.module import capture
from adaptx.specs import (
    Best,
    Bottleneck,
    Full,
    Hidden,
    Lora,
    Mixture,
    Pooling,
    Resources,
    Schedule,
    Temperature,
    Uniform,
    Weighted,
)
from adaptx.training.loop import Training
from adaptx.training.optimisation import learning_rate_factor
from adaptx.training.progress import Silent
from adaptx.training.resume import FILE, SavedStates, deferred_interrupt
from adaptx.training.sampling import Sampler, batch_indices

METHODS = {"full": Full(), "lora": Lora(4, 8, sites=("query", "value", "down")), "bottleneck": Bottleneck(4)}
ON_CPU = Resources("cpu")
TASKS = {"one task": tiny.NLI, "mixture": Mixture((tiny.TOPIC, tiny.NLI, tiny.NLI_FEW), Temperature(2.0))}
each_architecture = pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)


def begin(
    world,
    method="lora",
    resources=ON_CPU,
    architecture="bert",
    framing=None,
    extra=None,
    score=None,
    task=tiny.NLI,
    **more,
) -> Training:
    """A training of the tiny NLI task (or of another), ready to run."""
    model = world.models[architecture]
    train = tiny.train(model, task, METHODS[method], setting=tiny.config(**more), framing=framing)
    return tiny.begin(world, train, world.folder / "unused-store", resources, extra, score)[0]


def the_head(training: Training) -> torch.nn.Module:
    (head,) = training.model.heads.values()
    return head


def items_of(training: Training) -> Items:
    (part,) = training.parts
    return part.items


def losses(training: Training) -> torch.Tensor:
    return torch.tensor([entry.loss for entry in training.run(Silent()).history.steps], dtype=torch.float64)


def weights(training: Training) -> list[torch.Tensor]:
    return [*capture(training.own).values(), *(value.clone() for value in training.model.heads.state_dict().values())]


def same(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    return len(left) == len(right) and all(torch.equal(*pair) for pair in zip(left, right, strict=True))


CUTS = {
    "4 examples": Resources("cpu", micro_batch_size=4),
    "32 examples": Resources("cpu", micro_batch_size=32),
    "1 example": Resources("cpu", micro_batch_size=1),
    "50 tokens": Resources("cpu", micro_batch_tokens=50),
    "both": Resources("cpu", micro_batch_size=7, micro_batch_tokens=150),
}


@each_architecture
@pytest.mark.parametrize("method", needs.each(METHODS, names=True))
def test_the_loss_curve_does_not_depend_on_the_micro_batch(world, architecture, method):
    def extra(fresh):
        return lambda: 0.01 * torch.stack([parameter.pow(2).sum() for parameter in fresh.assembly.own.values()]).sum()

    setting = {"max_steps": 6, "batch_size": 32, "extra": extra, "learning_rate": 2e-3}
    whole = losses(begin(world, method, ON_CPU, architecture, **setting))
    assert whole[0] - whole[-1] > 1e-3, "nothing was learnt, so nothing is shown"
    for name, resources in CUTS.items():
        cut = losses(begin(world, method, resources, architecture, **setting))
        torch.testing.assert_close(cut, whole, atol=1e-5, rtol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


@each_architecture
@pytest.mark.parametrize("pooling", [Pooling.FIRST, Pooling.LAST, Pooling.MEAN])
def test_the_loss_of_a_batch_is_plain_cross_entropy(world, architecture, pooling):
    training = begin(world, "lora", architecture=architecture, framing=Hidden(pooling=pooling), max_steps=1)
    network, encoded = tiny.bare(world, architecture), items_of(training).encoded
    values = []
    for index in batch_indices(0, len(items_of(training)), training.config.batch_size, training.config.seed):
        types = {} if encoded.types is None else {"token_type_ids": torch.tensor([encoded.types[index]])}
        with torch.no_grad():
            hidden = network(input_ids=torch.tensor([encoded.ids[index]]), **types).last_hidden_state[0]
            vector = {Pooling.FIRST: hidden[0], Pooling.LAST: hidden[-1], Pooling.MEAN: hidden.mean(dim=0)}[pooling]
            logits = the_head(training).linear(vector)
        values.append(functional.cross_entropy(logits, torch.tensor(items_of(training).targets[index])))
    (loss,) = losses(training)
    assert loss.item() == pytest.approx(torch.stack(values).mean().item(), abs=1e-5)


def test_an_fp32_training_after_a_bf16_one_is_the_same_as_alone(world):
    for method in filter(lambda name: needs.at_hand(METHODS[name]), METHODS):
        alone = begin(world, method)
        alone.run(Silent())
        begin(world, method, precision="bf16").run(Silent())
        after = begin(world, method)
        after.run(Silent())
        assert same(weights(after), weights(alone)), method


def test_bf16_keeps_frozen_weights_in_bf16_and_trained_ones_in_fp32(world):
    training = begin(world, "lora", precision="bf16", max_steps=1)
    kinds = {parameter.dtype for parameter in training.model.backbone.parameters() if not parameter.requires_grad}
    assert kinds == {torch.bfloat16}
    trained = (*training.own.values(), *the_head(training).parameters())
    assert {parameter.dtype for parameter in trained} == {torch.float32}
    in_fp32 = losses(begin(world, "lora", max_steps=1))
    assert losses(training).item() == pytest.approx(in_fp32.item(), abs=0.05)


def test_two_trainings_of_one_seed_are_equal_and_of_two_seeds_are_not(world):
    found = []
    for seed in (1, 1, 2):
        training = begin(world, seed=seed, dropout=0.2)
        training.run(Silent())
        found.append(weights(training))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_dropout_is_drawn_cheaply_and_only_while_training(world, monkeypatch):
    drawn = []
    draw = cpu_kernels.keep_mask
    monkeypatch.setattr(
        cpu_kernels, "keep_mask", lambda like, rate: drawn.append((rate, like.dim())) or draw(like, rate)
    )
    begin(world, max_steps=1, dropout=0.25).run(Silent())
    # The embeddings and two outputs a layer; the head; and each layer's attention, group by group.
    assert {rate for rate, _ in drawn} == {0.25}
    dimensions = Counter(dimensions for _, dimensions in drawn)
    groups, rest = divmod(dimensions.pop(4), tiny.LAYERS)
    assert (groups > 0, rest, dimensions) == (True, 0, {3: 1 + 2 * tiny.LAYERS, 2: 1})
    drawn.clear()
    begin(world, max_steps=1, dropout=0.0).run(Silent())
    assert drawn == []


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule.CONSTANT, [1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1, 1, 1]),
        (Schedule.LINEAR, [1 / 3, 2 / 3, *(1 - step / 8 for step in range(8))]),
        (Schedule.COSINE, [1 / 3, 2 / 3, *(0.5 + 0.5 * math.cos(math.pi * step / 8) for step in range(8))]),
    ],
)
def test_the_learning_rate_follows_its_schedule(world, schedule, expected):
    config = tiny.config(schedule=schedule, warmup=0.2, max_steps=10, learning_rate=0.5)
    factor = learning_rate_factor(config, 10)
    assert [factor(step) for step in range(10)] == pytest.approx(expected)
    steps = begin(world, schedule=schedule, warmup=0.2, max_steps=10, learning_rate=4e-3).run(Silent()).history.steps
    assert [entry.learning_rate for entry in steps] == pytest.approx([4e-3 * share for share in expected])


def test_without_warm_up_the_first_step_is_at_the_peak():
    factor = learning_rate_factor(tiny.config(warmup=0.0), 4)
    assert [factor(step) for step in range(5)] == [1, 0.75, 0.5, 0.25, 0]
    everything = learning_rate_factor(tiny.config(warmup=1.0), 4)
    assert [everything(step) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize(
    ("budget", "examples", "steps"),
    [
        ({"max_steps": 7}, 100, 7),
        ({"epochs": 1}, 64, 8),
        ({"epochs": 1}, 65, 9),
        ({"epochs": 0.5}, 64, 4),
        ({"epochs": 3}, 10, 4),
        ({"epochs": 0.01}, 10, 1),
    ],
)
def test_the_number_of_steps(budget, examples, steps):
    assert tiny.config(**{"max_steps": None, **budget}, batch_size=8).num_steps(examples) == steps


@pytest.mark.parametrize(("num_examples", "batch_size"), [(12, 4), (13, 4), (5, 7), (3, 32), (1, 1)])
def test_every_example_comes_once_an_epoch(num_examples, batch_size):
    epochs = 6
    count = math.ceil(num_examples * epochs / batch_size)
    stream = [index for step in range(count) for index in batch_indices(step, num_examples, batch_size, seed=3)]
    orders = [stream[first : first + num_examples] for first in range(0, num_examples * epochs, num_examples)]
    assert all(sorted(order) == list(range(num_examples)) for order in orders)
    if num_examples > 4:
        assert len({tuple(order) for order in orders}) > 1, "every epoch has one order"
        other = [index for step in range(count) for index in batch_indices(step, num_examples, batch_size, seed=4)]
        assert other != stream


@pytest.mark.parametrize("sampling", [Uniform(), Temperature(3.0), Weighted((5.0, 1.0, 1.0))])
def test_a_step_of_a_mixture_draws_the_same_whatever_was_drawn_before(sampling):
    config, sizes, steps = tiny.config(batch_size=8), (11, 40, 3), range(100)
    in_order = [Sampler(sizes, config, sampling).batch(step) for step in steps]
    one = Sampler(sizes, config, sampling)
    assert [one.batch(step) for step in reversed(steps)] == in_order[::-1]
    for task, size in enumerate(sizes):
        drawn = [index for batch in in_order for number, indices in batch if number == task for index in indices]
        orders = [drawn[first : first + size] for first in range(0, len(drawn) - size + 1, size)]
        assert len(orders) > 1
        assert all(sorted(order) == list(range(size)) for order in orders), "each of its examples comes once an epoch"


def test_any_number_of_tasks_can_be_mixed():
    sampler = Sampler([5] * 200, tiny.config(batch_size=64, seed=10_000), Uniform())
    drawn = [(task, indices) for step in range(50) for task, indices in sampler.batch(step)]
    assert {task for task, _ in drawn} == set(range(200))
    first = {task: indices[0] for task, indices in reversed(drawn)}
    assert set(first.values()) == set(range(5)), "every task has an order of its own"


def test_gradients_are_clipped_to_the_norm_of_all_that_trains(world):
    def norms(limit: float) -> list[float]:
        training, found = begin(world, max_gradient_norm=limit), []
        trained = (*training.own.values(), *the_head(training).parameters())

        def measure(*_):
            gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
            found.append(torch.stack([gradient.norm() for gradient in gradients]).norm().item())

        training.optimizer.register_step_pre_hook(measure)
        training.run(Silent())
        return found

    free, clipped = norms(1e9), norms(1e-3)
    assert min(free) > 1e-2
    assert clipped == pytest.approx([1e-3] * 3, rel=1e-2)


def test_the_head_has_its_own_learning_rate_and_vectors_no_decay(world):
    def rates(training) -> dict[int, tuple[float, float]]:
        return {
            id(parameter): (group["initial_lr"], group["weight_decay"])
            for group in training.optimizer.param_groups
            for parameter in group["params"]
        }

    training = begin(world, "full", learning_rate=1e-4, head_learning_rate=3e-2, weight_decay=0.1)
    found = rates(training)
    for parameters, rate in ((training.own.values(), 1e-4), (the_head(training).parameters(), 3e-2)):
        for parameter in parameters:
            assert found[id(parameter)] == (rate, 0.1 if parameter.ndim > 1 else 0.0)
    shared = rates(begin(world, "full", learning_rate=1e-4))
    assert {rate for rate, _ in shared.values()} == {1e-4}
    before = the_head(training).linear.weight.detach().clone()
    own = capture(training.own)
    training.run(Silent())
    moved = (the_head(training).linear.weight - before).abs().max()
    others = max((parameter.detach() - own[key]).abs().max() for key, parameter in training.own.items())
    assert moved > 20 * others


class Scores:
    """Development scores as given, and the weights at each of them."""

    def __init__(self, *scores: float) -> None:
        self.scores, self.training, self.seen = list(scores), None, []

    def __call__(self) -> float:
        assert not self.training.model.training, "development rows are scored in evaluation mode"
        self.seen.append(weights(self.training))
        return self.scores[len(self.seen) - 1]


def selecting(world, scores: Scores, steps=8, **selection) -> Training:
    training = begin(world, score=scores, max_steps=steps, selection=Best(**selection), dropout=0.1)
    scores.training = training
    return training


def test_best_keeps_the_weights_of_the_best_step_the_earliest_of_equals(world):
    scores = Scores(0.2, 0.5, 0.4, 0.5)
    training = selecting(world, scores, every=2)
    outcome = training.run(Silent())
    assert outcome.selected_step == 4
    assert same(weights(training), scores.seen[1])
    assert not same(scores.seen[1], scores.seen[3])
    entries = [(entry.step, entry.score) for entry in outcome.history.development]
    assert entries == [(2, 0.2), (4, 0.5), (6, 0.4), (8, 0.5)]


def test_the_last_step_is_scored_too(world):
    scores = Scores(0.2, 0.3, 0.9)
    outcome = selecting(world, scores, steps=7, every=3).run(Silent())
    assert outcome.selected_step == 7
    assert [entry.step for entry in outcome.history.development] == [3, 6, 7]


@pytest.mark.parametrize(("patience", "stops_at"), [(1, 3), (2, 4), (3, 8), (None, 8)])
def test_patience_ends_a_training_that_no_longer_improves(world, patience, stops_at):
    scores = Scores(0.1, 0.3, 0.2, 0.3, 0.4, 0.1, 0.1, 0.1)
    training = selecting(world, scores, every=1, patience=patience)
    outcome = training.run(Silent())
    assert len(outcome.history.steps) == stops_at
    assert outcome.selected_step == (2 if stops_at < 8 else 5)
    assert same(weights(training), scores.seen[outcome.selected_step - 1])


def test_last_keeps_the_last_step_and_reads_no_development_rows(world):
    outcome = begin(world, score=lambda: pytest.fail("nothing is to be scored")).run(Silent())
    assert outcome.selected_step == 3
    assert outcome.history.development == []


def test_the_history_tells_each_step(world):
    class Watching(Silent):
        def __init__(self) -> None:
            self.steps = []

        def advance(self, done, loss=None, examples_per_second=None):
            self.steps.append((done, loss, examples_per_second))

    watching, training = Watching(), begin(world)
    history = training.run(watching).history
    assert [entry.step for entry in history.steps] == [1, 2, 3]
    seconds = [entry.seconds for entry in history.steps]
    assert seconds == sorted(seconds)
    assert history.seconds == seconds[-1]
    read = [index for step in range(3) for index in batch_indices(step, len(items_of(training)), 8, 1)]
    assert history.tokens == sum(len(items_of(training).encoded.ids[index]) for index in read)
    assert [(done, loss) for done, loss, _ in watching.steps] == [(e.step, e.loss) for e in history.steps]
    assert all(rate > 0 for _, _, rate in watching.steps)
    assert not training.model.training


class Interrupting(Silent):
    """Sends a signal to this very process during a step; keeps what is noted."""

    def __init__(self, number: int, at_step: int) -> None:
        self.number, self.at_step, self.notes = number, at_step, []

    def advance(self, done, loss=None, examples_per_second=None):
        if done == self.at_step:
            os.kill(os.getpid(), self.number)

    def note(self, text):
        self.notes.append(text)


@pytest.mark.parametrize("method", needs.each(METHODS, names=True))
@pytest.mark.parametrize(("number", "task"), [(signal.SIGINT, "mixture"), (signal.SIGTERM, "one task")])
def test_an_interrupted_training_leaves_a_checkpoint_and_goes_on_to_the_same_weights(
    world, method, number, task, tmp_path
):
    setting = {"max_steps": 6, "dropout": 0.2, "task": TASKS[task]}
    whole = begin(world, method, **setting)
    outcome = whole.run(Silent())
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(KeyboardInterrupt):
        begin(world, method, **setting).run(Interrupting(number, 4), SavedStates(tmp_path, 1e9))
    assert {each: signal.getsignal(each) for each in handlers} == handlers
    state = torch.load(tmp_path / FILE, weights_only=True)
    assert state["step"] == 4
    # The process has drawn other random numbers and has another micro-batch asked for by the time it goes on.
    torch.manual_seed(99)
    resumed = begin(world, method, Resources("cpu", micro_batch_size=3), **setting)
    progress = Interrupting(number, 0)
    again = resumed.run(progress, SavedStates(tmp_path, 1e9))
    assert progress.notes == ["resuming at step 4"]
    assert same(weights(resumed), weights(whole))
    steps = [replace(entry, seconds=0) for entry in again.history.steps]
    assert steps == [replace(entry, seconds=0) for entry in outcome.history.steps]
    assert again.history.tokens == outcome.history.tokens


def test_a_resumed_selection_remembers_its_best_step(world, tmp_path):
    scores = Scores(0.1, 0.9, 0.2, 0.3)
    whole = selecting(world, scores, steps=4, every=1)
    whole.run(Silent())
    first = Scores(0.1, 0.9, 0.2)
    with pytest.raises(KeyboardInterrupt):
        selecting(world, first, steps=4, every=1).run(Interrupting(signal.SIGINT, 3), SavedStates(tmp_path, 1e9))
    resumed = selecting(world, Scores(0.3), steps=4, every=1)
    outcome = resumed.run(Silent(), SavedStates(tmp_path, 1e9))
    assert outcome.selected_step == 2
    assert [entry.score for entry in outcome.history.development] == [0.1, 0.9, 0.2, 0.3]
    assert same(weights(resumed), weights(whole))


def test_a_resume_under_other_threads_says_so(world, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        begin(world).run(Interrupting(signal.SIGINT, 1), SavedStates(tmp_path, 1e9))
    progress, threads = Interrupting(signal.SIGINT, 0), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        begin(world).run(progress, SavedStates(tmp_path, 1e9))
    finally:
        torch.set_num_threads(threads)
    assert f"resuming with threads {threads + 1}, but the training began with {threads}" in progress.notes[0]


def test_checkpoints_come_as_often_as_asked(world, tmp_path):
    seen = []

    class Watching(Silent):
        def advance(self, done, loss=None, examples_per_second=None):
            seen.append(torch.load(tmp_path / FILE, weights_only=True)["step"] if (tmp_path / FILE).exists() else 0)

    begin(world).run(Watching(), SavedStates(tmp_path, 0))
    assert seen == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_second_signal_acts_at_once():
    # A shell has what it starts in the background ignore Ctrl-C, the test run too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with deferred_interrupt() as interrupted:
            assert not interrupted()
            signal.raise_signal(signal.SIGINT)
            assert interrupted()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.gpu
@pytest.mark.parametrize("method", needs.each(METHODS, names=True))
def test_a_bf16_training_on_cuda(world, method):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    training = begin(world, method, Resources("cuda"), precision="bf16", max_steps=10, dropout=0.1)
    curve = losses(training)
    assert torch.isfinite(curve).all()
    first = losses(begin(world, method, Resources("cuda"), precision="bf16", max_steps=1))
    assert first.item() == pytest.approx(losses(begin(world, method, max_steps=1)).item(), abs=0.05)
    assert {parameter.device.type for parameter in training.own.values()} == {"cuda"}
