"""One store, several runs: they share the work, one takes over from another that was killed, and nothing is lost."""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import tiny, warm
from test_damage import Notes

from adaptx.execution import evaluate as evaluation_stage
from adaptx.execution import train as training_stage
from adaptx.execution.local import run
from adaptx.planning.plan import Status
from adaptx.planning.recipe_file import load_recipe
from adaptx.profiling.system_metrics import whole_lines
from adaptx.specs import Evaluate, Full, Lora, Resources
from adaptx.store.live_runs import at_work
from adaptx.store.store import Store, listed
from adaptx.training.resume import FILE

RECIPE = """
import pathlib
from support import tiny
from adaptx.specs import Lora, Recipe

def build(world: str = "", steps: int = 0, one: bool = False) -> Recipe:
    model = tiny.known_world(pathlib.Path(world)).bert
    long = tiny.train(model, tiny.NLI, Lora(4, 8), setting=tiny.config(max_steps=steps))
    short = tiny.train(model, tiny.NLI, Lora(2, 8))
    return Recipe("shared", (*tiny.everywhere(long), *(() if one else tiny.everywhere(short))))
"""


@contextmanager
def first_run(world, folder: Path, steps: int, one: bool = False) -> Generator[tuple[warm.Command, Any, Any]]:
    """(process, plan, workshop) of a run that has come to its first saved state."""
    (folder / "recipe.py").write_text(RECIPE)
    settings = {"world": str(world.folder), "steps": str(steps), "one": str(one).lower()}
    plan, shop = tiny.workshop(world, folder / "store", load_recipe(folder / "recipe.py", settings).evaluations)
    process = tiny.begin_adaptx(
        *("run", folder / "recipe.py", "--store", folder / "store", "--data", world.folder, "--device", "cpu"),
        *("--saved-state-seconds", 0.2, *(part for each in settings.items() for part in ("--set", "=".join(each)))),
    )
    try:
        until = time.monotonic() + 120
        while not (folder / "store" / "working" / plan.nodes[0].fingerprint[:16] / FILE).is_file():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "no saved state in two minutes"
            time.sleep(0.02)
        yield process, plan, shop
    finally:
        process.kill()
        process.communicate()


