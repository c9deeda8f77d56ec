"""Topic of a sentence, in 205 languages."""

from adaptx.specs import Classification, Rows, Task

SIB_LABELS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")
# These languages have the short codes that other tasks use. All other languages have their FLORES-200 code, which is
# also the config.
_SHORT_CODES = {
    "en": "eng_Latn",
    "id": "ind_Latn",
    "ko": "kor_Hang",
    "aym": "ayr_Latn",
    "gn": "grn_Latn",
    "quy": "quy_Latn",
    "es": "spa_Latn",
    "de": "deu_Latn",
    "zh": "zho_Hans",
    "sw": "swh_Latn",
    "tr": "tur_Latn",
    "ar": "arb_Arab",
    "hi": "hin_Deva",
}
_OTHER_CODES = (
    "ace_Arab", "ace_Latn", "acm_Arab", "acq_Arab", "aeb_Arab", "afr_Latn", "ajp_Arab", "aka_Latn", "als_Latn",
    "amh_Ethi", "apc_Arab", "arb_Latn", "ars_Arab", "ary_Arab", "arz_Arab", "asm_Beng", "ast_Latn", "awa_Deva",
    "azb_Arab", "azj_Latn", "bak_Cyrl", "bam_Latn", "ban_Latn", "bel_Cyrl", "bem_Latn", "ben_Beng", "bho_Deva",
    "bjn_Arab", "bjn_Latn", "bod_Tibt", "bos_Latn", "bug_Latn", "bul_Cyrl", "cat_Latn", "ceb_Latn", "ces_Latn",
    "cjk_Latn", "ckb_Arab", "crh_Latn", "cym_Latn", "dan_Latn", "dik_Latn", "dyu_Latn", "dzo_Tibt", "ell_Grek",
    "epo_Latn", "est_Latn", "eus_Latn", "ewe_Latn", "fao_Latn", "fij_Latn", "fin_Latn", "fon_Latn", "fra_Latn",
    "fur_Latn", "fuv_Latn", "gaz_Latn", "gla_Latn", "gle_Latn", "glg_Latn", "guj_Gujr", "hat_Latn", "hau_Latn",
    "heb_Hebr", "hne_Deva", "hrv_Latn", "hun_Latn", "hye_Armn", "ibo_Latn", "ilo_Latn", "isl_Latn", "ita_Latn",
    "jav_Latn", "jpn_Jpan", "kab_Latn", "kac_Latn", "kam_Latn", "kan_Knda", "kas_Arab", "kas_Deva", "kat_Geor",
    "kaz_Cyrl", "kbp_Latn", "kea_Latn", "khk_Cyrl", "khm_Khmr", "kik_Latn", "kin_Latn", "kir_Cyrl", "kmb_Latn",
    "kmr_Latn", "knc_Arab", "knc_Latn", "kon_Latn", "lao_Laoo", "lij_Latn", "lim_Latn", "lin_Latn", "lit_Latn",
    "lmo_Latn", "ltg_Latn", "ltz_Latn", "lua_Latn", "lug_Latn", "luo_Latn", "lus_Latn", "lvs_Latn", "mag_Deva",
    "mai_Deva", "mal_Mlym", "mar_Deva", "min_Arab", "min_Latn", "mkd_Cyrl", "mlt_Latn", "mni_Beng", "mos_Latn",
    "mri_Latn", "mya_Mymr", "nld_Latn", "nno_Latn", "nob_Latn", "npi_Deva", "nqo_Nkoo", "nso_Latn", "nus_Latn",
    "nya_Latn", "oci_Latn", "ory_Orya", "pag_Latn", "pan_Guru", "pap_Latn", "pbt_Arab", "pes_Arab", "plt_Latn",
    "pol_Latn", "por_Latn", "prs_Arab", "ron_Latn", "run_Latn", "rus_Cyrl", "sag_Latn", "san_Deva", "sat_Olck",
    "scn_Latn", "shn_Mymr", "sin_Sinh", "slk_Latn", "slv_Latn", "smo_Latn", "sna_Latn", "snd_Arab", "som_Latn",
    "sot_Latn", "srd_Latn", "srp_Cyrl", "ssw_Latn", "sun_Latn", "swe_Latn", "szl_Latn", "tam_Taml", "taq_Latn",
    "taq_Tfng", "tat_Cyrl", "tel_Telu", "tgk_Cyrl", "tgl_Latn", "tha_Thai", "tir_Ethi", "tpi_Latn", "tsn_Latn",
    "tso_Latn", "tuk_Latn", "tum_Latn", "twi_Latn", "tzm_Tfng", "uig_Arab", "ukr_Cyrl", "umb_Latn", "urd_Arab",
    "uzn_Latn", "vec_Latn", "vie_Latn", "war_Latn", "wol_Latn", "xho_Latn", "ydd_Hebr", "yor_Latn", "yue_Hant",
    "zho_Hant", "zsm_Latn", "zul_Latn",
)  # fmt: skip
SIB_CONFIGS = {**_SHORT_CODES, **{code: code for code in _OTHER_CODES}}
"""Language code -> config of the data set (`en` -> `eng_Latn`)."""


def _rows(language: str, split: str, expected: int) -> Rows:
    return Rows(
        "Davlan/sib200",
        SIB_CONFIGS[language],
        split,
        language,
        (("text", "text"), ("label", "category")),
        expected=expected,
        parallel_group="sib200",
    )


SIB200 = Task(
    "sib200",
    Classification(SIB_LABELS),
    train=(_rows("en", "train", 701),),
    development=(_rows("en", "validation", 99),),
    evaluation=tuple(_rows(language, "test", 204) for language in SIB_CONFIGS),
    kind="topic",
    licence="Apache-2.0 (text CC BY-SA 4.0)",
    citation="Adelani et al. 2024, SIB-200, arXiv:2309.07445",
    description="The topic of a sentence, one of seven. The sentences are the same in every language.",
)
