"""The report over a store made by hand: no torch, no model; predictions are drawn with given accuracies."""

import dataclasses
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, put_values, train

from adaptx.catalog import NLI, SIB200, SNLI, TATOEBA
from adaptx.errors import UserError
from adaptx.planning.damage import left_out_lines
from adaptx.planning.plan import Plan
from adaptx.planning.row_contents import RowContents
from adaptx.report import tidy, write_report
from adaptx.report.gains.gain import GAP, SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.gains import compute_gains
from adaptx.report.results.confounds import find_confounds, rows_differences, shared_rows
from adaptx.report.results.measured import measure
from adaptx.report.results.variants import variant_labels
from adaptx.report.tables.table import WIDEST
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Best,
    Bitext,
    Bottleneck,
    Fuse,
    Lora,
    Mixture,
    ModelSpec,
    Sequential,
)
from adaptx.specs.quantisation import Quantisation
from adaptx.store.records import DevelopmentScore
from adaptx.store.store import Store

pytestmark = pytest.mark.usefixtures("plans_with_adapters")

TARGET = dataclasses.replace(
    NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in ("en", "ko", "aym", "gn"))
)
RETRIEVAL = dataclasses.replace(TATOEBA, format=Bitext(), evaluation=TATOEBA.evaluation[:2])
LORA = Lora(rank=4)


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(fake_mirror(tmp_path / "data", TARGET, SNLI, SIB200, RETRIEVAL))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def found(gains: Sequence[Gain], variant: str, quantity: str = ZERO_SHOT) -> Gain:
    (gain,) = [gain for gain in gains if (gain.variant, gain.quantity) == (variant, quantity)]
    return gain


def small_grid(model: ModelSpec, sources: Sources) -> Plan:
    snli, bottleneck = train(model, SNLI, LORA), Bottleneck()
    mixed = Fuse((train(model, SNLI, bottleneck), train(model, SIB200, bottleneck)))
    return planned(
        sources,
        everywhere(train(model, TARGET, LORA), TARGET),
        everywhere(train(model, TARGET, LORA, Sequential(snli)), TARGET),
        everywhere(train(model, TARGET, bottleneck), TARGET),
        everywhere(train(model, TARGET, bottleneck, mixed), TARGET),
        everywhere(model, RETRIEVAL),
        everywhere(snli, RETRIEVAL),
    )


def test_report_is_whole_and_self_contained(model, sources, store, tmp_path) -> None:
    plan = small_grid(model, sources)
    fill(plan, store, sources)
    report = write_report(plan, store, tmp_path / "out", ["adaptx report recipes/question.py"])

    names = {file.name for file in report.files}
    assert names == {
        "report.html",
        "scores.csv",
        "classes.csv",
        "gains.csv",
        "gains_by_seed.csv",
        "forest.png",
        "languages.nli.png",
        "languages.tatoeba.png",
        "losses.png",
        "scores.json",
        "tables.tex",
        "table-main.tex",
        "families.nli.png",
        "mixing.csv",
        "mixing_weights.nli.1.png",
        "pareto.nli.png",
        "pareto.tatoeba.png",
        "gain_heatmap.nli.png",
        "gain_heatmap.tatoeba.png",
    }
    assert all(file.stat().st_size > 0 for file in report.files)
    page = report.html.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page), "the page must need nothing but itself"
    assert "<script" not in page
    for said in (
        "A question?",
        "paired bootstrap",
        "lora-r4 · Sequential · snli",
        "adaptx report recipes/question.py",
        "train/tiny-bert.snli.lora-r4-",
        "60 / 750",
        "resident set above",
    ):
        assert said in page, said
    assert len(report.table) == len(plan.recipe.evaluations)
    assert report.fingerprint == write_report(plan, store, tmp_path / "again").fingerprint
    assert all(re.fullmatch(r"[\w\-./]+", name) for name in report.metrics)
    assert json.loads(json.dumps(report.to_json(), allow_nan=False)) == report.to_json()