class Acting(Notes):
    """Does something once a line with certain words comes."""

    def __init__(self, words: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._words, self._act = words, act

    def note(self, text: str) -> None:
        super().note(text)
        if self._words in text:
            self._act()


def test_two_runs_share_the_work_and_both_end_well(world, tmp_path, empty_database) -> None:
    tiny.new_store(tmp_path / "store", empty_database)
    with first_run(world, tmp_path, steps=250) as (process, plan, shop):
        notes = Notes()
        summary = run(plan, shop, notes)
        said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert summary.complete, summary.failed
    # What the other was at was left to it, and the rest done meanwhile.
    long, short = (node for node in plan.nodes if node.kind == "train")
    assert long in summary.elsewhere
    assert short in summary.finished
    assert len(summary.finished) + len(summary.elsewhere) == len(plan.nodes)
    assert set(plan.statuses(Store(shop.store.root)).values()) == {Status.STORED}
    assert listed(shop.store.root / "working") == listed(shop.store.root / "set-aside") == []


def test_what_a_killed_run_was_at_is_taken_over(world, tmp_path, empty_database) -> None:
    tiny.new_store(tmp_path / "store", empty_database)
    with first_run(world, tmp_path, steps=200, one=True) as (process, plan, shop):
        notes = Acting("another run is working on this stage", process.kill)
        summary = run(plan, shop, notes)
    assert process.returncode == -signal.SIGKILL
    assert summary.complete, summary.failed
    assert any(line.startswith("resuming at step ") for line in notes.lines)
    assert set(plan.statuses(Store(shop.store.root)).values()) == {Status.STORED}
    assert listed(shop.store.root / "working") == []
    assert [path.name for path in listed(shop.store.root / "runs")] == ["lock"]


def test_weights_that_another_run_needs_stay_until_it_has_ended(world, tmp_path) -> None:
    target = tiny.train(world.bert, tiny.NLI, Full())
    stages = tiny.everywhere(target)
    plan, shop = tiny.workshop(world, tmp_path, stages)
    notes = Notes()
    with at_work(tmp_path, {plan.fingerprint_of(target)}), at_work(tmp_path, ()):
        assert run(plan, shop, notes).complete
    assert shop.store.find(plan.fingerprint_of(target)).has_module
    assert notes.lines[-1].endswith("are kept for now, because another run in this store needs them")
    assert run(plan, shop, notes).finished == []
    assert not shop.store.find(plan.fingerprint_of(target)).has_module


KILLED = """
import os, pathlib, signal, sys
from support import tiny
from adaptx.execution.local import run
from adaptx.training.progress import Silent
from adaptx.specs import Evaluate

class Killing(Silent):
    began = 0
    def start(self, name, total, unit):
        self.began += 1
        if self.began == 3:
            os.kill(os.getpid(), signal.SIGKILL)

world = tiny.known_world(pathlib.Path(sys.argv[1]))
stages = tuple(Evaluate(world.bert, tiny.TATOEBA, "xa", limit=limit) for limit in (10, 20, 30, 40))
plan, shop = tiny.workshop(world, pathlib.Path(sys.argv[2]), stages)
run(plan, shop, Killing())
"""


def test_a_run_killed_at_one_set_keeps_those_before(world, tmp_path) -> None:
    command = [sys.executable, "-c", KILLED, str(world.folder), str(tmp_path)]
    ended = subprocess.run(command, env=tiny.environment(), capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    stages = tuple(Evaluate(world.bert, tiny.TATOEBA, "xa", limit=limit) for limit in (10, 20, 30, 40))
    before = Store(tmp_path).entries()
    plan, shop, summary = tiny.execute(world, tmp_path, stages)
    assert 0 < len(before) < 4
    assert set(before) == {node.fingerprint for node in plan.nodes} - {node.fingerprint for node in summary.finished}
    assert all(shop.store.find(node.fingerprint).result.peak_memory_bytes >= 0 for node in plan.nodes)
    assert listed(tmp_path / "working") == []


@pytest.mark.parametrize("error", [EOFError("short"), KeyError("spoilt"), KeyboardInterrupt()])
def test_one_set_that_fails_takes_no_other_with_it(world, tmp_path, monkeypatch, error) -> None:
    stages = tuple(Evaluate(tiny.train(world.bert, tiny.NLI, Lora(2, 8)), tiny.NLI, each) for each in tiny.LANGUAGES)
    evaluate = evaluation_stage.evaluate

    def failing(node, *rest):
        if node.stage.language == "xa":
            raise error
        return evaluate(node, *rest)

    monkeypatch.setattr(evaluation_stage, "evaluate", failing)
    plan, shop = tiny.workshop(world, tmp_path, stages)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            run(plan, shop, Notes())
        there = ["en"]
    else:
        summary = run(plan, shop, Notes())
        assert list(summary.failed) == [plan.fingerprint_of(stages[1])]
        there = ["en", "xb"]
    assert [stage.language for stage in stages if Store(tmp_path).find(plan.fingerprint_of(stage))] == there


def test_whatever_a_training_raises_fails_it_and_what_needs_it_alone(world, tmp_path, monkeypatch) -> None:
    broken, sound = (tiny.train(world.bert, tiny.NLI, Lora(rank, 8)) for rank in (1, 2))
    prepare = training_stage.model_to_train

    def failing(train, shop):
        if train == broken:
            raise AttributeError("a library's own fault")
        return prepare(train, shop)

    monkeypatch.setattr(training_stage, "model_to_train", failing)
    stages = (Evaluate(broken, tiny.NLI, "xa"), Evaluate(sound, tiny.NLI, "xa"))
    plan, _, summary = tiny.execute(world, tmp_path, stages)
    assert summary.failed == {
        plan.fingerprint_of(broken): "AttributeError: a library's own fault",
        plan.fingerprint_of(stages[0]): f"skipped, because it needs {plan.nodes[0].name}, which failed",
    }
    assert {node.stage for node in summary.finished} == {sound, stages[1]}


# Damaged saved states.


def saved(world, folder: Path) -> tuple[Any, Any, Path]:
    """(plan, workshop, file) with the saved state of a training that was interrupted."""
    stages = (Evaluate(tiny.train(world.bert, tiny.NLI, Lora(4, 8), setting=tiny.config(max_steps=6)), tiny.NLI, "xa"),)
    plan, shop = tiny.workshop(world, folder, stages, Resources("cpu", saved_state_seconds=0))

    class Stopping(Notes):
        def advance(self, done: int, *_: object) -> None:
            if done == 4:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(plan, shop, Stopping())
    return plan, shop, folder / "working" / plan.nodes[0].fingerprint[:16] / FILE


def test_half_a_line_of_system_metrics_is_left_out(tmp_path) -> None:
    file = tmp_path / "system.jsonl"
    file.write_bytes(b'{"seconds": 1}\n{"seco{"seconds": 5}\n\xff\n{"seconds": 7}\n{"sec')
    assert whole_lines(file) == '{"seconds": 1}\n{"seconds": 7}\n'


def test_a_damaged_saved_state_is_set_aside_and_the_training_begins_again(world, tmp_path) -> None:
    from test_damage import flipped

    undisturbed, sound, _ = tiny.execute(
        world,
        tmp_path / "undisturbed",
        (Evaluate(tiny.train(world.bert, tiny.NLI, Lora(4, 8), setting=tiny.config(max_steps=6)), tiny.NLI, "xa"),),
    )
    weights = sound.store.find(undisturbed.nodes[0].fingerprint).file("module.safetensors").read_bytes()
    plan, shop, file = saved(world, tmp_path / "store")
    content = file.read_bytes()
    other = file.with_name("other.pt")
    import torch

    torch.save({**torch.load(file, weights_only=True), "stage": "another"}, other)
    foreign = other.read_bytes()
    other.unlink()
    damages = [b"", content[:-100], content[: len(content) // 2], b"no zip", foreign]
    damages += [flipped(content, seed) for seed in range(12)]
    begun = 0
    for damaged in damages:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(damaged)
        notes = Notes()
        assert run(plan, shop, notes).complete
        again = [line for line in notes.lines if "is damaged (" in line and "the training begins again" in line]
        # A flipped bit of the padding between its parts changes nothing that is read.
        assert again or any(line.startswith("resuming at step 4") for line in notes.lines), notes.lines
        begun += len(again)
        entry = shop.store.find(plan.nodes[0].fingerprint)
        assert entry.file("module.safetensors").read_bytes() == weights
        shop.store.remove(entry)
        shop.store.remove(shop.store.find(plan.nodes[1].fingerprint))
    assert begun >= 5 + 6
    assert len(listed(shop.store.root / "set-aside")) == begun


# A disk that is full.


@contextmanager
def files_of_at_most(size: int) -> Generator[None]:
    """No file can grow beyond so many bytes, which writers are told as they are of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_written_fails_its_stage_with_the_path(world, tmp_path) -> None:
    small = tiny.train(world.bert, tiny.NLI, Lora(1, 2))
    large = tiny.train(world.bert, tiny.NLI, Full(), keep=True)
    stages = (Evaluate(large, tiny.NLI, "xa"), Evaluate(small, tiny.NLI, "xa"))
    plan, shop = tiny.workshop(world, tmp_path, stages, Resources("cpu", saved_state_seconds=0))
    notes = Notes()
    with files_of_at_most(40_000):
        summary = run(plan, shop, notes)
    failed = summary.failed[plan.fingerprint_of(large)]
    assert failed.startswith("OSError: ")
    assert "module.safetensors could not be written (SafetensorError: " in failed
    assert "MB are free on that disk" in failed
    assert len(summary.failed) == 2
    assert {node.stage for node in summary.finished} == {small, stages[1]}
    # A state that cannot be saved is no reason to end the training.
    assert any("state could not be saved, but the training continues" in line and FILE in line for line in notes.lines)
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".")] == []
    assert run(plan, shop, Notes()).complete


# Who may read, and from where.


def test_stages_are_readable_as_the_umask_says(world, tmp_path) -> None:
    before = os.umask(0o027)
    try:
        tiny.execute(world, tmp_path / "store", tiny.everywhere(tiny.train(world.bert, tiny.NLI, Lora(2, 8))))
    finally:
        os.umask(before)
    for path in (tmp_path / "store").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640), path


AWKWARD = "a?b%20[c]#d *'é\" \u4e2d {x}"


def test_a_store_may_lie_anywhere(world, tmp_path) -> None:
    from adaptx.planning.damage import left_out_lines
    from adaptx.report import write_report

    store = tmp_path / AWKWARD / "store"
    train = tiny.train(world.bert, tiny.NLI, Lora(2, 8))
    plan, shop, summary = tiny.execute(world, store, tiny.everywhere(train))
    assert summary.complete, summary.failed
    again = Store(store)
    assert set(plan.statuses(again).values()) == {Status.STORED}
    assert again.named(shop.store.find(plan.fingerprint_of(train)).folder.name).has_module
    assert write_report(plan, again, tmp_path / AWKWARD / "report").html.is_file()
    assert left_out_lines(again) == []
    assert json.loads((store / "golds").iterdir().__next__().read_text())["golds"]
