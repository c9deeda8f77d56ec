"""Which class of transformers holds which head: every architecture and format is exported, loaded again and asked."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from support import checkpoints, small_world, tiny

from adaptx.backbones.families import backbone_over
from adaptx.backbones.loading import load_network, load_tokenizer
from adaptx.catalog import E5_MINI, XLMR_BASE
from adaptx.catalog.models import from_config
from adaptx.catalog.reading import FRAMING
from adaptx.errors import UserError
from adaptx.exporting import checking, library_heads
from adaptx.exporting.base import base_name
from adaptx.exporting.checking import check_folder, probe
from adaptx.exporting.transformers_folder import HeadClass, write_with_head
from adaptx.formats import behaviour
from adaptx.formats.interface import HeadBase, TrainedHead, reading_of
from adaptx.sample import SAMPLE
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Classification,
    Hidden,
    MaskedLanguageModel,
    ModelFamily,
    ModelSpec,
    MultipleChoice,
    Pooling,
    QuestionAnswering,
    Tagging,
    TaskFormat,
)
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.store.store import read_json

LENGTH = 48
FORMATS: tuple[TaskFormat, ...] = (
    Classification(("a", "b", "c")),
    MultipleChoice(),
    Tagging(("x", "y")),
    QuestionAnswering(),
    MaskedLanguageModel(),
)
HEADINGS = ("one label", "choices", "tags", "span answers", "masked words")
DOCS = Path(__file__).parents[1] / "docs" / "exporting.md"
BEGIN, END = "<!-- export table -->\n", "<!-- end of export table -->"
SOURCES = Sources(None)
XL = "xlm-roberta-xl"
IN_FULL = ("bert", "modernbert", "mbart", "gemma2")
"""Architectures of which every case with a class of ours is tried."""


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, ModelSpec]:
    made = small_world.make_models(tmp_path_factory.mktemp("models"), list(checkpoints.KINDS))
    return {**made.specs, XL: _large(made.folder / XL, made.specs["xlm-roberta"])}


def _large(folder: Path, small: ModelSpec) -> ModelSpec:
    """A checkpoint of XLM-R's larger kin, with the tokenizer of the smaller."""
    from transformers import AutoConfig, AutoModel

    settings = read_json(Path(small.hub_id) / "config.json")
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
             "max_position_embeddings", "type_vocab_size", "pad_token_id", "layer_norm_eps")  # fmt: skip
    config = AutoConfig.for_model(XL, **{name: settings[name] for name in names})
    with torch.random.fork_rng():
        torch.manual_seed(4)
        AutoModel.from_config(config, add_pooling_layer=False).save_pretrained(folder)
    load_tokenizer(small, SOURCES).save_pretrained(folder)
    return from_config(str(folder), folder / "config.json")


def poolings(task_format: TaskFormat, family: ModelFamily) -> tuple[Pooling, ...]:
    if not isinstance(task_format, Classification | MultipleChoice):
        return (Pooling.MEAN,)
    return (Pooling.MEAN, Pooling.LAST if family is ModelFamily.DECODER else Pooling.FIRST)


def prepared(model: ModelSpec, task_format: TaskFormat, framing: Hidden) -> Any:
    """The network, its tokenizer and reading, and a head with random values, as an export has them."""
    network, tokenizer = load_network(model, SOURCES), load_tokenizer(model, SOURCES)
    training = behaviour(task_format).training
    assert training is not None
    assert training.new_head is not None
    module = training.new_head(task_format, HeadBase(network.config.hidden_size, 0.1, network, lambda: None)).eval()
    tiny.shake(module.parameters())
    return network, tokenizer, reading_of(model, tokenizer, framing, LENGTH), TrainedHead(module, task_format)


def exported(model: ModelSpec, task_format: TaskFormat, framing: Hidden, folder: Path) -> tuple[HeadClass, float]:
    """The class that holds the head, and by how much its answers differ from adaptx'."""
    network, tokenizer, reading, head = prepared(model, task_format, framing)
    config, backbone = copy.deepcopy(network.config), backbone_over(network)
    probes = probe(backbone, head, reading)
    assert len(probes.logits) > 2
    folder.mkdir()
    found = write_with_head(backbone, config, head, framing, tokenizer, LENGTH, folder)
    return found, check_folder(folder, found, head, probes)


@pytest.mark.parametrize("architecture", [*tiny.ARCHITECTURES, XL, *checkpoints.KINDS])
def test_every_head_is_held_by_a_class_that_answers_the_same(models, architecture, tmp_path):
    family = ARCHITECTURES[architecture].family
    usual = FRAMING[family].pooling
    for task_format in FORMATS:
        if isinstance(task_format, MaskedLanguageModel) and family is not ModelFamily.ENCODER:
            continue
        for pooling in poolings(task_format, family):
            name = f"{type(task_format).__name__}-{pooling.name}"
            ours = holder(architecture, task_format, pooling) == "ours"
            if ours and architecture not in IN_FULL and (type(task_format), pooling) != (Classification, usual):
                # Layers and heads meet in our classes in one way, which others of these cases show.
                continue
            framing = Hidden(pooling=pooling)
            found, difference = exported(models[architecture], task_format, framing, tmp_path / name)
            assert difference < 1e-5, name
            assert found.own == ours, name
            assert found.own == (read_json(tmp_path / name / "config.json")["model_type"] == "adaptx")


