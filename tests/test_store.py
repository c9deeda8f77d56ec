"""The store: finished stages only, found by fingerprint or name."""

import json
import os
import time
from pathlib import Path

import pytest
from support.fake_store import RESULT, SCORES

from adaptx.errors import UserError
from adaptx.store.integrity import seal
from adaptx.store.record_json import to_json
from adaptx.store.records import RESULT_FILE, SCORES_FILE, STEPS_FILE, StageRecord
from adaptx.store.store import Store, write_json


def record(fingerprint: str, kind: str = "train", name: str = "model.task.lora-r8", nominal: str = "") -> StageRecord:
    nominal = nominal or f"nominal of {fingerprint}"
    return StageRecord(name=name, kind=kind, fingerprint=fingerprint, nominal=nominal, inputs=(), identity={}, spec={})


def add(
    store: Store, fingerprint: str, kind: str = "train", name: str = "model.task.lora-r8", nominal: str = ""
) -> Path:
    with store.building(record(fingerprint, kind, name, nominal)) as folder:
        put_result(folder, kind)
    return store.find(fingerprint).folder


def put_result(folder: Path, kind: str = "train") -> None:
    if kind == "train":
        write_json(folder / RESULT_FILE, to_json(RESULT))
        (folder / STEPS_FILE).touch()
    else:
        write_json(folder / SCORES_FILE, to_json(SCORES))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_nothing_is_written_until_something_is_stored(store) -> None:
    assert store.entries() == {}
    assert not store.root.exists()


def test_a_file_is_no_store(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--store .*/file: it is a file; name a folder"):
        Store(tmp_path / "file")


def test_a_finished_stage_is_found_in_this_process_and_the_next(store) -> None:
    folder = add(store, "1f3a9c7e" + "0" * 56)
    assert folder.name == "model.task.lora-r8-1f3a9c7e"
    assert folder.parent.name == "train"
    for each in (store, Store(store.root)):
        entry = each.find("1f3a9c7e" + "0" * 56)
        assert (entry.kind, entry.has_module, entry.result) == ("train", False, RESULT)
        assert entry.record.name == "model.task.lora-r8"


def test_what_fails_halfway_leaves_nothing(store) -> None:
    def fail() -> None:
        with store.building(record("ab" * 32)) as folder:
            (folder / "module.safetensors").write_bytes(b"half")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        fail()
    assert store.entries() == {}
    assert list((store.root / "train").iterdir()) == []


@pytest.mark.parametrize("cut", ["before the record", "before the marker", "before the renaming"])
def test_a_killed_process_leaves_no_stage(store, cut: str) -> None:
    folder = store.root / "train" / ".building-x1"
    folder.mkdir(parents=True)
    if cut != "before the record":
        seal(folder, record("ab" * 32))
    if cut == "before the marker":
        (folder / "complete").unlink()
    assert Store(store.root).entries() == {}


def test_a_folder_without_its_marker_is_not_there(store) -> None:
    folder = add(store, "ab" * 32)
    (folder / "complete").unlink()
    assert Store(store.root).entries() == {}
    add(Store(store.root), "ab" * 32)
    assert "ab" * 32 in Store(store.root).entries(), "and is replaced when the stage is done again"


def test_stages_are_named_by_folder_path_or_unique_prefix(store) -> None:
    folder = add(store, "aaaa1111" + "0" * 56)
    add(store, "aaaa2222" + "0" * 56, "evaluate", "model.task.lora-r8.nli.en")
    assert store.named(folder.name).folder == folder
    assert store.named(str(folder)).folder == folder
    assert store.named(f"train/{folder.name}/").folder == folder
    assert store.named("aaaa1").folder == folder
    assert store.named("aaaa", "train").folder == folder
    with pytest.raises(UserError, match=r"stage 'aaaa': 2 stages match in .*model\.task\.lora-r8-aaaa1111, model"):
        store.named("aaaa")
    with pytest.raises(UserError, match=r"stage 'bbbb': no stage has that name or fingerprint in .*; it has: model"):
        store.named("bbbb")
    with pytest.raises(UserError, match="no stage has that name or fingerprint"):
        store.named("aaaa2", "train")
    with pytest.raises(UserError, match="it has: nothing"):
        Store(store.root / "elsewhere").named("aaaa")


def test_the_newest_of_one_nominal_fingerprint_is_taken(store) -> None:
    first = add(store, "aa" * 32, nominal="same")
    second = add(store, "bb" * 32, nominal="same")
    old = time.time() - 100
    os.utime(second / "complete", (old, old))
    assert store.find_nominal("same").folder == first
    assert store.find_nominal("other") is None


def test_weights_can_go_and_scores_stay(store) -> None:
    with store.building(record("ab" * 32, name="model.task.full")) as folder:
        (folder / "module.safetensors").write_bytes(b"weights")
        put_result(folder)
    entry = store.find("ab" * 32)
    assert entry.has_module
    store.forget_module(entry)
    assert not entry.has_module
    assert Store(store.root).find("ab" * 32).result == RESULT


def test_a_removed_stage_is_gone(store) -> None:
    folder = add(store, "ab" * 32)
    store.remove(store.find("ab" * 32))
    assert not folder.exists()
    assert store.find("ab" * 32) is None
    assert Store(store.root).entries() == {}


def test_checkpoints_go_when_their_stage_is_complete(store) -> None:
    folder = store.working("ab" * 32)
    (folder / "saved_state.pt").write_bytes(b"state")
    folder.with_suffix(".lock").touch()
    assert store.working("ab" * 32) == folder
    store.finish_working("ab" * 32)
    assert list((store.root / "working").iterdir()) == []
    store.finish_working("ab" * 32)


def test_json_is_written_whole_or_not_at_all(tmp_path) -> None:
    file = tmp_path / "deep" / "value.json"
    write_json(file, {"text": "käse"})
    assert "käse" in file.read_text(encoding="utf-8")
    with pytest.raises(TypeError):
        write_json(file, {"text": object()})
    assert json.loads(file.read_text(encoding="utf-8")) == {"text": "käse"}
