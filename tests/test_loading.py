"""What is loaded of a checkpoint is what lies in it, under every version of transformers."""

import json
import shutil

import pytest
from support import checkpoints, small_world, tiny
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors

from adaptx.backbones.loading import load_network, load_tokenizer
from adaptx.specs import ModelSpec

TEXTS = ["BIG  Words in a\u200brow", "ba <mask> dé", " gi ka", ""]


@pytest.fixture
def own_way(world, tmp_path) -> ModelSpec:
    """XLM-R by the name of its tokenizer's class; it cuts texts up unlike that class, and ends them otherwise."""
    folder = tmp_path / "own-way"
    shutil.copytree(world.folder / "models/tiny/xlm-roberta", folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.StripAccents()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A </s> $B", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(["<mask>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config = {name: value for name, value in config.items() if not name.startswith("added_tokens")}
    named = {**config, "tokenizer_class": "XLMRobertaTokenizerFast", "mask_token": "<mask>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "vocab_size": settings["vocab_size"] + 1}))
    return ModelSpec(str(folder))


def test_tokens_are_those_of_the_checkpoints_own_file(world, own_way):
    tokenizer = load_tokenizer(own_way, world.sources)
    stored = Tokenizer.from_file(f"{own_way.hub_id}/tokenizer.json")
    assert tokenizer(TEXTS)["input_ids"] == [stored.encode(text).ids for text in TEXTS]
    pairs = list(zip(TEXTS, TEXTS[::-1], strict=True))
    found = tokenizer(TEXTS, TEXTS[::-1], return_offsets_mapping=True)
    assert found["input_ids"] == [stored.encode(*pair).ids for pair in pairs]
    assert found["offset_mapping"] == [stored.encode(*pair).offsets for pair in pairs]
    assert "token_type_ids" not in found
    assert tokenizer.mask_token_id == stored.token_to_id("<mask>") == len(tokenizer) - 1


def test_pairs_have_type_ids_where_the_checkpoint_names_no_class_of_its_own(world):
    tokenizer = load_tokenizer(world.bert, world.sources)
    found = tokenizer("ba", "de", return_offsets_mapping=True)
    assert sorted(set(found["token_type_ids"])) == [0, 1]


def test_pairs_of_rembert_have_type_ids_under_every_version_of_transformers(world, tmp_path):
    folder = tmp_path / "rembert"
    checkpoints.write_checkpoint(folder, "rembert", small_world.WORDS[::2], "abdegiknorstuw")
    found = load_tokenizer(ModelSpec(str(folder)), world.sources)("ba", "de")
    assert sorted(set(found["token_type_ids"])) == [0, 1]


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_loading_a_network_says_nothing(world, architecture, capfd):
    load_network(world.models[architecture], world.sources)
    assert "".join(capfd.readouterr()) == ""
