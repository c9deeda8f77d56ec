"""The sourced facts of languages: complete, in range, and right where they are well known."""

import csv
from importlib.resources import files

import pytest

from adaptx.catalog import E5_MINI, MBERT, XLMR_BASE
from adaptx.catalog.language_facts import catalog_code, language_facts, same_language, unknown_languages
from adaptx.catalog.languages import LANGUAGES, find_language, language_name
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


@pytest.mark.parametrize(
    ("code", "same"),
    [
        ("ig", "ibo"), ("ha", "hau"), ("am", "amh_Ethi"), ("zu", "zul"), ("rw", "kin"), ("ny", "nya"),
        ("lv", "lvs_Latn"),
        ("sq", "als_Latn"), ("alb", "als_Latn"), ("ger", "de"), ("deu", "de"), ("chi", "zh"), ("zho", "zh"),
        ("fre", "fr"),
        ("tib", "bod_Tibt"), ("cze", "ces_Latn"), ("per", "fa"), ("may", "ms"), ("iw", "he"), ("no", "nob_Latn"),
        ("pt-BR", "pt"), ("zho_Hans", "zh"), ("zh-TW", "zho_Hant"), ("kor_Hang", "ko"), ("hin_Deva", "hi"),
        ("EN", "en"),
        ("ku", "kmr_Latn"), ("yi", "ydd_Hebr"), ("or", "ory_Orya"), ("tgl", "tl"),
    ],
)  # fmt: skip
def test_other_codes_of_a_language_have_its_facts(code: str, same: str) -> None:
    assert language_facts(code) == language_facts(same)
    assert language_facts(code).script is not None
    assert find_language(code) == find_language(same)
    assert same_language(code, same)
    assert unknown_languages([code, same]) == []


def test_all_of_iso_639_1_is_known_as_its_three_letter_code_is() -> None:
    rows = list(csv.DictReader((files("adaptx.catalog") / "iso_639.csv").read_text(encoding="utf-8").splitlines()))
    assert (len(rows), sum(bool(row["bibliographic"]) for row in rows)) == (184, 20)
    for row in rows:
        two, *others = (row[key] for key in ("two_letter", "three_letter", "bibliographic") if row[key])
        assert language_facts(two).iso639_3 is not None
        # A catalog code of its own may name another script than the language's usual one, never another language.
        assert {language_facts(other).iso639_3 for other in others} == {language_facts(two).iso639_3}, row
        assert language_name(two) != two
        if row["member"]:
            assert catalog_code(two) is not None, row
    assert sum(catalog_code(row["two_letter"]) is None for row in rows) < 60


def test_a_script_of_its_own_is_kept_and_an_ambiguous_one_left_open() -> None:
    assert language_facts("hin_Latn") == language_facts("hi")._replace(script="Latn")
    assert language_facts("ks") == language_facts("kas_Arab")._replace(script=None)
    assert language_name("ks") == "Kashmiri"
    assert not same_language("kas_Arab", "kas_Deva")
    assert not same_language("hin_Latn", "hi")


@pytest.mark.parametrize("code", ["xx", "unheard-of", "", "xa", "pt/br", "zz-ZZ", "english"])
def test_what_is_no_language_code_is_unknown(code: str) -> None:
    assert language_facts(code) == (None, None, None, None)
    assert language_name(code) == code
    assert unknown_languages(["en", code, code]) == [code]


def test_a_language_outside_the_catalog_has_its_name_and_what_pretraining_lists_say() -> None:
    assert (language_name("br"), language_name("bre"), language_name("lat")) == ("Breton", "Breton", "Latin")
    assert seen_in_pretraining(XLMR_BASE, "br") is True
    assert seen_in_pretraining(XLMR_BASE, "nv") is False
    assert unknown_languages(["br", "la"]) == ["br", "la"]
