"""English name and family of each language, by the codes that data sets use.

XTREME and most others use ISO 639-1, some use ISO 639-3, and FLORES-200 uses ISO 639-3 followed by a script. Names
follow FLORES-200 (NLLB Team 2022, arXiv:2207.04672). Families are the top-level families of Glottolog (glottolog.org);
Indo-European is followed by its branch. A creole has the family of the language that most of its words come from.
"""

from typing import NamedTuple

from adaptx.catalog.language_codes import read_code
from adaptx.catalog.language_facts import catalog_code, language_facts


class Language(NamedTuple):
    name: str
    family: str


_NAMES_BY_FAMILY: dict[str, dict[str, str]] = {
    "Afro-Asiatic": {
        "ar": "Arabic", "am": "Amharic", "he": "Hebrew", "hau": "Hausa", "acm_Arab": "Mesopotamian Arabic",
        "acq_Arab": "Ta'izzi-Adeni Arabic", "aeb_Arab": "Tunisian Arabic", "ajp_Arab": "South Levantine Arabic",
        "apc_Arab": "North Levantine Arabic", "arb_Latn": "Standard Arabic (Latin script)",
        "ars_Arab": "Najdi Arabic", "ary_Arab": "Moroccan Arabic", "arz_Arab": "Egyptian Arabic",
        "amh_Ethi": "Amharic", "gaz_Latn": "West Central Oromo", "hau_Latn": "Hausa", "heb_Hebr": "Hebrew",
        "kab_Latn": "Kabyle", "mlt_Latn": "Maltese", "som_Latn": "Somali", "taq_Latn": "Tamasheq (Latin script)",
        "taq_Tfng": "Tamasheq (Tifinagh script)", "tir_Ethi": "Tigrinya", "tzm_Tfng": "Central Atlas Tamazight",
    },
    "Arawakan": {"cni": "Asháninka"},
    "Artificial Language": {"epo_Latn": "Esperanto"},
    "Atlantic-Congo": {
        "sw": "Swahili", "wo": "Wolof", "yo": "Yoruba", "bbj": "Ghomálá'", "ewe": "Ewe", "fon": "Fon", "ibo": "Igbo",
        "kin": "Kinyarwanda", "lug": "Ganda", "mos": "Mossi", "nya": "Nyanja", "sna": "Shona", "swa": "Swahili",
        "tsn": "Tswana", "twi": "Twi", "wol": "Wolof", "xho": "Xhosa", "yor": "Yoruba", "zul": "Zulu",
        "aka_Latn": "Akan", "bem_Latn": "Bemba", "cjk_Latn": "Chokwe", "ewe_Latn": "Ewe", "fon_Latn": "Fon",
        "fuv_Latn": "Nigerian Fulfulde", "ibo_Latn": "Igbo", "kam_Latn": "Kamba", "kbp_Latn": "Kabiyè",
        "kik_Latn": "Kikuyu", "kin_Latn": "Kinyarwanda", "kmb_Latn": "Kimbundu", "kon_Latn": "Kikongo",
        "lin_Latn": "Lingala", "lua_Latn": "Luba-Kasai", "lug_Latn": "Ganda", "mos_Latn": "Mossi",
        "nso_Latn": "Northern Sotho", "nya_Latn": "Nyanja", "run_Latn": "Rundi", "sag_Latn": "Sango",
        "sna_Latn": "Shona", "sot_Latn": "Southern Sotho", "ssw_Latn": "Swati", "tsn_Latn": "Tswana",
        "tso_Latn": "Tsonga", "tum_Latn": "Tumbuka", "twi_Latn": "Twi", "umb_Latn": "Umbundu", "wol_Latn": "Wolof",
        "xho_Latn": "Xhosa", "yor_Latn": "Yoruba", "zul_Latn": "Zulu",
    },
    "Austroasiatic": {"vi": "Vietnamese", "khm_Khmr": "Khmer", "sat_Olck": "Santali", "vie_Latn": "Vietnamese"},
    "Austronesian": {
        "fil": "Filipino", "id": "Indonesian", "jv": "Javanese", "ms": "Malay", "tl": "Tagalog",
        "ace_Arab": "Acehnese (Arabic script)", "ace_Latn": "Acehnese (Latin script)", "ban_Latn": "Balinese",
        "bjn_Arab": "Banjar (Arabic script)", "bjn_Latn": "Banjar (Latin script)", "bug_Latn": "Buginese",
        "ceb_Latn": "Cebuano", "fij_Latn": "Fijian", "ilo_Latn": "Ilocano", "jav_Latn": "Javanese",
        "min_Arab": "Minangkabau (Arabic script)", "min_Latn": "Minangkabau (Latin script)", "mri_Latn": "Maori",
        "pag_Latn": "Pangasinan", "plt_Latn": "Plateau Malagasy", "smo_Latn": "Samoan", "sun_Latn": "Sundanese",
        "tgl_Latn": "Tagalog", "war_Latn": "Waray", "zsm_Latn": "Standard Malay",
    },
    "Aymaran": {"aym": "Aymara"},
    "Basque": {"eu": "Basque", "eus_Latn": "Basque"},
    "Chibchan": {"bzd": "Bribri"},
    "Dravidian": {
        "ml": "Malayalam", "ta": "Tamil", "te": "Telugu", "kan_Knda": "Kannada", "mal_Mlym": "Malayalam",
        "tam_Taml": "Tamil", "tel_Telu": "Telugu",
    },
    "Indo-European: Albanian": {"als_Latn": "Tosk Albanian"},
    "Indo-European: Armenian": {"hye_Armn": "Armenian"},
    "Indo-European: Baltic": {
        "lt": "Lithuanian", "lit_Latn": "Lithuanian", "ltg_Latn": "Latgalian", "lvs_Latn": "Standard Latvian",
    },
    "Indo-European: Celtic": {"cy": "Welsh", "cym_Latn": "Welsh", "gla_Latn": "Scottish Gaelic", "gle_Latn": "Irish"},
    "Indo-European: Germanic": {
        "af": "Afrikaans", "de": "German", "en": "English", "nl": "Dutch", "pcm": "Nigerian Pidgin",
        "afr_Latn": "Afrikaans", "dan_Latn": "Danish", "fao_Latn": "Faroese", "isl_Latn": "Icelandic",
        "lim_Latn": "Limburgish", "ltz_Latn": "Luxembourgish", "nld_Latn": "Dutch", "nno_Latn": "Norwegian Nynorsk",
        "nob_Latn": "Norwegian Bokmål", "swe_Latn": "Swedish", "tpi_Latn": "Tok Pisin", "ydd_Hebr": "Eastern Yiddish",
    },
    "Indo-European: Greek": {"el": "Greek", "ell_Grek": "Greek"},
    "Indo-European: Indo-Aryan": {
        "bn": "Bengali", "gu": "Gujarati", "hi": "Hindi", "mr": "Marathi", "pa": "Punjabi", "ur": "Urdu",
        "asm_Beng": "Assamese", "awa_Deva": "Awadhi", "ben_Beng": "Bengali", "bho_Deva": "Bhojpuri",
        "guj_Gujr": "Gujarati", "hne_Deva": "Chhattisgarhi", "kas_Arab": "Kashmiri (Arabic script)",
        "kas_Deva": "Kashmiri (Devanagari script)", "mag_Deva": "Magahi", "mai_Deva": "Maithili",
        "mar_Deva": "Marathi", "npi_Deva": "Nepali", "ory_Orya": "Odia", "pan_Guru": "Eastern Panjabi",
        "san_Deva": "Sanskrit", "sin_Sinh": "Sinhala", "snd_Arab": "Sindhi", "urd_Arab": "Urdu",
    },
    "Indo-European: Iranian": {
        "fa": "Persian", "ckb_Arab": "Central Kurdish", "kmr_Latn": "Northern Kurdish", "pbt_Arab": "Southern Pashto",
        "pes_Arab": "Western Persian", "prs_Arab": "Dari", "tgk_Cyrl": "Tajik",
    },
    "Indo-European: Romance": {
        "es": "Spanish", "fr": "French", "ht": "Haitian Creole", "it": "Italian", "pt": "Portuguese",
        "ro": "Romanian", "ast_Latn": "Asturian", "cat_Latn": "Catalan", "fra_Latn": "French", "fur_Latn": "Friulian",
        "glg_Latn": "Galician", "hat_Latn": "Haitian Creole", "ita_Latn": "Italian", "kea_Latn": "Kabuverdianu",
        "lij_Latn": "Ligurian", "lmo_Latn": "Lombard", "oci_Latn": "Occitan", "pap_Latn": "Papiamento",
        "por_Latn": "Portuguese", "ron_Latn": "Romanian", "scn_Latn": "Sicilian", "srd_Latn": "Sardinian",
        "vec_Latn": "Venetian",
    },
    "Indo-European: Slavic": {
        "bg": "Bulgarian", "pl": "Polish", "ru": "Russian", "uk": "Ukrainian", "bel_Cyrl": "Belarusian",
        "bos_Latn": "Bosnian", "bul_Cyrl": "Bulgarian", "ces_Latn": "Czech", "hrv_Latn": "Croatian",
        "mkd_Cyrl": "Macedonian", "pol_Latn": "Polish", "rus_Cyrl": "Russian", "slk_Latn": "Slovak",
        "slv_Latn": "Slovenian", "srp_Cyrl": "Serbian", "szl_Latn": "Silesian", "ukr_Cyrl": "Ukrainian",
    },
    "Japonic": {"ja": "Japanese", "jpn_Jpan": "Japanese"},
    "Kartvelian": {"ka": "Georgian", "kat_Geor": "Georgian"},
    "Koreanic": {"ko": "Korean"},
    "Mande": {"bam": "Bambara", "bam_Latn": "Bambara", "dyu_Latn": "Dyula", "nqo_Nkoo": "N'Ko"},
    "Mongolic-Khitan": {"khk_Cyrl": "Halh Mongolian"},
    "Nilotic": {"luo": "Luo", "dik_Latn": "Southwestern Dinka", "luo_Latn": "Luo", "nus_Latn": "Nuer"},
    "Otomanguean": {"oto": "Otomí"},
    "Pano-Tacanan": {"shp": "Shipibo-Konibo"},
    "Quechuan": {"qu": "Quechua", "quy": "Quechua"},
    "Saharan": {"knc_Arab": "Central Kanuri (Arabic script)", "knc_Latn": "Central Kanuri (Latin script)"},
    "Sino-Tibetan": {
        "my": "Burmese", "zh": "Chinese", "bod_Tibt": "Standard Tibetan", "dzo_Tibt": "Dzongkha",
        "kac_Latn": "Jingpho", "lus_Latn": "Mizo", "mni_Beng": "Meitei", "mya_Mymr": "Burmese",
        "yue_Hant": "Yue Chinese", "zho_Hant": "Chinese (traditional script)",
    },
    "Tai-Kadai": {"th": "Thai", "lao_Laoo": "Lao", "shn_Mymr": "Shan", "tha_Thai": "Thai"},
    "Tupian": {"gn": "Guarani"},
    "Turkic": {
        "az": "Azerbaijani", "kk": "Kazakh", "tr": "Turkish", "azb_Arab": "South Azerbaijani",
        "azj_Latn": "North Azerbaijani", "bak_Cyrl": "Bashkir", "crh_Latn": "Crimean Tatar", "kaz_Cyrl": "Kazakh",
        "kir_Cyrl": "Kyrgyz", "tat_Cyrl": "Tatar", "tuk_Latn": "Turkmen", "uig_Arab": "Uyghur",
        "uzn_Latn": "Northern Uzbek",
    },
    "Uralic": {
        "et": "Estonian", "fi": "Finnish", "hu": "Hungarian", "est_Latn": "Estonian", "fin_Latn": "Finnish",
        "hun_Latn": "Hungarian",
    },
    "Uto-Aztecan": {"hch": "Wixarika", "nah": "Nahuatl", "tar": "Rarámuri"},
    "Unclassified": {"mul": "several languages"},
}  # fmt: skip

LANGUAGES: dict[str, Language] = {
    code: Language(name, family) for family, names in _NAMES_BY_FAMILY.items() for code, name in names.items()
}


def find_language(code: str) -> Language | None:
    """Return a language, given any of its codes (`ig`, `ibo`, `ibo_Latn`, `pt-BR`), or None if it is not known."""
    found = catalog_code(code)
    if found is None:
        return None
    language = LANGUAGES[found]
    # The catalog's name may include a script that the code does not name: `ks` is not "Kashmiri (Arabic script)".
    named = found == code or language_facts(code).script is not None
    return language if named else language._replace(name=language.name.split(" (")[0])


def language_name(code: str) -> str:
    """Return the English name of a language, or its code if the language is not known."""
    if (found := find_language(code)) is not None:
        return found.name
    tag = read_code(code)
    return code if tag is None or tag.name is None else tag.name