def test_scores_are_recomputed_from_predictions(model, sources, store) -> None:
    plan = planned(sources, everywhere(train(model, TARGET, LORA), TARGET))
    fill(plan, store, sources, {"": 0.5})
    table = tidy(plan, store)
    assert list(table["language"]) == list(TARGET.languages)
    assert not (table["value"] == 0.123).any(), "the fake scores.json claims 0.123"
    assert table["value"].between(0.35, 0.65).all()
    assert list(table["source_language"]) == [language == "en" for language in TARGET.languages]
    assert table.attrs["missing"] == []


def test_path_costs_count_every_distinct_training_once(model, sources, store) -> None:
    plan = small_grid(model, sources)
    fill(plan, store, sources)
    rows = {(row["variant"], row["language"]): row for row in tidy(plan, store).to_dict("records")}
    seconds = {node.name: store.find(node.fingerprint).result.seconds for node in plan.nodes if node.kind == "train"}
    fused = rows["bottleneck-f16 · Fuse · snli+sib200", "ko"]
    prefix = "tiny-bert."
    assert fused["path_seconds"] == pytest.approx(
        seconds[prefix + "snli.bottleneck-f16"]
        + seconds[prefix + "sib200.bottleneck-f16"]
        + seconds[prefix + "nli.bottleneck-f16.fuse-snli+sib200"]
    )
    assert fused["path_peak_memory_bytes"] >= 250 * 2**20
    assert rows["untrained", "es"]["path_seconds"] == 0
    assert rows["untrained", "es"]["path_peak_memory_bytes"] == 90 * 2**20


def test_what_is_not_stored_is_left_out_and_named(model, sources, store, tmp_path) -> None:
    plan = planned(sources, everywhere(train(model, TARGET, LORA), TARGET))
    with pytest.raises(UserError, match="no evaluation of recipe question is stored"):
        write_report(plan, store, tmp_path / "out")
    fill(plan, store, sources, without=("aym",))
    report = write_report(plan, store, tmp_path / "out")
    assert report.missing == ("tiny-bert.nli.lora-r4.nli.aym",)
    assert "aym" not in set(report.table["language"])
    assert "Planned evaluations not stored yet, so not in the tables: 1 (" in report.html.read_text()


def test_baselines_are_matched(model, sources, store) -> None:
    plan = small_grid(model, sources)
    fill(plan, store, sources)
    gains = compute_gains(measure(plan, store), 200)
    assert found(gains, "lora-r4 · Sequential · snli").baseline == "lora-r4 · baseline"
    assert found(gains, "bottleneck-f16 · Fuse · snli+sib200").baseline == "bottleneck-f16 · baseline"
    assert found(gains, "lora-r4 · no target training · snli").baseline == "untrained"
    for label in ("lora-r4 · baseline", "bottleneck-f16 · baseline", "untrained"):
        assert found(gains, label).is_baseline
        assert found(gains, label).gain is None


def test_an_intermediates_own_head_is_compared_with_the_trained_target(model, sources, store) -> None:
    direct = everywhere(train(model, SNLI, LORA), TARGET)
    alone = planned(sources, direct)
    fill(alone, store, sources)
    lonely = found(compute_gains(measure(alone, store), 200), "lora-r4 · no target training · snli")
    assert (lonely.gain, lonely.note) == (None, "no matching baseline in this recipe")
    plan = planned(sources, direct, everywhere(train(model, TARGET, LORA), TARGET))
    fill(plan, store, sources)
    assert found(compute_gains(measure(plan, store), 200), lonely.variant).baseline == "lora-r4 · baseline"


