"""Identity of stages: what changes a result is in it, and what does not is not."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_store import fake_mirror, fake_model, train
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutations

from adaptx.catalog import NLI as EVERYWHERE
from adaptx.catalog import SNLI, TATOEBA
from adaptx.identity import Identities, evaluation_framing, golds_digest, inputs_read
from adaptx.recipe_file import edited
from adaptx.sources import Place, Sources
from adaptx.specs import (
    Best,
    Bottleneck,
    Evaluate,
    Full,
    Fuse,
    Hidden,
    KeptHead,
    Last,
    Lora,
    ModelSpec,
    Recipe,
    Rows,
    Sequential,
    Stack,
    Stage,
    Train,
    TrainConfig,
)

NLI = dataclasses.replace(EVERYWHERE, evaluation=EVERYWHERE.evaluation[:2])
RETRIEVAL = dataclasses.replace(TATOEBA, evaluation=TATOEBA.evaluation[:2])


class OneDigest(Sources):
    """Everything has the same content, wherever it lies: what differs then differs by its spec alone."""

    def rows(self, rows: Rows) -> Place:
        return Place(None, "sha256:rows", "rows@main")

    def model(self, model: ModelSpec) -> Place:
        return Place(None, "sha256:weights", "weights@main")


def key(stage: Stage, sources: Sources | None = None) -> str:
    identity = Identities(sources or OneDigest()).of(stage)
    assert identity.resolved
    return identity.fingerprint


MODEL = ModelSpec("some/model", framing=Hidden(1))
LAST = TrainConfig(learning_rate=1e-3, epochs=2, head_learning_rate=1e-2, dropout=0.1)
BEST = TrainConfig(learning_rate=1e-3, max_steps=20, selection=Best(every=5, patience=2))
HIDDEN = Hidden(2)
LORA = Train(MODEL, SNLI, Lora(), LAST, framing=HIDDEN)
ADAPTER = Train(MODEL, SNLI, Bottleneck(), LAST, framing=HIDDEN, limit=20)
FUSE = Fuse((ADAPTER, dataclasses.replace(ADAPTER, limit=9)))
TRAININGS = {
    "pretrained": dataclasses.replace(LORA, limit=7),
    "best": Train(MODEL, NLI, Lora(), BEST, Sequential(LORA), KeptHead(), framing=HIDDEN),
    "stack": Train(MODEL, NLI, Bottleneck(), LAST, Stack((ADAPTER,)), framing=HIDDEN),
    "fuse": Train(MODEL, NLI, Bottleneck(), LAST, FUSE, framing=HIDDEN),
}
EVALUATIONS = {
    "bare": Evaluate(MODEL, RETRIEVAL, "es", framing=HIDDEN),
    "trained": Evaluate(TRAININGS["best"], NLI, "en", limit=5),
    "full": Evaluate(Train(MODEL, NLI, Full(), LAST, framing=HIDDEN), NLI, "en", precision="fp32"),
}
# What the stage at the end of a path does not read of its task.
NOT_READ_BY_TRAIN = r"(.*\.)?task\.(name|evaluation|metrics|development)\b.*"
NOT_READ_BY_EVALUATE = r"task\.((name|train|development|metrics)\b|evaluation\[1\]).*"
# A bare checkpoint has one way of being read whatever family its spec claims.
SAME_FOR_EVALUATE = r"model\.family|task\.evaluation"


def not_read(path: str, stage: Stage) -> bool:
    if isinstance(stage, Evaluate):
        if re.fullmatch(NOT_READ_BY_EVALUATE, path) or re.fullmatch(SAME_FOR_EVALUATE, path):
            return True
        if not isinstance(stage.model, Train) or not path.startswith("model."):
            return False
        return not_read(path.removeprefix("model."), stage.model)
    own = isinstance(stage.config.selection, Best)
    if own and re.fullmatch(r"task\.development\b.*", path):
        return False
    return re.fullmatch(NOT_READ_BY_TRAIN, path) is not None


@pytest.mark.parametrize("name", [*TRAININGS, *EVALUATIONS])
def test_every_field_that_is_read_changes_the_fingerprint_and_no_other(name: str) -> None:
    stage = {**TRAININGS, **EVALUATIONS}[name]
    before = key(stage)
    tried = 0
    for mutation in mutations(stage):
        expected = not (mutation.outside or not_read(mutation.path, stage))
        # These evaluations are in fp32 whether or not they say so.
        expected = expected and not (mutation.path == "precision" and mutation.value.precision == "fp32")
        assert (key(mutation.value) != before) is expected, f"{mutation.path}: {mutation.owner}"
        tried += expected
    assert tried > 5


def test_the_checkpoints_own_framing_counts_where_none_is_given() -> None:
    stage = dataclasses.replace(LORA, framing=None)
    other = dataclasses.replace(stage, model=dataclasses.replace(MODEL, framing=Hidden(5)))
    assert key(stage) != key(other)
    assert key(stage) == key(dataclasses.replace(stage, framing=Hidden(1))), "said or unsaid, it is the same work"
    retrieval = Evaluate(MODEL, RETRIEVAL, "es")
    assert key(retrieval) != key(dataclasses.replace(retrieval, model=dataclasses.replace(MODEL, embedding=Hidden(5))))
    assert evaluation_framing(Evaluate(stage, NLI, "en")) == Hidden(1)
    assert evaluation_framing(Evaluate(stage, RETRIEVAL, "es")) == MODEL.embedding


def test_the_trainings_precision_is_the_evaluations_unless_given() -> None:
    bf16 = dataclasses.replace(LORA, config=dataclasses.replace(LAST, precision="bf16"))
    assert key(Evaluate(bf16, NLI, "en")) == key(Evaluate(bf16, NLI, "en", precision="bf16"))
    assert key(Evaluate(bf16, NLI, "en")) != key(Evaluate(bf16, NLI, "en", precision="fp32"))
    assert key(Evaluate(MODEL, RETRIEVAL, "es")) == key(Evaluate(MODEL, RETRIEVAL, "es", precision="fp32"))


@pytest.mark.parametrize("selection", [Last(), Best(every=5)])
def test_a_language_a_metric_and_a_citation_change_no_training(selection) -> None:
    config = dataclasses.replace(LAST, selection=selection)
    first = Train(MODEL, NLI, Lora(), config)
    richer = dataclasses.replace(
        NLI,
        evaluation=EVERYWHERE.evaluation,
        metrics=(*NLI.metrics, "f1"),
        citation="Somebody 2030",
        licence="other",
        description="more",
        kind="other",
    )
    second = Train(MODEL, richer, Lora(), config, Sequential(Train(MODEL, richer, Lora(), config)))
    assert key(Train(MODEL, richer, Lora(), config)) == key(first)
    assert key(second) == key(Train(MODEL, NLI, Lora(), config, Sequential(first)))
    assert key(Evaluate(first, NLI, "en")) == key(Evaluate(first, richer, "en"))


def test_development_rows_and_the_metric_count_only_where_they_select() -> None:
    fewer = dataclasses.replace(NLI, development=())
    assert key(Train(MODEL, NLI, Lora(), LAST)) == key(Train(MODEL, fewer, Lora(), LAST))
    assert key(Train(MODEL, NLI, Lora(), BEST)) != key(Train(MODEL, fewer, Lora(), BEST))
    other = dataclasses.replace(NLI, metrics=("f1", "accuracy"))
    assert key(Train(MODEL, NLI, Lora(), LAST)) == key(Train(MODEL, other, Lora(), LAST))
    assert key(Train(MODEL, NLI, Lora(), BEST)) != key(Train(MODEL, other, Lora(), BEST))
    assert inputs_read(Train(MODEL, NLI, Lora(), LAST)) == (MODEL, *NLI.train)
    assert inputs_read(Train(MODEL, NLI, Lora(), BEST)) == (MODEL, *NLI.train, *NLI.development)


def test_32_and_32_point_0_are_one_training() -> None:
    assert key(dataclasses.replace(LORA, method=Lora(alpha=32))) == key(
        dataclasses.replace(LORA, method=Lora(alpha=32.0))
    )


@given(st.integers(1, 50), st.integers(1, 50))
def test_the_limit_is_identity(first: int, second: int) -> None:
    recipe = Recipe("limits", (Evaluate(LORA, NLI, "en"),))
    small, other = (edited(recipe, limit=limit).evaluations[0] for limit in (first, second))
    assert (key(small) == key(other)) is (first == second)
    assert (key(small.model) == key(other.model)) is (first == second)
    assert key(small.model) != key(LORA)


def test_a_value_with_no_stable_form_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"^method\.alpha is a function"):
        key(dataclasses.replace(LORA, method=Lora(alpha=lambda: 1)))
    with pytest.raises(ValueError, match=r"^config\.betas\[1\] is inf"):
        key(dataclasses.replace(LORA, config=dataclasses.replace(LAST, betas=(0.9, float("inf")))))


# --- real files


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return fake_mirror(tmp_path / "data", NLI, SNLI, RETRIEVAL)


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


def everything(model: ModelSpec) -> dict[str, Stage]:
    chosen = train(model, NLI, Lora(), Sequential(train(model, SNLI, Lora())), selection=Best(every=5))
    return {
        "snli": train(model, SNLI, Lora()),
        "nli": chosen,
        "nli.en": Evaluate(chosen, NLI, "en"),
        "nli.id": Evaluate(chosen, NLI, "id"),
        "bare.es": Evaluate(model, RETRIEVAL, "es"),
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
        (SNLI.train[0], {"snli", "nli", "nli.en", "nli.id"}),
        (SNLI.development[0], set()),
        (NLI.train[0], {"nli", "nli.en", "nli.id"}),
        (NLI.rows_in("id"), {"nli.id"}),
        (RETRIEVAL.rows_in("es"), {"bare.es"}),
        (RETRIEVAL.rows_in("fr"), set()),
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
from test_identity import keys
from adaptx.catalog import find_model
from adaptx.sources import Sources
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
    flip_a_byte(data / f"{NLI.rows_in('en').address}.parquet")
    assert first != golds_digest(NLI, NLI.rows_in("en"), None, Sources(data))