def holder(architecture: str, task_format: TaskFormat, pooling: Pooling) -> str:
    """Whose class holds a head over the last layer, as the docs say it."""
    if isinstance(task_format, MaskedLanguageModel):
        if ARCHITECTURES[architecture].family is not ModelFamily.ENCODER:
            return "–"
        return "library" if ARCHITECTURES[architecture].library_heads.masked else "ours"
    heads = ARCHITECTURES[architecture].library_heads
    return "ours" if library_heads.place_of(task_format, Hidden(pooling=pooling), heads) is None else "library"


def table() -> str:
    """Architecture by format, for docs/exporting.md."""
    lines = [f"| architecture | {' | '.join(HEADINGS)} |", "|:--|" + ":--|" * len(HEADINGS)]
    for architecture, facts in ARCHITECTURES.items():
        cells = []
        for task_format in FORMATS:
            held = {each: holder(architecture, task_format, each) for each in poolings(task_format, facts.family)}
            parts = [f"{whose} ({pooling.value})" for pooling, whose in held.items()]
            cells.append(next(iter(held.values())) if len(set(held.values())) == 1 else ", ".join(reversed(parts)))
        lines.append(f"| `{architecture}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_the_docs_hold_the_table_of_classes():
    text = DOCS.read_text(encoding="utf-8")
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)] == table()


def test_a_folder_that_answers_otherwise_is_refused(models, monkeypatch, tmp_path):
    """A tanh over states at their own size is no identity."""
    monkeypatch.setattr(library_heads, "TANH_SCALE", 1.0)
    with pytest.raises(UserError, match=r"does not answer as adaptx does: logits differ by .* Nothing was written"):
        exported(models["bert"], FORMATS[0], Hidden(pooling=Pooling.FIRST), tmp_path / "out")


def test_a_tensor_that_gets_lost_is_refused(models, monkeypatch, tmp_path):
    monkeypatch.setattr(
        library_heads, "_put_linear", lambda whole, *_: setattr(whole, "classifier", torch.nn.Identity())
    )
    with pytest.raises(UserError, match=r"the tensors classifier\.bias, classifier\.weight are not loaded"):
        exported(models["bert"], FORMATS[2], Hidden(), tmp_path / "out")


def test_a_prefix_that_the_tokenizer_cannot_write_is_refused(models, tmp_path):
    with pytest.raises(UserError, match=r"prefix 'query: ' before each text.*use --to peft, whose predict\.py"):
        exported(models["qwen3"], FORMATS[0], Hidden(pooling=Pooling.LAST, prefix="query: "), tmp_path / "out")


def test_a_tokenizer_of_bytes_is_written_as_it_is(tmp_path):
    """ByT5's has no tokenizer.json, and no place for a prefix."""
    from transformers import ByT5Tokenizer

    folder = tmp_path / "byt5"
    checkpoints.write_checkpoint(folder, "t5", (), (), extra=400)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / file).unlink(missing_ok=True)
    ByT5Tokenizer().save_pretrained(folder)
    model = from_config(str(folder), folder / "config.json")
    found, difference = exported(model, FORMATS[0], Hidden(), tmp_path / "out")
    assert found.own
    assert difference < 1e-5
    with pytest.raises(UserError, match=r"prefix 'query: ' before each text"):
        exported(model, FORMATS[0], Hidden(prefix="query: "), tmp_path / "other")


@pytest.mark.parametrize("architecture", ["bert", "xlm-roberta", "deberta-v2", "t5"])
def test_the_tokenizer_writes_the_prefix(models, architecture, tmp_path):
    """Before both texts of a pair, with token types where there are such; before words that are tagged, too."""
    for task_format in (FORMATS[0], FORMATS[2]):
        _, difference = exported(
            models[architecture], task_format, Hidden(prefix="sea "), tmp_path / type(task_format).__name__
        )
        assert difference < 1e-5


def test_the_base_of_a_folder_is_a_hub_id_or_a_place_that_is_there(tmp_path):
    assert base_name(XLMR_BASE, SOURCES) == "FacebookAI/xlm-roberta-base"
    assert base_name(E5_MINI, SOURCES) == str(SAMPLE / "models" / E5_MINI.hub_id)
    (tmp_path / "config.json").write_text("{}")
    assert base_name(ModelSpec(str(tmp_path)), SOURCES) == str(tmp_path)


def test_probes_are_short_empty_long_and_in_pairs(models):
    _, _, reading, head = prepared(models["bert"], FORMATS[0], Hidden())
    probes = probe(backbone_over(load_network(models["bert"], SOURCES)), head, reading)
    lengths = probes.encoded.lengths
    assert max(lengths) == LENGTH
    assert min(lengths) == 2
    assert {"text_pair" in given for given in probes.given} == {True, False}
    assert len(probes.given) == 2 * (len(checking.TEXTS) + 1)
