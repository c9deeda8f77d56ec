"""The whole way, from stages to the store and back in a new process, for every method, start and architecture.

Each pair of (method and start, architecture), (method and start, precision) and (architecture, precision) occurs.
"""

import gc
import json
import shutil
import subprocess
import sys
from pathlib import Path

import needs
import numpy as np
import pytest
import tiny
import torch
from filelock import FileLock

from adaptx.data.reading import read_rows
from adaptx.errors import UserError
from adaptx.evaluation import Evaluator
from adaptx.execution import execute as executing
from adaptx.execution.building import finished_model, head_name
from adaptx.formats.interface import Reading, TrainedHead
from adaptx.gradients import Setting
from adaptx.identity import training_framing
from adaptx.lineage import head_of
from adaptx.plan import Status
from adaptx.specs import (
    Best,
    Bottleneck,
    Evaluate,
    Full,
    Fuse,
    Hidden,
    KeptHead,
    Lora,
    Mixture,
    Pooling,
    Sequential,
    Stack,
    Train,
    Uniform,
)
from adaptx.store import Store
from adaptx.training import micro_batch_budget

FULL, LORA, WIDE_LORA, ADAPTER = (
    Full(),
    Lora(8, 16, dropout=0.1),
    Lora(12, 16, 0.0, ("query", "up", "down")),
    Bottleneck(4),
)
OTHER_ADAPTER = Bottleneck(2, "gelu")
FIRST = Hidden(pooling=Pooling.FIRST)
MIXTURE = Mixture((tiny.TOPIC, tiny.NLI), Uniform(), label="mixed")


def topic(model, method) -> Train:
    return tiny.train(model, tiny.TOPIC, method, setting=tiny.config(max_steps=2))


def few(model, method) -> Train:
    """An intermediate training of the target's own label set, in another order."""
    return tiny.train(model, tiny.NLI_TURNED, method, setting=tiny.config(max_steps=2))


def mixed(model, method) -> Train:
    """An intermediate training whose heads include the target's."""
    return tiny.train(model, MIXTURE, method, setting=tiny.config(max_steps=2))


# What a target training starts from: name -> (its method, the start over a model).
COMBINATIONS = {
    "full": (FULL, None),
    "full-continued": (FULL, lambda m: Sequential(topic(m, FULL))),
    "full-after-lora": (FULL, lambda m: Sequential(topic(m, LORA))),
    "lora": (LORA, None),
    "lora-continued": (LORA, lambda m: Sequential(few(m, LORA))),
    "lora-after-full": (LORA, lambda m: Sequential(few(m, FULL))),
    "lora-after-lora": (WIDE_LORA, lambda m: Sequential(topic(m, LORA))),
    "lora-after-bottleneck": (LORA, lambda m: Sequential(topic(m, ADAPTER))),
    "lora-stack": (LORA, lambda m: Stack((topic(m, LORA), few(m, LORA)))),
    "bottleneck": (ADAPTER, None),
    "bottleneck-continued": (ADAPTER, lambda m: Sequential(few(m, ADAPTER))),
    "bottleneck-after-full": (ADAPTER, lambda m: Sequential(topic(m, FULL))),
    "bottleneck-after-lora": (OTHER_ADAPTER, lambda m: Sequential(topic(m, LORA))),
    "bottleneck-stack": (ADAPTER, lambda m: Stack((topic(m, ADAPTER),))),
    "bottleneck-fuse": (ADAPTER, lambda m: Fuse((topic(m, ADAPTER), few(m, ADAPTER)))),
    "lora-after-mixture": (LORA, lambda m: Sequential(mixed(m, LORA))),
    "full-mixture": (FULL, None),
    "bottleneck-mixture-stack": (ADAPTER, lambda m: Stack((topic(m, ADAPTER),))),
}


def cases(models) -> dict[str, Train]:
    """Every combination on both architectures; precision, head, framing and selection take turns."""
    found: dict[str, Train] = {}
    for number, (name, (method, start)) in enumerate(COMBINATIONS.items()):
        task = MIXTURE if "-mixture" in name and "after-mixture" not in name else tiny.NLI
        for offset, (architecture, model) in enumerate(models.items()):
            precision = ("fp32", "bf16")[(number + offset) % 2]
            selection = Best(every=2) if (number + offset) % 3 == 0 else tiny.config().selection
            begins = {} if start is None else {"start": start(model)}
            if start is not None and isinstance(begins["start"], Sequential) and precision == "bf16":
                has_head = task == tiny.NLI and head_of(begins["start"].stage, tiny.NLI) is not None
                begins |= {"head": KeptHead()} if has_head else {}
            setting = tiny.config(precision=precision, selection=selection, dropout=0.1)
            framing = FIRST if number % 4 == 1 else None
            found[f"{name}-{architecture}-{precision}"] = tiny.train(
                model, task, method, setting=setting, framing=framing, **begins
            )
    return found


