"""The embedded sample: attributed, free to pass on, small and aligned; its model loads as any folder does."""

import logging
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from adaptx.sample import SAMPLE

ROOT = Path(__file__).parents[1]
ATTRIBUTION = (SAMPLE / "ATTRIBUTION.md").read_text(encoding="utf-8")
PARQUETS = sorted((SAMPLE / "data").rglob("*.parquet"))
MODEL = SAMPLE / "models" / "adaptx" / "e5-mini"

# Non-commercial, research-only or without a stated licence: none of these may be passed on.
FORBIDDEN_SETS = (
    "facebook/xnli",
    "masakhane/masakhaner2",
    "google/xtreme/MLQA",
    "lighteval/siqa",
    "allenai/social_i_qa",
    "Rowan/hellaswag",
    "allenai/cosmos_qa",
    "tau/commonsense_qa",
    "nyu-mll/glue/rte",
    "nyu-mll/glue/mrpc",
    *(f"google/xtreme/udpos.{t}" for t in ("Basque", "Bulgarian", "Greek", "Hebrew", "Tamil", "Turkish")),
)


def split_parts(parquet: Path) -> tuple[str, str, str]:
    """The hub id, config and split that a sample file stands for."""
    owner, name, config, split = parquet.relative_to(SAMPLE / "data").with_suffix("").parts
    return f"{owner}/{name}", config, split


def attributed_rows(hub_id: str, config: str) -> str:
    """The attribution's table row for one config; exactly one must name it."""
    rows = [
        line
        for line in ATTRIBUTION.splitlines()
        if line.startswith(f"| `{hub_id}` |")
        and re.search(rf"(?<![\w.-]){re.escape(config)}(?![\w.-])", line.split("|")[2])
    ]
    assert len(rows) == 1, f"{hub_id} {config}: {len(rows)} rows of ATTRIBUTION.md name it"
    return rows[0]


def test_sample_has_data():
    assert len({split_parts(parquet)[0] for parquet in PARQUETS}) == 11


@pytest.mark.parametrize("parquet", PARQUETS, ids=lambda p: "-".join(split_parts(p)))
def test_every_split_is_attributed_with_its_row_count(parquet):
    hub_id, config, split = split_parts(parquet)
    row = attributed_rows(hub_id, config)
    num_rows = pq.read_metadata(parquet).num_rows
    assert re.search(rf"\b{split} {num_rows:,}(?![\d,])", row), f"{split} {num_rows:,} is not in: {row}"


def test_no_split_is_of_a_set_that_may_not_be_passed_on():
    shipped = ["/".join(split_parts(parquet)) for parquet in PARQUETS]
    assert not [name for name in shipped if name.startswith(FORBIDDEN_SETS)]


def test_metadata_names_no_machine():
    for parquet in PARQUETS:
        keys = set(pq.read_metadata(parquet).metadata or {})
        assert keys <= {b"ARROW:schema"}, f"{parquet.name}: {keys}"


def test_tracked_files_stay_under_45_mib():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is tracked is unknown here")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    tracked = [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]
    total_bytes = sum(path.stat().st_size for path in tracked if path.is_file())
    assert total_bytes < 45 * 2**20


@pytest.mark.parametrize("split", ["validation", "test"])
def test_americas_nli_is_parallel(split):
    labels = {
        language: pq.read_table(SAMPLE / f"data/nala-cub/americas_nli/{language}/{split}.parquet")
        .column("label")
        .to_pylist()
        for language in ("aym", "gn", "quy")
    }
    assert labels["aym"] == labels["gn"] == labels["quy"]
    assert set(labels["aym"]) == {0, 1, 2}


def test_xquad_is_parallel_and_its_answers_are_where_they_say():
    ids = set()
    for language in ("de", "en", "es", "ru", "zh"):
        rows = pq.read_table(SAMPLE / f"data/google/xquad/xquad.{language}/validation.parquet").to_pylist()
        ids.add(tuple(row["id"] for row in rows))
        for row in rows:
            start, text = row["answers"]["answer_start"][0], row["answers"]["text"][0]
            assert row["context"].startswith(text, start)
    assert len(ids) == 1


def test_model_loads_offline_and_silently(monkeypatch):
    """Every weight is found and used; nothing is fetched, and nothing is said."""
    from transformers import AutoModel, AutoTokenizer

    def refuse(*args, **kwargs):
        raise AssertionError(f"the network was asked for: {args}")

    said: list[str] = []
    handler = logging.Handler(level=logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())
    logger = logging.getLogger("transformers")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    logger.addHandler(handler)
    try:
        model, loading = AutoModel.from_pretrained(MODEL, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(MODEL)
    finally:
        logger.removeHandler(handler)

    assert not said
    assert not any(loading.values()), loading
    assert sum(parameter.numel() for parameter in model.parameters()) == 17_136_768
    assert len(tokenizer) == model.config.vocab_size == 16_000
    assert tokenizer.is_fast
    # Checks the parts against each other: a real sentence has no unknown tokens.
    assert tokenizer.unk_token_id not in tokenizer("Kucing itu tidur di atas meja.")["input_ids"]
