"""A folder that sentence-transformers wrote is embedded as it says, or what differs is said."""

import json
import shutil
from pathlib import Path

import pytest
from support import tiny

from adaptx.catalog.models import find_model
from adaptx.errors import UserError
from adaptx.specs import Hidden, Pooling

TRANSFORMER, POOLING, NORMALIZE, DENSE = (
    {"path": path, "type": f"sentence_transformers.models.{kind}"}
    for path, kind in (
        ("", "Transformer"),
        ("1_Pooling", "Pooling"),
        ("2_Normalize", "Normalize"),
        ("2_Dense", "Dense"),
    )
)


@pytest.fixture
def written(world: tiny.World, tmp_path: Path):
    """A function that writes what sentence-transformers does into a copy of a checkpoint, and returns its folder."""
    folder = Path(shutil.copytree(world.folder / "models" / world.bert.hub_id, tmp_path / "sentences"))

    def write(*modules, prompts=None, **modes: bool) -> Path:
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_Pooling").mkdir(exist_ok=True)
        pooling = {"word_embedding_dimension": tiny.HIDDEN_SIZE, "include_prompt": True}
        pooling |= {
            f"pooling_mode_{name}": modes.get(name, False) for name in ("cls_token", "mean_tokens", "lasttoken")
        }
        pooling |= {f"pooling_mode_{name}": value for name, value in modes.items()}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
        if prompts is not None:
            (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
        return folder

    return write


@pytest.mark.parametrize(
    ("mode", "pooling"),
    [("cls_token", Pooling.FIRST), ("mean_tokens", Pooling.MEAN), ("lasttoken", Pooling.LAST)],
)
def test_its_own_pooling_is_taken(written, caplog, mode: str, pooling: Pooling) -> None:
    model = find_model(str(written(TRANSFORMER, POOLING, NORMALIZE, **{mode: True})))
    assert model.embedding == Hidden(pooling=pooling)
    assert model.framing == Hidden(pooling=Pooling.MEAN), "a training reads the checkpoint as it reads others"
    assert caplog.records == []


def test_the_prompt_that_is_used_without_asking_is_a_prefix(written) -> None:
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "query"}
    assert find_model(str(written(TRANSFORMER, POOLING, prompts=prompts, cls_token=True))).embedding.prefix == "query: "
    asked = {**prompts, "default_prompt_name": None}
    assert find_model(str(written(TRANSFORMER, POOLING, prompts=asked, cls_token=True))).embedding.prefix == ""


@pytest.mark.parametrize(
    ("modules", "modes", "said"),
    [
        ((TRANSFORMER, POOLING), {"max_tokens": True}, "pooling max_tokens"),
        ((TRANSFORMER, POOLING), {"cls_token": True, "mean_tokens": True}, "pooling cls_token+mean_tokens"),
        ((TRANSFORMER, POOLING, DENSE), {"cls_token": True}, "with Dense, which adaptx does not have"),
    ],
)
def test_what_adaptx_does_not_have_is_said(written, caplog, modules, modes, said: str) -> None:
    find_model(str(written(*modules, **modes)))
    (record,) = caplog.records
    assert said in record.getMessage()


@pytest.mark.parametrize("content", ["{", "{}", "[1]"])
def test_a_file_that_cannot_be_read_is_named(written, content: str) -> None:
    folder = written(TRANSFORMER, POOLING, cls_token=True)
    (folder / "modules.json").write_text(content)
    with pytest.raises(UserError, match=r"modules\.json .*download it again"):
        find_model(str(folder))
