"""A run that is killed or interrupted goes on where it stopped, and ends with the very same weights."""

import json
import time
from pathlib import Path

import pytest
import torch
from support import tiny, warm

from adaptx.planning.recipe_file import load_recipe
from adaptx.specs import Evaluate
from adaptx.store.store import Store
from adaptx.training.resume import FILE

STEPS = 80
# Dropout makes the generators' state count. The first training is of two tasks; the second goes on with the head of one
# of them and selects its best step, so a resume must remember it.
RECIPE = f"""
import pathlib
from support import tiny
from adaptx.specs import Best, Full, KeptHead, Lora, Mixture, Recipe, Sequential, Temperature

def build(world: str = "") -> Recipe:
    model = tiny.known_world(pathlib.Path(world)).models["xlm-roberta"]
    setting = tiny.config(max_steps={STEPS}, dropout=0.1, learning_rate=2e-3)
    both = Mixture((tiny.TOPIC, tiny.NLI), Temperature(2.0))
    first = tiny.train(model, both, Lora(8, 16, dropout=0.1), setting=setting)
    selecting = tiny.config(max_steps={STEPS}, dropout=0.1, learning_rate=5e-4, selection=Best(every=30))
    second = tiny.train(model, tiny.NLI, Full(), setting=selecting, start=Sequential(first), head=KeptHead(), keep=True)
    return Recipe("resumed", tiny.everywhere(second))
"""


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "recipe.py"
    file.write_text(RECIPE)
    return file


def stop_at(command: warm.Command, checkpoint: Path, step: int, stop) -> tuple[str, str]:
    """Stop the command by `stop(command)` once its checkpoint is past `step`; return what it said until its end."""
    try:
        until = time.monotonic() + 120
        while not (checkpoint.is_file() and torch.load(checkpoint, weights_only=True)["step"] > step):
            assert command.poll() is None, f"it ended before it was stopped: {command.communicate()}"
            assert time.monotonic() < until, "no checkpoint in two minutes"
            time.sleep(0.05)
        stop(command)
        return command.communicate(timeout=60)
    finally:
        command.kill()


def test_interrupted_then_killed_a_run_ends_with_the_weights_of_an_undisturbed_one(
    world, recipe_file, tmp_path, empty_database
):
    import signal

    evaluations: tuple[Evaluate, ...] = load_recipe(recipe_file, {"world": str(world.folder)}).evaluations
    plan, undisturbed, summary = tiny.execute(world, tmp_path / "undisturbed", evaluations)
    assert summary.complete, summary.failed
    second = evaluations[0].model
    first = second.start.stage
    store = tiny.new_store(tmp_path / "store", empty_database)
    plainly = ("run", recipe_file, "--store", store, "--data", world.folder, "--set", f"world={world.folder}",
               "--device", "cpu")  # fmt: skip
    command = (*plainly, "--saved-state-seconds", 0)

    def checkpoint(train) -> Path:
        return store / "working" / plan.fingerprint_of(train)[:16] / FILE

    # Ctrl-C in the first training: it ends at a step's end, says how it goes on, and leaves nothing half done.
    stopped = tiny.begin_adaptx(*command)
    said = stop_at(stopped, checkpoint(first), 10, lambda process: process.send_signal(signal.SIGINT))
    assert stopped.returncode == 130, said
    assert "interrupted: finished stages are kept" in said[1]
    assert "Traceback" not in said[1]
    reached = torch.load(checkpoint(first), weights_only=True)["step"]
    assert 10 < reached < STEPS
    assert Store(store).entries() == {}

    # kill -9 in the second one, which the same run has come to after it took up the first.
    stopped = tiny.begin_adaptx(*command)
    said = stop_at(stopped, checkpoint(second), 35, lambda process: process.kill())
    assert stopped.returncode == -signal.SIGKILL
    assert f"resuming at step {reached}" in said[0]
    assert set(Store(store).entries()) == {plan.fingerprint_of(first)}
    killed_at = torch.load(checkpoint(second), weights_only=True)["step"]
    assert 35 < killed_at < STEPS

    assert f"resuming at step {killed_at}" in tiny.adaptx(*plainly).stdout
    assert list((store / "working").iterdir()) == []
    for train in (first, second):
        ours, theirs = (each.find(plan.fingerprint_of(train)).folder for each in (Store(store), undisturbed.store))
        for name in ("module.safetensors", "head.safetensors"):
            assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
        assert steps(ours) == steps(theirs)
        assert len(steps(ours)) == STEPS
        results = [json.loads((folder / "result.json").read_text()) for folder in (ours, theirs)]
        for name in ("steps", "tokens", "selected_step", "development"):
            assert results[0][name] == results[1][name], name
    assert len(results[0]["development"]) == 3
    for stage in evaluations:
        predictions = [
            each.find(plan.fingerprint_of(stage)).scores.predictions for each in (Store(store), undisturbed.store)
        ]
        assert predictions[0] == predictions[1]


def steps(folder: Path) -> list[dict[str, float]]:
    """The history, without the time it took."""
    entries = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in entries]