CASES = cases({architecture: tiny.ModelSpec(f"tiny/{architecture}") for architecture in tiny.ARCHITECTURES})
each_case = pytest.mark.parametrize("case", needs.each(CASES, names=True))


def probabilities(backbone, head: TrainedHead, tokenizer, train: Train, shop) -> np.ndarray:
    """Of the two languages that were not trained on, as the evaluations compute them."""
    reading = Reading(tokenizer, training_framing(train, tiny.NLI), train.config.max_length)
    setting = Setting(shop.device, train.config.precision, micro_batch_budget(shop.resources, shop.device))
    rows = []
    for language in tiny.LANGUAGES[1:]:
        examples = read_rows(tiny.NLI.rows_in(language), tiny.NLI.format, shop.sources)
        records = Evaluator(backbone, reading, setting, shop.sources).predict(examples, tiny.NLI, head).records
        rows += [[record["probabilities"][label] for label in tiny.LABELS] for record in records]
    return np.array(rows, dtype=np.float32)


def evaluations(world) -> tuple[Evaluate, ...]:
    trains = filter(needs.at_hand, cases(world.models).values())
    targets = tuple(each for train in trains for each in tiny.everywhere(train))
    embedders = [model for architecture in world.models.values() for model in (architecture, topic(architecture, LORA))]
    return (*targets, *(Evaluate(model, tiny.TATOEBA, "xa") for model in embedders))


@pytest.fixture(scope="module")
def done(world, tmp_path_factory):
    """(plan, workshop, live): all cases run; `live` holds each model's probabilities as they were after training."""
    live: dict[str, np.ndarray] = {}
    finish = executing._train_result

    def watch(train, fresh, examples, training, outcome, peak, shop):
        if tiny.NLI in train.tasks:
            head = fresh.heads[head_name(train, tiny.NLI)]
            live[shop.fingerprint_of(train)] = probabilities(fresh.backbone, head, fresh.tokenizer, train, shop)
        return finish(train, fresh, examples, training, outcome, peak, shop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executing, "_train_result", watch)
        plan, shop, summary = tiny.execute(
            world, tmp_path_factory.mktemp("pipeline") / "store", evaluations(world), keep=True
        )
    assert summary.complete, summary.failed
    return plan, shop, live


@pytest.fixture(scope="module")
def again(world, done, tmp_path_factory):
    """(probabilities by fingerprint, store) of a new process that had nothing but the store and the checkpoints."""
    _, shop, _ = done
    folder = tmp_path_factory.mktemp("again")
    shutil.copytree(shop.store.root, folder / "store")
    shutil.rmtree(folder / "store" / "evaluate")
    code = f"import test_pipeline; test_pipeline.reload({str(world.folder)!r}, {str(folder)!r})"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=tiny.environment(), capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    return dict(np.load(folder / "probabilities.npz")), Store(folder / "store")


def reload(world_folder: str, folder: str) -> None:
    """What the new process does: load every target and dump its probabilities, and run the evaluations once more."""
    world = tiny.known_world(Path(world_folder))
    gc.freeze()
    _, shop, summary = tiny.execute(world, Path(folder) / "store", evaluations(world), keep=True)
    assert summary.complete, summary.failed
    assert not [node.name for node in summary.finished if node.kind == "train"], "a stored training was trained again"
    found = {}
    for train in filter(needs.at_hand, cases(world.models).values()):
        model = finished_model(train, shop, train.config.precision)
        head = model.heads[head_name(train, tiny.NLI)]
        found[shop.fingerprint_of(train)] = probabilities(model.backbone, head, model.tokenizer, train, shop)
    np.savez(Path(folder) / "probabilities.npz", **found)


def scores(store: Store, fingerprint: str) -> dict:
    return store.entries()[fingerprint].result


