"""The sourced facts of languages: complete, in range, and right where they are well known."""

import pytest

from adaptx.catalog import E5_MINI, MBERT, XLMR_BASE
from adaptx.catalog.language_facts import language_facts
from adaptx.catalog.languages import LANGUAGES
from adaptx.catalog.models import MODELS
from adaptx.catalog.pretraining import CC100, MC4, PRETRAINED_IN, WIKIPEDIA_104, seen_in_pretraining


def test_every_language_has_a_row_with_values_in_range() -> None:
    for code in LANGUAGES:
        facts = language_facts(code)
        if code == "mul":
            assert facts == (None, None, None, None)
            continue
        assert facts.iso639_3 is not None
        assert len(facts.iso639_3) == 3
        assert facts.script is not None
        assert len(facts.script) == 4
        assert facts.joshi_class is None or 0 <= facts.joshi_class <= 5
        assert facts.syntactic_distance is None or 0 <= facts.syntactic_distance <= 1
    assert language_facts("unheard-of") == (None, None, None, None)


def test_two_codes_of_one_language_agree() -> None:
    for short, long in (("hi", "hau_Latn"), ("et", "est_Latn"), ("sw", "swa"), ("ibo", "ibo_Latn"), ("tl", "tgl_Latn")):
        same = language_facts(short).iso639_3 == language_facts(long).iso639_3
        assert same == (short != "hi")
    assert language_facts("fin_Latn") == language_facts("fi")


@pytest.mark.parametrize(
    ("code", "script", "joshi"),
    [("en", "Latn", 5), ("zh", "Hans", 5), ("hi", "Deva", 4), ("id", "Latn", 3), ("sw", "Latn", 2), ("quy", "Latn", 1)],
)
def test_well_known_languages(code: str, script: str, joshi: int) -> None:
    facts = language_facts(code)
    assert (facts.script, facts.joshi_class) == (script, joshi)


def test_distances_order_languages_as_typology_does() -> None:
    english, german, russian, turkish = (language_facts(code).syntactic_distance for code in ("en", "de", "ru", "tr"))
    assert english == 0
    assert german is not None
    assert russian is not None
    assert turkish is not None
    assert 0 < german < russian < turkish


def test_published_lists_have_their_published_lengths() -> None:
    """Both of CC-100 and mBERT's count Chinese twice, by script; CC-100's also six romanised or recoded texts."""
    assert (len(CC100) + 1 + 6, len(WIKIPEDIA_104) + 1, len(MC4)) == (100, 104, 101)


def test_what_was_seen_in_pretraining() -> None:
    assert seen_in_pretraining(XLMR_BASE, "sw") is True
    assert seen_in_pretraining(XLMR_BASE, "quy") is False
    assert seen_in_pretraining(MBERT, "yor_Latn") is True
    assert seen_in_pretraining(XLMR_BASE, "yor_Latn") is False
    assert seen_in_pretraining(XLMR_BASE, "mul") is None
    assert seen_in_pretraining(E5_MINI, "ko") is None
    assert set(PRETRAINED_IN) <= set(MODELS)
