"""Identity of stages by the rows and weights they read: from files, a mirror, the hub, or not at hand."""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.fake_store import fake_mirror, fake_model, train
from support.identities import ANSWERS, BITEXT, NLI, SMALL_POOL, key

from adaptx.catalog import SNLI
from adaptx.planning.identity import Identities, golds_digest
from adaptx.sources.sources import Sources
from adaptx.specs import Best, Evaluate, Lora, Mixture, ModelSpec, Rows, Sequential, Stage


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return fake_mirror(tmp_path / "data", NLI, SNLI, BITEXT, ANSWERS)


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


def everything(model: ModelSpec) -> dict[str, Stage]:
    chosen = train(model, NLI, Lora(), Sequential(train(model, SNLI, Lora())), selection=Best(every=5))
    return {
        "snli": train(model, SNLI, Lora()),
        "nli": chosen,
        "both": train(model, Mixture((SNLI, NLI)), Lora()),
        "nli.en": Evaluate(chosen, NLI, "en"),
        "nli.id": Evaluate(chosen, NLI, "id"),
        "bare.es": Evaluate(model, BITEXT, "es"),
        "bare.ar": Evaluate(model, ANSWERS, "ar"),
    }


def keys(model: ModelSpec, sources: Sources) -> dict[str, str]:
    return {name: key(stage, sources) for name, stage in everything(model).items()}


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("rows", "concerned"),
    [
        (SNLI.train[0], {"snli", "nli", "both", "nli.en", "nli.id"}),
        (SNLI.development[0], set()),
        (NLI.train[0], {"nli", "both", "nli.en", "nli.id"}),
        (NLI.rows_in("id"), {"nli.id"}),
        (BITEXT.rows_in("es"), {"bare.es"}),
        (BITEXT.rows_in("fr"), set()),
        (ANSWERS.rows_in("ar"), {"bare.ar"}),
        (ANSWERS.train[0], set()),
        (ANSWERS.pool[1], {"bare.ar"}),
    ],
    ids=lambda value: value.address if isinstance(value, Rows) else "",
)
def test_a_changed_byte_of_data_changes_what_reads_it(data, model, tmp_path, rows, concerned) -> None:
    cache = tmp_path / "digests.json"
    before = keys(model, Sources(data, cache))
    flip_a_byte(data / f"{rows.address}.parquet")
    after = keys(model, Sources(data, cache))
    assert {name for name in before if before[name] != after[name]} == concerned


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_changed_byte_of_the_model_changes_everything(data, model, name) -> None:
    file = Path(model.hub_id) / name
    file.touch()
    if not file.stat().st_size:
        file.write_text("{}")
    before = keys(model, Sources(data))
    flip_a_byte(file)
    after = keys(model, Sources(data))
    assert all(before[name] != after[name] for name in before)


def test_a_readme_in_the_models_folder_changes_nothing(data, model) -> None:
    before = keys(model, Sources(data))
    (Path(model.hub_id) / "README.md").write_text("notes")
    assert keys(model, Sources(data)) == before


def test_the_same_bytes_elsewhere_are_the_same_work(data, model, tmp_path) -> None:
    shutil.copytree(data, tmp_path / "elsewhere" / "mirror")
    shutil.copytree(model.hub_id, tmp_path / "elsewhere" / "another-name")
    moved = dataclasses.replace(model, hub_id=str(tmp_path / "elsewhere" / "another-name"))
    assert keys(model, Sources(data)) == keys(moved, Sources(tmp_path / "elsewhere" / "mirror"))


SCRIPT = """
import json, sys
from pathlib import Path
from test_identity_files import keys
from adaptx.catalog import find_model
from adaptx.sources.sources import Sources
print(json.dumps(keys(find_model(sys.argv[1]), Sources(Path(sys.argv[2])))))
"""


def test_two_processes_with_two_hash_seeds_agree(data, model) -> None:
    here = keys(model, Sources(data))
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, "-c", SCRIPT, model.hub_id, str(data)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert json.loads(ended.stdout) == here


# --- the hub, its mirrors, and what is not at hand

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch) -> Path:
    """A hub cache with nothing in it."""
    cache = tmp_path / "hub-cache"
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    return cache


def test_a_mirror_shares_the_hubs_stages_while_its_files_are_the_commits(data, no_cache) -> None:
    spec = ModelSpec("owner/model")
    folder = data / "models" / "owner" / "model"
    shutil.move(fake_model(data / "taken").hub_id, folder)
    files = {
        str(file.relative_to(data)): {"commit": COMMIT, "sha256": sha256(file)}
        for file in data.rglob("*")
        if file.is_file()
    }
    (data / "mirror.json").write_text(json.dumps({"files": files}))
    on_the_hub = keys(spec, Sources(None, resolve=lambda *_: COMMIT))
    mirrored = keys(spec, Sources(data))
    assert mirrored == on_the_hub

    flip_a_byte(data / f"{NLI.rows_in('id').address}.parquet")
    assert {name for name, one in keys(spec, Sources(data)).items() if one != on_the_hub[name]} == {"nli.id"}
    flip_a_byte(folder / "model.safetensors")
    assert all(one != on_the_hub[name] for name, one in keys(spec, Sources(data)).items())


def test_another_commit_is_another_stage_and_a_pinned_one_needs_no_network(no_cache) -> None:
    spec = ModelSpec("owner/model")
    first = keys(spec, Sources(None, resolve=lambda *_: COMMIT))
    second = keys(spec, Sources(None, resolve=lambda *_: COMMIT[::-1]))
    assert not set(first.values()) & set(second.values())
    pinned = ModelSpec("owner/model", revision=COMMIT)
    assert Sources(None).model(pinned).digest == f"hub:owner/model@{COMMIT}"


def test_what_is_not_at_hand_is_planned_under_its_nominal_fingerprint(no_cache) -> None:
    spec = ModelSpec("owner/model")
    planned = {name: Identities(Sources(None)).of(stage) for name, stage in everything(spec).items()}
    resolved = {
        name: Identities(Sources(None, resolve=lambda *_: COMMIT)).of(stage) for name, stage in everything(spec).items()
    }
    for name, identity in planned.items():
        assert not identity.resolved
        assert identity.fingerprint == identity.nominal == resolved[name].nominal
        assert resolved[name].resolved
        assert resolved[name].fingerprint != identity.nominal


def test_one_unresolved_input_leaves_all_that_follows_unresolved(data, no_cache) -> None:
    stages = everything(ModelSpec("owner/model"))
    assert not any(Identities(Sources(data)).of(stage).resolved for stage in stages.values())


def test_golds_have_a_digest_of_their_own_rows_and_format(data) -> None:
    sources = Sources(data)
    first = golds_digest(NLI, NLI.rows_in("en"), None, sources)
    assert first != golds_digest(NLI, NLI.rows_in("en"), 5, sources)
    assert first != golds_digest(NLI, NLI.rows_in("id"), None, sources)
    # Rows that translate one another are drawn and clustered otherwise, and golds keep both.
    english = NLI.rows_in("en")
    alone = replace(english, parallel_group=None if english.parallel_group is not None else "group")
    assert first != golds_digest(NLI, alone, None, sources)
    flip_a_byte(data / f"{NLI.rows_in('en').address}.parquet")
    assert first != golds_digest(NLI, NLI.rows_in("en"), None, Sources(data))
    # Which candidates are right depends on the pool they are taken from.
    ranked, fewer = (golds_digest(task, task.rows_in("ar"), None, sources) for task in (ANSWERS, SMALL_POOL))
    assert ranked != fewer