@each_case
def test_a_model_comes_back_bit_for_bit_in_a_new_process(world, done, again, case):
    plan, shop, live = done
    reloaded, store = again
    train = cases(world.models)[case]
    fingerprint = plan.fingerprint_of(train)
    after_training = live[fingerprint]
    assert np.array_equal(reloaded[fingerprint], after_training)
    chosen = [tiny.LABELS[index] for index in after_training.argmax(axis=1)]
    assert after_training.std(axis=0).min() > 1e-4, "all rows get one answer, which shows nothing"
    found = []
    for stage in tiny.everywhere(train):
        first, second = (scores(each, plan.fingerprint_of(stage)) for each in (shop.store, store))
        for name in ("predictions", "metrics", "golds", "rows_used", "tokens_per_word", "unknown_share"):
            assert first[name] == second[name], name
        found += first["predictions"]
    assert found == chosen


@each_case
def test_a_finished_training_has_left_its_files(world, done, case):
    plan, shop, _ = done
    train = cases(world.models)[case]
    folder = tiny.folder_of(plan, shop, train)
    names = {path.name for path in folder.iterdir()}
    expected = {"stage.json", "module.json", "module.safetensors", "head.safetensors", "head.json", "steps.jsonl",
                "result.json", "complete"}  # fmt: skip
    assert names - {"system.jsonl"} == expected
    result = json.loads((folder / "result.json").read_text())
    assert result["steps"] == result["planned_steps"] == 3
    assert len((folder / "steps.jsonl").read_text().splitlines()) == 3
    rows = {"topic": 48, "nli": 60} if isinstance(train.task, Mixture) else {"nli": 60}
    assert result["rows_by_task"] == result["items_by_task"] == rows
    assert result["rows_used"] == sum(rows.values())
    formats = [head["labels"] for head in json.loads((folder / "head.json").read_text())["heads"].values()]
    assert formats == [list(task.format.labels) for task in train.tasks]
    # The head of a label set is a matrix and a vector over it.
    assert result["head_parameters"] == len(rows) * 3 * (tiny.HIDDEN_SIZE + 1)
    assert result["trainable_parameters"] > 0
    assert result["peak_memory_bytes"] > 0
    assert (result["selected_on"] is not None) == isinstance(train.config.selection, Best)


def test_nothing_is_left_in_the_working_folder(done):
    _, shop, _ = done
    working = shop.store.root / "working"
    assert list(working.iterdir()) == []


def test_golds_are_kept_once_a_language(done):
    _, shop, _ = done
    names = sorted(path.name.partition("-")[0] for path in (shop.store.root / "golds").iterdir())
    assert names == ["nli.xa", "nli.xb", "tatoeba.xa"]
    (file,) = (shop.store.root / "golds").glob("nli.xa*")
    assert json.loads(file.read_text())["golds"] == [tiny.LABELS[row % 3] for row in range(30)]


def test_bitext_needs_no_training_of_its_own(world, done):
    plan, shop, _ = done
    for model in world.models.values():
        found = {}
        for embedder in (model, topic(model, LORA)):
            result = scores(shop.store, plan.fingerprint_of(Evaluate(embedder, tiny.TATOEBA, "xa")))
            assert result["rows_used"] == len(result["predictions"]) == 40
            assert all(0 <= row < 40 for row in result["predictions"])
            hits = sum(row == index for index, row in enumerate(result["predictions"]))
            assert result["metrics"]["accuracy"] == pytest.approx(hits / 40)
            found[embedder] = result["predictions"]
        assert found[model] != found[topic(model, LORA)], "the intermediate stage changes the embeddings"


def test_bitext_is_by_cosine_of_the_embeddings(world, done):
    plan, shop, _ = done
    model = finished_model(world.bert, shop, "fp32")
    examples = read_rows(tiny.TATOEBA.rows_in("xa"), tiny.TATOEBA.format, shop.sources)
    vectors = {}
    for side in ("query", "candidate"):
        pooled = []
        for text in examples.columns[side]:
            inputs = model.tokenizer(text, return_tensors="pt")
            with torch.no_grad():
                states = model.backbone.network(**inputs, output_hidden_states=True).hidden_states[1][0]
            pooled.append(states.mean(dim=0))
        stacked = torch.stack(pooled)
        vectors[side] = torch.nn.functional.normalize(stacked - stacked.mean(dim=0), dim=1)
    expected = (vectors["query"] @ vectors["candidate"].T).argmax(dim=1).tolist()
    assert scores(shop.store, plan.fingerprint_of(Evaluate(world.bert, tiny.TATOEBA, "xa")))["predictions"] == expected