def test_of_several_baselines_the_one_with_the_same_settings_is_taken(model, sources, store) -> None:
    snli = Sequential(train(model, SNLI, LORA))
    fast, slow = (train(model, TARGET, LORA, learning_rate=rate) for rate in (1e-3, 1e-4))
    matched = everywhere(train(model, TARGET, LORA, snli, learning_rate=1e-4), TARGET)
    unmatched = everywhere(train(model, TARGET, LORA, snli, learning_rate=3e-4), TARGET)
    plan = planned(sources, everywhere(fast, TARGET), everywhere(slow, TARGET), matched, unmatched)
    fill(plan, store, sources)
    gains = compute_gains(measure(plan, store), 200)
    same = found(gains, "lora-r4 · Sequential · snli · learning_rate 0.0001")
    assert same.baseline == "lora-r4 · baseline · learning_rate 0.0001"
    other = found(gains, "lora-r4 · Sequential · snli · learning_rate 0.0003")
    assert other.gain is None
    assert other.note.startswith("2 baselines match, of which 0 have this variant's settings")

    single = planned(sources, everywhere(fast, TARGET), unmatched)
    only = found(compute_gains(measure(single, store), 200), "lora-r4 · Sequential · snli")
    assert only.gain is not None
    assert only.note == "baseline differs in learning_rate"


def test_labels_tell_models_readings_and_intermediates_apart(model, sources, store, tmp_path) -> None:
    other = fake_model(tmp_path / "other-bert", ())
    centred = dataclasses.replace(model.embedding, centred=True)
    short, long = (Sequential(train(model, SNLI, LORA, epochs=epochs)) for epochs in (1, 2))
    plan = planned(
        sources,
        everywhere(model, RETRIEVAL),
        everywhere(model, RETRIEVAL, framing=centred),
        everywhere(train(model, TARGET, LORA), TARGET),
        everywhere(train(other, TARGET, LORA), TARGET),
        everywhere(train(model, TARGET, LORA, short), TARGET),
        everywhere(train(model, TARGET, LORA, long), TARGET),
    )
    fill(plan, store, sources)
    labels = list(dict.fromkeys(tidy(plan, store)["variant"]))
    assert labels == [
        "untrained · centred False",
        "untrained · centred True",
        "lora-r4 · baseline · tiny-bert",
        "lora-r4 · baseline · other-bert",
        "lora-r4 · Sequential · snli · intermediate epochs 1",
        "lora-r4 · Sequential · snli · intermediate epochs 2",
    ]


def test_a_checkpoint_cut_or_quantised_is_another_model_and_no_seed(model, sources, store) -> None:
    # All have one hub id, method, settings and seed.
    models = (model, dataclasses.replace(model, layers=1), model.quantise(Quantisation.NF4))
    trained = [
        train(each, TARGET, LORA, *start) for each in models for start in ((), (Sequential(train(each, SNLI, LORA)),))
    ]
    plan = planned(sources, *(everywhere(each, TARGET) for each in trained))
    fill(plan, store, sources)
    assert list(dict.fromkeys(tidy(plan, store)["variant"])) == [
        f"lora-r4 · {start} · {name}"
        for name in ("tiny-bert", "tiny-bert-l1", "tiny-bert-nf4")
        for start in ("baseline", "Sequential · snli")
    ]
    assert {gain.seeds for gain in compute_gains(measure(plan, store))} == {1}


def test_rows_tell_variants_apart_only_where_a_language_is_measured_twice(model, sources, store) -> None:
    tuned = everywhere(train(model, TARGET, LORA), TARGET)
    more_in_english = tuple(dataclasses.replace(each, limit=3 if each.language == "en" else 2) for each in tuned)

    def labels(*evaluates) -> set[str]:
        return set(variant_labels(evaluates, dict.fromkeys(evaluates, "12345678")).values())

    assert labels(*more_in_english) == {"lora-r4 · baseline"}
    twice = dataclasses.replace(more_in_english[0], limit=4)
    assert labels(*more_in_english, twice) == {f"lora-r4 · baseline · evaluated rows {rows}" for rows in (2, 3, 4)}


