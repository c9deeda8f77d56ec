"""The catalog: what its tasks, suites and languages say of themselves, and against each other."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from adaptx.catalog import (
    AMERICAS_NLI,
    ANLI_PLUS,
    LANGUAGES,
    LAREQA,
    MASAKHANER2,
    MLQA,
    MNLI,
    MT5_ZERO_SHOT,
    NLI,
    NTREX_MLM,
    PAWSX,
    SIB200,
    SNLI,
    SQUAD,
    SUITES,
    TASKS,
    TYDIQA,
    WIKIPEDIA_MLM,
    XCOPA,
    XNLI,
    XNLI_MORE,
    XQUAD,
    XTREME,
    XTREME_R,
    find_task,
    ntrex_mlm,
    wikipedia_mlm,
)
from adaptx.catalog.language_facts import same_language
from adaptx.cli.views.catalog import show_task
from adaptx.errors import UserError
from adaptx.metrics import METRICS
from adaptx.specs import (
    Bitext,
    BitextMining,
    Classification,
    MaskedLanguageModel,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Rows,
    Tagging,
    Task,
)
from adaptx.specs.plain import from_plain, to_plain

GOLDEN = Path(__file__).parents[2] / "shared/golden/aggregate.json"
# Official task name -> languages that are averaged; of LAReQA the official script averages none.
XTREME_LANGUAGES = {
    "xnli": "ar bg de el en es fr hi ru sw th tr ur vi zh",
    "pawsx": "de en es fr ja ko zh",
    "udpos": "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh",
    "panx": "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw yo my zh "
    "kk tr et fi hu",
    "xquad": "en es de el ru tr ar vi th zh hi",
    "mlqa": "en es de ar hi vi zh",
    "tydiqa": "en ar bn fi id ko ru sw te",
    "bucc2018": "de fr ru zh",
    "tatoeba": "ar he vi id jv tl eu ml ta te af nl de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw zh kk tr et "
    "fi hu",
}
XTREME_R_LANGUAGES = {
    "xnli": XTREME_LANGUAGES["xnli"],
    "xcopa": "et ht id it qu sw ta th tr vi zh",
    "udpos": f"{XTREME_LANGUAGES['udpos']} lt pl uk wo ro",
    "panx": f"{XTREME_LANGUAGES['panx']} qu pl uk az lt pa gu ro",
    "xquad": f"{XTREME_LANGUAGES['xquad']} ro",
    "mlqa": XTREME_LANGUAGES["mlqa"],
    "tydiqa": XTREME_LANGUAGES["tydiqa"],
    "mewslix": "ar de en es fa ja pl ro ta tr uk",
    "tatoeba": f"{XTREME_LANGUAGES['tatoeba']} az lt pl uk ro",
}
OFFICIAL = {
    "xtreme": {"bucc": "bucc2018"},
    "xtreme-r": {"udpos_r": "udpos", "wikiann": "panx", "xquad_12": "xquad", "tatoeba_r": "tatoeba"},
}
NLI_TASKS = ("snli", "mnli", "anli_plus", "xnli", "xnli_more", "indonli", "klue_nli", "americas_nli", "nli")


def every_set(task: Task) -> tuple[Rows, ...]:
    return (*task.train, *task.development, *task.evaluation, *task.pool, *task.translated)


tasks = pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)


@tasks
def test_a_task_survives_the_store(task: Task) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(task)))) == task


@tasks
def test_names_are_fit_for_mlflow_and_for_folders(task: Task) -> None:
    for language in task.languages:
        for metric in task.metrics:
            assert re.fullmatch(r"[A-Za-z0-9_\-./]+", f"{task.name}/{language}/{metric}")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", task.name)


@tasks
def test_every_language_has_a_name_and_a_family(task: Task) -> None:
    assert {rows.language for rows in every_set(task)} <= set(LANGUAGES)


@tasks
def test_a_task_says_where_it_is_from_and_how_it_is_scored(task: Task) -> None:
    assert all((task.kind, task.licence, task.citation, task.description))
    assert task.metrics
    assert set(task.metrics) <= set(METRICS)


@tasks
def test_no_row_is_trained_on_and_scored(task: Task) -> None:
    for train in (*task.train, *task.translated):
        for other in (*task.development, *task.evaluation):
            if train.address == other.address:
                assert apart(train, other), f"{train.address} is trained on and scored"
    # TyDiQA's English rows are the one exception, which its description names.
    selected = [r for r in task.evaluation if any(not apart(r, d) for d in task.development if d.address == r.address)]
    assert [rows.language for rows in selected] == (["en"] if task.name == "tydiqa" else [])


def apart(one: Rows, other: Rows) -> bool:
    if one.starts_with != other.starts_with:
        return True
    end = float("inf")
    return (one.stop or end) <= other.first or (other.stop or end) <= one.first


@tasks
def test_columns_are_those_of_the_format(task: Task) -> None:
    for rows in (*task.train, *task.evaluation):
        roles = {role for role, _ in rows.columns}
        match task.format:
            case Classification():
                assert {"text", "label"} <= roles <= {"text", "pair", "label"}
                assert not rows.label_names or set(rows.label_names) == set(task.format.labels)
            case Tagging():
                assert roles == {"tokens", "tags"}
                assert rows.label_names == task.format.labels
            case MultipleChoice():
                assert {"text", "choices", "label"} <= roles <= {"text", "question", "choices", "label"}
            case QuestionAnswering():
                assert roles == {"question", "context", "answers", "answer_starts"}
            case Retrieval():
                assert "query" in roles
                assert ("gold" in roles) == (rows in task.evaluation)
            case Bitext():
                assert roles == {"query", "candidate"}
            case BitextMining():
                assert roles == {"source", "target", "gold"}
            case MaskedLanguageModel():
                assert roles == {"text"}


@tasks
def test_slices_fit_their_counts(task: Task) -> None:
    for rows in every_set(task):
        if rows.stop is not None and rows.expected is not None:
            assert rows.expected == rows.stop - rows.first


@tasks
def test_parallel_sets_are_of_one_length(task: Task) -> None:
    lengths: dict[str, set[tuple[str, int | None, int, int | None]]] = {}
    for rows in task.evaluation:
        if rows.parallel_group:
            found = lengths.setdefault(rows.parallel_group, set())
            found.add((rows.split, rows.expected, rows.first, rows.stop))
    assert all(len(found) == 1 for found in lengths.values())


def test_a_task_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    for task in TASKS.values():
        show_task(task, Console(width=300))
        printed = capsys.readouterr().out
        assert all(rows.address in printed for rows in (*task.train, *task.development, *task.evaluation))


@pytest.mark.parametrize(
    ("suite", "languages"), [(XTREME, XTREME_LANGUAGES), (XTREME_R, XTREME_R_LANGUAGES)], ids=lambda value: value
)
def test_suites_have_the_official_tasks_and_languages(suite, languages: dict[str, str]) -> None:
    names = OFFICIAL[suite.name]
    ours = {names.get(task.name, task.name): sorted(task.languages) for task in suite.tasks if task is not LAREQA}
    assert ours == {name: sorted(codes.split()) for name, codes in languages.items()}
    assert [group.name for group in suite.groups] == ["classification", "tagging", "qa", "retrieval"]
    assert SUITES[suite.name] is suite
    assert (LAREQA in suite.tasks) == (suite is XTREME_R)


@pytest.mark.skipif(not GOLDEN.is_file(), reason="shared/golden is not beside this checkout")
def test_official_languages_are_those_of_the_golden_tables() -> None:
    tables = json.loads(GOLDEN.read_text(encoding="utf-8"))["inputs"]["tables"]
    for version, languages in (("xtreme", XTREME_LANGUAGES), ("xtreme-r", XTREME_R_LANGUAGES)):
        golden = {name: sorted(scores) for name, scores in tables[version].items()}
        assert golden == {name: sorted(codes.split()) for name, codes in languages.items()}


def test_english_alone_is_trained_on_and_selected_by_in_the_suites() -> None:
    for suite in SUITES.values():
        for task in suite.tasks:
            assert {rows.language for rows in (*task.train, *task.development)} <= {"en"}


def test_nli_tasks_share_one_label_set() -> None:
    assert {TASKS[name].format for name in NLI_TASKS} == {MNLI.format}
    assert NLI.languages == ("en", "id", "ko", "aym", "gn", "quy")
    assert len(AMERICAS_NLI.languages) == 10


def test_mnli_is_selected_and_scored_on_two_slices_of_one_set() -> None:
    (development,), (evaluation,) = MNLI.development, MNLI.evaluation
    assert (development.first, development.stop, development.expected) == (0, 500, 500)
    assert (evaluation.first, evaluation.stop, evaluation.expected) == (500, None, 9_315)


def test_anli_plus_is_snli_mnli_and_three_rounds() -> None:
    assert ANLI_PLUS.train[:2] == (*SNLI.train, *MNLI.train)
    assert [rows.split for rows in ANLI_PLUS.train[2:]] == ["train_r1", "train_r2", "train_r3"]


def test_question_answering_targets_share_squad_s_training() -> None:
    assert {task.train for task in (SQUAD, XQUAD, MLQA)} == {SQUAD.train}
    assert TYDIQA.train[0].starts_with == ("id", "english-")
    assert sum(rows.expected or 0 for rows in TYDIQA.evaluation) == 5_077


def test_translated_rows_are_added_on_request() -> None:
    assert (len(XNLI.translated), len(PAWSX.translated)) == (14, 6)
    assert XNLI.with_translated("sw", "ur").source_languages == ("en", "sw", "ur")
    with pytest.raises(UserError, match="xnli_more has no translated training rows in any language"):
        XNLI_MORE.with_translated()


def test_xnli_has_its_fifteen_languages_and_no_other() -> None:
    assert len(XNLI.languages) == 15
    assert not set(XNLI_MORE.languages) & set(XNLI.languages)


def test_questions_of_copa_are_asked_in_words() -> None:
    (role, words), *others = XCOPA.evaluation[0].wording
    assert (role, others) == ("question", [])
    assert dict(words) == {"cause": "What was the cause?", "effect": "What was the effect?"}
    assert all(rows.wording == XCOPA.evaluation[0].wording for rows in every_set(XCOPA))


def test_sib200_has_205_languages_and_the_short_codes() -> None:
    assert len(SIB200.languages) == 205
    assert SIB200.languages[:6] == ("en", "id", "ko", "aym", "gn", "quy")
    assert len({rows.config for rows in SIB200.evaluation}) == 205


def test_text_of_chosen_languages() -> None:
    assert (len(WIKIPEDIA_MLM.train), len(NTREX_MLM.evaluation)) == (40, 39)
    chosen = wikipedia_mlm("sw", "ht")
    assert (chosen.name, chosen.source_languages) == ("wikipedia_mlm_sw_ht", ("sw", "ht"))
    assert ntrex_mlm("sw").evaluation == (NTREX_MLM.rows_in("sw"),)
    with pytest.raises(UserError, match="ntrex_mlm has no 'xx'; near: "):
        ntrex_mlm("xx")


def test_language_families_are_top_level_but_for_indo_european() -> None:
    families = {language.family for language in LANGUAGES.values()}
    assert {family.split(":")[0] for family in families if ":" in family} == {"Indo-European"}
    assert "Indo-European" not in families
    assert [code for code, language in LANGUAGES.items() if language.family == "Unclassified"] == ["mul"]
    # Of one language in two codes: the same name and family.
    for short, long in (("sw", "swa"), ("yo", "yor_Latn"), ("fi", "fin_Latn"), ("eu", "eus_Latn"), ("ka", "kat_Geor")):
        assert LANGUAGES[short] == LANGUAGES[long]


def test_an_unknown_task_is_refused_with_near_names() -> None:
    assert find_task("xnli") is XNLI
    with pytest.raises(UserError, match="unknown task 'xnly'; near: xnli"):
        find_task("xnly")


def test_ntrex_is_read_by_the_hubs_configs() -> None:
    configs = [rows.config for rows in NTREX_MLM.evaluation]
    assert {"eng_Latn", "zho_Hans", "swa_Latn", "fas_Arab"} <= set(configs)
    for rows in NTREX_MLM.evaluation:
        assert same_language(rows.config, rows.language), f"{rows.config} is not {rows.language}"


def test_masakhaner_s_test_sets_have_the_rows_of_the_hub() -> None:
    rows = {rows.language: rows.expected for rows in MASAKHANER2.evaluation}
    known = {
        "bam": 1_274, "ewe": 1_001, "kin": 2_235, "lug": 1_412, "twi": 1_211, "wol": 1_312, "yor": 1_964, "zul": 1_670,
    }  # fmt: skip
    assert {language: rows[language] for language in known} == known
    assert None not in rows.values()


def test_mt5_s_scores_cite_where_they_are_from() -> None:
    sources = {score.task: score.source for score in MT5_ZERO_SHOT}
    assert "README" in sources["tydiqa"]
    assert "multilingual-t5" in sources["tydiqa"]
    assert "README" not in sources["xnli"]


def test_every_checkpoint_is_a_constant_of_the_catalog() -> None:
    import adaptx.catalog
    from adaptx.catalog import MODELS
    from adaptx.specs import ModelSpec

    constants = {name: value for name, value in vars(adaptx.catalog).items() if isinstance(value, ModelSpec)}
    assert len(constants) > 60
    assert {model.hub_id for model in constants.values()} == set(MODELS)
    assert all(name.isupper() for name in constants)
