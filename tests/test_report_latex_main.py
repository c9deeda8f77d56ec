"""The main table of a paper: its structure, its numbers, and that it compiles into one column."""

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import NLI, SIB200, SNLI
from adaptx.planning.plan import make_plan
from adaptx.report.gains.contrasts import contrast_results
from adaptx.report.gains.gain import ZERO_SHOT
from adaptx.report.gains.gains import compute_gains
from adaptx.report.gains.seed_gains import seed_gains
from adaptx.report.results.measured import Measurements, measure
from adaptx.report.tables.latex_main import main_table
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, Recipe, Sequential, difference
from adaptx.store.store import Store

LORA = Lora(rank=4)
TARGET = dataclasses.replace(
    NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in ("en", "ko", "gn"))
)
OTHER = dataclasses.replace(SIB200, evaluation=SIB200.evaluation[:3])


@pytest.fixture(scope="module", params=[1, 3])
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Measurements]:
    folder = tmp_path_factory.mktemp("latex")
    model, sources = fake_model(folder / "tiny-bert"), Sources(fake_mirror(folder / "data", TARGET, OTHER, SNLI))
    groups = []
    for seed in range(1, request.param + 1):
        first = Sequential(train(model, SNLI, LORA, seed=seed))
        for task in (TARGET, OTHER):
            groups += [everywhere(train(model, task, LORA, *start, seed=seed), task) for start in ((), (first,))]
    evaluations = planned(sources, *groups).recipe.evaluations
    with_, without = (
        [e for e in evaluations if e.task == TARGET and isinstance(e.model.start, Sequential) == it]
        for it in (True, False)
    )
    recipe = Recipe(
        "my_question", evaluations, title="A question?", contrasts=(difference("SNLI & more", with_, without),)
    )
    plan, store = make_plan(recipe, sources), Store(folder / "store")
    fill(plan, store, sources, {"": 0.5, "Sequential": 0.2}, num_rows=100)
    return recipe, measure(plan, store)


def written(study: tuple[Recipe, Measurements], wide: bool = False) -> str:
    recipe, measured = study
    contrasts = contrast_results(recipe.contrasts, measured, 200)
    return main_table(recipe, measured.tasks, compute_gains(measured, 200), seed_gains(measured), contrasts, wide)


@pytest.mark.parametrize("wide", [False, True])
def test_every_row_has_the_columns_of_the_heading_and_every_brace_its_partner(study, wide: bool) -> None:
    text = written(study, wide)
    body = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if " & " in line]
    columns = re.search(r"X(r+)@", text)[1]
    assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {1 + len(columns)}
    assert len(columns) == (6 if wide else 2)
    assert text.count("{") == text.count("}")
    assert text.count(r"\begin{table*}" if wide else r"\begin{table}") == 1
    assert (r"{\textwidth}" if wide else r"{\columnwidth}") in text
    assert r"\label{tab:my-question-main}" in text
    assert r"SNLI \& more" in text
    assert text.index(r"\emph{nli}") < text.index(r"\emph{sib200}") < text.index(r"\emph{contrasts}")


def test_numbers_are_those_of_the_gains_with_the_deviation_over_seeds(study) -> None:
    _, measured = study
    text = written(study)
    gains = [each for each in compute_gains(measured, 200) if each.quantity == ZERO_SHOT]
    seeds = gains[0].seeds
    for gain in gains:
        assert f"{100 * gain.score:.1f}" in text
        if gain.gain is not None:
            shown = f"{100 * gain.gain:+.1f}".replace("-", "$-$")
            assert (rf"\textbf{{{shown}}} {{[}}" if gain.sign else rf"\textcolor{{gray}}{{{shown} {{[}}") in text
    assert (r" $\pm$ " in text) == (seeds > 1)
    assert ("over 3 seeds" in text) == (seeds == 3)
    assert ("over rows and seeds" in text) == (seeds == 3)


def test_it_compiles_into_one_column_without_an_overfull_line(study, tmp_path: Path) -> None:
    needed = ["booktabs.sty", "tabularx.sty", "amssymb.sty", "xcolor.sty"]
    if shutil.which("pdflatex") is None or subprocess.run(["kpsewhich", *needed], capture_output=True).returncode:
        pytest.skip("needs pdflatex with booktabs, tabularx, amssymb and xcolor")
    packages = r"\usepackage{booktabs,tabularx,amssymb}\usepackage[table]{xcolor}\usepackage[utf8]{inputenc}"
    both = written(study) + written(study, wide=True)
    document = rf"\documentclass[twocolumn]{{article}}{packages}\begin{{document}}{both}\end{{document}}"
    (tmp_path / "main.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "main.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    log = ended.stdout.decode("utf-8", "replace")
    assert ended.returncode == 0, log[-3_000:]
    assert "Overfull" not in log