def test_zero_shot_average_gap_and_their_gains(model, sources, store) -> None:
    plan = small_grid(model, sources)
    fill(plan, store, sources, {"": 0.4, "Sequential": 0.3, "baseline en": 0.2})
    measurements = measure(plan, store)
    gains = compute_gains(measurements, 500)
    label = "lora-r4 · Sequential · snli"
    by_language = {language: found(gains, label, language) for language in TARGET.languages}
    average, source, gap = (found(gains, label, quantity) for quantity in (ZERO_SHOT, SOURCE, GAP))
    zero_shot = [gain for language, gain in by_language.items() if language != "en"]
    assert average.languages == ("ko", "aym", "gn")
    assert average.score == pytest.approx(np.mean([gain.score for gain in zero_shot]))
    assert average.gain == pytest.approx(np.mean([gain.gain for gain in zero_shot]))
    assert source.score == by_language["en"].score
    assert gap.score == pytest.approx(source.score - average.score)
    assert gap.gain == pytest.approx(source.gain - average.gain)
    for gain in (*by_language.values(), average, source, gap):
        assert gain.low <= gain.gain <= gain.high
    assert average.high - average.low < max(gain.high - gain.low for gain in zero_shot)
    retrieval = found(gains, "lora-r4 · no target training · snli")
    assert retrieval.languages == RETRIEVAL.languages, "nothing was trained on in any of them"


def test_seeds_are_averaged_and_none_is_a_variant_of_its_own(model, sources, store) -> None:
    plan = planned(
        sources,
        *(everywhere(train(model, TARGET, LORA, seed=seed), TARGET) for seed in (1, 2)),
        *(
            everywhere(train(model, TARGET, LORA, Sequential(train(model, SNLI, LORA, seed=seed)), seed=seed), TARGET)
            for seed in (1, 2, 3)
        ),
    )
    fill(plan, store, sources, {"": 0.4, "Sequential": 0.2})
    measurements = measure(plan, store)
    gains = compute_gains(measurements, 200)
    gain = found(gains, "lora-r4 · Sequential · snli", "ko")
    assert gain.seeds == 3
    assert "2 of 3 seeds" in gain.note
    shares = {(v.label, v.factors.seed): v.languages["ko"].scores["accuracy"] for v in measurements.variants("nli")}
    paired = [shares[gain.variant, seed] - shares["lora-r4 · baseline", seed] for seed in (1, 2)]
    assert gain.gain == pytest.approx(np.mean(paired))


def test_confounds_name_what_was_seen_and_only_that(model, sources, store) -> None:
    plan = small_grid(model, sources)
    fill(plan, store, sources)
    said = find_confounds(plan.recipe, measure(plan, store))
    text = "\n".join(said)
    assert "tiny-bert has seen unlabelled text of klue/klue, which nli is evaluated on (Korean): the evaluated" in text
    assert (
        "tiny-bert has been trained on other nli data (English), and nli and snli are the same kind of task: NLI pairs"
        in text
    )
    assert "squad" not in text
    assert len(said) == 3
    assert "60 of 3,000 rows in Korean" in rows_differences(measure(plan, store))[0]


def test_selection_and_leaks_are_told(model, sources, store) -> None:
    english = TARGET.development[0]
    peeking = dataclasses.replace(TARGET, name="peeking", development=(TARGET.rows_in("ko"), english))
    leaking = dataclasses.replace(TARGET, name="leaking", train=(TARGET.rows_in("ko"),))
    chosen = train(model, peeking, LORA, selection=Best(every=10))
    plan = planned(
        sources,
        everywhere(chosen, peeking),
        everywhere(train(model, leaking, LORA), leaking),
        everywhere(train(model, TARGET, LORA, selection=Best(every=10)), TARGET),
    )
    fill(plan, store, sources)
    contents = RowContents(store, plan.identities)
    leaks, not_compared = shared_rows(plan.recipe, contents)
    text = "\n".join([*find_confounds(plan.recipe, measure(plan, store)), *leaks])
    page = write_report(plan, store, store.root / "report").html.read_text()
    assert page.index("that score is not a valid test score") < page.index("<summary>Before drawing conclusions")
    assert [said for said in not_compared if "was checked by the names of the data sets only" in said] == not_compared
    assert len(not_compared) == 1
    assert "The weights of peeking are selected on development rows in Korean" in text
    assert "The weights of peeking are selected on rows of klue/klue/nli/validation" in text
    assert "leaking is trained on rows of klue/klue/nli/validation" in text
    assert "The weights of nli" not in text, "MNLI's development and evaluation rows are two slices of one split"