def test_an_intermediate_is_scored_zero_shot_with_its_own_head(world, done):
    """Its labels come in another order than the evaluated task's: they go by name."""
    plan, shop, _ = done
    intermediate = few(world.bert, LORA)
    stages = tuple(Evaluate(intermediate, task, "xb") for task in (tiny.NLI, tiny.NLI_TURNED))
    plan, shop, summary = tiny.execute(world, shop.store.root, stages, keep=True)
    assert [node.kind for node in summary.finished] == ["evaluate", "evaluate"], "the training was stored"
    first, second = (scores(shop.store, plan.fingerprint_of(stage)) for stage in stages)
    assert first["predictions"] == second["predictions"]
    assert first["metrics"] == second["metrics"]
    assert len(set(first["predictions"])) > 1
    hits = [p == tiny.LABELS[row % 3] for row, p in enumerate(first["predictions"])]
    assert first["metrics"]["accuracy"] == pytest.approx(np.mean(hits))


def test_few_target_rows_continue_module_and_head(world, done):
    plan, shop, _ = done
    earlier = cases(world.models)["lora-bert-bf16"]
    more = tiny.train(world.bert, tiny.NLI_FEW, LORA, setting=tiny.config(learning_rate=1e-8, max_steps=1),
                      start=Sequential(earlier), head=KeptHead())  # fmt: skip
    stages = tiny.everywhere(more)
    plan, shop, summary = tiny.execute(world, shop.store.root, (*stages, *tiny.everywhere(earlier)), keep=True)
    assert summary.complete, summary.failed
    result = json.loads((tiny.folder_of(plan, shop, more) / "result.json").read_text())
    assert result["rows_used"] == 12
    # So small a step leaves module and head what they were: both were carried over, labels by name.
    old, new = (finished_model(train, shop, "fp32") for train in (earlier, more))
    (old_head,), (new_head,) = old.heads.values(), new.heads.values()
    rows = [old_head.format.labels.index(label) for label in new_head.format.labels]
    assert rows != sorted(rows)
    old_weight, new_weight = (head.module.linear.weight for head in (old_head, new_head))
    torch.testing.assert_close(new_weight, old_weight[rows], atol=1e-6, rtol=0)
    modules = [shop.module(train).tensors for train in (earlier, more)]
    for key in modules[0]:
        torch.testing.assert_close(modules[1][key], modules[0][key], atol=1e-6, rtol=0)


def test_weights_of_full_targets_go_once_their_scores_are_stored(world, tmp_path):
    target = tiny.train(world.bert, tiny.NLI, FULL, start=Sequential(topic(world.bert, FULL)))
    kept = tiny.train(world.bert, tiny.NLI, FULL, setting=tiny.config(seed=2), keep=True)
    small = tiny.train(world.bert, tiny.NLI, LORA)
    stages = tuple(each for train in (target, kept, small) for each in tiny.everywhere(train))
    plan, shop, summary = tiny.execute(world, tmp_path, stages)
    assert summary.complete
    has_module = {train: shop.store.find(plan.fingerprint_of(train)).has_module for train in plan_trainings(plan)}
    assert has_module == {target: False, kept: True, small: True, target.start.stage: True}
    statuses = plan.statuses(shop.store)
    assert statuses[plan.fingerprint_of(target)] is Status.SCORES_ONLY
    with pytest.raises(UserError, match="--keep"):
        shop.module(target)
    before = scores(shop.store, plan.fingerprint_of(tiny.everywhere(target)[0]))
    # Nothing is to do; asked to keep them, the weights are made again, and the scores stay.
    _, _, idle = tiny.execute(world, tmp_path, stages)
    assert idle.finished == []
    _, shop, made = tiny.execute(world, tmp_path, stages, keep=True)
    assert [node.stage for node in made.finished] == [target]
    assert shop.store.find(plan.fingerprint_of(target)).has_module
    (tiny.folder_of(plan, shop, tiny.everywhere(target)[0]) / "complete").unlink()
    plan, shop, rescored = tiny.execute(world, tmp_path, stages, keep=True)
    assert [node.kind for node in rescored.finished] == ["evaluate"]
    after = scores(shop.store, plan.fingerprint_of(tiny.everywhere(target)[0]))
    assert after["predictions"] == before["predictions"]


