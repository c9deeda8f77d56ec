"""Several workers: the results of one, in the order that dependencies ask for; a lost worker loses one group."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support import tiny
from test_resume import stop_at

from adaptx.errors import UserError
from adaptx.execution.groups import StageGroup, grouped
from adaptx.execution.local import run
from adaptx.execution.schedule import StageSchedule
from adaptx.execution.workers import Workers, worker_devices
from adaptx.planning.recipe_file import load_recipe
from adaptx.specs import Full, Lora, Sequential
from adaptx.store.claim import claimed
from adaptx.store.store import Store
from adaptx.training.progress import Silent
from adaptx.training.resume import FILE


def chains(world) -> tuple[Any, ...]:
    """An intermediate training with two targets, and a baseline: three models to evaluate in two languages each."""
    model = world.models["xlm-roberta"]
    intermediate = tiny.train(model, tiny.TOPIC, Lora(4, 8))
    targets = [
        tiny.train(model, tiny.NLI, Lora(4, 8), start=Sequential(intermediate)),
        tiny.train(model, tiny.NLI, Full(), start=Sequential(intermediate)),
        tiny.train(model, tiny.NLI, Lora(4, 8)),
    ]
    return tuple(stage for target in targets for stage in tiny.everywhere(target))


class Watched(Silent):
    """Notes what begins and how it goes on; `act` is called with each stage's name as it begins."""

    def __init__(self, act: Callable[[str], None] = lambda name: None) -> None:
        self.began: list[str] = []
        self.steps: list[int] = []
        self.act = act

    def start(self, name: str, total: int, unit: str) -> None:
        self.began.append(name)
        self.act(name)

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        self.steps.append(done)


class TwoAtOnce:
    """A crew that ends what it began first, and notes what it has at once."""

    def __init__(self, failing: str = "") -> None:
        self.taken: list[StageGroup] = []
        self.began: list[tuple[str, ...]] = []
        self.done: set[str] = set()
        self.failing = failing

    @property
    def has_room(self) -> bool:
        return len(self.taken) < 2

    @property
    def busy(self) -> bool:
        return bool(self.taken)

    def begin(self, group: StageGroup) -> None:
        assert group.inputs <= self.done
        self.taken.append(group)
        self.began.append(tuple(node.name for node in group.nodes))

    def next_done(self, timeout_seconds: float | None = None) -> tuple[StageGroup, dict[str, Exception]]:
        group = self.taken.pop(0)
        if any(node.name == self.failing for node in group.nodes):
            return group, {key: OSError("disk full") for key in group.fingerprints}
        self.done |= group.fingerprints
        return group, {}

    def close(self) -> None:
        pass


def test_what_the_longest_chain_needs_begins_first_and_nothing_before_its_inputs(world, tmp_path):
    stages = chains(world)
    # The baseline is planned first, yet the intermediate training has more behind it.
    plan, _ = tiny.workshop(world, tmp_path, (*stages[4:], *stages[:4]))
    crew, recorded = TwoAtOnce(), []
    schedule = StageSchedule(grouped(list(plan.nodes)), plan, in_order=False)
    schedule.carry_out(crew, recorded.append)
    summary = schedule.summary
    trainings = [name for [name, *others] in crew.began if not others]
    assert trainings[:2] == ["xlm-roberta.topic.lora-r4", "xlm-roberta.nli.lora-r4"]
    assert plan.nodes[0].name == "xlm-roberta.nli.lora-r4"
    assert len(crew.began) == 4 + 3
    assert [node for nodes in recorded for node in nodes] == summary.finished
    assert len(summary.finished) == len(plan.nodes)


def test_what_needs_a_failed_stage_never_begins(world, tmp_path):
    plan, _ = tiny.workshop(world, tmp_path, chains(world))
    crew = TwoAtOnce(failing="xlm-roberta.topic.lora-r4")
    schedule = StageSchedule(grouped(list(plan.nodes)), plan, in_order=False)
    schedule.carry_out(crew, None)
    summary = schedule.summary
    assert len(crew.began) == 1 + 2
    assert len(summary.finished) == 1 + 2
    assert sorted(summary.failed.values())[0] == "OSError: disk full"
    skipped = [cause for cause in summary.failed.values() if cause.startswith("skipped, ")]
    assert len(skipped) == 2 + 4


