"""The languages of checkpoints' pretraining text.

The lists hold ISO 639-3 codes of individual languages, as in `language_facts`: a published `sw` is `swh` here. Scripts
of a language are not distinguished. Qwen 3 and Llama 3 are missing, because no list of their text was published.
e5-mini is missing, because its text differs from that of its teacher.
"""

from adaptx.catalog.language_facts import language_facts
from adaptx.specs import ModelSpec

_CC100 = """
    afr als amh arb asm azj bel ben bos bre bul cat ces cmn cym dan deu ekk ell eng epo eus fin fra fry gaz gla gle
    glg guj hau heb hin hrv hun hye ind isl ita jav jpn kan kat kaz khk khm kir kmr kor lao lat lit lvs mal mar mkd mya
    nld nob npi ory pan pbt pes plt pol por ron rus san sin slk slv snd som spa srp sun swe swh tam tel tgl tha tur uig
    ukr urd uzn vie xho ydd zsm
"""
CC100 = frozenset(_CC100.split())
"""Languages of XLM-R, XLM-R XL and XLM-R XXL (Conneau et al. 2020, arXiv:1911.02116, table 6)."""

_WIKIPEDIA_104 = """
    afr als arb arg ast azb azj bak bar bel ben bos bpy bre bul cat ceb ces che chv cmn cym dan deu ekk ell eng eus
    fin fra fry gle glg guj hat hbs heb hin hrv hun hye ido ind isl ita jav jpn kan kat kaz khk kir kor lat lit lmo ltz
    lvs mal mar min mkd mya nds new nld nno nob npi oci pan pes plt pms pnb pol por ron rus scn sco slk slv spa srp sun
    swe swh tam tat tel tgk tgl tha tur ukr urd uzn vie vol war yor zsm
"""
WIKIPEDIA_104 = frozenset(_WIKIPEDIA_104.split())
"""Languages of mBERT's cased release (Devlin et al. 2019; github.com/google-research/bert, multilingual.md)."""

_MC4 = """
    afr als amh arb azj bel ben bul cat ceb ces cmn cos cym dan deu ekk ell eng epo eus fin fra fry gla gle glg guj
    hat hau haw heb hin hmn hun hye ibo ind isl ita jav jpn kan kat kaz khk khm kir kmr kor lao lat lit ltz lvs mal mar
    mkd mlt mri mya nld nob npi nya pan pbt pes plt pol por ron rus sin slk slv smo sna snd som sot spa srp sun swe swh
    tam tel tgk tgl tha tur ukr urd uzn vie xho ydd yor zsm zul
"""
MC4 = frozenset(_MC4.split())
"""Languages of mT5 (Xue et al. 2021, arXiv:2010.11934, table 6). Its Filipino has the code of Tagalog here."""

PRETRAINED_IN: dict[str, frozenset[str]] = {
    "FacebookAI/xlm-roberta-base": CC100,
    "FacebookAI/xlm-roberta-large": CC100,
    "facebook/xlm-roberta-xl": CC100,
    "facebook/xlm-roberta-xxl": CC100,
    # It was trained from multilingual MiniLM, which was distilled from XLM-R on the same text (Wang et al. 2024,
    # section 3).
    "intfloat/multilingual-e5-small": CC100,
    "google-bert/bert-base-multilingual-cased": WIKIPEDIA_104,
    "google/mt5-small": MC4,
    "google/mt5-base": MC4,
    "google/mt5-large": MC4,
    "google/mt5-xl": MC4,
}


def seen_in_pretraining(model: ModelSpec, language: str) -> bool | None:
    """Return whether a checkpoint's pretraining text contained a language, or None if that is not known.

    `language` is a code that tasks use.
    """
    languages = PRETRAINED_IN.get(model.hub_id)
    code = language_facts(language).iso639_3
    return None if languages is None or code is None else code in languages
