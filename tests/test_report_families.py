"""Families of checkpoints, which share a line over size."""

import dataclasses

import pytest

from adaptx.catalog import find_model
from adaptx.report.results.model_families import family_names, model_family
from adaptx.specs import Quantisation


def test_sizes_of_one_pretraining_are_a_family_and_others_are_not() -> None:
    llama, larger, smollm = (
        model_family(find_model(name))
        for name in ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.1-8B", "HuggingFaceTB/SmolLM2-135M")
    )
    assert llama == larger
    assert smollm != llama, "the same architecture, pretrained by others"
    xlmr, e5 = find_model("FacebookAI/xlm-roberta-base"), find_model("intfloat/multilingual-e5-small")
    assert model_family(xlmr) == model_family(find_model("FacebookAI/xlm-roberta-large"))
    assert model_family(e5.cut(3)) == model_family(e5)
    assert model_family(e5) != model_family(find_model("google-bert/bert-base-multilingual-cased"))
    assert model_family(dataclasses.replace(xlmr, quantised=Quantisation.NF4)) != model_family(xlmr)


def test_a_family_is_named_by_its_architecture_and_by_its_owner_if_needed() -> None:
    llama, smollm, xlmr = (
        model_family(find_model(name))
        for name in ("meta-llama/Llama-3.2-1B", "HuggingFaceTB/SmolLM2-135M", "FacebookAI/xlm-roberta-base")
    )
    assert set(family_names([llama, xlmr, llama]).values()) == {"llama", "xlm-roberta"}
    named = family_names([llama, smollm, xlmr])
    assert [named[each] for each in (llama, smollm, xlmr)] == [
        "llama (meta-llama/Llama)",
        "llama (HuggingFaceTB/SmolLM2)",
        "xlm-roberta",
    ]


def test_embeddings_are_no_part_of_the_body() -> None:
    """XLM-R base has 86 million parameters in its layers and 192 million in its embeddings."""
    shape = find_model("FacebookAI/xlm-roberta-base").shape
    assert shape is not None
    assert shape.encoder_parameters == pytest.approx(85e6, rel=0.02)
    assert shape.parameters == pytest.approx(278e6, rel=0.01)