def test_each_gpu_has_one_worker(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    def devices(name: str, number: int) -> list[str]:
        return [str(device) for device in worker_devices(SimpleNamespace(device=torch.device(name)), number)]

    assert devices("cuda", 2) == ["cuda:0", "cuda:1"]
    assert devices("cuda:1", 1) == ["cuda:1"]
    assert devices("cpu", 3) == ["cpu"] * 3
    with pytest.raises(UserError, match="each worker needs one GPU, and torch finds 2; use at most --workers 2"):
        devices("cuda", 3)
    with pytest.raises(UserError, match=r"--workers 2: cuda:1 is one device; .*, or --device cuda to use all GPUs"):
        devices("cuda:1", 2)
    with pytest.raises(UserError, match=r"--workers 2: mps is one device; use --workers 1$"):
        devices("mps", 2)


def test_two_workers_leave_what_one_process_leaves(world, tmp_path):
    stages = chains(world)
    plan, alone, _ = tiny.execute(world, tmp_path / "alone", stages)
    progress, recorded = Watched(), []
    _, shop = tiny.workshop(world, tmp_path / "together", stages)
    summary = run(plan, shop, progress, after=recorded.extend, workers=2)

    assert summary.complete, summary.failed
    assert {node.name for node in plan.nodes} <= set(progress.began)
    assert max(progress.steps) > 1
    assert {node.fingerprint for node in recorded} == {node.fingerprint for node in plan.nodes}
    assert set(Store(shop.store.root).entries()) == set(alone.store.entries())
    for node in plan.nodes:
        ours, theirs = (each.store.find(node.fingerprint) for each in (shop, alone))
        if node.kind == "evaluate":
            assert ours.scores.predictions == theirs.scores.predictions
            continue
        # A full fine-tuned target's weights go either way once its scores are there.
        assert ours.has_module == theirs.has_module == (not plan.transient(node))
        if ours.has_module:
            files = [entry.folder / "module.safetensors" for entry in (ours, theirs)]
            assert files[0].read_bytes() == files[1].read_bytes()
        assert ours.result.environment.threads == max(1, torch.get_num_threads() // 2)
    assert multiprocessing.active_children() == []


def test_a_stage_that_fails_in_a_worker_takes_only_its_dependents(world, tmp_path):
    stages = chains(world)
    plan, shop = tiny.workshop(world, tmp_path, stages)
    intermediate = plan.nodes[0]
    broken = shop.store.root / "working" / intermediate.fingerprint[:16]
    broken.parent.mkdir(parents=True)
    broken.write_text("a file where a folder is to be")
    summary = run(plan, shop, Silent(), workers=2)

    assert summary.failed[intermediate.fingerprint].startswith("FileExistsError: ")
    # What --debug shows.
    assert "in execute_train" in str(summary.errors[intermediate.fingerprint].__cause__)
    assert len(summary.failed) == 1 + 2 + 4
    assert len(summary.finished) == 1 + 2


def test_a_killed_worker_loses_its_group_and_another_goes_on(world, tmp_path):
    stages = chains(world)
    plan, shop = tiny.workshop(world, tmp_path, stages)
    killed: list[int] = []

    def kill_first(name: str) -> None:
        if not killed:
            [worker] = [each for each in multiprocessing.active_children() if each.name == "worker 1"]
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()

    summary = run(plan, shop, Watched(kill_first), workers=2)
    [(lost, error)] = summary.errors.items()
    assert "the system killed its process, probably because memory ran out; try fewer --workers" in str(error)
    others = [key for key, cause in summary.failed.items() if key != lost]
    assert all("skipped, because it needs" in summary.failed[key] for key in others)
    assert len(summary.finished) + len(summary.failed) == len(plan.nodes)
    assert summary.finished
    # The next run does what is missing.
    assert run(plan, shop, Silent()).complete
    assert all(shop.store.find(node.fingerprint) for node in plan.nodes)


RECIPE = """
import pathlib
from support import tiny
from adaptx.specs import Lora, Recipe

def build(world: str = "") -> Recipe:
    model = tiny.known_world(pathlib.Path(world)).models["xlm-roberta"]
    long = tiny.train(model, tiny.NLI, Lora(4, 8), setting=tiny.config(max_steps=100_000))
    return Recipe("long", tiny.everywhere(long))
"""


def test_interrupted_or_killed_its_workers_end_with_a_checkpoint(world, tmp_path):
    recipe, store = tmp_path / "recipe.py", tmp_path / "store"
    recipe.write_text(RECIPE)
    plan = tiny.workshop(world, store, load_recipe(recipe, {"world": str(world.folder)}).evaluations)[0]
    working = store / "working" / plan.nodes[0].fingerprint[:16]
    lock = working.with_suffix(".lock")
    given = ("--data", world.folder, "--set", f"world={world.folder}", "--device", "cpu", "--saved-state-seconds", 2)
    command = ("run", recipe, "--store", store, *given, "--workers", 2)

    def last_step() -> int:
        return torch.load(working / FILE, weights_only=True)["step"]

    stopped = tiny.begin_adaptx(*command)
    said = stop_at(stopped, working / FILE, 0, lambda process: process.terminate())
    assert stopped.returncode == 130, said
    assert "interrupted: finished stages are kept" in said[1]
    assert "Traceback" not in said[1]
    with claimed(lock, "nobody trains here any more"):
        reached = last_step()

    seen: list[int] = []
    killed = tiny.begin_adaptx(*command)
    stop_at(killed, working / FILE, reached, lambda process: (seen.append(last_step()), process.kill()))
    for _ in range(600):
        with contextlib.suppress(UserError), claimed(lock, "its worker ends by itself"):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the killed run's worker trains on after a minute")
    # Not the one of every two seconds: it made another as it ended.
    assert last_step() > seen[0] > reached


def test_workers_that_are_lost_idle_or_at_work_on_what_was_stored_before(world, tmp_path):
    stages = tiny.everywhere(tiny.train(world.models["xlm-roberta"], tiny.NLI, Full()))
    plan, shop, _ = tiny.execute(world, tmp_path, stages)
    training, scoring = grouped(list(plan.nodes))
    entry = shop.store.find(plan.nodes[0].fingerprint)
    assert not entry.has_module

    def kill(_name: str = "") -> None:
        [worker] = multiprocessing.active_children()
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()

    progress = Watched(kill)
    crew = Workers(shop, progress, 2)
    try:
        crew.begin(training)
        # Its scores are stored, and the weights that were asked for are not there.
        assert [str(error)[:30] for error in crew.next_done()[1].values()] == ["the system killed its process,"]
        progress.act = lambda name: None
        crew.begin(training)
        assert crew.next_done() == (training, {})
        assert entry.has_module
        kill()
        crew.begin(scoring)
        assert crew.next_done() == (scoring, {})
    finally:
        crew.close()
    assert multiprocessing.active_children() == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