def test_tables_fit_a_terminal_and_markdown_holds_the_same(model, sources, store, tmp_path) -> None:
    plan = small_grid(model, sources)
    fill(plan, store, sources)
    report = write_report(plan, store, tmp_path / "out")
    assert [(table.title, table.width) for table in report.tables if table.width > WIDEST] == []
    console = Console(width=120, record=True, file=io.StringIO())
    report.print(console)
    printed, markdown = console.export_text(), report.markdown()
    for table in report.tables:
        assert table.title in printed
        for row in table.rows:
            assert row[0].text in printed
            assert all(cell.text.replace("\n", "<br>") in markdown for cell in row)
    assert max(map(len, printed.splitlines())) <= 120
    # The Markdown page answers, too, and says what else may explain it.
    assert markdown.startswith("Exploratory: the recipe declares no comparison")
    assert f"\n\n**{TARGET.name} (exploratory): " in markdown
    assert f"**{TARGET.name} · gain by family**" in markdown
    assert all(warning in markdown for warning in report.warnings)
    assert report.warnings


def test_evaluations_without_their_golds_are_left_out_with_a_line_each(model, sources, store) -> None:
    plan = planned(sources, everywhere(train(model, TARGET, LORA), TARGET))
    fill(plan, store, sources)
    for file in (store.root / "golds").iterdir():
        file.unlink()
    with pytest.raises(UserError, match="no evaluation of recipe question is stored"):
        write_report(plan, store, store.root / "report")
    lines = left_out_lines(store, most=len(store.left_out))
    assert len(lines) == len(TARGET.languages)
    assert all("-" in line and ".json is missing" in line and "`adaptx run`" in line for line in lines)


def test_a_mixture_before_the_target_is_reported_by_its_tasks(model, sources, store, tmp_path) -> None:
    mixture = Mixture((SNLI, SIB200), label="both")
    plan = planned(
        sources,
        everywhere(train(model, TARGET, LORA), TARGET),
        everywhere(train(model, TARGET, LORA, Sequential(train(model, mixture, LORA))), TARGET),
        everywhere(train(model, Mixture((TARGET, SIB200)), LORA), TARGET),
    )
    fill(plan, store, sources)
    report = write_report(plan, store, tmp_path / "out")
    gains = compute_gains(measure(plan, store), 100)
    assert found(gains, "lora-r4 · Sequential · both").baseline == "lora-r4 · baseline"
    together = found(gains, "lora-r4 · Mixture · sib200")
    assert not together.is_baseline
    assert together.baseline == "lora-r4 · baseline"
    seen = "nli and snli are the same kind of task"
    assert any(seen in warning for warning in report.warnings), "a member is named, not the mixture"
    assert "training snli" in report.html.read_text()


def test_the_score_that_chose_a_step_is_shown(model, sources, store, tmp_path) -> None:
    chosen = train(model, TARGET, LORA, selection=Best(every=10))
    plan = planned(sources, everywhere(chosen, TARGET))
    fill(plan, store, sources)

    on, scored = "development set of nli (en)", (DevelopmentScore(90, 0.4321),)
    put_values(store, plan.fingerprint_of(chosen), selected_on=on, development=scored)
    page = write_report(plan, store, tmp_path / "out").html.read_text()
    assert "step 90, best on the development set of nli (en), accuracy 43.2%" in page


def test_a_setting_that_one_variant_does_not_have_is_named_in_words(model, sources, store) -> None:
    whole = train(model, TARGET, LORA)
    plan = planned(sources, everywhere(whole, TARGET), everywhere(dataclasses.replace(whole, limit=300), TARGET))
    fill(plan, store, sources)
    assert list(dict.fromkeys(tidy(plan, store)["variant"])) == [
        "lora-r4 · baseline · no limit",
        "lora-r4 · baseline · limit 300",
    ]