def plan_trainings(plan) -> list[Train]:
    return [node.stage for node in plan.nodes if node.kind == "train"]


def test_a_stage_that_fails_takes_only_its_dependents_with_it(world, tmp_path):
    """The topics' rows are spoilt after the start, when they have been checked already."""
    mirror = tmp_path / "mirror"
    shutil.copytree(world.folder, mirror)
    here = tiny.known_world(mirror)
    first = tiny.train(here.bert, tiny.NLI, LORA)
    failing = topic(here.bert, FULL)
    over = tiny.train(here.bert, tiny.NLI, FULL, start=Sequential(failing))
    last = tiny.train(here.bert, tiny.NLI, FULL)
    stages = tuple(each for train in (first, over, last) for each in tiny.everywhere(train))

    def spoil(nodes) -> None:
        path = mirror / "tiny/topic/en/train.parquet"
        path.write_bytes(b"no longer parquet")

    plan, shop, summary = tiny.execute(here, tmp_path / "store", stages, after=spoil)
    assert not summary.complete
    failed = {plan.fingerprint_of(stage): stage for stage in (failing, over, *tiny.everywhere(over))}
    assert set(summary.failed) == set(failed)
    assert set(summary.errors) == {plan.fingerprint_of(failing)}
    assert "skipped: bert.topic.full, which it needs, failed" in summary.failed[plan.fingerprint_of(over)]
    for train in (first, last):
        assert shop.store.find(plan.fingerprint_of(train)) is not None
        assert all(shop.store.find(plan.fingerprint_of(each)) is not None for each in tiny.everywhere(train))


def test_an_evaluation_that_fails_leaves_the_others_of_its_model(world, tmp_path):
    deep = Evaluate(world.bert, tiny.TATOEBA, "xa", framing=Hidden(layer=99))
    fine = Evaluate(world.bert, tiny.TATOEBA, "xa")
    plan, _, summary = tiny.execute(world, tmp_path, (deep, fine))
    assert [node.stage for node in summary.finished] == [fine]
    assert summary.failed == {
        plan.fingerprint_of(deep): f"ValueError: Hidden(layer=99): the checkpoint has {tiny.LAYERS} layers"
    }


def test_bad_rows_stop_the_run_before_the_first_stage(world, tmp_path):
    mirror = tmp_path / "mirror"
    shutil.copytree(world.folder, mirror)
    here = tiny.known_world(mirror)
    (mirror / "tiny/nli/xb/test.parquet").write_bytes((mirror / "tiny/topic/en/train.parquet").read_bytes())
    train = tiny.train(here.bert, tiny.NLI, LORA)
    with pytest.raises(UserError, match=r"xb/test\.parquet has no column 'premise'.*it has: text, topic"):
        tiny.execute(here, tmp_path / "store", tiny.everywhere(train))
    assert not list((tmp_path / "store").glob("train/*"))


def test_a_module_of_another_checkpoint_is_refused_with_both_digests(world, tmp_path):
    from adaptx.execution.serving import predict_file
    from adaptx.specs import Resources

    mirror = tmp_path / "mirror"
    shutil.copytree(world.folder, mirror)
    here = tiny.known_world(mirror)
    train = tiny.train(here.bert, tiny.NLI, LORA)
    plan, shop, _ = tiny.execute(here, tmp_path / "store", tiny.everywhere(train))
    before = here.sources.model(here.bert).digest
    config = mirror / "models/tiny/bert/config.json"
    config.write_text(config.read_text() + " ")
    after = here.sources.model(here.bert).digest
    assert before != after
    name = tiny.folder_of(plan, shop, train).name
    rows = mirror / "tiny/nli/xa/test.parquet"
    with pytest.raises(UserError, match=rf"digest {before}, but tiny/bert now has {after}"):
        predict_file(Store(tmp_path / "store"), here.sources, name, rows, Resources("cpu"))


RECIPE = """
import pathlib
import tiny
from adaptx.specs import Evaluate, Full, Lora, Recipe

def build(world: str = "") -> Recipe:
    model = tiny.known_world(pathlib.Path(world)).bert
    trains = [tiny.train(model, tiny.NLI, method) for method in (Lora(), Full())]
    return Recipe("two", tuple(each for train in trains for each in tiny.everywhere(train)))
"""


@pytest.fixture(scope="module")
def from_the_command_line(world, tmp_path_factory):
    """(store, what the run said): one of two trainings is held by another process, and fails."""
    from adaptx.recipe_file import load_recipe

    folder = tmp_path_factory.mktemp("cli")
    (folder / "recipe.py").write_text(RECIPE)
    common = ("--store", folder / "store", "--data", world.folder, "--set", f"world={world.folder}")
    recipe = load_recipe(folder / "recipe.py", {"world": str(world.folder)})
    plan, shop = tiny.workshop(world, folder / "store", recipe.evaluations)
    held = plan.fingerprint_of(recipe.evaluations[-1].model)
    with FileLock(shop.store.working(held).with_suffix(".lock")):
        ended = tiny.adaptx("run", folder / "recipe.py", *common, "--device", "cpu", check=1)
    return folder, ended, common


def test_a_failed_stage_is_exit_status_1_and_the_others_are_stored(from_the_command_line):
    folder, ended, _ = from_the_command_line
    assert "3 stages failed or were skipped" in ended.stderr
    assert "another process is training this stage" in ended.stderr
    assert "Traceback" not in ended.stderr
    kinds = [entry.kind for entry in Store(folder / "store").entries().values()]
    assert sorted(kinds) == ["evaluate", "evaluate", "train"]


def test_predict_and_evaluate_on_the_users_own_files(world, from_the_command_line):
    folder, _, (*place, _, _) = from_the_command_line
    (entry,) = [each for each in Store(folder / "store").entries().values() if each.kind == "train"]
    examples = read_rows(tiny.NLI.rows_in("xa"), tiny.NLI.format, world.sources)
    pairs = list(zip(*(examples.columns[role] for role in ("text", "pair", "label")), strict=True))
    (folder / "pairs.csv").write_text("premise,hypothesis\n" + "".join(f"{a},{b}\n" for a, b, _ in pairs))
    (folder / "mine.jsonl").write_text(
        "".join(json.dumps({"text": a, "pair": b, "label": label}) + "\n" for a, b, label in pairs)
    )
    said = tiny.adaptx("predict", entry.folder.name, folder / "pairs.csv", *place, "--device", "cpu").stdout
    lines = [json.loads(line) for line in said.splitlines()]
    (stored,) = [
        each.result
        for each in Store(folder / "store").entries().values()
        if each.kind == "evaluate" and each.result["language"] == "xa"
    ]
    assert [line["prediction"] for line in lines] == stored["predictions"]
    assert [line["row"] for line in lines] == list(range(30))
    for line in lines:
        assert tuple(line["probabilities"]) == tiny.LABELS
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    asked = ("evaluate", entry.fingerprint[:10], "--task", folder / "mine.jsonl", *place, "--json", "--device", "cpu")
    mine = json.loads(tiny.adaptx(*asked).stdout)
    assert mine["metrics"] == stored["metrics"]
    assert mine["predictions"] == stored["predictions"]
    low, high = mine["intervals"]["accuracy"]
    assert low < mine["metrics"]["accuracy"] < high


def test_a_user_file_with_an_unknown_label_is_named_by_its_row(world, done, tmp_path):
    from adaptx.execution.serving import score_file
    from adaptx.specs import Resources

    plan, shop, _ = done
    name = tiny.folder_of(plan, shop, cases(world.models)["lora-bert-bf16"]).name
    file = tmp_path / "bad.csv"
    file.write_text("premise,hypothesis,label\nbafo,bafo,neutral\nbafo,bafo,perhaps\n")
    with pytest.raises(UserError, match=r"row 1: label 'perhaps' is not in the label set"):
        score_file(shop.store, world.sources, name, file, Resources("cpu"))


def test_predict_gives_the_very_probabilities_of_the_training(world, done):
    from adaptx.execution.serving import predict_file
    from adaptx.specs import Resources

    plan, shop, live = done
    for case in ("lora-bert-bf16", "bottleneck-fuse-xlm-roberta-bf16", "full-after-lora-xlm-roberta-bf16"):
        if not needs.at_hand(train := cases(world.models)[case]):
            continue
        fingerprint = plan.fingerprint_of(train)
        lines = []
        for language in ("xa", "xb"):
            file = world.folder / f"tiny/nli/{language}/test.parquet"
            lines += predict_file(Store(shop.store.root), world.sources, fingerprint[:12], file, Resources("cpu"))
        found = np.array([list(line["probabilities"].values()) for line in lines], dtype=np.float32)
        assert np.array_equal(found, live[fingerprint]), case
